"""What people did with lost deals of the re-engagement queue: contacted, snoozed, dismissed; with who and when.

Marks are added, never overwritten: the newest one of a deal counts and all earlier ones stay readable. They are kept
beside the CRM's own records, so a new import leaves them as they are.

A deal may also be drawn at random to be left alone, so that what calling brings can be told from what would have come
anyhow. The draw rests on the account, the seed and nothing else, is stored the first time that a deal is in a queue
with a hold-out, and is never drawn again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa

from crm.errors import MarkError
from crm.records import RECORDS, holdouts, marks
from crm.store import Store
from crm.tables import micros

MarkKind = Literal["contacted", "snoozed", "dismissed"]
KINDS: tuple[MarkKind, ...] = get_args(MarkKind)
LONGEST_NAME = 200
"""Characters of the name of who marks."""


@dataclass(frozen=True)
class Mark:
    """One mark on one lost deal.

    Attributes:
        id: Running number, from 1, in the order in which marks were stored.
        opportunity_id: The deal.
        kind: What was done.
        until: Day until which it is snoozed, in microseconds since 1970 (its 00:00 UTC); None for the other kinds.
        by: Who marked it.
        at: When, in microseconds since 1970, UTC.
    """

    id: int
    opportunity_id: str
    kind: MarkKind
    until: int | None
    by: str
    at: int

    def hides(self, as_of: int) -> bool:
        """Whether the deal is left out of a queue of that moment: dismissed or contacted, or snoozed until later."""
        return self.kind != "snoozed" or (self.until is not None and self.until > as_of)


def add_mark(
    store: Store, opportunity_id: str, kind: str, *, by: str, until: int | None = None, at: int | None = None
) -> Mark:
    """Store a mark on a deal beside those that it has.

    Args:
        store: Where to.
        opportunity_id: The deal; that it is in the store is for the caller to check.
        kind: One of `KINDS`.
        by: Who marks it.
        until: Until when it is snoozed, in microseconds; wanted for `snoozed`, and for nothing else.
        at: When, in microseconds since 1970, UTC; now by default.

    Raises:
        MarkError: The kind is none, nobody marks it, or `until` is missing, too early or out of place.
        StoreError: The database refuses.
    """
    by = by.strip()
    when = micros(datetime.now(UTC)) if at is None else at
    if kind not in KINDS:
        raise MarkError(f"{kind!r} is not a mark; there are {', '.join(KINDS)}")
    if not by or len(by) > LONGEST_NAME or not by.isprintable():
        raise MarkError(f"a mark needs the name of who sets it, of {LONGEST_NAME} printable characters at most")
    if (kind == "snoozed") != (until is not None):
        told = "needs the day until which" if kind == "snoozed" else "has no day until which"
        raise MarkError(f"a deal that is {kind} {told} it rests")
    if until is not None and until <= when:
        raise MarkError("the day until which a deal rests must lie ahead")
    row = {"opportunity_id": opportunity_id, "mark": kind, "until": until, "marked_by": by, "marked_at": when}
    with store.transaction() as connection:
        number = connection.execute(marks.insert().values(row).returning(marks.c.id)).scalar_one()
    return Mark(number, opportunity_id, _kind(kind), until, by, when)


def outcome_of(store: Store, opportunity_id: str) -> str | None:
    """How a deal stands: `won`, `lost` or `open`; None where the store holds none with that id."""
    deals = RECORDS["opportunities"]
    with store.transaction() as connection:
        row = connection.execute(sa.select(deals.c.outcome).where(deals.c.opportunity_id == opportunity_id)).first()
    return None if row is None else row.outcome or "open"


def marks_by_deal(store: Store) -> dict[str, Mark]:
    """The mark that counts of every deal that has one: its newest, of the same moment the one stored last."""
    return {mark.opportunity_id: mark for mark in _read(store, sa.select(marks))}


def mark_history(store: Store, opportunity_id: str) -> list[Mark]:
    """All marks of a deal, the newest last; the last one counts."""
    return _read(store, sa.select(marks).where(marks.c.opportunity_id == opportunity_id))


def all_marks(store: Store) -> list[Mark]:
    """Every mark ever set, the oldest first."""
    return _read(store, sa.select(marks))


def _read(store: Store, chosen: sa.Select[Any]) -> list[Mark]:
    with store.transaction() as connection:
        rows = connection.execute(chosen.order_by(marks.c.marked_at, marks.c.id)).all()
    return [Mark(row.id, row.opportunity_id, _kind(row.mark), row.until, row.marked_by, row.marked_at) for row in rows]


def _kind(text: str) -> MarkKind:
    return next(kind for kind in KINDS if kind == text)


@dataclass(frozen=True)
class Draw:
    """Whether a deal was drawn to be left alone.

    Attributes:
        opportunity_id: The deal.
        account: Its account (its own id where it has none), which the draw rests on.
        held_out: Whether it is left alone.
        share: Share that was to be held out.
        seed: Seed of the draw.
        drawn_at: When it was drawn, in microseconds since 1970, UTC.
        as_of: Moment of the queue in which it first was, in microseconds.
    """

    opportunity_id: str
    account: str
    held_out: bool
    share: float
    seed: int
    drawn_at: int
    as_of: int


def is_held_out(account: str, share: float, seed: int) -> bool:
    """Whether an account falls into the hold-out: a number in [0, 1) from its id and the seed lies below the share."""
    digest = hashlib.sha256(f"{seed}\0{account}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def draw(
    store: Store, deals: Sequence[tuple[str, str]], *, share: float, seed: int, as_of: int, at: int | None = None
) -> dict[str, Draw]:
    """Draw those deals that have not been drawn yet, store that, and give the draws of all of them.

    Args:
        store: Where to.
        deals: Ids of deals, each with that of its account.
        share: Share to hold out, between 0 and 1, neither of them.
        seed: Seed of the draw.
        as_of: Moment of the queue, in microseconds.
        at: When, in microseconds since 1970, UTC; now by default.

    Raises:
        MarkError: The share does not lie between 0 and 1.
        StoreError: The database refuses.
    """
    if not 0 < share < 1:
        raise MarkError(f"a share to hold out lies between 0 and 1, neither of them; not {share:g}")
    when = micros(datetime.now(UTC)) if at is None else at
    known = draws(store)
    before = {item.account: item for item in known.values()}
    fresh = []
    for deal, account in deals:
        if deal not in known:
            own = before.get(account)  # an account once drawn stays what it was
            held = is_held_out(account, share, seed) if own is None else own.held_out
            fresh.append(Draw(deal, account, held, share, seed, when, as_of))
    with store.transaction() as connection:
        for start in range(0, len(fresh), 1000):
            rows = [vars(item) | {"held_out": int(item.held_out)} for item in fresh[start : start + 1000]]
            connection.execute(holdouts.insert(), rows)
    known |= {item.opportunity_id: item for item in fresh}
    return {deal: known[deal] for deal, _ in deals}


def draws(store: Store, deals: Iterable[str] | None = None) -> dict[str, Draw]:
    """The draws of all deals, or of some, by deal."""
    wanted = None if deals is None else set(deals)
    with store.transaction() as connection:
        rows = connection.execute(sa.select(holdouts).order_by(holdouts.c.opportunity_id)).all()
    found = [Draw(row.opportunity_id, row.account, bool(row.held_out), row.share, row.seed, row.drawn_at, row.as_of)
             for row in rows]  # fmt: skip
    return {item.opportunity_id: item for item in found if wanted is None or item.opportunity_id in wanted}
