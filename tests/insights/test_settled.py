"""Which reason counts where people, notes and picklists differ."""

from __future__ import annotations

import math

import pytest

from crm.labels import Label
from crm.notes import NoteKey
from insights.settled import PICKLIST_CONFIDENCE, settle, trusted
from models.reasons import Reading, Status


def reading(reason: str, status: Status, note: str = "") -> Reading:
    return Reading(reason, 0.7, status, (), (), None, "en", note, "the note")


ANSWER = Label(1, NoteKey("d", "loss", "0"), ("budget", "timing_deferred"), "ann", 0, "0", "review")


def test_a_person_counts_before_the_note_and_the_note_before_the_picklist() -> None:
    sure = reading("price_value", "sure")
    assert vars(settle(ANSWER, sure, "competitor")) == {"reason": "budget", "source": "person", "probability": 1.0}
    assert vars(settle(None, sure, "competitor")) == {"reason": "price_value", "source": "note", "probability": 0.7}
    picked = settle(None, None, "competitor")
    assert (picked.reason, picked.source, picked.probability) == ("competitor", "picklist", PICKLIST_CONFIDENCE)
    nothing = settle(None, None, None)
    assert (nothing.reason, nothing.source) == (None, None)
    assert math.isnan(nothing.probability)


@pytest.mark.parametrize(("reason", "status", "note", "tells"), [
    ("price_value", "sure", "", True), ("price_value", "review", "", True), ("price_value", "unclear", "", False),
    ("unqualified", "not a reason", "", True), ("unclear", "not a reason", "", False),
    ("price_value", "not a reason", "a placeholder", False),
])  # fmt: skip
def test_a_reading_that_does_not_tell_leaves_it_to_the_picklist(
    reason: str, status: Status, note: str, tells: bool
) -> None:
    read = reading(reason, status, note)
    assert trusted(read) is tells
    assert settle(None, read, "competitor").source == ("note" if tells else "picklist")
