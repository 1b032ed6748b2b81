"""The ledger of scores: every scoring run, and its deals in compressed parts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.Text()
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables; what the store holds stays as it is."""
    op.create_table(
        "score_runs",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("model_digest", TEXT, nullable=False),
        sa.Column("in_sample", sa.SmallInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("facts", TEXT, nullable=False),
        sa.Column("columns", TEXT, nullable=False),
    )
    op.create_index("score_runs_once", "score_runs", ["as_of", "model_digest", "imported_at"], unique=True)
    op.create_table(
        "score_parts",
        sa.Column("run_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("part", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("first_id", KEY, nullable=False),
        sa.Column("last_id", KEY, nullable=False),
        sa.Column("scores", sa.LargeBinary(), nullable=False),
        sa.Column("inputs", sa.LargeBinary(), nullable=False),
    )
    op.create_index("score_parts_of_a_deal", "score_parts", ["first_id", "last_id"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index("score_parts_of_a_deal", "score_parts")
    op.drop_table("score_parts")
    op.drop_index("score_runs_once", "score_runs")
    op.drop_table("score_runs")
