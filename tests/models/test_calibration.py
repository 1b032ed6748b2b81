from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from models.calibration import KINDS, MANY_DEALS, Beta, Cautious, Isotonic, Plain, Platt, candidates, choose
from models.metrics import Metrics, auc, bootstrap_mean, calibration_line, row_log_loss


def sample(n: int, slope: float = 1.0, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds z, and outcomes whose true log-odds are slope z + shift."""
    random = np.random.default_rng(seed)
    z = random.normal(0, 1.5, n)
    return z, (random.random(n) < expit(slope * z + shift)).astype(float)


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_calibration_is_monotone_bounded_and_survives_saving(kind: type) -> None:
    z, won = sample(3000, 0.5)
    form = kind()
    form.fit(z, won)
    grid = np.linspace(-30, 30, 2001)
    p = form(grid)
    assert np.all(np.diff(p) >= 0)
    assert p.min() > 0
    assert p.max() < 1
    assert np.array_equal(kind.of(form.numbers())(grid), p)


def test_platt_finds_the_slope_of_overconfident_odds() -> None:
    z, won = sample(20_000, 0.5, -0.3)
    form = Platt()
    form.fit(z, won)
    assert form.a == form.b == pytest.approx(0.5, abs=0.03)
    assert form.c == pytest.approx(-0.3, abs=0.05)
    assert calibration_line(form(z), won)[0] == pytest.approx(1.0, abs=0.01)


def test_few_deals_are_never_given_bold_odds() -> None:
    slopes, plain = [], []
    for seed in range(40):
        z, won = sample(150, 0.7, seed=seed)
        form, bold = Cautious(), Platt()
        form.fit(z, won)
        bold.fit(z, won)
        assert form.a < bold.a
        assert form(z).mean() == pytest.approx(bold(z).mean(), abs=0.02)
        slopes.append(0.7 / form.a)
        plain.append(0.7 / bold.a)
    assert np.mean(np.array(slopes) < 0.8) < 0.1 < np.mean(np.array(plain) < 0.8)
    z, won = sample(100_000, 0.7)
    form.fit(z, won)
    assert form.a == pytest.approx(0.7, abs=0.03)


def test_forms_by_number_of_deals_not_rows() -> None:
    assert candidates(500) == [Cautious]
    assert candidates(5_000) == [Plain, Platt, Beta]
    assert Isotonic in candidates(MANY_DEALS)


def test_choose_keeps_none_where_odds_are_honest_and_mends_those_that_are_not() -> None:
    deal = np.arange(4000)
    later = deal >= 3000
    z, won = sample(4000, 1.0, seed=3)
    honest, losses = choose(z, won, deal, ~later, later)
    assert losses[honest.kind] == min(losses.values())
    z, won = sample(4000, 0.4, seed=4)
    mended, losses = choose(z, won, deal, ~later, later)
    assert mended.kind != "none"
    assert losses[mended.kind] < losses["none"]


def test_choose_with_one_outcome_only_learns_nothing() -> None:
    z = np.zeros(10)
    form, losses = choose(z, np.ones(10), np.arange(10), np.arange(10) < 5, np.arange(10) >= 5)
    assert form.kind == "none"
    assert losses == {}


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=4, max_size=40))
def test_figures_agree_with_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    p = np.array([row[0] for row in rows])
    won = np.array([float(row[1]) for row in rows])
    found = Metrics.of(p, won)
    assert found.log_loss == pytest.approx(log_loss(won, p, labels=[0, 1]))
    if 0 < won.sum() < len(won):
        assert found.auc == pytest.approx(roc_auc_score(won, p))
    else:
        assert np.isnan(auc(p, won))


def test_bootstrap_resamples_deals_not_rows() -> None:
    random = np.random.default_rng(0)
    by_deal = random.normal(0, 1, 200)
    rows = np.repeat(by_deal, 25)
    deal = np.repeat(np.arange(200), 25)
    clustered = bootstrap_mean(rows, deal)
    naive = bootstrap_mean(rows, np.arange(len(rows)))
    assert clustered.mean == naive.mean
    assert clustered.upper - clustered.lower == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.15)
    assert clustered.upper - clustered.lower > 4 * (naive.upper - naive.lower)


def test_row_log_loss_is_minus_log_of_what_happened() -> None:
    assert row_log_loss(np.array([0.25, 0.25]), np.array([1.0, 0.0])) == pytest.approx([-np.log(0.25), -np.log(0.75)])
