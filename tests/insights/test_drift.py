"""Whether deals have changed: the index by hand, what chance gives, and a shift that is found and named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crm.ledger import rows_of
from crm.store import Store
from crm.tables import Coded, micros
from features.matrix import FeatureMatrix
from features.registry import features_of
from insights.drift import Population, binned, chance, every, input_drift, mix, psi, rate_drift, reasons_psi
from tests.insights.conftest import CUT, Company, Keep

YES_NO = ("yes", "no")


def test_psi_by_hand() -> None:
    expected, actual = np.array([500.0, 500.0]), np.array([800.0, 200.0])
    by_hand = 0.3 * math.log(0.8 / 0.5) + (-0.3) * math.log(0.2 / 0.5)
    assert psi(expected, actual) == pytest.approx(by_hand, rel=0.01)
    assert psi(expected, expected) == 0
    assert np.isfinite(psi(np.array([10.0, 0.0]), np.array([0.0, 10.0])))


def test_chance_holds_what_it_says() -> None:
    """Two samples of one population: the index stays below but for one time in a thousand."""
    random = np.random.default_rng(0)
    above = 0
    for _ in range(4_000):
        old, new = binned(random.normal(size=400), random.normal(size=150))
        above += psi(old, new) > chance(len(old), 400, 150)
    assert above <= 14  # four are expected; more than 14 come once in 20,000 times
    assert chance(10, 400, 150, tries=50) > chance(10, 400, 150)


def test_bins_are_tenths_of_the_old_with_one_for_what_is_missing() -> None:
    old = np.concatenate([np.arange(100.0), np.full(25, np.nan)])
    was, now = binned(old, np.array([-5.0, 99.0, 1e9, np.nan]))
    assert was.tolist() == [10] * 10 + [25]
    assert now.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1]


def test_a_new_level_and_a_missing_one_are_bins_too() -> None:
    old, new = Coded.of(["yes", "no", "no", None]), Coded.of(["no", "never seen"])
    was, now = binned(old, new)
    assert sorted(zip(was.tolist(), now.tolist(), strict=True)) == [(0, 1), (1, 0), (1, 0), (2, 1)]


def test_a_column_that_was_always_missing_and_one_with_a_single_value() -> None:
    assert psi(*binned(np.full(5, np.nan), np.full(9, np.nan))) == 0
    was, now = binned(np.full(50, 3.0), np.array([3.0] * 30 + [4.0] * 20))
    assert psi(was, now) > 0.25


def test_every_takes_whole_deals() -> None:
    deal = np.repeat(np.arange(40), 25)
    rows = every(deal, 250)
    assert np.unique(deal[rows], return_counts=True)[1].tolist() == [25] * 10
    assert every(deal, 1_000).tolist() == list(range(1_000))


def test_a_shift_is_found_named_and_told_from_what_stayed(company: Company, store: Store, keep: Keep) -> None:
    run = keep("2024-07-08")
    (part,) = rows_of(store, run)
    old = Population.before(company.history, CUT, company.models[1].loaded.read(features_of(company.history)))
    assert (old.pairs.as_of < CUT).all()
    calm = {item.feature: item for item in input_drift(old, FeatureMatrix(part.values, len(part)), {}, {})}
    assert not calm["amount"].clock
    assert calm["amount"].psi < max(calm["amount"].chance, 0.25)
    assert calm["days_to_quarter_end"].clock, "all deals of a day are equally far from the quarter's end"
    amount = part.values["amount"]
    assert not isinstance(amount, Coded)
    moved = {**part.values, "amount": amount * 100}
    found = input_drift(old, FeatureMatrix(moved, len(part)), {"amount": "value"}, {"amount": 0.2})
    assert (found[0].feature, found[0].label, found[0].share) == ("amount", "value", 0.2)
    assert found[0].psi > max(0.25, found[0].chance)
    clocks = [item.clock for item in found]
    assert clocks == sorted(clocks), "clocks come last"


def test_the_mix_of_reasons(company: Company, store: Store, keep: Keep) -> None:
    run = keep("2024-07-08")
    (part,) = rows_of(store, run)
    model = company.models[1]
    old = Population.before(company.history, CUT, model.loaded.read(features_of(company.history)))
    assert mix(part.contributions).sum() == pytest.approx(1)
    assert mix(np.zeros((3, 2))).tolist() == [0, 0]
    assert reasons_psi(old, part.contributions, model) < 0.25
    one_sided = np.zeros_like(part.contributions)
    one_sided[:, 0] = 1.0
    assert reasons_psi(old, one_sided, model) > 0.25


def test_the_win_rate_before_and_since(company: Company) -> None:
    history, end = company.history, micros("2025-06-30")
    found = rate_drift(history, CUT, end)
    assert found is not None
    since = (history.closed >= CUT) & (history.closed < end)
    assert (found.n_after, found.after) == (since.sum(), pytest.approx(history.won[since].mean()))
    assert found.n_before == ((history.closed < CUT) & (history.closed >= CUT - 365 * 86_400_000_000)).sum()
    assert rate_drift(history, int(history.created.min()), end) is None
    assert rate_drift(history, end, end) is None
