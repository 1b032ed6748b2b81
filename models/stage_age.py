"""The stage x age table: the win rate of deals of the same stage and age. The simplest candidate, and a baseline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from crm.tables import CodeArray, Coded, FloatArray
from features.matrix import FeatureMatrix
from models.encoding import Encoding
from models.errors import FeatureMismatch
from models.estimator import Estimator, log_odds

AGE_QUANTILES = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)


class StageAgeTable(Estimator):
    """Win rates by stage and age band, each cell drawn towards its stage, and each stage towards the whole.

    rate(cell) = (won + strength x rate(stage)) / (n + strength), and the same for rate(stage) with the base rate. Where
    the data have no stages or no ages, what is left is the table; with neither, the base rate.

    Args:
        strength: Weight (deals, if rows weigh as their deals do) at the parent's rate that a cell starts with.
        use_age: Whether to split stages by age; without, it is the table of stage rates.
        use_stage: Whether to split by stage; with neither, it is the base rate.
    """

    kind = "stage_age"

    def __init__(self, strength: float = 8.0, *, use_age: bool = True, use_stage: bool = True) -> None:
        self.strength = strength
        self.use_age = use_age
        self.use_stage = use_stage
        self.base = 0.5
        self.stages: tuple[str, ...] = ()
        self.edges: tuple[float, ...] = ()
        self.stage_rate: FloatArray = np.array([0.5])
        self.cell_rate: FloatArray = np.array([[0.5]])

    def fit(self, matrix: FeatureMatrix, won: FloatArray, weight: FloatArray | None = None) -> None:
        """See `Estimator.fit`."""
        weight = np.ones(len(won)) if weight is None else weight
        self.base = float(np.average(won, weights=weight)) if len(won) else 0.5
        stage = matrix.columns.get("stage")
        self.stages = Encoding.learn(FeatureMatrix({"stage": stage}, matrix.n_rows)).categories.get("stage", ()) \
            if self.use_stage and isinstance(stage, Coded) else ()  # fmt: skip
        age = matrix.columns.get("age_days")
        if self.use_age and isinstance(age, np.ndarray) and np.any(~np.isnan(age)):
            self.edges = tuple(float(edge) for edge in np.unique(np.nanquantile(age, AGE_QUANTILES)))
        rows, bands = self.cells(matrix)
        n_stages, n_bands = len(self.stages) + 1, len(self.edges) + 1
        cell = rows * n_bands + bands
        n = np.bincount(cell, weight, n_stages * n_bands).reshape(n_stages, n_bands)
        wins = np.bincount(cell, weight * won, n_stages * n_bands).reshape(n_stages, n_bands)
        self.stage_rate = (wins.sum(1) + self.strength * self.base) / (n.sum(1) + self.strength)
        self.cell_rate = (wins + self.strength * self.stage_rate[:, None]) / (n + self.strength)

    def cells(self, matrix: FeatureMatrix) -> tuple[CodeArray, CodeArray]:
        """Row (stage, the last for unknown ones) and column (age band) of each row's cell."""
        row = np.zeros(matrix.n_rows, dtype=np.int32)
        if self.stages:
            codes = Encoding((), {"stage": self.stages}).codes(matrix, "stage")
            row = np.where(codes >= 0, codes, len(self.stages)).astype(np.int32)
        band = np.zeros(matrix.n_rows, dtype=np.int32)
        if self.edges:
            age = matrix.columns.get("age_days")
            if not isinstance(age, np.ndarray):
                raise FeatureMismatch("the model needs the feature 'age_days', which is not in the matrix")
            band = np.searchsorted(np.array(self.edges), np.nan_to_num(age), side="left").astype(np.int32)
        return row, band

    def margin(self, matrix: FeatureMatrix) -> FloatArray:
        """See `Estimator.margin`."""
        row, band = self.cells(matrix)
        return log_odds(self.cell_rate[row, band])

    @property
    def features(self) -> tuple[str, ...]:
        """`stage` and `age_days`, as far as the table uses them."""
        return tuple(name for name, used in (("stage", self.stages), ("age_days", self.edges)) if used)

    def contributions(self, matrix: FeatureMatrix) -> tuple[FloatArray, float]:
        """The stage's rate against the base rate, and the age band's against its stage's; see `Estimator`."""
        row, band = self.cells(matrix)
        base = float(log_odds(self.base))
        stage, cell = log_odds(self.stage_rate[row]), log_odds(self.cell_rate[row, band])
        parts = []
        if self.stages:
            parts.append(stage - base if self.edges else cell - base)
        if self.edges:
            parts.append(cell - stage if self.stages else cell - base)
        return (np.stack(parts, axis=1) if parts else np.zeros((matrix.n_rows, 0))), base

    def save(self, folder: Path) -> None:
        """See `Estimator.save`."""
        data = {
            "strength": self.strength, "use_age": self.use_age, "use_stage": self.use_stage, "base": self.base,
            "stages": list(self.stages), "edges": list(self.edges),
            "stage_rate": self.stage_rate.tolist(), "cell_rate": self.cell_rate.tolist(),
        }  # fmt: skip
        (folder / "table.json").write_text(json.dumps(data, indent=1))

    @classmethod
    def load(cls, folder: Path) -> StageAgeTable:
        """See `Estimator.load`."""
        data = json.loads((folder / "table.json").read_text())
        table = cls(data["strength"], use_age=data["use_age"], use_stage=data["use_stage"])
        table.base, table.stages, table.edges = data["base"], tuple(data["stages"]), tuple(data["edges"])
        table.stage_rate, table.cell_rate = np.array(data["stage_rate"]), np.array(data["cell_rate"])
        return table
