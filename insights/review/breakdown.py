"""The figures of a period apart by segment, product, team, owner, competitor or stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm.tables import IntArray
from insights.periods import Period
from insights.reasons import DealReason
from insights.review.chance import (
    FALSE_SHARE,
    Share,
    benjamini_hochberg,
    change_p,
    comparisons,
    least_p,
    share,
    shrink,
)
from insights.review.closed import ClosedDeals, Dimension, slices
from insights.review.summary import Cycle, DealSize, ValueRate, cycle_of, figures

OTHERS = "all below the minimum"
TOP = 3


@dataclass(frozen=True)
class SliceFigures:
    """The decided deals of one slice.

    Attributes:
        slice: Its value; owners by id.
        decided: Decided deals.
        win_rate: Won of them.
        previous: The same of the period before.
        shrunk: The win rate drawn towards that of all slices; the fewer deals, the more.
        lower: Lower end of the 95 % interval of that.
        upper: Upper end.
        q: Probability by chance alone of such a change since the period before, corrected for all slices.
        beyond_chance: Whether q is at most 0.05.
        value: Win rate by value, by currency.
        size: Sizes of deals, by currency.
        cycle_won: Cycle of won deals.
        cycle_lost: Cycle of lost deals.
        loss_reasons: Lost deals by id of the most frequent loss reasons.
    """

    slice: str
    decided: int
    win_rate: Share
    previous: Share
    shrunk: float
    lower: float
    upper: float
    q: float
    beyond_chance: bool
    value: tuple[ValueRate, ...]
    size: tuple[DealSize, ...]
    cycle_won: Cycle
    cycle_lost: Cycle
    loss_reasons: dict[str, int]


@dataclass(frozen=True)
class Breakdown:
    """A period apart by one dimension.

    Attributes:
        by: The dimension.
        slices: Its slices, the largest first.
        unknown: Decided deals for which the CRM does not say; they are in no slice.
        hidden: Owners with too few deals to be shown alone; their deals are one slice together, if that is enough.
    """

    by: Dimension
    slices: tuple[SliceFigures, ...]
    unknown: int
    hidden: int


def breakdown(
    deals: ClosedDeals, period: Period, by: Dimension, losses: Sequence[DealReason], least: int
) -> Breakdown:  # fmt: skip
    """A period's figures by one dimension.

    Args:
        deals: All decided deals.
        period: The period.
        by: The dimension.
        losses: The reason of each lost deal.
        least: Fewest decided deals for which an owner is shown alone.
    """
    rows = deals.of(period)
    now, before = slices(deals.by[by], rows), slices(deals.by[by], deals.of(period.previous))
    hidden = 0
    if by == "owner":
        few = [name for name, mine in now.items() if len(mine) < least]
        hidden = len(few)
        now = _pooled(now, few, least)
        before = _pooled(before, [name for name in before if name not in now], 0)
    names = list(now)
    nobody = rows[:0]
    k, n, k0, n0 = (np.array(counts, dtype=np.int64) for counts in (
        [int(deals.won[now[name]].sum()) for name in names], [len(now[name]) for name in names],
        [int(deals.won[before.get(name, nobody)].sum()) for name in names],
        [len(before.get(name, nobody)) for name in names],
    ))  # fmt: skip
    drawn = shrink(k.astype(np.float64), n.astype(np.float64))
    q = np.ones(len(names))
    if len(names):
        q = benjamini_hochberg(change_p(k, n, k0, n0), comparisons(least_p(k, n, k0, n0)))
    reason_of = {item.deal: item.reason for item in losses if item.status == "reason"}
    found = []
    for place, name in enumerate(names):
        mine = now[name]
        told = figures(deals, mine, period)
        reasons = Counter(reason_of[deal] for deal in deals.ids(mine[~deals.won[mine]]) if deal in reason_of)
        found.append(SliceFigures(
            name, told.decided, told.win_rate, share(int(k0[place]), int(n0[place])), float(drawn.rate[place]),
            float(drawn.lower[place]), float(drawn.upper[place]), float(q[place]), bool(q[place] <= FALSE_SHARE),
            told.value, told.size, cycle_of(deals.cycle_days[mine[deals.won[mine]]]),
            cycle_of(deals.cycle_days[mine[~deals.won[mine]]]), dict(reasons.most_common(TOP)),
        ))  # fmt: skip
    return Breakdown(by, tuple(found), int((deals.by[by].codes[rows] < 0).sum()), hidden)


def _pooled(groups: dict[str, IntArray], names: Sequence[str], least: int) -> dict[str, IntArray]:
    """The groups, with some of them made one where together they are enough; else without these."""
    kept = {name: mine for name, mine in groups.items() if name not in names}
    together = [groups[name] for name in names]
    rest = np.sort(np.concatenate(together)) if together else np.zeros(0, dtype=np.int64)
    return {**kept, OTHERS: rest} if len(rest) and len(rest) >= least else kept
