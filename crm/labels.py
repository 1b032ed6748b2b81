"""What people answered to notes: the reasons of each, with who and when. Answers are added, never overwritten.

The newest answer to a note counts and all earlier ones stay readable. An answer names its note by `crm.notes.NoteKey`,
so it survives a new import of the same note, and no text is kept. Reasons are kept under the ids that they had when
they were given; what became of an id in a later taxonomy is asked when they are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from crm.errors import AnswerError
from crm.notes import NoteKey
from crm.records import labels as table
from crm.store import Store
from crm.tables import micros

Renaming = Callable[[str], str | None]
"""Gives the present id of a reason, as a taxonomy's `current_id` does; None where the reason is gone or was split."""


@dataclass(frozen=True)
class Label:
    """One answer to one note.

    Attributes:
        id: Running number, from 1, in the order in which answers were stored.
        note: The note.
        reasons: Ids of the reasons, the primary one first; never empty.
        by: Who answered.
        at: When, in microseconds since 1970, UTC.
        taxonomy: Digest of the taxonomy that was answered from.
        source: Where the answer was given, such as `review`.
    """

    id: int
    note: NoteKey
    reasons: tuple[str, ...]
    by: str
    at: int
    taxonomy: str
    source: str


def add_label(
    store: Store, note: NoteKey, reasons: Sequence[str], *, by: str, taxonomy: str, source: str = "review",
    at: int | None = None,
) -> Label:  # fmt: skip
    """Store an answer to a note beside those that it has.

    Args:
        store: Where to.
        note: The note.
        reasons: Ids of the reasons, the primary one first; that they are in the taxonomy is for the caller to check.
        by: Who answers.
        taxonomy: Digest of the taxonomy answered from.
        source: Where the answer was given.
        at: When, in microseconds since 1970, UTC; now by default.

    Raises:
        AnswerError: There is no reason, one is named twice, or nobody answers.
        StoreError: The database refuses.
    """
    by = by.strip()
    if not by:
        raise AnswerError("an answer needs the name of who gave it")
    if not reasons or not all(reasons):
        raise AnswerError("an answer needs at least one reason")
    if len(set(reasons)) < len(reasons):
        raise AnswerError(f"an answer names a reason twice: {', '.join(reasons)}")
    when = micros(datetime.now(UTC)) if at is None else at
    row = {
        "opportunity_id": note.opportunity_id, "kind": note.kind, "text_sha256": note.digest,
        "reasons": json.dumps(list(reasons)), "labelled_by": by,
        "labelled_at": when, "taxonomy_sha256": taxonomy, "source": source,
    }  # fmt: skip
    with store.transaction() as connection:
        number = connection.execute(table.insert().values(row).returning(table.c.id)).scalar_one()
    return Label(number, note, tuple(reasons), by, when, taxonomy, source)


def labels(store: Store, kind: str = "", *, renaming: Renaming | None = None) -> dict[NoteKey, Label]:
    """The answer that counts of every note that has one: its newest, of the same moment the one stored last.

    Args:
        store: Where from.
        kind: `loss` or `win`; both by default.
        renaming: Taxonomy's `current_id`; ids as they were stored by default. Two reasons of an answer that have become
            one are named once. Where the primary reason is gone or was split, the note needs another look and counts
            as not answered; a further reason that is gone is left away.
    """
    chosen = sa.select(table).order_by(table.c.labelled_at, table.c.id)
    if kind:
        chosen = chosen.where(table.c.kind == kind)
    newest = {label.note: label for label in _read(store, chosen)}
    if renaming is None:
        return newest
    found: dict[NoteKey, Label] = {}
    for note, label in newest.items():
        primary, *further = (renaming(reason) for reason in label.reasons)
        if primary is not None:
            now = dict.fromkeys([primary, *(reason for reason in further if reason is not None)])
            found[note] = replace(label, reasons=tuple(now))
    return found


def history(store: Store, note: NoteKey) -> list[Label]:
    """All answers to a note, the newest last, each with the ids that it was given under; the last one counts."""
    mine = sa.select(table).where(
        table.c.opportunity_id == note.opportunity_id, table.c.kind == note.kind, table.c.text_sha256 == note.digest
    )
    return _read(store, mine.order_by(table.c.labelled_at, table.c.id))


def _read(store: Store, chosen: sa.Select[Any]) -> list[Label]:
    with store.transaction() as connection:
        rows = connection.execute(chosen).all()
    return [
        Label(
            row.id, NoteKey(row.opportunity_id, row.kind, row.text_sha256), tuple(json.loads(row.reasons)),
            row.labelled_by, row.labelled_at, row.taxonomy_sha256, row.source,
        )
        for row in rows
    ]  # fmt: skip
