"""The probe keeps its shape, so that no figure on it can rest on fewer notes or reasons than it says."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from models.notes import clean, junk_reason

PROBE = Path(__file__).parent / "probe"
Notes = list[dict[str, str]]


def notes(kind: str) -> Notes:
    with (PROBE / f"{kind}_notes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("kind", "least", "reasons", "each"), [("loss", 180, 20, 6), ("win", 40, 8, 5)])
def test_the_probe_covers_all_reasons_and_languages(kind: str, least: int, reasons: int, each: int) -> None:
    rows = notes(kind)
    assert len(rows) >= least
    assert len({row["text"] for row in rows}) == len(rows)
    counts = Counter(row["reason"] for row in rows)
    assert len(counts) == reasons
    assert min(counts.values()) >= each
    assert {row["language"] for row in rows} == {"en", "de", "fr", "es", "it"}
    further = {reason for row in rows for reason in row["further"].split("|") if reason}
    assert further <= set(counts)
    assert all(row["reason"] not in row["further"].split("|") for row in rows)


def test_rivals_stand_in_their_notes_and_survive_cleaning() -> None:
    for row in notes("loss") + notes("win"):
        assert row["rival"].lower() in clean(row["text"]).text.lower()


def test_the_gate_refuses_no_note_that_gives_a_reason() -> None:
    refused = [row["text"] for row in notes("loss") + notes("win")
               if row["reason"] != "unclear" and junk_reason(clean(row["text"]).text)]  # fmt: skip
    assert refused == []
