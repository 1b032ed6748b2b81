from __future__ import annotations

from dataclasses import replace

import pytest

from training.evaluation import CHAMPION
from training.recipes import BASELINES, STAGE_AGE, Recipe, recipes
from training.search import HALF_LIVES
from training.tracking import metric_name
from training.weights import Weighting

EVERY = [*BASELINES, STAGE_AGE, *recipes(5_000, core=("a", "b", "c", "d"))]
WEIGHED = [replace(item, weighting=Weighting(share, True)) for item in EVERY for share in HALF_LIVES]


@pytest.mark.parametrize("recipe", [*EVERY, *WEIGHED], ids=lambda recipe: recipe.name)
def test_mlflow_takes_the_name_of_every_recipe(recipe: Recipe) -> None:
    from mlflow.utils.validation import _validate_metric_name

    _validate_metric_name(f"{metric_name(recipe.name)}.log_loss")


def test_mlflow_takes_the_name_of_the_champions_figures() -> None:
    from mlflow.utils.validation import _validate_metric_name

    _validate_metric_name(f"{metric_name(CHAMPION)}.log_loss")


def test_different_recipes_have_different_metrics() -> None:
    names = {recipe.name for recipe in (*EVERY, *WEIGHED)}
    assert len({metric_name(name) for name in names}) == len(names)
