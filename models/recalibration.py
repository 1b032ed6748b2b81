"""How sure a calibration line is: intervals of its slope and intercept from resampling deals."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from crm.tables import FloatArray, IntArray
from models.estimator import log_odds
from models.metrics import calibration_line
from models.ranking import NAN
from models.resampling import LEVELS, Interval, poisson_weights

DRAWS = 500


def calibration_line_interval(
    p: FloatArray, won: FloatArray, deal: IntArray, weight: FloatArray | None = None, *, seed: int = 0
) -> tuple[Interval, Interval]:
    """Slope and intercept of logit(outcome) on logit(p), each with a 95 % interval from resampling deals.

    Each resample takes one Newton step from the line of all rows, with its own gradient and curvature: the estimating
    function bootstrap (Hu and Kalbfleisch 2000), which needs sums by deal only and so stays quick on millions of rows.

    Args:
        p: Probabilities, shape (n_rows,).
        won: 1 won, 0 lost.
        deal: Deal of each row.
        weight: Weight of each row; all equal by default.
        seed: Seed of the resampling.

    Returns:
        Slope and intercept; all NaN where there is no finite line.
    """
    slope, intercept = calibration_line(p, won, weight)
    if np.isnan(slope):
        nothing = Interval(NAN, NAN, NAN, NAN)
        return nothing, nothing
    each = np.ones(len(p)) if weight is None else weight
    z = log_odds(p)
    q = expit(slope * z + intercept)
    error, curve = each * (won - q), each * q * (1 - q)
    _, place = np.unique(deal, return_inverse=True)
    sums = np.stack([np.bincount(place, part) for part in (error * z, error, curve * z * z, curve * z, curve)], axis=1)
    found = []
    for times in poisson_weights(len(sums), DRAWS, seed):
        up, plain, square, tilt, flat = np.einsum("i,ij->j", times, sums)
        determinant = square * flat - tilt * tilt
        if determinant > 1e-9 * square * flat:  # else the resample holds one probability only
            found.append((slope + (flat * up - tilt * plain) / determinant,
                          intercept + (square * plain - tilt * up) / determinant))  # fmt: skip
    draws = np.array(found)
    if len(draws) < DRAWS / 2:
        nothing = Interval(NAN, NAN, NAN, NAN)
        return nothing, nothing
    ends = np.quantile(draws, LEVELS, axis=0)
    made = [Interval(value, float(ends[0, column]), float(ends[1, column]), float(draws[:, column].std()))
            for column, value in enumerate((slope, intercept))]  # fmt: skip
    return made[0], made[1]
