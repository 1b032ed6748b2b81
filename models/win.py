"""The win model: the probability that an open deal, once it closes, is won; with its reasons."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from crm.tables import Coded, FloatArray, IntArray
from features.matrix import FeatureMatrix
from features.registry import Feature, declared
from models.average import Average
from models.calibration import KINDS, Calibration
from models.errors import FeatureMismatch
from models.estimator import Estimator, log_odds
from models.explain import Described, points_per_log_odds
from models.logistic import Logistic
from models.odoo import OdooBayes
from models.outlook import Outlook
from models.stage_age import StageAgeTable
from models.trees import Trees
from models.uncertainty import Spread, Z

ESTIMATORS: dict[str, type[Estimator]] = {
    kind.kind: kind for kind in (StageAgeTable, OdooBayes, Logistic, Trees, Average)
}

Band = Literal["high", "medium", "low"]
BANDS: tuple[Band, ...] = ("high", "medium", "low")


@dataclass(frozen=True)
class Explained:
    """Probabilities of rows and how they come about.

    Attributes:
        p: Win probability, shape (n_rows,).
        lower: Lower end of the interval that holds the true probability (`models.uncertainty`), shape (n_rows,).
        upper: Its upper end.
        contributions: What each feature adds to the log-odds, shape (n_rows, n_features).
        ratio: What one unit of log-odds is in points, shape (n_rows,).
        reference: Log-odds that the contributions are added to.
        names: Features in the order of `contributions`.
        base_rate: Share won among the training rows.
        step: From the base rate to the model's reference probability.
    """

    p: FloatArray
    lower: FloatArray
    upper: FloatArray
    contributions: FloatArray
    ratio: FloatArray
    reference: float
    names: tuple[str, ...]
    base_rate: float
    step: float

    @property
    def points(self) -> FloatArray:
        """What each feature adds, shape (n_rows, n_features); `base_rate + step + points.sum(1) == p`."""
        return self.contributions * self.ratio[:, None]


@dataclass(frozen=True)
class WinModel:
    """A fitted win model.

    Attributes:
        estimator: Gives log-odds.
        calibration: Turns them into probabilities.
        described: What is said of each feature, by name.
        spread: How well its log-odds are known.
        base_rate: Share won among the training rows.
        trained_before: The training cut in microseconds: only what was known before it was used.
        recipe: Name of the recipe that was chosen.
        dated: Whether it was trained on an export with dates.
        outlook: What it knows of time: when deals close; None without dates, or in bundles older than that.
    """

    estimator: Estimator
    calibration: Calibration
    described: dict[str, Described]
    spread: Spread
    base_rate: float
    trained_before: int
    recipe: str
    dated: bool = True
    outlook: Outlook | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that it reads."""
        return self.estimator.features

    def predict(self, matrix: FeatureMatrix) -> FloatArray:
        """Win probability of each row, shape (n_rows,)."""
        return self.calibration(self.estimator.margin(matrix))

    def won_within(
        self, matrix: FeatureMatrix, p: FloatArray, days: FloatArray, waited: FloatArray | None = None,
        at: IntArray | None = None,
    ) -> FloatArray | None:  # fmt: skip
        """Probability of each row to be won within so many days; None for a model that knows nothing of time.

        Args:
            matrix: The features.
            p: What `predict` gives, shape (n_rows,).
            days: Horizons; see `models.timing.Timing.won_within`, like the rest.
            waited: Days since the moment of the features.
            at: That moment.

        Returns:
            Shape (n_rows, n_horizons).
        """
        return None if self.outlook is None else self.outlook.timing.won_within(matrix, p, days, waited, at)

    def explain(self, matrix: FeatureMatrix) -> Explained:
        """Win probability of each row and the points of each feature."""
        margin, contributions, reference = self.estimator.explained(matrix)
        reach = Z * self.spread(matrix)
        p, lower, upper = self.calibration(np.array([margin, margin - reach, margin + reach]))
        ratio, p_ref = points_per_log_odds(contributions, p, reference, self.calibration)
        return Explained(
            p, lower, upper, contributions, ratio, reference, self.features, self.base_rate, p_ref - self.base_rate
        )

    def interval(self, margin: FloatArray, matrix: FeatureMatrix) -> tuple[FloatArray, FloatArray]:
        """Lower and upper end of the interval for the true probability of each row, each of shape (n_rows,).

        Args:
            margin: Log-odds of the rows, before calibration.
            matrix: Their features.
        """
        reach = Z * self.spread(matrix)
        return self.calibration(margin - reach), self.calibration(margin + reach)

    def band(self, p: FloatArray) -> Coded:
        """Band of each probability: high where the odds are at least twice the base rate's, low where at most half."""
        shift = log_odds(p) - self._base_log_odds
        codes = np.where(shift >= np.log(2), 0, np.where(shift <= -np.log(2), 2, 1)).astype(np.int32)
        return Coded(codes, BANDS)

    @cached_property
    def _base_log_odds(self) -> FloatArray:
        return log_odds(self.base_rate)

    def needed(self, available: list[Feature]) -> list[Feature]:
        """The features to compute for it, in its own order.

        Args:
            available: What the company's data allow (`features_of`).

        Raises:
            FeatureMismatch: This code does not have a feature that it was trained with.
        """
        by_name = {item.name: item for item in (*declared(), *available)}
        names = tuple(dict.fromkeys((*self.features, *self._timed)))
        missing = [name for name in names if name not in by_name]
        if missing:
            raise FeatureMismatch(
                f"the model was trained with features that this installation or this store lacks: {', '.join(missing)}"
            )
        return [by_name[name] for name in names]

    @property
    def _timed(self) -> tuple[str, ...]:
        """Names of the features that tell when a deal closes."""
        return () if self.outlook is None else self.outlook.timing.features

    def read(self, available: list[Feature]) -> list[Feature]:
        """Those of the `needed` features that can change a score or what is said of it: the others need no work.

        Args:
            available: What the company's data allow (`features_of`).

        Raises:
            FeatureMismatch: This code does not have a feature that it was trained with.
        """
        read = {"stage", *self.spread.encoding.names, *self._timed}  # reasons compare with won deals of the same stage
        return [item for item in self.needed(available) if item.name not in self.estimator.unread - read]

    def save(self, folder: Path) -> None:
        """Write it into an empty folder: JSON and LightGBM's text, no code."""
        (folder / "estimator").mkdir(parents=True)
        self.estimator.save(folder / "estimator")
        (folder / "spread").mkdir()
        self.spread.save(folder / "spread")
        if self.outlook is not None:
            (folder / "outlook").mkdir()
            self.outlook.save(folder / "outlook")
        data = {
            "estimator": self.estimator.kind,
            "calibration": {"kind": self.calibration.kind, **self.calibration.numbers()},
            "base_rate": self.base_rate,
            "trained_before": self.trained_before,
            "recipe": self.recipe,
            "dated": self.dated,
            "features": [self.described[name].to_json() for name in self.features],
        }
        (folder / "win.json").write_text(json.dumps(data, indent=1))

    @classmethod
    def load(cls, folder: Path) -> WinModel:
        """Read what `save` wrote."""
        data = json.loads((folder / "win.json").read_text())
        calibration = dict(data["calibration"])
        kind = calibration.pop("kind")
        return cls(
            estimator=ESTIMATORS[data["estimator"]].load(folder / "estimator"),
            calibration=KINDS[kind].of(calibration),
            described={item["name"]: Described(**item) for item in data["features"]},
            spread=Spread.load(folder / "spread"),
            base_rate=data["base_rate"],
            trained_before=data["trained_before"],
            recipe=data["recipe"],
            dated=data["dated"],
            outlook=Outlook.load(folder / "outlook") if (folder / "outlook").is_dir() else None,
        )
