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
    past_deals,
)

ACTORS = ("d0", "d1", "d2")
"""Deals that may be entered in the past, or in one future only."""
EXTRAS = ("b21", "b22", "b23")
"""Deals closed in the past, to which things may still happen."""

_TEXTS: dict[str, tuple[Value, ...]] = {
    "owner_id": ("U0", "U1", "U9", None), "lead_source": ("web", "fair", None), "deal_type": ("new", "renewal"),
    "product": ("P", "Q", "Z"), "segment": ("north", "east", None), "competitor": ("Acme", "Bolt", None),
    "forecast": ("commit", "best case", None), "region": ("EU", "US"), "approval": ("open", "done"),
}  # fmt: skip


def values_of(name: str, kind: Kind) -> SearchStrategy[Value]:
    """Values of a column of deals."""
    if name in _TEXTS:
        return st.sampled_from(_TEXTS[name])
    if kind is Kind.TIME:
        return st.sampled_from([AS_OF + days * DAY for days in (-90, -1, 0, 1, 45)] + [None])
    if kind is Kind.MONEY:
        return st.sampled_from([0, 1, 99_999, 123_456_789, None])
    if kind is Kind.BOOLEAN:
        return st.sampled_from([0.0, 1.0, None])
    return st.sampled_from([0.0, 2.0, 17.0, None] + ([] if kind is Kind.INTEGER else [0.1]))


_ENTRY = st.fixed_dictionaries({
    **{name: values_of(name, kind) for name, kind in TRACKED.items()},
    **{name: values_of(name, kind) for name, (kind, _) in CUSTOM.items()},
    "account_id": st.sampled_from(["A0", "A1", "A3", None]),
})  # fmt: skip


def happenings(times: SearchStrategy[int]) -> SearchStrategy[Happening]:
    """Anything that can happen to a deal after it was entered, legal or passed over."""
    deals = st.sampled_from(ACTORS + EXTRAS)
    changes = st.sampled_from(sorted(TRACKED)).flatmap(
        lambda name: st.builds(Changed, times, deals, st.just(name), values_of(name, TRACKED[name]))
    )
    untracked: dict[str, SearchStrategy[Value]] = {
        "approval": st.sampled_from(["open", "done", None]), "margin": st.sampled_from([0.0, 0.5, None]),
        "loss_reason": st.sampled_from(["price", "silence"]), "name": st.sampled_from(["Deal", "Other deal"]),
    }  # fmt: skip
    overwrites = st.sampled_from(sorted(untracked)).flatmap(
        lambda name: st.builds(Overwritten, times, deals, st.just(name), untracked[name])
    )
    activities = st.fixed_dictionaries({
        "type": st.sampled_from(["email", "call", "meeting", "task", "quote", "other"]),
        "topic": st.sampled_from(["intro", "terms", None]), "direction": st.sampled_from(["inbound", "outbound", None]),
        "contact_id": st.sampled_from(["K1", "K2", None]), "user_id": st.sampled_from(["U0", "U1", None]),
    })  # fmt: skip
    roles = st.fixed_dictionaries({
        "contact_id": st.sampled_from(["K1", "K2", "K3"]),
        "role": st.sampled_from(["Champion", "Decision maker", "Economic buyer", "User", None]),
    })  # fmt: skip
    lines = st.fixed_dictionaries({
        "product": st.sampled_from(["P", "Q"]), "quantity": st.just(1.0), "amount": st.sampled_from([1, 250_000, None]),
    })  # fmt: skip
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


_PAST, _FUTURE = quarter_days(-40, 0), quarter_days(0, 30)
_OLD = [st.builds(Entered, quarter_days(-60, 0), st.just(deal), _ENTRY) for deal in ACTORS]
_NEW = [st.builds(Entered, _FUTURE, st.just(deal), _ENTRY) for deal in ACTORS]

_TABLES = ["accounts", "stage_changes", "field_changes", "activities", "contact_roles", "deal_products"]
_FEW: SearchStrategy[frozenset[str]] = st.one_of(
    st.just(frozenset()), st.frozensets(st.sampled_from(_TABLES), min_size=1, max_size=2)
)
STYLES = st.builds(
    Style, st.booleans(), st.sampled_from(["ids", "sequence", "neither"]), st.booleans(), absent=_FEW, empty=_FEW
)
"""How the CRM exports; mostly all of it."""


def _worlds(entries: list[SearchStrategy[Entered]], times: SearchStrategy[int]) -> SearchStrategy[list[Happening]]:
    entered = st.tuples(*(st.one_of(st.none(), entry) for entry in entries))
    later = st.lists(happenings(times), max_size=12)
    return st.builds(lambda some, more: [one for one in some if one is not None] + more, entered, later)


PASTS = st.builds(
    lambda company, more: [*(past_deals() if company else []), *more],
    st.sampled_from([True, True, True, False]), _worlds(_OLD, _PAST),
)  # fmt: skip
"""What happened before AS_OF: a company with or without two dozen closed deals, and up to three deals of now."""

FUTURES = _worlds(_NEW, _FUTURE)
"""What may happen at or after AS_OF, also to deals that are entered only then."""
