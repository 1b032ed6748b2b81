from __future__ import annotations

import numpy as np
import pytest

from insights.simulation import LEVELS, Arrivals, Pipeline, draw_totals, shocks

NONE = np.zeros(0)


def pipeline(n: int = 500, seed: int = 0, currencies: int = 1, noise: float = 0.0) -> Pipeline:
    random = np.random.default_rng(seed)
    currency = random.integers(0, currencies, n).astype(np.int32)
    return Pipeline(random.uniform(0.01, 0.6, n), random.lognormal(8, 1, n), currency, currencies, noise)


def test_independent_deals_have_the_mean_and_the_variance_of_their_sum() -> None:
    deals = pipeline()
    found = draw_totals(deals, None, 0.0, 20_000)
    p, amount = deals.p, deals.amount
    assert found.wins.mean() == pytest.approx(p.sum(), rel=0.01)
    assert found.wins.var() == pytest.approx((p * (1 - p)).sum(), rel=0.05)
    assert found.money[:, 0].mean() == pytest.approx(p @ amount, rel=0.01)
    assert found.money[:, 0].var() == pytest.approx((p * (1 - p)) @ amount**2, rel=0.07)


def test_a_common_shock_widens_the_spread_and_hardly_moves_the_middle() -> None:
    deals = pipeline(3000)
    calm, shaken = (draw_totals(deals, None, spread, 10_000) for spread in (0.0, 0.4))
    assert shaken.wins.std() > 3 * calm.wins.std()
    assert np.median(shaken.wins) == pytest.approx(np.median(calm.wins), rel=0.02)
    # of one deal of probability p, the shock moves the expected wins by sigma(logit p + z)
    low = shaken.wins[: 10_000 // LEVELS].mean()
    odds = np.log(deals.p / (1 - deals.p)) + shocks(0.4)[0]
    assert low == pytest.approx((1 / (1 + np.exp(-odds))).sum(), rel=0.02)


def test_amounts_that_still_move_widen_the_spread() -> None:
    deals, moving = pipeline(200), pipeline(200, noise=0.5)
    still, moved = (draw_totals(item, None, 0.0, 20_000).money[:, 0] for item in (deals, moving))
    extra = deals.p @ (0.5 * deals.amount) ** 2
    assert moved.var() - still.var() == pytest.approx(extra, rel=0.2)
    assert moved.mean() == pytest.approx(still.mean(), rel=0.02)
    assert moved.min() >= 0


def test_currencies_are_never_summed() -> None:
    deals = pipeline(300, currencies=3)
    found = draw_totals(deals, None, 0.0, 10_000)
    assert found.money.shape == (10_000, 3)
    for code in range(3):
        mine = deals.currency == code
        assert found.money[:, code].mean() == pytest.approx(deals.p[mine] @ deals.amount[mine], rel=0.03)


def test_deals_that_are_not_there_yet_arrive() -> None:
    nobody = Pipeline(NONE, NONE, np.zeros(0, dtype=np.int32), 2)
    arrivals = Arrivals(200.0, 0.1, 0.2, np.array([100.0, 300.0]), np.array([0, 1], dtype=np.int32))
    found = draw_totals(nobody, arrivals, 0.0, 20_000)
    assert found.wins.mean() == pytest.approx(20.0, rel=0.02)
    assert found.wins.var() == pytest.approx(20.0 + (20.0 * 0.2) ** 2, rel=0.08)
    assert found.money.mean(axis=0) == pytest.approx([1000.0, 3000.0], rel=0.04)


def test_the_same_seed_gives_the_same_draws() -> None:
    first, again, other = (draw_totals(pipeline(), None, 0.3, 1_000, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.money, again.money)
    assert not np.array_equal(first.money, other.money)


def test_nothing_to_draw_from_is_nothing_won() -> None:
    found = draw_totals(Pipeline(NONE, NONE, np.zeros(0, dtype=np.int32), 1), None, 0.3, 100)
    assert not found.wins.any()
    assert not found.money.any()


def test_rare_deals_are_won_as_rarely_as_they_should() -> None:
    n = 20_000
    deals = Pipeline(np.full(n, 3e-6), np.ones(n), np.zeros(n, dtype=np.int32), 1)
    # 0.06 wins a draw; far less than one step of the 16 bits that are compared
    assert draw_totals(deals, None, 0.0, 10_000).wins.mean() == pytest.approx(0.06, rel=0.2)
