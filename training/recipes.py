"""Recipes: the candidates for a win model, as data that can be kept with a version and fitted again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from features.matrix import FeatureMatrix
from models.average import Average
from models.estimator import Estimator
from models.logistic import Logistic
from models.odoo import OdooBayes
from models.stage_age import StageAgeTable
from models.trees import Trees, TreeSize
from training.weights import PLAIN, Weighting

Kind = Literal["base rate", "stage rate", "stage x age", "odoo", "logistic", "trees"]


@dataclass(frozen=True)
class Part:
    """One model to fit; a recipe is one of these, or the average of several.

    Attributes:
        kind: What it is.
        c: Inverse strength of a line's penalty.
        size: How many trees of which size.
        core: Whether it reads the core features only.
    """

    kind: Kind
    c: float = 0.1
    size: TreeSize | None = None
    core: bool = False

    @property
    def learns(self) -> bool:
        """Whether it learns from probabilities as well as from outcomes; tables and Odoo's rule count outcomes."""
        return self.kind in ("logistic", "trees")

    def build(self, threads: int, stages: Sequence[str] = ()) -> Estimator:
        """An unfitted model.

        Args:
            threads: Threads of LightGBM.
            stages: Open stages in their order, where declared.
        """
        if self.kind == "odoo":
            return OdooBayes(stages)
        if self.kind == "trees":
            return Trees(self.size, threads=threads)
        if self.kind == "logistic":
            return Logistic(self.c)
        return StageAgeTable(use_age=self.kind == "stage x age", use_stage=self.kind != "base rate")

    def columns(self, matrix: FeatureMatrix, core: Sequence[str]) -> FeatureMatrix:
        """The features that it may read: all of them where the data have no core."""
        if not (self.core and core):
            return matrix
        return FeatureMatrix({name: matrix.columns[name] for name in core}, matrix.n_rows)


@dataclass(frozen=True)
class Recipe:
    """A candidate.

    Attributes:
        label: What it is made of, in words.
        parts: What is fitted; of several, the log-odds are averaged.
        rank: Rank by simplicity, 0 the simplest.
        weighting: How rows weigh.
    """

    label: str
    parts: tuple[Part, ...]
    rank: int
    weighting: Weighting = PLAIN

    @property
    def name(self) -> str:
        """Its name in tables and in MLflow."""
        return ", ".join(text for text in (self.label, self.weighting.name) if text)

    @property
    def complexity(self) -> int:
        """Rank by simplicity, weights included."""
        return self.rank + (self.weighting != PLAIN)

    @property
    def learns(self) -> bool:
        """Whether all its parts do; see `Part.learns`."""
        return all(part.learns for part in self.parts)

    def joined(self, fitted: Sequence[Estimator]) -> Estimator:
        """One model of the fitted parts."""
        return fitted[0] if len(fitted) == 1 else Average(fitted)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Recipe:
        """What `to_json` gave."""
        parts = tuple(
            Part(**{**part, "size": None if part["size"] is None else TreeSize(**part["size"])})
            for part in data["parts"]
        )
        return cls(data["label"], parts, data["rank"], Weighting(**data["weighting"]))


FEW_DEALS = 250
"""Deals below which neither trees nor weights of rows are tried: of many recipes on so few, luck picks the best."""
SMALL = TreeSize(trees=150, leaves=7, depth=4, learning_rate=0.04, min_rows=40, l2=5.0, column_share=0.5)
MIDDLE = TreeSize(trees=200, leaves=15, depth=6, learning_rate=0.03, min_rows=100, l2=20.0, column_share=0.4)
LARGE = TreeSize(trees=400, leaves=31, depth=10, learning_rate=0.06, min_rows=40, l2=10.0, column_share=0.7)
ANY = 1_000_000_000
TREES = (("small", SMALL, FEW_DEALS, 20_000), ("middle", MIDDLE, 1_500, ANY), ("large", LARGE, 6_000, ANY))
"""Tree sizes with the fewest and the most deals for which each is tried: on fewer, bigger trees learn single deals by
heart; on more, small ones say too little."""
CORE_DEALS = 20_000
"""Most deals for which models of the core features alone are tried; on more, the data themselves tell what matters."""
LEAST_CORE = 4
"""Fewest core features that make a model of their own."""

BASE_RATE = Recipe("base rate", (Part("base rate"),), 0)
STAGE_RATE = Recipe("stage rate", (Part("stage rate"),), 0)
STAGE_AGE = Recipe("stage x age", (Part("stage x age"),), 0)
LINES = {
    "logistic, strong penalty": Part("logistic", c=0.01),
    "logistic, middle penalty": Part("logistic", c=0.03),
    "logistic": Part("logistic", c=0.1),
}
ODOO = Recipe("Odoo", (Part("odoo"),), 1)
BASELINES = (BASE_RATE, STAGE_RATE, ODOO)


def recipes(n_deals: int, core: Sequence[str] = ()) -> list[Recipe]:
    """All candidates, the simplest first.

    Args:
        n_deals: Closed deals at hand.
        core: Names of the core features at hand.
    """
    found = [STAGE_AGE, *(Recipe(line, (part,), 1) for line, part in LINES.items())]
    with_core = len(core) >= LEAST_CORE and n_deals <= CORE_DEALS
    if with_core:
        found.append(Recipe("logistic, core", (Part("logistic", core=True),), 1))
    sizes = [(label, Part("trees", size=size)) for label, size, least, most in TREES if least <= n_deals <= most]
    found += [Recipe(f"trees, {label}", (trees,), 2) for label, trees in sizes]
    # averages cost nothing: their parts are fitted anyway
    found += [
        Recipe(f"average of {line} and trees, {label}", (part, trees), 3)
        for label, trees in sizes
        for line, part in LINES.items()
    ]
    if with_core and sizes:
        few = (Part("logistic", core=True), Part("trees", size=SMALL, core=True))
        found.append(Recipe("average, core", few, 3))
        found += [
            Recipe(f"average of {line} and trees, small, with core", (part, Part("trees", size=SMALL), *few), 4)
            for line, part in LINES.items()
        ]
    return found
