"""The state that every request shares: settings, the open survey, places, and the stopping rule."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.core.records import Record
from chromalab.survey.adaptive import Tally
from chromalab.survey.database import (
    STOPPED,
    Participant,
    TrialRow,
    Vote,
    Withdrawal,
    interim_looks,
    open_database,
    put_look,
    put_setting,
    register,
    setting,
)
from chromalab.survey.folder import SurveyFolder, SurveyRecord
from chromalab.survey.registration import frozen_design
from chromalab.survey.schedule import Trial

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chromalab.survey.design import Design
    from chromalab.survey.folder import Scene


TRUSTS_TIMES = "CHROMALAB_SURVEY_TRUSTS_TIMES"
"""Environment variable of servers for simulated participants, who answer at once but report the times of people."""


STEPS = ("consent", "screening", "before", "viewing", "instructions", "trials", "after", "finished")
"""Steps of a participant, in order; a design has some of them."""


_SCREENED = "screened_"


def screened(reason: str) -> str:
    """Return the last step of people who are screened out, such as `screened_practice`."""
    return _SCREENED + reason


def screened_for(step: str) -> str | None:
    """Return the reason for which people at a step were screened out, or None."""
    return step.removeprefix(_SCREENED) if step.startswith(_SCREENED) else None


def next_step(design: Design, step: str) -> str:
    """Return the step that follows another one in a design."""
    left_out = {
        name
        for name, present in (
            ("screening", design.screening), ("before", design.before), ("viewing", design.viewing.steps),
            ("after", design.after),
        )
        if not present
    }  # fmt: skip
    return next(name for name in STEPS[STEPS.index(step) + 1 :] if name not in left_out)


class ServerSettings(Record):
    """Settings of a survey server.

    Attributes:
        folder: folder of the survey.
        database: PostgreSQL URL; None uses the SQLite file in the folder.
        public_url: public address for links; None uses the address of each request.
        joins_per_minute: participants who may join, and who may consent, per minute from one address.
        logins_per_minute: password attempts per minute from one address.
        hosts: host names to answer to; empty allows any.
        trusts_times: whether to take the response times of browsers as they are; for simulated participants, who answer
            at once.
    """

    folder: str
    database: str | None = None
    public_url: str | None = None
    joins_per_minute: int = 30
    logins_per_minute: int = 10
    hosts: list[str] = []
    trusts_times: bool = False


class Survey:
    """An open survey.

    Attributes:
        record: the survey's record.
        database: the open database.
        secret: secret that seeds schedules and hashes platform IDs.
        settings: settings of the server.
        faults: differences from the registered design at the start, which are registered as changes.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.folder = SurveyFolder(Path(settings.folder))
        self.record: SurveyRecord = self.folder.load()
        self.secret = self.folder.secret()
        self.database = open_database(self.folder, settings.database)
        self.scenes: dict[str, Scene] = {scene.name: scene for scene in self.record.scenes}
        self.scene_names = [scene.name for scene in self.record.scenes]
        self.stimulus = lru_cache(maxsize=512)(self._read_stimulus)
        self._tally = Tally(self.record.methods)
        self._withdrawals = 0
        self._tally_lock = threading.Lock()
        self.faults = frozen_design(self.record, self.database).faults
        with self.database.write() as connection:
            register(connection, self.record)

    def _read_stimulus(self, file: str) -> bytes:
        path = self.folder.stimuli / file
        if path.resolve().parent != self.folder.stimuli.resolve():
            raise UsageError(f"{path} is a link to a file outside the survey; restore the folder stimuli")
        return path.read_bytes()

    def tally(self, connection: Connection) -> Tally:
        """Return the tally of all votes on scored pairs; call it within a write transaction.

        A transaction stores at most one vote. The newest vote may therefore be this transaction's own, which a failed
        commit takes back, so it is only counted in the returned copy.
        """
        with self._tally_lock:
            withdrawals = connection.scalar(select(func.count()).select_from(Withdrawal)) or 0
            if withdrawals != self._withdrawals:  # votes were deleted, so count again
                self._tally, self._withdrawals = Tally(self.record.methods), withdrawals
            newest = connection.scalar(select(func.max(Vote.id))) or 0
            count_votes(connection, self._tally, up_to=newest - 1)
            found = self._tally.copy()
        count_votes(connection, found)
        return found

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def count_votes(connection: Connection, tally: Tally, *, up_to: int | None = None) -> None:
    """Add the votes after `tally.last` to a tally, up to vote `up_to`."""
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
    """Return the number of participants who have finished, or have consented and are active."""
    active = Participant.stage.in_(STEPS[1:-1]) & (Participant.lease_until > now)
    query = select(func.count()).select_from(Participant).where((Participant.stage == "finished") | active)
    return connection.scalar(query) or 0


def lease_end(design: Design, now: float) -> float:
    """Return when the lease of a participant who is active now ends."""
    return now + design.lease_minutes * 60


def check_stopping_rule(survey: Survey) -> None:
    """Run the declared interim looks that are due, and stop the survey at the first whose intervals are narrow enough.

    Several participants may finish between two checks. Every look therefore takes the votes up to the last one of the
    participant whose end made it due.
    """
    stop = survey.record.design.stop
    if stop.rule != "precision" or stop.half_width is None:
        return
    with survey.database.read() as connection:
        ends = list(connection.scalars(_ENDS))
        done = interim_looks(connection)
        stopped = setting(connection, STOPPED)
    for look in sorted(set(stop.looks)):
        if stopped is not None or look > len(ends):
            return
        if str(look) in done:
            continue
        widest = widest_half_width(survey, up_to=ends[look - 1])
        with survey.database.write() as connection:
            put_look(connection, look, widest)
            if widest is not None and widest <= stop.half_width:
                stopped = f"precision at {look} participants: half-width {widest:.4f}"
                put_setting(connection, STOPPED, stopped)


_ENDS = (
    select(func.max(Vote.id))
    .join(Participant, Participant.id == Vote.participant_id)
    .where(Participant.stage == "finished")
    .group_by(Participant.id)
    .order_by(func.max(Vote.id))
)


def widest_half_width(survey: Survey, *, up_to: int) -> float | None:
    """Return the half width of the widest interval over all methods, from the votes up to vote `up_to`.

    It is None if the votes have no finite intervals, as without a prior when a method won every time.
    """
    from chromalab.survey.analysis.analyze import analyze  # noqa: PLC0415 - serving does not need SciPy's statistics
    from chromalab.survey.votes import votes_of_database  # noqa: PLC0415

    votes = votes_of_database(survey.database, up_to=up_to)
    try:
        result = analyze(survey.record.design, survey.record.methods, votes)
    except ChromalabError:
        return None
    return max((row.high - row.low) / 2 for row in result.scores.values())
