"""The command line looks back: wonlost review."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import wonlost


@pytest.mark.slow
def test_review_writes_a_page_and_prints_the_rest(line: Path) -> None:
    done = wonlost(line, "review", "--period", "2026Q2", "--by", "team")
    assert done.returncode == 0, done.stderr
    page = line / "reviews" / "review-2026Q2.html"
    assert done.stdout.splitlines()[-1] == f"the review is in {page}"
    assert "a review of simulated data" in done.stderr
    told = json.loads(wonlost(line, "review", "--period", "2026Q2", "--format", "json").stdout)
    assert done.stdout.splitlines()[0] == told["headline"]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert told["headline"] in page.read_text(encoding="utf-8")
    text = wonlost(line, "review", "--format", "md", "--as-of", "2026-07-15").stdout
    assert text.startswith("# wonlost: win-loss review of 2026Q2 ")
    assert wonlost(line, "review", "--period", "2026-05", "--out", "may.html").returncode == 0
    assert (line / "may.html").stat().st_size > 20_000


def test_a_wrong_period_and_an_empty_store_are_one_line(tmp_path: Path) -> None:
    for arguments, message in ((("--period", "2026Q9"), "error: '2026Q9' is not a period; write it as 2026Q3"),
                               (("--period", "2026Q1"), "holds no opportunities yet")):  # fmt: skip
        done = wonlost(tmp_path, "review", *arguments)
        assert done.returncode == 1
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
