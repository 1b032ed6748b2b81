"""The queue as people work it off: without what they have marked, and without what was drawn to be left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from crm.marks import Draw, Mark
from insights.reengagement.rows import Queue, Row

HELD_OUT = "held out at random, to be left alone"


@dataclass(frozen=True)
class Worklist:
    """What is left to do.

    Attributes:
        rows: Deals to call, by currency and rank; at most so many of each currency as were asked for.
        total: Deals to call in all.
        hidden: Deals of the queue that are not shown, by why: their mark, or the hold-out.
    """

    rows: list[Row]
    total: int
    hidden: dict[str, int]


def worklist(
    queue: Queue, marks: Mapping[str, Mark], draws: Mapping[str, Draw], today: int, limit: int | None = None
) -> Worklist:
    """What is left of a queue.

    Args:
        queue: The queue.
        marks: The mark that counts of each deal; pass those that were set by the moment asked about.
        draws: Draws of the hold-out by deal.
        today: The day, in microseconds, that snoozed deals wait for.
        limit: Most rows of each currency; all by default.
    """
    hidden: Counter[str] = Counter()
    rows: list[Row] = []
    shown: Counter[str] = Counter()
    total = 0
    for row in queue.rows:
        mark, drawn = marks.get(row.id), draws.get(row.id)
        if drawn is not None and drawn.held_out:
            hidden[HELD_OUT] += 1
        elif mark is not None and mark.hides(today):
            hidden[mark.kind] += 1
        else:
            total += 1
            shown[row.currency] += 1
            if limit is None or shown[row.currency] <= limit:
                rows.append(replace(row, rank=shown[row.currency]))
    return Worklist(rows, total, dict(hidden))


def account_key(row: Row) -> str:
    """What the draw of a row's hold-out rests on: its account, or the deal itself where it has none."""
    return row.account_id or row.id
