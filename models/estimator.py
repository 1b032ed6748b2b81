"""What every estimator of a win probability can do: fit, tell log-odds, split them over features, save and load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy.special import expit, logit

from crm.tables import FloatArray
from features.matrix import FeatureMatrix

FLOOR = 1e-6
"""Probabilities are kept within [FLOOR, 1 - FLOOR], so that log-odds and log-loss stay finite."""


def log_odds(p: FloatArray | float) -> FloatArray:
    """Log-odds of probabilities, kept finite."""
    return np.asarray(logit(_inside(p)), dtype=np.float64)


def probability(margin: FloatArray) -> FloatArray:
    """Probabilities of log-odds, kept within [FLOOR, 1 - FLOOR]."""
    return _inside(expit(margin))


def _inside(p: FloatArray | float) -> FloatArray:
    return np.asarray(np.minimum(np.maximum(p, FLOOR), 1 - FLOOR), dtype=np.float64)  # np.clip takes thrice as long


class Estimator(ABC):
    """A model of the log-odds that a deal is won, before calibration.

    Attributes:
        kind: Its name in saved bundles and reports.
    """

    kind: ClassVar[str]

    @abstractmethod
    def fit(self, matrix: FeatureMatrix, won: FloatArray, weight: FloatArray | None = None) -> None:
        """Learn from rows of closed deals.

        Args:
            matrix: Features, one row per (deal, as_of).
            won: 1 won, 0 lost, shape (n_rows,); lines and trees also learn from probabilities.
            weight: Weight of each row, shape (n_rows,); all equal by default.
        """

    @abstractmethod
    def margin(self, matrix: FeatureMatrix) -> FloatArray:
        """Log-odds, shape (n_rows,)."""

    @abstractmethod
    def contributions(self, matrix: FeatureMatrix) -> tuple[FloatArray, float]:
        """What each feature adds to the log-odds of each row, and the log-odds they are added to.

        Returns:
            Array of shape (n_rows, len(self.features)), and the reference:
            `margin == reference + contributions.sum(1)`.
        """

    def explained(self, matrix: FeatureMatrix) -> tuple[FloatArray, FloatArray, float]:
        """Log-odds, and what `contributions` gives, for rows that need both."""
        return (self.margin(matrix), *self.contributions(matrix))

    @property
    @abstractmethod
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order of `contributions`."""

    @property
    def unread(self) -> frozenset[str]:
        """Those of its features that change no prediction, whatever their value: a matrix may lack them."""
        return frozenset()

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was learnt into an empty folder, as data and not as code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Estimator:
        """Read what `save` wrote."""
