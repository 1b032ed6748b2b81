from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.hazards import StageHazards
from models.incidence import Episodes
from models.outlook import PRIOR_QUARTERS, USUAL, Backtest, Judged, Outlook, PastQuarter, shift_of, spread_of
from models.timing import Timing


def quarters(spread: float, n: int, seed: int = 0) -> list[PastQuarter]:
    random = np.random.default_rng(seed)
    found = []
    for place in range(n):
        p = random.uniform(0.1, 0.6, 400)
        odds = np.log(p / (1 - p)) + spread * random.standard_normal()
        won = (random.random(400) < 1 / (1 + np.exp(-odds))).astype(float)
        found.append(PastQuarter.of(place, place + 1, p, won))
    return found


def test_the_shift_makes_the_wins_as_expected() -> None:
    p = np.full(1000, 0.3)
    won = np.repeat([1.0, 0.0], 500)
    assert shift_of(p, won) == pytest.approx(np.log(7 / 3), abs=0.01)
    assert shift_of(p, np.repeat([1.0, 0.0], [300, 700])) == pytest.approx(0.0, abs=0.01)


def test_no_win_at_all_still_gives_a_finite_shift() -> None:
    assert -6 < shift_of(np.full(20, 0.3), np.zeros(20)) < -1
    assert np.isfinite(shift_of(np.zeros(0), np.zeros(0)))


def test_without_a_past_the_spread_is_what_is_usual() -> None:
    assert spread_of([]) == pytest.approx(USUAL)


def test_the_spread_follows_the_quarters_the_more_there_are() -> None:
    assert spread_of(quarters(0.6, 40)) == pytest.approx(0.6, abs=0.12)
    calm = spread_of(quarters(0.0, 40))
    assert calm < 0.12
    assert calm < spread_of(quarters(0.0, 4)) < USUAL  # quarters that only chance moved draw it down
    assert spread_of(quarters(0.0, 4)) >= USUAL * np.sqrt(PRIOR_QUARTERS / (4 + PRIOR_QUARTERS)) - 1e-9


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    made = Outlook(Timing(StageHazards(), "by stage"), tuple(quarters(0.3, 3)),
                   (Backtest("2026Q1", 5, "EUR", 1.0, 2.0, 3.0, 2.5),), {"by stage": 0.5},
                   (Judged(30, 40, 0.1, 0.2, 0.09, 0.8),))  # fmt: skip
    made.save(tmp_path)
    again = Outlook.load(tmp_path)
    assert (again.quarters, again.backtests, again.losses, again.judged) == (
        made.quarters, made.backtests, made.losses, made.judged,
    )  # fmt: skip
    assert again.spread == made.spread


def test_what_was_said_is_judged_by_what_could_be_followed() -> None:
    p = np.array([0.1, 0.2, 0.6, 0.7, 0.5])
    days, watched = np.array([10.0, np.inf, 20.0, 25.0, np.inf]), np.array([90.0, 90.0, 90.0, 90.0, 20.0])
    found = Judged.of(p, Episodes(days, watched, np.array([1.0, np.nan, 0.0, 1.0, np.nan])), 30)
    assert found is not None
    # the last could be followed for 20 days only; the two that were still open then stand for it, half each
    weight = np.array([1.0, 1.5, 1.0, 1.5, 0.0])
    won = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    assert (found.days, found.rows) == (30, 5)
    assert found.said == pytest.approx(np.average(p, weights=weight))
    assert found.came == pytest.approx(np.average(won, weights=weight))
    assert found.brier == pytest.approx(np.average((p - won) ** 2, weights=weight))
    assert Judged.of(p, Episodes(days, watched, np.zeros(5)), 120) is None
