"""Recipes proposed by Optuna, tried at the same origins as all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from models.trees import TreeSize
from training.recipes import LEAST_CORE, Part, Recipe
from training.search import HALF_LIVES, Search, Step
from training.weights import Weighting

SEED = 0
HALF_LIFE = {"none": None} | {str(share): share for share in HALF_LIVES}
RANK = 5


@dataclass(frozen=True)
class Trial:
    """One proposal.

    Attributes:
        recipe: What was tried.
        settings: What Optuna chose, by name.
        loss: Log-loss at all origins but the last, which is left to judge what they chose.
    """

    recipe: Recipe
    settings: dict[str, Any]
    loss: float


def tune(search: Search, trials: int, step: Step = lambda _: None) -> list[Trial]:
    """Let Optuna's TPE sampler propose recipes; same data, same proposals.

    Args:
        search: The rows and origins.
        trials: How many.
        step: Called before each trial.
    """
    earlier = search.fold < search.fold.max()
    rows = earlier if earlier.any() else None
    found: list[Trial] = []

    def objective(trial: optuna.Trial) -> float:
        step(f"trial {trial.number + 1} of {trials}")
        recipe = _propose(trial, search)
        loss = search.plain_loss(recipe, rows)
        found.append(Trial(recipe, trial.params, loss))
        return loss

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=SEED))
    study.optimize(objective, n_trials=trials)
    return found


def best_of(trials: Sequence[Trial]) -> Recipe:
    """The recipe of the trial with the least loss."""
    return min(trials, key=lambda trial: trial.loss).recipe


def _propose(trial: optuna.Trial, search: Search) -> Recipe:
    data = search.data
    core = len(data.core) >= LEAST_CORE and trial.suggest_categorical("core", [False, True])
    leaves = trial.suggest_int("leaves", 4, 63, log=True)
    size = TreeSize(
        trees=trial.suggest_int("trees", 50, 500, log=True),
        leaves=leaves,
        depth=leaves.bit_length() + 2,
        learning_rate=trial.suggest_float("learning_rate", 0.01, 0.15, log=True),
        min_rows=trial.suggest_int("min_rows", 10, 300, log=True),
        l2=trial.suggest_float("l2", 0.1, 100.0, log=True),
        column_share=trial.suggest_float("column_share", 0.2, 1.0),
    )
    parts = [Part("trees", size=size, core=core)]
    if trial.suggest_categorical("line", [True, False]):
        parts.append(Part("logistic", c=trial.suggest_float("c", 0.003, 1.0, log=True), core=core))
    half_life = None if data.order is None else HALF_LIFE[trial.suggest_categorical("half_life", list(HALF_LIFE))]
    still_open = "left out"
    if data.follow_up is not None:
        ways = ["left out", "censoring weights", "learnt from"] if data.weekly else ["left out", "censoring weights"]
        still_open = trial.suggest_categorical("open deals", ways)
    weighting = Weighting(half_life, still_open == "censoring weights", still_open == "learnt from")
    return Recipe(f"tuned, trial {trial.number + 1}", tuple(parts), RANK, weighting)
