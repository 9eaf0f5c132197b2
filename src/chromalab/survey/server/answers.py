"""Answers of participants: stored once each, and acknowledged only after the commit."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from pydantic import Field
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from chromalab.survey.database import STOPPED, Image, Participant, TrialRow, Vote, setting
from chromalab.survey.design import TRUTH
from chromalab.survey.schedule import is_right
from chromalab.survey.security import sha256_text
from chromalab.survey.server.admission import RefusedError
from chromalab.survey.server.pages import page_of
from chromalab.survey.server.sessions import Body, find_person
from chromalab.survey.server.state import STEPS, lease_end, next_step, screened
from chromalab.survey.server.trials import fault_of, practice_passed, progress, repeat_practice, trial_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from chromalab.survey.design import Design
    from chromalab.survey.server.state import Survey

OVERRUN = 1.15
"""A stimulus shown longer than this multiple of the design's duration is flagged."""

CLOCK_TOLERANCE_MS = 1000.0
"""A response time that exceeds the time since the server sent the trial by more than this is flagged."""

_CLIENT_FLAGS = frozenset({"reduced", "zoom", "fullscreen", "unmoved"})

# The statements of the hot path are built once, so that SQLAlchemy only fills in values.
_TRIAL = select(TrialRow.__table__).where(TrialRow.token == bindparam("token"))
_FIRST = select(Vote.choice, Vote.body_sha256).where(
    Vote.participant_id == bindparam("person"), Vote.trial_id == bindparam("trial")
)
_ANSWERED = update(TrialRow).where(TrialRow.id == bindparam("which")).values(answered=1)
_MOVED = (
    update(Participant)
    .where(Participant.id == bindparam("person"))
    .values(lease_until=bindparam("lease"), stage=bindparam("new_stage"), finished_at=bindparam("finished"))
)
_STIMULUS = (
    select(Image.file, TrialRow.answered)
    .join(TrialRow, TrialRow.id == Image.trial_id)
    .where(Image.token == bindparam("token"))
)


class View(Body):
    """How images were shown: their size and the window's in CSS pixels, and screen pixels per CSS pixel.

    With `inspect`, also the number of switches between the images in one place, and the most screen pixels per image
    pixel.
    """

    width: float = Field(ge=0, le=100_000)
    height: float = Field(ge=0, le=100_000)
    ratio: float = Field(ge=0, le=100)
    window_width: int = Field(ge=0, le=100_000)
    window_height: int = Field(ge=0, le=100_000)
    visible: bool
    switches: int | None = Field(default=None, ge=0, le=1_000_000)
    zoom: float | None = Field(default=None, ge=0, le=100)


class Answer(Body):
    """An answer from the browser, which resends it until it is acknowledged."""

    trial: str = Field(max_length=64)
    uuid: str = Field(min_length=8, max_length=36)
    choice: str = Field(max_length=10)
    response_ms: float = Field(ge=0, le=86_400_000)
    shown_ms: float | None = Field(default=None, ge=0, le=86_400_000)
    blurs: int = Field(default=0, ge=0, le=100_000)
    view: View | None = None
    flags: list[str] = Field(default=[], max_length=8)


def answer(survey: Survey, key: str, body: Answer) -> dict[str, Any]:
    """Store an answer and return the next trial, acknowledging only after the commit.

    Resending the same body returns the first acknowledgment. A different body for the same trial is a conflict.

    Raises:
        RefusedError: the trial belongs to another participant, is not due, or already has another answer, or the choice
            is invalid.
        StorageError: the database rejected the answer, so nothing was stored.
    """
    digest = sha256_text(json.dumps(body.model_dump(), sort_keys=True))
    now = time.time()
    try:
        with survey.database.write() as connection:
            person = find_person(connection, key)
            trial = connection.execute(_TRIAL, {"token": body.trial}).first()
            if trial is None or trial.participant_id != person.id:
                raise RefusedError(403, "this trial belongs to another participant")
            result = _stored(connection, person, trial, digest)
            if result is None:
                result = _store(survey, connection, person, trial, body, digest, now)
            result |= _feedback(survey.record.design, trial, result["choice"])
            result["state"] = page_of(survey, connection, find_person(connection, key))
    except IntegrityError:
        raise RefusedError(409, "the UUID of this answer was already used for another trial") from None
    return result


def _feedback(design: Design, trial: Row[Any], choice: str) -> dict[str, Any]:
    """Return whether an answer to a practice trial is right, and why, where the right answer is known."""
    if trial.kind != "practice" or not (design.feedback or design.protocol == "real_or_fake"):
        return {}
    found: dict[str, Any] = {"feedback": is_right(trial_of(trial).shown, choice)}
    if design.feedback:
        alone = ("true" if trial.left == TRUTH else "damaged") + ("_slider" if design.form == "slider" else "")
        found["why"] = "pair" if trial.right else alone
    return found


def _stored(connection: Connection, person: Row[Any], trial: Row[Any], digest: str) -> dict[str, Any] | None:
    first = connection.execute(_FIRST, {"person": person.id, "trial": trial.id}).first()
    if first is None:
        return None
    if first.body_sha256 != digest:
        raise RefusedError(409, "another answer to this trial is already stored, perhaps from a second tab")
    return {"choice": first.choice, "again": True}


def _store(
    survey: Survey, connection: Connection, person: Row[Any], trial: Row[Any], body: Answer, digest: str, now: float
) -> dict[str, Any]:
    design = survey.record.design
    if setting(connection, STOPPED):
        raise RefusedError(410, "the survey has ended")
    if fault := fault_of(design, trial_of(trial), body.choice):
        raise RefusedError(*fault)
    total, answered, due = progress(connection, person.id)
    if person.stage != "trials" or trial.position != due:
        raise RefusedError(409, "this trial is not due; please reload the page")
    elapsed_ms = None if survey.settings.trusts_times or trial.sent_at is None else 1000 * (now - trial.sent_at)
    connection.execute(
        insert(Vote).values(
            participant_id=person.id, trial_id=trial.id, uuid=body.uuid, body_sha256=digest, choice=body.choice,
            received_at=now, response_ms=body.response_ms, elapsed_ms=elapsed_ms, requested_ms=design.display_ms,
            shown_ms=body.shown_ms, blurs=body.blurs, view=body.view and body.view.model_dump(),
            flags=_flags(design, body, elapsed_ms),
        )
    )  # fmt: skip
    connection.execute(_ANSWERED, {"which": trial.id})
    stage = next_step(design, "trials") if answered + 1 == total else "trials"
    if design.practice_pass and answered + 1 in {design.practice, 2 * design.practice} and trial.kind == "practice":
        stage = _after_practice(survey, connection, person, first=answered + 1 == design.practice)
    values = {
        "person": person.id, "lease": lease_end(design, now) if stage in STEPS else now,
        "new_stage": stage, "finished": now if stage == "finished" else None,
    }  # fmt: skip
    connection.execute(_MOVED, values)
    return {"choice": body.choice, "again": False}


def _after_practice(survey: Survey, connection: Connection, person: Row[Any], *, first: bool) -> str:
    """Return the step after the practice, whose repetition is inserted if the first one was not passed."""
    if practice_passed(survey, connection, person):
        return "trials"
    if first:
        repeat_practice(survey, connection, person)
    return "trials" if first else screened("practice")


def _flags(design: Design, body: Answer, elapsed_ms: float | None) -> list[str]:
    found = [flag for flag in body.flags if flag in _CLIENT_FLAGS]
    if design.display_ms is not None and body.shown_ms is not None and body.shown_ms > OVERRUN * design.display_ms:
        found.append("overrun")
    if min(body.response_ms, elapsed_ms or body.response_ms) < design.exclusions.fast_ms:
        found.append("fast")
    if elapsed_ms is not None and body.response_ms > elapsed_ms + CLOCK_TOLERANCE_MS:
        found.append("clock")
    if body.view is not None and not body.view.visible:
        found.append("hidden")
    if body.blurs:
        found.append("blur")
    return found


def stimulus(survey: Survey, token: str) -> bytes:
    """Return the stimulus of a token while its trial is unanswered.

    Raises:
        RefusedError: the token is unknown, or its trial is over.
    """
    with survey.database.read() as connection:
        found = connection.execute(_STIMULUS, {"token": token}).first()
    if found is None:
        raise RefusedError(404, "there is no such image")
    if found.answered:
        raise RefusedError(410, "this trial is over")
    return survey.stimulus(found.file)
