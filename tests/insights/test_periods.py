from __future__ import annotations

import pytest

from crm.tables import micros, moment
from insights.errors import PeriodError
from insights.periods import parse_until, quarter, quarter_at, quarter_before

AS_OF = micros("2026-05-20")


def edges(text: str, first_month: int = 1) -> tuple[str, str, str]:
    period = parse_until(text, AS_OF, first_month)
    return period.name, f"{moment(period.start):%Y-%m-%d}", f"{moment(period.end):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("text", "first_month", "wanted"),
    [
        ("2026Q4", 1, ("2026Q4", "2026-10-01", "2027-01-01")),
        ("2026-q2", 1, ("2026Q2", "2026-04-01", "2026-07-01")),
        ("", 1, ("2026Q2", "2026-04-01", "2026-07-01")),
        ("", 7, ("2026Q4", "2026-04-01", "2026-07-01")),
        ("2027Q1", 7, ("2027Q1", "2026-07-01", "2026-10-01")),
        ("2027Q1", 2, ("2027Q1", "2026-02-01", "2026-05-01")),
        ("", 2, ("2027Q2", "2026-05-01", "2026-08-01")),
        ("2026-06-30", 1, ("by 2026-06-30", "2026-05-20", "2026-07-01")),
    ],
)
def test_quarters_and_days(text: str, first_month: int, wanted: tuple[str, str, str]) -> None:
    if text == "2027Q1" and first_month == 2:
        with pytest.raises(PeriodError, match="is over"):
            edges(text, first_month)
        return
    assert edges(text, first_month) == wanted


@pytest.mark.parametrize("first_month", range(1, 13))
def test_every_day_lies_in_one_quarter_and_quarters_follow_each_other(first_month: int) -> None:
    for day in ("2023-12-31T23:59:59", "2024-01-01", "2024-02-29", "2024-06-30", "2024-07-01", "2024-11-15"):
        found = quarter_at(micros(day), first_month)
        assert found.start <= micros(day) < found.end
        assert quarter(int(found.name[:4]), int(found.name[-1]), first_month) == found
        before = quarter_before(found, first_month)
        assert before.end == found.start
        assert 88 < before.days < 93
    year = [quarter(2026, number, first_month) for number in (1, 2, 3, 4)]
    assert moment(year[0].start).month == first_month
    assert moment(year[3].end - 1).year == 2026  # it bears the number of the year in which it ends


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("soon", "neither a day nor a quarter"), ("2026Q5", "neither"), ("2026-02-30", "neither"),
        ("0000Q1", "neither"), ("9999Q4", "neither"), ("9999-12-31", "neither"), ("2026Q1", "is over"),
        ("2026-05-19", "is over"), ("2035-01-01", "too far ahead"),
    ],
)  # fmt: skip
def test_what_is_no_period_is_said_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(PeriodError, match=words):
        parse_until(text, AS_OF)


def test_today_can_still_be_forecast() -> None:
    assert parse_until("2026-05-20", AS_OF).days == 1.0
