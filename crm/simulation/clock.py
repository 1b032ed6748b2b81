"""When things happen: seasons of entry, working hours, and the crowd at the end of a quarter.

Times are microseconds since 1970 in UTC, on whole seconds.
"""

from __future__ import annotations

import numpy as np

from crm.simulation.hazards import EPOCH
from crm.tables import DAY, FloatArray, IntArray

SECOND = 1_000_000
WEEK = 7 * DAY
MONTH_WEIGHTS = (1.05, 1.08, 1.12, 1.0, 1.0, 1.02, 0.85, 0.68, 1.15, 1.12, 1.05, 0.72)
WEEKDAY_WEIGHTS = (1.15, 1.25, 1.2, 1.1, 0.9, 0.08, 0.06)


def weekday(day: IntArray) -> IntArray:
    """Day of the week, Monday 0, of days since 1970 (a Thursday)."""
    return (day + EPOCH.weekday()) % 7


def _time_of_day(n: int, rng: np.random.Generator) -> IntArray:
    hours = 7.5 + 11.0 * rng.beta(2.0, 2.0, n)
    return (hours * 3600).astype(np.int64) * SECOND


def entry_times(n: int, first: int, last: int, rng: np.random.Generator) -> IntArray:
    """Times of entry of n deals on the days from `first` to before `last`, in order, with the seasons of a year."""
    days = np.arange(first, last, dtype=np.int64)
    month = days.astype("M8[D]").astype("M8[M]").astype(np.int64) % 12
    weight: FloatArray = np.array(MONTH_WEIGHTS)[month] * np.array(WEEKDAY_WEIGHTS)[weekday(days)]
    weight = weight * (1.0 + 0.08 * (days - first) / 365.25) * rng.gamma(30.0, 1 / 30.0, len(days))
    day = rng.choice(days, n, p=weight / weight.sum())
    return np.sort(day * DAY + _time_of_day(n, rng))


def within(start: IntArray, end: IntArray, rng: np.random.Generator) -> IntArray:
    """A time after `start` and before `end` for each pair, mostly in working hours; `start` where there is no room."""
    n = len(start)
    first = start // DAY
    days = np.maximum((end - 1) // DAY - first + 1, 1)
    day = first + (rng.random(n) * days).astype(np.int64)
    for _ in range(3):
        rest = (weekday(day) >= 5) & (rng.random(n) < 0.95)
        day = np.where(rest, first + (rng.random(n) * days).astype(np.int64), day)
    time = day * DAY + _time_of_day(n, rng)
    anywhere = (start + rng.random(n) * (end - start)).astype(np.int64) // SECOND * SECOND
    time = np.where((time > start) & (time < end), time, anywhere)
    return np.where((time > start) & (time < end), time, start).astype(np.int64)
