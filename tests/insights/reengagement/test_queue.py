"""The queue on small companies: who is in it, who is left out and why, and what each row says."""

from __future__ import annotations

from datetime import date

import pytest

from crm.schema import Kind, Known
from insights.money import Rates
from insights.reengagement.exclusions import (
    CUSTOMERS,
    GONE,
    NOT_A_REASON,
    OLDER,
    OPEN_DEAL,
    OPTED_OUT,
    TOO_FRESH,
    WON_SINCE,
)
from tests.insights.reengagement.small import DEALS, company, ids, queue

HEAD = DEALS.strip().splitlines()[0]
LOST = DEALS.strip().splitlines()[1]


def deals(*lines: str) -> str:
    return "\n".join([HEAD, *lines])


def test_a_lost_deal_is_in_it_with_all_that_is_known() -> None:
    crm = company(
        accounts="account_id | name\nA | Alpha", users="user_id | name\nU1 | Nina",
        notes="opportunity_id | written_at | kind | text\nlost | 2025-03-02 | loss | too pricey, call in 9 months",
    )  # fmt: skip
    (row,) = queue(crm).rows
    assert (row.rank, row.id, row.account, row.owner, row.amount, row.currency) == (1, "lost", "Alpha", "Nina", 5000.0,
                                                                                     "EUR")  # fmt: skip
    assert (row.reason, row.reason_name) == ("price_value", "Price or value")
    assert row.words == "too pricey, call in 9 months"
    assert "entry price" in row.hint
    assert row.best_date == date(2025, 12, 2)
    assert "in 9 months" in row.best_date_why
    assert 0 < row.lower < row.probability < row.upper < 1
    assert row.expected_value == pytest.approx(row.probability * 5000, rel=1e-3)
    assert row.method == "prior"
    assert "prior" in row.why[0]


LEFT_OUT = {
    "an open deal": (OPEN_DEAL, "open | 2025-06-01 | | | A | U1 | 10 | EUR | | new"),
    "a deal won since": (WON_SINCE, "won | 2025-04-01 | 2025-06-01 | won | A | U1 | 10 | EUR | | new"),
    "a renewal won since": (WON_SINCE, "won | 2025-04-01 | 2025-06-01 | won | A | U1 | 10 | EUR | | Renewal"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_accounts_that_are_busy_or_won_are_left_out(case: str) -> None:
    why, line = LEFT_OUT[case]
    found = queue(company(deals(LOST, line)))
    assert ids(found) == []
    assert found.excluded == {why: 1}


def test_a_deal_won_before_the_loss_does_not_keep_it_out() -> None:
    won = "won | 2024-01-01 | 2024-06-01 | won | A | U1 | 10 | EUR | | new"
    assert ids(queue(company(deals(LOST, won)))) == ["lost"]


@pytest.mark.parametrize(("picked", "why"), [
    ("Duplicate", NOT_A_REASON), ("Unqualified", NOT_A_REASON), ("project_cancelled", GONE),
])  # fmt: skip
def test_losses_that_do_not_count_are_left_out(picked: str, why: str) -> None:
    found = queue(company(deals(LOST.replace("Price", picked))))
    assert ids(found) == []
    assert found.excluded == {why: 1}


def test_a_company_that_is_gone_is_left_out_whatever_was_picked() -> None:
    crm = company(notes="opportunity_id | written_at | kind | text\nlost | 2025-03-02 | loss | they are insolvent")
    found = queue(crm)
    assert ids(found) == []
    assert found.excluded == {GONE: 1}


def test_renewals_and_expansions_are_kept_apart() -> None:
    for kind in ("Renewal", "Expansion", "upsell", "Verlängerung"):
        found = queue(company(deals(LOST.replace("| new", f"| {kind}"))))
        assert ids(found) == []
        assert found.excluded == {CUSTOMERS: 1}
    # Without a type, a deal of an account that had won one before is business with a customer.
    won = "won | 2024-01-01 | 2024-06-01 | won | A | U1 | 10 | EUR | | "
    found = queue(company(deals(LOST.replace("| new", "| "), won)))
    assert found.excluded == {CUSTOMERS: 1}


def test_what_was_just_lost_rests_and_how_long_is_a_setting() -> None:
    crm = company()
    assert queue(crm, "2025-03-20").excluded == {TOO_FRESH: 1}
    assert ids(queue(crm, "2025-03-31")) == ["lost"]
    assert ids(queue(crm, "2025-03-20", least_days=7)) == ["lost"]


def test_an_account_is_named_once_by_its_newest_loss() -> None:
    older = LOST.replace("lost ", "older ", 1).replace("2025-03-01", "2025-02-01")
    duplicate = LOST.replace("lost ", "copy ", 1).replace("2025-03-01", "2025-04-01").replace("Price", "Duplicate")
    found = queue(company(deals(older, LOST, duplicate)))
    assert ids(found) == ["lost"]
    assert found.excluded == {OLDER: 1, NOT_A_REASON: 1}


@pytest.mark.parametrize(("kind", "value", "out"), [
    (Kind.BOOLEAN, "1", True), (Kind.BOOLEAN, "0", False), (Kind.BOOLEAN, "", False), (Kind.CATEGORY, "yes", True),
    (Kind.CATEGORY, "No", False), (Kind.CATEGORY, "", False), (Kind.TIME, "2025-05-01", True),
])  # fmt: skip
def test_who_has_opted_out_is_not_called_about_any_deal(kind: Kind, value: str, out: bool) -> None:
    accounts = f"account_id | name | opted_out\nA | Alpha | {value}"
    found = queue(company(accounts=accounts, kinds={"accounts.opted_out": kind}))
    assert ids(found) == ([] if out else ["lost"])
    assert found.excluded == ({OPTED_OUT: 1} if out else {})
    other = company(accounts=accounts.replace("opted_out", "quiet"), kinds={"accounts.quiet": kind})
    assert ids(queue(other)) == ["lost"]
    assert ids(queue(other, opt_out=("quiet",))) == ([] if out else ["lost"])


def test_notes_written_later_are_not_read() -> None:
    crm = company(notes="opportunity_id | written_at | kind | text\nlost | 2025-10-01 | loss | call in 2026")
    assert queue(crm, "2025-09-01").rows[0].words == "Price"
    assert queue(crm, "2025-11-01").rows[0].words == "call in 2026"


# -- ranking and money -------------------------------------------------------------------------------------------------

SEVERAL = deals(
    *(LOST.replace("lost ", f"{name} ", 1).replace("| A ", f"| {name} ").replace("5000", amount)
      .replace("EUR", currency)
      for name, amount, currency in (("small", "100", "EUR"), ("large", "900", "EUR"), ("dollar", "5000", "USD"),
                                     ("bare", "", "EUR"), ("yen", "70000", "JPY")))
)  # fmt: skip


def test_currencies_have_rankings_of_their_own() -> None:
    found = queue(company(SEVERAL))
    ranks = {row.id: (row.currency, row.rank) for row in found.rows}
    assert ranks == {"large": ("EUR", 1), "small": ("EUR", 2), "bare": ("EUR", 3), "dollar": ("USD", 1),
                     "yen": ("JPY", 1)}  # fmt: skip
    assert ids(found)[:2] == ["large", "small"]
    assert next(row for row in found.rows if row.id == "bare").expected_value is None


def test_with_rates_there_is_one_ranking() -> None:
    found = queue(company(SEVERAL), rates=Rates("EUR", {"EUR": 1.0, "USD": 0.9}))
    assert [(row.id, row.rank, row.currency) for row in found.rows] == [
        ("dollar", 1, "EUR"), ("large", 2, "EUR"), ("small", 3, "EUR"), ("bare", 4, "EUR"), ("yen", 5, "EUR"),
    ]  # fmt: skip
    assert found.rows[0].amount == pytest.approx(4500)
    assert found.rows[-1].amount is None
    assert any("JPY" in note for note in found.notes)


# -- when to call ------------------------------------------------------------------------------------------------------


def test_without_a_named_date_the_contract_or_the_prior_tells_when() -> None:
    ends = company(
        deals(LOST).replace("deal_type", "deal_type | rival_until", 1).replace("| new", "| new | 2026-06-30"),
        known={"opportunities.rival_until": Known.CREATED}, kinds={"opportunities.rival_until": Kind.TIME},
    )  # fmt: skip
    (row,) = queue(ends, contract_end="rival_until").rows
    assert row.best_date == date(2026, 5, 1)
    assert "contract" in row.best_date_why
    (row,) = queue(company(), "2025-04-15").rows
    assert row.best_date == date(2025, 5, 30)  # 90 days after the loss, as the taxonomy has it for price
    assert "prior set by hand" in row.best_date_why
    (row,) = queue(company(), "2025-09-01").rows
    assert row.best_date == date(2025, 9, 1)
    assert "passed" in row.best_date_why


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_no_losses_one_deal_and_days_before_the_first() -> None:
    none = queue(company(deals("won | 2024-01-01 | 2024-06-01 | won | A | U1 | 10 | EUR | | new")))
    assert (none.rows, none.method) == ([], "prior")
    assert any("no lost deal" in note for note in none.notes)
    early = queue(company(), "2020-01-01")
    assert early.rows == []
    assert any("no deal had been entered" in note for note in early.notes)
    assert early.excluded == {}


def test_no_accounts_no_amounts_no_notes_no_reasons() -> None:
    bare = """
opportunity_id | created_at | closed_at  | outcome
one            | 2025-01-10 | 2025-03-01 | lost
two            | 2025-01-10 | 2025-04-01 | lost
"""
    found = queue(company(bare))
    assert sorted(ids(found)) == ["one", "two"]
    assert {row.expected_value for row in found.rows} == {None}
    assert {row.account_id for row in found.rows} == {None}
    assert {row.reason for row in found.rows} == {None}
    assert found.rows[0].probability >= found.rows[1].probability
    assert [note.split(":")[0] for note in found.notes] == [
        "deals name no account", "no notes", "no amounts",
    ]  # fmt: skip


def test_an_export_without_dates_has_no_queue() -> None:
    from dataclasses import replace

    crm = company()
    found = queue(replace(crm, process=replace(crm.process, time_basis="none")))
    assert (found.as_of, found.rows) == (None, [])
    assert "no dates" in found.notes[0]


def test_a_horizon_that_is_not_followed_is_refused() -> None:
    with pytest.raises(ValueError, match="horizon"):
        queue(company(), horizon=7)
