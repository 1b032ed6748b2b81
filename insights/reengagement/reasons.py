"""Why deals were lost, as it was known at moments: from notes that people answered or a model reads, and picks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crm.labels import Label
from crm.notes import NoteKey, text_digest
from crm.schema import Known
from crm.tables import NAT, Coded, FloatArray, IntArray, n_rows
from features.history import History
from features.records import NEVER
from insights.settled import Settled, Source, settle
from models.reasons import Reading
from models.taxonomy import Taxonomy

LEFT_OUT = frozenset({"project_cancelled"})
"""Reasons that count as losses, and after which nobody is called: the project or the company is gone."""

_GONE = re.compile(r"insolven|bankrupt|liquidat|in administration|konkurs|pleite|faillite|quiebra|fallimento|"
                   r"shut(?:ting)? down|shutting its doors|out of business|ceased trading", re.IGNORECASE)  # fmt: skip


class Reader:
    """What notes on lost deals say: people's answers, and a model's readings, each text read once.

    Args:
        read: Reads notes, as `models.reasons.ReasonModel.classify` does; None while there is no model.
        answers: The answers that count, as `crm.labels.labels` gives them under the taxonomy's present ids.
        digest: What names the model; "" where there is none.
    """

    def __init__(
        self, read: Callable[[Sequence[str]], Sequence[Reading]] | None = None,
        answers: Mapping[NoteKey, Label] | None = None, digest: str = "",
    ) -> None:  # fmt: skip
        self._read, self._digest = read, digest
        self._answers = {key: label for key, label in (answers or {}).items() if key.kind == "loss"}
        self._answered = {key.opportunity_id for key in self._answers}
        self._readings: dict[str, Reading] = {}

    @property
    def reads(self) -> bool:
        """Whether there is a model."""
        return self._read is not None

    @property
    def key(self) -> str:
        """What names all that it may say: another model or another answer is another key."""
        answers = sorted((key.id, label.reasons[0]) for key, label in self._answers.items())
        return hashlib.sha256(json.dumps([self._digest, answers]).encode()).hexdigest()

    def readings(self, texts: Sequence[str]) -> list[Reading | None]:
        """What the model reads in texts; None of an empty one, and without a model."""
        if self._read is not None:
            fresh = [text for text in dict.fromkeys(texts) if text and text not in self._readings]
            self._readings |= dict(zip(fresh, self._read(fresh), strict=True)) if fresh else {}
        return [self._readings.get(text) for text in texts]

    def answer(self, deal_id: str, text: str) -> Label | None:
        """A person's answer to a note; None where nobody gave one."""
        if deal_id not in self._answered:
            return None
        return self._answers.get(NoteKey(deal_id, "loss", text_digest(text)))


@dataclass(frozen=True)
class LossReasons:
    """Why deals were lost, as far as was known at moments; one entry per pair.

    Attributes:
        reason: Ids of the taxonomy; missing where it cannot be told. A `Coded` of shape (n_pairs,).
        confidence: Probability that the reason is right, NaN where there is none, shape (n_pairs,).
        source: Where the reason comes from; None where it cannot be told.
        picked: The value picked in the CRM, "" where none was.
        note: The newest loss note, "" where there is none.
        reading: What the model reads in it; None without a note or a model.
        written: When that was written, in microseconds, NAT where unknown or none, shape (n_pairs,).
    """

    reason: Coded
    confidence: FloatArray
    source: list[Source | None]
    picked: list[str]
    note: list[str]
    reading: list[Reading | None]
    written: IntArray

    def gone(self, row: int) -> bool:
        """Whether what was written says that the company is no more, unless a person said what it means."""
        return self.source[row] != "person" and bool(_GONE.search(self.note[row]))


def reason_of(
    history: History, deals: IntArray, as_of: IntArray, taxonomy: Taxonomy, reader: Reader
) -> LossReasons:
    """Why deals were lost, from notes and picks that were there strictly before each moment; see `insights.settled`.

    Answers and readings say what a note means, whenever they were made: what they read had been written by then.

    Args:
        history: The deals.
        deals: Codes of lost deals, shape (n_pairs,).
        as_of: Microseconds, shape (n_pairs,).
        taxonomy: The reasons of lost deals.
        reader: Knows what notes say.
    """
    field = history.field("opportunities.loss_reason")
    codes = field.codes(deals, as_of)
    if history.crm.known("opportunities", "loss_reason") is not Known.HISTORY:
        # As it stands today: of a deal that was reopened since, or is open, that says nothing of the loss before.
        codes = np.where((history.closed[deals] < as_of) & (history.won[deals] == 0), codes, -1)
    picked = [field.levels[code] if code >= 0 else "" for code in codes]
    meant = {value: taxonomy.of_picklist(value) for value in set(picked)}
    note, written = _newest_notes(history, deals, as_of)
    reading = reader.readings(note)
    found: list[Settled] = [
        settle(reader.answer(history.deal_ids[deal], text) if text else None, read, meant[value])
        for deal, text, read, value in zip(deals.tolist(), note, reading, picked, strict=True)
    ]
    confidence = np.array([item.probability for item in found], dtype=np.float64)
    return LossReasons(Coded.of([item.reason for item in found]), confidence, [item.source for item in found], picked,
                       note, reading, written)  # fmt: skip


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
