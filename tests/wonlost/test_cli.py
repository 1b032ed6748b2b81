"""The command line, as a user calls it: on a store and a registry of its own."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.commands import wonlost


def test_the_installed_script_lists_its_commands() -> None:
    script = Path(sys.executable).with_name("wonlost")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    for command in ("import", "train", "score", "explain", "classify", "review", "serve"):
        assert f" {command} " in done.stdout


@pytest.mark.slow
def test_score_writes_every_open_deal(line: Path) -> None:
    done = wonlost(line, "score", "--as-of", "2026-09-01", "--out", "s.csv")
    assert done.returncode == 0, done.stderr
    assert "in-sample" in done.stderr
    found = pd.read_csv(line / "s.csv")
    assert list(found.columns[:6]) == ["opportunity_id", "as_of", "win_probability", "band", "model_version", "reasons"]
    deals = pd.read_csv(line / "export" / "opportunities.csv")
    when = pd.Timestamp("2026-09-01", tz="UTC")
    created, closed = (pd.to_datetime(deals[name], utc=True, format="ISO8601") for name in ("created_at", "closed_at"))
    expected = deals["opportunity_id"][(created < when) & ~(closed < when)]
    assert sorted(found["opportunity_id"]) == sorted(expected)
    assert set(found["as_of"]) == {"2026-09-01T00:00:00Z"}
    assert found["win_probability"].between(0, 1).all()
    assert found["in_sample"].all()
    assert wonlost(line, "score", "--as-of", "2026-09-01", "--out", "s.parquet").returncode == 0
    again = pd.read_parquet(line / "s.parquet")
    assert np.allclose(again["win_probability"], found["win_probability"], atol=1e-12)
    table = wonlost(line, "score").stdout
    assert "most likely" in table
    assert "least likely" in table


@pytest.mark.slow
def test_explain_adds_up(line: Path) -> None:
    wonlost(line, "score", "--out", "now.csv")
    deal = pd.read_csv(line / "now.csv").iloc[0]
    done = wonlost(line, "explain", deal["opportunity_id"])
    assert done.returncode == 0, done.stderr
    *lines, within = done.stdout.strip().splitlines()
    points = [float(text.rsplit(maxsplit=1)[1]) for text in lines if text != lines[0] and text.strip() != "points"]
    assert sum(points[:-1]) == pytest.approx(points[-1], abs=0.05 * len(points))
    assert points[-1] == pytest.approx(100 * deal["win_probability"], abs=0.06)
    told = [float(share) for share in re.findall(r"days (\d+\.\d) %", within)]
    assert told == pytest.approx([100 * deal[f"won_within_{days}"] for days in (30, 60, 90, 180)], abs=0.06)
    assert "no deal 'nobody'" in wonlost(line, "explain", "nobody").stderr


@pytest.mark.slow
def test_models_promote_and_rollback(line: Path) -> None:
    listed = json.loads(wonlost(line, "models", "--json").stdout)
    assert listed[0]["aliases"] == ["champion"]
    assert listed[0]["simulated"] is True
    assert listed[0]["metrics"]["log_loss"] < listed[0]["metrics"]["base_rate_log_loss"]
    assert "version 1 [simulated data]: beats the base rate" in wonlost(line, "models").stdout
    assert wonlost(line, "promote", "1").returncode == 0
    missing = wonlost(line, "promote", "99")
    assert (missing.returncode, missing.stderr.strip()) == (
        1, "error: there is no version 99 of wonlost-win; see `wonlost models`")  # fmt: skip
    assert wonlost(line, "rollback").returncode == 1


@pytest.mark.slow
def test_report_writes_the_page_of_a_version(line: Path) -> None:
    done = wonlost(line, "report")
    assert done.returncode == 0, done.stderr
    page = line / "reports" / "win-version-1.html"
    assert done.stdout.strip() == f"the report of version 1 is in {page}"
    decision = json.loads(wonlost(line, "models", "--json").stdout)[0]["decision"]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert html.escape(decision) in page.read_text(encoding="utf-8")
    assert wonlost(line, "report", "1", "--out", "here.html").returncode == 0
    assert (line / "here.html").read_bytes() == page.read_bytes()
    missing = wonlost(line, "report", "7")
    assert (missing.returncode, missing.stderr.strip()) == (
        1, "error: there is no version 7 of wonlost-win; see `wonlost models`")  # fmt: skip


@pytest.mark.slow
def test_too_few_deals_end_in_a_refusal_with_exit_code_3(line: Path) -> None:
    done = wonlost(line, "train", "--no-reasons", "--as-of", "2024-06-03")
    assert done.returncode == 3
    assert done.stdout.startswith("refused: too few deals")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("import", "nowhere"), "error: nowhere: there is no such file or folder"),
        (("train",), "holds no opportunities yet: import an export first"),
        (("report",), "no versions yet"),
        (("score",), "holds no opportunities yet"),
        (("audit",), "holds no opportunities yet"),
        (("audit", "--by", "mood"), "--by mood: choose from stage, team, time, version"),
        (("postmortem", "D1"), "holds no opportunities yet"),
        (("score", "--out", "scores.xlsx"), "write to a .csv or a .parquet file"),
        (("simulate", "--deals", "5", "--out", "x", "--until", "soon"), "--until 'soon' is not a date"),
        (("simulate", "--deals", "5", "--out", "x", "--difficulty", "9"), "--difficulty 9 is not between 0.25 and 4"),
        (("serve", "--host", "0.0.0.0"), "only this machine may connect"),
    ],
)
def test_errors_are_one_line_and_exit_code_1(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = wonlost(tmp_path, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_force_needs_a_reason(tmp_path: Path) -> None:
    done = wonlost(tmp_path, "train", "--force", " ")
    assert (done.returncode, done.stderr.strip()) == (
        1, "error: --force needs a reason, which is kept with the version")  # fmt: skip


@pytest.mark.slow
def test_a_second_run_is_held_against_the_champion(twice: tuple[Path, str]) -> None:
    folder, told = twice
    listed = json.loads(wonlost(folder, "models", "--json").stdout)
    assert [version["number"] for version in listed] == [2, 1]
    assert "\nchampion's recipe" in told
    assert listed[0]["decision"] in told
