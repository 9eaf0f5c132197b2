"""Create the tables of participants, trials, images and votes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Create the tables of the first version."""
    op.create_table(
        "setting", sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.Text(), nullable=False)
    )
    op.create_table(
        "registration",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("votes_before", sa.Integer(), nullable=False),
    )
    op.create_table(
        "participant",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("key_sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("stage", sa.String(20), nullable=False, index=True),
        sa.Column("language", sa.String(10), nullable=False),
        sa.Column("method", sa.String(200), nullable=False),
        sa.Column("joined_at", sa.Float(), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float()),
        sa.Column("consent_version", sa.String(40)),
        sa.Column("consent_sha256", sa.String(64)),
        sa.Column("consent_at", sa.Float()),
        sa.Column("platform_sha256", sa.String(64), index=True),
        sa.Column("platform_salt", sa.String(64)),
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("screen", sa.JSON(), nullable=False),
        sa.Column("screening", sa.JSON(), nullable=False),
    )
    op.create_table(
        "trial",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("participant_id", sa.String(16), sa.ForeignKey("participant.id", ondelete="CASCADE"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("scene", sa.Text(), nullable=False),
        sa.Column("left", sa.String(200), nullable=False),
        sa.Column("right", sa.String(200), nullable=False),
        sa.Column("repeat_of", sa.Integer()),
        sa.Column("token", sa.String(32), nullable=False, unique=True),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.UniqueConstraint("participant_id", "position"),
    )
    op.create_table(
        "image",
        sa.Column("token", sa.String(32), primary_key=True),
        sa.Column("trial_id", ID, sa.ForeignKey("trial.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("file", sa.String(80), nullable=False),
    )
    op.create_table(
        "vote",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("participant_id", sa.String(16), sa.ForeignKey("participant.id", ondelete="CASCADE"), nullable=False),
        sa.Column("trial_id", ID, sa.ForeignKey("trial.id", ondelete="CASCADE"), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("choice", sa.String(10), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("response_ms", sa.Float(), nullable=False),
        sa.Column("requested_ms", sa.Float()),
        sa.Column("shown_ms", sa.Float()),
        sa.Column("blurs", sa.Integer(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.UniqueConstraint("participant_id", "trial_id"),
    )
    op.create_index("vote_uuid", "vote", ["participant_id", "uuid"], unique=True)
    op.create_table(
        "withdrawal",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("stage", sa.String(20), nullable=False),
    )
    op.create_table(
        "login",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("csrf", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
    )


def downgrade() -> None:
    """Drop all tables."""
    for table in ("login", "withdrawal", "vote", "image", "trial", "participant", "registration", "setting"):
        op.drop_table(table)
