"""What became of deals that were called, and of those left alone at random.

Where a share of the queue is held out at random (`crm.marks.draw`), the difference of the win-back rates of the two
arms is what offering the queue to the sellers brings (intention to treat: a deal belongs to its arm whether it was
called or not). Its interval is Newcombe's (1998, method 10) from the Wilson intervals of the two rates. The rates of
deals by mark, beside it, compare what people chose to call with what they did not: those differ from the start, and
tell nothing of what calling brings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from crm.marks import KINDS, Draw, Mark
from crm.tables import FloatArray, IntArray, moment
from features.history import History
from features.records import NEVER
from insights.reengagement.landmarks import months_later
from insights.reengagement.losses import Accounts
from insights.reengagement.options import Options
from models.proportions import wilson


@dataclass(frozen=True)
class Rate:
    """How many deals were won back.

    Attributes:
        deals: Deals followed to the end of the horizon.
        won_back: Those whose account was won back within it.
        rate: Their share; None without deals.
        lower: Lower end of its 95 % interval.
        upper: Upper end.
        waiting: Deals whose horizon has not ended.
    """

    deals: int
    won_back: int
    rate: float | None
    lower: float | None
    upper: float | None
    waiting: int


@dataclass(frozen=True)
class Comparison:
    """Called against left alone.

    Attributes:
        as_of: The day by which outcomes are known.
        horizon: Months from the draw, or from the mark, in which a win counts.
        offered: Deals drawn to stay in the queue.
        held_out: Deals drawn to be left alone.
        difference: Rate of the offered less that of the held out; None where either has no deal yet.
        lower: Lower end of its 95 % interval.
        upper: Upper end.
        by_mark: Rates of deals by the mark that they were given first; not a comparison of like with like.
        told: The result in words.
    """

    as_of: date
    horizon: int
    offered: Rate
    held_out: Rate
    difference: float | None
    lower: float | None
    upper: float | None
    by_mark: dict[str, Rate]
    told: str


def compare(
    history: History, as_of: int, options: Options, draws: Mapping[str, Draw], marks: Sequence[Mark]
) -> Comparison:
    """Win-back rates of the two arms, and of deals by mark, from what was known strictly before a moment.

    Args:
        history: The deals.
        as_of: Microseconds.
        options: How the queue is made; its horizon is the comparison's.
        draws: Draws of the hold-out by deal. Of an account drawn with several deals, the first draw counts.
        marks: All marks, the oldest first; the first of each kind on a deal counts.
    """
    accounts = Accounts(history, options)
    first: dict[str, Draw] = {}
    for item in sorted(draws.values(), key=lambda item: (item.as_of, item.opportunity_id)):
        first.setdefault(item.account, item)
    arms = {
        held: _rate(accounts, [(d.opportunity_id, d.as_of) for d in first.values() if d.held_out == held], as_of)
        for held in (False, True)
    }
    by_mark: dict[str, Rate] = {}
    for kind in KINDS:
        mine: dict[str, int] = {}
        for mark in marks:
            if mark.kind == kind:
                mine.setdefault(mark.opportunity_id, mark.at)
        if mine:
            by_mark[kind] = _rate(accounts, list(mine.items()), as_of)
    difference, lower, upper = _difference(arms[False], arms[True])
    return Comparison(moment(as_of).date(), options.horizon, arms[False], arms[True], difference, lower, upper, by_mark,
                      _told(arms[False], arms[True], difference, lower, upper, options.horizon))  # fmt: skip


def _rate(accounts: Accounts, deals: Sequence[tuple[str, int]], as_of: int) -> Rate:
    """Win-backs after moments, one of each deal."""
    history = accounts.history
    known = [(found, since) for id, since in deals if (found := history.code(id)) is not None]
    code: IntArray = np.array([item[0] for item in known], dtype=np.int64)
    since: IntArray = np.array([item[1] for item in known], dtype=np.int64)
    until = months_later(since, accounts.options.horizon)
    came = accounts.won_back_at(accounts.account[code], since, as_of)
    followed = until <= as_of
    won = int(((came < until) & (came != NEVER) & followed).sum())
    n = int(followed.sum())
    waiting = int((~followed).sum())
    if not n:
        return Rate(0, 0, None, None, None, waiting)
    k, total = np.array([float(won)]), np.array([float(n)])
    lower, upper = wilson(k, total)
    return Rate(n, won, won / n, float(lower[0]), float(upper[0]), waiting)


def _difference(one: Rate, other: Rate) -> tuple[float | None, float | None, float | None]:
    """Difference of two rates with Newcombe's interval; None where either is not known."""
    if one.rate is None or other.rate is None:
        return None, None, None
    assert one.lower is not None
    assert one.upper is not None
    assert other.lower is not None
    assert other.upper is not None
    difference = one.rate - other.rate
    below: FloatArray = np.sqrt(np.array((one.rate - one.lower) ** 2 + (other.upper - other.rate) ** 2))
    above: FloatArray = np.sqrt(np.array((one.upper - one.rate) ** 2 + (other.rate - other.lower) ** 2))
    return difference, difference - float(below), difference + float(above)


def _told(offered: Rate, held: Rate, difference: float | None, lower: float | None, upper: float | None,
          horizon: int) -> str:  # fmt: skip
    waiting = offered.waiting + held.waiting
    if not offered.deals + held.deals + waiting:
        return "nothing was held out: without a hold-out nobody can tell what calling brings"
    if difference is None or lower is None or upper is None:
        return f"too early to tell: {waiting} deals have not been followed for {horizon} months yet"
    points = f"{100 * difference:+.1f} points [{100 * lower:+.1f}, {100 * upper:+.1f}]"
    if lower > 0:
        return f"accounts offered for a call were won back more often than those left alone: {points}"
    if upper < 0:
        return f"accounts offered for a call were won back less often than those left alone: {points}"
    return f"no difference can be told from chance: {points}"
