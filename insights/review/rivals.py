"""Competitors that were met, won and lost against; and gaps of the product, by what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crm.schema import Known
from crm.tables import IntArray
from insights.money import Money
from insights.periods import Period
from insights.reasons import DealReason
from insights.review.chance import Share, share, shrink
from insights.review.closed import ClosedDeals, slices
from models.taxonomy import Taxonomy

GAPS = "Product"
"""Heading of the taxonomy under which gaps of the product stand."""
GAP_REASONS = ("feature_gap", "integration_technical", "product_misfit", "implementation_capacity")
"""Reasons that are gaps, whatever heading they stand under."""
LARGEST = 3


@dataclass(frozen=True)
class Rival:
    """A competitor in the deals of a period.

    Attributes:
        competitor: Its name.
        won: Won of the decided deals in which it was met.
        previous: The same of the period before.
        shrunk: That win rate drawn towards the one against all competitors; the fewer deals, the more.
        lower: Lower end of the 95 % interval of that.
        upper: Upper end.
        named_early: Won of those in which it was entered before the close; None where the export does not tell when.
        won_value: Amounts won against it, by currency.
        lost_value: Amounts lost with it in the deal.
    """

    competitor: str
    won: Share
    previous: Share
    shrunk: float
    lower: float
    upper: float
    named_early: Share | None
    won_value: tuple[Money, ...]
    lost_value: tuple[Money, ...]


@dataclass(frozen=True)
class Rivals:
    """Competitors met in a period.

    Attributes:
        met: The competitors, those met most often first.
        none_named: Won of the decided deals in which none was named.
        named_at_close: Deals in which a competitor was entered no earlier than the close, most of them lost as a rule:
            they make win rates look low; None where the export does not tell when.
    """

    met: tuple[Rival, ...]
    none_named: Share
    named_at_close: Share | None


@dataclass(frozen=True)
class Gap:
    """A gap of a product that deals were lost to.

    Attributes:
        reason: Id of the reason.
        name: What people call it.
        product: The product; "" where the deal names none.
        deals: Lost deals.
        value: Their amounts, by currency.
        competitors: Deals by competitor that was met in them.
        largest: Ids of the largest of them.
    """

    reason: str
    name: str
    product: str
    deals: int
    value: tuple[Money, ...]
    competitors: dict[str, int]
    largest: tuple[str, ...]


def rivals(deals: ClosedDeals, period: Period) -> Rivals:
    """Competitors met in a period's decided deals.

    Args:
        deals: All decided deals.
        period: The period.
    """
    rows, column = deals.of(period), deals.by["competitor"]
    met, before = slices(column, rows), slices(column, deals.of(period.previous))
    early = _named_early(deals, rows)
    won = {name: deals.won[mine] for name, mine in met.items()}
    drawn = shrink(np.array([float(flags.sum()) for flags in won.values()]),
                   np.array([float(len(flags)) for flags in won.values()]))  # fmt: skip
    found = []
    for place, (name, mine) in enumerate(met.items()):
        first = mine if early is None else np.intersect1d(mine, early)
        found.append(Rival(
            name, _won(deals, mine), _won(deals, before.get(name, rows[:0])), float(drawn.rate[place]),
            float(drawn.lower[place]), float(drawn.upper[place]), None if early is None else _won(deals, first),
            deals.amounts.totals(mine[won[name]]), deals.amounts.totals(mine[~won[name]]),
        ))  # fmt: skip
    named = rows[column.codes[rows] >= 0]
    late = None if early is None else _won(deals, np.setdiff1d(named, early))
    return Rivals(tuple(found), _won(deals, rows[column.codes[rows] < 0]), late)


def _won(deals: ClosedDeals, rows: IntArray) -> Share:
    return share(float(deals.won[rows].sum()), len(rows))


def _named_early(deals: ClosedDeals, rows: IntArray) -> IntArray | None:
    """Those of the rows in which a competitor was entered before the close; None where nothing tells when."""
    if deals.history.crm.known("opportunities", "competitor") is not Known.HISTORY:
        return None
    field = deals.history.field("opportunities.competitor")
    return rows[field.codes(deals.code[rows], deals.closed[rows]) >= 0]


def gaps(deals: ClosedDeals, period: Period, found: Sequence[DealReason], taxonomy: Taxonomy) -> tuple[Gap, ...]:
    """Gaps that deals of a period were lost to, by reason and product, those that cost most first.

    Of several currencies, a gap stands where its largest share of the value lost to gaps in any one of them puts it.

    Args:
        deals: All decided deals.
        period: The period.
        found: The reason of each lost deal.
        taxonomy: The loss reasons.
    """
    gap = {reason.id: reason.name for reason in taxonomy.reasons
           if reason.counts and (reason.group == GAPS or reason.id in GAP_REASONS)}  # fmt: skip
    reason_of = {item.deal: item.reason for item in found if item.reason in gap}
    rows = deals.of(period)
    rows = rows[~deals.won[rows]]
    product, competitor = deals.by["product"].strings(), deals.by["competitor"].strings()
    members: dict[tuple[str, str], list[int]] = {}
    for row, deal in zip(rows.tolist(), deals.ids(rows), strict=True):
        if deal in reason_of:
            members.setdefault((reason_of[deal], str(product[row])), []).append(row)
    every = np.array(sorted(row for mine in members.values() for row in mine), dtype=np.int64)
    whole = {item.currency: item.amount for item in deals.amounts.totals(every)}
    made = []
    for (reason, name), places in members.items():
        mine = np.array(places, dtype=np.int64)
        order = mine[np.argsort(-np.nan_to_num(deals.amounts.values[mine]), kind="stable")]
        met = Counter(str(competitor[row]) for row in places if competitor[row])
        made.append(Gap(reason, gap[reason], name, len(mine), deals.amounts.totals(mine), dict(met.most_common()),
                        tuple(deals.ids(order[:LARGEST]))))  # fmt: skip
    made.sort(key=lambda item: (-_weight(item.value, whole), -item.deals, item.reason, item.product))
    return tuple(made)


def _weight(value: Sequence[Money], whole: Mapping[str, float]) -> float:
    return max((item.amount / whole[item.currency] for item in value), default=0.0)
