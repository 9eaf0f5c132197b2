"""Tables and migrations of SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from chromalab.core.errors import UsageError
from chromalab.survey.database import Base, Database, StorageError, current_revision, migrate, newest_revision
from tests.survey.postgres import postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        found = Database.beside(tmp_path / "votes.sqlite")
        yield found
        found.close()
        return
    with postgres(tmp_path / "server") as url:
        found = Database(url)
        yield found
        found.close()


@pytest.mark.slow
def test_migration_of_an_empty_and_of_an_older_database(database: Database) -> None:
    migrate(database, to="0001")
    with database.write() as connection:
        connection.execute(sqlalchemy.text(
            "INSERT INTO participant "
            "(id, key_sha256, stage, language, method, joined_at, lease_until, code, screen, screening) "
            "VALUES ('p', 'k', 'trials', 'en', '', 1, 2, 'C', '{}', '{}')"
        ))  # fmt: skip
        connection.execute(sqlalchemy.text(
            'INSERT INTO trial (participant_id, position, kind, scene, "left", "right", token, answered) '
            "VALUES ('p', 0, 'test', 's', 'a', 'b', 't', 1)"
        ))  # fmt: skip
        connection.execute(sqlalchemy.text(
            "INSERT INTO vote "
            "(participant_id, trial_id, uuid, body_sha256, choice, received_at, response_ms, blurs, flags) "
            "VALUES ('p', 1, 'u', 'b', 'left', 3, 900, 0, '[]')"
        ))  # fmt: skip
    migrate(database)
    migrate(database)  # the second call changes nothing
    assert current_revision(database) == newest_revision() == "0004"
    with database.read() as connection:
        assert connection.execute(sqlalchemy.text("SELECT choice FROM vote")).all() == [("left",)]
        assert connection.execute(sqlalchemy.text("SELECT probability FROM trial")).all() == [(None,)]
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert found == []


def test_a_committed_vote_is_on_disk(tmp_path: Path) -> None:
    database = Database.beside(tmp_path / "votes.sqlite")
    migrate(database)
    with database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    database.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    database = Database.beside(tmp_path / "votes.sqlite")
    migrate(database)
    with database.write() as connection:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UsageError, match="newer version"):
        migrate(database)
    database.close()


@pytest.mark.slow
def test_invalid_addresses_and_read_only_disks(tmp_path: Path) -> None:
    for url in ("nonsense", "mysql://x/y", "oracle+nothing://x"):
        with pytest.raises(UsageError, match="cannot parse"):
            Database(url)
    with pytest.raises(StorageError, match="rejected"):
        migrate(Database.beside(tmp_path / "missing" / "votes.sqlite"))
    path = tmp_path / "votes.sqlite"
    database = Database.beside(path)
    migrate(database)
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"):
            connection.execute(sqlalchemy.text("DELETE FROM vote"))
    database.close()
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT count(*) FROM vote").fetchone() == (0,)
    plain.close()
