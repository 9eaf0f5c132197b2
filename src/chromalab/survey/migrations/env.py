"""What Alembic runs: all changes inside the transaction that it is given."""

from __future__ import annotations

from alembic import context

from chromalab.survey.database import Base


def run() -> None:
    """Bring the database of the given connection to the version that was asked for."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    context.run_migrations()


if hasattr(context, "config"):  # imported by anything but Alembic, this file does nothing
    run()
