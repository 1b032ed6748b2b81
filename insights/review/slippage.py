"""Slippage: when deals were expected to close, when they did, and how often the date was pushed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import DAY, FloatArray, IntArray
from features.asof_once import look_back
from features.history import History
from features.matrix import open_at
from insights.periods import Period
from insights.review.chance import Share, share
from insights.review.closed import ClosedDeals
from insights.review.summary import median

MOST_PUSHES = 3
"""Deals pushed so often or more are shown together."""
EXPECTED = "opportunities.expected_close_at"


@dataclass(frozen=True)
class Pushed:
    """Decided deals by how often their expected close was pushed to a later date.

    Attributes:
        pushes: How often; the last one means so often or more.
        win_rate: Won of them.
    """

    pushes: int
    win_rate: Share


@dataclass(frozen=True)
class Expected:
    """What became of the deals that, at the start of the period, were expected to close in it.

    Attributes:
        deals: How many there were.
        won: Won in the period.
        lost: Lost in the period.
        slipped: Not decided in the period, or not by the moment of the review.
    """

    deals: int
    won: Share
    lost: Share
    slipped: Share


@dataclass(frozen=True)
class Slippage:
    """How expected closes held.

    Attributes:
        deals: Decided deals of the period whose first expected close is known.
        late: Of these, closed more than a day after it.
        days_won: Median days from the first expected close to the close, won deals; negative is early; None without.
        days_lost: The same of lost deals.
        pushes: Win rate by the number of pushes.
        expected: What became of deals expected to close in the period.
    """

    deals: int
    late: Share
    days_won: float | None
    days_lost: float | None
    pushes: tuple[Pushed, ...]
    expected: Expected


def slippage(deals: ClosedDeals, period: Period) -> Slippage | None:
    """How expected closes held in a period; None where the export records no changes of the expected close.

    A CRM overwrites the expected close when a deal closes, so only what was recorded as a change is used.

    Args:
        deals: All decided deals.
        period: The period.
    """
    history = deals.history
    if EXPECTED not in history.sources or not len(history.pushes):
        return None
    rows = deals.of(period)
    first = first_expected(history, deals.code[rows])
    days = np.trunc((deals.closed[rows] - first) / DAY)
    known = ~np.isnan(days)
    won = deals.won[rows]
    times = look_back(history.pushes, deals.code[rows], deals.closed[rows]).count("later")
    capped = np.minimum(times, MOST_PUSHES)
    by_pushes = (rows[known & (capped == n)] for n in range(MOST_PUSHES + 1))
    pushes = tuple(Pushed(n, share(float(deals.won[mine].sum()), len(mine)))
                   for n, mine in enumerate(by_pushes) if len(mine))  # fmt: skip
    return Slippage(
        deals=int(known.sum()), late=share(float((days[known] > 0).sum()), int(known.sum())),
        days_won=median(days[won]), days_lost=median(days[~won]), pushes=pushes, expected=_expected(deals, period),
    )  # fmt: skip


def first_expected(history: History, code: IntArray) -> FloatArray:
    """The expected close that was recorded first by the close of each deal, in microseconds; NaN where none was.

    Of a first change that says what stood before it, that.
    """
    events = history.pushes
    start = events.starts[code]
    some = events.before(code, history.closed[code]) > start
    place = np.minimum(start, len(events) - 1)
    old, new = events.numbers("old")[place], events.numbers("new")[place]
    return np.where(some, np.where(np.isnan(old), new, old), np.nan)


def _expected(deals: ClosedDeals, period: Period) -> Expected:
    history = deals.history
    pairs = open_at(history, period.start) if history.crm.process.snapshots == "weekly" else None
    if pairs is None or period.start >= deals.as_of:
        nothing = share(0, 0)
        return Expected(0, nothing, nothing, nothing)
    due = history.field(EXPECTED).numbers(pairs.deal, pairs.as_of)
    code = pairs.deal[(due >= period.start) & (due < period.end)]
    by = min(period.end, deals.as_of)
    decided = (history.closed[code] < by) & ~np.isnan(history.won[code])
    won = int((decided & (history.won[code] == 1)).sum())
    n, lost = len(code), int(decided.sum()) - won
    return Expected(n, share(won, n), share(lost, n), share(n - won - lost, n))
