"""Marks on lost deals in the re-engagement queue, and the draws of deals to be left alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT, BIG = sa.Text(), sa.BigInteger()
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables; what the store holds stays as it is."""
    op.create_table(
        "marks",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("opportunity_id", KEY, nullable=False),
        sa.Column("mark", TEXT, nullable=False),
        sa.Column("until", BIG),
        sa.Column("marked_by", TEXT, nullable=False),
        sa.Column("marked_at", BIG, nullable=False),
    )
    op.create_index("marks_of_a_deal", "marks", ["opportunity_id"])
    op.create_table(
        "holdouts",
        sa.Column("opportunity_id", KEY, primary_key=True),
        sa.Column("account", KEY, nullable=False),
        sa.Column("held_out", sa.SmallInteger(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("drawn_at", BIG, nullable=False),
        sa.Column("as_of", BIG, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("holdouts")
    op.drop_index("marks_of_a_deal", "marks")
    op.drop_table("marks")
