from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from crm.tables import DAY, CrmData
from features.matrix import FeatureMatrix
from models.estimator import probability
from models.logistic import Logistic
from models.trees import Trees
from tests.training.conftest import CUT
from training.consistency import lambda_returns, lesson
from training.data import TrainingData, prepare
from training.recipes import STAGE_AGE, Part, Recipe
from training.search import LINE, Search, choose_recipe
from training.splits import make_folds
from training.weights import CONSISTENT, Weighting


def half(matrix: FeatureMatrix) -> np.ndarray:
    return np.full(matrix.n_rows, 0.5)


def test_each_row_learns_a_mixture_of_the_next_one_and_of_the_end() -> None:
    deal = np.array([7, 3, 7, 7, 3])
    as_of = np.array([2, 1, 1, 3, 2])
    said = np.array([0.6, 0.3, 0.5, 0.7, 0.2])
    won = np.array([1.0, np.nan, 1.0, 1.0, np.nan])
    learnt = lambda_returns(said, won, deal, as_of, share=0.5)
    middle = 0.5 * 0.7 + 0.5 * 1.0
    assert learnt == pytest.approx([middle, 0.2, 0.5 * 0.6 + 0.5 * middle, 1.0, 0.2])
    assert lambda_returns(said, won, deal, as_of, share=1.0) == pytest.approx([1, 0.2, 1, 1, 0.2])
    assert lambda_returns(said, won, deal, as_of, share=0.0) == pytest.approx([0.7, 0.2, 0.6, 1.0, 0.2])
    assert len(lambda_returns(said[:0], won[:0], deal[:0], as_of[:0])) == 0


def test_a_lesson_knows_no_outcome_of_deals_still_open_then(search: Search) -> None:
    data, fold = search.data, search.folds[-1]
    assert fold.origin is not None
    found = lesson(data, fold.fit, fold.origin, half)
    later = np.arange(found.n_closed, len(found.rows))
    assert len(later)
    assert len(found.open_rows)
    assert np.all(data.closed[found.rows[later]] >= fold.origin)
    assert np.all(data.rows.as_of[found.rows] < fold.origin)
    assert np.all(data.open_rows.as_of[found.open_rows] < fold.origin)
    assert found.learnt[found.n_closed :] == pytest.approx(0.5)
    # the outcomes of deals that close later, turned around, change nothing
    turned = data.won.copy()
    turned[found.rows[later]] = 1 - turned[found.rows[later]]
    again = lesson(dataclasses.replace(data, won=turned), fold.fit, fold.origin, half)
    assert np.array_equal(again.learnt, found.learnt)


def test_as_many_open_deals_are_left_out_as_closed_ones(search: Search) -> None:
    data, fold = search.data, search.folds[-1]
    assert fold.origin is not None
    known = np.flatnonzero(data.closed < fold.origin)
    every, half_of = lesson(data, known, fold.origin, half), known[data.rows.deal[known] % 2 == 0]
    some = lesson(data, half_of, fold.origin, half)
    share = len(np.unique(some.deal[some.n_closed :])) / len(np.unique(every.deal[every.n_closed :]))
    assert 0.35 < share < 0.65


def test_open_deals_change_the_fit_and_later_outcomes_do_not(search: Search) -> None:
    data, fold = search.data, search.folds[-1]
    plain = search.fit(LINE.parts[0], LINE.weighting, fold.fit, fold.origin)
    consistent = search.fit(LINE.parts[0], CONSISTENT, fold.fit, fold.origin)
    asked = data.matrix.take(fold.test)
    assert not np.allclose(plain.margin(asked), consistent.margin(asked))
    turned = data.won.copy()
    later = data.closed >= (fold.origin or 0)
    turned[later] = 1 - turned[later]
    blind = Search(dataclasses.replace(data, won=turned), search.folds)
    again = blind.fit(LINE.parts[0], CONSISTENT, fold.fit, fold.origin)
    assert np.array_equal(again.margin(asked), consistent.margin(asked))


def test_a_resample_learns_what_a_line_fitted_on_it_says(search: Search) -> None:
    """Open deals are drawn too; a deal that was not drawn tells nothing, and one drawn twice counts twice."""
    data, fold = search.data, search.folds[-1]
    assert fold.origin is not None
    often = np.random.default_rng(0).poisson(1.0, data.history.n_deals).astype(np.float64)
    drawn = fold.fit[often[data.rows.deal[fold.fit]] > 0]
    own, line = Search(data, search.folds), Part("logistic", c=0.03)
    first = own.fit(LINE.parts[0], Weighting(censoring=True), drawn, fold.origin, often)
    told = lesson(data, drawn, fold.origin, lambda matrix: probability(first.margin(matrix)), often)
    every = lesson(data, fold.fit, fold.origin, half)
    still_open = set(every.deal[every.n_closed :].tolist())
    assert set(told.deal[told.n_closed :].tolist()) == {deal for deal in still_open if often[deal] > 0} != still_open
    fits: list[tuple[np.ndarray, np.ndarray]] = []
    own._lesson(drawn, fold.origin, often)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Logistic, "fit", lambda _self, _matrix, won, weight: fits.append((won, weight)))
        own.fit(line, CONSISTENT, drawn, fold.origin, often)
    (learnt, weight), once = fits[0], Search.evidence(np.ones(len(told.deal)), told.deal)
    assert np.array_equal(learnt, told.learnt)
    assert weight == pytest.approx(once * often[told.deal])


def test_a_line_settles_what_all_candidates_learn(search: Search) -> None:
    for better in (LINE.weighting, CONSISTENT):
        own = Search(search.data, search.folds)
        for weighting in (LINE.weighting, CONSISTENT):  # one way tells the truth, one nothing
            says = np.where(own.won > 0, 2.0, -2.0) if weighting == better else np.zeros(len(own.rows))
            own._margins[LINE.parts[0], weighting] = says
        choice = choose_recipe(own, [STAGE_AGE, Recipe("core", (Part("logistic", core=True),), 1)])
        assert choice.candidates[0] == STAGE_AGE
        assert [item.weighting for item in choice.candidates[1:]] == [better]


def test_where_each_deal_has_one_row_there_is_nothing_to_learn_from_the_next(crm: CrmData) -> None:
    entry = dataclasses.replace(crm, process=dataclasses.replace(crm.process, snapshots="entry"))
    data = prepare(entry, CUT)
    assert not data.weekly
    assert len(data.open_rows) == 0
    own = Search(data, make_folds(data.history, data.rows, data.matrix, CUT))
    choice = choose_recipe(own, [STAGE_AGE, LINE])
    assert not any("consistent" in name for name in choice.losses)


def test_lines_and_trees_learn_probabilities() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=4_000)
    truth = probability(1.5 * x - 0.5)
    matrix = FeatureMatrix({"x": np.sign(x) * np.expm1(np.abs(x))}, len(x))  # the line takes sign(x) log(1 + |x|)
    line, trees = Logistic(c=100.0), Trees()
    for model in (line, trees):
        model.fit(matrix, truth)
        assert np.abs(probability(model.margin(matrix)) - truth).mean() < 0.02
    twice, won = Logistic(c=1.0), Logistic(c=1.0)
    rows = np.arange(0, 4_000, 2)
    outcome = (random.random(len(rows)) < truth[rows]).astype(np.float64)
    won.fit(matrix.take(rows), outcome)
    twice.fit(matrix.take(rows), np.clip(outcome, 1e-9, 1 - 1e-9))
    assert twice.margin(matrix) == pytest.approx(won.margin(matrix), abs=1e-3)


def test_a_week_after_the_origin_is_no_row_of_a_lesson(data: TrainingData) -> None:
    origin = CUT - 60 * DAY
    rows = np.flatnonzero(data.closed < origin)
    found = lesson(data, rows, origin, half)
    assert max(data.rows.as_of[found.rows].max(), data.open_rows.as_of[found.open_rows].max()) < origin
