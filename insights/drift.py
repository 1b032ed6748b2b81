"""Drift: whether the deals scored now look like those that the model learned from, by the population stability index.

    PSI = sum over bins of (a_i - e_i) ln(a_i / e_i)

with e the shares of the expected (old) and a those of the actual (new) population. Below 0.1 nothing has changed, from
0.1 to 0.25 something has, from 0.25 on much has: the rule of thumb of credit scoring (Lewis 1994; Siddiqi 2006). It
takes no account of how many there are: without any change the PSI of B bins is about (B - 1)(1/n + 1/m), and
PSI / (1/n + 1/m) is chi-squared with B - 1 degrees of freedom (Yurdakul and Naranjo 2020). So it counts only if it is
also above what chance gives, n and m being numbers of deals: the weeks of one deal say nearly the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from crm.tables import NAT, Coded, FloatArray, IntArray
from features.history import History
from features.matrix import FeatureMatrix, Snapshots, build_matrix, grid
from features.records import NEVER
from features.registry import Feature
from models.clocks import CLOCK, clock_share
from models.scoring import WinVersion

SOME, MUCH = 0.1, 0.25
"""PSI from which something, and from which much, has changed (Siddiqi 2006)."""
CHANCE = 0.001
"""How rarely chance alone may go above, over all inputs together (Bonferroni)."""
BINS = 10
YEAR = 365 * 86_400_000_000
MOST_ROWS = 30_000
"""Rows of the old population that are looked at; of more, whole deals are left out."""
REASON_ROWS = 2_000
"""Rows whose reasons are asked for: those of large trees take milliseconds each."""


@dataclass(frozen=True)
class InputDrift:
    """How one input moved.

    Attributes:
        feature: Its name.
        label: What it is, in words.
        psi: Its population stability index.
        chance: What chance alone stays below.
        share: Its share of all that the reasons say now; NaN where that is not known.
        clock: Whether it tells the time, so that it always differs; never a breach.
    """

    feature: str
    label: str
    psi: float
    chance: float
    share: float
    clock: bool


@dataclass(frozen=True)
class RateDrift:
    """How the win rate moved.

    Attributes:
        before: Win rate of deals closed in the year before the model's training cut.
        n_before: How many they are.
        after: Win rate of deals closed since.
        n_after: How many.
        psi: Population stability index of won and lost.
        chance: What chance alone stays below.
    """

    before: float
    n_before: int
    after: float
    n_after: int
    psi: float
    chance: float


def psi(expected: FloatArray, actual: FloatArray) -> float:
    """Population stability index of two sets of counts.

    Half a row is added to each bin, so that an empty one does not make it infinite.

    Args:
        expected: Rows of the old population in each bin, shape (n_bins,).
        actual: Rows of the new one.
    """
    e, a = (expected + 0.5) / (expected + 0.5).sum(), (actual + 0.5) / (actual + 0.5).sum()
    return float(((a - e) * np.log(a / e)).sum())


def chance(n_bins: int, n: int, m: int, tries: int = 1) -> float:
    """What the PSI of two samples of one population stays below, but for `CHANCE`.

    Args:
        n_bins: Number of bins.
        n: Deals of the one sample.
        m: Deals of the other.
        tries: How many are compared.
    """
    return float(chi2.isf(CHANCE / tries, max(n_bins - 1, 1)) * (1 / max(n, 1) + 1 / max(m, 1)))


def binned(old: FloatArray | Coded, new: FloatArray | Coded) -> tuple[FloatArray, FloatArray]:
    """Counts of two columns in common bins: tenths of the old one, or its values, and one more for what is missing.

    Args:
        old: Old values, shape (n_old,).
        new: New values, shape (n_new,).
    """
    if isinstance(old, Coded) and isinstance(new, Coded):
        names, codes = np.unique(np.concatenate([old.strings(), new.strings()]).astype(str), return_inverse=True)
        places, n_bins = codes, len(names)
    else:
        assert not isinstance(old, Coded)
        assert not isinstance(new, Coded)
        known = old[~np.isnan(old)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.zeros(0)
        both = np.concatenate([old, new])
        places, n_bins = np.where(np.isnan(both), len(edges) + 1, np.searchsorted(edges, both)), len(edges) + 2
    counts = [np.bincount(part, minlength=n_bins).astype(np.float64) for part in np.split(places, [len(old)])]
    some = counts[0] + counts[1] > 0
    return counts[0][some], counts[1][some]


@dataclass(frozen=True)
class Population:
    """The open deals of the year before a model's training cut, seen on its Mondays: the newest it learned from.

    Attributes:
        pairs: Deals and moments.
        matrix: Their features.
        clocks: Features that tell the time, as all years before the cut show them.
    """

    pairs: Snapshots
    matrix: FeatureMatrix
    clocks: frozenset[str]

    @classmethod
    def before(cls, history: History, cut: int, features: list[Feature]) -> Population:
        """As it was known then.

        Args:
            history: The store's deals.
            cut: The model's training cut, in microseconds.
            features: What to look at.
        """
        pairs = grid(history, cut)
        pairs = pairs.take(every(pairs.deal, MOST_ROWS))
        matrix = build_matrix(history, features, pairs)
        clocks = frozenset(name for name, values in matrix.columns.items()
                           if clock_share(values, pairs.as_of, pairs.deal) >= CLOCK)  # fmt: skip
        recent = pairs.as_of >= cut - YEAR
        return cls(pairs.take(recent), matrix.take(recent), clocks)


def every(deal: IntArray, most: int) -> IntArray:
    """Rows of every k-th deal, all of each, so that about `most` are left; shape (n_rows,)."""
    step = max(-(-len(deal) // most), 1)
    _, place = np.unique(deal, return_inverse=True)
    return np.flatnonzero(place % step == 0).astype(np.int64)


def input_drift(
    old: Population, new: FeatureMatrix, labels: dict[str, str], share: dict[str, float]
) -> list[InputDrift]:
    """How each input moved, the largest first, clocks last.

    Args:
        old: What the model learned from.
        new: Inputs of the deals scored now, one row per deal.
        labels: Each input in words.
        share: Share of each input in what the reasons say now.
    """
    n = len(np.unique(old.pairs.deal))
    both = [name for name in old.matrix.columns if name in new.columns]
    found = []
    for name in both:
        was, now = old.matrix.columns[name], new.columns[name]
        counts = binned(was, now)
        above = chance(len(counts[0]), n, new.n_rows, len(both))
        clock = name in old.clocks
        found.append(InputDrift(name, labels.get(name, name), psi(*counts), above, share.get(name, np.nan), clock))
    return sorted(found, key=lambda item: (item.clock, -item.psi, item.feature))


def mix(contributions: FloatArray) -> FloatArray:
    """Share of each input in all that the reasons say: mean absolute contributions, adding to 1; shape (n_inputs,)."""
    weight = np.abs(contributions).mean(axis=0)
    return np.asarray(weight / max(float(weight.sum()), 1e-300))


def reasons_psi(old: Population, new: FloatArray, model: WinVersion) -> float:
    """PSI of the reasons' mix: the share of each input in what reasons say, of old deals and of those scored now.

    Args:
        old: What the model learned from.
        new: Contributions of the deals scored now, shape (n_deals, n_inputs), in the model's order.
        model: The model that scored them.
    """
    rows = every(old.pairs.deal, REASON_ROWS)
    was = mix(model.loaded.estimator.contributions(old.matrix.take(rows))[0])
    now = mix(new)
    tiny = 1e-4  # an input that says nothing on one side
    e, a = (was + tiny) / (was + tiny).sum(), (now + tiny) / (now + tiny).sum()
    return float(((a - e) * np.log(a / e)).sum())


def rate_drift(history: History, cut: int, end: int) -> RateDrift | None:
    """How the win rate moved; None where no deal closed in the year before the cut, or none since.

    Args:
        history: The store's deals.
        cut: The model's training cut.
        end: What closed at or after it is not known.
    """
    closed = (history.closed != NEVER) & (history.closed != NAT) & ~np.isnan(history.won) & (history.closed < end)
    before = closed & (history.closed < cut) & (history.closed >= cut - YEAR)
    after = closed & (history.closed >= cut)
    if not before.any() or not after.any():
        return None
    counts = [np.bincount(history.won[side].astype(np.int64), minlength=2).astype(np.float64)
              for side in (before, after)]  # fmt: skip
    n, m = int(before.sum()), int(after.sum())
    return RateDrift(float(history.won[before].mean()), n, float(history.won[after].mean()), m, psi(*counts),
                     chance(2, n, m))  # fmt: skip
