from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.stage_age import StageAgeTable
from tests.training.conftest import CUT
from training.data import TrainingData
from training.experiment import metric_name
from training.recipes import BASELINES, STAGE_AGE, Recipe, recipes
from training.search import Search, choose_recipe
from training.splits import make_folds
from training.tuning import best_of, tune
from training.uncertainty import learn_spread, of_drift, of_owners, similar_deals
from training.weights import Weighting


def named(name: str) -> Recipe:
    return next(item for item in recipes(500, ("a", "b", "c", "d")) if item.label == name)


def test_recipes_survive_json() -> None:
    for item in (*BASELINES, *recipes(10_000, ("a", "b", "c", "d"))):
        weighed = dataclasses.replace(item, weighting=Weighting(0.5, True))
        assert Recipe.from_json(weighed.to_json()) == weighed
        assert weighed.name == f"{item.label}, half-life 50% of closings, censoring weights"


def test_recipes_have_metrics_of_their_own_in_mlflow() -> None:
    names = {dataclasses.replace(item, weighting=Weighting(0.5, True)).name for item in recipes(5_000, tuple("abcd"))}
    assert len({metric_name(name) for name in names}) == len(names)
    assert not any(set(metric_name(name)) & set(" ,%'") for name in names)


def test_few_deals_get_the_core_and_small_trees_and_many_do_not() -> None:
    few, many = recipes(500, ("a", "b", "c", "d")), recipes(100_000, ("a", "b", "c", "d"))
    assert {"average, core", "trees, small"} <= {item.name for item in few}
    assert not {"trees, middle", "trees, large"} & {item.name for item in few}
    assert "trees, large" in {item.name for item in many}
    assert not any(part.core for item in many for part in item.parts)
    assert not any(part.core for item in recipes(500, ("a",)) for part in item.parts)
    assert few[0] is STAGE_AGE


def test_a_model_of_the_core_reads_nothing_else(search: Search) -> None:
    rows = search.folds[-1].fit
    recipe = named("average, core")
    fitted = search.fit_recipe(recipe, rows, search.folds[-1].origin)
    assert set(fitted.features) <= set(search.data.core)
    assert "stage" in fitted.features


def test_every_model_is_fitted_once_at_each_origin(data: TrainingData, search: Search) -> None:
    steps: list[str] = []
    own = Search(data, search.folds, step=steps.append)
    average = own.margin(named("average, core"))
    line, trees = named("logistic, core"), Recipe("trees", named("average, core").parts[1:], 2)
    assert average == pytest.approx((own.margin(line) + own.margin(trees)) / 2)
    assert len(steps) == 2 * len(search.folds)


def test_out_of_sample_rows_weigh_what_they_stand_for(search: Search) -> None:
    assert search.weight.min() >= 1.0
    life = search.data.closed[search.rows] - search.data.rows.as_of[search.rows]
    slow = life > np.median(life)
    assert search.weight[slow].mean() > search.weight[~slow].mean()


def test_fits_weigh_as_much_as_their_deals_whatever_the_weighting(search: Search) -> None:
    fold = search.folds[-1]
    n = len(np.unique(search.data.rows.deal[fold.fit]))
    for weighting in (Weighting(), Weighting(0.5), Weighting(None, True), Weighting(0.2, True)):
        assert search.fit_weight(fold.fit, weighting, fold.origin).sum() == pytest.approx(n)
    newer = search.data.closed[fold.fit]
    weight = search.fit_weight(fold.fit, Weighting(0.2), fold.origin)
    assert np.all(np.diff(weight[np.argsort(newer, kind="stable")]) >= -1e-12)


def test_the_choice_is_the_least_loss_and_weights_are_tried_on_it(search: Search) -> None:
    candidates = [STAGE_AGE, named("logistic"), named("logistic, core"), named("average, core")]
    choice = choose_recipe(search, candidates)
    assert {item.name for item in choice.candidates} <= set(choice.losses)
    assert [item.parts for item in choice.candidates] == [item.parts for item in candidates]
    assert any("half-life" in name for name in choice.losses)
    learnt_from = choice.candidates[-1].weighting.consistent
    assert any("censoring" in name for name in choice.losses) != learnt_from  # then no others need stand for them
    chosen = choice.losses[choice.served.recipe.name]
    assert chosen <= min(choice.losses.values()) * 1.001
    assert choice.served.p.shape == search.won.shape


@pytest.mark.parametrize("helps", [0.5, 0.2])
def test_a_shorter_half_life_is_tried_where_a_longer_one_helps(
    search: Search, helps: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        search, "plain_loss", lambda recipe: (0.5 if recipe.weighting.half_life == helps else 0.6) / (1 + recipe.rank)
    )
    names = set(choose_recipe(search, [STAGE_AGE, named("logistic")]).losses)
    assert any("half-life 50%" in name for name in names)
    assert any("half-life 20%" in name for name in names) == (helps == 0.5)


def test_where_nothing_beats_the_table_it_serves(search: Search) -> None:
    broken = Recipe("broken", named("logistic").parts, 1)
    search_of = Search(search.data, search.folds)
    search_of._margins[broken.parts[0], Weighting()] = np.random.default_rng(0).normal(0, 3, len(search.rows))
    for weighting in (Weighting(0.5), Weighting(0.2), Weighting(consistent=True)):
        search_of._margins[broken.parts[0], weighting] = search_of._margins[broken.parts[0], Weighting()]
    choice = choose_recipe(search_of, [STAGE_AGE, broken])
    assert choice.served.recipe == STAGE_AGE


@pytest.mark.slow
def test_tuning_repeats_itself_and_its_best_can_be_fitted(search: Search) -> None:
    once, again = tune(search, 3), tune(search, 3)
    assert [trial.recipe for trial in once] == [trial.recipe for trial in again]
    assert len({trial.recipe.parts for trial in once}) == 3
    best = best_of(once)
    assert min(trial.loss for trial in once) == next(trial.loss for trial in once if trial.recipe == best)
    assert Recipe.from_json(best.to_json()) == best


def test_similar_deals_are_counted_by_stage_and_age(search: Search) -> None:
    counted = similar_deals(search)
    table = StageAgeTable()
    table.fit(search.data.matrix, search.data.won)
    row, band = table.cells(search.data.matrix)
    place = search.rows[0]
    mine = (row == row[place]) & (band == band[place])
    assert counted[0] == len(np.unique(search.data.rows.deal[mine]))
    assert counted.max() <= len(np.unique(search.data.rows.deal))


def test_the_spread_shrinks_as_deals_grow(data: TrainingData) -> None:
    deals = np.unique(data.rows.deal)

    def spread_of(share: int) -> float:
        part = np.isin(data.rows.deal, deals[::share])
        rows = data.rows.take(part)
        less = dataclasses.replace(data, rows=rows, matrix=data.matrix.take(part), won=data.won[part])
        search = Search(less, make_folds(less.history, rows, less.matrix, CUT)[-1:])
        recipe = named("logistic, core")
        read = recipe.parts[0].columns(less.matrix, less.core).columns
        learned = learn_spread(search, search.served(recipe), [recipe], list(read))
        return float(np.median(learned(data.matrix)))

    few, many = spread_of(3), spread_of(1)
    assert 0 < many < few


def test_owners_differ_by_what_chance_does_not_explain(search: Search) -> None:
    told, random = Search(search.data, search.folds), np.random.default_rng(5)
    history = search.data.history
    owner = history.field("opportunities.owner_id").codes(told.deal, search.data.rows.as_of[told.rows])
    deals, of_row = np.unique(told.deal, return_inverse=True)
    base, told.weight = np.full(len(told.won), 0.3), np.ones(len(told.won))
    alike, apart = [], []
    skill = random.normal(0.0, 1.0, owner.max() + 2)
    for _ in range(60):  # rows of a deal share its outcome
        chance = random.random(len(deals))[of_row]
        told.won = (chance < 0.3).astype(float)
        alike.append(of_owners(told, base))
        told.won = (chance < 1 / (1 + np.exp(-(np.log(3 / 7) + skill[owner])))).astype(float)
        apart.append(of_owners(told, base))
    assert np.median(alike) < 0.1
    assert 0.3 < np.mean(apart) < 2.0


def test_drift_is_what_chance_does_not_explain(search: Search) -> None:
    base = np.full(len(search.won), 0.3)
    told = Search(search.data, search.folds)
    random = np.random.default_rng(4)
    told.won = (random.random(len(base)) < 0.3).astype(float)
    told.deal, told.weight = np.arange(len(base)), np.ones(len(base))
    assert of_drift(told, base) < 0.01
    level = np.array([0.15, 0.3, 0.5, 0.3])[told.fold % 4]
    told.won = (random.random(len(base)) < level).astype(float)
    shifts = np.array([np.log(p / (1 - p)) - np.log(0.3 / 0.7) for p in (0.15, 0.3, 0.5, 0.3)])
    n = len(np.unique(told.fold))
    assert of_drift(told, base) == pytest.approx(np.mean(shifts[:n] ** 2), rel=0.3)
