"""What each declared feature says: small tables in, exact values out. A feature without a value here fails the test."""

# ruff: noqa: E501  (small tables are read in columns)
from __future__ import annotations

from collections.abc import Mapping

import pytest

from crm.schema import Kind, Known
from crm.tables import CrmData, Process
from features.registry import declared
from tests.features.small import crm_of, values_at

CREATED = Known.CREATED

DEAL = crm_of(
    {
        "opportunities": """
            opportunity_id | created_at       | account_id | amount | lead_source | deal_type | product | segment | competitor | expected_close_at
            D1             | 2024-05-01T06:00 | A1         | 900    | fair        | renewal   | Suite   | north   | Bolt       | 2025-01-01
            D2             | 2024-05-04       |            |        |             |           |         |         |            | 2024-08-01
        """,
        "accounts": """
            account_id | industry | segment | country | employees | annual_revenue
            A1         | Energy   | Large   | NL      | 250       | 1000.50
        """,
        "deal_products": """
            opportunity_id | product | amount | added_at
            D1             | Suite   | 100.25 | 2024-05-02
            D1             | Suite   | 10     | 2024-05-03
            D1             | Basic   |        | 2024-05-03
            D1             | Extra   | 5      | 2024-05-11
            D1             | Undated | 5      |
        """,
        "field_changes": """
            opportunity_id | changed_at       | field             | old_value  | new_value
            D1             | 2024-05-05       | amount            | 100        | 250.50
            D1             | 2024-05-20       | amount            | 250.50     | 900
            D1             | 2024-05-20       | lead_source       | web        | fair
            D1             | 2024-05-03       | deal_type         |            | new
            D1             | 2024-05-11       | deal_type         | new        | renewal
            D1             | 2024-05-02       | product           | Basic      | Suite
            D1             | 2024-05-11       | segment           | south      | north
            D1             | 2024-05-10T23:59 | competitor        |            | Acme
            D1             | 2024-05-12       | competitor        | Acme       | Bolt
            D1             | 2024-05-04       | expected_close_at | 2024-06-01 | 2024-07-01T12:00
            D1             | 2024-05-30       | expected_close_at | 2024-07-01 | 2025-01-01
        """,
    },
    known={f"accounts.{name}": CREATED for name in ("industry", "segment", "country", "employees", "annual_revenue")},
)

PACE = crm_of({
    "opportunities": """
        opportunity_id | created_at | amount | expected_close_at
        D1             | 2024-05-01 | 100    |
        D2             | 2024-05-10 | 100    |
    """,
    "stage_changes": """
        opportunity_id | changed_at | from_stage | to_stage
        D1             | 2024-03-01 |            | Qualify
        D1             | 2024-05-02 | Qualify    | Negotiate
        D1             | 2024-05-05 | Negotiate  | Propose
        D1             | 2024-05-06 | Propose    | Lost
        D1             | 2024-05-08 | Lost       | Negotiate
        D1             | 2024-05-11 | Negotiate  | Contract
        D2             | 2024-05-11 |            | Qualify
    """,
    "field_changes": """
        opportunity_id | changed_at | field             | old_value  | new_value
        D1             | 2024-04-01 | expected_close_at | 2024-05-01 | 2024-05-31
        D1             | 2024-05-02 | expected_close_at | 2024-05-31 | 2024-05-29T12:00
        D1             | 2024-05-04 | expected_close_at | 2024-05-29 | 2024-06-08
        D1             | 2024-05-07 | amount            | 100        | 200
        D1             | 2024-05-08 | amount            | 200        | 150
        D1             | 2024-05-09 | amount            |            | 170
        D1             | 2024-05-11 | amount            | 170        | 100
    """,
})  # fmt: skip

ENGAGEMENT = crm_of({
    "opportunities": """
        opportunity_id | created_at
        D1             | 2024-04-01
        D2             | 2024-05-08
    """,
    "stage_changes": """
        opportunity_id | changed_at | from_stage | to_stage
        D1             | 2024-05-02 |            | Qualify
    """,
    "activities": """
        opportunity_id | occurred_at      | type    | topic | direction | contact_id | user_id
        D1             | 2024-03-31       | email   | intro | outbound  | K1         | U1
        D1             | 2024-04-02       | call    |       | inbound   | K1         | U1
        D1             | 2024-05-01       | task    | terms |           |            | U2
        D1             | 2024-05-02       | meeting | terms | outbound  | K2         | U1
        D1             | 2024-05-05       | quote   | price | outbound  |            |
        D1             | 2024-05-10T18:00 | email   |       | inbound   | K1         | U1
        D1             | 2024-05-11       | call    | later | inbound   | K9         | U9
    """,
})  # fmt: skip

PEOPLE = crm_of(
    {
        "opportunities": """
            opportunity_id | created_at | closed_at  | outcome | owner_id
            D1             | 2024-05-01 |            |         | U2
            D2             | 2024-05-02 |            |         |
            D3             | 2024-05-03 | 2024-05-09 | won     | U1
            D4             | 2024-05-04 | 2024-05-11 | lost    | U1
            D5             | 2024-05-05 |            |         | U1
            D6             | 2024-05-11 |            |         | U1
        """,
        "field_changes": """
            opportunity_id | changed_at | field    | old_value | new_value
            D1             | 2024-05-06 | owner_id | U2        | U1
            D1             | 2024-05-12 | owner_id | U1        | U2
            D4             | 2024-05-10 | owner_id | U2        | U1
        """,
        "contact_roles": """
            opportunity_id | contact_id | role           | added_at
            D1             | K1         | Decision maker | 2024-05-02
            D1             | K1         | Sponsor        | 2024-05-03
            D1             | K2         | Blocker        | 2024-05-08
            D1             | K3         |                | 2024-05-08
            D1             | K4         | Economic buyer | 2024-05-11
            D1             | K5         | Champion       |
        """,
        "activities": """
            opportunity_id | occurred_at | type | contact_id | user_id
            D1             | 2024-05-03  | call | K1         | U1
            D1             | 2024-05-04  | call | K1         | U2
            D1             | 2024-05-05  | call |            | U2
            D1             | 2024-05-11  | call | K2         | U3
        """,
    },
)

_CLOSED = "\n".join(
    f"C{number:02d} | 2024-01-01 | {'2024-02-01' if number < 10 else f'2024-05-{number - 9:02d}'} |"
    f" {'won' if number in (0, 1, 2, 8, 16) else 'lost'} | {'U1' if number < 8 else 'U2'} |"
    f" {'A1' if number % 2 else 'A2'} | {'Suite' if number < 6 else 'Basic'} | {'north' if number < 10 else 'south'} |"
    f" {'fair' if number % 2 else 'web'} | {'Acme' if number < 3 else ''}"
    for number in range(20)
)  # ten closed on 1 February, then one a day from 1 to 10 May
RECORD = crm_of(
    {
        "opportunities": f"""
            opportunity_id | created_at | closed_at | outcome | owner_id | account_id | product | segment | lead_source | competitor
            {_CLOSED}
            D1 | 2024-05-01 |            |     | U1 | A1 | Suite | north | web  | Acme
            D2 | 2024-05-01 |            |     |    |    | Basic | south |      |
            D3 | 2024-05-01 | 2024-05-11 | won | U1 | A1 | Suite | north | web  | Acme
        """,
        "accounts": """
            account_id | segment | industry
            A1         | Large   | Energy
            A2         | Small   | Retail
        """,
    },
    known={
        f"{table}.{name}": CREATED
        for table, names in {
            "opportunities": ("owner_id", "product", "segment", "lead_source", "competitor"),
            "accounts": ("segment", "industry"),
        }.items()
        for name in names
    },
)

Expected = Mapping[str, Mapping[str, float | str | None]]
BASE = 5 / 20
CASES: dict[str, tuple[CrmData, str, Expected]] = {
    "deal": (DEAL, "2024-05-11", {
        "amount": {"D1": 250.5, "D2": None},
        "age_days": {"D1": 9.75, "D2": 7.0},
        "days_to_quarter_end": {"D1": 51.0, "D2": 51.0},
        "days_to_expected_close": {"D1": 51.5, "D2": None},
        "lead_source": {"D1": "web", "D2": None},
        "deal_type": {"D1": "new", "D2": None},
        "product": {"D1": "Suite", "D2": None},
        "segment": {"D1": "south", "D2": None},
        "competitor": {"D1": "Acme", "D2": None},
        "industry": {"D1": "Energy", "D2": None},
        "account_segment": {"D1": "Large", "D2": None},
        "country": {"D1": "NL", "D2": None},
        "employees": {"D1": 250.0, "D2": None},
        "annual_revenue": {"D1": 1000.5, "D2": None},
        "products_on_deal": {"D1": 2.0, "D2": 0.0},
        "product_lines_amount": {"D1": 110.25, "D2": 0.0},
    }),
    "pace": (PACE, "2024-05-11", {
        "stage": {"D1": "Negotiate", "D2": None},
        "days_in_stage": {"D1": 3.0, "D2": None},
        "stage_changes": {"D1": 4.0, "D2": 0.0},
        "stage_changes_30d": {"D1": 3.0, "D2": 0.0},
        "stages_seen": {"D1": 3.0, "D2": 0.0},
        "steps_back": {"D1": 1.0, "D2": 0.0},
        "days_since_step_back": {"D1": 6.0, "D2": None},
        "stages_skipped": {"D1": 1.0, "D2": 0.0},
        "times_reopened": {"D1": 1.0, "D2": 0.0},
        "days_per_stage_change": {"D1": 2.0, "D2": 1.0},
        "pushes": {"D1": 2.0, "D2": 0.0},
        "days_pushed": {"D1": 39.0, "D2": 0.0},
        "days_since_push": {"D1": 7.0, "D2": None},
        "pulls": {"D1": 1.0, "D2": 0.0},
        "amount_raised": {"D1": 1.0, "D2": 0.0},
        "amount_cut": {"D1": 1.0, "D2": 0.0},
        "edits_30d": {"D1": 5.0, "D2": 0.0},
        "days_since_edit": {"D1": 2.0, "D2": None},
    }),
    "engagement": (ENGAGEMENT, "2024-05-11", {
        "activities": {"D1": 6.0, "D2": 0.0},
        "activities_7d": {"D1": 2.0, "D2": 0.0},
        "activities_30d": {"D1": 4.0, "D2": 0.0},
        "activities_per_week": {"D1": 1.05, "D2": 0.0},
        "momentum": {"D1": 4.0, "D2": 0.0},
        "days_silent": {"D1": 0.25, "D2": None},
        "activities_in_stage": {"D1": 3.0, "D2": None},
        "emails": {"D1": 2.0, "D2": 0.0},
        "calls": {"D1": 1.0, "D2": 0.0},
        "meetings": {"D1": 1.0, "D2": 0.0},
        "tasks": {"D1": 1.0, "D2": 0.0},
        "quotes": {"D1": 1.0, "D2": 0.0},
        "meetings_30d": {"D1": 1.0, "D2": 0.0},
        "days_since_call": {"D1": 39.0, "D2": None},
        "days_since_meeting": {"D1": 9.0, "D2": None},
        "days_since_quote": {"D1": 6.0, "D2": None},
        "inbound": {"D1": 2.0, "D2": 0.0},
        "inbound_30d": {"D1": 1.0, "D2": 0.0},
        "outbound_30d": {"D1": 2.0, "D2": 0.0},
        "inbound_share": {"D1": 0.4, "D2": None},
        "days_since_inbound": {"D1": 0.25, "D2": None},
        "last_activity": {"D1": "email", "D2": None},
        "last_topic": {"D1": None, "D2": None},
        "topics": {"D1": 3.0, "D2": 0.0},
    }),
    "people": (PEOPLE, "2024-05-11", {
        "contacts": {"D1": 3.0, "D2": 0.0, "D4": 0.0, "D5": 0.0},
        "contact_roles": {"D1": 3.0, "D2": 0.0, "D4": 0.0, "D5": 0.0},
        "decision_makers": {"D1": 1.0, "D2": 0.0, "D4": 0.0, "D5": 0.0},
        "champions": {"D1": 1.0, "D2": 0.0, "D4": 0.0, "D5": 0.0},
        "blockers": {"D1": 1.0, "D2": 0.0, "D4": 0.0, "D5": 0.0},
        "days_since_contact_added": {"D1": 3.0, "D2": None, "D4": None, "D5": None},
        "active_contacts": {"D1": 1.0, "D2": 0.0, "D4": 0.0, "D5": 0.0},
        "active_users": {"D1": 2.0, "D2": 0.0, "D4": 0.0, "D5": 0.0},
        # U1 has D1 since 6 May, D4 since 10 May (closing only later) and D5; D3 closed on the 9th, D6 is still to come.
        "owner_open_deals": {"D1": 2.0, "D2": None, "D4": 2.0, "D5": 2.0},
    }),
    "track_record": (RECORD, "2024-05-11", {
        "owner_win_rate": {"D1": 8 / 28, "D2": BASE, "D3": 8 / 28},
        "owner_closed_deals": {"D1": 8.0, "D2": 0.0, "D3": 8.0},
        "account_win_rate": {"D1": 1.75 / 13, "D2": BASE, "D3": 1.75 / 13},
        "account_won_deals": {"D1": 1.0, "D2": 0.0, "D3": 1.0},
        "account_lost_deals": {"D1": 9.0, "D2": 0.0, "D3": 9.0},
        "days_since_account_closing": {"D1": 1.0, "D2": None, "D3": 1.0},
        "product_win_rate": {"D1": 8 / 26, "D2": 7 / 34, "D3": 8 / 26},
        "segment_win_rate": {"D1": 9 / 30, "D2": 6 / 30, "D3": 9 / 30},
        "account_segment_win_rate": {"D1": 6 / 30, "D2": BASE, "D3": 6 / 30},
        "industry_win_rate": {"D1": 6 / 30, "D2": BASE, "D3": 6 / 30},
        "lead_source_win_rate": {"D1": 9 / 30, "D2": BASE, "D3": 9 / 30},
        "competitor_win_rate": {"D1": 8 / 23, "D2": BASE, "D3": 8 / 23},
        "recent_win_rate": {"D1": 6 / 30, "D2": 6 / 30, "D3": 6 / 30},
        "recent_closings": {"D1": 2.5, "D2": 2.5, "D3": 2.5},
    }),
}  # fmt: skip


@pytest.mark.parametrize("family", CASES)
def test_a_family_says_exactly_this(family: str) -> None:
    crm, as_of, expected = CASES[family]
    values = values_at(crm, as_of)
    assert {name: values[name] for name in expected} == expected


def test_every_declared_feature_has_an_expected_value() -> None:
    assert {(item.family, item.name) for item in declared()} == {
        (family, name) for family, (_, _, expected) in CASES.items() for name in expected
    }


def test_custom_attributes_of_every_kind() -> None:
    own = {
        "region": Kind.CATEGORY, "seats": Kind.INTEGER, "strategic": Kind.BOOLEAN, "budget": Kind.MONEY,
        "trial_at": Kind.TIME, "score": Kind.NUMBER, "memo": Kind.TEXT, "margin": Kind.NUMBER,
    }  # fmt: skip
    crm = crm_of(
        {
            "opportunities": """
                opportunity_id | created_at | account_id | region | seats | strategic | budget | trial_at   | score | memo | margin
                D1             | 2024-05-01 | A1         | EU     | 5     | 1         | 12.34  | 2024-05-06 | 0.5   | text | 3
                D2             | 2024-05-01 | A9         |        |       |           |        |            |       |      |
            """,
            "accounts": "account_id | tier\nA1 | gold",
            "field_changes": """
                opportunity_id | changed_at | field | old_value | new_value
                D1             | 2024-05-05 | score | 0.25      | 0.75
                D1             | 2024-05-20 | score | 0.75      | 0.5
            """,
        },
        known={f"opportunities.{name}": CREATED for name in own if name not in ("score", "margin")}
        | {"accounts.tier": CREATED},
        kinds={**{f"opportunities.{name}": kind for name, kind in own.items()}, "accounts.tier": Kind.CATEGORY},
    )
    values = values_at(crm, "2024-05-11")
    assert {name: by_deal for name, by_deal in values.items() if "." in name} == {
        "account.tier": {"D1": "gold", "D2": None},
        "custom.budget": {"D1": 12.34, "D2": None},
        "custom.region": {"D1": "EU", "D2": None},
        "custom.score": {"D1": 0.75, "D2": None},
        "custom.seats": {"D1": 5.0, "D2": None},
        "custom.strategic": {"D1": 1.0, "D2": None},
        "custom.trial_at": {"D1": 5.0, "D2": None},
    }


def test_days_since_each_stage_was_entered() -> None:
    # D1 left Negotiate and came back on the 8th; Contract is entered on the day itself, which cannot be seen yet
    expected = {
        "since.Contract": {"D1": None, "D2": None},
        "since.Negotiate": {"D1": 3.0, "D2": None},
        "since.Propose": {"D1": 6.0, "D2": None},
        "since.Qualify": {"D1": 71.0, "D2": None},
    }
    values = values_at(PACE, "2024-05-11")
    assert {name: by_deal for name, by_deal in values.items() if name.startswith("since.")} == expected
    undeclared = CrmData(PACE.tables, PACE.attributes, Process(won_stages=("Won",), lost_stages=("Lost",)))
    assert not any(name.startswith("since.") for name in values_at(undeclared, "2024-05-11"))
