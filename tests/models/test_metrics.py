from __future__ import annotations

from dataclasses import asdict
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from crm.tables import Coded
from models.estimator import log_odds
from models.metrics import (
    Metrics,
    auc,
    bootstrap_mean,
    by_group,
    by_groups,
    calibration_bins,
    calibration_line,
    row_log_loss,
)
from models.ranking import Ranked

P = st.sampled_from([0.05, 0.2, 0.25, 0.5, 0.7, 0.95])
ROWS = st.lists(st.tuples(P, st.booleans(), st.integers(0, 3)), min_size=1, max_size=40)
Row = tuple[float, bool, int]


def arrays(rows: list[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    p, won, weight = zip(*rows, strict=True)
    return np.array(p), np.array(won, dtype=float), np.array(weight, dtype=float)


def figures(metrics: Metrics) -> dict[str, float]:
    return {name: value for name, value in asdict(metrics).items() if name != "n"}


@given(ROWS)
def test_a_weight_counts_as_so_many_rows(rows: list[Row]) -> None:
    p, won, weight = arrays(rows)
    times = weight.astype(int)
    whole, again = Metrics.of(p, won, weight=weight), Metrics.of(np.repeat(p, times), np.repeat(won, times))
    assert figures(whole) == pytest.approx(figures(again), rel=1e-6, abs=1e-9, nan_ok=True)
    assert whole.n == len(rows)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: list[Row], random: Random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    figures_of = [figures(Metrics.of(p, won, weight=weight)) for p, won, weight in map(arrays, (rows, shuffled))]
    assert figures_of[0] == pytest.approx(figures_of[1], rel=1e-6, abs=1e-9, nan_ok=True)


@given(ROWS)
def test_figures_agree_with_scikit_learn_under_weights(rows: list[Row]) -> None:
    p, won, weight = arrays([row for row in rows if row[2]] or [(0.5, True, 1)])
    found = Metrics.of(p, won, weight=weight)
    assert found.log_loss == pytest.approx(log_loss(won, p, labels=[0, 1], sample_weight=weight))
    assert found.brier == pytest.approx(brier_score_loss(won, p, sample_weight=weight, pos_label=1))
    if 0 < won.sum() < len(won):
        assert found.auc == pytest.approx(roc_auc_score(won, p, sample_weight=weight))
        assert found.pr_auc == pytest.approx(average_precision_score(won, p, sample_weight=weight))
    else:
        assert np.isnan([found.auc, found.pr_auc, found.slope, found.intercept, found.brier_skill]).all()


def test_figures_of_four_rows_by_hand() -> None:
    p, won = np.array([0.8, 0.6, 0.6, 0.1]), np.array([1.0, 1, 0, 0])
    found = Metrics.of(p, won)
    assert found.brier == pytest.approx((0.04 + 0.16 + 0.36 + 0.01) / 4)
    assert found.brier_skill == pytest.approx(1 - found.brier / 0.25)
    assert Metrics.of(p, won, reference=0.6).brier_skill == pytest.approx(1 - found.brier / 0.26)
    assert Metrics.of(p, won, reference=p).brier_skill == 0
    assert found.auc == pytest.approx(3.5 / 4)
    assert found.pr_auc == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found.lift_top_tenth == pytest.approx(2)
    assert found.mean_probability == pytest.approx(0.525)
    assert np.isnan([found.ece_lower, found.ece_upper]).all()


def test_lift_shares_out_the_tie_that_the_top_tenth_cuts_through() -> None:
    p = np.repeat([0.9, 0.5, 0.1], [5, 10, 85])
    won = np.concatenate([np.ones(5), np.repeat([1.0, 0.0], [4, 6]), np.repeat([1.0, 0.0], [11, 74])])
    # the best ten of a hundred: all five at 0.9, and half of the ten at 0.5 with 40 % won; overall 20 % are won
    assert Metrics.of(p, won).lift_top_tenth == pytest.approx((5 + 2) / 10 / 0.2)


@given(st.integers(1, 200), st.integers(1, 200))
def test_lift_of_a_perfect_ranking(n_won: int, n_lost: int) -> None:
    won = np.repeat([1.0, 0.0], [n_won, n_lost])
    rate = n_won / (n_won + n_lost)
    score = np.linspace(0.9, 0.1, len(won))
    assert Ranked.of(score, won).lift(0.1) == pytest.approx(min(1 / rate, 10))
    assert Ranked.of(np.full(len(won), 0.3), won).lift(0.1) == pytest.approx(1)


def test_bins_have_equal_mass_and_share_out_what_they_cut_through() -> None:
    p = np.array([0.1] * 3 + [0.4] * 2)
    won = np.array([0.0, 0, 1, 1, 0])
    found = Ranked.of(p, won).bins(2)
    assert [item.n for item in found] == [2.5, 2.5]
    assert [item.predicted for item in found] == pytest.approx([0.1, (0.5 * 0.1 + 2 * 0.4) / 2.5])
    assert [item.observed for item in found] == pytest.approx([1 / 3, (0.5 / 3 + 1) / 2.5])
    assert calibration_bins(np.zeros(0), np.zeros(0)) == []


def test_calibration_error_of_one_probability_is_its_distance_from_the_rate() -> None:
    won = np.array([1.0] * 30 + [0.0] * 70)
    assert Metrics.of(np.full(100, 0.42), won).ece == pytest.approx(0.12)


def test_calibration_error_by_hand() -> None:
    p = np.repeat([0.2, 0.6], 50)
    won = np.concatenate([np.repeat([1.0, 0.0], [15, 35]), np.repeat([1.0, 0.0], [20, 30])])
    assert Metrics.of(p, won).ece == pytest.approx((0.1 + 0.2) / 2)


LINE_ROWS = st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans(), st.floats(0.05, 5)), min_size=2, max_size=40)


@given(LINE_ROWS)
def test_calibration_line_is_where_the_likelihood_is_flat(rows: list[tuple[float, bool, float]]) -> None:
    p, won, weight = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    slope, intercept = calibration_line(p, won, weight)
    z = log_odds(p)
    separated = (
        won.min() == won.max()
        or z[won == 1].min() >= z[won == 0].max()
        or z[won == 0].min() >= z[won == 1].max()
    )  # fmt: skip
    assert np.isnan(slope) == np.isnan(intercept) == separated
    if not separated:
        error = weight * (won - expit(slope * z + intercept))
        assert error.sum() == pytest.approx(0, abs=1e-6)
        assert error @ z == pytest.approx(0, abs=1e-6)


def test_calibration_line_is_scikit_learns_unpenalised_fit() -> None:
    random = np.random.default_rng(3)
    z, weight = random.normal(0.4, 1.5, 3000), random.uniform(0.2, 3, 3000)
    won = (random.random(3000) < expit(0.6 * z - 0.4)).astype(float)
    reference = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky")
    reference.fit(z[:, None], won, sample_weight=weight)
    found = calibration_line(expit(z), won, weight)
    assert found == pytest.approx((reference.coef_[0, 0], reference.intercept_[0]), abs=1e-5)


def test_calibration_line_of_honest_probabilities_is_1_and_0() -> None:
    random = np.random.default_rng(0)
    z = random.normal(-0.5, 1.2, 40_000)
    won = (random.random(len(z)) < expit(z)).astype(float)
    slope, intercept = calibration_line(expit(z), won)
    assert slope == pytest.approx(1, abs=0.05)  # its standard error is 0.013
    assert intercept == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(
    ("p", "won"),
    [
        ([0.3, 0.3, 0.3], [1, 0, 1]),
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]),
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]),
        ([0.1, 0.5, 0.5, 0.9], [0, 0, 1, 1]),
        ([0.1, 0.6], [1, 1]),
        ([], []),
    ],
)
def test_no_line_where_there_is_no_finite_one(p: list[float], won: list[int]) -> None:
    assert np.isnan(calibration_line(np.array(p, dtype=float), np.array(won, dtype=float))).all()


def test_undefined_figures_are_nan_and_no_error() -> None:
    nothing = Metrics.of(np.zeros(0), np.zeros(0), deal=np.zeros(0, dtype=np.int64))
    assert nothing.n == 0
    assert all(np.isnan(value) for value in figures(nothing).values())
    lost = Metrics.of(np.array([0.2, 0.4]), np.zeros(2), deal=np.array([0, 1]))
    undefined = {name for name, value in figures(lost).items() if np.isnan(value)}
    assert undefined == {"auc", "brier_skill", "pr_auc", "slope", "intercept", "lift_top_tenth"}
    assert np.isnan(auc(np.array([0.2]), np.array([1.0])))
    assert Metrics.of(np.array([0.0, 1.0]), np.array([1.0, 1.0])).log_loss == np.inf


def clustered(slope: float, n_deals: int = 800, per_deal: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    z = np.repeat(random.normal(0, 1.2, n_deals), per_deal)
    won = np.repeat(random.random(n_deals), per_deal) < expit(slope * z)
    return expit(z), won.astype(float), np.repeat(np.arange(n_deals), per_deal)


def test_interval_of_the_calibration_error_tells_honest_from_overconfident() -> None:
    p, won, deal = clustered(1.0)
    honest = Metrics.of(p, won, deal=deal)
    assert honest.ece_lower < 0.01
    assert honest.ece_lower <= honest.ece_upper
    p, won, deal = clustered(0.3)
    boastful = Metrics.of(p, won, deal=deal)
    assert boastful.ece_lower > 0.05 > honest.ece_lower
    assert boastful == Metrics.of(p, won, deal=deal)


def test_interval_of_the_calibration_error_resamples_deals_not_rows() -> None:
    p, won, deal = clustered(0.3)
    by_deal, by_row = Metrics.of(p, won, deal=deal), Metrics.of(p, won, deal=np.arange(len(p)))
    assert by_deal.ece == by_row.ece
    assert by_deal.ece_upper - by_deal.ece_lower > 2 * (by_row.ece_upper - by_row.ece_lower)


def test_bootstrap_mean_under_weights() -> None:
    values, deal = np.array([1.0, 2, 4, 8]), np.array([0, 0, 1, 2])
    found = bootstrap_mean(values, deal, weight=np.array([1.0, 1, 2, 0]))
    assert found.mean == pytest.approx(11 / 4)
    assert found == bootstrap_mean(np.array([1.0, 2, 4, 4, 8]), np.array([0, 0, 1, 1, 2]),
                                   weight=np.array([1.0, 1, 1, 1, 0]))  # fmt: skip
    assert found.lower <= found.mean <= found.upper


def test_groups_are_figures_of_their_rows() -> None:
    random = np.random.default_rng(1)
    p, weight = random.uniform(0.05, 0.95, 300), random.uniform(0.5, 2, 300)
    won, deal = (random.random(300) < p).astype(float), np.arange(300) // 3
    stage = Coded(random.integers(-1, 2, 300).astype(np.int32), ("A", "B"))
    size = Coded(np.where(np.arange(300) < 5, 0, 1).astype(np.int32), ("few", "many"))
    reference = np.full(300, 0.4)
    found = by_groups(p, won, {"stage": stage, "size": size}, 20, deal=deal, weight=weight, reference=reference)
    assert list(found) == ["stage", "size"]
    assert list(found["stage"]) == ["A", "B"]
    assert list(found["size"]) == ["many"]
    rows = stage.codes == 1
    assert found["stage"]["B"] == Metrics.of(p[rows], won[rows], deal=deal[rows], weight=weight[rows], reference=0.4)
    assert figures(by_group(p, won, stage)["A"]) == pytest.approx(
        figures(Metrics.of(p[stage.codes == 0], won[stage.codes == 0])), nan_ok=True
    )


def test_log_loss_of_certainty() -> None:
    assert row_log_loss(np.array([0.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0])).tolist() == [0, 0, np.inf]
