"""Gradient-boosted trees (LightGBM), deterministic and small enough to explain in milliseconds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from crm.tables import FloatArray
from features.matrix import FeatureMatrix
from models.encoding import Encoding
from models.estimator import Estimator

MANY_ROWS = 50_000
"""Rows from which a fit gains by more than one thread: on fewer, threads wait for each other more than they work."""


@dataclass(frozen=True)
class TreeSize:
    """How many trees of which size. The cost of exact SHAP values grows with leaves and depth squared.

    Attributes:
        trees: Number of trees.
        leaves: Leaves of each.
        depth: Greatest depth.
        learning_rate: Shrinkage of each tree.
        min_rows: Fewest rows in a leaf.
        l2: Penalty on leaf values.
        column_share: Share of features that each tree may look at.
    """

    trees: int = 150
    leaves: int = 15
    depth: int = 6
    learning_rate: float = 0.05
    min_rows: int = 50
    l2: float = 5.0
    column_share: float = 0.7


class Trees(Estimator):
    """LightGBM on numbers and category codes; missing values take the branch that fits them best.

    The same rows give the same bits: `deterministic`, seeded, histograms by column, and a fixed number of threads.

    Args:
        size: How many trees of which size.
        threads: Threads of a fit and of a prediction.
        seed: Seed of the choice of features for each tree.
    """

    kind = "trees"

    def __init__(self, size: TreeSize | None = None, *, threads: int = 1, seed: int = 0) -> None:
        self.size = size or TreeSize()
        self.threads = threads
        self.seed = seed
        self.encoding = Encoding((), {})
        self.booster: lgb.Booster | None = None
        self._unread: frozenset[str] = frozenset()

    def _parameters(self) -> dict[str, Any]:
        size = self.size
        return {
            "objective": "binary", "num_leaves": size.leaves, "max_depth": size.depth,
            "learning_rate": size.learning_rate, "min_data_in_leaf": size.min_rows, "lambda_l2": size.l2,
            "feature_fraction": size.column_share, "cat_smooth": 20.0, "max_cat_threshold": 16,
            "deterministic": True, "force_col_wise": True, "seed": self.seed, "num_threads": self.threads,
            "verbosity": -1,
        }  # fmt: skip

    def fit(self, matrix: FeatureMatrix, won: FloatArray, weight: FloatArray | None = None) -> None:
        """See `Estimator.fit`."""
        self.encoding = Encoding.learn(matrix)
        names = _plain(self.encoding.names)
        categorical = list(range(len(self.encoding.numbers), len(names)))
        if not names or won.min() == won.max():
            raise ValueError("trees need at least one feature that varies, and both won and lost rows")
        data = lgb.Dataset(
            self.encoding.encode(matrix), won, weight=weight, feature_name=names, categorical_feature=categorical,
            params={"verbosity": -1, "max_bin": 255}, free_raw_data=True,
        )  # fmt: skip
        parameters = self._parameters()
        if np.any((won > 0) & (won < 1)):
            parameters["objective"] = "cross_entropy"  # the same loss, of probabilities
        if matrix.n_rows < MANY_ROWS:
            parameters["num_threads"] = 1
        fitted = lgb.train(parameters, data, num_boost_round=self.size.trees)
        # by way of its text, so that a model just fitted and the same model loaded give the same bits
        self._take(lgb.Booster(model_str=fitted.model_to_string()))

    def _take(self, booster: lgb.Booster) -> None:
        self.booster = booster
        splits = booster.feature_importance("split").tolist()
        self._unread = frozenset(name for name, n in zip(self.features, splits, strict=True) if n == 0)

    def _encode(self, matrix: FeatureMatrix) -> FloatArray:
        """Rows as the booster wants them; columns that no tree splits on are missing where the matrix lacks them."""
        absent = self.unread.difference(matrix.columns)
        if absent:
            gap = np.full(matrix.n_rows, np.nan)
            matrix = FeatureMatrix({**matrix.columns, **dict.fromkeys(absent, gap)}, matrix.n_rows)
        return self.encoding.encode(matrix)

    def explained(self, matrix: FeatureMatrix) -> tuple[FloatArray, FloatArray, float]:
        """See `Estimator.explained`: the contributions add up to the log-odds, to about 1e-14 of them."""
        contributions, reference = self.contributions(matrix)
        return reference + contributions.sum(axis=1), contributions, reference

    def _predict(self, rows: FloatArray, **options: bool) -> FloatArray:
        assert self.booster is not None
        threads = self.threads if len(rows) > 64 else 1  # waking threads costs more than a few rows do
        return np.asarray(self.booster.predict(rows, num_threads=threads, **options), dtype=np.float64)

    def margin(self, matrix: FeatureMatrix) -> FloatArray:
        """See `Estimator.margin`."""
        return self._predict(self._encode(matrix), raw_score=True)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that the trees read."""
        return self.encoding.names

    @property
    def unread(self) -> frozenset[str]:
        """Features that no tree splits on: drawn for some trees, and never worth a split."""
        return self._unread

    def contributions(self, matrix: FeatureMatrix) -> tuple[FloatArray, float]:
        """Exact SHAP values (Lundberg et al. 2020, TreeSHAP), from LightGBM itself."""
        out = self._predict(self._encode(matrix), pred_contrib=True)
        return out[:, :-1], float(out[0, -1]) if len(out) else 0.0

    def save(self, folder: Path) -> None:
        """See `Estimator.save`."""
        assert self.booster is not None
        (folder / "trees.txt").write_text(self.booster.model_to_string())
        data = {"size": asdict(self.size), "seed": self.seed, "threads": self.threads,
                "encoding": self.encoding.to_json()}  # fmt: skip
        (folder / "trees.json").write_text(json.dumps(data, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Trees:
        """See `Estimator.load`."""
        data = json.loads((folder / "trees.json").read_text())
        model = cls(TreeSize(**data["size"]), threads=data["threads"], seed=data["seed"])
        model.encoding = Encoding.from_json(data["encoding"])
        model._take(lgb.Booster(model_str=(folder / "trees.txt").read_text()))
        return model


def _plain(names: tuple[str, ...]) -> list[str]:
    """Names of features as LightGBM's text format can hold them, still all different."""
    plain = ["".join(letter if letter.isalnum() or letter in "._" else "_" for letter in name) for name in names]
    return [name if plain.count(name) == 1 else f"{name}_{place}" for place, name in enumerate(plain)]
