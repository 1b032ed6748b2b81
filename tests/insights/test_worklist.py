"""The notes that a person is asked about, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.errors import AnswerError
from crm.labels import Label, history, labels
from crm.notes import Note, NoteKey, text_digest
from crm.store import Store
from insights.worklist import REVIEW, SECOND_LOOK, answer, review_list
from models.errors import TaxonomyMismatch
from models.reasons import ReasonModel
from models.taxonomy import Taxonomy, default_taxonomy


def note(text: str, picklist: str = "", deal: str = "d1") -> Note:
    return Note(NoteKey(deal, "loss", text_digest(text)), text, 0, picklist)


def labelled(of: Note, *reasons: str, source: str = REVIEW) -> dict[NoteKey, Label]:
    return {of.key: Label(1, of.key, reasons, "Ada", 0, "t", source)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/crm.db") as opened:
        yield opened


def test_a_review_shows_what_helps_to_answer(taxonomy: Taxonomy, model: ReasonModel) -> None:
    asked = note("Too expensive, ask ann@example.com", "Our Timing")
    (review,) = review_list([asked], {}, taxonomy, 5, model)
    assert review.note == asked.key
    assert review.text == "Too expensive, ask [email]"
    assert review.guesses[0].reason == "price"
    assert sum(guess.probability for guess in review.guesses) == pytest.approx(1)
    assert "expensive" in " ".join(evidence.text.lower() for evidence in review.evidence)
    assert (review.picklist, review.picklist_reason, review.label) == ("Our Timing", "timing", None)


def test_without_a_model_notes_are_spread_and_no_guess_is_made(taxonomy: Taxonomy) -> None:
    notes = [note(text) for text in ["went dark"] * 1 + ["price was too high", "price far too high"]]
    found = review_list(notes, {}, taxonomy, 2)
    assert {review.text for review in found} >= {"went dark"}
    assert {(review.why, review.guesses, review.evidence) for review in found} == {("first look", (), ())}


def test_notes_that_say_nothing_are_not_asked_about(taxonomy: Taxonomy, model: ReasonModel) -> None:
    assert review_list([note(text) for text in ("n/a", "", "...", "test")], {}, taxonomy, 5, model) == []
    assert review_list([], {}, taxonomy, 5, model) == []


def test_answered_notes_are_left_out_unless_their_label_looks_wrong(taxonomy: Taxonomy, model: ReasonModel) -> None:
    wrong = note("too expensive for us")
    found = review_list([wrong], labelled(wrong, "silence"), taxonomy, 5, model)
    assert [(review.why, review.words) for review in found] == [
        ("label", "label looks wrong: says silence, reads like price")]  # fmt: skip
    assert found[0].label is not None
    assert review_list([wrong], labelled(wrong, "price"), taxonomy, 5, model) == []
    assert review_list([wrong], labelled(wrong, "silence", "price"), taxonomy, 5, model) == []
    settled = labelled(wrong, "silence", source=SECOND_LOOK)
    assert review_list([wrong], settled, taxonomy, 5, model) == []


def test_labels_that_others_suspect_are_asked_about(taxonomy: Taxonomy, model: ReasonModel) -> None:
    doubtful = note("too expensive for us")
    suspected = {doubtful.key: "timing", note("another").key: "price"}
    (review,) = review_list([doubtful], labelled(doubtful, "price"), taxonomy, 5, model, suspected)
    assert review.words == "label looks wrong: says price, reads like timing"


def test_a_model_of_another_taxonomy_is_refused(model: ReasonModel) -> None:
    with pytest.raises(TaxonomyMismatch):
        review_list([note("too dear")], {}, default_taxonomy("loss"), 5, model)


def test_an_answer_is_stored_and_a_second_one_settles_it(store: Store, taxonomy: Taxonomy) -> None:
    key = note("too dear").key
    first = answer(store, key, ["price", "timing"], taxonomy, by="Ada")
    second = answer(store, key, ["price"], taxonomy, by="Bea")
    assert (first.source, second.source) == (REVIEW, SECOND_LOOK)
    assert first.taxonomy == taxonomy.digest
    assert labels(store)[key] == second
    assert history(store, key) == [first, second]


def test_an_answer_must_be_a_reason_of_the_taxonomy(store: Store, taxonomy: Taxonomy) -> None:
    key = note("too dear").key
    with pytest.raises(AnswerError, match="'prise' is no reason of three reasons; did you mean 'price'"):
        answer(store, key, ["prise"], taxonomy, by="Ada")
    with pytest.raises(AnswerError, match=r"'zzz' is no reason of three reasons$"):
        answer(store, key, ["price", "zzz"], taxonomy, by="Ada")
    assert history(store, key) == []
