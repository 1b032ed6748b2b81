from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.tables import DAY, NAT, FloatArray, IntArray, micros
from models.quarter import QUARTER_DAYS, WEEKS, QuarterPace, days_left

START = micros("2023-01-01")


def company(n: int = 6000, crowd: float = 3.0, years: float = 2.5) -> tuple[IntArray, IntArray, FloatArray]:
    """Deals with an even chance to be won or lost each day, wins `crowd` times as likely in a quarter's last week."""
    random = np.random.default_rng(3)
    n_days = int(365.25 * years)
    left = days_left(START + np.arange(n_days + 600, dtype=np.int64) * DAY)
    win, loss = np.where(left <= 7, crowd, 1.0) * 0.01, np.full(len(left), 0.01)
    born = random.integers(0, n_days, n)
    closed, won = np.full(n, np.iinfo(np.int64).max), np.full(n, np.nan)
    for deal, day in enumerate(born):
        chance = random.random(600)
        happens = np.flatnonzero(chance < (win + loss)[day : day + 600])
        if len(happens):
            at = day + int(happens[0])
            closed[deal] = START + at * DAY + DAY // 2
            won[deal] = float(random.random() < win[at] / (win + loss)[at])
    return START + born * DAY, closed, won


def test_it_finds_the_last_week() -> None:
    created, closed, won = company()
    end = START + int(365.25 * 2.5) * DAY
    pace = QuarterPace.learn(created, closed, won, end)
    assert pace is not None
    mean = (3 * 7 + QUARTER_DAYS - 7) / QUARTER_DAYS
    assert pace.won[0] == pytest.approx(3 / mean, rel=0.15)
    assert np.mean(pace.won[1:]) == pytest.approx(1 / mean, rel=0.05)
    assert pace.lost == pytest.approx(np.ones(WEEKS), abs=0.15)
    later = np.where(closed >= end, NAT + 10**17, closed)  # what is not known yet changes nothing
    assert QuarterPace.learn(created, np.where(later < 0, end, closed), won, end) == pace


def test_nothing_is_learnt_from_less_than_a_year() -> None:
    created, closed, won = company(300)
    assert QuarterPace.learn(created, closed, won, START + 300 * DAY) is None
    assert QuarterPace.learn(created[:0], closed[:0], won[:0], START) is None
    assert QuarterPace.learn(np.full(3, NAT), closed[:3], won[:3], START + 900 * DAY) is None


def test_usual_days_by_hand() -> None:
    rates = (4.0, *[0.75] * 12)
    pace = QuarterPace(2, rates, (1.0,) * WEEKS)
    at = np.array([micros("2026-04-21"), micros("2026-04-30")])  # ten days and one before the quarter's end
    won, lost = pace.usual_days(at, np.array([0.0, 1.0, 3.0, 5.0]))
    assert won[0] == pytest.approx([0.0, 0.75, 2.25, 2.25 + 2 * 4.0])
    assert won[1] == pytest.approx([0.0, 4.0, 4.0 + 2 * 0.75, 4.0 + 4 * 0.75])
    assert lost == pytest.approx(np.tile([0.0, 1.0, 3.0, 5.0], (2, 1)))


@given(st.integers(0, 400), st.integers(1, 12), st.lists(st.floats(0.1, 5), min_size=WEEKS, max_size=WEEKS))
def test_usual_days_grow_and_a_quarter_is_worth_its_length(day: int, month: int, rates: list[float]) -> None:
    length = np.append(np.full(WEEKS - 1, 7.0), QUARTER_DAYS - 7.0 * (WEEKS - 1))
    mean = float(np.array(rates) @ length / length.sum())
    pace = QuarterPace(month, tuple(rate / mean for rate in rates), (1.0,) * WEEKS)
    days = np.linspace(0, 800, 200)
    won, _ = pace.usual_days(np.array([START + day * DAY]), days)
    assert np.all(np.diff(won[0]) > 0)
    far = 95.0 + QUARTER_DAYS * np.arange(5)
    assert np.diff(pace.usual_days(np.array([START + day * DAY]), far)[0][0]) == pytest.approx(np.full(4, QUARTER_DAYS))
