"""Reasons: what each feature adds to a deal's win probability, in points that add up exactly, and in words.

A model's log-odds are a reference plus one contribution c_i per feature (`Estimator.contributions`). The step from the
reference probability p_ref to the deal's probability p is shared out in proportion:

    points_i = c_i x (p - p_ref) / sum_j c_j

which adds up to p - p_ref exactly, under any monotone calibration. The step from the base rate to p_ref is a line of
its own, so base rate + first line + all points = p. (Where the contributions cancel out, sum_j c_j ~ 0, the slope of
the calibration at the reference takes the place of the ratio.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from crm.tables import Coded, FloatArray
from features.matrix import FeatureMatrix
from features.registry import Feature, Unit
from models.calibration import Calibration

ENOUGH_ROWS = 30


Line = tuple[str, float, float | str | None, float | str | None, str]
"""What a `Reason` is made of."""


class Reason(NamedTuple):
    """One line of an explanation.

    Attributes:
        feature: Name of the feature.
        points: What it adds to the win probability, as a share (0.05 is five points).
        value: The deal's value, None where missing.
        usual: Usual value among won deals of the same stage: median, or most frequent level; None where unknown.
        sentence: All that in words.
    """

    feature: str
    points: float
    value: float | str | None
    usual: float | str | None
    sentence: str


@dataclass(frozen=True)
class Described:
    """What a saved model keeps of a feature, to speak about it.

    Attributes:
        name: Name of the feature.
        unit: Unit of its value.
        label: What it is, in the words of a rep.
        usual: Usual value among won deals by stage, "" for all stages.
    """

    name: str
    unit: Unit
    label: str
    usual: dict[str, float | str]

    @classmethod
    def learn(cls, feature: Feature, matrix: FeatureMatrix, won: FloatArray) -> Described:
        """From training rows: the usual value among rows of won deals, overall and in stages with enough of them."""
        values = matrix.columns[feature.name]
        usual: dict[str, float | str] = {}
        stage = matrix.columns.get("stage")
        groups = {"": won == 1}
        if isinstance(stage, Coded):
            groups |= {level: (won == 1) & (stage.codes == code) for code, level in enumerate(stage.levels)}
        for group, rows in groups.items():
            if group and rows.sum() < ENOUGH_ROWS:
                continue
            found = _usual(values, rows)
            if found is not None:
                usual[group] = found
        return cls(feature.name, feature.unit, feature.label, usual)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"name": self.name, "unit": self.unit, "label": self.label, "usual": self.usual}

    def say(self, value: float | str | None, stage: str) -> tuple[float | str | None, str]:
        """The usual value for a deal in a stage, and the sentence."""
        usual, told, alike, other = self._usual_told.get(stage) or self._usual_told[""]
        mine = show(self.unit, value)
        return usual, f"{self.label}: {mine}{alike if mine == told else other}"

    @cached_property
    def _usual_told(self) -> dict[str, tuple[float | str | None, str, str, str]]:
        """By stage, "" for one that it is not known of: the usual value, the same in words, and how a sentence ends.

        There are two endings: for a deal with the usual value, and for one with another.
        """
        found: dict[str, tuple[float | str | None, str, str, str]] = {"": (None, "", "", "")}
        for stage, usual in self.usual.items():
            among = f"won deals in {stage}" if stage and self.name != "stage" else "won deals"
            told = show(self.unit, usual)
            found[stage] = usual, told, f", as usual among {among}", f"; {among} usually {told}"
        return found


def _usual(values: FloatArray | Coded, rows: Any) -> float | str | None:
    if isinstance(values, Coded):
        codes = values.codes[rows]
        codes = codes[codes >= 0]
        return values.levels[int(np.bincount(codes).argmax())] if len(codes) else None
    some = values[rows]
    some = some[~np.isnan(some)]
    return float(np.median(some)) if len(some) else None


def show(unit: Unit, value: float | str | None) -> str:
    """A value in words, with its unit."""
    if value is None or value != value:
        return "none"
    if isinstance(value, str):
        return value
    if unit == "days":
        days = round(value) if abs(value) >= 2 else round(value, 1)
        return f"{days:g} day" if days == 1 else f"{days:g} days"
    if unit == "ratio":
        return f"{100 * value:.0f} %"
    if unit == "flag":
        return "yes" if value else "no"
    if unit == "currency":
        return f"{value:,.0f}"
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def points_per_log_odds(
    contributions: FloatArray, p: FloatArray, reference: float, calibration: Calibration
) -> tuple[FloatArray, float]:
    """What a contribution of one unit of log-odds is in points, by row.

    Args:
        contributions: Log-odds by row and feature, shape (n_rows, n_features).
        p: Calibrated probability of each row.
        reference: Log-odds that the contributions are added to.
        calibration: The model's calibration.

    Returns:
        Ratios of shape (n_rows,) with `contributions.sum(1) * ratio == p - p_ref`, and p_ref.
    """
    p_ref = float(calibration(np.array([reference]))[0])
    total = contributions.sum(axis=1)
    cancel = np.abs(total) < 1e-9
    if not cancel.any():
        return np.asarray((p - p_ref) / total), p_ref
    h = 1e-4
    ends = calibration(np.array([reference - h, reference + h]))
    slope = float(ends[1] - ends[0]) / (2 * h)
    return np.where(cancel, slope, (p - p_ref) / np.where(cancel, 1.0, total)), p_ref


def reasons_of_row(
    described: dict[str, Described], names: tuple[str, ...], points: FloatArray, matrix: FeatureMatrix, row: int,
    most: int | None = None,
) -> list[Reason]:  # fmt: skip
    """Reasons of one row, the weightiest first; see `lines_of_row`."""
    return [Reason(*line) for line in lines_of_row(described, names, points, matrix, row, most)]


def lines_of_row(
    described: dict[str, Described], names: tuple[str, ...], points: FloatArray, matrix: FeatureMatrix, row: int,
    most: int | None = None,
) -> list[Line]:  # fmt: skip
    """What `Reason`s of one row are made of, the weightiest first.

    Args:
        described: What the model knows of its features.
        names: Features in the order of `points`.
        points: Points of this row by feature, shape (n_features,).
        matrix: The features.
        row: Which row of the matrix.
        most: How many at most; all by default. Features that add nothing are left out.
    """
    stage = value_of(matrix.columns.get("stage"), row)
    in_stage = stage if isinstance(stage, str) else ""
    weights = points.tolist()
    found: list[Line] = []
    for place in np.argsort(-np.abs(points), kind="stable")[:most].tolist():
        if weights[place] == 0:
            break
        name = names[place]
        value = value_of(matrix.columns.get(name), row)
        usual, sentence = described[name].say(value, in_stage)
        found.append((name, weights[place], value, usual, sentence))
    return found


def value_of(values: FloatArray | Coded | None, row: int) -> float | str | None:
    """One cell of a column as a plain value; None where it is missing."""
    if values is None:
        return None
    if isinstance(values, Coded):
        code = values.codes.item(row)
        return values.levels[code] if code >= 0 else None
    number = values.item(row)
    return number if number == number else None
