"""The script that Alembic runs: all changes within the given transaction."""

from __future__ import annotations

from alembic import context

from chromalab.survey.database import Base


def run() -> None:
    """Migrate the database of the given connection to the requested version."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    context.run_migrations()


if hasattr(context, "config"):  # true only when Alembic runs this file
    run()
