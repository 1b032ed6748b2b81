"""How good probabilities are: log-loss, Brier, discrimination, calibration; overall and by group; with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from crm.tables import Coded, FloatArray, IntArray
from models.estimator import log_odds

N_BINS = 10


def row_log_loss(p: FloatArray, won: FloatArray) -> FloatArray:
    """Log-loss of each row in nats: -log of the probability given to what happened."""
    return np.where(won == 1, -np.log(p), -np.log1p(-p))


def auc(p: FloatArray, won: FloatArray) -> float:
    """Area under the ROC curve (the Mann-Whitney statistic, ties counted half); NaN with one outcome only."""
    n_won = float(np.sum(won == 1))
    n_lost = len(won) - n_won
    if n_won == 0 or n_lost == 0:
        return float("nan")
    ranks = rankdata(p)
    return float((ranks[won == 1].sum() - n_won * (n_won + 1) / 2) / (n_won * n_lost))


@dataclass(frozen=True)
class Bin:
    """One bin of a calibration curve: rows with neighbouring probabilities.

    Attributes:
        n: Rows.
        predicted: Their mean probability.
        observed: Their share won.
    """

    n: int
    predicted: float
    observed: float


def calibration_bins(p: FloatArray, won: FloatArray, n_bins: int = N_BINS) -> list[Bin]:
    """Equal-mass bins in order of probability."""
    order = np.argsort(p, kind="stable")
    return [
        Bin(len(rows), float(p[rows].mean()), float(won[rows].mean()))
        for rows in np.array_split(order, min(n_bins, max(len(p), 1)))
        if len(rows)
    ]


@dataclass(frozen=True)
class Metrics:
    """Figures of one set of probabilities.

    Attributes:
        n: Rows.
        rate: Share of rows won.
        log_loss: Mean log-loss in nats.
        brier: Mean squared error.
        auc: Area under the ROC curve.
        ece: Expected calibration error over ten equal-mass bins; a coarse figure, never used to choose.
        mean_probability: Mean of the probabilities; against `rate` it shows overall bias.
    """

    n: int
    rate: float
    log_loss: float
    brier: float
    auc: float
    ece: float
    mean_probability: float

    @classmethod
    def of(cls, p: FloatArray, won: FloatArray) -> Metrics:
        """Figures of probabilities against outcomes, both of shape (n_rows,)."""
        bins = calibration_bins(p, won)
        ece = sum(item.n * abs(item.predicted - item.observed) for item in bins) / max(len(p), 1)
        return cls(
            len(p), float(won.mean()), float(row_log_loss(p, won).mean()), float(np.mean((p - won) ** 2)),
            auc(p, won), float(ece), float(p.mean()),
        )  # fmt: skip


def by_group(p: FloatArray, won: FloatArray, group: Coded, least: int = 1) -> dict[str, Metrics]:
    """Figures by group, in order of the levels; groups of fewer than `least` rows are left out."""
    found = {}
    for code, level in enumerate(group.levels):
        rows = group.codes == code
        if rows.sum() >= least:
            found[level] = Metrics.of(p[rows], won[rows])
    return found


AGE_BANDS = (("up to 2 weeks", 14.0), ("2 to 4 weeks", 28.0), ("1 to 2 months", 61.0), ("2 to 4 months", 122.0),
             ("over 4 months", float("inf")))  # fmt: skip


def age_bands(age_days: FloatArray) -> Coded:
    """Age of each row as a band that people use."""
    edges = np.array([edge for _, edge in AGE_BANDS[:-1]])
    codes = np.where(np.isnan(age_days), -1, np.searchsorted(edges, age_days, side="left"))
    return Coded(codes.astype(np.int32), tuple(name for name, _ in AGE_BANDS))


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap interval.

    Attributes:
        mean: Mean over rows.
        lower: 2.5 % quantile over resamples of deals.
        upper: 97.5 % quantile.
    """

    mean: float
    lower: float
    upper: float


def bootstrap_mean(values: FloatArray, deal: IntArray, *, draws: int = 1000, seed: int = 0) -> Interval:
    """Mean over rows with an interval from resampling deals: the rows of one deal share its outcome.

    Each draw gives every deal a Poisson(1) weight, which is the bootstrap for many deals.

    Args:
        values: One value per row, shape (n_rows,).
        deal: Deal of each row.
        draws: Number of resamples.
        seed: Seed of the resampling.
    """
    _, place = np.unique(deal, return_inverse=True)
    total: FloatArray = np.bincount(place, values).astype(np.float64)
    n: FloatArray = np.bincount(place).astype(np.float64)
    random = np.random.default_rng(seed)
    means = np.empty(draws)
    for draw in range(draws):
        weight: FloatArray = random.poisson(1.0, len(n)).astype(np.float64)
        means[draw] = float(weight @ total) / max(float(weight @ n), 1.0)
    lower, upper = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(lower), float(upper))


def calibration_line(p: FloatArray, won: FloatArray) -> tuple[float, float]:
    """Slope and intercept of logit(outcome) on logit(p): 1 and 0 if honest, a slope below 1 if overconfident."""
    z = log_odds(p)
    slope, intercept = 1.0, 0.0
    for _ in range(50):
        q = 1 / (1 + np.exp(-np.clip(slope * z + intercept, -35, 35)))
        weight = np.maximum(q * (1 - q), 1e-12)
        gradient = np.array([np.sum((won - q) * z), np.sum(won - q)])
        hessian = np.array([[np.sum(weight * z * z), np.sum(weight * z)], [np.sum(weight * z), np.sum(weight)]])
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        slope, intercept = slope + float(step[0]), intercept + float(step[1])
        if np.abs(step).max() < 1e-10:
            break
    return slope, intercept
