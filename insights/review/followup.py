"""Where follow-up failed: silence before the close, no next step, customers who waited for an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crm.tables import DAY, FloatArray, IntArray
from features.asof_once import look_back
from features.history import History
from features.moments import Moments
from insights.money import Money
from insights.periods import Period
from insights.review.chance import Difference, Share, difference, share
from insights.review.closed import BoolArray, ClosedDeals

SILENT_DAYS = 30
STEP_DAYS = 14
REPLY_DAYS = 2
TOUCH_DAYS = 7
SHOWN = 10
"""Lost deals that are listed, the largest first."""


@dataclass(frozen=True)
class Lapse:
    """One way in which follow-up can fail, and how often it did.

    Attributes:
        name: Its short name.
        rule: What counts, in words.
        lost: Of the lost deals that it can be told of, those that show it.
        won: The same of won deals.
        difference: Lost less won; None where one has no deals.
        lost_value: Amounts of the lost deals that show it, by currency.
    """

    name: str
    rule: str
    lost: Share
    won: Share
    difference: Difference | None
    lost_value: tuple[Money, ...]


@dataclass(frozen=True)
class Missed:
    """A lost deal in which follow-up failed.

    Attributes:
        deal: Its id.
        owner_id: Its owner; "" where the CRM does not say.
        amount: Its amount; None where it has none.
        currency: Currency of the amount.
        lapses: Names of what failed.
    """

    deal: str
    owner_id: str
    amount: float | None
    currency: str
    lapses: tuple[str, ...]


@dataclass(frozen=True)
class FollowUp:
    """Where follow-up failed in a period.

    Attributes:
        lapses: What can be told from the data at hand, each with how often it happened.
        any_lost: Lost deals with at least one lapse.
        any_won: Won deals with at least one.
        largest: The largest lost deals with a lapse.
    """

    lapses: tuple[Lapse, ...]
    any_lost: Share
    any_won: Share
    largest: tuple[Missed, ...]


def follow_up(deals: ClosedDeals, period: Period) -> FollowUp | None:
    """Lapses of follow-up in a period's decided deals; None where the export has no activities.

    Each is told from what lies strictly before the deal's close.

    Args:
        deals: All decided deals.
        period: The period.
    """
    history, rows = deals.history, deals.of(period)
    if "activities" not in history.sources:
        return None
    won = deals.won[rows]
    lapses, shows = [], []
    for name, rule, told, flag in _rules(history, deals.code[rows], deals.closed[rows]):
        sides = [share(float(flag[told & side].sum()), int((told & side).sum())) for side in (~won, won)]
        value = deals.amounts.totals(rows[told & flag & ~won])
        lapses.append(Lapse(name, rule, sides[0], sides[1], difference(*sides), value))
        shows.append(told & flag)
    either = np.any(shows, axis=0) if len(rows) else np.zeros(0, dtype=bool)
    any_lost, any_won = (share(float(either[side].sum()), int(side.sum())) for side in (~won, won))
    worst = np.flatnonzero(either & ~won)
    worst = worst[np.argsort(-np.nan_to_num(deals.amounts.values[rows[worst]]), kind="stable")][:SHOWN]
    owner = deals.by["owner"].strings()
    largest = [
        Missed(deals.ids(rows[place : place + 1])[0], str(owner[rows[place]]), _amount(deals, int(rows[place])),
               _currency(deals, int(rows[place])),
               tuple(lapse.name for lapse, flag in zip(lapses, shows, strict=True) if flag[place]))
        for place in worst.tolist()
    ]  # fmt: skip
    return FollowUp(tuple(lapses), any_lost, any_won, tuple(largest))


def _amount(deals: ClosedDeals, row: int) -> float | None:
    return round(float(deals.amounts.values[row]), 2) if deals.amounts.present[row] else None


def _currency(deals: ClosedDeals, row: int) -> str:
    return deals.amounts.currencies[deals.amounts.currency[row]] if deals.amounts.present[row] else ""


def _rules(
    history: History, code: IntArray, closed: IntArray
) -> Iterator[tuple[str, str, BoolArray, BoolArray]]:  # fmt: skip
    """Name and words of each lapse, of which deals it can be told, and which show it."""
    every = np.ones(len(code), dtype=bool)
    at_close = Moments(history, code, closed)
    created = history.created[code]
    dated = created <= closed
    silent = np.asarray(at_close.activities.count(days=SILENT_DAYS) == 0)
    yield ("silence", f"nothing happened in the {SILENT_DAYS} days before the close, in a deal at least so old",
           dated & (closed - created >= SILENT_DAYS * DAY), silent)  # fmt: skip
    if len(history.stage_changes):
        entered = at_close.stage_changes.last_time()
        told = ~np.isnan(entered)
        by = np.where(told, entered, 0).astype(np.int64) + STEP_DAYS * DAY
        told &= by <= closed
        idle = np.asarray(look_back(history.activities, code, by).count(days=STEP_DAYS) == 0)
        yield ("no next step", f"nothing happened in the {STEP_DAYS} days after the deal entered its last stage", told,
               idle)  # fmt: skip
    if "activities.direction" in history.sources:
        wait = reply_days(history, code, closed)
        yield ("slow first reply", f"the customer's first message waited more than {REPLY_DAYS} days for an answer, or "
               f"got none", ~np.isnan(wait), wait > REPLY_DAYS)  # fmt: skip
        inbound = at_close.activities.last_time("inbound")
        # An answer of the same instant is an answer.
        open_end = (inbound > np.nan_to_num(at_close.activities.last_time("outbound"), nan=-np.inf)) & (
            closed - inbound > REPLY_DAYS * DAY
        )
        yield ("no answer", f"the customer wrote last, more than {REPLY_DAYS} days before the close, and nobody "
               f"answered", ~np.isnan(inbound), open_end)  # fmt: skip
    if "dates" in history.sources:
        week = created + TOUCH_DAYS * DAY
        started = look_back(history.activities, code, np.minimum(week, closed)).any()
        yield ("late start", f"nothing happened in the {TOUCH_DAYS} days after the deal was entered",
               every & dated & (week <= closed), ~started)  # fmt: skip


def reply_days(history: History, code: IntArray, closed: IntArray) -> FloatArray:
    """Days from the customer's first message to the next one to them, before the close.

    Infinite where none followed; NaN where the customer never wrote.

    Args:
        history: All deals.
        code: Deals, shape (n_deals,).
        closed: Moment of each before which events count, microseconds.
    """
    events = history.activities
    n = len(events)
    if not n:
        return np.full(len(code), np.nan)
    inbound, outbound = (np.asarray(events.values(name), dtype=bool) for name in ("inbound", "outbound"))
    following = _next(inbound, n), _next(outbound, n)
    start, stop = events.starts[code], events.before(code, closed)
    asked = following[0][np.minimum(start, n)]
    answered = following[1][np.minimum(asked + 1, n)]
    time = np.append(events.time, 0).astype(np.float64)
    days = np.where(answered < stop, (time[answered] - time[asked]) / DAY, np.inf)
    return np.where(asked < stop, days, np.nan)


def _next(flags: BoolArray, n: int) -> IntArray:
    """Index of the first flagged event at or after i, n where there is none, shape (n + 1,)."""
    index = np.append(np.where(flags, np.arange(n, dtype=np.int64), n), n)
    return np.asarray(np.minimum.accumulate(index[::-1])[::-1])
