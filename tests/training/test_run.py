from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from crm.schema import Known
from crm.tables import CrmData, micros, moment
from features.matrix import default_as_of, open_at
from models.scoring import score_open
from tests.training.conftest import CUT, quick
from tests.training.outcomes import shuffled_outcomes
from training.data import prepare
from training.evaluation import compare
from training.gate import Refused, check_enough
from training.run import Trained, train
from training.search import Search
from training.splits import make_folds

pytestmark = pytest.mark.slow


def test_rows_are_of_deals_closed_before_the_cut_and_open_at_their_moment(crm: CrmData) -> None:
    data = prepare(crm, CUT)
    closed, created = data.history.closed[data.rows.deal], data.history.created[data.rows.deal]
    assert len(data.rows) > 1000
    assert np.all(closed < CUT)
    assert np.all((data.rows.as_of > created) & (data.rows.as_of < closed))
    assert {moment(int(day)).weekday() for day in np.unique(data.rows.as_of)} == {0}


def test_each_origin_fits_on_what_was_known_then(crm: CrmData) -> None:
    data = prepare(crm, CUT)
    folds = make_folds(data.history, data.rows, data.matrix, CUT)
    assert len(folds) >= 3
    for fold in folds:
        origin = micros(fold.name)
        day = 86_400_000_000
        assert data.history.closed[data.rows.deal[fold.fit]].max() < origin + day
        assert data.rows.as_of[fold.test].min() >= origin
        assert not set(fold.fit) & set(fold.test)


def test_a_run_beats_the_base_rate_on_what_came_next_and_says_so(trained: Trained) -> None:
    overall = trained.report.overall
    assert trained.decision.promoted
    assert overall["model"].log_loss < overall["base rate"].log_loss
    assert trained.decision.gain.lower > 0
    assert set(trained.report.groups["stage"]["model"]) >= {"Qualification", "Proposal"}
    assert sum(metrics.n for metrics in trained.report.groups["age"]["model"].values()) == overall["model"].n


def test_the_planted_leak_is_not_used_and_is_named(trained: Trained) -> None:
    assert not any("close_plan_score" in name for name in trained.model.features)
    assert any("close_plan_score" in warning for warning in trained.warnings)


def test_scores_are_of_deals_open_then_and_add_up(trained: Trained, crm: CrmData) -> None:
    data = prepare(crm, CUT)
    as_of = default_as_of(crm)
    scores = next(score_open(data.history, trained.model, as_of))
    assert list(scores.deal_ids) == [data.history.deal_ids[deal] for deal in open_at(data.history, as_of).deal]
    total = scores.base_rate + scores.step + scores.points.sum(1)
    assert total == pytest.approx(scores.p, abs=1e-12)
    assert not scores.in_sample
    assert next(score_open(data.history, trained.model, CUT - 1)).in_sample
    told = scores.reasons(0)
    assert sum(reason.points for reason in told) == pytest.approx(scores.p[0] - scores.base_rate - scores.step)
    assert all(": " in reason.sentence for reason in told)


def test_outcomes_without_signal_are_refused(crm: CrmData) -> None:
    refused = train(shuffled_outcomes(crm), cut=CUT, candidates=quick())
    assert not refused.decision.promoted
    assert refused.decision.reason.startswith("no signal")


def test_a_leak_that_was_declared_as_known_at_entry_sets_off_the_alarm(crm: CrmData) -> None:
    wrong = tuple(
        dataclasses.replace(item, known=Known.CREATED) if item.name == "close_plan_score" else item
        for item in crm.attributes
    )
    leaking = dataclasses.replace(crm, attributes=wrong)
    with pytest.raises(Refused, match=r"leak alarm: alone, custom\.close_plan_score \(AUC 0\.9"):
        train(leaking, cut=CUT, candidates=quick())
    vouched = train(leaking, cut=CUT, candidates=quick()[:1], allowed=["custom.close_plan_score"])
    assert vouched.choice.served.recipe.name == "stage x age"


def test_calibration_learns_only_from_outcomes_known_at_the_origin(trained: Trained) -> None:
    data, folds = trained.data, trained.folds
    search = Search(data, folds)
    closed = data.history.closed[search.deal]
    for number in range(1, len(folds)):
        rows = search.known_earlier(number)
        assert rows.any()
        assert np.all(search.fold[rows] < number)
        assert np.all(closed[rows] < micros(folds[number].name) + 86_400_000_000)


def test_too_few_deals_are_refused_in_words(crm: CrmData) -> None:
    with pytest.raises(Refused, match=r"too few deals: \d+ won and \d+ lost closed before 2024-06-03; at least 60"):
        train(crm, cut=micros("2024-06-03"), candidates=quick())
    with pytest.raises(Refused, match="too few deals: 0 won and 0 lost"):
        train(crm, cut=micros("2001-01-01"), candidates=quick())


def test_few_deals_are_warned_of() -> None:
    assert "only 150 won and 300 lost deals" in check_enough(150, 300, "closed before 2026-01-01")[0]
    assert check_enough(200, 200, "") == []


def test_two_runs_are_compared_on_the_rows_both_predicted(trained: Trained) -> None:
    ours = trained.tested.frame()
    worse = ours.assign(model=ours["base rate"])
    found = compare(ours, worse)
    assert found.n == len(ours)
    assert found.gain.mean > 0
    assert {"rows", "log-loss", "log-loss of the other"} <= set(found.groups["stage"].columns)
    assert found.groups["age"]["rows"].sum() == len(ours)
    assert compare(ours, ours).gain.mean == 0
