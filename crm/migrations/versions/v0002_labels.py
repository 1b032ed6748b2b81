"""Labels: what people answered to notes, one row for each answer ever given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.Text()
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table; what the store holds stays as it is."""
    op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("opportunity_id", KEY, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("text_sha256", TEXT, nullable=False),
        sa.Column("reasons", TEXT, nullable=False),
        sa.Column("labelled_by", TEXT, nullable=False),
        sa.Column("labelled_at", sa.BigInteger(), nullable=False),
        sa.Column("taxonomy_sha256", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
    )
    op.create_index("labels_of_a_note", "labels", ["opportunity_id", "kind", "text_sha256"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_index("labels_of_a_note", "labels")
    op.drop_table("labels")
