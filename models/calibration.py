"""Calibration: from a model's log-odds to probabilities that happen as often as they say.

Every calibration is monotone and saved as a few numbers. Which form is tried depends on how many *deals* (not rows)
stand behind it: rows of one deal share its outcome, and do not count as evidence twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from crm.tables import FloatArray, IntArray
from models.estimator import FLOOR, probability
from models.metrics import row_log_loss

FEW_DEALS = 1_000
MANY_DEALS = 10_000
PRIOR = 0.3
"""How far the slopes and the shift of a calibration are expected to lie from 1 and 0, before any data."""


class Calibration(ABC):
    """A monotone map from a model's log-odds to a probability."""

    kind: ClassVar[str]

    @abstractmethod
    def fit(self, margin: FloatArray, won: FloatArray, weight: FloatArray | None = None) -> None:
        """Learn from out-of-sample log-odds and outcomes, both of shape (n_rows,).

        Args:
            margin: Log-odds.
            won: 1 won, 0 lost.
            weight: How much evidence each row is, 1 being a deal; 1 each by default.
        """

    @abstractmethod
    def __call__(self, margin: FloatArray) -> FloatArray:
        """Probabilities, shape (n_rows,)."""

    @abstractmethod
    def numbers(self) -> dict[str, Any]:
        """What was learnt, as plain data."""

    @classmethod
    @abstractmethod
    def of(cls, numbers: dict[str, Any]) -> Calibration:
        """From what `numbers` gave."""


class Plain(Calibration):
    """No calibration: the logistic function of the log-odds."""

    kind = "none"

    def fit(self, margin: FloatArray, won: FloatArray, weight: FloatArray | None = None) -> None:
        """Nothing to learn."""

    def __call__(self, margin: FloatArray) -> FloatArray:
        """See `Calibration`."""
        return probability(margin)

    def numbers(self) -> dict[str, Any]:
        """See `Calibration`."""
        return {}

    @classmethod
    def of(cls, numbers: dict[str, Any]) -> Plain:
        """See `Calibration`."""
        return cls()


class Beta(Calibration):
    """Beta calibration (Kull, Silva Filho, Flach 2017): logit p = a log s - b log(1 - s) + c, with a, b >= 0.

    With a = b it is Platt scaling of the log-odds (`Platt`), a line; a and b apart bend its two ends.
    """

    kind = "beta"
    _tied = False
    _usual = 1.0

    def __init__(self, a: float = 1.0, b: float = 1.0, c: float = 0.0) -> None:
        self.a, self.b, self.c = a, b, c

    def fit(self, margin: FloatArray, won: FloatArray, weight: FloatArray | None = None) -> None:
        """Most probable values, with a, b ~ normal(1, PRIOR) and c ~ normal(0, PRIOR): few deals change little."""
        each = np.ones(len(won)) if weight is None else weight
        pull = 1 / (2 * PRIOR**2)
        up, down = -np.logaddexp(0, -margin), np.logaddexp(0, margin)

        def loss(x: FloatArray) -> tuple[float, FloatArray]:
            a, b, c = (x[0], x[0], x[1]) if self._tied else (x[0], x[1], x[2])
            z = a * up + b * down + c
            p = 1 / (1 + np.exp(-np.clip(z, -35, 35)))
            value = np.sum(each * (np.logaddexp(0, z) - won * z)) 
            value += pull * ((a - self._usual) ** 2 + (0.0 if self._tied else (b - self._usual) ** 2) + c**2)
            step = each * (p - won)
            da, db, dc = np.sum(step * up), np.sum(step * down), np.sum(step) + 2 * pull * c
            da += 2 * pull * (a - self._usual)
            return float(value), np.array([da + db, dc] if self._tied else [da, db + 2 * pull * (b - self._usual), dc])

        start = [1.0, 0.0] if self._tied else [1.0, 1.0, 0.0]
        bounds = [(0.05, 20.0)] * (len(start) - 1) + [(-20.0, 20.0)]
        best = minimize(loss, np.array(start), jac=True, method="L-BFGS-B", bounds=bounds).x
        self.a, self.b, self.c = (best[0], best[0], best[1]) if self._tied else (best[0], best[1], best[2])
        self.a, self.b, self.c = float(self.a), float(self.b), float(self.c)

    def __call__(self, margin: FloatArray) -> FloatArray:
        """See `Calibration`."""
        return probability(-self.a * np.logaddexp(0, -margin) + self.b * np.logaddexp(0, margin) + self.c)

    def numbers(self) -> dict[str, Any]:
        """See `Calibration`."""
        return {"a": self.a, "b": self.b, "c": self.c}

    @classmethod
    def of(cls, numbers: dict[str, Any]) -> Beta:
        """See `Calibration`."""
        return cls(numbers["a"], numbers["b"], numbers["c"])


class Platt(Beta):
    """Platt scaling: logit p = a x log-odds + c."""

    kind = "platt"
    _tied = True


class Cautious(Platt):
    """Platt scaling for few deals: its slope lowered by one standard error, about the mean of the log-odds.

    Of many recipes tried on few deals, the one that is taken looks steeper than it is, and odds that are too bold
    mislead more than odds that are too timid; with the number of deals the difference goes away. Before any data the
    slope is expected at 0.7: about what models of some hundred deals, chosen in this way, had on simulated companies.
    """

    kind = "cautious platt"
    _usual = 0.7

    def fit(self, margin: FloatArray, won: FloatArray, weight: FloatArray | None = None) -> None:
        """See `Beta`; the standard error is that of the most probable slope (Laplace)."""
        super().fit(margin, won, weight)
        each = np.ones(len(won)) if weight is None else weight
        p = self(margin)
        curve = each * p * (1 - p)
        middle = float(np.sum(curve * margin) / curve.sum())
        spread = float(np.sum(curve * (margin - middle) ** 2))
        lowered = max(self.a - (spread + 1 / PRIOR**2) ** -0.5, 0.05)
        self.c += (self.a - lowered) * middle
        self.a = self.b = lowered


class Isotonic(Calibration):
    """Isotonic regression: the best monotone step map, joined by lines, and kept off 0 and 1 by its number of rows."""

    kind = "isotonic"

    def __init__(self, x: FloatArray | None = None, y: FloatArray | None = None) -> None:
        self.x: FloatArray = np.array([0.0]) if x is None else x
        self.y: FloatArray = np.array([0.5]) if y is None else y

    def fit(self, margin: FloatArray, won: FloatArray, weight: FloatArray | None = None) -> None:
        """Pool adjacent violators; each pooled block becomes one point at its mean log-odds."""
        each = np.ones(len(won)) if weight is None else weight
        fitted = IsotonicRegression().fit(margin, won, each).predict(margin)
        blocks, index = np.unique(fitted, return_inverse=True)
        n = np.bincount(index, each)
        self.x = np.bincount(index, each * margin) / n
        edge = 1.0 / (each.sum() + 2.0)
        self.y = np.clip((blocks * n + blocks.mean()) / (n + 1.0), edge, 1 - edge)
        self.y = np.maximum.accumulate(self.y)

    def __call__(self, margin: FloatArray) -> FloatArray:
        """See `Calibration`."""
        return np.clip(np.interp(margin, self.x, self.y), FLOOR, 1 - FLOOR)

    def numbers(self) -> dict[str, Any]:
        """See `Calibration`."""
        return {"x": self.x.tolist(), "y": self.y.tolist()}

    @classmethod
    def of(cls, numbers: dict[str, Any]) -> Isotonic:
        """See `Calibration`."""
        return cls(np.array(numbers["x"], dtype=np.float64), np.array(numbers["y"], dtype=np.float64))


KINDS: dict[str, type[Calibration]] = {kind.kind: kind for kind in (Plain, Cautious, Platt, Beta, Isotonic)}


def candidates(n_deals: int) -> list[type[Calibration]]:
    """Forms worth trying on so many deals, the simplest first."""
    if n_deals < FEW_DEALS:
        return [Cautious]
    return [Plain, Platt, Beta] if n_deals < MANY_DEALS else [Plain, Platt, Beta, Isotonic]


def choose(
    margin: FloatArray, won: FloatArray, deal: IntArray, earlier: NDArray[np.bool_], later: NDArray[np.bool_],
    weight: FloatArray | None = None,
) -> tuple[Calibration, dict[str, float]]:  # fmt: skip
    """The calibration that lowers log-loss on a later slice, fitted on everything; none where none does.

    Args:
        margin: Out-of-sample log-odds, shape (n_rows,).
        won: Outcomes.
        deal: Deal of each row, for counting how many stand behind.
        earlier: Flags of the rows to try on: those whose outcome was known before the later slice.
        later: Flags of the rows of the later slice.
        weight: How much evidence each row is, 1 being a deal; 1 each by default.

    Returns:
        The calibration, and the log-loss of each candidate on the later slice.
    """
    losses: dict[str, float] = {}
    kinds = candidates(len(np.unique(deal[earlier])))
    if not earlier.any() or not later.any() or won[earlier].min() == won[earlier].max():
        return Plain(), losses
    each = np.ones(len(won)) if weight is None else weight
    for kind in kinds:
        trial = kind()
        trial.fit(margin[earlier], won[earlier], each[earlier])
        losses[kind.kind] = float(np.average(row_log_loss(trial(margin[later]), won[later]), weights=each[later]))
    best = min(kinds, key=lambda kind: losses[kind.kind])
    chosen = best()
    chosen.fit(margin, won, each)
    return chosen, losses
