"""Why each decided deal was lost or won: a person's answer, else its note as a model reads it, else what was picked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from crm.labels import Label, labels
from crm.notes import KINDS, PICKLISTS, Note, NoteKey, closed_notes
from crm.store import Store
from crm.tables import Coded, CrmData
from insights.settled import Source, settle
from models.reasons import Reading
from models.taxonomy import Taxonomy

ReasonStatus = Literal["reason", "not_a_reason", "not_understood", "nothing_said"]
Classify = Callable[[Sequence[str]], Sequence[Reading]]
"""Reads notes of one kind, as `models.reasons.ReasonModel.classify` does."""


@dataclass(frozen=True)
class DealReason:
    """Why a deal was lost or won.

    Attributes:
        deal: Id of the deal.
        reason: Id of the reason in the taxonomy; "" where none is known.
        source: Who says so: `person` (an answer to the deal's note), `note` (a model's reading of it) or `picklist`
            (what was picked in the CRM); None where nothing is known.
        status: `reason`; `not_a_reason` (never a prospect, a duplicate: left out of rates); `not_understood` (a note
            is there or something was picked, but no reason can be told); `nothing_said`.
        probability: That the reason is right, where a model read it; else None.
        words: The words of the note that told it, personal data masked, where a model read it.
    """

    deal: str
    reason: str
    source: Source | None
    status: ReasonStatus
    probability: float | None = None
    words: tuple[str, ...] = ()


def answers(store: Store, taxonomies: Mapping[str, Taxonomy]) -> dict[NoteKey, Label]:
    """The answers that count to notes of every kind, under the ids that their reasons have now.

    Args:
        store: Where from.
        taxonomies: The reasons by kind, `loss` and `win`.
    """
    return {key: label for kind, taxonomy in taxonomies.items()
            for key, label in labels(store, kind, renaming=taxonomy.current_id).items()}  # fmt: skip


def reasons_of(
    crm: CrmData, kind: str, taxonomy: Taxonomy, answered: Mapping[NoteKey, Label] | None = None,
    classify: Classify | None = None, among: Collection[str] | None = None,
) -> list[DealReason]:  # fmt: skip
    """The reason of every deal that was lost, or won, in the order of their rows.

    What a person answered to the deal's note comes first (of several notes, the newest answer), then what a model reads
    in its newest note, unless that is unclear, then what was picked in the CRM, as the taxonomy reads it
    (`insights.settled`).

    Args:
        crm: The tables.
        kind: `loss` or `win`.
        taxonomy: The reasons of that kind.
        answered: People's answers to notes that count, as `answers` gives them; those of other kinds are passed over.
        classify: Reads notes of that kind; without, notes that nobody answered tell nothing.
        among: Ids of the deals to tell of; by default all.
    """
    deals = crm.tables["opportunities"]
    outcome = {told: name for name, told in KINDS.items()}[kind]
    ids, outcomes = deals["opportunity_id"], deals.get("outcome")
    picked = deals.get(PICKLISTS[kind])
    assert isinstance(ids, Coded)
    if not isinstance(outcomes, Coded):
        return []
    counts = {reason.id: reason.counts for reason in taxonomy.reasons}
    values = picked.strings() if isinstance(picked, Coded) else [""] * len(ids)
    meaning = {level: taxonomy.of_picklist(level) for level in (picked.levels if isinstance(picked, Coded) else ())}
    ended = {deal: str(value) for deal, how, value in zip(ids.strings(), outcomes.strings(), values, strict=True)
             if how == outcome and (among is None or deal in among)}  # fmt: skip
    notes = [note for note in closed_notes(crm) if note.key.kind == kind and note.key.opportunity_id in ended]
    given = {deal: label for deal, label in _given(notes, answered or {}).items() if label.reasons[0] in counts}
    read = {} if classify is None else _read(notes, given, classify)
    found = []
    for deal, value in ended.items():
        reading = read.get(deal)
        settled = settle(given.get(deal), reading, meaning.get(value))
        if settled.reason is None:
            said = bool(value) or reading is not None
            found.append(DealReason(deal, "", None, "not_understood" if said else "nothing_said"))
            continue
        status: ReasonStatus = "reason" if counts[settled.reason] else "not_a_reason"
        if settled.source == "note" and reading is not None:
            words = tuple(part.text for part in reading.evidence)
            found.append(DealReason(deal, settled.reason, "note", status, settled.probability, words))
        else:
            found.append(DealReason(deal, settled.reason, settled.source, status))
    return found


def _given(notes: Sequence[Note], answered: Mapping[NoteKey, Label]) -> dict[str, Label]:
    """The newest answer, by deal; answers to notes that are no longer there do not count."""
    given = [answered[note.key] for note in notes if note.key in answered]
    given.sort(key=lambda label: (label.at, label.id))
    return {label.note.opportunity_id: label for label in given}


def _read(notes: Sequence[Note], given: Collection[str], classify: Classify) -> dict[str, Reading]:
    """The reading of the newest note of each deal that no person has answered."""
    newest = {note.key.opportunity_id: note.text for note in notes if note.key.opportunity_id not in given}
    return dict(zip(newest, classify(list(newest.values())), strict=True))
