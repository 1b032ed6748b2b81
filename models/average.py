"""The average of several models in log-odds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crm.tables import FloatArray
from features.matrix import FeatureMatrix
from models.estimator import Estimator
from models.logistic import Logistic
from models.stage_age import StageAgeTable
from models.trees import Trees

PARTS: dict[str, type[Estimator]] = {kind.kind: kind for kind in (StageAgeTable, Logistic, Trees)}


class Average(Estimator):
    """Mean log-odds of fitted models: a line holds where data are thin, trees where they are not.

    Its parts are fitted by themselves, as they may read different features and rows of different weight.

    Args:
        parts: The fitted models, at least one.
    """

    kind = "average"

    def __init__(self, parts: Sequence[Estimator]) -> None:
        if not parts:
            raise ValueError("an average needs at least one model")
        self.parts = tuple(parts)

    def fit(self, matrix: FeatureMatrix, won: FloatArray, weight: FloatArray | None = None) -> None:
        """Fit every part on the same rows."""
        for part in self.parts:
            part.fit(matrix, won, weight)

    def margin(self, matrix: FeatureMatrix) -> FloatArray:
        """See `Estimator.margin`."""
        total = np.zeros(matrix.n_rows)
        for part in self.parts:
            total += part.margin(matrix)
        return total / len(self.parts)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that any part reads."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.features))

    @property
    def unread(self) -> frozenset[str]:
        """See `Estimator.unread`."""
        read = {name for part in self.parts for name in part.features if name not in part.unread}
        return frozenset(self.features) - read

    def contributions(self, matrix: FeatureMatrix) -> tuple[FloatArray, float]:
        """Mean of the parts' contributions, feature by feature."""
        place = {name: number for number, name in enumerate(self.features)}
        total = np.zeros((matrix.n_rows, len(place)))
        reference = 0.0
        for part in self.parts:
            own, base = part.contributions(matrix)
            total[:, [place[name] for name in part.features]] += own / len(self.parts)
            reference += base / len(self.parts)
        return total, reference

    def save(self, folder: Path) -> None:
        """See `Estimator.save`."""
        (folder / "parts.json").write_text(json.dumps([part.kind for part in self.parts]))
        for number, part in enumerate(self.parts):
            (folder / str(number)).mkdir()
            part.save(folder / str(number))

    @classmethod
    def load(cls, folder: Path) -> Average:
        """See `Estimator.load`."""
        kinds = json.loads((folder / "parts.json").read_text())
        return cls([PARTS[kind].load(folder / str(number)) for number, kind in enumerate(kinds)])
