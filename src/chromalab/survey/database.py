"""The database of a survey: tables, transactions, migrations, settings and registrations of the design.

Votes are stored in SQLite in the survey's folder, or in PostgreSQL for several workers and hosts. Method names occur
only in the table `trial`; browsers receive tokens of the table `image`. Network addresses are not stored. Platform IDs
are stored as salted hashes, and the salt is deleted when the participant withdraws or the researcher requests it.
"""

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
from sqlalchemy import (
    JSON,
    BigInteger,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.survey.security import new_token, sha256_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from chromalab.survey.folder import SurveyFolder, SurveyRecord

BUSY_MS = 10_000
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")
_LOCK_KEY = 0x6368726F  # "chro": one advisory lock of PostgreSQL for all workers of a survey


Id = Integer().with_variant(BigInteger, "postgresql")


class Base(DeclarativeBase):
    """The tables."""


class Setting(Base):
    """A setting of the server, such as the password hash or whether the survey is stopped."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Registration(Base):
    """A registered version of the design, analysis plan and stimuli; the first is the preregistration."""

    __tablename__ = "registration"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(Float)
    sha256: Mapped[str] = mapped_column(String(64))
    record: Mapped[dict[str, Any]] = mapped_column(JSON)
    changes: Mapped[list[str]] = mapped_column(JSON)
    votes_before: Mapped[int] = mapped_column(Integer)


class Invitation(Base):
    """An invitation link for one participant."""

    __tablename__ = "invitation"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[float] = mapped_column(Float)
    participant_id: Mapped[str | None] = mapped_column(ForeignKey("participant.id", ondelete="SET NULL"))


class Participant(Base):
    """A participant under a random ID, with facts about the screen."""

    __tablename__ = "participant"
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    stage: Mapped[str] = mapped_column(String(20), index=True)
    language: Mapped[str] = mapped_column(String(10))
    method: Mapped[str] = mapped_column(String(200))
    joined_at: Mapped[float] = mapped_column(Float)
    lease_until: Mapped[float] = mapped_column(Float)
    finished_at: Mapped[float | None] = mapped_column(Float)
    consent_version: Mapped[str | None] = mapped_column(String(40))
    consent_sha256: Mapped[str | None] = mapped_column(String(64))
    consent_at: Mapped[float | None] = mapped_column(Float)
    platform_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    platform_salt: Mapped[str | None] = mapped_column(String(64))
    platform_study: Mapped[str | None] = mapped_column(String(64))
    platform_session: Mapped[str | None] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(16))
    screen: Mapped[dict[str, Any]] = mapped_column(JSON)
    screening: Mapped[dict[str, Any]] = mapped_column(JSON)
    answers: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class TrialRow(Base):
    """One trial of a participant's schedule."""

    __tablename__ = "trial"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(10))
    scene: Mapped[str] = mapped_column(Text)
    left: Mapped[str] = mapped_column(String(200))
    right: Mapped[str] = mapped_column(String(200))
    repeat_of: Mapped[int | None] = mapped_column(Integer)
    others: Mapped[list[str] | None] = mapped_column(JSON)
    token: Mapped[str] = mapped_column(String(32), unique=True)
    probability: Mapped[float | None] = mapped_column(Float)
    last_vote: Mapped[int | None] = mapped_column(Integer)
    tally_sha256: Mapped[str | None] = mapped_column(String(64))
    answered: Mapped[int] = mapped_column(Integer)
    sent_at: Mapped[float | None] = mapped_column(Float)
    __table_args__ = (UniqueConstraint("participant_id", "position"),)


class Image(Base):
    """A stimulus of one trial under its token."""

    __tablename__ = "image"
    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trial.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(10))
    file: Mapped[str] = mapped_column(String(80))


class Vote(Base):
    """One vote. It never changes, and is deleted only if its participant withdraws."""

    __tablename__ = "vote"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"))
    trial_id: Mapped[int] = mapped_column(ForeignKey("trial.id", ondelete="CASCADE"))
    uuid: Mapped[str] = mapped_column(String(36))
    body_sha256: Mapped[str] = mapped_column(String(64))
    choice: Mapped[str] = mapped_column(String(10))
    received_at: Mapped[float] = mapped_column(Float)
    response_ms: Mapped[float] = mapped_column(Float)
    elapsed_ms: Mapped[float | None] = mapped_column(Float)
    requested_ms: Mapped[float | None] = mapped_column(Float)
    shown_ms: Mapped[float | None] = mapped_column(Float)
    blurs: Mapped[int] = mapped_column(Integer)
    view: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    flags: Mapped[list[str]] = mapped_column(JSON)
    __table_args__ = (
        UniqueConstraint("participant_id", "trial_id"),
        Index("vote_uuid", "participant_id", "uuid", unique=True),
    )


class Withdrawal(Base):
    """A withdrawal: the time and stage, all that remains of the participant."""

    __tablename__ = "withdrawal"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(Float)
    stage: Mapped[str] = mapped_column(String(20))


def count_withdrawn(connection: Connection) -> tuple[int, int]:
    """Return how many people withdrew after they had consented, and how many declined to take part."""
    stages = list(connection.scalars(select(Withdrawal.stage)))
    declined = stages.count("consent")
    return len(stages) - declined, declined


class Login(Base):
    """A login session of the researcher."""

    __tablename__ = "login"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    csrf: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[float] = mapped_column(Float)


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

    def erase_deleted(self) -> None:
        """Remove deleted rows from the files, too: SQLite overwrites them, and here its write-ahead log is emptied.

        PostgreSQL keeps deleted rows until it vacuums the table, which it does by itself after some time.
        """
        if self.is_sqlite:
            with _explained(), self.engine.connect() as connection:
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

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
    config.set_main_option("script_location", str(resources.files("chromalab.survey") / "migrations"))
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


def add_invitations(connection: Connection, count: int, label: str = "") -> list[str]:
    """Create invitations, and return their tokens, which are stored only as hashes."""
    tokens, now = [new_token() for _ in range(count)], time.time()
    rows = [{"token_sha256": sha256_text(token), "label": label, "created_at": now} for token in tokens]
    connection.execute(insert(Invitation), rows)
    return tokens


_LOOK = "look_"


_INFINITE = "none"


def put_look(connection: Connection, finished: int, half_width: float | None) -> None:
    """Record the widest half width at a declared interim look; None if the votes had no finite interval."""
    put_setting(connection, f"{_LOOK}{finished}", _INFINITE if half_width is None else f"{half_width:.4f}")


def interim_looks(connection: Connection) -> dict[str, float | None]:
    """Return the widest half width at each interim look so far, by number of finished participants."""
    rows = connection.execute(
        select(Setting.name, Setting.value).where(Setting.name.startswith(_LOOK, autoescape=True))
    )
    found = {int(str(name).removeprefix(_LOOK)): None if value == _INFINITE else float(value) for name, value in rows}
    return {str(finished): found[finished] for finished in sorted(found)}


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
