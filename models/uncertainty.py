"""How well a win probability itself is known: the spread of what equally good models would have said.

A probability of 60 % can rest on thousands of similar deals or on a handful. The spread is a standard deviation in
log-odds, learnt as a function of the features (`training.uncertainty` says from what), and the interval

    calibration(log-odds - z x spread) .. calibration(log-odds + z x spread)

is meant to hold the true probability `LEVEL` of the time. It says nothing of what no feature tells, and where a market
turned after the cut it holds less: measured in `benchmarks/RESULTS.md`, section `truth`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from scipy.stats import norm

from crm.tables import FloatArray
from features.matrix import FeatureMatrix
from models.encoding import Encoding

LEVEL = 0.9
"""Share of deals whose true probability the interval is meant to hold."""
Z = float(norm.ppf((1 + LEVEL) / 2))
LEAST_ROWS = 200
"""Rows below which the spread is the same for all deals."""
FLOOR = 1e-4
MOST_FEATURES = 10
"""Features that tell the spread: those that tell most of it; a score should not wait for the others."""


class Spread:
    """Standard deviation of a model's log-odds at a row: gradient-boosted trees for its square, with a log link.

    Attributes:
        encoding: The features read.
        overall: Mean of the squared spread.
        booster: Tells the squared spread; None where there were too few rows.
    """

    def __init__(self, encoding: Encoding, overall: float, booster: lgb.Booster | None) -> None:
        self.encoding, self.overall, self.booster = encoding, overall, booster

    @classmethod
    def learn(cls, matrix: FeatureMatrix, variance: FloatArray) -> Spread:
        """Learn from rows.

        Args:
            matrix: The features that the model reads.
            variance: Squared spread of each row, shape (n_rows,).
        """
        encoding = Encoding.learn(matrix)
        variance = np.maximum(variance, FLOOR)
        if len(variance) < LEAST_ROWS or not encoding.names:
            return cls(Encoding((), {}), float(variance.mean()), None)
        parameters: dict[str, Any] = {
            "objective": "gamma", "num_leaves": 7, "learning_rate": 0.1, "min_data_in_leaf": 50, "lambda_l2": 1.0,
            "deterministic": True, "force_col_wise": True, "seed": 0, "num_threads": 1, "verbosity": -1,
        }  # fmt: skip

        def fit() -> lgb.Booster:
            data = lgb.Dataset(encoding.encode(matrix), variance, params={"verbosity": -1})
            return lgb.train(parameters, data, num_boost_round=60)

        gain = fit().feature_importance("gain")
        kept = {encoding.names[place] for place in np.argsort(-gain, kind="stable")[:MOST_FEATURES]}
        encoding = Encoding.learn(FeatureMatrix({k: v for k, v in matrix.columns.items() if k in kept}, matrix.n_rows))
        fitted = fit()
        return cls(encoding, float(variance.mean()), lgb.Booster(model_str=fitted.model_to_string()))

    def __call__(self, matrix: FeatureMatrix) -> FloatArray:
        """Standard deviation of each row's log-odds, shape (n_rows,)."""
        if self.booster is None:
            return np.full(matrix.n_rows, np.sqrt(self.overall))
        variance = np.asarray(self.booster.predict(self.encoding.encode(matrix), num_threads=1), dtype=np.float64)
        return np.sqrt(np.maximum(variance, FLOOR))

    def save(self, folder: Path) -> None:
        """Write it into an empty folder, as data and not as code."""
        if self.booster is not None:
            (folder / "trees.txt").write_text(self.booster.model_to_string())
        data = {"overall": self.overall, "encoding": self.encoding.to_json()}
        (folder / "spread.json").write_text(json.dumps(data, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Spread:
        """Read what `save` wrote."""
        data = json.loads((folder / "spread.json").read_text())
        trees = folder / "trees.txt"
        booster = lgb.Booster(model_str=trees.read_text()) if trees.exists() else None
        return cls(Encoding.from_json(data["encoding"]), data["overall"], booster)
