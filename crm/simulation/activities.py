"""The activities of a run: what kind each one was, who took part, and the meetings planned after the export."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm.simulation.clock import within
from crm.simulation.company import Users
from crm.simulation.course import Course
from crm.simulation.frames import category, identifiers, times
from crm.tables import DAY, NAT, IntArray

TYPES = ("email", "call", "meeting", "task", "quote")
MEETING, TASK, QUOTE = 2, 3, 4
TOPICS = {
    "email": ("Introduction", "Follow-up", "Pricing", "Technical question", "Contract", "Scheduling"),
    "call": ("Cold call", "Discovery", "Follow-up", "Pricing", "Check-in"),
    "meeting": ("Discovery", "Demo", "Workshop", "Negotiation", "Executive briefing"),
    "task": ("Research", "Prepare proposal", "Update forecast", "Send material"),
    "quote": ("Quote",),
}
_OUTBOUND = np.array([  # share of email, call, meeting and task, by stage
    (0.52, 0.33, 0.05, 0.10),
    (0.46, 0.30, 0.12, 0.12),
    (0.45, 0.22, 0.22, 0.11),
    (0.48, 0.24, 0.16, 0.12),
    (0.44, 0.28, 0.20, 0.08),
])  # fmt: skip
_INBOUND = (0.72, 0.22, 0.06)
PLANNED_SHARE = 0.35
"""Share of open deals beyond qualification, with a customer who still answers, that have a meeting planned."""

DEMO_HELD, QUOTE_SENT, MEETING_PLANNED = 1, 2, 3
"""What an activity marks, beside the ordinary ones (0)."""

Lookup = Callable[[IntArray, IntArray], IntArray]


def _planned(course: Course, rng: np.random.Generator) -> dict[str, np.ndarray]:
    deals, state = course.deals, course.state
    rows = np.flatnonzero((deals.closed == NAT) & (state.stage >= 2) & (state.dark_weeks == 0))
    rows = rows[rng.random(len(rows)) < PLANNED_SHARE]
    start = np.full(len(rows), course.end)
    return {
        "deal": rows,
        "time": within(start, start + 21 * DAY, rng),
        "inbound": np.zeros(len(rows), dtype=bool),
        "stage": state.stage[rows],
        "contacts": state.contacts[rows],
        "milestone": np.full(len(rows), MEETING_PLANNED),
    }


def activities(
    course: Course, users: Users, owner_at: Lookup, contact: Lookup,
    ids: tuple[NDArray[np.object_], NDArray[np.object_], NDArray[np.object_]], rng: np.random.Generator,
) -> pd.DataFrame:  # fmt: skip
    """The table of activities, in order of time, planned ones last.

    Args:
        course: The run.
        users: The sellers.
        owner_at: Owner of deals at times.
        contact: Contact who was the n-th to join a deal.
        ids: Identifiers of deals, contacts and users.
        rng: Where all chance comes from.
    """
    logged, planned = course.log.columns("activities"), _planned(course, rng)
    event = {name: np.concatenate([values, planned[name]]) for name, values in logged.items()}
    order = np.argsort(event["time"], kind="stable")
    event = {name: values[order] for name, values in event.items()}
    n = len(order)
    u = rng.random(n)
    outbound = (np.cumsum(_OUTBOUND, axis=1)[event["stage"]] < u[:, None]).sum(axis=1)
    inbound = np.searchsorted(np.cumsum(_INBOUND), u)
    kind = np.where(event["inbound"], np.minimum(inbound, MEETING), np.minimum(outbound, TASK))
    milestone = event["milestone"]
    kind = np.where(milestone == QUOTE_SENT, QUOTE, np.where(milestone > 0, MEETING, kind))

    values: list[str] = []
    offset: list[int] = []
    for name in TYPES:
        offset.append(len(values))
        values += [f"{name}:{topic}" for topic in TOPICS[name]]
    sizes = np.array([len(TOPICS[name]) for name in TYPES])
    topic = np.array(offset)[kind] + (rng.random(n) * sizes[kind]).astype(np.int64)
    topic = np.where(milestone == DEMO_HELD, values.index("meeting:Demo"), topic)
    plain = [value.split(":")[1] for value in values]
    distinct = tuple(dict.fromkeys(plain))
    topic = np.array([distinct.index(name) for name in plain])[topic]

    deal, contacts = event["deal"], event["contacts"]
    ordinal = (rng.random(n) ** 1.5 * np.maximum(contacts, 1)).astype(np.int64)
    nobody = (kind == TASK) | ((contacts == 0) & (rng.random(n) < 0.6))
    owner = owner_at(deal, event["time"])
    user = np.where(rng.random(n) < 0.04, users.manager[owner], owner)
    deal_ids, contact_ids, user_ids = ids
    return pd.DataFrame({
        "activity_id": identifiers("T", n),
        "opportunity_id": category(deal, deal_ids),
        "occurred_at": times(event["time"]),
        "type": category(kind, TYPES),
        "topic": category(np.where(rng.random(n) < 0.15, -1, topic), distinct),
        "direction": category(np.where(kind == TASK, -1, event["inbound"].astype(np.int64)), ("outbound", "inbound")),
        "contact_id": category(np.where(nobody, -1, contact(deal, ordinal)), contact_ids),
        "user_id": category(user, user_ids),
    })  # fmt: skip
