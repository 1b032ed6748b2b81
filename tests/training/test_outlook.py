from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from crm.tables import DAY, Coded, CrmData, micros, moment
from features.history import History
from insights.spans import Span
from insights.stated import amounts_at, won_in
from models.incidence import Episodes
from training.outlook import (
    MOST_QUARTERS,
    SHORTEST,
    STAGES,
    TREES,
    Outlooks,
    Then,
    chosen_timing,
    learn_outlook,
    past_periods,
)  # fmt: skip
from training.recipes import Recipe
from training.run import Trained
from training.search import Search

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def search(few_recipes: Trained) -> Search:
    return Search(few_recipes.data, few_recipes.folds)


@pytest.fixture(scope="module")
def line(few_recipes: Trained) -> Recipe:
    return few_recipes.choice.served.recipe


@pytest.mark.parametrize("first_month", [1, 2, 6])
def test_past_quarters_are_the_fiscal_years_own(search: Search, first_month: int) -> None:
    found = past_periods(search, first_month)
    assert 3 <= len(found) <= MOST_QUARTERS
    assert {(moment(period.start).month - first_month) % 3 for period in found} == {0}
    assert all(before.end == after.start for before, after in pairwise(found))
    assert found[-1].start + SHORTEST <= search.data.cut < found[-1].end + 92 * DAY


def flipped(crm: CrmData, since: int) -> CrmData:
    """The same deals, with what was won or lost at or after a moment turned round."""
    deals = dict(crm.tables["opportunities"])
    outcome, closed = deals["outcome"], deals["closed_at"]
    assert isinstance(outcome, Coded)
    assert isinstance(closed, np.ndarray)
    late = (outcome.codes >= 0) & (closed >= since)
    assert late.any()
    codes = np.where(late, 1 - outcome.codes, outcome.codes).astype(np.int32)
    assert set(outcome.levels) == {"won", "lost"}
    deals["outcome"] = Coded(codes, outcome.levels)
    return dataclasses.replace(crm, tables={**crm.tables, "opportunities": deals})


def test_what_is_said_of_a_past_quarter_knows_nothing_later(crm: CrmData, search: Search, line: Recipe) -> None:
    period = past_periods(search)[-2]
    said = Outlooks(search, line, "platt").at(period)
    history = History(flipped(crm, period.start))
    data = dataclasses.replace(search.data, history=history, won=history.won[search.data.rows.deal])
    again = Outlooks(Search(data, search.folds), line, "platt").at(period)
    assert np.array_equal(said.p, again.p)
    assert np.any(np.nan_to_num(said.seen.won, nan=2) != np.nan_to_num(again.seen.won, nan=2))
    for name, within in said.within.items():
        assert np.array_equal(within, again.within[name])
        assert np.array_equal(said.in_period[name], again.in_period[name])
        assert np.all(np.diff(within, axis=1) >= 0)
        assert np.all(within <= said.p[:, None])


def test_a_run_keeps_what_came_of_its_past_quarters(few_recipes: Trained) -> None:
    outlook, history = few_recipes.model.outlook, few_recipes.data.history
    assert outlook is not None
    over = [item for item in outlook.backtests if item.currency == "EUR"]
    assert len(over) == len(outlook.quarters) >= 3
    for item, quarter in zip(over, outlook.quarters, strict=True):
        won = won_in(history, quarter.start, quarter.end)
        assert item.start == quarter.start
        assert item.actual == pytest.approx(np.nansum(amounts_at(history, quarter.end)[won]) / 100)
        assert item.low < item.middle < item.high
        assert 0 <= quarter.won <= len(won)  # the rest had not been entered yet
    assert 0 < outlook.spread < 2


def test_nothing_is_said_of_an_export_without_dates(search: Search, few_recipes: Trained) -> None:
    history = History(dataclasses.replace(search.data.history.crm, process=dataclasses.replace(
        search.data.history.crm.process, time_basis="none")))  # fmt: skip
    undated = Search(dataclasses.replace(search.data, history=history), search.folds)
    assert learn_outlook(undated, few_recipes.choice.served) is None


def then(p: float, wins: float, name: str = STAGES, other: float | None = None) -> Then:
    """A hundred deals followed for a year, some of which are won on day 20; and what one or two candidates said."""
    won = np.arange(100) < 100 * wins
    seen = Episodes(np.where(won, 20.0, np.inf), np.full(100, 365.0), np.where(won, 1.0, np.nan))
    said = {name: np.full((100, 4), p)} | ({} if other is None else {TREES: np.full((100, 4), other)})
    return Then(Span("", micros("2025-01-01"), micros("2025-04-01")), np.arange(100), seen, np.ones(100), said, {})


def test_the_simplest_of_the_timings_that_are_as_good_is_taken() -> None:
    end = micros("2026-01-01")
    assert chosen_timing([then(0.3, 0.3, other=0.3001)], end)[0] == STAGES
    name, losses = chosen_timing([then(0.1, 0.3, other=0.3)], end)
    assert name == TREES
    assert losses[TREES] == pytest.approx(-(0.3 * np.log(0.3) + 0.7 * np.log(0.7)))
    assert chosen_timing([then(0.1, 0.3, other=0.3), then(0.3, 0.3)], end)[0] == STAGES  # not fitted at every moment
    assert chosen_timing([], end) == (STAGES, {})
