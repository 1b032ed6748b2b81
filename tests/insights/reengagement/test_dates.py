"""Dates in notes: what a seller means by "next year", "after Q3", "in 6 months", in five languages."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insights.reengagement.dates import MOST_YEARS, fold, named_date

WRITTEN = date(2026, 5, 4)

CASES = [
    # English
    ("Postponed to next year.", "2027-01-01", "next year"),
    ("come back after Q3", "2026-10-01", "after Q3"),
    ("Q1 2027 pls", "2027-01-01", "Q1 2027"),
    ("call again in 6 months", "2026-11-04", "in 6 months"),
    ("call again in six mths", "2026-11-04", "in six mths"),
    ("budget cycle April", "2027-04-01", "cycle April"),
    ("pick it up again in September", "2026-09-01", "in September"),
    ("Contract runs until 12/2026, then they will look again.", "2026-12-01", "12/2026"),
    ("revisit 2027-03-15", "2027-03-15", "2027-03-15"),
    ("after summer", "2026-09-01", "after summer"),
    ("second half", "2026-07-01", "second half"),
    ("project moved to next fiscal year", "2027-01-01", "next fiscal year"),
    ("No budget this year.", "2027-01-01", "budget this year"),
    ("Decided to extend the existing contract by 12 months", "2027-05-04", None),
    ("back at year end", "2026-12-01", "year end"),
    ("start in 2027", "2027-01-01", "2027"),
    # German
    ("Auf nächstes Jahr verschoben.", "2027-01-01", "nächstes Jahr"),
    ("nach Q3 wieder melden", "2026-10-01", "nach Q3"),
    ("in sechs Monaten nochmal", "2026-11-04", "in sechs Monaten"),
    ("im März 2027", "2027-03-01", "im März 2027"),
    ("2. Halbjahr", "2026-07-01", "2. Halbjahr"),
    ("nach dem Sommer", "2026-09-01", "nach dem Sommer"),
    ("am 15.03.2027 anrufen", "2027-03-15", "15.03.2027"),
    # French
    ("à relancer en janvier 2027", "2027-01-01", "en janvier 2027"),
    ("l'année prochaine", "2027-01-01", "année prochaine"),
    ("dans trois mois", "2026-08-04", "dans trois mois"),
    ("après le T3", "2026-10-01", "après le T3"),
    ("à revoir après l'été", "2026-09-01", "après l'été"),
    # Spanish
    ("el año que viene", "2027-01-01", "año que viene"),
    ("volver a llamar en marzo", "2027-03-01", "en marzo"),
    ("dentro de 2 meses", "2026-07-04", "dentro de 2 meses"),
    # Italian
    ("l'anno prossimo", "2027-01-01", "anno prossimo"),
    ("richiamare a settembre", "2026-09-01", "a settembre"),
    ("tra 6 mesi", "2026-11-04", "tra 6 mesi"),
]


@pytest.mark.parametrize(("note", "day", "words"), CASES, ids=[case[0] for case in CASES])
def test_what_a_note_names(note: str, day: str, words: str | None) -> None:
    found = named_date(note, WRITTEN)
    assert found is not None
    assert found.day == date.fromisoformat(day)
    if words is not None:
        assert found.words == words


@pytest.mark.parametrize("note", [
    "", "No answer for 6 weeks", "they may come back", "dec was made by HQ", "went dark since March",
    "We lost in 2024", "quote of 2027.50 EUR each", "31.02.2027", "last quarter was bad", "ROI after 3 demos",
    "Q1 2020", "n/a", "le contrat n'a pas été validé", "tried 5 times",
])  # fmt: skip
def test_what_names_no_date_ahead(note: str) -> None:
    assert named_date(note, WRITTEN) is None


def test_quarters_and_budget_years_are_the_companys_own() -> None:
    def day(note: str, start: int) -> str:
        found = named_date(note, WRITTEN, start)
        assert found is not None
        return found.day.isoformat()

    # A year from April: Q1 is April to June, and fiscal 2027 ends in March 2027.
    assert day("come back in Q3", 4) == "2026-10-01"
    assert day("Q1 2028", 4) == "2027-04-01"
    assert day("after Q4", 4) == "2027-04-01"
    assert day("next fiscal year", 4) == "2027-04-01"
    assert day("no budget this year", 10) == "2026-10-01"
    assert day("come back in Q3", 1) == "2026-07-01"


def test_a_date_without_a_year_is_the_next_one() -> None:
    for month, wanted in ((1, "2026-06-01"), (6, "2027-06-01"), (12, "2027-06-01")):
        found = named_date("call in June", date(2026, month, 15))
        assert found is not None
        assert found.day.isoformat() == wanted


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(st.text(max_size=80), st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(1, 12))
def test_any_text_gives_a_day_ahead_or_none(text: str, written: date, start: int) -> None:
    found = named_date(text, written, start)
    assert len(fold(text)) == len(text)
    if found is not None:
        assert written < found.day
        assert (found.day - written).days <= 366 * MOST_YEARS


@settings(deadline=None, derandomize=True, database=None, max_examples=200)
@given(st.lists(st.sampled_from(
    ["after", "Q3", "2027", "next", "year", "in", "6", "months", "31.12.2026", "May", "nach", "dem", "Sommer", "29",
     "février", "dans", "un", "an", "end of", "H2", "FY27", "budget", "this year", "\n", "00/2027"]
), max_size=8))  # fmt: skip
def test_words_of_time_in_any_order_do_no_harm(words: list[str]) -> None:
    found = named_date(" ".join(words), date(2026, 12, 31))
    assert found is None or found.day > date(2026, 12, 31)
