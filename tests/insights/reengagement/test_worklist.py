"""Marks and hold-outs are respected, and what became of both arms is compared."""

from __future__ import annotations

import numpy as np
import pytest

from crm.marks import Draw, Mark
from crm.tables import DAY, CrmData, micros
from features.history import History
from insights.reengagement.comparing import Comparison, compare
from insights.reengagement.options import Options
from insights.reengagement.worklist import HELD_OUT, worklist
from tests.insights.reengagement.small import DEALS, company, queue

HEAD, LOST = DEALS.strip().splitlines()
NOW = micros("2025-09-01")


def lost(name: str, account: str, amount: int) -> str:
    return f"{name} | 2025-01-10 | 2025-03-01 | lost | {account} | U1 | {amount} | EUR | Price | new"


def mark(deal: str, kind: str, until: int | None = None, at: int = NOW - DAY) -> Mark:
    return Mark(1, deal, kind, until, "Nina", at)  # type: ignore[arg-type]


def drawn(deal: str, account: str, held_out: bool, as_of: int = NOW) -> Draw:
    return Draw(deal, account, held_out, 0.5, 1, as_of, as_of)


@pytest.fixture(scope="module")
def crm() -> CrmData:
    return company("\n".join([HEAD, *(lost(f"d{n}", f"A{n}", 100 * n) for n in range(1, 7))]))


def test_marked_deals_leave_and_the_ranks_close_up(crm: CrmData) -> None:
    found = queue(crm)
    marks = {"d6": mark("d6", "contacted"), "d4": mark("d4", "snoozed", NOW + DAY), "d2": mark("d2", "dismissed"),
             "d3": mark("d3", "snoozed", NOW)}  # fmt: skip
    left = worklist(found, marks, {"d5": drawn("d5", "A5", True), "d1": drawn("d1", "A1", False)}, NOW)
    assert [(row.rank, row.id) for row in left.rows] == [(1, "d3"), (2, "d1")]
    assert left.hidden == {"contacted": 1, "snoozed": 1, "dismissed": 1, HELD_OUT: 1}
    assert left.total == 2
    assert [row.id for row in found.rows] == ["d6", "d5", "d4", "d3", "d2", "d1"]


def test_a_limit_counts_each_currency() -> None:
    dollars = [lost(f"u{n}", f"B{n}", 10 * n).replace("EUR", "USD") for n in range(3)]
    crm = company("\n".join([HEAD, *(lost(f"d{n}", f"A{n}", 100 * n) for n in range(1, 7)), *dollars]))
    left = worklist(queue(crm), {}, {}, NOW, limit=2)
    assert [row.id for row in left.rows] == ["d6", "d5", "u2", "u1"]
    assert left.total == 9


# -- the comparison ----------------------------------------------------------------------------------------------------


def won(account: str, created: str, closed: str) -> str:
    return f"w{account} | {created} | {closed} | won | {account} | U1 | 900 | EUR | | new"


def compared(lines: list[str], draws: list[Draw], marks: list[Mark], as_of: str = "2026-10-01") -> Comparison:
    crm = company("\n".join([HEAD, *lines]))
    return compare(History(crm), micros(as_of), Options(), {item.opportunity_id: item for item in draws}, marks)


def test_the_arms_are_followed_from_their_draw() -> None:
    lines = [lost(f"d{n}", f"A{n}", 100) for n in range(1, 7)]
    lines += [
        won("A1", "2025-10-01", "2026-01-01"),  # offered, won back
        won("A2", "2025-08-01", "2025-10-01"),  # entered before the draw: not one that came back
        won("A3", "2026-08-01", "2026-09-15"),  # won after the horizon
        won("A4", "2025-10-01", "2026-01-01"),  # held out, came back by itself
    ]
    draws = [drawn(f"d{n}", f"A{n}", n > 3) for n in range(1, 6)] + [drawn("d6", "A6", True, micros("2026-05-01"))]
    found = compared(lines, draws, [mark("d1", "contacted", at=NOW), mark("d2", "contacted", at=NOW)])
    assert (found.offered.deals, found.offered.won_back, found.offered.waiting) == (3, 1, 0)
    assert (found.held_out.deals, found.held_out.won_back, found.held_out.waiting) == (2, 1, 1)
    assert found.difference == pytest.approx(1 / 3 - 1 / 2)
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < found.difference < found.upper
    assert "no difference can be told from chance" in found.told
    assert (found.by_mark["contacted"].deals, found.by_mark["contacted"].won_back) == (2, 1)


def test_a_clear_difference_is_told_as_one() -> None:
    lines = [lost(f"d{n}", f"A{n}", 100) for n in range(120)]
    lines += [won(f"A{n}", "2025-10-01", "2026-01-01") for n in range(30)]
    draws = [drawn(f"d{n}", f"A{n}", n >= 60) for n in range(120)]
    found = compared(lines, draws, [])
    assert found.difference == pytest.approx(0.5)
    assert found.lower == pytest.approx(0.362, abs=0.01)  # Newcombe's interval of 30/60 against 0/60
    assert "more often than those left alone: +50.0 points" in found.told
    swapped = [drawn(d.opportunity_id, d.account, not d.held_out) for d in draws]
    assert "less often" in compared(lines, swapped, []).told


def test_before_anything_can_be_told() -> None:
    lines = [lost("d1", "A1", 100), lost("d2", "A2", 100)]
    assert "nothing was held out" in compared(lines, [], []).told
    draws = [drawn("d1", "A1", False), drawn("d2", "A2", True)]
    early = compared(lines, draws, [], as_of="2025-12-01")
    assert early.difference is None
    assert "too early to tell: 2 deals" in early.told
    gone = compared(lines, [drawn("no such deal", "A9", False)], [])
    assert gone.offered.deals == 0


def test_under_no_effect_the_interval_holds_zero_as_often_as_it_says() -> None:
    from insights.reengagement.comparing import Rate, _difference
    from models.proportions import wilson

    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        arms = []
        for _ in range(2):
            k = float(rng.binomial(150, 0.15))
            lower, upper = wilson(np.array([k]), np.array([150.0]))
            arms.append(Rate(150, int(k), k / 150, float(lower[0]), float(upper[0]), 0))
        _, low, high = _difference(*arms)
        assert low is not None
        assert high is not None
        held += low <= 0 <= high
    assert 0.92 <= held / 400 <= 0.98
