"""From a feature matrix to numbers: the columns a model was fitted on, and its vocabulary of categories."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from crm.tables import CodeArray, Coded, FloatArray
from features.matrix import FeatureMatrix
from models.errors import FeatureMismatch

MAX_LEVELS = 100
MIN_ROWS = 20


@dataclass(frozen=True)
class Encoding:
    """Which columns a model reads, in order, and which levels of each category it knows.

    A level that is rare in training (fewer than `MIN_ROWS` rows, or beyond the `MAX_LEVELS` most frequent), or new
    since, counts as missing.

    Attributes:
        numbers: Number columns.
        categories: Levels by category column, sorted.
    """

    numbers: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """All columns in the order of `encode`."""
        return (*self.numbers, *self.categories)

    @cached_property
    def _index(self) -> dict[str, dict[str, int]]:
        return {name: {level: code for code, level in enumerate(levels)} for name, levels in self.categories.items()}

    @classmethod
    def learn(cls, matrix: FeatureMatrix) -> Encoding:
        """Columns of a training matrix that vary, with the levels of its categories."""
        numbers, categories = [], {}
        for name, values in matrix.columns.items():
            if isinstance(values, Coded):
                counts = np.bincount(values.codes[values.codes >= 0], minlength=len(values.levels))
                ranked = sorted((-int(n), values.levels[code]) for code, n in enumerate(counts) if n >= MIN_ROWS)
                levels = tuple(sorted(level for _, level in ranked[:MAX_LEVELS]))
                missing = np.any(values.codes < 0)
                if len(levels) > 1 or (levels and missing):
                    categories[name] = levels
            else:
                some = values[~np.isnan(values)]
                if len(some) and (len(some) < len(values) or some.min() < some.max()):
                    numbers.append(name)
        return cls(tuple(numbers), categories)

    def codes(self, matrix: FeatureMatrix, name: str) -> CodeArray:
        """Codes of a category column in this vocabulary, -1 for missing and unknown levels, shape (n_rows,)."""
        values = self._column(matrix, name)
        if not isinstance(values, Coded):
            # a category that is missing throughout carries no type of its own in a plain table
            if np.all(np.isnan(values)):
                return np.full(len(values), -1, dtype=np.int32)
            raise FeatureMismatch(f"feature {name!r} holds numbers where the model expects text")
        index = self._index[name]
        if len(values) < len(values.levels):
            found = [index.get(values.levels[code], -1) if code >= 0 else -1 for code in values.codes]
            return np.array(found, dtype=np.int32)
        table = np.array([*(index.get(level, -1) for level in values.levels), -1], dtype=np.int32)
        return table[values.codes]

    def number(self, matrix: FeatureMatrix, name: str) -> FloatArray:
        """A number column, shape (n_rows,)."""
        values = matrix.columns.get(name)
        if type(values) is np.ndarray:
            return values
        values = self._column(matrix, name)
        if isinstance(values, Coded):
            if np.all(values.codes < 0):
                return np.full(len(values), np.nan)
            raise FeatureMismatch(f"feature {name!r} holds text where the model expects numbers")
        return values

    @staticmethod
    def _column(matrix: FeatureMatrix, name: str) -> FloatArray | Coded:
        try:
            return matrix.columns[name]
        except KeyError:
            raise FeatureMismatch(f"the model needs the feature {name!r}, which is not in the matrix") from None

    def encode(self, matrix: FeatureMatrix) -> FloatArray:
        """Numbers, then category codes; NaN for missing; shape (n_rows, n_features), rows contiguous."""
        if matrix.n_rows == 1:
            return np.array([self._row(matrix)])
        out = np.empty((matrix.n_rows, len(self.names)))
        n_numbers = len(self.numbers)
        if self.numbers:
            np.stack([self.number(matrix, name) for name in self.numbers], axis=1, out=out[:, :n_numbers])
        if self.categories:
            codes = out[:, n_numbers:]
            np.stack([self.codes(matrix, name) for name in self.categories], axis=1, out=codes)
            codes[codes < 0] = np.nan
        return out

    def _row(self, matrix: FeatureMatrix) -> list[float]:
        """The only row of a matrix, as `encode` gives it: of one deal, plain numbers are the faster ones."""
        columns = matrix.columns
        row: list[float] = []
        if self.numbers:
            row = np.concatenate([self.number(matrix, name) for name in self.numbers]).tolist()
        for name in self.categories:
            values = columns.get(name)
            if isinstance(values, Coded):
                code = values.codes.item()
                row.append(self._index[name].get(values.levels[code], np.nan) if code >= 0 else np.nan)
            else:
                code = self.codes(matrix, name).item()
                row.append(code if code >= 0 else np.nan)
        return row

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"numbers": list(self.numbers), "categories": {k: list(v) for k, v in self.categories.items()}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Encoding:
        """From what `to_json` gave."""
        return cls(tuple(data["numbers"]), {k: tuple(v) for k, v in data["categories"].items()})
