from __future__ import annotations

import numpy as np
import pytest

from models.incidence import Episodes, brier, log_loss


def test_without_censoring_it_is_the_plain_brier_score() -> None:
    seen = Episodes(np.array([5.0, 40.0, 50.0, 10.0]), np.full(4, 100.0), np.array([1.0, 1.0, 0.0, 0.0]))
    p = np.array([0.9, 0.2, 0.3, 0.1])
    assert seen.won_within(30).tolist() == [1, 0, 0, 0]
    assert brier(p, seen, 30) == pytest.approx(np.mean((p - [1, 0, 0, 0]) ** 2))
    assert log_loss(p, seen, 30) == pytest.approx(-np.log([0.9, 0.8, 0.7, 0.9]).mean())


def test_rows_that_could_not_be_watched_are_stood_for_by_those_that_could() -> None:
    # half of the rows could be watched for 20 days only: the other half counts twice
    seen = Episodes(np.full(4, np.inf), np.array([20.0, 20.0, 90.0, 90.0]), np.full(4, np.nan))
    assert seen.weights(30) == pytest.approx([0, 0, 2, 2])
    early = Episodes(np.array([10.0, np.inf, np.inf, np.inf]), np.array([90.0, 20.0, 20.0, 90.0]), np.array([1.0] * 4))
    assert early.weights(30) == pytest.approx([1, 0, 0, 3])


def test_weighting_undoes_the_bias_of_censoring() -> None:
    random = np.random.default_rng(0)
    n = 60_000
    days, end = random.exponential(60, n), random.uniform(0, 120, n)
    known = days < end
    seen = Episodes(np.where(known, days, np.inf), end, np.where(known, 1.0, np.nan))
    weight = seen.weights(60)
    assert weight is not None
    rate = float(weight @ seen.won_within(60) / weight.sum())
    assert rate == pytest.approx(1 - np.exp(-1), abs=0.01)
    assert seen.won_within(60).mean() < rate - 0.1


def test_a_horizon_that_nothing_was_watched_for_says_nothing() -> None:
    seen = Episodes(np.array([5.0, np.inf]), np.array([20.0, 20.0]), np.array([1.0, np.nan]))
    assert seen.weights(30) is None
    assert np.isnan(brier(np.array([0.5, 0.5]), seen, 30))


def test_the_watch_can_be_made_to_end_earlier() -> None:
    seen = Episodes(np.array([5.0, 15.0]), np.array([20.0, 20.0]), np.array([1.0, 0.0])).until(10.0)
    assert seen.closed.tolist() == [True, False]
    assert np.isnan(seen.won[1])
    assert seen.watched.tolist() == [10.0, 10.0]
