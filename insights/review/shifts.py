"""Reasons of losses and wins: how many, worth what, and which rose or fell beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crm.tables import IntArray
from insights.money import Money
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
from insights.review.closed import BoolArray, ClosedDeals, Dimension, slices
from models.taxonomy import Taxonomy

BY: tuple[Dimension, ...] = ("segment", "product", "competitor", "team", "stage")
"""What reasons are told apart by."""
TREND = 6
"""Periods of a reason's trend, the reviewed one last."""


@dataclass(frozen=True)
class ReasonFigures:
    """One reason in a period.

    Attributes:
        reason: Its id.
        name: What people call it.
        group: Heading that it stands under.
        share: Of the deals with a reason, those with this one.
        value: Their amounts, by currency.
        previous: The share in the period before.
        year_before: The share in the same period of the year before.
        trend: Deals with it in the last periods of this length, the reviewed one last.
    """

    reason: str
    name: str
    group: str
    share: Share
    value: tuple[Money, ...]
    previous: Share
    year_before: Share
    trend: tuple[int, ...]


@dataclass(frozen=True)
class Shift:
    """A reason in a slice of deals: its share in the period, against that in the year before the period.

    Attributes:
        by: What the slice is of: `all`, `segment`, `product`, `competitor`, `team` or `stage`.
        slice: Its value; "" for all deals.
        reason: Id of the reason.
        name: What people call it.
        now: Of the slice's deals with a reason, those with this one, in the period.
        before: The same, of deals decided in the twelve months before the period.
        shrunk: The present share drawn towards that of all slices; the smaller the slice, the more.
        lower: Lower end of the 95 % interval of that.
        upper: Upper end.
        p: Probability of such a change by chance alone.
        q: The same, corrected for all comparisons of the review.
        beyond_chance: Whether q is at most 0.05.
    """

    by: str
    slice: str
    reason: str
    name: str
    now: Share
    before: Share
    shrunk: float
    lower: float
    upper: float
    p: float
    q: float
    beyond_chance: bool


@dataclass(frozen=True)
class SliceReasons:
    """How many deals of a slice had each reason in the period.

    Attributes:
        by: What the slice is of.
        slice: Its value.
        deals: Its deals with a reason.
        counts: Deals by id of the reason, the most frequent first.
    """

    by: str
    slice: str
    deals: int
    counts: dict[str, int]


@dataclass(frozen=True)
class ReasonReview:
    """Why deals were lost, or won, in a period.

    Attributes:
        kind: `loss` or `win`.
        deals: Lost (won) deals of the period.
        with_reason: Those with a reason that counts; all shares are of these.
        not_a_reason: Deals by id of what is no reason (never a prospect, a duplicate): left out of shares.
        not_understood: Deals for which something was picked that no reason is called, such as "Other".
        nothing_said: Deals for which nothing was said.
        sources: Deals with a reason by who says so: `person`, `note`, `picklist`.
        reasons: Every reason that occurs in the period or in those that it is compared with, the most frequent first.
        shifts: Reasons by slice that were compared with the year before: those beyond chance first, then by q.
        comparisons: How many comparisons could have been beyond chance at all; what q is corrected for.
        slices: Counts by slice and reason.
    """

    kind: str
    deals: int
    with_reason: int
    not_a_reason: dict[str, int]
    not_understood: int
    nothing_said: int
    sources: dict[str, int]
    reasons: tuple[ReasonFigures, ...]
    shifts: tuple[Shift, ...]
    comparisons: int
    slices: tuple[SliceReasons, ...]


def looked_at_since(period: Period) -> int:
    """Start, in microseconds, of the earliest stretch that `review_reasons` counts or compares a period with."""
    return min(period.moved(1 - TREND).start, period.year_before.start, Period("month", period.first - 12).start)


def review_reasons(
    deals: ClosedDeals, period: Period, found: Sequence[DealReason], taxonomy: Taxonomy, *, won: bool
) -> ReasonReview:
    """Reasons of a period's lost or won deals.

    Args:
        deals: All decided deals.
        period: The period.
        found: The reason of each deal, as `reasons_of` gives them.
        taxonomy: The reasons.
        won: Whether won deals are looked at.
    """
    by_deal = {item.deal: item for item in found}
    told = [by_deal.get(deal_id) for deal_id in deals.ids(np.arange(len(deals), dtype=np.int64))]
    place = {reason.id: number for number, reason in enumerate(taxonomy.reasons)}
    code = np.array([place[item.reason] if item and item.status == "reason" else -1 for item in told], dtype=np.int64)
    mine = deals.won == won
    rows = deals.of(period)
    rows = rows[mine[rows]]
    statuses = Counter(item.status if (item := told[row]) else "nothing_said" for row in rows)
    counted = rows[code[rows] >= 0]
    shifts, n_tests = _shifts(deals, period, code, mine, taxonomy)
    return ReasonReview(
        kind="win" if won else "loss", deals=len(rows), with_reason=len(counted),
        not_a_reason=dict(Counter(item.reason for row in rows if (item := told[row]) and item.status == "not_a_reason")
                          .most_common()),
        not_understood=statuses["not_understood"], nothing_said=statuses["nothing_said"],
        sources=dict(Counter(str(item.source) for row in counted if (item := told[row])).most_common()),
        reasons=_figures(deals, period, code, mine, taxonomy), shifts=shifts, comparisons=n_tests,
        slices=_slices(deals, counted, code, taxonomy),
    )  # fmt: skip


def _counted(deals: ClosedDeals, code: IntArray, mine: BoolArray, start: int, end: int) -> IntArray:
    """Places of the deals of the kind, with a reason that counts, closed in [start, end)."""
    rows = deals.rows(start, end)
    return rows[mine[rows] & (code[rows] >= 0)]


def _figures(
    deals: ClosedDeals, period: Period, code: IntArray, mine: BoolArray, taxonomy: Taxonomy
) -> tuple[ReasonFigures, ...]:
    def counts(one: Period) -> tuple[IntArray, int]:
        rows = _counted(deals, code, mine, one.start, one.end)
        return np.bincount(code[rows], minlength=len(taxonomy.reasons)), len(rows)

    rows = _counted(deals, code, mine, period.start, period.end)
    (now, n), (previous, n0), (before, n1) = (counts(one) for one in (period, period.previous, period.year_before))
    trend = np.array([counts(period.moved(-back))[0] for back in reversed(range(TREND))])
    figures = []
    for number in sorted(range(len(taxonomy.reasons)), key=lambda number: (-now[number], number)):
        reason = taxonomy.reasons[number]
        if reason.counts and now[number] + previous[number] + before[number]:
            figures.append(ReasonFigures(
                reason.id, reason.name, reason.group, share(int(now[number]), n),
                deals.amounts.totals(rows[code[rows] == number]), share(int(previous[number]), n0),
                share(int(before[number]), n1), tuple(trend[:, number].tolist()),
            ))  # fmt: skip
    return tuple(figures)


def _slices(deals: ClosedDeals, rows: IntArray, code: IntArray, taxonomy: Taxonomy) -> tuple[SliceReasons, ...]:
    found = []
    for by in BY:
        for value, mine in slices(deals.by[by], rows).items():
            counts = Counter(taxonomy.ids[number] for number in code[mine].tolist())
            ordered = dict(sorted(counts.items(), key=lambda item: (-item[1], taxonomy.ids.index(item[0]))))
            found.append(SliceReasons(by, value, len(mine), ordered))
    return tuple(found)


def _shifts(
    deals: ClosedDeals, period: Period, code: IntArray, mine: BoolArray, taxonomy: Taxonomy
) -> tuple[tuple[Shift, ...], int]:
    """Every reason in every slice against the twelve months before the period."""
    now = _counted(deals, code, mine, period.start, period.end)
    before = _counted(deals, code, mine, Period("month", period.first - 12).start, period.start)
    n_reasons = len(taxonomy.reasons)
    keys: list[tuple[str, str, int]] = []
    counts: list[tuple[int, int, int, int]] = []
    shrunk: list[tuple[float, float, float]] = []
    groups: list[tuple[str, Mapping[str, IntArray], Mapping[str, IntArray]]] = [("all", {"": now}, {"": before})]
    groups += [(by, slices(deals.by[by], now), slices(deals.by[by], before)) for by in BY]
    for by, mine_now, mine_before in groups:
        names = list(mine_now)
        if by != "all" and len(names) < 2:
            continue  # one slice is all deals once more
        k = np.array([np.bincount(code[mine_now[name]], minlength=n_reasons) for name in names]).reshape(-1, n_reasons)
        nobody = now[:0]
        k0 = np.array([np.bincount(code[mine_before.get(name, nobody)], minlength=n_reasons) for name in names])
        n = k.sum(axis=1)
        for number in np.flatnonzero(k.sum(axis=0) + k0.sum(axis=0)) if len(names) else ():
            drawn = shrink(k[:, number].astype(np.float64), n.astype(np.float64))
            for place, name in enumerate(names):
                n0 = int(k0[place].sum())
                if n[place] and n0:
                    keys.append((by, name, int(number)))
                    counts.append((int(k[place, number]), int(n[place]), int(k0[place, number]), n0))
                    shrunk.append((float(drawn.rate[place]), float(drawn.lower[place]), float(drawn.upper[place])))
    if not keys:
        return (), 0
    k_, n_, k0_, n0_ = np.array(counts).T
    p, tests = change_p(k_, n_, k0_, n0_), comparisons(least_p(k_, n_, k0_, n0_))
    q = benjamini_hochberg(p, tests)
    found = [
        Shift(by, name, taxonomy.ids[number], taxonomy.reasons[number].name, share(*counts[place][:2]),
              share(*counts[place][2:]), *shrunk[place], float(p[place]), float(q[place]),
              bool(q[place] <= FALSE_SHARE))
        for place, (by, name, number) in enumerate(keys)
    ]  # fmt: skip
    found.sort(key=lambda item: (item.q, item.p, item.by != "all", item.by, item.slice, item.reason))
    return tuple(found), len(tests)
