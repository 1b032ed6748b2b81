"""Hypothesis strategies: what may happen to deals, how a CRM exports it, and pairs of futures with a shared past."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from crm.schema import Kind
from crm.tables import DAY
from tests.features.worlds import (
    AS_OF,
    CUSTOM,
    STAGES,
    TRACKED,
    Changed,
    Closed,
    Entered,
    Happening,
    Moved,
    Overwritten,
    Row,
    Style,
    Value,
)

ACTORS = ("d0", "d1", "d2")
"""Deals that may be entered in the past, or in one future only."""
EXTRAS = ("b21", "b22", "b23")
"""Deals closed in the past, to which things may still happen."""

_TEXTS: dict[str, tuple[Value, ...]] = {
    "owner_id": ("U0", "U1", "U9", None), "lead_source": ("web", "fair", None), "deal_type": ("new", "renewal"),
    "product": ("P", "Q", "Z"), "segment": ("north", "east", None), "competitor": ("Acme", "Bolt", None),
    "forecast": ("commit", "best case", None), "region": ("EU", "US"), "approval": ("open", "done"),
    "account_id": ("A0", "A1", "A3", None),
}  # fmt: skip
_OTHERS: dict[Kind, tuple[Value, ...]] = {
    Kind.TIME: (*(AS_OF + days * DAY for days in (-90, -1, 0, 1, 45)), None),
    Kind.MONEY: (0, 1, 99_999, 123_456_789, None),
    Kind.BOOLEAN: (0.0, 1.0, None),
    Kind.INTEGER: (0.0, 2.0, 17.0, None),
    Kind.NUMBER: (0.0, 0.1, -17.0, None),
}
_KINDS = {"account_id": Kind.ID, **TRACKED, **{name: kind for name, (kind, _) in CUSTOM.items()}}


def values_of(name: str) -> tuple[Value, ...]:
    """Values that a column of deals may have."""
    return _TEXTS.get(name) or _OTHERS[_KINDS[name]]


def _profile(number: int) -> dict[str, Value]:
    """Columns of a deal at entry: one value for each, another for each number; of number 0, none."""
    if number == 0:
        return {}
    return {name: values_of(name)[(place + number) % len(values_of(name))] for place, name in enumerate(_KINDS)}


PROFILES = st.sampled_from([_profile(number) for number in range(6)])


def happenings(times: SearchStrategy[int]) -> SearchStrategy[Happening]:
    """Anything that can happen to a deal after it was entered, legal or passed over."""
    deals = st.sampled_from([*ACTORS, *ACTORS, *EXTRAS])
    changes = st.sampled_from(sorted(TRACKED)).flatmap(
        lambda name: st.builds(Changed, times, deals, st.just(name), st.sampled_from(values_of(name)))
    )
    untracked: dict[str, SearchStrategy[Value]] = {
        "approval": st.sampled_from(["open", "done", None]), "margin": st.sampled_from([0.0, 0.5, None]),
        "loss_reason": st.sampled_from(["price", "silence"]), "name": st.sampled_from(["Deal", "Other deal"]),
    }  # fmt: skip
    overwrites = st.sampled_from(sorted(untracked)).flatmap(
        lambda name: st.builds(Overwritten, times, deals, st.just(name), untracked[name])
    )
    activities = st.sampled_from([
        {"type": kind, "topic": topic, "direction": direction, "contact_id": contact, "user_id": user}
        for kind in ("email", "call", "meeting", "task", "quote", "other")
        for topic, direction, contact, user in (
            ("intro", "inbound", "K1", "U0"), ("terms", "outbound", "K2", None), (None, None, None, "U1"),
        )
    ])  # fmt: skip
    roles = st.sampled_from([
        {"contact_id": contact, "role": role}
        for contact in ("K1", "K2", "K3")
        for role in ("Champion", "Decision maker", "Economic buyer", "User", None)
    ])
    lines = st.sampled_from([
        {"product": product, "quantity": 1.0, "amount": amount} for product in "PQ" for amount in (1, 250_000, None)
    ])
    return st.one_of(
        changes,
        st.builds(Moved, times, deals, st.sampled_from(STAGES)),
        st.builds(Closed, times, deals, st.booleans(), st.booleans()),
        st.builds(Row, times, deals, st.just("activities"), activities),
        st.builds(Row, times, deals, st.just("contact_roles"), roles),
        st.builds(Row, times, deals, st.just("deal_products"), lines),
        overwrites,
    )


def quarter_days(start: int, stop: int) -> SearchStrategy[int]:
    """Moments in steps of six hours around AS_OF, few enough that some coincide."""
    return st.integers(start * 4, stop * 4 - 1).map(lambda step: AS_OF + step * (DAY // 4))


def _burst(time: int, deal: str, number: int) -> list[Happening]:
    """A busy moment: every tracked column of a deal changes, and a row of each kind is written."""
    profile = _profile(number)
    return [
        *(Changed(time, deal, name, profile.get(name)) for name in TRACKED),
        Moved(time, deal, STAGES[number % 3]),
        Row(time, deal, "activities", {"type": "call", "direction": "inbound", "contact_id": "K1", "user_id": "U1"}),
        Row(time, deal, "contact_roles", {"contact_id": "K3", "role": "Champion"}),
        Row(time, deal, "deal_products", {"product": "P", "quantity": 1.0, "amount": 700}),
    ]


def _worlds(
    entries: list[SearchStrategy[Entered | None]], times: SearchStrategy[int]
) -> SearchStrategy[list[Happening]]:
    deals = st.sampled_from(ACTORS)
    bursts: SearchStrategy[list[Happening]] = st.one_of(st.just([]), st.builds(_burst, times, deals, st.integers(0, 5)))
    single = st.lists(happenings(times), max_size=10)
    return st.builds(
        lambda entered, burst, more: [*(one for one in entered if one is not None), *burst, *more],
        st.tuples(*entries), bursts, single,
    )  # fmt: skip


_PAST, _FUTURE = quarter_days(-40, 0), quarter_days(0, 30)
_OLD = [st.builds(Entered, quarter_days(-60, -20), st.just(deal), PROFILES) for deal in ACTORS]
_NEW = [st.builds(Entered, _FUTURE, st.just(deal), PROFILES) for deal in ACTORS]

_TABLES = ["accounts", "stage_changes", "field_changes", "activities", "contact_roles", "deal_products"]
_FEW: SearchStrategy[frozenset[str]] = st.one_of(
    st.just(frozenset()), st.frozensets(st.sampled_from(_TABLES), min_size=1, max_size=2)
)
STYLES = st.builds(
    Style, st.booleans(), st.sampled_from(["ids", "sequence", "neither"]), st.booleans(), absent=_FEW, empty=_FEW,
    company=st.sampled_from([True, True, True, False]),
)  # fmt: skip
"""How the CRM exports; mostly all of it."""


PASTS = _worlds([_OLD[0], st.none() | _OLD[1], st.none() | _OLD[2]], _PAST)
"""What happened before AS_OF to up to three deals, and to some of the company's that had closed."""

FUTURES = _worlds([st.none() | entry for entry in _NEW], _FUTURE)
"""What may happen at or after AS_OF, also to deals that are entered only then."""
