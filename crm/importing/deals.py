"""Opportunities: won, lost or open, and whether their dates can be true."""

from __future__ import annotations

import numpy as np

from crm.importing.rows import RowReader, Rows
from crm.reading.cells import Mask, Parsed, Text
from crm.rules import ProcessRule
from crm.tables import DAY, NAT, IntArray, micros

EARLIEST = micros("1980-01-01")


def settle(reader: RowReader, rows: Rows, imported_at: int) -> None:
    """Give each deal its outcome, its closing time or expected close, and note what cannot be true.

    An export's close date is the expected close of an open deal and the closing time of a closed one. What a closed
    deal shows as its expected close is not kept: it was overwritten when the deal closed.
    """
    outcome, unclear = _outcome(reader, rows)
    n = len(rows)
    none = Parsed(np.full(n, NAT, dtype=np.int64), np.zeros(n, dtype=bool))
    created, closed, expected = (rows.columns.get(c, none) for c in ("created_at", "closed_at", "expected_close_at"))
    created_at, closed_at = _times(created), _times(closed)
    is_closed = outcome != ""
    if reader.mapping.process.time_basis == "dates":
        missing = is_closed & (closed_at == NAT) & ~closed.bad
        reason = "a won or lost deal needs the date it was closed"
        reader.problem(rows, "closed_at", missing, reason, show=False)
        missing = is_closed & (created_at == NAT) & ~created.bad
        reason = "a won or lost deal needs the date it was created"
        reader.problem(rows, "created_at", missing, reason, show=False)
    both = is_closed & (created_at != NAT) & (closed_at != NAT)
    early = both & (closed_at < created_at)
    if closed.day is not None:
        # A closing date without a time means some time of that day: it may well be the day the deal was created.
        same_day = early & closed.day & (created_at < closed_at + DAY)
        closed_at = np.where(same_day, created_at, closed_at)
        early &= ~same_day
    shown = rows.texts.get("created_at", np.full(n, "", dtype=object))
    if early.any():
        for index in np.flatnonzero(early):
            one = np.zeros(n, dtype=bool)
            one[index] = True
            reader.problem(rows, "closed_at", one, f"closed before it was created ({shown[index]})")
    implausible(reader, rows, "created_at", created_at)
    implausible(reader, rows, "closed_at", np.where(is_closed, closed_at, NAT))
    future(reader, rows, "created_at", created_at, imported_at, "created")
    future(reader, rows, "closed_at", np.where(is_closed & ~early, closed_at, NAT), imported_at, "closed")

    filled = np.zeros(n, dtype=bool)
    keep_open = ~is_closed & ~unclear
    if "closed_at" in rows.columns or "expected_close_at" in rows.columns:
        given = _times(expected)
        expected_at = np.where(keep_open, np.where(given != NAT, given, closed_at), NAT)
        rows.columns["expected_close_at"] = Parsed(expected_at, filled)
    if "closed_at" in rows.columns:
        rows.columns["closed_at"] = Parsed(np.where(is_closed, closed_at, NAT), filled)
    for flag in reader.binding.flags:
        rows.columns.pop(f"{flag}_flag")
    rows.columns["outcome"] = Parsed(outcome, filled)


def implausible(reader: RowReader, rows: Rows, column: str, moments: IntArray) -> None:
    """Refuse dates such as 1900-01-01, which stand for none and would give a deal a century of open life."""
    early = (moments != NAT) & (moments < EARLIEST)
    reader.problem(rows, column, early, "before 1980, so no date of a deal; leave such cells empty")


def future(reader: RowReader, rows: Rows, column: str, moments: IntArray, imported_at: int, what: str) -> None:
    """Note the rows of a time column that lie after the import."""
    reason = f"{what} after the time of this import; is the timezone under [format] that of the export?"
    reader.problem(rows, column, (moments != NAT) & (moments > imported_at), reason)


def _times(column: Parsed) -> IntArray:
    return column.values.astype(np.int64, copy=False)


def _outcome(reader: RowReader, rows: Rows) -> tuple[Text, Mask]:
    """`won`, `lost` or "" for each deal, and which could not be told."""
    rule: ProcessRule = reader.mapping.process
    if reader.binding.flags:
        return _flagged(reader, rows)
    from_column = "outcome" in rows.columns
    cells = rows.columns["outcome" if from_column else "stage"].values
    reader.told.update((value,) for value in cells)
    meaning = {value: rule.meaning(value) for value in set(cells)}
    outcome = np.array([{"won": "won", "lost": "lost"}.get(meaning[value] or "", "") for value in cells], dtype=object)
    if not from_column:
        return outcome, np.zeros(len(rows), dtype=bool)
    unclear = np.array([meaning[value] is None for value in cells], dtype=bool)
    listed = "; ".join(
        f"{name} = {', '.join(map(repr, values)) or 'none'}"
        for name, values in (("won", rule.won), ("lost", rule.lost), ("open", (*rule.open, "(empty)")))
    )
    reader.problem(rows, "outcome", unclear, f"not one of the outcomes under [process] of the mapping: {listed}")
    return outcome, unclear


def _flagged(reader: RowReader, rows: Rows) -> tuple[Text, Mask]:
    """Outcomes from true/false columns: any two of closed, won and lost tell the third, which must not contradict."""
    names = [f"{flag}_flag" for flag in reader.binding.flags]
    reader.told.update(zip(*(rows.texts[name] for name in names), strict=True))
    missing = np.full(len(rows), np.nan)
    closed, won, lost = (
        rows.columns[name].values.astype(float) if (name := f"{flag}_flag") in rows.columns else missing
        for flag in ("closed", "won", "lost")
    )
    is_won = (won == 1) | ((closed == 1) & (lost == 0))
    is_lost = (lost == 1) | ((closed == 1) & (won == 0))
    is_open = (closed == 0) | ((won == 0) & (lost == 0))
    said = is_won.astype(int) + is_lost.astype(int) + is_open.astype(int)
    bad = np.logical_or.reduce([rows.columns[name].bad for name in names])
    headers = [reader.binding.header(name) for name in names]
    reader.problem(rows, names[0], (said == 0) & ~bad, f"{' and '.join(map(repr, headers))} each need true or false")
    reader.problem(rows, names[0], (said > 1) & ~bad, f"{' and '.join(map(repr, headers))} contradict each other")
    unclear = bad | (said != 1)
    return np.where(unclear, "", np.where(is_won, "won", np.where(is_lost, "lost", ""))).astype(object), unclear
