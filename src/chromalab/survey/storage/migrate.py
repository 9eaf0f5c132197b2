"""Bringing a database to the tables of this version."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from chromalab.core.errors import UsageError
from chromalab.survey.storage.models import Base

if TYPE_CHECKING:
    from chromalab.survey.storage.engine import Database

__all__ = ["Base", "current_revision", "migrate", "newest_revision"]


def migrate(database: Database, *, to: str = "head") -> None:
    """Create the tables, or bring older ones to this version; what is stored stays.

    Raises:
        UsageError: the database was written by a newer version.
        StorageError: it can't be written.
    """
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, to)
        except CommandError as error:
            raise UsageError(
                f"the database has tables that this version doesn't know ({error}): install the chromalab that wrote it"
            ) from error


def current_revision(database: Database) -> str | None:
    """Return the version of a database's tables, None where there are none."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """Return the version of the tables that this code works with."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("chromalab.survey.storage") / "migrations"))
    return config
