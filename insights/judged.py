"""Kept scores beside what became of their deals: rows, their weights and groups, and the figures of any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crm.ledger import Run, scores_of
from crm.store import Store
from crm.tables import Coded, FloatArray, IntArray
from features.history import History
from features.matrix import WEEK
from features.moments import Moments
from insights.drift import every
from models.censoring import FollowUp
from models.metrics import Bin, Metrics, bootstrap_mean, calibration_bins
from models.recalibration import calibration_line_interval
from models.resampling import Interval

GROUPINGS = ("stage", "team", "time", "version")
LEAST_DEALS = 30
"""Fewest closed deals, of them one won and one lost, that a figure is told of."""
MOST_JUDGED = 200_000
"""Rows that are judged; of more, whole deals are left out."""
MONDAY = 4 * 86_400_000_000
"""1970-01-05 was a Monday."""


@dataclass(frozen=True)
class Slice:
    """Figures of some rows.

    Attributes:
        name: What they have in common.
        n_rows: Rows whose deal has closed.
        n_deals: Deals behind them.
        n_open: Deals still open: censored.
        said: Mean probability, of deals weighed for those still open.
        won: Share won, weighed likewise.
        gap: won - said.
        slope: Calibration slope (`models.metrics.calibration_line`): 1 if honest, below 1 if overconfident.
        intercept: Its intercept: 0 if honest.
        metrics: All other figures; the calibration error (ECE) has its interval there.
    """

    name: str
    n_rows: int
    n_deals: int
    n_open: int
    said: float
    won: float
    gap: Interval
    slope: Interval
    intercept: Interval
    metrics: Metrics


@dataclass(frozen=True)
class Judged:
    """Rows of kept scores with what became of their deals.

    Attributes:
        deal: Code of each row's deal, shape (n_rows,).
        as_of: Microseconds.
        p: What was said.
        won: 1 or 0; NaN where the deal is still open.
        weight: What each row of a closed deal stands for; NaN where it is still open.
        groups: Groupings of the rows by name.
    """

    deal: IntArray
    as_of: IntArray
    p: FloatArray
    won: FloatArray
    weight: FloatArray
    groups: Mapping[str, Coded]

    @cached_property
    def closed(self) -> NDArray[np.bool_]:
        """Rows whose deal has closed."""
        return ~np.isnan(self.won)

    def slice(self, name: str, rows: NDArray[np.bool_]) -> Slice | None:
        """Figures of some rows; None where too few of their deals have closed, or all ended alike."""
        mine = np.flatnonzero(rows & self.closed)
        p, won, weight, deal = self.p[mine], self.won[mine], self.weight[mine], self.deal[mine]
        n_deals = len(np.unique(deal))
        if n_deals < LEAST_DEALS or won.min() == won.max():
            return None
        n_open = len(np.unique(self.deal[rows & ~self.closed]))
        slope, intercept = calibration_line_interval(p, won, deal, weight)
        metrics = Metrics.of(p, won, deal=deal, weight=weight)
        return Slice(name, len(mine), n_deals, n_open, metrics.mean_probability, metrics.rate,
                     bootstrap_mean(won - p, deal, weight=weight), slope, intercept, metrics)  # fmt: skip

    def bins(self) -> tuple[Bin, ...]:
        """The reliability table: ten groups by probability, said and won."""
        mine = self.closed
        return tuple(calibration_bins(self.p[mine], self.won[mine], weight=self.weight[mine]))


def weekly(kept: Sequence[Run]) -> list[Run]:
    """The last run of each week (Monday to Sunday, UTC), of runs in order."""
    last = {(run.made.as_of - MONDAY) // WEEK: run for run in kept}
    return list(last.values())


def judged(store: Store, history: History, chosen: Sequence[Run], cut: int) -> tuple[Judged, list[str]]:
    """Kept scores with what became of their deals, and what was left out.

    Args:
        store: Where they are kept.
        history: The store's deals, as they are known now.
        chosen: The runs.
        cut: What happened at or after it is not known yet.
    """
    deals: list[IntArray] = []
    said: list[FloatArray] = []
    gone = 0
    for run in chosen:
        scores = scores_of(store, run)
        codes = [history.code(deal_id) for deal_id in scores.deal_ids]
        there = np.array([code is not None for code in codes], dtype=bool)
        gone += int((~there).sum())
        deals.append(np.array([code for code in codes if code is not None], dtype=np.int64))
        said.append(scores.p[there])
    sizes = [len(part) for part in deals]
    deal, p, number = np.concatenate(deals), np.concatenate(said), np.repeat(np.arange(len(chosen)), sizes)
    as_of = np.array([run.made.as_of for run in chosen], dtype=np.int64)[number]
    still = history.is_open(deal, as_of)
    notes = []
    if gone:
        notes.append(f"{gone} scores are of deals that the store no longer holds")
    if not still.all():
        notes.append(f"{int((~still).sum())} scores are left out: as is known now, their deals were not open then")
    rows = np.flatnonzero(still)
    some = every(deal[rows], MOST_JUDGED)
    if len(some) < len(rows):
        notes.append(f"of {len(rows)} scores, those of every k-th deal are judged, {len(some)} in all")
    rows = rows[some]
    deal, p, as_of, number = deal[rows], p[rows], as_of[rows], number[rows]
    closed = history.closed[deal]
    known = closed < cut
    won = np.where(known, history.won[deal], np.nan)
    weight = np.full(len(deal), np.nan)
    weight[known] = FollowUp(as_of, closed).weights(as_of[known], closed[known], None, cut)
    versions = Coded.of([f"version {run.made.model_version}" for run in chosen])
    groups = {"stage": _stages(history, deal, as_of), "team": _teams(history, deal, as_of),
              "time": _quarters(as_of), "version": versions.take(number)}  # fmt: skip
    untold = [name for name, group in groups.items() if not (group.codes >= 0).any()]
    notes += [f"there are no figures by {name}: the data do not tell it" for name in untold]
    return Judged(deal, as_of, p, won, weight, groups), notes


def _stages(history: History, deal: IntArray, as_of: IntArray) -> Coded:
    if "stage_changes" not in history.sources:
        return Coded(np.full(len(deal), -1, dtype=np.int32), ())
    return Moments(history, deal, as_of).stage


def _teams(history: History, deal: IntArray, as_of: IntArray) -> Coded:
    """Team (as it is today) of each deal's owner (at the moment, where the changes of owner are known)."""
    users = history.crm.tables.get("users", {})
    ids, teams = users.get("user_id"), users.get("team")
    if not isinstance(ids, Coded) or not isinstance(teams, Coded) or history.crm.known(
        "opportunities", "owner_id") is None:  # fmt: skip
        return Coded(np.full(len(deal), -1, dtype=np.int32), ())
    team_of = dict(zip(ids.strings().tolist(), teams.codes.tolist(), strict=True))
    field = history.field("opportunities.owner_id")
    table = np.array([*(team_of.get(owner, -1) for owner in field.levels), -1], dtype=np.int32)
    return Coded(table[field.codes(deal, as_of)], teams.levels)


def _quarters(as_of: IntArray) -> Coded:
    month = as_of.view("M8[us]").astype("M8[M]").astype(np.int64)
    quarters, codes = np.unique(month // 3, return_inverse=True)
    names = tuple(f"{1970 + quarter // 4}Q{quarter % 4 + 1}" for quarter in quarters.tolist())
    return Coded(codes.astype(np.int32), names)


def slices(rows: Judged, group: Coded) -> tuple[Slice, ...]:
    """Figures of each group of enough deals, in the order of its levels."""
    found = (rows.slice(level, group.codes == code) for code, level in enumerate(group.levels))
    return tuple(item for item in found if item is not None)


