"""What every request works with: the survey, its database, and what is known of both."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from chromalab.survey.adaptive import Tally
from chromalab.survey.opening import open_database, register
from chromalab.survey.schedule import Trial
from chromalab.survey.storage.models import Participant, TrialRow, Vote, Withdrawal
from chromalab.survey.study import SurveyFolder, SurveyRecord

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chromalab.survey.server.settings import ServerSettings
    from chromalab.survey.study import Scene


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


def places_taken(connection: Connection, now: float) -> int:
    """Return how many people have finished, or are at it."""
    active = Participant.stage.not_in(["finished", "screened_out", "full"]) & (Participant.lease_until > now)
    query = select(func.count()).select_from(Participant).where((Participant.stage == "finished") | active)
    return connection.scalar(query) or 0


def renew_lease(connection: Connection, participant_id: str, until: float) -> None:
    """Note a sign of life."""
    connection.execute(update(Participant).where(Participant.id == participant_id).values(lease_until=until))
