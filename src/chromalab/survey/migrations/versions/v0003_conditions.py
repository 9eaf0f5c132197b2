"""Add the server's times of trials and votes, how images were shown, and answers to questions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns; existing rows get NULL."""
    op.add_column("trial", sa.Column("sent_at", sa.Float()))
    op.add_column("vote", sa.Column("elapsed_ms", sa.Float()))
    op.add_column("vote", sa.Column("view", sa.JSON()))
    op.add_column("participant", sa.Column("answers", sa.JSON()))


def downgrade() -> None:
    """Remove the columns."""
    op.drop_column("participant", "answers")
    op.drop_column("vote", "view")
    op.drop_column("vote", "elapsed_ms")
    op.drop_column("trial", "sent_at")
