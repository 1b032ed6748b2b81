"""Regularised logistic regression on standardised features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from crm.tables import FloatArray
from features.matrix import FeatureMatrix
from models.encoding import Encoding
from models.estimator import Estimator, log_odds

MAX_ROWS = 200_000
"""Rows that a fit looks at: a line through some hundred columns gains nothing from more, and takes minutes."""


class Logistic(Estimator):
    """Logistic regression with an L2 penalty.

    Numbers are taken as sign(x) log(1 + |x|), which tames amounts and ages, filled with the training median where
    missing (with a flag of its own), and standardised; categories become one column per level.

    Args:
        c: Inverse strength of the penalty.
    """

    kind = "logistic"

    def __init__(self, c: float = 0.1) -> None:
        self.c = c
        self.encoding = Encoding((), {})
        self.fill: FloatArray = np.zeros(0)
        self.gaps: tuple[str, ...] = ()
        self.mean: FloatArray = np.zeros(0)
        self.scale: FloatArray = np.ones(0)
        self.coefficients: FloatArray = np.zeros(0)
        self.intercept = 0.0

    def fit(self, matrix: FeatureMatrix, won: FloatArray, weight: FloatArray | None = None) -> None:
        """See `Estimator.fit`. Of very many rows, every k-th is used."""
        step = -(-matrix.n_rows // MAX_ROWS)
        if step > 1:
            rows = np.arange(0, matrix.n_rows, step, dtype=np.int64)
            matrix, won = matrix.take(rows), won[rows]
            weight = None if weight is None else weight[rows]
        self.encoding = Encoding.learn(matrix)
        numbers = self._raw_numbers(matrix)
        missing = np.isnan(numbers)
        self.gaps = tuple(
            name
            for name, gap in zip(self.encoding.numbers, np.atleast_1d(missing.any(axis=0)).tolist(), strict=True)
            if gap
        )
        self.fill = np.array([np.median(column[~np.isnan(column)]) for column in numbers.T])
        self.mean, self.scale = np.zeros(0), np.ones(0)
        design = self._design(matrix, numbers)
        self.mean = design.mean(0)
        spread = design.std(0)
        # only numbers: scaled up, a rare level would be held back less than a common one
        spread[len(self.encoding.numbers) :] = 1.0
        self.scale = np.where(spread > 0, spread, 1.0)
        design = (design - self.mean) / self.scale
        if design.shape[1] == 0 or won.min() == won.max():
            self.coefficients = np.zeros(design.shape[1])
            self.intercept = float(log_odds(float(np.average(won, weights=weight))))
            return
        # Newton steps: ten or so of them where a quasi-Newton method takes hundreds, for rows far outnumber columns.
        # One thread, so that the same rows give the same bits; and spinning BLAS threads are slow on a busy machine.
        model = LogisticRegression(C=self.c, solver="newton-cholesky", max_iter=100)
        if np.any((won > 0) & (won < 1)):  # a probability counts as a win of so much weight, and a loss of the rest
            weight = np.ones(len(won)) if weight is None else weight
            design, weight = np.vstack([design, design]), np.concatenate([weight * won, weight * (1 - won)])
            won = np.repeat([1.0, 0.0], len(won))
        with threadpool_limits(limits=1):
            model.fit(design, won, sample_weight=weight)
        self.coefficients = model.coef_[0]
        self.intercept = float(model.intercept_[0])

    def _raw_numbers(self, matrix: FeatureMatrix) -> FloatArray:
        if not self.encoding.numbers:
            return np.zeros((matrix.n_rows, 0))
        values = np.stack([self.encoding.number(matrix, name) for name in self.encoding.numbers], axis=1)
        return np.sign(values) * np.log1p(np.abs(values))

    def _design(self, matrix: FeatureMatrix, numbers: FloatArray | None = None) -> FloatArray:
        """Numbers, then flags of missing numbers, then one column per level; not yet standardised.

        Args:
            matrix: The rows.
            numbers: What `_raw_numbers` gives, where it is at hand.
        """
        numbers = self._raw_numbers(matrix) if numbers is None else numbers
        missing = np.isnan(numbers)
        numbers = np.where(missing, self.fill, numbers)
        gap_at = [self.encoding.numbers.index(name) for name in self.gaps]
        blocks = [numbers, missing[:, gap_at].astype(np.float64)]
        for name, levels in self.encoding.categories.items():
            codes = self.encoding.codes(matrix, name)
            blocks.append((codes[:, None] == np.arange(len(levels))).astype(np.float64))
        return np.hstack(blocks)

    def _owners(self) -> FloatArray:
        """Which feature each column of the design belongs to, as places in `features`."""
        place = {name: number for number, name in enumerate(self.features)}
        owners = [place[name] for name in (*self.encoding.numbers, *self.gaps)]
        for name, levels in self.encoding.categories.items():
            owners += [place[name]] * len(levels)
        return np.array(owners, dtype=np.float64)

    def margin(self, matrix: FeatureMatrix) -> FloatArray:
        """See `Estimator.margin`."""
        design = (self._design(matrix) - self.mean) / self.scale
        return np.asarray(design @ self.coefficients + self.intercept)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that the line reads."""
        return self.encoding.names

    def contributions(self, matrix: FeatureMatrix) -> tuple[FloatArray, float]:
        """Coefficient times distance from the training mean, added up by feature (the exact SHAP values of a line)."""
        parts = (self._design(matrix) - self.mean) / self.scale * self.coefficients
        grouping = np.zeros((parts.shape[1], len(self.features)))
        if parts.shape[1]:
            grouping[np.arange(parts.shape[1]), self._owners().astype(np.int64)] = 1.0
        return parts @ grouping, self.intercept

    def save(self, folder: Path) -> None:
        """See `Estimator.save`."""
        data = {
            "c": self.c, "encoding": self.encoding.to_json(), "gaps": list(self.gaps), "intercept": self.intercept,
            "fill": self.fill.tolist(), "mean": self.mean.tolist(), "scale": self.scale.tolist(),
            "coefficients": self.coefficients.tolist(),
        }  # fmt: skip
        (folder / "logistic.json").write_text(json.dumps(data, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Logistic:
        """See `Estimator.load`."""
        data = json.loads((folder / "logistic.json").read_text())
        model = cls(data["c"])
        model.encoding, model.gaps = Encoding.from_json(data["encoding"]), tuple(data["gaps"])
        model.fill, model.mean, model.scale = (
            np.array(data[name], dtype=np.float64) for name in ("fill", "mean", "scale")
        )
        model.coefficients, model.intercept = np.array(data["coefficients"], dtype=np.float64), data["intercept"]
        return model
