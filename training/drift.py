"""Drift: whether new rows look different from old ones, by which features, and how the win rate moved.

The check is adversarial (classifier two-sample test; Lopez-Paz and Oquab 2017): a small tree model is asked to tell the
rows of the last origin's test from those that were learnt from there. If it cannot, with an AUC near 0.5, what was
learnt speaks of deals like today's. Features that tell the time (the recent win rate of the company, say, is one
number for all deals of a week; an account's lost deals grow with the data) would give the answer away, so they are
named and left out of that model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray, IntArray
from features.matrix import FeatureMatrix
from models.clocks import CLOCK, clock_share
from models.encoding import Encoding
from models.metrics import auc
from models.ranking import NAN
from models.trees import Trees, TreeSize
from training.data import TrainingData
from training.leaks import single_feature_auc
from training.splits import Fold

MOST_ROWS = 20_000
"""Rows that the check looks at, of the old and of the new each; of more, whole deals are left out."""
LEAST_DEALS = 40
"""Fewest old, and fewest new, deals that are told apart."""
HIGH_AUC = 0.8
"""AUC from which new rows are said to look different."""
NAMED = 5
SIZE = TreeSize(trees=60, leaves=8, depth=4, learning_rate=0.1, min_rows=40, l2=5.0, column_share=0.7)


@dataclass(frozen=True)
class Mover:
    """A feature, and how much it gives new rows away.

    Attributes:
        feature: Its name.
        share: Its share of the tree model's mean absolute contributions; 0 for a clock, which that model does not read.
        auc: AUC of the feature alone, new rows against old ones.
        clock: Whether it tells the time.
    """

    feature: str
    share: float
    auc: float
    clock: bool


@dataclass(frozen=True)
class Month:
    """Deals closed in one calendar month (UTC).

    Attributes:
        name: Such as `2026-03`.
        closed: Deals closed.
        won: Those won.
    """

    name: str
    closed: int
    won: int

    @property
    def rate(self) -> float:
        """Share won."""
        return self.won / self.closed


@dataclass(frozen=True)
class Drift:
    """How new rows differ from old ones.

    Attributes:
        since: The origin that parts old from new, in words; empty where nothing tells their order.
        n_old: Deals of the old rows.
        n_new: Deals of the new rows.
        auc: How well a small tree model tells them apart, out of sample by deals, clocks left out; NaN where there are
            too few deals, or no order.
        movers: Features, those that give most away first, clocks last.
        months: Win rate by month of closing, oldest first; empty without dates.
    """

    since: str
    n_old: int
    n_new: int
    auc: float
    movers: tuple[Mover, ...]
    months: tuple[Month, ...]

    @property
    def clocks(self) -> tuple[str, ...]:
        """Features that tell the time."""
        return tuple(item.feature for item in self.movers if item.clock)

    @property
    def warnings(self) -> list[str]:
        """What the user should know, in words."""
        if not self.auc >= HIGH_AUC:
            return []
        named = ", ".join(f"{item.feature} (alone {item.auc:.2f})" for item in self.movers[:NAMED] if item.share > 0)
        return [f"deals since {self.since} look different from those before (AUC {self.auc:.2f}), mostly by {named}: "
                f"what was learnt may fit them less well"]  # fmt: skip


def drift_of(data: TrainingData, folds: list[Fold], threads: int = 1) -> Drift:
    """Compare the last origin's test rows with the rows fitted on there.

    Args:
        data: The rows.
        folds: The origins.
        threads: Threads of LightGBM.
    """
    months = _months(data) if data.dated else ()
    if data.order is None:
        return Drift("", 0, 0, NAN, (), months)
    last = folds[-1]
    old, new = (_sample(rows, data.rows.deal) for rows in (last.fit, last.test))
    n_old, n_new = (len(np.unique(data.rows.deal[rows])) for rows in (old, new))
    if min(n_old, n_new) < LEAST_DEALS:
        return Drift(last.name, n_old, n_new, NAN, (), months)
    rows = np.concatenate([old, new])
    is_new = np.repeat([0.0, 1.0], [len(old), len(new)])
    found, movers = _told_apart(data.matrix.take(rows), is_new, data.rows.deal[rows], data.rows.as_of[rows], threads)
    return Drift(last.name, n_old, n_new, found, movers, months)


def _sample(rows: IntArray, deal: IntArray) -> IntArray:
    """At most about `MOST_ROWS` of the rows: every k-th of their deals, all rows of it."""
    step = -(-len(rows) // MOST_ROWS)
    if step <= 1:
        return rows
    _, place = np.unique(deal[rows], return_inverse=True)
    return np.asarray(rows[place % step == 0], dtype=np.int64)


def _told_apart(
    matrix: FeatureMatrix, is_new: FloatArray, deal: IntArray, as_of: IntArray, threads: int
) -> tuple[float, tuple[Mover, ...]]:
    """AUC of the tree model, each half of the deals told by what was learnt on the other, and the features."""
    _, place = np.unique(deal, return_inverse=True)
    half = _shuffled_half(place)
    old = is_new == 0  # a clock was one before, too; a value that is new since is what is looked for
    before = matrix.take(old)
    clocks = {name for name, v in before.columns.items() if clock_share(v, as_of[old], place[old]) >= CLOCK}
    read = FeatureMatrix({name: v for name, v in matrix.columns.items() if name not in clocks}, matrix.n_rows)
    weight: dict[str, float] = {}
    found = []
    # the new rows may be few: both sides weigh the same, so that leaves of few rows are not all there is
    balance = np.where(is_new == 1, 0.5 / is_new.mean(), 0.5 / (1 - is_new.mean()))
    for learn in (half == 0, half == 1):
        if not Encoding.learn(read.take(learn)).names or is_new[learn].min() == is_new[learn].max():
            continue
        model = Trees(SIZE, threads=threads)
        model.fit(read.take(learn), is_new[learn], balance[learn])
        margin, contributions, _ = model.explained(read.take(~learn))
        found.append(auc(margin, is_new[~learn]))
        for name, value in zip(model.features, np.abs(contributions).mean(axis=0), strict=True):
            weight[name] = weight.get(name, 0.0) + float(value)
    total = sum(weight.values()) or 1.0
    movers = [
        Mover(name, weight.get(name, 0.0) / total, single_feature_auc(values, is_new, half), name in clocks)
        for name, values in matrix.columns.items()
    ]
    movers.sort(key=lambda item: (item.clock, -item.share, item.feature))
    return float(np.mean(found)) if found else NAN, tuple(movers)


def _shuffled_half(place: IntArray) -> IntArray:
    """0 or 1 for each row by its deal: half of the deals, drawn by a fixed seed."""
    half: IntArray = np.random.default_rng(0).permutation(int(place.max()) + 1) % 2
    return np.asarray(half[place], dtype=np.int64)


def _months(data: TrainingData) -> tuple[Month, ...]:
    """Win rate of deals by month of closing."""
    _, first = np.unique(data.rows.deal, return_index=True)
    month = data.closed[first].view("M8[us]").astype("M8[M]").astype(np.int64)
    won, closed = np.bincount(month - month.min(), data.won[first]), np.bincount(month - month.min())
    names = (np.arange(len(closed)) + month.min()).astype("M8[M]").astype(str)
    return tuple(Month(str(name), int(n), int(w)) for name, n, w in zip(names, closed, won, strict=True) if n)
