from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.tables import micros
from insights.errors import PeriodError
from insights.periods import MONTHS, Period, PeriodKind, last_over, parse_period, period_at

KINDS: tuple[PeriodKind, ...] = ("year", "half", "quarter", "month")


@pytest.mark.parametrize(
    ("text", "starts", "days"),
    [
        ("2026Q3", 1, "2026-07-01 to 2026-09-30"),
        ("2026-q3", 1, "2026-07-01 to 2026-09-30"),
        ("2026-08", 1, "2026-08-01 to 2026-08-31"),
        ("2026-02", 7, "2026-02-01 to 2026-02-28"),
        ("2026", 1, "2026-01-01 to 2026-12-31"),
        ("2026H2", 1, "2026-07-01 to 2026-12-31"),
        ("2026", 4, "2025-04-01 to 2026-03-31"),
        ("2026Q1", 4, "2025-04-01 to 2025-06-30"),
        ("2026Q4", 4, "2026-01-01 to 2026-03-31"),
        ("2026H1", 10, "2025-10-01 to 2026-03-31"),
        ("2026Q1", 2, "2025-02-01 to 2025-04-30"),
    ],
)
def test_a_period_is_read_as_people_write_it(text: str, starts: int, days: str) -> None:
    assert parse_period(text, starts).words == days


@pytest.mark.parametrize("text", ["", "2026Q5", "2026-13", "2026H3", "Q3", "26Q3", "2026Q", "last", "٢٠٢٦", "2026Q3\n2",
                                  "1800"])  # fmt: skip
def test_what_is_no_period_is_told_with_what_would_be_one(text: str) -> None:
    with pytest.raises(PeriodError, match="write it as 2026Q3, 2026-08, 2026H1 or 2026"):
        parse_period(text)


@given(st.sampled_from(KINDS), st.integers(1, 12), st.datetimes(datetime(1990, 1, 1), datetime(2150, 1, 1)))
def test_every_moment_lies_in_one_period_of_each_kind(kind: PeriodKind, starts: int, when: datetime) -> None:
    period = period_at(micros(when), kind, starts)
    assert period.start <= micros(when) < period.end
    assert parse_period(period.name, starts) == period
    assert period.previous.end == period.start
    assert period.moved(1).start == period.end
    before = datetime.fromtimestamp(period.year_before.start / 1e6, UTC)
    now = datetime.fromtimestamp(period.start / 1e6, UTC)
    assert (before.year + 1, before.month, before.day) == (now.year, now.month, 1)
    if kind != "month":
        assert (now.month - starts) % MONTHS[kind] == 0


def test_the_last_period_that_is_over() -> None:
    assert last_over(micros("2026-10-01")).name == "2026Q3"
    assert last_over(micros("2026-09-30")).name == "2026Q2"
    assert last_over(micros("2026-09-30"), "month") == Period("month", 12 * 2026 + 7)
