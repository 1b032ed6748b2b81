"""Why each decided deal was lost or won: the one place that a review takes reasons from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from crm.labels import Label, labels
from crm.notes import KINDS, PICKLISTS, NoteKey, closed_notes
from crm.store import Store
from crm.tables import Coded, CrmData
from models.taxonomy import Taxonomy

ReasonSource = Literal["person", "note", "picklist"]
ReasonStatus = Literal["reason", "not_a_reason", "not_understood", "nothing_said"]


@dataclass(frozen=True)
class DealReason:
    """Why a deal was lost or won.

    Attributes:
        deal: Id of the deal.
        reason: Id of the reason in the taxonomy; "" where none is known.
        source: Who says so: `person` (an answer to the deal's note), `note` (a model's reading of it) or `picklist`
            (what was picked in the CRM); None where nothing is known.
        status: `reason`; `not_a_reason` (never a prospect, a duplicate: left out of rates); `not_understood` (something
            was picked that no reason is called, such as "Other"); `nothing_said`.
    """

    deal: str
    reason: str
    source: ReasonSource | None
    status: ReasonStatus


def answers(store: Store, taxonomies: Mapping[str, Taxonomy]) -> dict[NoteKey, Label]:
    """The answers that count to notes of every kind, under the ids that their reasons have now.

    Args:
        store: Where from.
        taxonomies: The reasons by kind, `loss` and `win`.
    """
    return {key: label for kind, taxonomy in taxonomies.items()
            for key, label in labels(store, kind, renaming=taxonomy.current_id).items()}  # fmt: skip


def reasons_of(
    crm: CrmData, kind: str, taxonomy: Taxonomy, answered: Mapping[NoteKey, Label] | None = None
) -> list[DealReason]:
    """The reason of every deal that was lost, or won, in the order of their rows.

    What a person answered to the deal's note comes first (of several notes, the newest answer), then what was picked in
    the CRM, as the taxonomy reads it.

    Args:
        crm: The tables.
        kind: `loss` or `win`.
        taxonomy: The reasons of that kind.
        answered: People's answers to notes that count, as `answers` gives them; those of other kinds are passed over.
    """
    by_deal = _by_deal(crm, kind, answered or {})
    deals = crm.tables["opportunities"]
    outcome = {told: name for name, told in KINDS.items()}[kind]
    ids, outcomes = deals["opportunity_id"], deals.get("outcome")
    picked = deals.get(PICKLISTS[kind])
    assert isinstance(ids, Coded)
    if not isinstance(outcomes, Coded):
        return []
    values = picked.strings() if isinstance(picked, Coded) else [""] * len(ids)
    meaning = {level: taxonomy.of_picklist(level) for level in (picked.levels if isinstance(picked, Coded) else ())}
    counts = {reason.id: reason.counts for reason in taxonomy.reasons}
    found = []
    for deal, ended, value in zip(ids.strings(), outcomes.strings(), values, strict=True):
        if ended != outcome:
            continue
        source: ReasonSource = "person" if by_deal.get(deal) in counts else "picklist"
        reason = by_deal[deal] if source == "person" else meaning.get(value)
        if reason is not None:
            found.append(DealReason(deal, reason, source, "reason" if counts[reason] else "not_a_reason"))
        else:
            found.append(DealReason(deal, "", None, "not_understood" if value else "nothing_said"))
    return found


def _by_deal(crm: CrmData, kind: str, answered: Mapping[NoteKey, Label]) -> dict[str, str]:
    """Primary reason that people gave, by deal; answers to notes that are no longer there do not count."""
    if not answered:
        return {}
    given = [answered[note.key] for note in closed_notes(crm) if note.key.kind == kind and note.key in answered]
    given.sort(key=lambda label: (label.at, label.id))
    return {label.note.opportunity_id: label.reasons[0] for label in given}
