from __future__ import annotations

import pytest

from crm.tables import micros, moment
from insights.errors import PeriodError
from insights.periods import MONTHS, period_at
from insights.spans import Span, parse_until

AS_OF = micros("2026-05-20")


def edges(text: str, first_month: int = 1) -> tuple[str, str, str]:
    span = parse_until(text, AS_OF, first_month)
    return span.name, f"{moment(span.start):%Y-%m-%d}", f"{moment(span.end):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("text", "first_month", "wanted"),
    [
        ("2026Q4", 1, ("2026Q4", "2026-10-01", "2027-01-01")),
        ("2026-q2", 1, ("2026Q2", "2026-04-01", "2026-07-01")),
        ("", 1, ("2026Q2", "2026-04-01", "2026-07-01")),
        ("quarter", 7, ("2026Q4", "2026-04-01", "2026-07-01")),
        ("month", 7, ("2026-05", "2026-05-01", "2026-06-01")),
        ("year", 7, ("2026", "2025-07-01", "2026-07-01")),
        ("2027Q1", 7, ("2027Q1", "2026-07-01", "2026-10-01")),
        ("", 2, ("2027Q2", "2026-05-01", "2026-08-01")),
        ("2026-12", 2, ("2026-12", "2026-12-01", "2027-01-01")),
        ("2026H2", 1, ("2026H2", "2026-07-01", "2027-01-01")),
        ("2026-06-30", 1, ("by 2026-06-30", "2026-05-20", "2026-07-01")),
    ],
)
def test_periods_and_days(text: str, first_month: int, wanted: tuple[str, str, str]) -> None:
    assert edges(text, first_month) == wanted


@pytest.mark.parametrize("first_month", range(1, 13))
def test_every_day_lies_in_one_quarter_and_quarters_follow_each_other(first_month: int) -> None:
    for day in ("2023-12-31T23:59:59", "2024-01-01", "2024-02-29", "2024-06-30", "2024-07-01", "2024-11-15"):
        found = period_at(micros(day), "quarter", first_month)
        assert found.start <= micros(day) < found.end
        assert (moment(found.start).month - first_month) % MONTHS["quarter"] == 0
        assert parse_until(found.name, found.start, first_month) == Span.of(found)
        assert found.previous.end == found.start
        assert 88 < Span.of(found).days < 93


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("soon", "neither a day nor a period"), ("2026Q5", "neither"), ("2026-02-30", "neither"),
        ("0000Q1", "neither"), ("9999Q4", "neither"), ("9999-12-31", "neither"), ("2026Q1", "is over"),
        ("2026-05-19", "is over"), ("2035-01-01", "too far ahead"), ("2199Q4", "too far ahead"),
    ],
)  # fmt: skip
def test_what_is_no_span_is_said_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(PeriodError, match=words):
        parse_until(text, AS_OF)


def test_a_quarter_that_is_over_in_a_fiscal_year_is_refused() -> None:
    with pytest.raises(PeriodError, match="2027Q1 is over"):
        parse_until("2027Q1", AS_OF, 2)  # February to April 2026


def test_today_can_still_be_forecast() -> None:
    assert parse_until("2026-05-20", AS_OF).days == 1.0
