"""Deals like a closed one, of which the model said much the same for much the same reasons, and how they ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from crm.tables import NAT, FloatArray, IntArray
from features.history import History
from features.matrix import UNDATED, Snapshots, build_matrix
from features.records import NEVER
from features.registry import features_of
from models.scoring import WinVersion

CANDIDATES = 4_000
"""Closed deals that are looked at: those whose closing was nearest in time, as the market was like."""
EXPLAINED = 200
"""Of these, how many with the nearest log-odds are asked for reasons, which cost milliseconds each."""


@dataclass(frozen=True)
class Similar:
    """A closed deal like another.

    Attributes:
        deal_id: Its id.
        outcome: How it ended.
        closed_at: When, in microseconds; None in an export without dates.
        p: What the model says of it just before its close.
        distance: Distance of the two deals' contributions, in log-odds (Euclidean).
        alike: What weighs most in both, in words: up to three inputs.
    """

    deal_id: str
    outcome: Literal["won", "lost"]
    closed_at: int | None
    p: float
    distance: float
    alike: tuple[str, ...]


def last_moments(history: History, deals: IntArray) -> Snapshots:
    """Closed deals just before their close; as they were entered, where that is when they are scored.

    Args:
        history: The store's deals.
        deals: Codes of closed deals, in order.
    """
    process = history.crm.process
    if process.time_basis != "dates":
        return Snapshots(deals, np.full(len(deals), UNDATED, dtype=np.int64))
    times = history.created if process.snapshots == "entry" else history.closed
    return Snapshots(deals, times[deals])


def similar(history: History, model: WinVersion, deal: int, most: int) -> tuple[Similar, ...]:
    """The closed deals most like one, by what each input adds to the log-odds just before the close, nearest first.

    Near contributions mean near log-odds, so only deals with the nearest log-odds are asked for their reasons.

    Args:
        history: The store's deals.
        model: The model.
        deal: Code of a closed deal.
        most: How many at most.
    """
    closed = (history.closed != NEVER) & ~np.isnan(history.won)
    closed[deal] = False
    others = np.flatnonzero(closed).astype(np.int64)
    if history.crm.process.time_basis == "dates":
        away = np.abs((history.closed[others] - history.closed[deal]).astype(np.float64))
        others = np.sort(others[np.argsort(away, kind="stable")[:CANDIDATES]])
    others = others[:CANDIDATES]
    if not len(others):
        return ()
    win = model.loaded
    features = win.read(features_of(history))
    mine = build_matrix(history, features, last_moments(history, np.array([deal], dtype=np.int64)))
    margin, here, _ = win.estimator.explained(mine)
    matrix = build_matrix(history, features, last_moments(history, others))
    margins = win.estimator.margin(matrix)
    near = np.sort(np.argsort(np.abs(margins - margin[0]), kind="stable")[:EXPLAINED]).astype(np.int64)
    theirs, _ = win.estimator.contributions(matrix.take(near))
    distance = np.sqrt(((theirs - here[0]) ** 2).sum(axis=1))
    p = win.calibration(margins[near])
    found = []
    for place in np.argsort(distance, kind="stable")[:most].tolist():
        other = int(others[near[place]])
        closed_at = int(history.closed[other])
        found.append(Similar(
            history.deal_ids[other], "won" if history.won[other] == 1 else "lost",
            None if closed_at == NAT else closed_at, float(p[place]), float(distance[place]),
            _alike(here[0], theirs[place], [win.described[name].label for name in win.features]),
        ))  # fmt: skip
    return tuple(found)


def _alike(one: FloatArray, other: FloatArray, labels: list[str]) -> tuple[str, ...]:
    """What pulls both deals the same way, the weightiest (by the lighter of the two) first."""
    both = np.where(one * other > 0, np.minimum(np.abs(one), np.abs(other)), 0.0)
    return tuple(labels[place] for place in np.argsort(-both, kind="stable")[:3].tolist() if both[place] > 0)
