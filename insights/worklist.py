"""The notes that a person is asked about, with what is shown beside each, and the answer."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm.errors import AnswerError
from crm.labels import Label, add_label, history
from crm.notes import Note, NoteKey
from crm.store import Store
from insights.closeness import note_vectors
from insights.reviews import Suspect, Why, choose
from models.notes import Cleaner, junk_reason
from models.reasons import FLAGGED, Evidence, ReasonModel
from models.taxonomy import Taxonomy

GUESSES = 5
"""Best guesses shown beside a note."""
MOST = 10_000
"""Most notes that are weighed against each other; of more, as many, evenly spread."""
CONTRADICTED = 0.3
"""A label looks wrong where another reason is so much more probable."""

REVIEW, SECOND_LOOK = "review", "second look"
"""Sources of answers: the first to a note, and one to a note that had an answer, which then counts as settled."""


@dataclass(frozen=True)
class Guess:
    """A reason that a note may give.

    Attributes:
        reason: Its id.
        probability: Its probability.
    """

    reason: str
    probability: float


@dataclass(frozen=True)
class Review:
    """A note that is worth a person's minute.

    Attributes:
        note: What names it; `note.id` is its address.
        text: The note, cleaned, personal data masked.
        why: What kind of look it needs: `first look`, `undecided` or `label`.
        words: Why, for people.
        guesses: The model's best guesses, the best first; empty while there is no model.
        evidence: Words of `text` that told the best guess.
        picklist: The reason picked in the CRM; "" where none was.
        picklist_reason: Id of the reason that this means; None where that is not clear.
        label: The answer that the note has already; None where it has none.
    """

    note: NoteKey
    text: str
    why: Why
    words: str
    guesses: tuple[Guess, ...]
    evidence: tuple[Evidence, ...]
    picklist: str
    picklist_reason: str | None
    label: Label | None


def review_list(
    notes: Sequence[Note], answers: Mapping[NoteKey, Label], taxonomy: Taxonomy, n: int,
    model: ReasonModel | None = None, suspected: Mapping[NoteKey, str] | None = None,
) -> list[Review]:  # fmt: skip
    """The notes to look at next, the most useful first; notes that say nothing ("n/a") are never among them.

    Args:
        notes: The notes, of one kind.
        answers: The answers that count, as `crm.labels.labels` gives them under the taxonomy's present ids.
        taxonomy: The reasons.
        n: How many are wanted.
        model: The model of reasons; None while there is none: then the notes spread over all that people write.
        suspected: Notes whose label looks wrong, the most suspicious first, with the id of the reason that each reads
            like; by default those that the model contradicts. A note that was looked at twice is settled.

    Raises:
        TaxonomyMismatch: The model was fitted on another taxonomy.
    """
    if model is not None:
        model.check_taxonomy(taxonomy)
    asked = _thinned([note for note in notes if note.key not in answers])
    told = _thinned([note for note in notes if note.key in answers])
    pool = [*asked, *told]
    texts = _cleaned([note.text for note in pool], model)
    says = [row for row, text in enumerate(texts) if junk_reason(text) is None]
    pool, texts = [pool[row] for row in says], [texts[row] for row in says]
    if not pool:
        return []
    p = None if model is None else model.probabilities(texts, cleaned=True)
    labelled = np.array([note.key in answers for note in pool])
    suspects = _suspects(pool, answers, taxonomy, p, suspected)
    vectors = note_vectors(texts, None if model is None else model.classifier.encoder)
    reviews = []
    for choice in choose(p, vectors, labelled, taxonomy.ids, n, suspects):
        note = pool[choice.row]
        reviews.append(Review(
            note.key, texts[choice.row], choice.why, choice.words, _guesses(taxonomy, p, choice.row),
            () if model is None else model.classify([note.text])[0].evidence, note.picklist,
            taxonomy.of_picklist(note.picklist), answers.get(note.key),
        ))  # fmt: skip
    return reviews


def suspected(metrics: Mapping[str, Any], notes: Sequence[Note]) -> dict[NoteKey, str]:
    """Notes whose answer the training of a version doubted, the most suspicious first, with what each reads like.

    Args:
        metrics: Figures of the version.
        notes: The notes that there are.
    """
    keys = {note.key.id: note.key for note in notes}
    return {keys[id]: like for id, like in metrics.get(FLAGGED, []) if id in keys}


def answer(
    store: Store, note: NoteKey, reasons: Sequence[str], taxonomy: Taxonomy, *, by: str, at: int | None = None
) -> Label:  # fmt: skip
    """Store a person's answer to a note.

    Args:
        store: Where to.
        note: The note.
        reasons: Ids of the reasons, the primary one first.
        taxonomy: The reasons that can be given.
        by: Who answers.
        at: When, in microseconds since 1970, UTC; now by default.

    Raises:
        AnswerError: A reason is not in the taxonomy, there is none, one is named twice, or nobody answers.
        StoreError: The database refuses.
    """
    for reason in reasons:
        if reason not in taxonomy.ids:
            near = difflib.get_close_matches(reason, taxonomy.ids, 1)
            told = f"; did you mean {near[0]!r}?" if near else ""
            raise AnswerError(f"{reason!r} is no reason of {taxonomy.name}{told}")
    source = SECOND_LOOK if history(store, note) else REVIEW
    return add_label(store, note, reasons, by=by, taxonomy=taxonomy.digest, source=source, at=at)


def _thinned(notes: list[Note]) -> list[Note]:
    if len(notes) <= MOST:
        return notes
    return [notes[row] for row in np.linspace(0, len(notes) - 1, MOST).astype(int)]


def _cleaned(texts: Sequence[str], model: ReasonModel | None) -> list[str]:
    if model is not None:
        return model.clean(texts)
    cleaner = Cleaner()
    return [cleaner(text).text for text in texts]


def _guesses(taxonomy: Taxonomy, p: NDArray[np.float64] | None, row: int) -> tuple[Guess, ...]:
    if p is None:
        return ()
    best = np.argsort(-p[row], kind="stable")[:GUESSES]
    return tuple(Guess(taxonomy.ids[place], float(p[row, place])) for place in best)


def _suspects(
    notes: Sequence[Note], answers: Mapping[NoteKey, Label], taxonomy: Taxonomy, p: NDArray[np.float64] | None,
    suspected: Mapping[NoteKey, str] | None,
) -> list[Suspect]:  # fmt: skip
    """Labels that look wrong and were not looked at twice, the most suspicious first."""
    row_of = {note.key: row for row, note in enumerate(notes)}
    open_labels = {key: label for key, label in answers.items() if key in row_of and label.source != SECOND_LOOK}
    if suspected is not None:
        return [Suspect(row_of[key], open_labels[key].reasons[0], like)
                for key, like in suspected.items() if key in open_labels]  # fmt: skip
    if p is None:
        return []
    place = {reason: number for number, reason in enumerate(taxonomy.ids)}
    found: list[tuple[float, Suspect]] = []
    for key, label in open_labels.items():
        row, like = row_of[key], taxonomy.ids[int(p[row_of[key]].argmax())]
        doubt = float(p[row].max() - p[row, place[label.reasons[0]]])
        if like not in label.reasons and doubt > CONTRADICTED:
            found.append((doubt, Suspect(row, label.reasons[0], like)))
    return [suspect for _, suspect in sorted(found, key=lambda pair: (-pair[0], pair[1].row))]
