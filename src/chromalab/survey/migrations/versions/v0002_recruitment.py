"""Add invitations, platform IDs of study and session, and the data behind adaptive choices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table and the columns; existing rows get NULL."""
    op.create_table(
        "invitation",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("participant_id", sa.String(16), sa.ForeignKey("participant.id", ondelete="SET NULL")),
    )
    for column in ("platform_study", "platform_session"):
        op.add_column("participant", sa.Column(column, sa.String(64)))
    op.add_column("trial", sa.Column("probability", sa.Float()))
    op.add_column("trial", sa.Column("last_vote", sa.Integer()))
    op.add_column("trial", sa.Column("tally_sha256", sa.String(64)))


def downgrade() -> None:
    """Remove the table and the columns."""
    for column in ("tally_sha256", "last_vote", "probability"):
        op.drop_column("trial", column)
    for column in ("platform_session", "platform_study"):
        op.drop_column("participant", column)
    op.drop_table("invitation")
