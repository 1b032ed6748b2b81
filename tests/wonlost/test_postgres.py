"""A whole line on PostgreSQL: every command that reads or writes the store says what it says on SQLite."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from crm.labels import labels
from crm.ledger import runs
from crm.marks import all_marks, draws
from crm.simulate import Parameters, simulate, write
from crm.store import Store
from tests.commands import wonlost
from tests.postgres import Postgres

pytestmark = pytest.mark.slow
NOW = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
"""When something was kept, to the minute: the two commands may lie on either side of one."""
CUT, ONE, OTHER = "2026-06-01", "2026-06-08", "2026-06-29"


class Both:
    """Two folders with the same export, the store of one in a SQLite file, of the other in PostgreSQL."""

    def __init__(self, sqlite: Path, postgresql: Path, url: str) -> None:
        self.folders = {sqlite: "", postgresql: url}
        self.stores = [f"sqlite:///{sqlite / 'wonlost.db'}", url]

    def run(self, *arguments: str, typed: str = "") -> str:
        """What a command prints, which is the same on both."""
        said = []
        for folder, url in self.folders.items():
            done = wonlost(folder, *arguments, *(("--store", url) if url else ()), typed=typed)
            assert done.returncode == 0, done.stderr
            said.append(done.stdout)
        one, other = (NOW.sub("now", text) for text in said)
        assert one == other
        return said[0]

    def written(self, name: str) -> pd.DataFrame:
        """A table that a command has written, to the byte the same in both."""
        one, other = (folder / name for folder in self.folders)
        assert one.read_bytes() == other.read_bytes()
        return pd.read_csv(one)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Both:
    """The same export imported into each, and one model for both, trained from PostgreSQL on what was known at `CUT`.

    What SQLite would have given it to learn from is the same: the rooms' own tests compare all tables of both.
    """
    found = Both(tmp_path_factory.mktemp("sqlite"), tmp_path_factory.mktemp("postgresql"), postgres.create())
    export = simulate(400, 3, parameters=Parameters(difficulty=0.5))
    for folder, url in found.folders.items():
        write(export, folder / "export")
        done = wonlost(folder, "import", "export", *(("--store", url) if url else ()))
        assert done.returncode == 0, done.stdout + done.stderr
        assert (folder / "wonlost.db").exists() == (not url)
    (one, _), (other, url) = found.folders.items()
    done = wonlost(other, "train", "--as-of", CUT, "--force", "for a test", "--store", url)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copy(other / "mlflow.db", one)
    return found


def test_scores_are_equal_kept_explained_and_audited(both: Both) -> None:
    for day in (ONE, OTHER):
        both.run("score", "--as-of", day, "--out", f"{day}.csv")
    scores = [both.written(f"{day}.csv") for day in (ONE, OTHER)]
    assert len(scores[0]) > 20
    deal = sorted(set(scores[0]["opportunity_id"]) & set(scores[1]["opportunity_id"]))[0]
    assert "as it was kept" in both.run("explain", deal, "--since", ONE, "--as-of", OTHER)
    audit = json.loads(both.run("audit", "--format", "json", "--no-log"))
    assert (audit["n_kept"], audit["versions"]) == (2, [1])
    assert audit["overall"]["n_deals"] > 10
    for url in both.stores:
        with Store.open(url) as store:
            assert [run.id for run in runs(store)] == [1, 2]


def test_marks_draws_and_answers_are_kept(both: Both) -> None:
    both.run("reengage", "--out", "queue.csv", "--limit", "1000", "--hold-out", "0.3")
    first = both.written("queue.csv")["id"][0]
    both.run("reengage", "mark", first, "contacted", "--by", "Nina")
    both.run("reengage", "--out", "queue.csv", "--limit", "1000")
    assert first not in set(both.written("queue.csv")["id"])
    both.run("reengage", "compare")
    assert "2 answers stored" in both.run("review-notes", "--n", "3", "--by", "Ada", typed="budget\nno_need\n")
    kept = []
    for url in both.stores:
        with Store.open(url) as store:
            kept.append((
                [(mark.id, mark.opportunity_id, mark.kind, mark.by) for mark in all_marks(store)],
                {deal: drawn.held_out for deal, drawn in draws(store).items()},
                [(note, label.reasons, label.by) for note, label in labels(store).items()],
            ))  # fmt: skip
    assert kept[0] == kept[1]
    assert [len(part) > 0 for part in kept[0]] == [True, True, True]


def test_forecast_review_and_another_import(both: Both) -> None:
    assert "90 %" in both.run("forecast")
    assert json.loads(both.run("review", "--format", "json"))
    assert "nothing changed" in both.run("import", "export")
