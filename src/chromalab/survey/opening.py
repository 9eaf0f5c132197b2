"""Opening the database of a survey, and noting there what was fixed before its first vote."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from chromalab.core.errors import UsageError
from chromalab.survey.storage.engine import Database
from chromalab.survey.storage.migrate import migrate
from chromalab.survey.storage.models import Registration, Vote

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chromalab.survey.study import SurveyFolder, SurveyRecord


def open_database(folder: SurveyFolder, url: str | None) -> Database:
    """Return a survey's database with the tables of this version.

    Raises:
        UsageError: the address can't be understood, or the database is of a newer version.
        StorageError: it can't be reached or written.
    """
    database = Database(url) if url else Database.beside(folder.database)
    migrate(database)
    return database


def register(connection: Connection, record: SurveyRecord) -> None:
    """Note the design if it is new or has changed: what was fixed beforehand is the first note."""
    last = connection.execute(select(Registration.sha256, Registration.record).order_by(Registration.id.desc())).first()
    if last is not None and last.sha256 == record.sha256:
        return
    data = record.model_dump(mode="json")
    votes = connection.scalar(select(func.count()).select_from(Vote)) or 0
    if last is not None and votes == 0:
        connection.execute(delete(Registration))  # nothing was said yet: this is what is fixed beforehand
        last = None
    changes = [] if last is None else changed(last.record, data)
    if last is not None and any(change.startswith(("methods", "scenes")) for change in changes) and votes:
        raise UsageError("methods or photographs of a survey with votes can't change: make a new survey")
    connection.execute(
        insert(Registration).values(
            at=time.time(), sha256=record.sha256, record=data, changes=changes, votes_before=votes
        )
    )


def changed(before: object, after: object, place: str = "") -> list[str]:
    """Say what differs between two records, one line for each value."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in sorted({*before, *after}):
            found += changed(before.get(key), after.get(key), f"{place}.{key}" if place else key)
        return found
    return [] if before == after else [f"{place}: {before!r} became {after!r}"]
