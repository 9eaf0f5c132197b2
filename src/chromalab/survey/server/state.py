"""What every request works with: the survey, its database, and what is known of both."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, insert, select, update

from chromalab.core.errors import UsageError
from chromalab.survey.adaptive import Tally
from chromalab.survey.schedule import Trial
from chromalab.survey.storage.engine import Database
from chromalab.survey.storage.migrate import migrate
from chromalab.survey.storage.models import Participant, Registration, Setting, TrialRow, Vote, Withdrawal
from chromalab.survey.study import SurveyFolder, SurveyRecord

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chromalab.survey.server.settings import ServerSettings
    from chromalab.survey.study import Scene

STOPPED, PASSWORD, SETUP = "stopped", "password", "setup_sha256"
_SETTING = select(Setting.value).where(Setting.name == bindparam("name"))


class Survey:
    """An open survey.

    Attributes:
        record: design, methods and photographs.
        database: where votes go.
        secret: seeds schedules and hashes platform ids.
        settings: how it is served.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.folder = SurveyFolder(Path(settings.folder))
        self.record: SurveyRecord = self.folder.load()
        self.secret = self.folder.secret()
        self.database = open_database(self.folder, settings.database)
        self.scenes: dict[str, Scene] = {scene.name: scene for scene in self.record.scenes}
        self.scene_names = [scene.name for scene in self.record.scenes]
        self.picture = lru_cache(maxsize=512)(self._picture)
        self._tally = Tally(self.record.methods)
        self._withdrawals = 0
        self._tally_lock = threading.Lock()
        with self.database.write() as connection:
            register(connection, self.record)

    def _picture(self, file: str) -> bytes:
        return (self.folder.stimuli / file).read_bytes()

    def tally(self, connection: Connection) -> Tally:
        """Return the votes of scored pairs up to the last committed one; hold the database's write lock meanwhile."""
        with self._tally_lock:
            withdrawals = connection.scalar(select(func.count()).select_from(Withdrawal)) or 0
            if withdrawals != self._withdrawals:  # somebody's votes are gone: count anew
                self._tally, self._withdrawals = Tally(self.record.methods), withdrawals
            count_votes(connection, self._tally)
            return self._tally

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def count_votes(connection: Connection, tally: Tally, *, up_to: int | None = None) -> None:
    """Add votes that a tally does not hold yet, up to one of them."""
    query = (
        select(Vote.id, TrialRow.scene, TrialRow.left, TrialRow.right, Vote.choice)
        .join(TrialRow, TrialRow.id == Vote.trial_id)
        .where(Vote.id > tally.last, TrialRow.kind == "test")
        .order_by(Vote.id)
    )
    if up_to is not None:
        query = query.where(Vote.id <= up_to)
    for vote_id, scene, left, right, choice in connection.execute(query):
        tally.add(vote_id, Trial("test", scene, left, right), choice)


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


def setting(connection: Connection, name: str) -> str | None:
    """Return a stored setting."""
    return connection.scalar(_SETTING, {"name": name})


def put_setting(connection: Connection, name: str, value: str) -> None:
    """Store a setting in place of the one of before."""
    connection.execute(delete(Setting).where(Setting.name == name))
    connection.execute(insert(Setting).values(name=name, value=value))


def places_taken(connection: Connection, now: float) -> int:
    """Return how many people have finished, or are at it."""
    active = Participant.stage.not_in(["finished", "screened_out", "full"]) & (Participant.lease_until > now)
    query = select(func.count()).select_from(Participant).where((Participant.stage == "finished") | active)
    return connection.scalar(query) or 0


def renew_lease(connection: Connection, participant_id: str, until: float) -> None:
    """Note a sign of life."""
    connection.execute(update(Participant).where(Participant.id == participant_id).values(lease_until=until))
