"""An import killed in the middle leaves the store as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crm.importing import import_export
from crm.mapping import load_mapping
from crm.store import Store

pytestmark = pytest.mark.slow
IMPORT = """
import os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from crm.importing import import_export
from crm.mapping import load_mapping
from crm.store import Store

url, folder, moment = sys.argv[1:]
store = Store.open(url)

@sa.event.listens_for(store.engine, "after_cursor_execute")
def killed(connection, cursor, statement, parameters, context, many):
    if statement.startswith(moment):
        os.kill(os.getpid(), signal.SIGKILL)

@sa.event.listens_for(store.engine, "commit")
def at_commit(connection):
    if moment == "COMMIT":
        os.kill(os.getpid(), signal.SIGKILL)

import_export([Path(folder)], load_mapping("wonlost"), store)
"""
HEAD = "opportunity_id,created_at,closed_at,stage,amount\n"
ACTIVITIES = "opportunity_id,occurred_at,type\n"


def write(folder: Path, n: int, amount: int) -> None:
    folder.mkdir(exist_ok=True)
    deals = "".join(f"d{i:04d},2024-01-01,2024-03-01,Closed Won,{amount}\n" for i in range(n))
    calls = "".join(f"d{i:04d},2024-01-0{day},call\n" for i in range(n) for day in range(1, 6))
    (folder / "opportunities.csv").write_text(HEAD + deals)
    (folder / "activities.csv").write_text(ACTIVITIES + calls)


@pytest.mark.parametrize(
    "moment",
    ["INSERT INTO staged_activities", "INSERT INTO activities", "COMMIT"],
)
def test_a_killed_import_leaves_the_store_as_it_was(moment: str, url: str, tmp_path: Path) -> None:
    write(tmp_path / "first", 50, 5)
    write(tmp_path / "second", 1500, 7)
    with Store.open(url) as store:
        import_export([tmp_path / "first"], load_mapping("wonlost"), store)
        before = store.load()
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, url, str(tmp_path / "second"), moment],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    with Store.open(url) as store:
        after = store.load()
        assert store.last_import() == 1
        for table in ("opportunities", "activities"):
            assert after.frame(table).equals(before.frame(table))
        report = import_export([tmp_path / "second"], load_mapping("wonlost"), store)
        assert [(table.new, table.changed) for table in report.tables] == [(1450, 50), (7250, 0)]
