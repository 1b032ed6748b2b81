"""The notes on closed deals, as people wrote them, and how a note is named so that the name survives a new import."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from crm.tables import NAT, Coded, Columns, CrmData, n_rows

KINDS = {"lost": "loss", "won": "win"}
"""Kind of note by the outcome of its deal."""
PICKLISTS = {"loss": "loss_reason", "win": "win_reason"}
"""Column of `opportunities` with the reason that was picked, by kind of note."""


@dataclass(frozen=True, order=True)
class NoteKey:
    """What names a note: its deal, its kind and its text, so an edited note is another one and no text is kept.

    Attributes:
        opportunity_id: The deal.
        kind: `loss` or `win`.
        digest: SHA-256 of the text as it was imported, 64 hexadecimal digits.
    """

    opportunity_id: str
    kind: str
    digest: str

    @property
    def id(self) -> str:
        """The key as one short word fit for an address: 32 hexadecimal digits."""
        return hashlib.sha256(f"{self.opportunity_id}\0{self.kind}\0{self.digest}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Note:
    """A note on why a closed deal was lost or won.

    Attributes:
        key: What names it.
        text: The note as it was imported: nothing cleaned, nothing masked.
        written_at: Microseconds since 1970, UTC; NAT where the export does not say.
        picklist: The reason picked in the CRM; "" where none was.
    """

    key: NoteKey
    text: str
    written_at: int
    picklist: str


def text_digest(text: str) -> str:
    """SHA-256 of a note's text, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def closed_notes(crm: CrmData) -> list[Note]:
    """The notes on closed deals, ordered by deal, time and text; the same text twice on one deal counts once.

    A note without a kind takes that of its deal's outcome. A note of the other kind (the loss note of a deal that was
    won after all) and the notes of open deals are left out: they do not say why the deal ended as it did.
    """
    notes, deals = crm.tables.get("notes", {}), crm.tables["opportunities"]
    kinds = [KINDS.get(outcome, "") for outcome in _strings(deals, "outcome")]
    picked = {kind: _strings(deals, column) for kind, column in PICKLISTS.items()}
    row_of = {deal_id: row for row, deal_id in enumerate(_strings(deals, "opportunity_id"))}
    written = notes.get("written_at")
    times = written.tolist() if isinstance(written, np.ndarray) else [NAT] * n_rows(notes)
    found: dict[NoteKey, Note] = {}
    said = zip(*(_strings(notes, name) for name in ("opportunity_id", "kind", "text")), times, strict=True)
    for deal_id, kind, text, at in sorted(said, key=lambda note: (note[0], note[3], note[2])):
        row = row_of.get(deal_id, -1)
        if row >= 0 and text and kinds[row] and kind in ("", kinds[row]):
            key = NoteKey(deal_id, kinds[row], text_digest(text))
            found.setdefault(key, Note(key, text, at, picked[kinds[row]][row]))
    return list(found.values())


def _strings(columns: Columns, name: str) -> list[str]:
    values = columns.get(name)
    return values.strings().tolist() if isinstance(values, Coded) else [""] * n_rows(columns)
