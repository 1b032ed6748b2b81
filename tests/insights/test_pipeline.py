from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from crm.tables import micros
from features.history import History
from insights.pipeline import Ailing, Limits, health
from tests.features.small import crm_of

AS_OF = micros("2026-04-01")

DEALS = """
opportunity_id | created_at | closed_at | outcome | amount | expected_close_at
A              | 2026-01-05 |           |         | 100    |
B              | 2026-01-05 |           |         | 900    |
C              | 2026-03-25 |           |         | 500    |
"""
ACTIVITIES = """
opportunity_id | occurred_at | type    | contact_id
A              | 2026-01-10  | call    | p
A              | 2026-04-03  | meeting | p
B              | 2026-03-20  | email   | p
B              | 2026-03-21  | email   | q
B              | 2026-04-05  | call    | r
"""
CHANGES = """
opportunity_id | changed_at | field             | old_value  | new_value
A              | 2026-01-20 | expected_close_at | 2026-02-01 | 2026-03-01
A              | 2026-02-20 | expected_close_at | 2026-03-01 | 2026-03-20
B              | 2026-02-20 | expected_close_at | 2026-03-01 | 2026-05-01
B              | 2026-04-02 | expected_close_at | 2026-05-01 | 2026-06-01
"""
ROLES = """
opportunity_id | added_at   | contact_id | role
A              | 2026-01-06 | p          | Influencer
B              | 2026-01-06 | q          | Decision Maker
C              | 2026-04-02 | s          | Economic Buyer
"""
WHOLE = {"opportunities": DEALS, "activities": ACTIVITIES, "field_changes": CHANGES, "contact_roles": ROLES}


def lists(tables: dict[str, str], limits: Limits | None = None, imported: str = "2026-04-01",
          currency: Sequence[str] = ("EUR",) * 3) -> dict[str, Ailing]:  # fmt: skip
    crm = dataclasses.replace(crm_of(tables), imported_at=micros(imported))
    history = History(crm)
    deals = np.arange(history.n_deals, dtype=np.int64)
    found = health(history, AS_OF, deals, np.array([100.0, 900.0, 500.0]), currency, limits)
    return {item.name: item for item in found}


def named(found: dict[str, Ailing], name: str) -> dict[str, float]:
    item = found[name]
    assert item.absent is None
    return {"ABC"[deal]: value for deal, value in zip(item.deals.tolist(), item.values.tolist(), strict=True)}


def test_each_list_holds_the_deals_that_need_a_look_the_largest_first() -> None:
    found = lists(WHOLE)
    assert named(found, "stale") == {"A": 40.0}  # an edit on 20 February was the last sign of life
    assert named(found, "pushed") == {"A": 2.0}  # the push of B on 2 April had not happened yet
    assert named(found, "overdue") == {"A": 12.0}
    assert list(named(found, "single_threaded").items()) == [("C", 0.0), ("A", 1.0)]
    assert list(named(found, "no_decision_maker").items()) == [("C", 0.0), ("A", 0.0)]


def test_limits_can_be_set() -> None:
    found = lists(WHOLE, Limits(stale_days=5, pushes=1, contacts=0))
    assert set(named(found, "stale")) == {"A", "B", "C"}
    assert set(named(found, "pushed")) == {"A", "B"}
    assert set(named(found, "single_threaded")) == {"C"}


def test_a_planned_activity_is_the_next_step() -> None:
    assert named(lists(WHOLE), "no_next_step") == {"C": 0.0}
    later = lists(WHOLE, imported="2026-06-01")["no_next_step"]  # of a past day, nobody knows what was planned
    assert later.absent == "planned activities"


@pytest.mark.parametrize(
    ("missing", "lists_lost"),
    [
        ("activities", {"no_next_step"}), ("field_changes", {"pushed"}),
        ("contact_roles", {"no_decision_maker"}),
    ],
)  # fmt: skip
def test_what_the_data_lack_is_said_and_not_guessed(missing: str, lists_lost: set[str]) -> None:
    found = lists({name: text for name, text in WHOLE.items() if name != missing})
    assert {name for name, item in found.items() if item.absent} == lists_lost
    assert all(not len(found[name].deals) for name in lists_lost)


def test_deals_alone_tell_little() -> None:
    found = lists({"opportunities": DEALS})
    assert {name for name, item in found.items() if not item.absent} == {"overdue", "no_amount", "no_close_date"}
    nothing = "opportunity_id | created_at\nA | 2026-01-05\nB | 2026-01-05\nC | 2026-03-25"
    assert all(item.absent for item in lists({"opportunities": nothing}).values())


def test_amounts_in_several_currencies_are_not_compared() -> None:
    found = lists(WHOLE, Limits(stale_days=5), currency=["USD", "EUR", "USD"])
    assert list(named(found, "stale")) == ["C", "A", "B"]


TODAY = """
opportunity_id | created_at | closed_at  | outcome | amount | expected_close_at
B              | 2026-01-05 |            |         | 0      |
A              | 2026-01-05 |            |         | 100    | 2026-03-20
C              | 2026-03-25 |            |         |        | 2026-05-01
"""


def test_without_a_history_the_crm_tells_of_today_alone() -> None:
    found = lists({"opportunities": TODAY, "activities": ACTIVITIES.replace("2026-04-0", "2026-03-0")})
    assert named(found, "overdue") == {"A": 12.0}
    assert set(named(found, "no_close_date")) == {"B"}
    assert set(named(found, "no_amount")) == {"B", "C"}  # 0 is what a CRM shows where none was entered
    before = lists({"opportunities": TODAY, "activities": ACTIVITIES}, imported="2026-06-01")  # a past day
    assert before["overdue"].absent == before["no_close_date"].absent == "opportunities.expected_close_at"
