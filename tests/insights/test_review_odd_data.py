"""Small, poor and odd data: clear sentences, never a crash or a number out of nothing."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from crm.schema import Kind
from crm.tables import CrmData, Process, micros
from features.history import History
from insights.errors import PeriodError
from insights.money import Rates
from insights.periods import parse_period
from insights.review import DIMENSIONS, Review, review, to_json
from insights.review.page import to_html, to_markdown
from tests.features.small import PROCESS, crm_of

Q2 = parse_period("2026Q2")
HEAD = "opportunity_id | created_at | closed_at  | outcome | amount | currency | owner_id | segment | loss_reason"
LOST = "D1 | 2026-03-01 | 2026-04-20 | lost | 100 | EUR | U1 | Small | Price"
WON = "D2 | 2026-03-01 | 2026-05-10 | won  | 300 | EUR | U1 | Small |"
DOLLARS = "D3 | 2026-03-05 | 2026-05-11 | won  | 900 | USD | U2 | Large |"
FRANCS = "D4 | 2026-03-05 | 2026-05-12 | lost | 50  | CHF | U2 | Large | Duplicate"
BARE = "D5 | 2026-03-06 | 2026-05-13 | lost |     |     |    |       | Other"
OPEN = "D6 | 2026-03-06 |            |      | 70  | EUR | U1 | Small |"
UNDATED = "D7 | 2026-03-06 |            | won  | 70  | EUR | U1 | Small |"


def crm(*rows: str, more: Mapping[str, str] | None = None, process: Process = PROCESS) -> CrmData:
    return crm_of({"opportunities": "\n".join([HEAD, *rows]), **(more or {})}, process=process)


def made(*rows: str, **options: Any) -> Review:
    """A review in every form, each checked to hold no number out of nothing."""
    found = review(History(crm(*rows)), Q2, as_of=options.pop("as_of", micros("2026-09-01")), **options)
    json.loads(to_json(found), parse_constant=pytest.fail)
    for text in (to_html(found), to_markdown(found)):
        assert "nan" not in text.replace("Finance", "").split()
        assert "None" not in text
    numbers(dataclasses.asdict(found))
    return found


def numbers(value: object) -> None:
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, dict):
        for item in value.values():
            numbers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            numbers(item)


def test_a_period_without_deals() -> None:
    found = review(History(crm(LOST, WON)), parse_period("2025Q1"), as_of=micros("2026-09-01"))
    assert found.headline == "No deal was decided in 2025Q1."
    assert any("the first was on 2026-04-20, the last on 2026-05-10" in note for note in found.notes)
    assert found.summary.now.win_rate.rate is None
    assert "No deal was decided in 2025Q1." in to_html(found)


def test_before_the_first_deal_and_before_any_was_decided() -> None:
    found = made(LOST, WON, as_of=micros("2026-01-01"))
    assert "No deal had been decided by 2026-01-01." in found.notes
    assert made(OPEN).notes[0] == "No deal had been decided by 2026-09-01."


def test_one_deal() -> None:
    found = made(WON)
    assert found.headline == "2026Q2: 1 of 1 decided deal won, 100 %, and 100 % by value."
    assert "One deal was decided in the period: its figures tell of that deal and of nothing else." in found.notes
    (value,) = found.summary.now.value
    assert (value.rate, value.lower, value.upper) == (1.0, None, None)
    assert "Nothing is compared" in found.separation.note


def test_no_losses_and_no_wins() -> None:
    assert "No deal was lost in the period." in made(WON, WON.replace("D2", "D8")).notes
    found = made(LOST, LOST.replace("D1", "D8"))
    assert "No deal was won in the period." in found.notes
    assert found.summary.now.velocity == ()
    assert "No deal was won in the period." in to_markdown(found)


def test_several_currencies_are_never_summed() -> None:
    found = made(LOST, WON, DOLLARS, FRANCS)
    values = {item.currency: (item.won, item.lost) for item in found.summary.now.value}
    assert values == {"EUR": (300.0, 100.0), "USD": (900.0, 0.0), "CHF": (0.0, 50.0)}
    assert any(note.startswith("Amounts are in several currencies (EUR, CHF, USD)") for note in found.notes)
    assert "1,200" not in to_html(found)


def test_given_rates_make_one_currency_and_name_what_they_lack() -> None:
    found = made(LOST, WON, DOLLARS, FRANCS, rates=Rates("EUR", {"EUR": 1.0, "USD": 0.5}))
    (value,) = found.summary.now.value
    assert (value.currency, value.won, value.lost, value.deals) == ("EUR", 750.0, 100.0, 3)
    assert "Amounts were converted to EUR by the given rates." in found.notes
    assert "No rate was given for some amounts, which are left out of all values: 1 in CHF." in found.notes


def test_no_amounts_no_owner_no_reason() -> None:
    found = made(BARE)
    assert "No deal of the period has an amount above 0: nothing is said of value." in found.notes
    assert "1 deal is without an owner; in no figure of owners or teams." in found.notes
    assert (found.losses.with_reason, found.losses.not_understood) == (0, 1)
    assert found.summary.now.value == ()
    mixed = made(BARE, LOST)
    assert "1 deal is without an amount above 0; in no figure of value." in mixed.notes


def test_what_is_no_reason_stands_apart_and_is_in_no_share() -> None:
    found = made(LOST, FRANCS, BARE)
    assert found.losses.not_a_reason == {"invalid_duplicate": 1}
    assert [(item.reason, item.share.k, item.share.n) for item in found.losses.reasons] == [("price_value", 1, 1)]


def test_decided_deals_without_a_date_are_left_out_and_told() -> None:
    found = made(WON, UNDATED)
    assert found.summary.now.decided == 1
    assert "1 decided deal is without a closing date left out." in found.notes


def test_an_export_without_dates_is_refused_in_words() -> None:
    told = crm(WON, process=dataclasses.replace(PROCESS, time_basis="sequence"))
    with pytest.raises(PeriodError, match="the imported export has none"):
        review(History(told), Q2)


def test_data_that_lack_tables_are_told() -> None:
    found = made(LOST, WON)
    assert "Not in the data: moves between stages, activities, changes of fields, notes." in found.notes
    assert (found.stages, found.slippage, found.follow_up) == ((), None, None)
    for words in ("The data hold no moves between stages.", "The data hold no activities.",
                  "The data hold no changes of the expected close date."):  # fmt: skip
        assert words in to_markdown(found)


@pytest.mark.parametrize("by", DIMENSIONS)
def test_every_breakdown_of_little(by: Any) -> None:
    for rows in ((BARE,), (LOST, WON, DOLLARS), (OPEN,)):
        assert made(*rows, by=by).breakdown is not None


def test_opportunities_alone_with_no_more_than_the_least() -> None:
    told = crm_of({"opportunities": "opportunity_id | created_at | closed_at | outcome\n"
                                    "D1 | 2026-04-01 | 2026-04-01 | won\nD2 | | 2026-04-02 | lost"})  # fmt: skip
    found = review(History(told), Q2, as_of=micros("2026-09-01"))
    assert (found.summary.now.won, found.summary.now.lost) == (1, 1)
    numbers(dataclasses.asdict(found))
    assert to_html(found)


def test_a_fiscal_year_moves_the_quarters() -> None:
    found = review(History(crm(LOST, WON)), parse_period("2027Q1", 4), as_of=micros("2026-09-01"))
    assert found.days == "2026-04-01 to 2026-06-30"
    assert (found.summary.now.decided, found.summary.previous.period) == (2, "2026Q4")


FOLLOW_UP = """
opportunity_id | occurred_at | type | direction
D1 | 2026-03-02 | email | outbound
D1 | 2026-03-03 | email | inbound
D2 | 2026-03-20 | email | inbound
D2 | 2026-03-21 | email | outbound
D2 | 2026-05-09 | call | outbound
"""
MOVES = """
opportunity_id | changed_at | to_stage
D1 | 2026-03-01 | Qualify
D1 | 2026-03-10 | Propose
D2 | 2026-03-01 | Qualify
D2 | 2026-03-15 | Propose
"""


def test_where_follow_up_failed() -> None:
    told = crm(LOST, WON, more={"activities": FOLLOW_UP, "stage_changes": MOVES})
    found = review(History(told), Q2, as_of=micros("2026-09-01")).follow_up
    assert found is not None
    shown = {item.name: (item.lost.k, item.lost.n, item.won.k, item.won.n) for item in found.lapses}
    assert shown == {
        "silence": (1, 1, 0, 1), "no next step": (1, 1, 0, 1), "slow first reply": (1, 1, 0, 1),
        "no answer": (1, 1, 0, 1), "late start": (0, 1, 1, 1),
    }  # fmt: skip
    (missed,) = found.largest
    assert (missed.deal, missed.amount, missed.lapses) == (
        "D1", 100.0, ("silence", "no next step", "slow first reply", "no answer"))  # fmt: skip


EXPECTED = """
opportunity_id | changed_at | field | old_value | new_value
D1 | 2026-03-01 | expected_close_at | | 2026-04-10
D1 | 2026-04-05 | expected_close_at | 2026-04-10 | 2026-04-25
D2 | 2026-03-01 | expected_close_at | | 2026-05-10
D6 | 2026-03-06 | expected_close_at | | 2026-06-01
"""


def test_slips_against_the_first_expected_close() -> None:
    told = crm_of({
        "opportunities": "\n".join(f"{row} | {'expected_close_at' if row is HEAD else ''}"
                                   for row in (HEAD, LOST, WON, OPEN)),
        "field_changes": EXPECTED,
    }, kinds={"opportunities.expected_close_at": Kind.TIME})  # fmt: skip
    found = review(History(told), Q2, as_of=micros("2026-09-01")).slippage
    assert found is not None
    assert (found.late.k, found.late.n, found.days_lost, found.days_won) == (1, 2, 10.0, 0.0)
    assert [(item.pushes, item.win_rate.k, item.win_rate.n) for item in found.pushes] == [(0, 1, 1), (1, 0, 1)]
    due = found.expected
    assert (due.deals, due.won.k, due.lost.k, due.slipped.k) == (3, 1, 1, 1)
