"""Recipes: the candidates for a win model, fitted at every origin and compared on what came next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crm.tables import FloatArray, IntArray
from features.matrix import FeatureMatrix
from models.average import Average
from models.calibration import KINDS, Calibration, Plain, choose
from models.estimator import Estimator
from models.logistic import Logistic
from models.metrics import row_log_loss
from models.stage_age import StageAgeTable
from models.trees import Trees, TreeSize
from training.splits import Fold

TIE = 0.001
"""Recipes whose log-loss lies within this share of the best count as equally good; the simplest of them is taken."""


@dataclass(frozen=True)
class Recipe:
    """A candidate.

    Attributes:
        name: Its name in tables and in MLflow.
        build: Makes an unfitted estimator.
        parts: Names of two recipes whose average in log-odds it is; () for one that is fitted by itself.
        complexity: Rank by simplicity, 0 the simplest.
    """

    name: str
    build: Callable[[], Estimator]
    complexity: int
    parts: tuple[str, ...] = ()


SMALL = TreeSize(trees=150, leaves=7, depth=4, learning_rate=0.04, min_rows=40, l2=5.0, column_share=0.5)
MIDDLE = TreeSize(trees=200, leaves=15, depth=6, learning_rate=0.03, min_rows=100, l2=20.0, column_share=0.4)
LARGE = TreeSize(trees=400, leaves=31, depth=10, learning_rate=0.06, min_rows=40, l2=10.0, column_share=0.7)
TREES = (("small", SMALL, 0), ("middle", MIDDLE, 1_500), ("large", LARGE, 6_000))
"""Tree sizes with the fewest deals for which each is tried: on fewer, bigger trees learn single deals by heart."""


def recipes(threads: int, n_deals: int) -> list[Recipe]:
    """All candidates, the simplest first.

    Args:
        threads: Threads of each LightGBM fit.
        n_deals: Closed deals at hand.
    """
    found = [
        Recipe("stage x age", StageAgeTable, 0),
        Recipe("logistic, strong penalty", lambda: Logistic(0.01), 1),
        Recipe("logistic", lambda: Logistic(0.1), 1),
    ]
    sizes = [(label, size) for label, size, least in TREES if n_deals >= least]
    for number, (label, size) in enumerate(sizes):
        found.append(Recipe(f"trees, {label}", _trees(size, threads), 2 + number))
    for number, (label, size) in enumerate(sizes):
        found.append(Recipe(f"average, {label}", _average(size, threads), 5 + number, ("logistic", f"trees, {label}")))
    return found


def _trees(size: TreeSize, threads: int) -> Callable[[], Estimator]:
    return lambda: Trees(size, threads=threads)


def _average(size: TreeSize, threads: int) -> Callable[[], Estimator]:
    return lambda: Average(size, threads=threads)


BASELINES: dict[str, Callable[[], Estimator]] = {
    "base rate": lambda: StageAgeTable(use_age=False, use_stage=False),
    "stage rate": lambda: StageAgeTable(use_age=False),
}


@dataclass(frozen=True)
class OutOfSample:
    """What every candidate and baseline said, at each origin, of the rows that came next.

    Attributes:
        rows: Places of the rows in the training matrix, in order of fold, shape (n_test,).
        fold: Number of each row's fold.
        margins: Log-odds by recipe or baseline, shape (n_test,) each.
        seconds: Seconds spent fitting and predicting, by recipe or baseline.
    """

    rows: IntArray
    fold: IntArray
    margins: dict[str, FloatArray]
    seconds: dict[str, float] = field(default_factory=dict)


def even_weight(deal: IntArray) -> FloatArray:
    """Weight of each row: all the same, and together as heavy as the deals behind them.

    The rows of one deal share its outcome. Counted as rows, a penalty would be told of ten times the evidence there is.

    Args:
        deal: Deal of each row, shape (n_rows,).
    """
    return np.full(len(deal), len(np.unique(deal)) / max(len(deal), 1))


def predict_origins(
    matrix: FeatureMatrix, won: FloatArray, deal: IntArray, folds: Sequence[Fold], candidates: Sequence[Recipe],
    step: Callable[[str], None] = lambda _: None,
) -> OutOfSample:  # fmt: skip
    """Fit every candidate and baseline at every origin and predict what came next.

    Args:
        matrix: Training rows.
        won: Outcome of each row.
        deal: Deal of each row.
        folds: The origins.
        candidates: What to fit.
        step: Called before each fit, with what it is.
    """
    builds = dict(BASELINES)
    builds |= {recipe.name: recipe.build for recipe in candidates if not recipe.parts}
    found: dict[str, list[FloatArray]] = {name: [] for name in builds}
    seconds = dict.fromkeys(builds, 0.0)
    for fold in folds:
        fit, test, weight = matrix.take(fold.fit), matrix.take(fold.test), even_weight(deal[fold.fit])
        for name, build in builds.items():
            step(f"{name} at {fold.name}")
            start = time.perf_counter()
            estimator = build()
            estimator.fit(fit, won[fold.fit], weight)
            found[name].append(estimator.margin(test))
            seconds[name] += time.perf_counter() - start
    margins = {name: np.concatenate(parts) for name, parts in found.items()}
    for recipe in candidates:
        if recipe.parts:
            margins[recipe.name] = np.mean([margins[part] for part in recipe.parts], axis=0)
    return OutOfSample(
        np.concatenate([fold.test for fold in folds]),
        np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds]),
        margins,
        seconds,
    )


def known_earlier(number: int, fold: IntArray, closed: IntArray, folds: Sequence[Fold]) -> NDArray[np.bool_]:
    """Rows of earlier folds whose outcome was known at the origin of a fold: a calibration may learn from no others.

    Args:
        number: The fold.
        fold: Number of each out-of-sample row's fold.
        closed: Closing time of each row's deal.
        folds: The origins.
    """
    earlier = fold < number
    origin = folds[number].origin
    return earlier if origin is None else earlier & (closed < origin)


def calibrated(
    margin: FloatArray, won: FloatArray, fold: IntArray, closed: IntArray, folds: Sequence[Fold],
    calibration: Calibration,
) -> FloatArray:  # fmt: skip
    """Out-of-sample probabilities, each fold calibrated with a form of the same kind fitted on what was known then."""
    p = np.empty(len(margin))
    for number in np.unique(fold):
        now, earlier = fold == number, known_earlier(int(number), fold, closed, folds)
        form: Calibration = Plain()
        if earlier.any() and won[earlier].min() < won[earlier].max():
            form = KINDS[calibration.kind]()
            form.fit(margin[earlier], won[earlier])
        p[now] = form(margin[now])
    return p


@dataclass(frozen=True)
class Choice:
    """The recipe that was chosen, with its calibration.

    Attributes:
        recipe: The recipe.
        calibration: Fitted on all out-of-sample log-odds.
        calibration_losses: Log-loss of each calibration tried, on the last origin's rows.
        losses: Out-of-sample log-loss of each recipe, uncalibrated.
        p: Out-of-sample probabilities of the recipe, calibrated on earlier folds only.
    """

    recipe: Recipe
    calibration: Calibration
    calibration_losses: dict[str, float]
    losses: dict[str, float]
    p: FloatArray


def choose_recipe(
    candidates: Sequence[Recipe], oos: OutOfSample, won: FloatArray, deal: IntArray, closed: IntArray,
    folds: Sequence[Fold],
) -> Choice:  # fmt: skip
    """The recipe with the least out-of-sample log-loss, the simplest of those that are equally good.

    Whatever is chosen must still be at least as good as the simplest candidate once both stand as they would serve,
    calibrated; else the simplest serves.

    Args:
        candidates: The recipes, the simplest first.
        oos: What they said.
        won: Outcome of each out-of-sample row, shape (n_test,).
        deal: Deal of each out-of-sample row.
        closed: Closing time of each row's deal.
        folds: The origins.
    """
    losses = {recipe.name: float(row_log_loss(Plain()(oos.margins[recipe.name]), won).mean()) for recipe in candidates}
    last = int(oos.fold.max())
    later, earlier = oos.fold == last, known_earlier(last, oos.fold, closed, folds)

    def as_served(recipe: Recipe) -> Choice:
        margin = oos.margins[recipe.name]
        calibration, tried = choose(margin, won, deal, earlier, later)
        return Choice(recipe, calibration, tried, losses, calibrated(margin, won, oos.fold, closed, folds, calibration))

    best = min(losses.values())
    good = [recipe for recipe in candidates if losses[recipe.name] <= best * (1 + TIE)]
    chosen = as_served(min(good, key=lambda item: (item.complexity, losses[item.name])))
    simplest = as_served(candidates[0])
    return simplest if row_log_loss(simplest.p, won).mean() < row_log_loss(chosen.p, won).mean() else chosen
