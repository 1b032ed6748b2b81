"""Spans of time that a forecast is for: a period as a whole, or from its moment up to the end of a day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from crm.tables import DAY, micros, moment
from insights.errors import PeriodError
from insights.periods import MONTHS, Period, parse_period, period_at

FURTHEST = 731
"""Days that a forecast may reach ahead: two years."""


@dataclass(frozen=True)
class Span:
    """A stretch of time: what closes at or after `start` and before `end` counts.

    Attributes:
        name: In words: `2026Q4`, or `by 2026-12-31`.
        start: Microseconds.
        end: Microseconds.
        rolling: Whether it starts at the moment of the forecast, rather than on a day of the calendar.
    """

    name: str
    start: int
    end: int
    rolling: bool = False

    @classmethod
    def of(cls, period: Period) -> Span:
        """A period as a whole."""
        return cls(period.name, period.start, period.end)

    def since(self, when: int) -> Span:
        """The span that a forecast made at an earlier moment was for: a rolling one starts there."""
        return replace(self, start=when) if self.rolling else self

    @property
    def days(self) -> float:
        """Its length in days."""
        return (self.end - self.start) / DAY


def parse_until(text: str, as_of: int, fiscal_year_start: int = 1) -> Span:
    """The span that `--until` names.

    Args:
        text: A period such as `2026Q4` or `2026-12`, which is forecast as a whole, what was won in it so far included;
            or `quarter`, `month`, `half` or `year` for the one in which `as_of` lies, `quarter` if it is empty; or a
            day such as `2026-12-31`, for what is won from `as_of` up to the end of that day.
        as_of: Moment of the forecast, in microseconds.
        fiscal_year_start: Month in which the company's year starts, 1 to 12.

    Raises:
        PeriodError: It is none of these, it is over at `as_of`, or it ends more than `FURTHEST` days ahead.
    """
    text = text.strip()
    kind = next((kind for kind in MONTHS if kind == (text or "quarter")), None)
    if kind is not None:
        span = Span.of(period_at(as_of, kind, fiscal_year_start))
    else:
        span = _day(text, as_of) or Span.of(_period(text, fiscal_year_start))
    if span.end <= as_of:
        raise PeriodError(f"{text} is over: the forecast is made as of {moment(as_of):%Y-%m-%d}")
    if span.end - as_of > FURTHEST * DAY:
        raise PeriodError(f"{text} lies too far ahead: a forecast reaches {FURTHEST} days")
    return span


def _day(text: str, as_of: int) -> Span | None:
    """From a moment to the end of a day; None where the text is no day."""
    try:
        day = date.fromisoformat(text) if len(text) == len("2026-12-31") else None
        return None if day is None else Span(f"by {day}", as_of, micros(day + timedelta(days=1)), rolling=True)
    except (ValueError, OverflowError):
        return None


def _period(text: str, fiscal_year_start: int) -> Period:
    try:
        return parse_period(text, fiscal_year_start)
    except PeriodError:
        told = "neither a day nor a period; write 2026-12-31, 2026Q4, 2026-12 or 2026H2"
        raise PeriodError(f"{text[:40]!r} is {told}") from None
