"""Intervals by resampling deals rather than rows: the rows of one deal share its outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from crm.tables import FloatArray, IntArray

LEVELS = (0.025, 0.975)
"""Quantiles between which an interval lies: 95 % of the draws."""


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap interval.

    Attributes:
        mean: Mean over rows.
        lower: 2.5 % quantile over resamples of deals.
        upper: 97.5 % quantile.
        error: Standard error: standard deviation over the resamples.
    """

    mean: float
    lower: float
    upper: float
    error: float = 0.0

    def widened(self, tries: int) -> Interval:
        """The interval for the best of so many tries (Bonferroni): luck alone lifts the best of many.

        Args:
            tries: How many were compared.
        """
        if tries <= 1:
            return self
        reach = self.error * float(norm.isf((1 - LEVELS[1]) / tries))
        return replace(self, lower=min(self.lower, self.mean - reach), upper=max(self.upper, self.mean + reach))


def poisson_weights(n_deals: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """How often each draw takes each deal, shape (n_deals,): Poisson(1), which is the bootstrap for many deals.

    Args:
        n_deals: Number of deals.
        draws: Number of resamples.
        seed: Seed of the resampling.
    """
    random = np.random.default_rng(seed)
    for _ in range(draws):
        yield random.poisson(1.0, n_deals).astype(np.float64)


def bootstrap_mean(
    values: FloatArray, deal: IntArray, *, weight: FloatArray | None = None, draws: int = 1000, seed: int = 0
) -> Interval:
    """Mean over rows with an interval from resampling deals.

    Args:
        values: One value per row, shape (n_rows,).
        deal: Deal of each row.
        weight: Weight of each row; all equal by default.
        draws: Number of resamples.
        seed: Seed of the resampling.
    """
    _, place = np.unique(deal, return_inverse=True)
    total: FloatArray = np.bincount(place, values if weight is None else values * weight).astype(np.float64)
    n: FloatArray = np.bincount(place, weight).astype(np.float64)
    # einsum, not @: of vectors this short, waking the threads of BLAS costs more than the sums do
    means = np.array([
        float(np.einsum("i,i", times, total)) / max(float(np.einsum("i,i", times, n)), 1e-300)
        for times in poisson_weights(len(n), draws, seed)
    ])
    lower, upper = np.quantile(means, LEVELS)
    return Interval(float(np.average(values, weights=weight)), float(lower), float(upper), float(means.std()))
