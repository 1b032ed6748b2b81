"""The average of a line and trees in log-odds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crm.tables import FloatArray
from features.matrix import FeatureMatrix
from models.estimator import Estimator
from models.logistic import Logistic
from models.trees import Trees, TreeSize


class Average(Estimator):
    """Mean log-odds of logistic regression and trees: the line holds where data are thin, the trees where they are not.

    Args:
        size: Size of the trees.
        c: Inverse strength of the line's penalty.
        threads: Threads of the trees.
    """

    kind = "average"
    complexity = 3

    def __init__(self, size: TreeSize | None = None, c: float = 0.1, *, threads: int = 1) -> None:
        self.line = Logistic(c)
        self.trees = Trees(size, threads=threads)

    @classmethod
    def of(cls, line: Logistic, trees: Trees) -> Average:
        """The average of two fitted models."""
        model = cls()
        model.line, model.trees = line, trees
        return model

    def fit(self, matrix: FeatureMatrix, won: FloatArray, weight: FloatArray | None = None) -> None:
        """See `Estimator.fit`."""
        self.line.fit(matrix, won, weight)
        self.trees.fit(matrix, won, weight)

    def margin(self, matrix: FeatureMatrix) -> FloatArray:
        """See `Estimator.margin`."""
        return (self.line.margin(matrix) + self.trees.margin(matrix)) / 2

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that either reads."""
        return tuple(dict.fromkeys((*self.line.features, *self.trees.features)))

    @property
    def unread(self) -> frozenset[str]:
        """See `Estimator.unread`."""
        return self.trees.unread - set(self.line.features)

    def contributions(self, matrix: FeatureMatrix) -> tuple[FloatArray, float]:
        """Mean of the two models' contributions, feature by feature."""
        place = {name: number for number, name in enumerate(self.features)}
        total = np.zeros((matrix.n_rows, len(place)))
        reference = 0.0
        for model in (self.line, self.trees):
            parts, base = model.contributions(matrix)
            total[:, [place[name] for name in model.features]] += parts / 2
            reference += base / 2
        return total, reference

    def save(self, folder: Path) -> None:
        """See `Estimator.save`."""
        for name, model in (("line", self.line), ("trees", self.trees)):
            (folder / name).mkdir()
            model.save(folder / name)

    @classmethod
    def load(cls, folder: Path) -> Average:
        """See `Estimator.load`."""
        return cls.of(Logistic.load(folder / "line"), Trees.load(folder / "trees"))
