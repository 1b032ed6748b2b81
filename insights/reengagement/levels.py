"""From log-odds that rank to probabilities: their slope from past moments, their level from what came in the end.

The level of log-odds that were fitted on less is no guide to those of the model at hand, nor is the level of its two
steps: it is set so that the probabilities of the rows learned from add up to the win-backs that they had. How far a
level set in this way was off afterwards, at past moments, is what the market may move it by again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from crm.tables import FloatArray
from models.calibration import PRIOR, Platt

_STEPS = 30
_FAR = 30.0


@dataclass(frozen=True)
class Moment:
    """What a candidate said at a past moment.

    Attributes:
        learned: Its log-odds of rows that it was fitted on and whose outcome was known.
        outcome: Whether these were won back.
        asked: Its log-odds of the rows that came next.
        came: Whether these were won back.
        weight: How much evidence each of these rows is, 1 being an account.
    """

    learned: FloatArray
    outcome: FloatArray
    asked: FloatArray
    came: FloatArray
    weight: float


def slope_of(moments: Sequence[Moment]) -> float:
    """Slope that the log-odds should have had at past moments, whatever their levels.

    The most probable one, before any data expected at 1 with a spread of `models.calibration.PRIOR`; a logistic
    regression on the log-odds with a level for each moment, by Newton's method.
    """
    x, y, weight = (np.concatenate(part) for part in zip(
        *((item.asked, item.came, np.full(len(item.came), item.weight)) for item in moments), strict=True
    ))  # fmt: skip
    place = np.repeat(np.arange(len(moments)), [len(item.came) for item in moments])
    design = np.column_stack([x, place[:, None] == np.arange(len(moments))]).astype(np.float64)
    pull = np.diag([1 / PRIOR**2, *([1e-6] * len(moments))])
    usual = np.array([1.0, *([0.0] * len(moments))])
    found = usual.copy()
    for _ in range(_STEPS):
        p = expit(design @ found)
        gradient = design.T @ (weight * (y - p)) - pull @ (found - usual)
        step = np.linalg.solve((design * (weight * p * (1 - p))[:, None]).T @ design + pull, gradient)
        found = found + np.clip(step, -2.0, 2.0)
    return float(np.clip(found[0], 0.05, 5.0))


def level_of(slope: float, margin: FloatArray, y: FloatArray) -> float:
    """The level at which the probabilities add up to the outcomes, of which there are some of both kinds."""
    def off(level: float) -> float:
        return float(expit(slope * margin + level).mean() - y.mean())

    middle = -slope * float(margin.mean())
    return float(brentq(off, middle - _FAR, middle + _FAR))


def calibrated(slope: float, margin: FloatArray, y: FloatArray) -> Platt:
    """The calibration of a slope with the level of what came."""
    return Platt(slope, slope, level_of(slope, margin, y))


def drift_of(slope: float, moments: Sequence[Moment]) -> float:
    """Root mean square of how far the level was off at past moments, in log-odds."""
    off = [
        level_of(slope, item.asked, item.came) - level_of(slope, item.learned, item.outcome) for item in moments
    ]
    return float(np.sqrt(np.mean(np.square(off))))
