"""The figures of a period: win rates, sizes of deals, lengths of cycles, velocity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray, IntArray
from insights.periods import Period
from insights.review.chance import Difference, Share, difference, share, weighted_interval
from insights.review.closed import ClosedDeals

TREND = 8
"""Periods of the trend, the reviewed one last."""


@dataclass(frozen=True)
class ValueRate:
    """Win rate by value in one currency: won amount over decided amount.

    Attributes:
        currency: The currency; empty where the CRM does not state it.
        deals: Decided deals with an amount.
        won: Won amount, in currency units.
        lost: Lost amount.
        rate: won / (won + lost).
        lower: Lower end of its 95 % interval, from resampling deals; None for fewer than ten.
        upper: Upper end.
    """

    currency: str
    deals: int
    won: float
    lost: float
    rate: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class DealSize:
    """Sizes of deals in one currency, in currency units.

    Attributes:
        currency: The currency.
        won: Median amount of won deals; None without any.
        lost: Median amount of lost deals; None without any.
        won_mean: Mean amount of won deals; None without any.
    """

    currency: str
    won: float | None
    lost: float | None
    won_mean: float | None


@dataclass(frozen=True)
class Cycle:
    """Days from entry to close.

    Attributes:
        deals: Deals with both dates.
        median: Median days; None without deals.
        lower_quartile: A quarter closed within so many days.
        upper_quartile: Three quarters did.
        mean: Mean days.
    """

    deals: int
    median: float | None
    lower_quartile: float | None
    upper_quartile: float | None
    mean: float | None


@dataclass(frozen=True)
class Velocity:
    """Sales velocity in one currency: n x win rate x mean won deal / mean cycle of won deals.

    Attributes:
        currency: The currency.
        deals: n, decided deals with an amount.
        win_rate: Their win rate by count.
        deal: Mean amount of the won ones.
        cycle_days: Their mean cycle, at least one day.
        per_day: The velocity: currency units won per day of a cycle.
    """

    currency: str
    deals: int
    win_rate: float
    deal: float
    cycle_days: float
    per_day: float


@dataclass(frozen=True)
class Figures:
    """What became of the deals that were decided in a period.

    Attributes:
        period: The period, as it is written.
        days: Its first and last day.
        decided: Deals won or lost in it.
        won: Won ones.
        lost: Lost ones.
        without_amount: Decided deals without an amount above 0; they are in no value.
        win_rate: Won of decided deals.
        value: Win rate by value, by currency.
        size: Sizes of deals, by currency.
        cycle_won: Cycle of won deals.
        cycle_lost: Cycle of lost deals.
        velocity: Velocity, by currency with won deals.
    """

    period: str
    days: str
    decided: int
    won: int
    lost: int
    without_amount: int
    win_rate: Share
    value: tuple[ValueRate, ...]
    size: tuple[DealSize, ...]
    cycle_won: Cycle
    cycle_lost: Cycle
    velocity: tuple[Velocity, ...]


@dataclass(frozen=True)
class TrendPoint:
    """The win rate of one period of the trend.

    Attributes:
        period: The period, as it is written.
        win_rate: Won of decided deals.
    """

    period: str
    win_rate: Share


@dataclass(frozen=True)
class Summary:
    """The figures of a period beside those before.

    Attributes:
        now: The period.
        previous: The one of the same length before it.
        year_before: The same one of the year before.
        on_previous: Change of the win rate by count; None where one of them has no deals.
        on_year_before: Likewise.
        trend: The win rate of the last periods of this length, the oldest first; none before the first decided deal.
    """

    now: Figures
    previous: Figures
    year_before: Figures
    on_previous: Difference | None
    on_year_before: Difference | None
    trend: tuple[TrendPoint, ...]


def summary(deals: ClosedDeals, period: Period) -> Summary:
    """Figures of a period, of the one before it and of the same one of the year before."""
    now, previous, before = (figures(deals, deals.of(one), one)
                             for one in (period, period.previous, period.year_before))  # fmt: skip
    first = int(deals.closed.min()) if len(deals) else period.end
    shown = [one for one in (period.moved(-back) for back in reversed(range(TREND))) if one.end > first]
    trend = tuple(TrendPoint(one.name, _win_rate(deals, deals.of(one))) for one in shown)
    return Summary(now, previous, before, difference(now.win_rate, previous.win_rate),
                   difference(now.win_rate, before.win_rate), trend)  # fmt: skip


def figures(deals: ClosedDeals, rows: IntArray, period: Period) -> Figures:
    """Figures of some decided deals of a period.

    Args:
        deals: All decided deals.
        rows: Places of those looked at.
        period: What they are of.
    """
    won = deals.won[rows]
    by_currency = deals.amounts.groups(rows)
    cycle = deals.cycle_days
    velocities = (_velocity(deals, name, mine) for name, mine in by_currency.items())
    return Figures(
        period=period.name, days=period.words, decided=len(rows), won=int(won.sum()), lost=int((~won).sum()),
        without_amount=int((~deals.amounts.present[rows]).sum()), win_rate=_win_rate(deals, rows),
        value=value_rates(deals, rows),
        size=tuple(_size(deals, name, mine) for name, mine in by_currency.items()),
        cycle_won=cycle_of(cycle[rows[won]]), cycle_lost=cycle_of(cycle[rows[~won]]),
        velocity=tuple(item for item in velocities if item is not None),
    )  # fmt: skip


def _win_rate(deals: ClosedDeals, rows: IntArray) -> Share:
    return share(float(deals.won[rows].sum()), len(rows))


def value_rates(deals: ClosedDeals, rows: IntArray) -> tuple[ValueRate, ...]:
    """Win rate by value of some deals, by currency."""
    found = []
    for currency, mine in deals.amounts.groups(rows).items():
        amount, won = deals.amounts.values[mine], deals.won[mine].astype(np.float64)
        lower, upper = weighted_interval(won, amount)
        total, gained = float(amount.sum()), float(amount @ won)
        found.append(ValueRate(currency, len(mine), round(gained, 2), round(total - gained, 2), gained / total, lower,
                               upper))  # fmt: skip
    return tuple(found)


def median(values: FloatArray) -> float | None:
    """Median of the values that there are; None without any."""
    present = values[~np.isnan(values)]
    return float(np.median(present)) if len(present) else None


def _size(deals: ClosedDeals, currency: str, rows: IntArray) -> DealSize:
    amount, won = deals.amounts.values[rows], deals.won[rows]
    return DealSize(currency, median(amount[won]), median(amount[~won]),
                    float(amount[won].mean()) if won.any() else None)  # fmt: skip


def cycle_of(days: FloatArray) -> Cycle:
    """Lengths of cycles; NaN are left out.

    Args:
        days: Days from entry to close, shape (n_deals,).
    """
    days = days[~np.isnan(days)]
    if not len(days):
        return Cycle(0, None, None, None, None)
    low, middle, high = (float(value) for value in np.quantile(days, (0.25, 0.5, 0.75)))
    return Cycle(len(days), middle, low, high, float(days.mean()))


def _velocity(deals: ClosedDeals, currency: str, rows: IntArray) -> Velocity | None:
    won = deals.won[rows]
    cycle = cycle_of(deals.cycle_days[rows[won]])
    if cycle.mean is None:
        return None
    days = max(cycle.mean, 1.0)
    deal, rate = float(deals.amounts.values[rows[won]].mean()), float(won.mean())
    return Velocity(currency, len(rows), rate, deal, days, len(rows) * rate * deal / days)
