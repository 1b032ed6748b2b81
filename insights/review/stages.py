"""How deals went through the stages, and in which of them they died."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import IntArray
from insights.money import Money
from insights.periods import Period
from insights.review.chance import Difference, Share, difference, share
from insights.review.closed import BoolArray, ClosedDeals


@dataclass(frozen=True)
class StageFlow:
    """What became of the decided deals that entered a stage.

    Attributes:
        stage: The stage.
        went_on: Of the deals that entered it, those that entered a later stage afterwards or were won.
        previous: The same of the period before.
        change: Change of that share; None where one has no deals.
        died: Lost deals whose last open stage it was.
        share_of_losses: Of all lost deals with a known last stage, these.
        lost_value: Their amounts, by currency.
    """

    stage: str
    went_on: Share
    previous: Share
    change: Difference | None
    died: int
    share_of_losses: Share
    lost_value: tuple[Money, ...]


def stage_flow(deals: ClosedDeals, period: Period) -> tuple[StageFlow, ...]:
    """Conversion and deaths by stage, in the order of the process; none where no moves are recorded.

    Args:
        deals: All decided deals.
        period: The period.
    """
    order = stage_order(deals)
    if not order:
        return ()
    rows, before = deals.of(period), deals.of(period.previous)
    entered, went_on = _passed(deals, rows, order)
    entered0, went_on0 = _passed(deals, before, order)
    last = deals.by["stage"]
    lost = rows[~deals.won[rows] & (last.codes[rows] >= 0)]
    found = []
    for place, stage in enumerate(order):
        here = lost[last.codes[lost] == last.levels.index(stage)] if stage in last.levels else lost[:0]
        now = share(float(went_on[:, place].sum()), int(entered[:, place].sum()))
        then = share(float(went_on0[:, place].sum()), int(entered0[:, place].sum()))
        if now.n or len(here):
            found.append(StageFlow(stage, now, then, difference(now, then), len(here), share(len(here), len(lost)),
                                   deals.amounts.totals(here)))  # fmt: skip
    return tuple(found)


def stage_order(deals: ClosedDeals) -> tuple[str, ...]:
    """Open stages in their order: the declared one, or that in which deals on average first enter them."""
    events = deals.history.stage_changes
    if not len(events):
        return ()
    codes, levels = events.codes("stage"), events.levels("stage")
    declared = deals.history.crm.process.stages
    seen = np.bincount(codes[codes >= 0], minlength=len(levels)) > 0
    rank = np.arange(len(codes)) - events.starts[events.key]
    n = np.bincount(codes[codes >= 0], minlength=len(levels))
    mean = np.bincount(codes[codes >= 0], rank[codes >= 0], len(levels)) / np.maximum(n, 1)
    others = sorted((code for code in np.flatnonzero(seen).tolist() if levels[code] not in declared),
                    key=lambda code: (mean[code], levels[code]))  # fmt: skip
    return (*declared, *(levels[code] for code in others))


def _passed(deals: ClosedDeals, rows: IntArray, order: tuple[str, ...]) -> tuple[BoolArray, BoolArray]:
    """Which stages each deal entered by its close, and which it left for a later one; shape (n_rows, n_stages)."""
    events, history = deals.history.stage_changes, deals.history
    place_of_deal = np.full(history.n_deals, -1, dtype=np.int64)
    place_of_deal[deals.code[rows]] = np.arange(len(rows))
    mine = (place_of_deal[events.key] >= 0) & (events.time <= history.closed[events.key])
    place = {stage: number for number, stage in enumerate(order)}
    table = np.array([*(place.get(level, -1) for level in events.levels("stage")), -1], dtype=np.int64)
    stage = table[events.codes("stage")]
    mine &= stage >= 0
    deal, stage = place_of_deal[events.key[mine]], stage[mine]
    entered = np.zeros((len(rows), len(order)), dtype=bool)
    entered[deal, stage] = True
    furthest = np.full(len(rows), -1, dtype=np.int64)
    np.maximum.at(furthest, deal, stage)
    went_on = entered & ((furthest[:, None] > np.arange(len(order))) | deals.won[rows][:, None])
    return entered, went_on
