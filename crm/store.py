"""The store: the one place where an imported CRM is kept, in SQLite by default or PostgreSQL by URL."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from sqlalchemy import exc

from crm.errors import NothingImportedError, StoreError
from crm.records import CUSTOM, RECORDS, attributes, imports, key_of, metadata, process
from crm.schema import TABLES, Kind, Known
from crm.tables import NAT, Attribute, Coded, Columns, CrmData, Process, Values, encode

SCHEMA_VERSION = "0004"
"""Newest version in `crm/migrations/versions`; kept here so that opening an up-to-date store need not load Alembic."""

_UPGRADING = Lock()
"""Held while Alembic works: what it works on is global to the process, and a server opens the store in many threads."""
_PATIENCE = 30.0
"""Seconds that an import waits for another one that is being written."""
_BATCH = 50_000
_TEXT = (Kind.ID, Kind.TEXT, Kind.CATEGORY)


@dataclass(frozen=True)
class ImportRecord:
    """One import that the store has taken.

    Attributes:
        id: Running number, from 1.
        imported_at: Microseconds since 1970, UTC.
        mapping: Name of the mapping.
        mapping_sha256: Digest of the mapping's text.
        files: Name, SHA-256, tables and row count of each file read.
        report: The import's report as plain values.
    """

    id: int
    imported_at: int
    mapping: str
    mapping_sha256: str
    files: list[dict[str, Any]]
    report: dict[str, Any]


class Store:
    """An open store of one company's CRM. Use it as a context manager, or call `close()`."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> Store:
        """Open a store, creating it or bringing its schema up to date as needed.

        Args:
            url: SQLAlchemy URL such as `sqlite:///var/wonlost.db` or `postgresql+psycopg://user@host/name`.

        Raises:
            StoreError: The URL cannot be understood, the file or server cannot be used, or the store was written by a
                newer version.
        """
        try:
            parsed = sa.make_url(url)
        except exc.ArgumentError as error:
            raise StoreError(
                f"store {url!r} is not a URL: write for instance sqlite:///var/wonlost.db, "
                "or postgresql+psycopg://user:password@host/database"
            ) from error
        shown = parsed.render_as_string(hide_password=True)
        try:
            engine = _sqlite_engine(parsed) if parsed.get_backend_name() == "sqlite" else _server_engine(parsed)
        except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
            raise StoreError(
                f"store {shown}: no driver for {parsed.drivername!r}; use sqlite:/// or postgresql+psycopg://"
            ) from error
        try:
            with _plain_errors(shown):
                _upgrade(engine, shown)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file or the server; the store cannot be used afterwards."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One transaction: all that happens in it is kept together, or nothing if it raises.

        Raises:
            StoreError: The database refuses (locked, full, unwritable).
        """
        with _plain_errors(self.engine.url.render_as_string(hide_password=True)), self.engine.begin() as connection:
            yield connection

    def last_import(self) -> int:
        """Number of the newest import, 0 if there is none."""
        with self.transaction() as connection:
            return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.max(imports.c.id), 0))) or 0)

    def imports(self) -> list[ImportRecord]:
        """All imports, oldest first."""
        with self.transaction() as connection:
            rows = connection.execute(sa.select(imports).order_by(imports.c.id)).all()
        return [
            ImportRecord(r.id, r.imported_at, r.mapping, r.mapping_sha256, json.loads(r.files), json.loads(r.report))
            for r in rows
        ]

    def load(self) -> CrmData:
        """All that the store holds, in memory, deals ordered by id and events by their key in the store.

        Raises:
            NothingImportedError: The store holds no opportunities.
            StoreError: The database cannot be read.
        """
        with self.transaction() as connection:
            _of_one_moment(connection)
            known = read_attributes(connection)
            newest = connection.execute(
                sa.select(imports.c.imported_at).order_by(imports.c.id.desc()).limit(1)
            ).scalar_one_or_none()
            if connection.scalar(sa.select(RECORDS["opportunities"].c.opportunity_id).limit(1)) is None:
                raise NothingImportedError(
                    f"the store {self.engine.url.render_as_string(hide_password=True)} holds no opportunities yet: "
                    "import an export first (wonlost import PATH)"
                )
            tables: dict[str, Columns] = {}
            for table in TABLES:
                mine = [attribute for attribute in known if attribute.table == table]
                if mine:
                    tables[table] = _read_table(connection, table, mine)
            return CrmData(
                tables={name: columns for name, columns in tables.items() if len(next(iter(columns.values())))},
                attributes=tuple(known),
                process=read_process(connection),
                imported_at=NAT if newest is None else int(newest),
            )


def read_attributes(connection: sa.Connection) -> list[Attribute]:
    """Every column at hand and when it is known, in the order of the schema, custom ones last."""
    order = list(TABLES)
    rows = sorted(
        connection.execute(sa.select(attributes)).all(),
        # Sorted here, because a database sorts names by the rules of its own language.
        key=lambda row: (order.index(row.table_name), row.position, row.name),
    )
    return [
        Attribute(row.table_name, row.name, Kind(row.kind), Known(row.known), bool(row.custom), row.source)
        for row in rows
    ]


def read_process(connection: sa.Connection) -> Process:
    """How the sales process is read, as the last import's mapping said."""
    values: dict[str, Any] = {row.key: json.loads(row.value) for row in connection.execute(sa.select(process)).all()}
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return Process(**cast(dict[str, Any], given))


class _Encoder:
    """Turns a column's values, batch by batch, into one typed array."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        # Next code for a new value, as C code finds it: this line runs once per cell of a million events.
        self._index: defaultdict[str | None, int] = defaultdict(count().__next__)
        self._parts: list[Values] = []

    def add(self, values: tuple[Any, ...]) -> None:
        if self._kind not in _TEXT:
            self._parts.append(encode(self._kind, values))
            return
        codes = np.fromiter(map(self._index.__getitem__, values), dtype=np.int32, count=len(values))
        self._parts.append(Coded(codes, ()))

    def result(self) -> Values:
        if self._kind in _TEXT:
            parts = [part.codes for part in self._parts if isinstance(part, Coded)]
            missing = self._index.pop(None, None)
            codes = np.concatenate([np.empty(0, np.int32), *parts])
            if missing is not None:
                codes = np.where(codes == missing, -1, codes - (codes > missing)).astype(np.int32)
            return Coded(codes, tuple(str(level) for level in self._index))
        arrays = [part for part in self._parts if isinstance(part, np.ndarray)]
        return cast(Values, np.concatenate([encode(self._kind, ()), *arrays]))


def _read_table(connection: sa.Connection, table: str, mine: list[Attribute]) -> Columns:
    record = RECORDS[table]
    standard = [attribute for attribute in mine if not attribute.custom]
    custom = [attribute for attribute in mine if attribute.custom]
    selected = [record.c[attribute.name] for attribute in standard]
    if custom:
        selected.append(record.c[CUSTOM])
    statement = sa.select(*selected).order_by(record.c[key_of(TABLES[table])])
    encoders = {attribute.name: _Encoder(attribute.kind) for attribute in mine}
    # The driver's own cursor: a row object of SQLAlchemy for each of a million events would cost more than the reading.
    cursor = connection.connection.cursor()
    try:
        cursor.execute(str(statement.compile(connection)))
        while batch := cursor.fetchmany(_BATCH):
            columns = list(zip(*batch, strict=True))
            for attribute, values in zip(standard, columns, strict=False):
                encoders[attribute.name].add(values)
            if custom:
                rows = json.loads("[" + ",".join(value or "{}" for value in columns[-1]) + "]")
                for attribute in custom:
                    encoders[attribute.name].add(tuple(row.get(attribute.name) for row in rows))
    finally:
        cursor.close()
    return {name: encoder.result() for name, encoder in encoders.items()}


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
        folder = Path(url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder {folder} for the store cannot be made: {error.strerror}") from error
    engine = sa.create_engine(url, connect_args={"timeout": _PATIENCE})

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # begin and commit are SQLAlchemy's, also around CREATE TABLE
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -200000")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # At once, where others are to wait from here on; else with the first statement that writes.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("alone") else "BEGIN")

    return engine


def _server_engine(url: sa.URL) -> sa.Engine:
    # A connection that the server has closed meanwhile (it was restarted) is noticed and made anew.
    return sa.create_engine(url, pool_pre_ping=True)


def lock_imports(connection: sa.Connection) -> None:
    """Let no other import begin until this transaction has ended; reading goes on. To be its first statement.

    In SQLite the first statement that writes does so of itself, and one that comes meanwhile waits as long.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(1000 * _PATIENCE)}")
        connection.exec_driver_sql("LOCK TABLE imports IN SHARE ROW EXCLUSIVE MODE")


def _of_one_moment(connection: sa.Connection) -> None:
    """Let all statements of a transaction see the store as it is at the first: never half of an import.

    In SQLite they do of themselves.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _upgrade(engine: sa.Engine, shown: str) -> None:
    if _version(engine, shown) != SCHEMA_VERSION:
        with _UPGRADING:  # another thread may have done it meanwhile
            version = _version(engine, shown)
            if version != SCHEMA_VERSION:
                _migrate(engine, shown, version)


def _version(engine: sa.Engine, shown: str) -> str | None:
    """Version of the schema; None in a new store."""
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
        version = None
        if "alembic_version" in names:
            version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if version is None and names & set(metadata.tables):
            raise StoreError(f"store {shown} holds tables that are not wonlost's: choose another file or database")
        return version


def _migrate(engine: sa.Engine, shown: str, version: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    revisions = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in revisions:
        raise StoreError(
            f"store {shown} was written by a newer version of wonlost (its schema is {version}, "
            f"this version knows up to {SCHEMA_VERSION}): upgrade wonlost, or use another store"
        )
    # Several processes may open a new store at once: the later ones wait here, and then find nothing left to do.
    with engine.execution_options(alone=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('wonlost'))")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _plain_errors(shown: str) -> Iterator[None]:
    try:
        yield
    except (exc.OperationalError, exc.DatabaseError) as error:
        reason = " ".join(str(error.orig if error.orig is not None else error).split())
        if "readonly" in reason:
            reason = "it cannot be written to (check the rights of the file and of its folder)"
        elif "unable to open" in reason:
            reason = "the file cannot be opened or made (is it a folder, or without the right to write?)"
        elif "not a database" in reason:
            reason = "the file is not a SQLite database"
        elif "locked" in reason or "lock timeout" in reason:
            reason = "another import is writing to it; try again when that is done"
        raise StoreError(f"store {shown} cannot be used: {reason}") from error
