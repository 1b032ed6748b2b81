"""A CRM of any size as arrays in memory, for benchmarks: drawn at once with NumPy, without a store or a simulation.

The numbers of rows per deal are those of a usual export: about ten activities, four stage changes, four field changes,
two contacts and two product lines. There is no truth in it to be learnt; for that there is `crm.simulate`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crm.schema import TABLES, Known
from crm.tables import DAY, NAT, Attribute, Coded, Columns, CrmData, IntArray, Process, micros

STAGES = ("Qualify", "Discover", "Propose", "Negotiate", "Contract")
Moments = Callable[[IntArray], IntArray]
START, UNTIL = micros("2022-01-03"), micros("2025-01-06")

_CREATED = {
    "opportunities": ("product", "segment", "lead_source"), "accounts": ("industry", "segment", "country", "employees"),
}  # fmt: skip
_HISTORY = ("owner_id", "amount", "expected_close_at", "competitor")


def crm_arrays(n_deals: int, seed: int = 0) -> CrmData:
    """A company's tables, drawn by chance.

    Args:
        n_deals: Number of deals.
        seed: Seed of all chance.

    Returns:
        All tables but users and notes, event rows in order of time, as exports usually list them.
    """
    rng = np.random.default_rng(seed)
    ids = tuple(f"D{number:07d}" for number in range(n_deals))
    born = np.sort(rng.integers(START, UNTIL - 30 * DAY, n_deals))
    ends = born + rng.gamma(2.0, 60 * DAY, n_deals).astype(np.int64) + DAY
    closed = np.where(ends < UNTIL, ends, NAT)
    last = np.minimum(ends, UNTIL)
    won = rng.random(n_deals) < 0.3
    n_accounts, n_owners = max(1, n_deals // 3), max(2, n_deals // 400)

    def moments(deal: IntArray) -> IntArray:
        return (born[deal] + rng.random(len(deal)) ** 1.3 * (last[deal] - born[deal])).astype(np.int64)

    def deals(per_deal: float) -> IntArray:
        return np.repeat(np.arange(n_deals), rng.poisson(per_deal, n_deals))

    tables: dict[str, Columns] = {
        "accounts": {
            "account_id": _named("A", np.arange(n_accounts), n_accounts),
            "industry": _drawn(rng, [f"Industry {i}" for i in range(12)], n_accounts, missing=0.05),
            "segment": _drawn(rng, ["Small", "Medium", "Large"], n_accounts),
            "country": _drawn(rng, ["NL", "DE", "FR", "UK", "US"], n_accounts),
            "employees": rng.integers(1, 5000, n_accounts).astype(np.float64),
        },
        "opportunities": {
            "opportunity_id": Coded(np.arange(n_deals, dtype=np.int32), ids),
            "created_at": born,
            "closed_at": closed,
            "outcome": Coded(np.where(closed == NAT, -1, won).astype(np.int32), ("lost", "won")),
            "account_id": _named("A", rng.integers(0, n_accounts, n_deals), n_accounts),
            "product": _drawn(rng, [f"Product {i}" for i in range(20)], n_deals),
            "segment": _drawn(rng, ["north", "south", "east", "west"], n_deals),
            "lead_source": _drawn(rng, ["web", "fair", "partner", "cold call"], n_deals, missing=0.1),
        },
    }
    deal = deals(10)
    tables["activities"] = _by_time({
        "opportunity_id": Coded(deal.astype(np.int32), ids),
        "occurred_at": moments(deal),
        "type": _drawn(rng, ["email", "call", "meeting", "task", "quote", "other"], len(deal)),
        "direction": _drawn(rng, ["inbound", "outbound"], len(deal), missing=0.2),
        "contact_id": _named("K", rng.integers(0, 8, len(deal)), 8),
        "user_id": _named("U", rng.integers(0, n_owners, len(deal)), n_owners),
    }, "occurred_at")  # fmt: skip
    tables["stage_changes"] = _stage_changes(rng, ids, deals(3), born, moments)
    field_changes, today = _field_changes(rng, ids, deals(4), born, n_owners, moments)
    tables["field_changes"] = field_changes
    tables["opportunities"] |= today
    deal = deals(2)
    tables["contact_roles"] = _by_time({
        "opportunity_id": Coded(deal.astype(np.int32), ids),
        "contact_id": _named("K", rng.integers(0, 8, len(deal)), 8),
        "role": _drawn(rng, ["Champion", "Decision maker", "User", "Influencer"], len(deal), missing=0.1),
        "added_at": moments(deal),
    }, "added_at")  # fmt: skip
    deal = deals(2)
    tables["deal_products"] = _by_time({
        "opportunity_id": Coded(deal.astype(np.int32), ids),
        "product": _drawn(rng, [f"Product {i}" for i in range(20)], len(deal)),
        "amount": rng.integers(1, 10**7, len(deal)).astype(np.float64),
        "added_at": moments(deal),
    }, "added_at")  # fmt: skip
    return CrmData(tables, _attributes(tables), Process(stages=STAGES))


def pairs_of(crm: CrmData, per_deal: int, seed: int = 1) -> tuple[IntArray, IntArray]:
    """Deals and midnights within their lives, `per_deal` of each, ordered by deal and moment.

    Args:
        crm: As `crm_arrays` gives it.
        per_deal: Snapshots of each deal.
        seed: Seed of the choice.
    """
    rng = np.random.default_rng(seed)
    born, closed = (crm.tables["opportunities"][name] for name in ("created_at", "closed_at"))
    assert isinstance(born, np.ndarray)
    assert isinstance(closed, np.ndarray)
    ends = np.where(closed == NAT, UNTIL, closed)
    share = np.sort(rng.random((len(born), per_deal)), axis=1)
    moments = (born[:, None] + share * (ends - born)[:, None]).astype(np.int64)
    moments = moments - moments % DAY + DAY
    return np.repeat(np.arange(len(born), dtype=np.int64), per_deal), moments.reshape(-1)


def _stage_changes(
    rng: np.random.Generator, ids: tuple[str, ...], deal: IntArray, born: IntArray, moments: Moments
) -> Columns:
    """The entry into the first stage, then moves mostly forward, now and then back."""
    moves = np.concatenate([np.arange(len(born)), deal])
    times = np.concatenate([born, moments(deal)])
    order = np.lexsort((times, moves))
    moves, times = moves[order], times[order]
    step = rng.choice([1, 2, -1], len(moves), p=[0.75, 0.1, 0.15])
    first = _first_of(moves)
    place = np.clip(_running(np.where(first, 0, step), first), 0, len(STAGES) - 1).astype(np.int32)
    before = np.where(first, -1, np.roll(place, 1)).astype(np.int32)
    return _by_time({
        "opportunity_id": Coded(moves.astype(np.int32), ids), "changed_at": times,
        "from_stage": Coded(before, STAGES), "to_stage": Coded(place, STAGES),
    }, "changed_at")  # fmt: skip


def _field_changes(
    rng: np.random.Generator, ids: tuple[str, ...], deal: IntArray, born: IntArray, n_owners: int, moments: Moments
) -> tuple[Columns, Columns]:
    """Changes of four fields, each old value the new one before it, and the deals' columns as they end up."""
    amounts = np.arange(500, 20_500) * 50.0
    days = np.arange(START, UNTIL + 400 * DAY, DAY)
    written = {
        "owner_id": [f"U{number:07d}" for number in range(n_owners)],
        "amount": [f"{amount:.2f}" for amount in amounts],
        "expected_close_at": [f"{day}+00:00" for day in days.view("M8[us]").astype("M8[s]").astype(str)],
        "competitor": [f"Rival {number}" for number in range(15)],
    }
    offset = np.cumsum([0, *(len(values) for values in written.values())])
    levels = tuple(value for values in written.values() for value in values)
    field = rng.integers(0, len(written), len(deal))
    time = moments(deal)
    order = np.lexsort((time, field, deal))
    deal, field, time = deal[order], field[order], time[order]
    value = np.empty(len(deal), dtype=np.int64)
    first_value = np.empty((len(written), len(born)), dtype=np.int64)
    for number, values in enumerate(written.values()):
        mine = field == number
        if number == 2:  # expected close dates lie ahead of the change
            value[mine] = (time[mine] - START) // DAY + rng.integers(1, 300, int(mine.sum()))
            first_value[number] = (born - START) // DAY + 60
        else:
            value[mine] = rng.integers(0, len(values), int(mine.sum()))
            first_value[number] = rng.integers(0, len(values), len(born))
    first = _first_of(deal * len(written) + field)
    old = np.where(first, first_value[field, deal], np.roll(value, 1))
    final = first_value.copy()
    final[field, deal] = value  # of several changes of a deal's field the last one stays
    rows = _by_time({
        "opportunity_id": Coded(deal.astype(np.int32), ids), "changed_at": time,
        "field": Coded(field.astype(np.int32), tuple(written)),
        "old_value": Coded((old + offset[field]).astype(np.int32), levels),
        "new_value": Coded((value + offset[field]).astype(np.int32), levels),
    }, "changed_at")  # fmt: skip
    today: Columns = {
        "owner_id": Coded(final[0].astype(np.int32), tuple(written["owner_id"])),
        "amount": amounts[final[1]] * 100,
        "expected_close_at": days[final[2]],
        "competitor": Coded(final[3].astype(np.int32), tuple(written["competitor"])),
    }
    return rows, today


def _first_of(key: IntArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    first = np.ones(len(key), dtype=bool)
    first[1:] = key[1:] != key[:-1]
    return first


def _running(step: IntArray, first: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> IntArray:
    """Running sums that start again at each first row."""
    sums = np.cumsum(step)
    return sums - np.repeat(sums[first] - step[first], np.diff(np.append(np.flatnonzero(first), len(step))))


def _named(letter: str, codes: IntArray, n_names: int) -> Coded:
    return Coded(codes.astype(np.int32), tuple(f"{letter}{number:07d}" for number in range(n_names)))


def _drawn(rng: np.random.Generator, levels: list[str], size: int, missing: float = 0.0) -> Coded:
    codes = rng.integers(0, len(levels), size).astype(np.int32)
    codes[rng.random(size) < missing] = -1
    return Coded(codes, tuple(levels))


def _by_time(columns: Columns, clock: str) -> Columns:
    times = columns[clock]
    assert isinstance(times, np.ndarray)
    order = np.argsort(times, kind="stable").astype(np.int64)
    return {name: v.take(order) if isinstance(v, Coded) else v[order] for name, v in columns.items()}


def _attributes(tables: dict[str, Columns]) -> tuple[Attribute, ...]:
    found = []
    for table, columns in tables.items():
        for name in columns:
            described = TABLES[table].columns()[name]
            known = Known.CREATED if name in _CREATED.get(table, ()) else described.known
            if table == "opportunities" and name in _HISTORY:
                known = Known.HISTORY
            found.append(Attribute(table, name, described.kind, known, False, name))
    return tuple(found)
