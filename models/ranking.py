"""Figures of rows in order of probability: AUC, average precision, lift, and the bins of a calibration curve.

All of them are read off the same running totals, so rows are sorted once. Rows of equal probability stand together:
whatever cuts through them (a bin's edge, the top tenth) takes the same share of each, so that the order in which rows
happen to come changes nothing, and a row of weight two counts as two rows do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray, IntArray
from models.resampling import LEVELS, poisson_weights

N_BINS = 10
ECE_DRAWS = 200
NAN = float("nan")


@dataclass(frozen=True)
class Bin:
    """One bin of a calibration curve: rows with neighbouring probabilities.

    Attributes:
        n: Rows, or their weight; not a whole number where a row is shared between bins.
        predicted: Their mean probability.
        observed: Their share won.
    """

    n: float
    predicted: float
    observed: float


def _totals(values: FloatArray, ends: IntArray) -> FloatArray:
    """Running total from 0 on, at the end of each group of equal probabilities."""
    return np.concatenate([[0.0], np.cumsum(values)[ends]])


@dataclass(frozen=True)
class Ranked:
    """Rows in ascending order of probability.

    Attributes:
        p: Probabilities (or any score), shape (n_rows,).
        won: 1 won, 0 lost.
        weight: Weight of each row.
        order: Where each stood before they were sorted.
        ends: Place of the last row of each group of equal probabilities.
    """

    p: FloatArray
    won: FloatArray
    weight: FloatArray
    order: IntArray
    ends: IntArray

    @classmethod
    def of(cls, p: FloatArray, won: FloatArray, weight: FloatArray | None = None) -> Ranked:
        """Sort rows; all weigh the same by default."""
        order = np.argsort(p)
        p = p[order]
        ends = np.flatnonzero(np.append(p[1:] != p[:-1], True)) if len(p) else np.zeros(0, dtype=np.int64)
        return cls(p, won[order], np.ones(len(p)) if weight is None else weight[order], order, ends)

    def auc(self) -> float:
        """Area under the ROC curve (the Mann-Whitney statistic, ties counted half); NaN with one outcome only."""
        won = _totals(self.weight * self.won, self.ends)
        lost = _totals(self.weight * (1 - self.won), self.ends)
        if not won[-1] or not lost[-1]:
            return NAN
        return float(np.diff(won) @ (lost[1:] + lost[:-1]) / 2 / (won[-1] * lost[-1]))

    def average_precision(self) -> float:
        """Area under the precision-recall curve, in steps: sum of (recall_k - recall_(k-1)) x precision_k.

        Scikit-learn's `average_precision_score`, one step for each distinct probability. NaN with one outcome only.
        """
        won = _totals(self.weight * self.won, self.ends)
        every = _totals(self.weight, self.ends)
        if not 0 < won[-1] < every[-1]:
            return NAN
        gained, above = np.diff(won), every[-1] - every[:-1]
        some = gained > 0
        return float(gained[some] @ ((won[-1] - won[:-1])[some] / above[some]) / won[-1])

    def lift(self, share: float) -> float:
        """Win rate among the rows with the highest probability, over the win rate of all; NaN where none was won.

        Args:
            share: Which share of the rows (of their weight) counts as the top; 0.1 for the top tenth.
        """
        won = _totals(self.weight * self.won, self.ends)
        every = _totals(self.weight, self.ends)
        if not won[-1]:
            return NAN
        below = float(np.interp((1 - share) * every[-1], every, won))
        return float((won[-1] - below) / won[-1] / share)

    def _masses(self, weight: FloatArray, n_bins: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Weight, expected wins and wins of each equal-mass bin, under the given weights of the sorted rows."""
        every = _totals(weight, self.ends)
        edges = np.linspace(0.0, every[-1], n_bins + 1)
        said, won = (np.interp(edges, every, _totals(weight * part, self.ends)) for part in (self.p, self.won))
        return np.diff(edges), np.diff(said), np.diff(won)

    def bins(self, n_bins: int = N_BINS) -> list[Bin]:
        """Equal-mass bins in order of probability; none without rows."""
        if not self.weight.sum() > 0:
            return []
        found = zip(*self._masses(self.weight, n_bins), strict=True)
        return [Bin(float(n), float(said / n), float(won / n)) for n, said, won in found]

    def ece(self, weight: FloatArray | None = None, n_bins: int = N_BINS) -> float:
        """Expected calibration error: mean distance of probability and share won over equal-mass bins.

        Args:
            weight: Weights of the sorted rows, where they are not its own.
            n_bins: Number of bins.
        """
        every, said, won = self._masses(self.weight if weight is None else weight, n_bins)
        mass = every.sum()
        return float(np.abs(said - won).sum() / mass) if mass > 0 else NAN

    def ece_interval(self, deal: IntArray, *, draws: int = ECE_DRAWS, seed: int = 0) -> tuple[float, float]:
        """95 % interval of the calibration error from resampling deals.

        The basic bootstrap interval (Davison, Hinkley 1997, 5.2), [2 e - q_97.5, 2 e - q_2.5], kept at or above 0: the
        error is a mean of absolute values, so noise alone raises it, in the rows and once more in each resample.
        Quantiles of the resamples would count that noise twice, and could never reach an honest model's 0; here it is
        taken off, so the interval may well lie below the error that was measured. It is still too narrow: simulated
        with 1,500 deals of 8 rows, it covered the true error in 75 % (honest) to 87 % of cases, quantiles in 0 to 85 %.

        Args:
            deal: Deal of each row, in the order in which the rows came.
            draws: Number of resamples.
            seed: Seed of the resampling.

        Returns:
            The lower and the upper end; NaN without rows.
        """
        here = self.ece()
        if np.isnan(here):
            return NAN, NAN
        _, place = np.unique(deal[self.order], return_inverse=True)
        weights = poisson_weights(int(place.max()) + 1, draws, seed)
        found = np.array([self.ece(self.weight * times[place]) for times in weights])
        lower, upper = 2 * here - np.nanquantile(found, LEVELS)[::-1]
        return max(float(lower), 0.0), max(float(upper), 0.0)
