"""Add the images of trials that show more than two."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; existing rows get NULL."""
    op.add_column("trial", sa.Column("others", sa.JSON()))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("trial", "others")
