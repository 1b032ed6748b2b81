"""Companies made up for reviews: thousands of deals with a planted difference, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crm.schema import TABLES, Known
from crm.tables import DAY, Attribute, Columns, CrmData, Process, encode, micros
from features.history import History

STAGES = ("Qualify", "Propose", "Negotiate")
PROCESS = Process(stages=STAGES, won_stages=("Won",), lost_stages=("Lost",))
ENTRY = ("segment", "product", "lead_source", "owner_id", "account_id")
"""Columns that are known from a deal's entry on."""


def company(rows: Mapping[str, Sequence[Mapping[str, object]]]) -> CrmData:
    """Tables of rows as a store would hand them out: times in microseconds, amounts in hundredths."""
    tables: dict[str, Columns] = {}
    attributes: list[Attribute] = []
    for table, listed in rows.items():
        names = sorted({name for row in listed for name in row})
        tables[table] = {}
        for name in names:
            described = TABLES[table].columns()[name]
            known = Known.CREATED if table == "opportunities" and name in ENTRY else described.known
            attributes.append(Attribute(table, name, described.kind, known, False, name))
            tables[table][name] = encode(described.kind, [row.get(name) for row in listed])
    return CrmData(tables, tuple(attributes), PROCESS)


def losses(seed: int, *, planted: bool, n: int = 3200) -> History:
    """Lost deals of fifteen months in three segments; planted: the share of Price doubles in Mid in 2026Q2."""
    random = np.random.default_rng(seed)
    first, last, since = (micros(day) for day in ("2025-04-01", "2026-07-01", "2026-04-01"))
    closed = random.integers(first, last, n)
    segment = random.choice(["Small", "Mid", "Large"], n, p=[0.5, 0.35, 0.15])
    owner = random.choice(["U1", "U2", "U3", "U4", "U5"], n)
    product = random.choice(["P", "Q", "R"], n)
    rows = []
    for number in range(n):
        price = 0.2
        if planted and segment[number] == "Mid" and closed[number] >= since:
            price = 0.4
        rest = (1 - price) / 5
        reason = random.choice(["Price", "No Budget", "Timing", "No Decision", "No Response", "Lost to Competitor"],
                               p=[price, *[rest] * 5])  # fmt: skip
        rows.append({
            "opportunity_id": f"D{number:05d}", "created_at": int(closed[number]) - 60 * DAY,
            "closed_at": int(closed[number]), "outcome": "lost", "amount": 1_000_00.0, "currency": "EUR",
            "segment": str(segment[number]), "product": str(product[number]), "owner_id": str(owner[number]),
            "loss_reason": str(reason),
        })  # fmt: skip
    users = [{"user_id": f"U{k}", "name": f"User {k}", "team": f"Team {k % 2}"} for k in range(1, 6)]
    return History(company({"opportunities": rows, "users": users}))


def sellers(seed: int, weak: float = 0.45) -> History:
    """Three teams over two years: Hard has the hard deals, Easy and Weak the easy ones.

    Args:
        seed: Seed.
        weak: Win rate of Weak in 2026Q2; it is as good as Easy before.
    """
    random = np.random.default_rng(seed)
    rows = []
    for number in range(2400):
        closed = micros("2024-07-01") + int(random.integers(0, 730)) * DAY
        team = ("Hard", "Easy", "Weak")[number % 3]
        rate = 0.15 if team == "Hard" else 0.45
        if team == "Weak" and closed >= micros("2026-04-01"):
            rate = weak
        rows.append({
            "opportunity_id": f"D{number:05d}", "created_at": closed - int(random.integers(20, 90)) * DAY,
            "closed_at": closed, "outcome": "won" if random.random() < rate else "lost",
            "segment": "Enterprise" if team == "Hard" else "Shops", "owner_id": f"U-{team}",
            "lead_source": str(random.choice(["Web", "Fair"])),
        })  # fmt: skip
    users = [{"user_id": f"U-{team}", "team": team} for team in ("Hard", "Easy", "Weak")]
    return History(company({"opportunities": rows, "users": users}))


def sources(seed: int, odds: float = 3.0) -> History:
    """Deals that go through three stages; of referrals, `odds` times the odds go on at each. Contacts come by stage."""
    random = np.random.default_rng(seed)
    rows, moves, contacts = [], [], []
    for number in range(1200):
        deal, born = f"D{number:05d}", micros("2025-07-01") + int(random.integers(0, 300)) * DAY
        source, product = str(random.choice(["Referral", "Web", "Fair"])), str(random.choice(["P", "Q"]))
        chance = odds / (1 + odds) if source == "Referral" else 0.5
        when, won = born, True
        for place, stage in enumerate(STAGES):
            moves.append({"opportunity_id": deal, "changed_at": when, "to_stage": stage})
            contacts.append({"opportunity_id": deal, "added_at": when - DAY // 2, "contact_id": f"{deal}-{place}",
                             "role": "User"})  # fmt: skip
            when += int(random.integers(5, 25)) * DAY
            if random.random() > chance:
                won = False
                break
        rows.append({
            "opportunity_id": deal, "created_at": born, "closed_at": when, "outcome": "won" if won else "lost",
            "lead_source": source, "product": product,
        })  # fmt: skip
    return History(company({"opportunities": rows, "stage_changes": moves, "contact_roles": contacts}))
