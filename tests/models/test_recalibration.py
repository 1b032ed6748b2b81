from __future__ import annotations

import numpy as np
import pytest

from crm.tables import FloatArray, IntArray
from models.metrics import calibration_line
from models.recalibration import calibration_line_interval


def drawn(n_deals: int, rows: int, slope: float, seed: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """Rows whose true log-odds are slope x what is said; the rows of a deal share their outcome."""
    random = np.random.default_rng(seed)
    z = random.normal(size=n_deals)
    won = (random.random(n_deals) < 1 / (1 + np.exp(-slope * z))).astype(np.float64)
    deal = np.repeat(np.arange(n_deals), rows)
    return 1 / (1 + np.exp(-z[deal])), won[deal], deal


def test_the_line_is_that_of_all_rows() -> None:
    p, won, deal = drawn(300, 4, 0.6, 1)
    slope, intercept = calibration_line_interval(p, won, deal)
    assert (slope.mean, intercept.mean) == calibration_line(p, won)
    assert slope.lower < slope.mean < slope.upper
    assert intercept.lower < intercept.mean < intercept.upper


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = [0, 0]
    for seed in range(100):
        slope, intercept = calibration_line_interval(*drawn(400, 5, 0.7, seed))
        held[0] += slope.lower <= 0.7 <= slope.upper
        held[1] += intercept.lower <= 0.0 <= intercept.upper
    assert min(held) >= 88, held  # 95 are promised; 88 or fewer come by chance once in 300 times
    assert max(held) <= 100


def test_rows_of_a_deal_are_no_further_evidence() -> None:
    one = calibration_line_interval(*drawn(400, 1, 1.0, 3))[0]
    ten = calibration_line_interval(*drawn(400, 10, 1.0, 3))[0]
    assert ten.error == pytest.approx(one.error, rel=0.1)
    assert ten.mean == pytest.approx(one.mean, rel=1e-6)


def test_close_to_drawing_whole_lines_anew() -> None:
    p, won, deal = drawn(200, 3, 1.2, 5)
    random = np.random.default_rng(0)
    lines = [calibration_line(p, won, random.poisson(1.0, 200).astype(float)[deal])[0] for _ in range(300)]
    slope, _ = calibration_line_interval(p, won, deal)
    assert slope.error == pytest.approx(float(np.std(lines)), rel=0.25)


def test_a_weight_of_two_is_two_rows() -> None:
    p, won, deal = drawn(200, 1, 1.0, 7)
    twice = calibration_line_interval(p, won, deal, np.full(200, 2.0))
    assert twice[0].mean == pytest.approx(calibration_line_interval(p, won, deal)[0].mean)
    assert twice[0].error == pytest.approx(calibration_line_interval(p, won, deal)[0].error)


@pytest.mark.parametrize("p", [np.full(4, 0.5), np.array([0.1, 0.2, 0.8, 0.9])])
def test_where_there_is_no_line_there_is_no_interval(p: FloatArray) -> None:
    slope, intercept = calibration_line_interval(p, np.array([0.0, 0.0, 1.0, 1.0]), np.arange(4))
    assert np.isnan([slope.mean, slope.lower, intercept.upper]).all()
