"""Why a deal was lost, as the queue takes it: the one place to change when notes are read by a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crm.schema import Known
from crm.tables import NAT, Coded, FloatArray, IntArray, n_rows
from features.history import History
from features.records import NEVER
from models.reasons import Reading
from models.taxonomy import Taxonomy

PICKLIST_CONFIDENCE = 0.55
"""How far a reason picked in the CRM is trusted: studies find that seller and buyer disagree on most of them."""
LEFT_OUT = frozenset({"project_cancelled"})
"""Reasons that count as losses, and after which nobody is called: the project or the company is gone."""

Reader = Callable[[Sequence[str]], Sequence[Reading]]
"""Reads notes, as `models.reasons.ReasonModel.classify` does."""

_GONE = re.compile(r"insolven|bankrupt|liquidat|in administration|konkurs|pleite|faillite|quiebra|fallimento|"
                   r"shut(?:ting)? down|shutting its doors|out of business|ceased trading", re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True)
class LossReasons:
    """Why deals were lost, as far as was known at moments; one entry per pair.

    Attributes:
        reason: Ids of the taxonomy; missing where it cannot be told. A `Coded` of shape (n_pairs,).
        confidence: Probability that the reason is right, NaN where there is none, shape (n_pairs,).
        words: What the reason was taken from: the note, else the picked value; "" where there is neither.
        note: The newest loss note, "" where there is none.
        written: When that was written, in microseconds, NAT where unknown or none, shape (n_pairs,).
    """

    reason: Coded
    confidence: FloatArray
    words: list[str]
    note: list[str]
    written: IntArray

    def gone(self, row: int) -> bool:
        """Whether what was written says that the company is no more."""
        return bool(_GONE.search(self.note[row]))


def reason_of(
    history: History, deals: IntArray, as_of: IntArray, taxonomy: Taxonomy, reader: Reader | None = None
) -> LossReasons:
    """Why deals were lost, from what was known strictly before each moment.

    Without a reader, the reason is what was picked in the CRM, resolved by the taxonomy's synonyms. With one, it is
    read from the note where there is one and the reading is not unclear, else the pick.

    Args:
        history: The deals.
        deals: Codes of lost deals, shape (n_pairs,).
        as_of: Microseconds, shape (n_pairs,).
        taxonomy: The reasons of lost deals.
        reader: Reads notes.
    """
    field = history.field("opportunities.loss_reason")
    codes = field.codes(deals, as_of)
    if history.crm.known("opportunities", "loss_reason") is not Known.HISTORY:
        # As it stands today: of a deal that was reopened since, or is open, that says nothing of the loss before.
        codes = np.where((history.closed[deals] < as_of) & (history.won[deals] == 0), codes, -1)
    picked = [field.levels[code] if code >= 0 else "" for code in codes]
    resolved = {value: taxonomy.of_picklist(value) for value in set(picked) if value}
    found: list[str | None] = [resolved.get(value) for value in picked]
    confidence = np.array([PICKLIST_CONFIDENCE if reason else np.nan for reason in found])
    note, written = _newest_notes(history, deals, as_of)
    if reader is not None:
        with_note = [row for row, text in enumerate(note) if text]
        texts = list(dict.fromkeys(note[row] for row in with_note))
        readings = dict(zip(texts, reader(texts), strict=True)) if texts else {}
        for row in with_note:
            reading = readings[note[row]]
            if reading.status in ("sure", "review"):
                found[row], confidence[row] = reading.reason, reading.probability
    words = [text or value for text, value in zip(note, picked, strict=True)]
    return LossReasons(Coded.of(found), confidence, words, note, written)


def _newest_notes(history: History, deals: IntArray, as_of: IntArray) -> tuple[list[str], IntArray]:
    """The newest loss note of each deal before a moment, and when it was written.

    A note without a date is taken for written at the close of its deal.
    """
    table = history.crm.tables.get("notes", {})
    none = [""] * len(deals), np.full(len(deals), NAT, dtype=np.int64)
    if not n_rows(table):
        return none
    texts, ids, kinds = table["text"], table["opportunity_id"], table.get("kind")
    assert isinstance(texts, Coded)
    assert isinstance(ids, Coded)
    times = table.get("written_at")
    owner = history.deal_codes(ids).astype(np.int64)
    when = times.astype(np.int64) if isinstance(times, np.ndarray) else np.full(len(ids), NAT, dtype=np.int64)
    closed = np.where(owner >= 0, history.closed[owner], NEVER)
    known = when != NAT
    seen_at = np.where(known, when, closed)
    keep = (owner >= 0) & (seen_at != NEVER) & (seen_at != NAT)
    if isinstance(kinds, Coded):
        keep &= kinds.strings() != "win"
    rows = np.flatnonzero(keep)
    said = texts.strings()
    # Of one moment, the longer text tells more, and the same one comes out whatever the order of rows.
    order = sorted(rows.tolist(), key=lambda row: (owner[row], seen_at[row], len(said[row]), said[row]))
    by_deal: dict[int, list[int]] = {}
    for row in order:
        by_deal.setdefault(int(owner[row]), []).append(row)
    for place, (deal, moment) in enumerate(zip(deals.tolist(), as_of.tolist(), strict=True)):
        mine = [row for row in by_deal.get(deal, ()) if seen_at[row] < moment]
        if mine:
            none[0][place] = str(said[mine[-1]])
            none[1][place] = when[mine[-1]] if known[mine[-1]] else closed[mine[-1]]
    return none
