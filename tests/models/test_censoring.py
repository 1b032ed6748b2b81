from __future__ import annotations

import numpy as np
import pytest

from features.records import NEVER
from models.censoring import LEAST_FOLLOWED, FollowUp, still_followed


def test_kaplan_meier_by_hand() -> None:
    # closings at 1 and 3; ends at 2 (of four watched from there: three), 3 and 5
    duration = np.array([1, 2, 3, 3, 5])
    censored = np.array([False, True, False, True, True])
    times, share = still_followed(duration, censored)
    assert times.tolist() == [1, 2, 3, 5]
    # at the tie of 3, the closing leaves first, so that two are watched to the end that falls on it
    assert share == pytest.approx([1.0, 3 / 4, 3 / 4 * 1 / 2, 0.0])


def test_nothing_censored_weighs_nothing() -> None:
    follow = FollowUp(np.array([0, 10, 20]), np.array([5, 15, 25]))
    assert follow.weights(follow.as_of, follow.closed, None, 100).tolist() == [1.0, 1.0, 1.0]


def test_weights_count_those_who_are_still_open() -> None:
    """Deals enter evenly and take 10 or 60 days; seen at day 100, slow ones of the last 60 days are missing."""
    random = np.random.default_rng(3)
    n, end = 40_000, 100
    as_of = random.integers(0, end, n)
    slow = random.random(n) < 0.5
    closed = as_of + np.where(slow, 60, 10)
    known = closed < end
    follow = FollowUp(as_of, np.where(known, closed, NEVER))
    weight = follow.weights(as_of[known], closed[known], None, end)
    assert slow[known].mean() < 0.35
    assert np.average(slow[known], weights=weight) == pytest.approx(0.5, abs=0.02)


def test_weights_are_truncated() -> None:
    as_of = np.arange(1_000)
    closed = np.where(as_of == 0, 999, NEVER)
    weight = FollowUp(as_of, closed).weights(as_of[:1], closed[:1], None, 1_000)
    assert weight.tolist() == [1 / LEAST_FOLLOWED]


def test_only_rows_of_the_population_are_looked_at() -> None:
    follow = FollowUp(np.array([0, 50, 60, 70]), np.array([NEVER, 55, 65, NEVER]))
    everyone = follow.weights(follow.as_of[1:2], follow.closed[1:2], None, 80)
    later = follow.weights(follow.as_of[1:2], follow.closed[1:2], 50, 80)
    assert everyone.tolist() == later.tolist() == [1.0]
    assert follow.weights(follow.as_of[:0], follow.closed[:0], 90, 80).tolist() == []
