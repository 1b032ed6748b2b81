"""What happened to a deal, in order: its stages, pushes, amounts, owners, contacts, products and activities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from crm.schema import Known
from crm.tables import NAT, Coded, moment
from features.asof import Events
from features.history import History

What = Literal[
    "entered", "stage", "close date", "amount", "owner", "contact", "product", "activity", "closed", "reopened"
]


@dataclass(frozen=True)
class Happening:
    """Something that happened to a deal.

    Attributes:
        at: When, in microseconds.
        what: Of what kind.
        words: What exactly.
    """

    at: int
    what: What
    words: str

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"at": moment(self.at).isoformat(), "what": self.what, "words": self.words}


def timeline(history: History, deal: int) -> tuple[Happening, ...]:
    """All dated events of a deal, in order; none in an export without dates.

    Args:
        history: The store's deals.
        deal: Code of the deal.
    """
    if history.crm.process.time_basis != "dates" or history.created[deal] == NAT:
        return ()
    found = [Happening(int(history.created[deal]), "entered", "deal entered")]
    for part in (_stages, _lapses, _pushes, _amounts, _owners, _contacts, _products, _activities):
        found += part(history, deal)
    outcome = {1.0: "won", 0.0: "lost"}.get(float(history.won[deal]))
    if outcome is not None:
        found.append(Happening(int(history.closed[deal]), "closed", outcome))
    last = len(found) - 1
    order = sorted(range(len(found)), key=lambda place: (found[place].at, outcome is not None and place == last))
    return tuple(found[place] for place in order)


def _mine(events: Events, deal: int) -> Iterator[tuple[int, int]]:
    """Place and time of each event of a deal."""
    for place in range(int(events.starts[deal]), int(events.starts[deal + 1])):
        yield place, int(events.time[place])


def _text(events: Events, column: str, place: int) -> str:
    code = int(events.codes(column)[place])
    return events.levels(column)[code] if code >= 0 else ""


def _stages(history: History, deal: int) -> Iterator[Happening]:
    events = history.stage_changes
    for place, at in _mine(events, deal):
        back = ", a step back" if events.plain("backward")[place] else ""
        yield Happening(at, "stage", f"entered {_text(events, 'stage', place)}{back}")


def _lapses(history: History, deal: int) -> Iterator[Happening]:
    events = history.lapses
    for place, at in _mine(events, deal):
        if events.plain("delta")[place] > 0:
            yield Happening(at, "closed", ("won" if events.plain("won")[place] else "lost") + ", for a while")
        else:
            yield Happening(at, "reopened", "reopened")


def _pushes(history: History, deal: int) -> Iterator[Happening]:
    if not _tracked(history, "expected_close_at"):
        return
    events = history.pushes
    for place, at in _mine(events, deal):
        days, new = float(events.numbers("days")[place]), float(events.numbers("new")[place])
        if np.isnan(new):
            yield Happening(at, "close date", "expected close taken away")
            continue
        by = "" if not days else f" ({abs(days):.0f} days {'later' if days > 0 else 'earlier'})"
        yield Happening(at, "close date", f"expected close {moment(int(new)):%Y-%m-%d}{by}")


def _amounts(history: History, deal: int) -> Iterator[Happening]:
    if not _tracked(history, "amount"):
        return
    events = history.amount_changes
    for place, at in _mine(events, deal):
        old, new = (float(events.numbers(name)[place]) / 100 for name in ("old", "new"))
        yield Happening(at, "amount", f"amount {_amount(old)} to {_amount(new)}")


def _amount(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:,.0f}"


def _owners(history: History, deal: int) -> Iterator[Happening]:
    if not _tracked(history, "owner_id"):
        return
    events = history.field("opportunities.owner_id").changes
    if events is None:
        return
    names = owner_names(history)
    for place, at in _mine(events, deal):
        new = _text(events, "new", place)
        yield Happening(at, "owner", f"owner {names.get(new, new) or 'none'}")


def owner_names(history: History) -> dict[str, str]:
    """Name of each user by id; the id where there is no name."""
    users = history.crm.tables.get("users", {})
    ids, names = users.get("user_id"), users.get("name")
    if not isinstance(ids, Coded) or not isinstance(names, Coded):
        return {}
    return {key: name or key for key, name in zip(ids.strings().tolist(), names.strings().tolist(), strict=True)}


def _contacts(history: History, deal: int) -> Iterator[Happening]:
    events = history.contact_roles
    for place, at in _mine(events, deal):
        yield Happening(at, "contact", f"contact added: {_text(events, 'role', place) or 'no role'}")


def _products(history: History, deal: int) -> Iterator[Happening]:
    events = history.deal_products
    for place, at in _mine(events, deal):
        yield Happening(at, "product", f"product added: {_text(events, 'product', place)}")


def _activities(history: History, deal: int) -> Iterator[Happening]:
    events = history.activities
    for place, at in _mine(events, deal):
        told = [_text(events, name, place) for name in ("type", "direction", "topic")]
        yield Happening(at, "activity", ", ".join(text for text in told if text))


def _tracked(history: History, name: str) -> bool:
    return history.crm.known("opportunities", name) is Known.HISTORY
