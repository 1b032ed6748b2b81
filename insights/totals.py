"""What a period brings in: already won, still open, and not there yet; with 10, 50 and 90 % lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.schema import Known
from crm.tables import DAY, FloatArray, IntArray
from features.history import History
from features.matrix import open_at
from insights.arrivals import arrivals_of
from insights.money import Rates, amounts_of
from insights.simulation import Pipeline, Totals, draw_totals
from insights.spans import Span
from insights.stated import AMOUNT, amounts_at, currencies_of, expected_closes, has_amounts, won_in

LEAST_CHANGES = 30
"""Fewest past wins that tell how far amounts still move before the close."""


@dataclass(frozen=True)
class Line:
    """What a period brings in: an amount in one currency, or a number of wins.

    Attributes:
        so_far: Won in the period before the moment of the forecast.
        expected_open: Expected of deals that are open.
        expected_new: Expected of deals that are not there yet.
        low: 10 % line: one period in ten brings less. What was won so far is in it, as in the others.
        middle: 50 % line.
        high: 90 % line.
    """

    so_far: float
    expected_open: float
    expected_new: float
    low: float
    middle: float
    high: float

    @property
    def expected(self) -> float:
        """Mean of the whole."""
        return self.so_far + self.expected_open + self.expected_new


@dataclass(frozen=True)
class Lines:
    """What a period brings in.

    Attributes:
        wins: Number of wins.
        money: Amounts by currency; empty where the export has no amounts.
        amount: Amount of each open deal, in its currency (or the base of the rates), shape (n_deals,).
        kept: What of an open deal's amount is left at the win, on average of the past: it counts with so much of it.
        currency: Currency of each open deal.
        guessed: Open deals without an amount, which count with the mean of won deals.
        without_rate: Deals by currency that have an amount but no rate; they count with no amount.
        totals: The draws, what was won so far included; in order of `money`.
    """

    wins: Line
    money: dict[str, Line]
    amount: FloatArray
    kept: float
    currency: list[str]
    guessed: int
    without_rate: dict[str, int]
    totals: Totals


def lines_of(
    history: History, as_of: int, period: Span, deals: IntArray, p: FloatArray, spread: float, *,
    rates: Rates | None = None, draws: int = 10_000, seed: int = 0, with_new: bool = True, kept: float | None = None,
) -> Lines:  # fmt: skip
    """What a period brings in, as seen from a moment.

    Args:
        history: The deals; nothing at or after `as_of` is looked at.
        as_of: Microseconds.
        period: The period; it may have begun.
        deals: The open deals, shape (n_deals,).
        p: Probability of each to be won in what is left of the period.
        spread: Standard deviation of the common shock, in log-odds; 0 for independent deals.
        rates: What to convert amounts by.
        draws: Draws of the total.
        seed: Of all chance.
        with_new: Whether to count deals that are not there yet.
        kept: What of an amount is left at the win, see `Lines`; found in the past by default.
    """
    stated = amounts_at(history, as_of)
    money = amounts_of(stated, currencies_of(history), rates)
    names = money.currencies if has_amounts(history) else ()
    n_currencies = max(len(names), 1)
    currency = money.currency
    so_far = won_in(history, period.start, min(as_of, period.end))
    known = np.nan_to_num(money.values)
    won_by = np.bincount(currency[so_far], known[so_far], n_currencies)
    left, noise = _still_moves(history, as_of, period)
    left = left if kept is None else kept
    typical = _mean_win(history, as_of, money.values, currency, n_currencies)
    missing = ~(stated[deals] > 0)  # one without a rate has an amount, but none that could be counted
    amount = np.where(missing, typical[currency[deals]], known[deals])
    arrivals = None
    if with_new:
        arrivals = arrivals_of(history, as_of, period.start, period.end, money.values, currency.astype(np.int32))
    pipeline = Pipeline(p, left * amount, currency[deals].astype(np.int32), n_currencies, noise)
    drawn = draw_totals(pipeline, arrivals, spread, draws, seed)
    totals = Totals(drawn.wins + len(so_far), drawn.money + won_by)
    new = 0.0 if arrivals is None else arrivals.expected * arrivals.p
    per_win = np.zeros(n_currencies)
    if arrivals is not None and len(arrivals.amounts):
        per_win = np.bincount(arrivals.currency, arrivals.amounts, n_currencies) / len(arrivals.amounts)
    by_currency = np.bincount(currency[deals], left * amount * p, n_currencies)
    lines = {name: _line(won_by[place], by_currency[place], new * per_win[place], totals.money[:, place])
             for place, name in enumerate(names)}  # fmt: skip
    shown = {name: line for name, line in lines.items() if line.expected > 0 or len(names) == 1}
    return Lines(_line(float(len(so_far)), float(p.sum()), new, totals.wins), shown, amount, left,
                 [names[code] if names else "" for code in currency[deals]], int(missing.sum()) if names else 0,
                 dict(money.without_rate), totals)  # fmt: skip


def _line(so_far: float, expected_open: float, expected_new: float, draws: FloatArray) -> Line:
    low, middle, high = np.quantile(draws, (0.1, 0.5, 0.9))
    return Line(float(so_far), float(expected_open), float(expected_new), float(low), float(middle), float(high))


def _mean_win(
    history: History, as_of: int, amount: FloatArray, currency: IntArray, n_currencies: int
) -> FloatArray:  # fmt: skip
    """Mean amount of won deals by currency, for deals that have none yet; 0 where nothing was won."""
    won = (history.won == 1) & (history.closed < as_of) & ~np.isnan(amount)
    n = np.bincount(currency[won], minlength=n_currencies)
    return np.asarray(np.bincount(currency[won], amount[won], n_currencies) / np.maximum(n, 1))


def _still_moves(history: History, as_of: int, period: Span) -> tuple[float, float]:
    """How amounts moved from a moment to the win, in periods of the last two years.

    Returns:
        What was left of them, weighed by amount, and the standard deviation of it relative to that; 1 and 0 where
        changes of amounts are not recorded, or too few deals tell.
    """
    if history.crm.known("opportunities", AMOUNT) is not Known.HISTORY:
        return 1.0, 0.0
    final, length = amounts_at(history, as_of), period.end - max(as_of, period.start)
    found = []
    for back in range(1, 9):
        then = as_of - back * 91 * DAY
        deals = open_at(history, then).deal
        won = deals[(history.won[deals] == 1) & (history.closed[deals] < min(then + length, as_of))]
        before = amounts_at(history, then)[won]
        some = (before > 0) & (final[won] > 0)
        found.append(np.column_stack([before[some], np.clip(final[won][some] / before[some], 0.2, 5.0)]))
    before, ratio = np.concatenate(found).T
    if len(ratio) < LEAST_CHANGES:
        return 1.0, 0.0
    left = float(np.average(ratio, weights=before))
    return left, float(ratio.std()) / left


def stage_weighted(history: History, as_of: int, period: Span, deals: IntArray, rate: FloatArray) -> float:
    """What a CRM shows: amounts of open deals expected to close in the period, times their stage's win rate.

    Overdue deals count; what was won so far is added. Amounts are summed as they are: for one currency only.

    Args:
        history: The deals.
        as_of: Microseconds.
        period: The period.
        deals: The open deals.
        rate: Win rate of each deal's stage, shape (n_deals,).
    """
    amount = np.nan_to_num(amounts_at(history, as_of)) / 100
    expected = expected_closes(history, as_of, deals)
    due = np.ones(len(deals), dtype=np.bool_) if expected is None else ~(expected >= period.end)
    so_far = amount[won_in(history, period.start, min(as_of, period.end))].sum()
    return float(so_far + (amount[deals] * rate)[due].sum())
