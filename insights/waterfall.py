"""What changed between two forecasts of the same period, deal by deal, adding up exactly.

A deal counts with amount x win probability x share, the share being the part of its wins that falls into the period;
once won in the period, with its amount; else with nothing. Of a deal open at both moments, the change is split in the
order amount, odds, timing:

    (a1 - a0) p0 s0  +  a1 (p1 - p0) s0  +  a1 p1 (s1 - s0)

all in whole hundredths, the last one taking what rounding leaves, so that the steps add up to the cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from crm.tables import FloatArray, IntArray
from features.history import History
from insights.money import Amounts
from insights.spans import Span
from insights.stated import won_in

StepName = Literal["new", "won", "lost", "slipped", "pulled_in", "amount_up", "amount_down", "odds_up", "odds_down",
                   "not_entered_yet"]  # fmt: skip
STEPS: tuple[StepName, ...] = get_args(StepName)
MEANING: dict[StepName, str] = {
    "new": "entered since, or open again",
    "won": "won since: the amount, or nothing if that was before the period began, less what the deal counted with",
    "lost": "lost since",
    "slipped": "less likely to close in the period: its close date moved, or time passed without a close",
    "pulled_in": "more likely to close in the period",
    "amount_up": "the amount was raised",
    "amount_down": "the amount was cut",
    "odds_up": "more likely to be won",
    "odds_down": "less likely to be won",
    "not_entered_yet": "expected of deals that are not there yet: the time left for them, and how many enter",
}


@dataclass(frozen=True)
class Seen:
    """Open deals as a forecast counts them.

    Attributes:
        as_of: Moment of the forecast, in microseconds.
        deals: Codes of the open deals, in order, shape (n_deals,).
        amount: Amount that each counts with: what is expected to be left of it at the win.
        p: Win probability.
        share: Part of its wins that falls into the period.
        expected_new: Expected of deals that are not there yet, by currency.
        money: Amounts of all deals as they stood.
    """

    as_of: int
    deals: IntArray
    amount: FloatArray
    p: FloatArray
    share: FloatArray
    expected_new: dict[str, float]
    money: Amounts


@dataclass(frozen=True)
class Change:
    """What one deal changed.

    Attributes:
        deal: Its code.
        step: Why.
        amount: By how much, in currency units.
    """

    deal: int
    step: StepName
    amount: float


@dataclass(frozen=True)
class Waterfall:
    """From one forecast to the next, in one currency: `before` plus all steps is `after`, to the cent.

    Attributes:
        since: Moment of the forecast before, in microseconds.
        before: What was expected then.
        after: What is expected now.
        steps: Change by step, in the order of `STEPS`.
        changes: What each deal changed, the largest first.
    """

    since: int
    before: float
    after: float
    steps: dict[StepName, float]
    changes: tuple[Change, ...]


def waterfalls(
    history: History, period: Span, before: Seen, after: Seen, currencies: Sequence[str]
) -> dict[str, Waterfall]:  # fmt: skip
    """What changed between two forecasts of a period, by currency.

    Args:
        history: The deals.
        period: The period.
        before: The earlier forecast.
        after: The later one.
        currencies: Currencies to show.
    """
    n = history.n_deals
    (open0, a0, p0, s0), (open1, a1, p1, s1) = (_spread_out(item, n) for item in (before, after))
    won0, won1 = (_won_by(history, period, item, n) for item in (before, after))
    e0 = np.where(open0, _cents(a0 * p0 * s0), won0)
    e1 = np.where(open1, _cents(a1 * p1 * s1), won1)
    both = open0 & open1
    by_amount = np.where(both, _cents((a1 - a0) * p0 * s0), 0)
    by_odds = np.where(both, _cents(a1 * (p1 - p0) * s0), 0)
    rest = e1 - e0 - by_amount - by_odds
    was_there = open0 | (won0 != 0)
    won_now = (history.won == 1) & (history.closed < after.as_of)
    split: dict[StepName, IntArray] = {
        "new": np.where(~was_there, rest, 0),
        "won": np.where(was_there & ~open1 & won_now, rest, 0),
        "lost": np.where(was_there & ~both & ~(~open1 & won_now), rest, 0),
        "slipped": np.where(both, np.minimum(rest, 0), 0),
        "pulled_in": np.where(both, np.maximum(rest, 0), 0),
        "amount_up": np.maximum(by_amount, 0),
        "amount_down": np.minimum(by_amount, 0),
        "odds_up": np.maximum(by_odds, 0),
        "odds_down": np.minimum(by_odds, 0),
    }
    found = {}
    for name in currencies:
        mine = after.money.currency == after.money.currencies.index(name)
        new0, new1 = (round(100 * item.expected_new.get(name, 0.0)) for item in (before, after))
        steps: dict[StepName, float] = {step: int(values[mine].sum()) / 100 for step, values in split.items()}
        steps["not_entered_yet"] = (new1 - new0) / 100
        changes = [
            Change(int(deal), step, int(values[deal]) / 100)
            for step, values in split.items()
            for deal in np.flatnonzero(mine & (values != 0))
        ]
        changes.sort(key=lambda item: (-abs(item.amount), item.deal))
        found[name] = Waterfall(before.as_of, (int(e0[mine].sum()) + new0) / 100, (int(e1[mine].sum()) + new1) / 100,
                                steps, tuple(changes))  # fmt: skip
    return found


def _cents(amount: FloatArray) -> IntArray:
    return np.rint(100 * amount).astype(np.int64)


def _spread_out(
    seen: Seen, n: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Whether each deal of the store is open, and its amount, odds and share; 0 where it is not."""
    is_open = np.zeros(n, dtype=np.bool_)
    is_open[seen.deals] = True
    columns = []
    for values in (seen.amount, seen.p, seen.share):
        whole = np.zeros(n)
        whole[seen.deals] = values
        columns.append(whole)
    return is_open, columns[0], columns[1], columns[2]


def _won_by(history: History, period: Span, seen: Seen, n: int) -> IntArray:
    """Hundredths that each deal won in the period before a moment counts with."""
    won = won_in(history, period.start, min(seen.as_of, period.end))
    found = np.zeros(n, dtype=np.int64)
    found[won] = _cents(np.nan_to_num(seen.money.values[won]))
    return found
