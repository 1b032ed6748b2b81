"""What the command line says of past scores: explain --since, audit, postmortem."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from crm.ledger import runs
from crm.store import Store
from models.registry import Registry
from tests.commands import wonlost

DAYS = ("2026-03-30", "2026-04-27", "2026-06-01", "2026-07-06", "2026-08-03")


@pytest.fixture(scope="module")
def past(twice: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line whose champion was trained half a year before the end, with some runs kept."""
    var = Path(shutil.copytree(twice[0], tmp_path_factory.mktemp("past") / "var"))
    for day in DAYS:
        done = wonlost(var, "score", "--as-of", day, "--out", f"{day}.csv")
        assert done.returncode == 0, done.stderr
        assert "in-sample" not in done.stderr
    return var


def kept_days(var: Path) -> list[str]:
    with Store.open(f"sqlite:///{var / 'wonlost.db'}") as store:
        return [f"{pd.Timestamp(run.made.as_of, unit='us'):%Y-%m-%d}" for run in runs(store)]


def open_at_both(var: Path, one: str, other: str) -> list[str]:
    ids = [set(pd.read_csv(var / f"{day}.csv")["opportunity_id"]) for day in (one, other)]
    return sorted(ids[0] & ids[1])


@pytest.mark.slow
def test_score_keeps_each_run_once_and_not_at_all_where_told(past: Path) -> None:
    assert kept_days(past) == list(DAYS)
    again = wonlost(past, "score", "--as-of", DAYS[0])
    assert "this very run was kept before, as run 1; nothing changed" in again.stderr
    assert wonlost(past, "score", "--as-of", "2026-05-04", "--no-keep").returncode == 0
    assert kept_days(past) == list(DAYS)


@pytest.mark.slow
def test_explain_since_adds_up_from_the_kept_score(past: Path) -> None:
    deal = open_at_both(past, "2026-07-06", "2026-08-03")[0]
    done = wonlost(past, "explain", deal, "--since", "2026-07-08", "--as-of", "2026-08-03")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    kept = pd.read_csv(past / "2026-07-06.csv").set_index("opportunity_id")["win_probability"][deal]
    assert f"from {100 * kept:.1f} % on 2026-07-06 (version 2, as it was kept)" in lines[0]
    end = next(place for place, text in enumerate(lines) if text.startswith("win probability on 2026-08-03"))
    points = [float(text.rsplit(maxsplit=1)[1]) for text in lines[2 : end + 1]]
    assert sum(points[:-1]) == pytest.approx(points[-1], abs=0.05 * len(points))
    assert points[0] == pytest.approx(100 * kept, abs=0.05)
    unknown = wonlost(past, "explain", "nobody", "--since", "2026-07-08")
    assert (unknown.returncode, unknown.stderr.splitlines()[0]) == (1, "error: there is no deal 'nobody' in the store")
    late = wonlost(past, "explain", deal, "--since", "2026-08-04", "--as-of", "2026-08-03")
    assert "--since 2026-08-04 is not before 2026-08-03" in late.stderr


@pytest.mark.slow
def test_audit_in_every_form_and_in_mlflow(past: Path) -> None:
    done = wonlost(past, "audit", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["n_runs"], found["n_kept"], found["versions"]) == (5, 5, [2])
    assert found["overall"]["n_deals"] > 50
    assert len(found["bins"]) == 10
    assert sum(item["n"] for item in found["bins"]) > 0
    registry = Registry(f"sqlite:///{past / 'mlflow.db'}", past / "models")
    experiment = registry.client.get_experiment_by_name("wonlost-win")
    logged = registry.client.search_runs([experiment.experiment_id], "tags.mlflow.runName = 'audit'")
    assert len(logged) == 1
    metrics = logged[0].data.metrics
    assert metrics["audit.breaches"] == len(found["breaches"])
    assert metrics["audit.slope"] == pytest.approx(found["overall"]["slope"]["mean"])
    text = wonlost(past, "audit", "--no-log", "--by", "team").stdout
    assert "by team" in text
    assert "by stage" not in text
    assert ("advice: train anew" in text) == bool(found["breaches"])
    page = wonlost(past, "audit", "--no-log", "--format", "md", "--since", "2026-06-01").stdout
    assert page.startswith("# Audit of past scores\n")
    assert "3 runs for 2026-06-01 to 2026-08-03" in page
    for rows in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        assert len({line.count("|") for line in rows.splitlines()}) == 1
    assert len(registry.client.search_runs([experiment.experiment_id], "tags.mlflow.runName = 'audit'")) == 1


@pytest.mark.slow
def test_postmortem_of_a_closed_deal(past: Path) -> None:
    deals = pd.read_csv(past / "export" / "opportunities.csv")
    closed = pd.to_datetime(deals["closed_at"], utc=True, format="ISO8601")
    scored = set(pd.read_csv(past / "2026-06-01.csv")["opportunity_id"])
    mine = deals[deals["opportunity_id"].isin(scored) & (closed > "2026-06-10")]["opportunity_id"].iloc[0]
    done = wonlost(past, "postmortem", mine)
    assert done.returncode == 0, done.stderr
    for part in ("how its odds moved", "what moved them most", "what was said at the time", "deals like it"):
        assert part in done.stdout
    plain = json.loads(wonlost(past, "postmortem", mine, "--format", "json").stdout)
    assert plain["deal_id"] == mine
    assert "2026-06-01" in {item["as_of"][:10] for item in plain["kept"]}
    still = deals[deals["closed_at"].isna()]["opportunity_id"].iloc[0]
    wrong = wonlost(past, "postmortem", still)
    assert (wrong.returncode, len(wrong.stderr.strip().splitlines())) == (1, 1)
    assert "is still open" in wrong.stderr


@pytest.mark.slow
def test_nothing_kept_yet_is_one_clear_sentence(line: Path) -> None:
    done = wonlost(line, "audit", "--since", "2026-12-01")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1)
    assert "no scores were kept for 2026-12-01 or later yet: `wonlost score` keeps them" in done.stderr
