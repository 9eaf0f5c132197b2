"""Connections: what a commit means, and who may write at a time."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from chromalab.core.errors import ChromalabError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

BUSY_MS = 10_000
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")
_LOCK_KEY = 0x6368726F  # "chro": one advisory lock of PostgreSQL for all workers of a survey


class StorageError(ChromalabError):
    """The database could not take what it was given: nothing of it was acknowledged."""


class Database:
    """A survey's database.

    A write holds everybody else's writes off, in this process by a lock (waiting in line is fairer than SQLite's
    polling) and in others by the database itself: so votes get their numbers in the order in which they are committed.
    SQLite runs with a write-ahead log and synchronous=FULL: a commit returns when the vote is on the disk.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.engine = _engine(url)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise UsageError(f"the database's address can't be understood: {error}") from error
        self._line = threading.Lock()

    @classmethod
    def beside(cls, path: Path) -> Database:
        """Return the SQLite database of a file."""
        return cls(f"sqlite:///{path}")

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this host."""
        return self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a transaction that is committed when the block ends, and undone when it fails.

        Raises:
            StorageError: the database refused: full, read-only, locked for too long, gone.
        """
        line = self._line if self.is_sqlite else contextlib.nullcontext()
        with line, _explained(), self.engine.connect() as connection, connection.begin():
            if not self.is_sqlite:
                connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database and changes nothing.

        Raises:
            StorageError: the database can't be read.
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
        raise StorageError(f"the database refused: {error.orig}") from error


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
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={BUSY_MS}", *_PRAGMAS):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("chromalab_reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
