"""Periods that managers plan by: quarters of a fiscal year that may start in any month, and single days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from crm.tables import DAY, micros, moment
from insights.errors import PeriodError

FURTHEST = 731
"""Days that a forecast may reach ahead: two years."""
_QUARTER = re.compile(r"(\d{4})\s*-?\s*[Qq]([1-4])\Z", re.ASCII)


@dataclass(frozen=True)
class Period:
    """A stretch of time: what closes at or after `start` and before `end` counts.

    Attributes:
        name: In words: `2026Q4`, or `by 2026-12-31`.
        start: Microseconds.
        end: Microseconds.
    """

    name: str
    start: int
    end: int

    @property
    def days(self) -> float:
        """Its length in days."""
        return (self.end - self.start) / DAY


def quarter(year: int, number: int, first_month: int = 1) -> Period:
    """A quarter of a fiscal year.

    A fiscal year bears the number of the calendar year in which it ends, so with `first_month` 7 the quarter 2026Q1
    begins on 1 July 2025.

    Args:
        year: Number of the fiscal year.
        number: 1 to 4.
        first_month: Month in which the fiscal year starts, 1 to 12.
    """
    months = (year - (first_month > 1)) * 12 + first_month - 1 + 3 * (number - 1)
    edges = [datetime((months + more) // 12, (months + more) % 12 + 1, 1, tzinfo=UTC) for more in (0, 3)]
    return Period(f"{year}Q{number}", micros(edges[0]), micros(edges[1]))


def quarter_at(when: int, first_month: int = 1) -> Period:
    """The quarter of the fiscal year in which a moment (microseconds) lies."""
    day = moment(when)
    months = day.year * 12 + day.month - first_month
    year = months // 12 + (first_month > 1)
    return quarter(year, months % 12 // 3 + 1, first_month)


def quarter_before(period: Period, first_month: int = 1) -> Period:
    """The quarter before one."""
    return quarter_at(period.start - 1, first_month)


def parse_until(text: str, as_of: int, first_month: int = 1) -> Period:
    """The period that `--until` names.

    Args:
        text: A quarter such as `2026Q4`, which is forecast as a whole, what was won in it so far included; or a day
            such as `2026-12-31`, for what is won from `as_of` up to the end of that day; or nothing, for the quarter in
            which `as_of` lies.
        as_of: Moment of the forecast, in microseconds.
        first_month: Month in which the fiscal year starts.

    Raises:
        PeriodError: It is neither, it is over at `as_of`, or it lies more than `FURTHEST` days ahead.
    """
    text = text.strip()
    found = _QUARTER.match(text)
    try:
        if not text:
            period = quarter_at(as_of, first_month)
        elif found:
            period = quarter(int(found[1]), int(found[2]), first_month)
        else:
            day = date.fromisoformat(text)
            period = Period(f"by {day}", as_of, micros(day + timedelta(days=1)))
    except (ValueError, OverflowError):
        raise PeriodError(f"{text[:40]!r} is neither a day nor a quarter; write 2026-12-31 or 2026Q4") from None
    if period.end <= as_of:
        raise PeriodError(f"{text} is over: the forecast is made as of {moment(as_of):%Y-%m-%d}")
    if period.end - as_of > FURTHEST * DAY:
        raise PeriodError(f"{text} lies too far ahead: a forecast reaches {FURTHEST} days")
    return period
