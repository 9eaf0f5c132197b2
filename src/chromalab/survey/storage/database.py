"""The database of a survey: connections, transactions, migrations, settings and registrations of the design."""

from __future__ import annotations

import contextlib
import threading
import time
from importlib import resources
from typing import TYPE_CHECKING, Any

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import bindparam, delete, event, func, insert, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.survey.storage.models import Base, Registration, Setting, Vote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from chromalab.survey.folder import SurveyFolder, SurveyRecord

BUSY_MS = 10_000
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")
_LOCK_KEY = 0x6368726F  # "chro": one advisory lock of PostgreSQL for all workers of a survey


class StorageError(ChromalabError):
    """The database rejected a transaction, so nothing of it was stored or acknowledged."""


class Database:
    """A survey's database.

    Only one transaction writes at a time, so votes are numbered in the order of their commits. Within a process a lock
    ensures this (queueing is fairer than SQLite's polling), and between processes the database does. SQLite uses a
    write-ahead log with synchronous=FULL, so a commit returns once the vote is on disk.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.engine = _engine(url)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise UsageError(
                f"cannot parse the database address: {error}; use postgresql://user:password@host/name"
            ) from error
        self._line = threading.Lock()

    @classmethod
    def beside(cls, path: Path) -> Database:
        """Return the SQLite database at a path."""
        return cls(f"sqlite:///{path}")

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that commits when the block ends and rolls back when it fails.

        Raises:
            StorageError: the database is full, read-only, locked for too long, or unreachable.
        """
        line = self._line if self.is_sqlite else contextlib.nullcontext()
        with line, _explained(), self.engine.connect() as connection, connection.begin():
            if not self.is_sqlite:
                connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only connection to one snapshot of the database.

        Raises:
            StorageError: the database cannot be read.
        """
        with _explained(), self.engine.connect().execution_options(chromalab_reads=True) as connection:
            yield connection
            connection.rollback()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if isinstance(error, sqlalchemy.exc.IntegrityError):
            raise
        raise StorageError(f"the database rejected the operation: {error.orig}") from error


def _engine(url: str) -> Engine:
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    if not url.startswith("sqlite"):
        return sqlalchemy.create_engine(url, pool_size=20, max_overflow=20, pool_pre_ping=True)
    engine = sqlalchemy.create_engine(
        url, connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False}, pool_size=20, max_overflow=20
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:  # noqa: ARG001 - SQLAlchemy's signature
        connection.isolation_level = None  # the begin handler below starts transactions, not the driver
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={BUSY_MS}", *_PRAGMAS):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("chromalab_reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


__all__ = ["Base", "current_revision", "migrate", "newest_revision"]


def migrate(database: Database, *, to: str = "head") -> None:
    """Create the tables, or migrate older tables to this version without losing data.

    Raises:
        UsageError: a newer version wrote the database.
        StorageError: the database cannot be written.
    """
    config = _alembic_config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, to)
        except CommandError as error:
            raise UsageError(
                f"a newer version of chromalab wrote this database ({error}); install that version"
            ) from error


def current_revision(database: Database) -> str | None:
    """Return the schema version of a database, or None if it is empty."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """Return the schema version of this code."""
    return str(ScriptDirectory.from_config(_alembic_config()).get_current_head())


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("chromalab.survey.storage") / "migrations"))
    return config


STOPPED, PASSWORD, SETUP = "stopped", "password", "setup_sha256"
_SETTING = select(Setting.value).where(Setting.name == bindparam("name"))


def setting(connection: Connection, name: str) -> str | None:
    """Return a stored setting."""
    return connection.scalar(_SETTING, {"name": name})


def put_setting(connection: Connection, name: str, value: str) -> None:
    """Store a setting, replacing its previous value."""
    connection.execute(delete(Setting).where(Setting.name == name))
    connection.execute(insert(Setting).values(name=name, value=value))


def open_database(folder: SurveyFolder, url: str | None) -> Database:
    """Open the database of a survey and migrate it to this version.

    Raises:
        UsageError: the address is invalid, or a newer version wrote the database.
        StorageError: the database cannot be reached or written.
    """
    database = Database(url) if url else Database.beside(folder.database)
    migrate(database)
    return database


def register(connection: Connection, record: SurveyRecord) -> None:
    """Register the design if it is new or has changed; the first entry is the preregistered one."""
    last = connection.execute(select(Registration.sha256, Registration.record).order_by(Registration.id.desc())).first()
    if last is not None and last.sha256 == record.sha256:
        return
    data = record.model_dump(mode="json")
    votes = connection.scalar(select(func.count()).select_from(Vote)) or 0
    if last is not None and votes == 0:
        connection.execute(delete(Registration))  # without votes, the changed design still counts as preregistered
        last = None
    changes = [] if last is None else changed(last.record, data)
    if last is not None and any(change.startswith(("methods", "scenes")) for change in changes) and votes:
        raise UsageError("methods and photos cannot change once a survey has votes; create a new survey")
    connection.execute(
        insert(Registration).values(
            at=time.time(), sha256=record.sha256, record=data, changes=changes, votes_before=votes
        )
    )


def changed(before: object, after: object, place: str = "") -> list[str]:
    """Describe the differences between two records, one line per value."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in sorted({*before, *after}):
            found += changed(before.get(key), after.get(key), f"{place}.{key}" if place else key)
        return found
    return [] if before == after else [f"{place}: {before!r} became {after!r}"]
