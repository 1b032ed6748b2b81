from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crm.tables import Coded, FloatArray, micros
from features.matrix import FeatureMatrix
from models.hazards import EDGES, N_PERIODS, Hazards, MeanHazards, StageHazards, TreeHazards, periods_seen
from models.incidence import Episodes, brier
from models.quarter import QuarterPace
from models.timing import HORIZONS, Timing
from models.trees import TreeSize

SMALL = TreeSize(trees=60, leaves=7, depth=4, learning_rate=0.1, min_rows=30)
DAYS = np.array(HORIZONS, dtype=np.float64)


class Fixed(Hazards):
    """Hazards that are given."""

    def __init__(self, closing: FloatArray, won: FloatArray) -> None:
        self.closing, self.won = closing, won

    def fit(self, matrix: FeatureMatrix, seen: Episodes) -> None:
        raise NotImplementedError

    def rates(self, matrix: FeatureMatrix) -> tuple[FloatArray, FloatArray]:
        return self.closing, self.won

    @property
    def features(self) -> tuple[str, ...]:
        return ()

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Fixed:
        raise NotImplementedError


def nothing(n: int) -> FeatureMatrix:
    return FeatureMatrix({}, n)


def race(n: int, seed: int = 0, watched: float = 100.0) -> tuple[FeatureMatrix, Episodes, FloatArray]:
    """Deals won and lost at constant rates that depend on the stage, watched for up to so many days; and the truth."""
    random = np.random.default_rng(seed)
    stage = random.integers(0, 2, n).astype(np.int32)
    win, loss = np.array([0.002, 0.02])[stage], np.array([0.01, 0.005])[stage]
    days = random.exponential(1 / (win + loss))
    won = (random.random(n) < win / (win + loss)).astype(float)
    end = random.uniform(0, watched, n)
    known = days < end
    seen = Episodes(np.where(known, days, np.inf), end, np.where(known, won, np.nan))
    truth = (win / (win + loss))[:, None] * -np.expm1(-(win + loss)[:, None] * np.array([30.0, 60.0, 90.0]))
    columns = {"stage": Coded(stage, ("A", "B")), "age_days": random.exponential(30, n), "days_in_stage": np.zeros(n)}
    return FeatureMatrix(columns, n), seen, truth


def test_won_within_is_the_sum_over_time_of_closing_then_times_won_then() -> None:
    closing, won = np.zeros((1, N_PERIODS)), np.full((1, N_PERIODS), 0.5)
    closing[0, :2] = 0.2, 0.5
    won[0, :2] = 1.0, 0.25
    timing = Timing(Fixed(closing, won), "given")
    found, closed, total = timing.incidence(nothing(1), np.array([7.0, 14.0, 200.0]))
    assert found[0] == pytest.approx([0.2, 0.2 + 0.8 * 0.5 * 0.25, 0.3])
    assert closed[0] == pytest.approx([0.2, 0.6, 0.6])
    assert total[0] == pytest.approx(0.3 + 0.4 * 0.5)  # what is open after the last period closes like those in it
    p = timing.won_within(nothing(1), np.array([0.4]), np.array([7.0, 14.0]))
    assert p[0] == pytest.approx([0.4 * 0.2 / 0.5, 0.4 * 0.3 / 0.5])


def test_within_a_period_the_rate_of_closing_is_constant() -> None:
    closing, won = np.full((1, N_PERIODS), 0.36), np.ones((1, N_PERIODS))
    found, _, _ = Timing(Fixed(closing, won), "given").incidence(nothing(1), np.array([0.0, 3.5, 7.0]))
    assert found[0] == pytest.approx([0.0, 0.2, 0.36])  # 0.8 x 0.8 = 0.64 are still open after both halves


@given(
    arrays(np.float64, (3, N_PERIODS), elements=st.floats(0, 1)),
    arrays(np.float64, (3, N_PERIODS), elements=st.floats(0, 1)),
    arrays(np.float64, 3, elements=st.floats(0, 1)),
    arrays(np.float64, 3, elements=st.floats(0, 900)),
)
def test_it_never_falls_with_the_horizon_nor_exceeds_the_win_probability(
    closing: FloatArray, won: FloatArray, p: FloatArray, waited: FloatArray
) -> None:
    timing = Timing(Fixed(closing, won), "given")
    days = np.array([0.0, 1.0, 7.0, 30.0, 60.0, 90.0, 180.0, 800.0, 5000.0])
    for wait in (None, waited):
        said = timing.won_within(nothing(3), p, days, wait)
        assert np.all(np.diff(said, axis=1) >= 0)
        assert np.all(said >= 0)
        assert np.all(said <= p[:, None])
        assert said[:, 0] == pytest.approx(np.zeros(3), abs=1e-9)


def test_a_deal_that_has_waited_is_asked_for_what_is_left() -> None:
    closing, won = np.full((2, N_PERIODS), 0.0), np.ones((2, N_PERIODS))
    closing[:, :2] = 0.5, 0.5
    closing[:, -1] = 1.0
    said = Timing(Fixed(closing, won), "given").won_within(
        nothing(2), np.array([0.8, 0.8]), np.array([7.0]), np.array([0.0, 7.0])
    )
    assert said[:, 0] == pytest.approx([0.4, 0.4])  # half of those open at the start of either week
    late = Timing(Fixed(closing[:1], won[:1]), "given").won_within(
        nothing(1), np.array([0.8]), np.array([7.0]), np.array([20.0])
    )
    assert late[0, 0] == pytest.approx(0.0)  # nothing closes in the weeks after the second


def test_a_period_counts_only_if_it_could_be_watched_whole() -> None:
    seen = Episodes(
        days=np.array([3.0, np.inf, 9.0, np.inf, 9.0]),
        watched=np.array([100.0, 20.0, 10.0, 3.0, 14.0]),
        won=np.array([1.0, np.nan, 0.0, np.nan, 1.0]),
    )
    n, at = periods_seen(seen)
    # closed in the first week; open for two whole weeks; closed in a week that was cut off; never watched; second week
    assert n.tolist() == [1, 2, 1, 0, 2]
    assert at.tolist() == [0, -1, -1, -1, 1]


def test_aalen_johansen_by_hand() -> None:
    # of 10 deals, 40 times: 2 are won and 1 lost in week one, 1 of the other 7 won in week two, the rest still open
    days = np.tile([1.0, 2.0, 3.0, 10.0, *[np.inf] * 6], 40)
    won = np.tile([1.0, 1.0, 0.0, 1.0, *[np.nan] * 6], 40)
    table = StageHazards(strength=0.0)
    table.fit(nothing(400), Episodes(days, np.full(400, 14.0), won))
    closing, share = table.rates(nothing(1))
    assert closing[0, :2] == pytest.approx([0.3, 1 / 7])
    assert share[0, :2] == pytest.approx([2 / 3, 1.0])
    found, _, _ = Timing(table, "by hand").incidence(nothing(1), np.array([7.0, 14.0]))
    assert found[0] == pytest.approx([0.2, 0.3])


@pytest.mark.parametrize("hazards", [StageHazards(), TreeHazards(SMALL)])
def test_it_finds_the_true_incidence_although_many_deals_are_censored(hazards: Hazards) -> None:
    matrix, seen, truth = race(20_000, watched=150.0)
    assert seen.closed.mean() < 0.65
    hazards.fit(matrix, seen)
    found, _, _ = Timing(hazards, "learnt").incidence(matrix, np.array([30.0, 60.0, 90.0]))
    stage = matrix.columns["stage"]
    assert isinstance(stage, Coded)
    for code in (0, 1):
        mine = stage.codes == code
        assert found[mine].mean(0) == pytest.approx(truth[mine].mean(0), abs=0.03)
    # those that have closed alone are the quick ones, and would say too much
    closed = matrix.take(seen.closed)
    naive = StageHazards()
    naive.fit(closed, Episodes(seen.days[seen.closed], np.full(int(seen.closed.sum()), 1e4), seen.won[seen.closed]))
    wrong, _, _ = Timing(naive, "naive").incidence(matrix, np.array([30.0]))
    assert wrong[:, 0].mean() > 1.2 * truth[:, 0].mean()


def test_learnt_hazards_are_better_than_one_rate_for_all() -> None:
    matrix, seen, _ = race(6000, seed=1)
    later, then, _ = race(3000, seed=2)
    timing = Timing(TreeHazards(SMALL), "trees")
    timing.hazards.fit(matrix, seen)
    found, _, _ = timing.incidence(later, np.array([60.0]))
    assert brier(found[:, 0], then, 60.0) < 0.95 * brier(np.full(3000, found.mean()), then, 60.0)


@pytest.mark.parametrize("kind", ["stage", "trees", "mean"])
def test_saved_and_loaded_it_gives_the_same_bits(kind: str, tmp_path: Path) -> None:
    matrix, seen, _ = race(1500)
    made: dict[str, Hazards] = {"stage": StageHazards(), "trees": TreeHazards(SMALL),
                                "mean": MeanHazards([StageHazards(), TreeHazards(SMALL)])}  # fmt: skip
    timing = Timing(made[kind], "name", QuarterPace(2, (1.5,) * 13, (0.5,) * 13) if kind == "mean" else None)
    timing.hazards.fit(matrix, seen)
    timing.save(tmp_path)
    again = Timing.load(tmp_path)
    p = np.linspace(0, 1, matrix.n_rows)
    assert (again.recipe, again.pace) == ("name", timing.pace)
    assert again.features == timing.features
    assert np.array_equal(again.won_within(matrix, p, DAYS), timing.won_within(matrix, p, DAYS))


def test_periods_are_weeks_first() -> None:
    assert np.all(np.diff(EDGES)[:4] == 7.0)
    assert np.all(np.diff(np.diff(EDGES)) >= -1e-9)


def test_a_crowd_at_the_quarters_end_moves_wins_there() -> None:
    closing, won = np.full((1, N_PERIODS), 0.2), np.full((1, N_PERIODS), 0.5)
    pace = QuarterPace(1, (3.0, *[0.834] * 12), (1.0,) * 13)
    even, crowded = Timing(Fixed(closing, won), ""), Timing(Fixed(closing, won), "", pace)
    last, first = np.array([micros("2026-03-25")]), np.array([micros("2026-04-01")])
    week = np.array([7.0])
    found, gone, _ = crowded.incidence(nothing(1), week, last)
    # of seven days that are worth 21 to wins and seven to losses
    assert gone[0] == pytest.approx(1 - 0.8**2)
    assert found[0] == pytest.approx((1 - 0.8**2) * 0.75)
    usual = even.incidence(nothing(1), week, last)[0][0]
    assert crowded.incidence(nothing(1), week, first)[0][0] < usual < found[0]
    assert crowded.incidence(nothing(1), week)[0][0] == pytest.approx(usual)  # no moment, no crowd
    p, days = np.array([0.7]), np.array([0.0, 1.0, 5.0, 6.9, 7.0, 7.1, 30.0, 90.0, 180.0, 800.0, 5000.0])
    said = crowded.won_within(nothing(1), p, days, at=last)
    assert np.all(np.diff(said) >= 0)
    assert said[0, -1] == pytest.approx(0.7, rel=1e-3)
