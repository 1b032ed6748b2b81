"""Reasons in the queue: from people's answers, the model's readings and picks, with the words that showed them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from crm.labels import Label
from crm.notes import NoteKey, text_digest
from crm.tables import micros
from features.history import History
from insights.reengagement.exclusions import GONE, NOT_A_REASON
from insights.reengagement.options import Options
from insights.reengagement.queue import Queue, make_queue
from insights.reengagement.reasons import Reader
from models.reasons import Evidence, Reading
from models.reasons.reading import Status
from tests.insights.reengagement.small import TAXONOMY, company, ids

TEXT = "board took the money away, mail jane@acme.com"
NOTE = f"opportunity_id | written_at | kind | text\nlost | 2025-03-02 | loss | {TEXT}"


def reads(reason: str, status: Status = "review", note: str = "") -> Reader:
    """A reader of which every note gives the same reason, and which refuses to read a text twice."""
    seen: set[str] = set()

    def read(texts: Sequence[str]) -> list[Reading]:
        assert not seen & set(texts)
        seen.update(texts)
        told = (Evidence(5, 19, "took the money", 1.0),)
        return [Reading(reason, 0.7, status, (), told, None, "en", note, "board took the money away, mail [email]")
                for _ in texts]  # fmt: skip

    return Reader(read, {}, "digest")


def answers(*reasons: str, text: str = TEXT) -> Reader:
    key = NoteKey("lost", "loss", text_digest(text))
    return Reader(reads("budget")._read, {key: Label(1, key, reasons, "ann", 0, "0", "review")}, "digest")


def queue(reader: Reader | None, notes: str = NOTE, as_of: str = "2025-09-01") -> Queue:
    return make_queue(History(company(notes=notes)), micros(as_of), Options(), TAXONOMY, reader=reader)


def test_the_notes_reason_stands_before_the_picklists_with_its_words() -> None:
    (row,) = queue(reads("budget")).rows
    assert (row.reason, row.reason_name, row.reason_source, row.confidence) == ("budget", "No budget", "note", 0.7)
    assert row.words == "board took the money away, mail [email]"
    assert row.evidence == ["took the money"]
    assert row.hint == TAXONOMY.reason("budget").hint
    assert "no budget" in row.why[0]


def test_an_unclear_note_leaves_the_picklists() -> None:
    (row,) = queue(reads("budget", "unclear")).rows
    assert (row.reason, row.reason_source, row.confidence, row.evidence) == ("price_value", "picklist", 0.55, [])


def test_a_persons_answer_stands_before_the_notes() -> None:
    (row,) = queue(answers("competitor", "budget")).rows
    assert (row.reason, row.reason_source, row.confidence, row.evidence) == ("competitor", "person", 1.0, [])
    (row,) = queue(answers("budget")).rows
    assert (row.reason_source, row.evidence) == ("person", ["took the money"])
    (row,) = queue(answers("competitor", text="another note")).rows
    assert row.reason_source == "note"


@pytest.mark.parametrize(("reader", "why"), [
    (reads("unqualified", "not a reason"), NOT_A_REASON), (answers("invalid_duplicate"), NOT_A_REASON),
    (reads("project_cancelled"), GONE), (answers("project_cancelled"), GONE),
])  # fmt: skip
def test_what_notes_say_was_no_loss_is_left_out(reader: Reader, why: str) -> None:
    found = queue(reader)
    assert ids(found) == []
    assert found.excluded == {why: 1}


def test_a_note_that_says_nothing_or_a_person_who_knows_better_leaves_nobody_out() -> None:
    assert ids(queue(reads("unqualified", "not a reason", "a placeholder"))) == ["lost"]
    assert ids(queue(answers("unclear"))) == ["lost"]
    rival = NOTE.replace(TEXT, "their old supplier is insolvent")
    assert ids(queue(None, rival)) == []
    assert ids(queue(answers("competitor", text="their old supplier is insolvent"), rival)) == ["lost"]


def test_without_a_model_it_says_so_and_masks_all_the_same() -> None:
    found = queue(None)
    assert any("no model of reasons" in note for note in found.notes)
    assert "jane@acme.com" not in found.rows[0].words
    assert not any("no model" in note for note in queue(reads("budget")).notes)


def test_what_a_note_says_later_is_not_known_before() -> None:
    (row,) = queue(reads("budget"), NOTE.replace("2025-03-02", "2025-10-01")).rows
    assert row.reason_source == "picklist"


def test_another_model_or_answer_has_another_key() -> None:
    keys = {reads("budget").key, answers("budget").key, answers("competitor").key, Reader().key,
            Reader(None, {}, "other").key}  # fmt: skip
    assert len(keys) == 5
    assert answers("budget").key == answers("budget", "competitor").key  # only the primary reason counts
