"""Worlds for the future-invariance test: happenings in a company, and the export that its CRM would give today.

A world is a list of happenings. `export` plays them in order of time and writes down what a CRM writes down: dated rows
where it keeps a history, and columns as they stand at the end, which is how a later happening reaches an earlier one.
Two worlds that share their past differ in nothing but what lies at or after `AS_OF`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from crm.schema import TABLES, Kind, Known
from crm.tables import DAY, Attribute, Columns, CrmData, Process, encode, micros, moment

AS_OF = micros("2024-07-01")
"""A Monday, 00:00 UTC, on which every world is looked at."""

STAGES = ("Qualify", "Propose", "Negotiate")
WON_STAGE, LOST_STAGE = "Closed Won", "Closed Lost"

CUSTOM: dict[str, tuple[Kind, Known]] = {
    "region": (Kind.CATEGORY, Known.CREATED), "seats": (Kind.INTEGER, Known.CREATED),
    "strategic": (Kind.BOOLEAN, Known.CREATED), "budget": (Kind.MONEY, Known.CREATED),
    "score": (Kind.NUMBER, Known.CREATED), "event_at": (Kind.TIME, Known.CREATED),
    "forecast": (Kind.CATEGORY, Known.HISTORY), "users": (Kind.NUMBER, Known.HISTORY),
    "piloted": (Kind.BOOLEAN, Known.HISTORY), "discount": (Kind.MONEY, Known.HISTORY),
    "trial_at": (Kind.TIME, Known.HISTORY), "seat_count": (Kind.INTEGER, Known.HISTORY),
    "approval": (Kind.CATEGORY, Known.CLOSED), "margin": (Kind.NUMBER, Known.CLOSED),
}  # fmt: skip
"""A company's own columns of deals: every kind, known at entry, from history, or only at the close."""
CUSTOM_OF_ACCOUNTS = {"tier": (Kind.CATEGORY, Known.CREATED), "shops": (Kind.NUMBER, Known.CREATED)}

TRACKED: dict[str, Kind] = {
    "owner_id": Kind.ID, "amount": Kind.MONEY, "expected_close_at": Kind.TIME, "lead_source": Kind.CATEGORY,
    "deal_type": Kind.CATEGORY, "product": Kind.CATEGORY, "segment": Kind.CATEGORY, "competitor": Kind.CATEGORY,
    **{name: kind for name, (kind, known) in CUSTOM.items() if known is Known.HISTORY},
}  # fmt: skip
"""Columns of deals whose changes the CRM records."""

Value = str | int | float | None


@dataclass(frozen=True)
class Happening:
    """Something that happens to a deal at a moment (microseconds)."""

    time: int
    deal: str


@dataclass(frozen=True)
class Entered(Happening):
    """The deal is entered, with the values of its columns."""

    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Changed(Happening):
    """A tracked column changes; the CRM records it."""

    name: str = "amount"
    value: Value = None


@dataclass(frozen=True)
class Overwritten(Happening):
    """A column that is known only at the close changes, and nothing records it."""

    name: str = "approval"
    value: Value = None


@dataclass(frozen=True)
class Moved(Happening):
    """The deal moves to another open stage; out of a closing stage, it is reopened."""

    stage: str = STAGES[0]


@dataclass(frozen=True)
class Closed(Happening):
    """The deal closes; a talkative CRM also records the change of its close date."""

    won: bool = False
    talkative: bool = False


@dataclass(frozen=True)
class Row(Happening):
    """A row of activities, contact roles or product lines."""

    table: str = "activities"
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Style:
    """How the CRM exports.

    Attributes:
        date_only: Whether times are cut to their day.
        order: What tells the order of changes of the same time.
        declared_stages: Whether the mapping declares the order of the stages.
        absent: Tables that it does not export.
        empty: Tables that it exports without rows.
        company: Whether two dozen deals had closed before.
    """

    date_only: bool = False
    order: Literal["ids", "sequence", "neither"] = "ids"
    declared_stages: bool = True
    absent: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()
    company: bool = True


def attributes(style: Style) -> tuple[Attribute, ...]:
    """Every column, with when it is known where the mapping knows its company well and there are changes at hand."""
    found, unseen = [], style.absent | style.empty
    for name, table in TABLES.items():
        if name in style.absent or name in ("users", "notes"):
            continue
        for column, described in table.columns().items():
            known = described.known
            if name == "opportunities" and column in TRACKED:
                known = Known.HISTORY if "field_changes" not in unseen else Known.CLOSED
            elif name == "opportunities" and column == "stage":
                known = Known.HISTORY if "stage_changes" not in unseen else Known.CLOSED
            elif name == "accounts" and column not in ("name", "account_type"):
                known = Known.CREATED
            found.append(Attribute(name, column, described.kind, known, False, column))
        for own, (kind, known) in {"opportunities": CUSTOM, "accounts": CUSTOM_OF_ACCOUNTS}.get(name, {}).items():
            if known is Known.HISTORY and "field_changes" in unseen:
                known = Known.CLOSED
            found.append(Attribute(name, own, kind, known, True, own))
    return tuple(found)


ACCOUNTS: list[dict[str, Value]] = [
    {
        "account_id": f"A{number}", "name": f"Account {number}", "created_at": AS_OF - 900 * DAY,
        "industry": ("Retail", "Energy", None)[number % 3], "segment": ("Small", "Large")[number % 2],
        "country": ("NL", "DE", "FR")[number % 3], "account_type": "Prospect", "employees": (10.0, 250.0)[number % 2],
        "annual_revenue": (100_000_050, None)[number % 2], "tier": ("gold", "silver")[number % 2],
        "shops": 3.0 * number,
    }
    for number in range(4)
]  # fmt: skip


def written(kind: Kind, value: Value) -> str:
    """A value in the notation of field changes."""
    if value is None:
        return ""
    if kind is Kind.MONEY:
        return f"{value / 100:.2f}"  # type: ignore[operator]
    if kind is Kind.TIME:
        return moment(int(value)).isoformat()
    if kind is Kind.BOOLEAN:
        return "true" if value else "false"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


class _Crm:
    """A CRM that records what happens; happenings that make no sense in its state are passed over."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.deals: dict[str, dict[str, Value]] = {}
        self.rows: dict[str, list[dict[str, Value]]] = defaultdict(list)
        self._said: dict[tuple[str, str, int], list[Value]] = {}

    def clock(self, time: int) -> int:
        return time - time % DAY if self.style.date_only else time

    def write(self, table: str, row: Mapping[str, Value]) -> None:
        number = len(self.rows[table])
        numbered: dict[str, Value] = dict(row)
        if self.style.order == "sequence" and "sequence" in TABLES[table].columns():
            numbered["sequence"] = float(number)
        names = {"stage_changes": "change_id", "field_changes": "change_id", "deal_products": "line_id"}
        if self.style.order == "ids" and table in names:
            numbered[names[table]] = f"r{number:05d}"
        self.rows[table].append(numbered)

    def move(self, deal: str, time: int, stage: str) -> None:
        state = self.deals[deal]
        self.write("stage_changes", {
            "opportunity_id": deal, "changed_at": time, "from_stage": state.get("stage"), "to_stage": stage,
        })  # fmt: skip
        state["stage"] = stage

    def change(self, deal: str, time: int, name: str, value: Value) -> None:
        state = self.deals[deal]
        old = state.get(name)
        said = self._said.setdefault((deal, name, time), [old])
        # A field that returns within one instant, without ids or sequence, leaves rows in a circle: no order to tell.
        if value == old or (self.style.order == "neither" and value in said):
            return
        said.append(value)
        kind = TRACKED[name]
        self.write("field_changes", {
            "opportunity_id": deal, "changed_at": time, "field": name,
            "old_value": written(kind, old) or None, "new_value": written(kind, value) or None,
        })  # fmt: skip
        state[name] = value

    def play(self, happening: Happening) -> None:
        deal, time = happening.deal, self.clock(happening.time)
        state = self.deals.get(deal)
        if isinstance(happening, Row):
            clock = TABLES[happening.table].clock
            assert clock is not None
            self.write(happening.table, {"opportunity_id": deal, clock: time, **happening.values})
        elif isinstance(happening, Entered):
            if state is None:
                self.deals[deal] = {"opportunity_id": deal, "created_at": time, **happening.values}
                self.move(deal, time, STAGES[0])
        elif state is None:
            return
        elif isinstance(happening, Changed):
            self.change(deal, time, happening.name, happening.value)
        elif isinstance(happening, Overwritten):
            state[happening.name] = happening.value
        elif isinstance(happening, Moved):
            untold = state.get("outcome") is not None and "stage_changes" in self.style.absent | self.style.empty
            if state["stage"] != happening.stage and not untold:  # only stage changes tell that a deal was reopened
                self.move(deal, time, happening.stage)
                state |= {"closed_at": None, "outcome": None}
        elif isinstance(happening, Closed) and state.get("outcome") is None:
            if happening.talkative:
                self.change(deal, time, "expected_close_at", time)
            self.move(deal, time, WON_STAGE if happening.won else LOST_STAGE)
            reason = "win_reason" if happening.won else "loss_reason"
            state |= {"closed_at": time, "outcome": "won" if happening.won else "lost", reason: "price"}
            state |= {"expected_close_at": time, "approval": "done", "margin": 1.0 if happening.won else 0.0}


def export(happenings: Iterable[Happening], style: Style) -> CrmData:
    """What the CRM exports after all that happened; columns as they stand, histories as they were recorded."""
    crm = _Crm(style)
    company = past_deals() if style.company else ()
    for happening in sorted([*company, *happenings], key=lambda one: one.time):
        crm.play(happening)
    accounts = [dict(account) for account in ACCOUNTS]
    for deal in crm.deals.values():
        if deal.get("outcome") == "won" and deal.get("account_id") is not None:  # winning makes customers, untracked
            accounts[int(str(deal["account_id"])[1:])]["account_type"] = "Customer"
    rows = {**crm.rows, "opportunities": list(crm.deals.values()), "accounts": accounts}
    told = attributes(style)
    tables: dict[str, Columns] = {}
    for table in dict.fromkeys(one.table for one in told):
        kept = [] if table in style.empty else rows.get(table, [])
        tables[table] = {
            one.name: encode(one.kind, [row.get(one.name) for row in kept]) for one in told if one.table == table
        }
    stages = STAGES if style.declared_stages else ()
    return CrmData(tables, told, Process(stages=stages, won_stages=(WON_STAGE,), lost_stages=(LOST_STAGE,)))


@cache
def past_deals() -> tuple[Happening, ...]:
    """Two dozen deals that were entered, worked on and closed before AS_OF, so that rates and records exist."""
    happenings: list[Happening] = []
    for number in range(24):
        deal, born = f"b{number:02d}", AS_OF - (400 - 13 * number) * DAY
        happenings.append(Entered(born, deal, {
            "account_id": f"A{number % 3}", "owner_id": f"U{number % 3}", "amount": 100_000 + number, "currency": "EUR",
            "lead_source": ("web", "fair")[number % 2], "deal_type": "new", "product": ("P", "Q")[number % 2],
            "segment": ("north", "south")[number % 2], "competitor": ("Acme", None)[number % 2], "region": "EU",
            "forecast": "pipeline", "expected_close_at": born + 30 * DAY, "approval": "open",
        }))  # fmt: skip
        happenings += [
            Row(born + DAY, deal, "activities", {
                "type": "call", "topic": "intro", "direction": "inbound", "contact_id": "K1", "user_id": "U1",
            }),
            Row(born + DAY, deal, "contact_roles", {"contact_id": "K1", "role": "Champion"}),
            Row(born + DAY, deal, "deal_products", {"product": "P", "quantity": 1.0, "amount": 5000}),
            Changed(born + 2 * DAY, deal, "amount", 120_000 + number),
            Changed(born + 3 * DAY, deal, "expected_close_at", born + 45 * DAY),
            Moved(born + 5 * DAY, deal, STAGES[1]),
            Closed(born + 40 * DAY, deal, won=number % 3 == 0),
        ]  # fmt: skip
    return tuple(happenings)
