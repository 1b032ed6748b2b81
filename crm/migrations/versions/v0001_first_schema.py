"""The first schema: the CRM's tables, their attributes, the sales process, and the log of imports.

Written out rather than derived from `crm.records`, because a version must stay what it was when the schema moves on.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT, BIG, SMALL = sa.Text(), sa.BigInteger(), sa.SmallInteger()
NUMBER: sa.Double[float] = sa.Double()
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

TABLES: dict[str, list[tuple[str, sa.types.TypeEngine[Any]]]] = {
    "opportunities": [
        ("name", TEXT), ("created_at", BIG), ("closed_at", BIG), ("outcome", TEXT), ("sequence", NUMBER),
        ("account_id", TEXT), ("owner_id", TEXT), ("stage", TEXT), ("amount", BIG), ("currency", TEXT),
        ("expected_close_at", BIG), ("lead_source", TEXT), ("deal_type", TEXT), ("product", TEXT), ("segment", TEXT),
        ("competitor", TEXT), ("loss_reason", TEXT), ("win_reason", TEXT), ("custom", TEXT),
    ],
    "accounts": [
        ("name", TEXT), ("created_at", BIG), ("industry", TEXT), ("segment", TEXT), ("country", TEXT),
        ("account_type", TEXT), ("employees", NUMBER), ("annual_revenue", BIG), ("custom", TEXT),
    ],
    "users": [("name", TEXT), ("team", TEXT), ("manager_id", TEXT)],
    "stage_changes": [
        ("change_id", TEXT), ("opportunity_id", TEXT), ("changed_at", BIG), ("from_stage", TEXT), ("to_stage", TEXT),
        ("sequence", NUMBER), ("user_id", TEXT),
    ],
    "field_changes": [
        ("change_id", TEXT), ("opportunity_id", TEXT), ("changed_at", BIG), ("field", TEXT), ("old_value", TEXT),
        ("new_value", TEXT), ("sequence", NUMBER), ("user_id", TEXT),
    ],
    "activities": [
        ("activity_id", TEXT), ("opportunity_id", TEXT), ("occurred_at", BIG), ("type", TEXT), ("topic", TEXT),
        ("direction", TEXT), ("contact_id", TEXT), ("user_id", TEXT),
    ],
    "contact_roles": [("opportunity_id", TEXT), ("contact_id", TEXT), ("role", TEXT), ("added_at", BIG)],
    "deal_products": [
        ("line_id", TEXT), ("opportunity_id", TEXT), ("product", TEXT), ("quantity", NUMBER), ("amount", BIG),
        ("added_at", BIG),
    ],
    "notes": [
        ("note_id", TEXT), ("opportunity_id", TEXT), ("written_at", BIG), ("kind", TEXT), ("text", TEXT),
    ],
}  # fmt: skip
KEYS = {"opportunities": "opportunity_id", "accounts": "account_id", "users": "user_id"}
REQUIRED = {
    "stage_changes": {"opportunity_id", "changed_at", "to_stage"},
    "field_changes": {"opportunity_id", "changed_at", "field"},
    "activities": {"opportunity_id", "occurred_at", "type"},
    "contact_roles": {"opportunity_id", "contact_id"},
    "deal_products": {"opportunity_id", "product"},
    "notes": {"opportunity_id", "text"},
}


def upgrade() -> None:
    """Create all tables in an empty store."""
    for table, columns in TABLES.items():
        op.create_table(
            table,
            sa.Column(KEYS.get(table, "event_key"), KEY, primary_key=True),
            *(sa.Column(name, kind, nullable=name not in REQUIRED.get(table, set())) for name, kind in columns),
            sqlite_with_rowid=False,
        )
    op.create_table(
        "attributes",
        sa.Column("table_name", TEXT, primary_key=True),
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("declared", TEXT),
        sa.Column("known", TEXT, nullable=False),
        sa.Column("custom", SMALL, nullable=False),
        sa.Column("source", TEXT, nullable=False),
    )
    op.create_table("process", sa.Column("key", TEXT, primary_key=True), sa.Column("value", TEXT, nullable=False))
    op.create_table(
        "imports",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("imported_at", BIG, nullable=False),
        sa.Column("mapping", TEXT, nullable=False),
        sa.Column("mapping_sha256", TEXT, nullable=False),
        sa.Column("files", TEXT, nullable=False),
        sa.Column("report", TEXT, nullable=False),
    )


def downgrade() -> None:
    """Drop all tables."""
    for table in ("imports", "process", "attributes", *reversed(TABLES)):
        op.drop_table(table)
