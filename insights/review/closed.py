"""The decided deals of a company, as a review looks at them: what each was, when it closed, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from crm.schema import Kind
from crm.tables import DAY, NAT, CodeArray, Coded, Columns, FloatArray, IntArray
from features.history import History
from features.records import NEVER
from insights.money import Amounts, Rates, amounts_of
from insights.periods import Period

BoolArray = NDArray[np.bool_]
Dimension = Literal["segment", "product", "team", "owner", "competitor", "stage"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
"""What deals can be told apart by. The stage is the last open one: of a lost deal, where it died."""


@dataclass(frozen=True)
class ClosedDeals:
    """Deals decided before a moment, ordered by id. A deal that was reopened counts once, at its last closing.

    Columns are as they stand, which for a decided deal is how it ended: right to describe it, and never to predict it.

    Attributes:
        history: All deals.
        as_of: Microseconds; deals closed at or after it are not here.
        code: Code of each in `history`, shape (n_deals,).
        created: Microseconds, NAT where unknown.
        closed: Microseconds.
        won: Whether it was won.
        amounts: Their amounts.
        by: What each is, by dimension; code -1 where the CRM does not say.
        undated: Decided deals without a closing date, which are not here.
    """

    history: History
    as_of: int
    code: IntArray
    created: IntArray
    closed: IntArray
    won: BoolArray
    amounts: Amounts
    by: Mapping[Dimension, Coded]
    undated: int

    def __len__(self) -> int:
        return len(self.code)

    def rows(self, start: int, end: int) -> IntArray:
        """Places of the deals closed in [start, end)."""
        return np.flatnonzero((self.closed >= start) & (self.closed < end)).astype(np.int64)

    def of(self, period: Period) -> IntArray:
        """Places of the deals closed in a period."""
        return self.rows(period.start, period.end)

    @property
    def cycle_days(self) -> FloatArray:
        """Days from entry to close, NaN where the entry is unknown or after the close."""
        days = (self.closed - self.created) / DAY
        return np.where((self.created == NAT) | (days < 0), np.nan, days)

    def ids(self, rows: IntArray) -> list[str]:
        """Ids of some deals."""
        return [self.history.deal_ids[code] for code in self.code[rows]]


def closed_deals(history: History, as_of: int, rates: Rates | None = None) -> ClosedDeals:
    """The deals that were decided before a moment.

    Args:
        history: All deals.
        as_of: Microseconds.
        rates: What to convert amounts by; without, currencies stay apart.
    """
    decided = ~np.isnan(history.won)
    dated = decided & (history.closed != NAT) & (history.closed != NEVER)
    code = np.flatnonzero(dated & (history.closed < as_of)).astype(np.int64)
    closed = history.closed[code]
    currency = _standing(history, "currency", code)
    amount = np.full(len(code), np.nan)
    if history.attribute("opportunities", "amount") is not None:
        amount = history.field("opportunities.amount").current[code].astype(np.float64)
    owner = _standing(history, "owner_id", code)
    segment = _standing(history, "segment", code)
    if np.all(segment.codes < 0):
        segment = _of_account(history, "segment", code)
    by: dict[Dimension, Coded] = {
        "segment": segment, "product": _standing(history, "product", code), "team": _team(history, owner),
        "owner": owner, "competitor": _standing(history, "competitor", code), "stage": _last_stage(history, code),
    }  # fmt: skip
    return ClosedDeals(history, as_of, code, history.created[code], closed, history.won[code] == 1,
                       amounts_of(amount, currency, rates), by, int(np.sum(decided & ~dated)))  # fmt: skip


def _standing(history: History, name: str, code: IntArray) -> Coded:
    """A text column of deals as it stands."""
    attribute = history.attribute("opportunities", name)
    if attribute is None or attribute.kind not in (Kind.ID, Kind.TEXT, Kind.CATEGORY):
        return _nothing(len(code))
    field = history.field(f"opportunities.{name}")
    return Coded(field.current[code].astype(np.int32), field.levels)


def _of_account(history: History, name: str, code: IntArray) -> Coded:
    if history.attribute("accounts", name) is None:
        return _nothing(len(code))
    field = history.field(f"accounts.{name}")
    return Coded(field.current[code].astype(np.int32), field.levels)


def _nothing(n: int) -> Coded:
    return Coded(np.full(n, -1, dtype=np.int32), ())


def texts(columns: Columns, key: str, name: str) -> dict[str, str]:
    """A text column of a table by its key, where it is filled."""
    keys, values = columns.get(key), columns.get(name)
    if not isinstance(keys, Coded) or not isinstance(values, Coded):
        return {}
    return {str(k): str(v) for k, v in zip(keys.strings(), values.strings(), strict=True) if v}


def _team(history: History, owner: Coded) -> Coded:
    """Team of each owner, as the table of users says."""
    team = texts(history.crm.tables.get("users", {}), "user_id", "team")
    levels = tuple(sorted(set(team.values())))
    place = {name: code for code, name in enumerate(levels)}
    table = np.array([*(place.get(team.get(level, ""), -1) for level in owner.levels), -1], dtype=np.int32)
    return Coded(table[owner.codes], levels)


def _last_stage(history: History, code: IntArray) -> Coded:
    """The last open stage that each deal was in by its close; the stage as it stands where no moves are recorded."""
    events, process = history.stage_changes, history.crm.process
    if len(events):
        return Coded(last_moves(history, code), events.levels("stage"))
    stage = _standing(history, "stage", code)
    closing = {*process.won_stages, *process.lost_stages}
    table = np.array([*(-1 if level in closing else place for place, level in enumerate(stage.levels)), -1])
    return Coded(table[stage.codes].astype(np.int32), stage.levels)


def last_moves(history: History, code: IntArray) -> CodeArray:
    """Code of the last open stage entered by the close of each deal, -1 where none; the close's own instant counts.

    A move of the very instant of the close is part of how the deal ended; exports without times know no other.
    """
    events = history.stage_changes
    stop = events.before(code, history.closed[code] + 1)
    found = stop > events.starts[code]
    return np.where(found, events.codes("stage")[np.maximum(stop - 1, 0)], -1).astype(np.int32)


def slices(column: Coded, rows: IntArray) -> dict[str, IntArray]:
    """Some rows by the value of a column, that of most rows first; rows without a value are in none."""
    codes = column.codes[rows]
    counts = np.bincount(codes[codes >= 0], minlength=len(column.levels))
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda code: (-counts[code], column.levels[code]))
    return {column.levels[code]: rows[codes == code] for code in order}
