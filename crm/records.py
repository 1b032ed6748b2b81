"""The store's tables, derived from `crm.schema`; what is written here is only what the schema does not say.

Times are whole microseconds since 1970 in UTC, money whole hundredths, booleans 0 or 1, text is text; NULL is missing.
A company's own columns lie together as a JSON object in `custom`, typed in the same way.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from crm.schema import TABLES, Kind, Table

metadata = sa.MetaData()

EVENT_KEY = "event_key"
"""Primary key of events: the CRM's own id, or a hash of the content and its occurrence number."""
CUSTOM = "custom"
"""JSON object of a company's own columns."""

KEY_TYPE: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Identifiers, ordered by code point in every database, so that rows come in the same order from each."""

SQL_TYPES: dict[Kind, TypeEngine[Any]] = {
    Kind.ID: sa.Text(),
    Kind.TEXT: sa.Text(),
    Kind.CATEGORY: sa.Text(),
    Kind.MONEY: sa.BigInteger(),
    Kind.NUMBER: sa.Double(),
    Kind.INTEGER: sa.BigInteger(),
    Kind.BOOLEAN: sa.SmallInteger(),
    Kind.TIME: sa.BigInteger(),
}


def key_of(table: type[Table]) -> str:
    """Name of the column that identifies a row of a table in the store."""
    return table.key or EVENT_KEY


def _record(table: type[Table]) -> sa.Table:
    key = key_of(table)
    columns: list[sa.Column[Any]] = [sa.Column(key, KEY_TYPE, primary_key=True)]
    columns += [
        sa.Column(name, SQL_TYPES[column.kind], nullable=not column.required)
        for name, column in table.columns().items()
        if name != key
    ]
    if table.custom:
        columns.append(sa.Column(CUSTOM, sa.Text()))
    # Without a row id, a scan comes in the order of the key: rows are loaded in the same order whatever the import's.
    return sa.Table(table.table, metadata, *columns, sqlite_with_rowid=False)


RECORDS: dict[str, sa.Table] = {name: _record(table) for name, table in TABLES.items()}
"""Table of the store by table of the schema."""

attributes = sa.Table(
    "attributes",
    metadata,
    sa.Column("table_name", sa.Text(), primary_key=True),
    sa.Column("name", sa.Text(), primary_key=True),
    sa.Column("position", sa.Integer(), nullable=False),
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("declared", sa.Text()),  # what the mapping says of when it is known; NULL where it says nothing
    sa.Column("known", sa.Text(), nullable=False),
    sa.Column("custom", sa.SmallInteger(), nullable=False),
    sa.Column("source", sa.Text(), nullable=False),
)

process = sa.Table(
    "process",
    metadata,
    sa.Column("key", sa.Text(), primary_key=True),
    sa.Column("value", sa.Text(), nullable=False),  # JSON
)

imports = sa.Table(
    "imports",
    metadata,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
    sa.Column("imported_at", sa.BigInteger(), nullable=False),
    sa.Column("mapping", sa.Text(), nullable=False),
    sa.Column("mapping_sha256", sa.Text(), nullable=False),
    sa.Column("files", sa.Text(), nullable=False),  # JSON
    sa.Column("report", sa.Text(), nullable=False),  # JSON
)

labels = sa.Table(
    "labels",
    metadata,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
    sa.Column("opportunity_id", KEY_TYPE, nullable=False),
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("text_sha256", sa.Text(), nullable=False),  # the note's text itself is not kept
    sa.Column("reasons", sa.Text(), nullable=False),  # JSON list of ids, the primary reason first
    sa.Column("labelled_by", sa.Text(), nullable=False),
    sa.Column("labelled_at", sa.BigInteger(), nullable=False),
    sa.Column("taxonomy_sha256", sa.Text(), nullable=False),
    sa.Column("source", sa.Text(), nullable=False),
    sa.Index("labels_of_a_note", "opportunity_id", "kind", "text_sha256"),
)

score_runs = sa.Table(
    "score_runs",
    metadata,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
    sa.Column("made_at", sa.BigInteger(), nullable=False),
    sa.Column("as_of", sa.BigInteger(), nullable=False),
    sa.Column("imported_at", sa.BigInteger(), nullable=False),  # names the data that were scored
    sa.Column("model_version", sa.Integer(), nullable=False),
    sa.Column("model_digest", sa.Text(), nullable=False),
    sa.Column("in_sample", sa.SmallInteger(), nullable=False),
    sa.Column("n", sa.Integer(), nullable=False),
    sa.Column("facts", sa.Text(), nullable=False),  # JSON: what the run says of its model
    sa.Column("columns", sa.Text(), nullable=False),  # JSON: names of the inputs kept
    sa.Index("score_runs_once", "as_of", "model_digest", "imported_at", unique=True),
)

score_parts = sa.Table(
    "score_parts",
    metadata,
    sa.Column("run_id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("part", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("first_id", KEY_TYPE, nullable=False),
    sa.Column("last_id", KEY_TYPE, nullable=False),
    sa.Column("scores", sa.LargeBinary(), nullable=False),  # see crm.ledger
    sa.Column("inputs", sa.LargeBinary(), nullable=False),
    sa.Index("score_parts_of_a_deal", "first_id", "last_id"),
)

marks = sa.Table(
    "marks",
    metadata,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
    sa.Column("opportunity_id", KEY_TYPE, nullable=False),
    sa.Column("mark", sa.Text(), nullable=False),
    sa.Column("until", sa.BigInteger()),
    sa.Column("marked_by", sa.Text(), nullable=False),
    sa.Column("marked_at", sa.BigInteger(), nullable=False),
    sa.Index("marks_of_a_deal", "opportunity_id"),
)

holdouts = sa.Table(
    "holdouts",
    metadata,
    sa.Column("opportunity_id", KEY_TYPE, primary_key=True),
    sa.Column("account", KEY_TYPE, nullable=False),
    sa.Column("held_out", sa.SmallInteger(), nullable=False),
    sa.Column("share", sa.Double(), nullable=False),
    sa.Column("seed", sa.Integer(), nullable=False),
    sa.Column("drawn_at", sa.BigInteger(), nullable=False),
    sa.Column("as_of", sa.BigInteger(), nullable=False),
)
