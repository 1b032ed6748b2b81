"""How good probabilities are: log-loss, Brier, discrimination, calibration; overall and by group; with intervals.

Every figure takes weights of rows: all equal for the rows as they are, or 1 / G for rows that stand for others whose
outcome is not known yet. A figure that the rows cannot give (an AUC where all were won) is NaN, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from crm.tables import Coded, FloatArray, IntArray
from models.estimator import log_odds
from models.ranking import N_BINS, NAN, Bin, Ranked
from models.resampling import Interval, bootstrap_mean

__all__ = [
    "AGE_BANDS", "N_BINS", "Bin", "Interval", "Metrics", "age_bands", "auc", "bootstrap_mean", "by_group", "by_groups",
    "calibration_bins", "calibration_line", "row_log_loss",
]  # fmt: skip

TOP_SHARE = 0.1
NOTHING = 1e-20
"""A squared error that is nothing but rounding: of a rate of 1, say, that is one bit short of it."""


def row_log_loss(p: FloatArray, won: FloatArray) -> FloatArray:
    """Log-loss of each row in nats: -log of the probability given to what happened; infinite where that was 0."""
    with np.errstate(divide="ignore"):
        return np.where(won == 1, -np.log(p), -np.log1p(-p))


def auc(p: FloatArray, won: FloatArray, weight: FloatArray | None = None) -> float:
    """Area under the ROC curve (the Mann-Whitney statistic, ties counted half); NaN with one outcome only."""
    return Ranked.of(p, won, weight).auc()


def calibration_bins(
    p: FloatArray, won: FloatArray, n_bins: int = N_BINS, *, weight: FloatArray | None = None
) -> list[Bin]:
    """Equal-mass bins in order of probability; none without rows."""
    return Ranked.of(p, won, weight).bins(n_bins)


def calibration_line(p: FloatArray, won: FloatArray, weight: FloatArray | None = None) -> tuple[float, float]:
    """Slope and intercept of logit(outcome) on logit(p): 1 and 0 if honest, a slope below 1 if overconfident.

    The logistic recalibration of Cox (1958), by maximum likelihood without a penalty. Both are NaN where there is no
    finite one: with one outcome only, with a single probability, and where a threshold separates won from lost.

    Args:
        p: Probabilities, shape (n_rows,).
        won: 1 won, 0 lost.
        weight: Weight of each row; all equal by default.
    """
    weight = np.ones(len(p)) if weight is None else weight
    counts = weight > 0
    z, won, weight = log_odds(p[counts]), won[counts], weight[counts]
    above, below = z[won == 1], z[won == 0]
    if not len(above) or not len(below) or above.min() >= below.max() or below.min() >= above.max():
        return NAN, NAN
    middle, spread = np.average(z, weights=weight), z.std()
    z = (z - middle) / spread
    weight = weight / weight.sum()

    def loss(slope: float, intercept: float) -> float:
        margin = slope * z + intercept
        return float(weight @ (np.maximum(margin, 0.0) + np.log1p(np.exp(-np.abs(margin))) - won * margin))

    slope, intercept = float(spread), float(middle)  # that of an honest p: most need few steps from there
    now = loss(slope, intercept)
    for _ in range(50):
        q = expit(slope * z + intercept)
        error, curve = weight * (won - q), weight * q * (1 - q)
        tilt = float(curve @ z)
        step = np.linalg.lstsq(
            np.array([[curve @ (z * z), tilt], [tilt, curve.sum()]]), np.array([error @ z, error.sum()]), rcond=None
        )[0]
        # Newton's steps may overshoot where probabilities are near 0 and 1: halve until the loss does not grow
        for _ in range(50):
            then = loss(slope + step[0], intercept + step[1])
            if then <= now + 1e-14:
                break
            step = step / 2
        slope, intercept, now = slope + float(step[0]), intercept + float(step[1]), then
        if np.abs(step).max() < 1e-9 * (1 + abs(slope) + abs(intercept)):
            break
    slope = slope / float(spread)
    return slope, intercept - slope * float(middle)


@dataclass(frozen=True)
class Metrics:
    """Figures of one set of probabilities; NaN where the rows cannot give one.

    Attributes:
        n: Rows.
        rate: Share of rows won.
        log_loss: Mean log-loss in nats.
        brier: Mean squared error.
        auc: Area under the ROC curve.
        ece: Expected calibration error over ten equal-mass bins; a coarse figure, never used to choose.
        mean_probability: Mean of the probabilities; against `rate` it shows overall bias.
        brier_skill: 1 - Brier / Brier of the reference: above 0 if better than the reference, 1 if perfect.
        pr_auc: Average precision; a ranking by chance has `rate`.
        slope: Slope of logit(outcome) on logit(p): below 1 if overconfident, above 1 if too timid.
        intercept: Its intercept.
        lift_top_tenth: Win rate of the tenth with the highest probabilities, over `rate`.
        ece_lower: Lower end of the 95 % interval of `ece`; NaN where deals were not given. The interval is rid of the
            noise that raises `ece`, so it may lie below it.
        ece_upper: Upper end of it.
    """

    n: int
    rate: float
    log_loss: float
    brier: float
    auc: float
    ece: float
    mean_probability: float
    brier_skill: float
    pr_auc: float
    slope: float
    intercept: float
    lift_top_tenth: float
    ece_lower: float = NAN
    ece_upper: float = NAN

    @classmethod
    def of(
        cls,
        p: FloatArray,
        won: FloatArray,
        *,
        deal: IntArray | None = None,
        weight: FloatArray | None = None,
        reference: FloatArray | float | None = None,
    ) -> Metrics:
        """Figures of probabilities against outcomes, both of shape (n_rows,).

        Args:
            p: Probabilities.
            won: 1 won, 0 lost.
            deal: Deal of each row; where given, `ece` gets an interval, which costs the time of all others many times.
            weight: Weight of each row; all equal by default.
            reference: Probabilities (one, or one per row) that `brier_skill` compares with; `rate` by default.
        """
        share: FloatArray = np.ones(len(p)) if weight is None else weight
        total = float(share.sum())
        if not total > 0:
            return cls(len(p), *[NAN] * 11)
        share = share / total
        rate, brier = float(share @ won), float(share @ (p - won) ** 2)
        reference_brier = float(share @ ((rate if reference is None else reference) - won) ** 2)
        ranked = Ranked.of(p, won, weight)
        lower, upper = (NAN, NAN) if deal is None else ranked.ece_interval(deal)
        losses, counts = row_log_loss(p, won), share > 0  # a loss may be infinite, and 0 x infinity is not 0
        slope, intercept = calibration_line(p, won, weight)
        return cls(
            n=len(p), rate=rate, log_loss=float(share[counts] @ losses[counts]), brier=brier, auc=ranked.auc(),
            ece=ranked.ece(), mean_probability=float(share @ p),
            brier_skill=1 - brier / reference_brier if reference_brier > NOTHING else NAN,
            pr_auc=ranked.average_precision(), slope=slope, intercept=intercept,
            lift_top_tenth=ranked.lift(TOP_SHARE), ece_lower=lower, ece_upper=upper,
        )  # fmt: skip


def by_group(
    p: FloatArray,
    won: FloatArray,
    group: Coded,
    least: int = 1,
    *,
    deal: IntArray | None = None,
    weight: FloatArray | None = None,
    reference: FloatArray | float | None = None,
) -> dict[str, Metrics]:
    """Figures by group, in order of the levels; groups of fewer than `least` rows are left out.

    Args:
        p: Probabilities, shape (n_rows,).
        won: 1 won, 0 lost.
        group: Group of each row; rows without one are in none.
        least: Fewest rows of a group.
        deal: See `Metrics.of`, like the rest.
        weight: Weights.
        reference: Reference of the Brier skill; by default each group's own rate.
    """
    found = {}
    for code, level in enumerate(group.levels):
        rows = np.flatnonzero(group.codes == code)
        if len(rows) >= max(least, 1):
            found[level] = Metrics.of(
                p[rows], won[rows], deal=None if deal is None else deal[rows],
                weight=None if weight is None else weight[rows],
                reference=reference[rows] if isinstance(reference, np.ndarray) else reference,
            )  # fmt: skip
    return found


def by_groups(
    p: FloatArray,
    won: FloatArray,
    groups: Mapping[str, Coded],
    least: int = 1,
    *,
    deal: IntArray | None = None,
    weight: FloatArray | None = None,
    reference: FloatArray | float | None = None,
) -> dict[str, dict[str, Metrics]]:
    """Figures by several groupings, such as stage, age band and segment: by name of the grouping, then by group.

    Args:
        p: Probabilities, shape (n_rows,).
        won: 1 won, 0 lost.
        groups: Groupings by name.
        least: See `by_group`, like the rest.
        deal: Deals.
        weight: Weights.
        reference: Reference of the Brier skill.
    """
    return {
        name: by_group(p, won, group, least, deal=deal, weight=weight, reference=reference)
        for name, group in groups.items()
    }


AGE_BANDS = (("up to 2 weeks", 14.0), ("2 to 4 weeks", 28.0), ("1 to 2 months", 61.0), ("2 to 4 months", 122.0),
             ("over 4 months", float("inf")))  # fmt: skip


def age_bands(age_days: FloatArray) -> Coded:
    """Age of each row as a band that people use."""
    edges = np.array([edge for _, edge in AGE_BANDS[:-1]])
    codes = np.where(np.isnan(age_days), -1, np.searchsorted(edges, age_days, side="left"))
    return Coded(codes.astype(np.int32), tuple(name for name, _ in AGE_BANDS))
