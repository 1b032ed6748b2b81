"""Periods that figures are about: months, quarters, halves and years, of the calendar or of a company's fiscal year.

A fiscal year is named by the calendar year in which it ends: with `fiscal_year_start` 4, `2026` is April 2025 to March
2026 and `2026Q1` is April to June 2025. With 1, the default, it is the calendar year. A month such as `2026-08` is
always the calendar's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from crm.tables import micros, moment
from insights.errors import PeriodError

PeriodKind = Literal["year", "half", "quarter", "month"]
MONTHS: dict[PeriodKind, int] = {"year": 12, "half": 6, "quarter": 3, "month": 1}
"""Length of each kind, in months."""
PATTERN = r"^(?:19|20|21)[0-9]{2}(?:-?[Hh][12]|-?[Qq][1-4]|-(?:0[1-9]|1[0-2]))?$"
"""How a period is written."""
_PARTS = re.compile(r"(?P<year>\d{4})(?:-?[Hh](?P<half>\d)|-?[Qq](?P<quarter>\d)|-(?P<month>\d\d))?")


@dataclass(frozen=True)
class Period:
    """A span of whole months.

    Attributes:
        kind: Its length.
        first: Its first month, counted from January of year 0: 12 x year + month - 1.
        fiscal_year_start: Month in which years, halves and quarters start to be counted, 1 to 12.
    """

    kind: PeriodKind
    first: int
    fiscal_year_start: int = 1

    @property
    def start(self) -> int:
        """00:00 UTC of its first day, in microseconds since 1970."""
        return _month_start(self.first)

    @property
    def end(self) -> int:
        """00:00 UTC of the day after its last, in microseconds: the period is [start, end)."""
        return _month_start(self.first + MONTHS[self.kind])

    @property
    def name(self) -> str:
        """As it is written: `2026Q3`, `2026-08`, `2026`, `2026H1`."""
        if self.kind == "month":
            return f"{self.first // 12:04d}-{self.first % 12 + 1:02d}"
        year, month = _fiscal(self.first, self.fiscal_year_start)
        letter = {"year": "", "half": "H", "quarter": "Q"}[self.kind]
        return f"{year:04d}{letter}{month // MONTHS[self.kind] + 1 if letter else ''}"

    @property
    def words(self) -> str:
        """Its first and last day, such as `2026-07-01 to 2026-09-30`."""
        return f"{moment(self.start):%Y-%m-%d} to {moment(self.end - 1):%Y-%m-%d}"

    def moved(self, n: int) -> Period:
        """The n-th period of the same length after it; before it where n is negative."""
        return Period(self.kind, self.first + n * MONTHS[self.kind], self.fiscal_year_start)

    @property
    def previous(self) -> Period:
        """The period of the same length before it."""
        return self.moved(-1)

    @property
    def year_before(self) -> Period:
        """The same period of the year before."""
        return self.moved(-12 // MONTHS[self.kind])


def parse_period(text: str, fiscal_year_start: int = 1) -> Period:
    """Read a period such as `2026Q3`, `2026-08`, `2026` or `2026H1`.

    Args:
        text: As people write it.
        fiscal_year_start: Month in which the company's year starts, 1 to 12.

    Raises:
        PeriodError: It is none of these.
    """
    text = text.strip()
    found = _PARTS.fullmatch(text) if re.match(PATTERN, text) else None
    if found is None:
        raise PeriodError(f"{text[:40]!r} is not a period; write it as 2026Q3, 2026-08, 2026H1 or 2026")
    year = int(found["year"])
    if found["month"]:
        return Period("month", 12 * year + int(found["month"]) - 1, fiscal_year_start)
    first = 12 * year + fiscal_year_start - 1 - (12 if fiscal_year_start > 1 else 0)
    for kind in ("half", "quarter"):
        if found[kind]:
            return Period(kind, first + (int(found[kind]) - 1) * MONTHS[kind], fiscal_year_start)
    return Period("year", first, fiscal_year_start)


def period_at(when: int, kind: PeriodKind = "quarter", fiscal_year_start: int = 1) -> Period:
    """The period of a kind that holds a moment.

    Args:
        when: Microseconds since 1970, UTC.
        kind: Length of the period.
        fiscal_year_start: Month in which the company's year starts, 1 to 12.
    """
    day = moment(when)
    month = 12 * day.year + day.month - 1
    return Period(kind, month - (month - fiscal_year_start + 1) % MONTHS[kind], fiscal_year_start)


def last_over(by: int, kind: PeriodKind = "quarter", fiscal_year_start: int = 1) -> Period:
    """The last period of a kind that was over by a moment.

    Args:
        by: Microseconds since 1970, UTC.
        kind: Length of the period.
        fiscal_year_start: Month in which the company's year starts, 1 to 12.
    """
    return period_at(by, kind, fiscal_year_start).previous


def _fiscal(month: int, fiscal_year_start: int) -> tuple[int, int]:
    """Fiscal year of a month, and the month's place in it, 0 to 11."""
    since = month - (fiscal_year_start - 1)
    return since // 12 + (1 if fiscal_year_start > 1 else 0), since % 12


def _month_start(month: int) -> int:
    return micros(datetime(month // 12, month % 12 + 1, 1))
