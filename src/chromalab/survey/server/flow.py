"""A person's way through the survey: join, agree, screening, trials, end; or withdraw, which deletes."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import bindparam, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from chromalab.core.errors import ChromalabError
from chromalab.survey.secrets import new_token, sha256_text
from chromalab.survey.server import plates
from chromalab.survey.server.state import places_taken, renew_lease
from chromalab.survey.server.texts import consent_sha256, consent_text
from chromalab.survey.server.trials import (
    choices,
    fill_due,
    form_of,
    is_right,
    open_trials,
    people_by_method,
    plan,
    trial_for_browser,
    trial_of,
)
from chromalab.survey.storage.models import Image, Invitation, Participant, TrialRow, Vote, Withdrawal
from chromalab.survey.storage.settings import STOPPED, setting

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from chromalab.survey.design import Design
    from chromalab.survey.server.state import Survey

OVERRUN = 1.15
PLATE_SETS = 4
_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_CLIENT_FLAGS = frozenset({"window", "zoom", "decode", "restored"})


# Statements of the way of a vote, built once: SQLAlchemy then only fills in values.
_PERSON = select(Participant.__table__).where(Participant.key_sha256 == bindparam("key"))
_TRIAL = select(TrialRow.__table__).where(TrialRow.token == bindparam("token"))
_FIRST = select(Vote.choice, Vote.body_sha256).where(
    Vote.participant_id == bindparam("person"), Vote.trial_id == bindparam("trial")
)
_STANDING = select(
    func.count(), func.sum(TrialRow.answered), func.min(case((TrialRow.answered == 0, TrialRow.position)))
).where(TrialRow.participant_id == bindparam("person"))
_ANSWERED = update(TrialRow).where(TrialRow.id == bindparam("which")).values(answered=1)
_MOVED = (
    update(Participant)
    .where(Participant.id == bindparam("person"))
    .values(lease_until=bindparam("lease"), stage=bindparam("new_stage"), finished_at=bindparam("finished"))
)
_PICTURE = (
    select(Image.file, TrialRow.answered)
    .join(TrialRow, TrialRow.id == Image.trial_id)
    .where(Image.token == bindparam("token"))
)


class RefusedError(ChromalabError):
    """A request that can't be granted, with the HTTP status that says why."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Screen(_Body):
    """What a browser says of its screen."""

    width: int = Field(ge=0, le=100_000)
    height: int = Field(ge=0, le=100_000)
    ratio: float = Field(ge=0, le=100)
    zoom: float = Field(default=1, ge=0, le=100)
    gamut: Literal["srgb", "p3", "rec2020", "unknown"] = "unknown"
    touch: bool = False


class Join(_Body):
    """A person comes, with the parameters of the link that brought them."""

    language: str = Field(max_length=10)
    params: dict[str, str] = Field(default={}, max_length=20)
    invitation: str | None = Field(default=None, max_length=64)
    screen: Screen


class Answer(_Body):
    """An answer as the browser sends it; the same one may come again, until it was acknowledged."""

    trial: str = Field(max_length=64)
    uuid: str = Field(min_length=8, max_length=36)
    choice: str = Field(max_length=10)
    response_ms: float = Field(ge=0, le=86_400_000)
    shown_ms: float | None = Field(default=None, ge=0, le=86_400_000)
    blurs: int = Field(default=0, ge=0, le=100_000)
    flags: list[str] = Field(default=[], max_length=8)


def join(survey: Survey, body: Join) -> dict[str, Any]:
    """Take a person in, or say that there is no more room; who comes again from the same platform goes on.

    Raises:
        RefusedError: the invitation is unknown or used.
    """
    design, key, now = survey.record.design, new_token(), time.time()
    language = body.language if body.language in design.languages else design.languages[0]
    recruited = design.recruitment
    platform = body.params.get(recruited.participant_param)
    with survey.database.write() as connection:
        known = _known(survey, connection, platform) if platform else None
        if known is not None:
            connection.execute(update(Participant).where(Participant.id == known).values(key_sha256=sha256_text(key)))
            renew_lease(connection, known, now + design.lease_minutes * 60)
            return {"session": key}
        stage = "consent"
        if setting(connection, STOPPED) or places_taken(connection, now) >= design.stop.participants:
            return _turned_away(recruited.full_url)
        identity = secrets.token_hex(8)
        salt = secrets.token_hex(16) if platform else None
        connection.execute(
            insert(Participant).values(
                id=identity, key_sha256=sha256_text(key), stage=stage, language=language, method="", joined_at=now,
                lease_until=now + design.lease_minutes * 60, screen=body.screen.model_dump(), screening={},
                platform_sha256=_platform_hash(survey, platform, salt) if platform and salt else None,
                platform_salt=salt,
                platform_study=_hashed(body.params.get(recruited.study_param)),
                platform_session=_hashed(body.params.get(recruited.session_param)),
                code=recruited.code[:16] if recruited.code else _new_code(),
            )
        )  # fmt: skip
        if body.invitation is not None:
            _use_invitation(connection, body.invitation, identity)
    return {"session": key}


def _new_code() -> str:
    return "".join(secrets.choice(_CODE_LETTERS) for _ in range(8))


def _turned_away(url: str | None) -> dict[str, Any]:
    return {"session": None, "state": {"stage": "full", "redirect": url}}


def _hashed(value: str | None) -> str | None:
    return sha256_text(value) if value else None


def _platform_hash(survey: Survey, platform: str, salt: str) -> str:
    return hashlib.sha256(survey.secret + bytes.fromhex(salt) + platform.encode()).hexdigest()


def _known(survey: Survey, connection: Connection, platform: str) -> str | None:
    """Return who came from a platform under this id; every salt is tried, for none is known beforehand."""
    rows = connection.execute(
        select(Participant.id, Participant.platform_sha256, Participant.platform_salt).where(
            Participant.platform_salt.is_not(None)
        )
    )
    for identity, digest, salt in rows:
        if _platform_hash(survey, platform, str(salt)) == digest:
            return str(identity)
    return None


def _use_invitation(connection: Connection, token: str, identity: str) -> None:
    unused = (Invitation.token_sha256 == sha256_text(token)) & Invitation.participant_id.is_(None)
    if connection.execute(update(Invitation).where(unused).values(participant_id=identity)).rowcount != 1:
        raise RefusedError(403, "this invitation is unknown or was used already")


def find_person(connection: Connection, key: str) -> Row[Any]:
    """Return the person of a session key.

    Raises:
        RefusedError: there is none.
    """
    person = connection.execute(_PERSON, {"key": sha256_text(key)}).first()
    if person is None:
        raise RefusedError(401, "this link is not valid, or everything of it was deleted")
    return person


def state_of(survey: Survey, key: str) -> dict[str, Any]:
    """Return where a person stands, so that a reload at any step shows the same."""
    with survey.database.write() as connection:
        return _state(survey, connection, find_person(connection, key))


def _state(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    design = survey.record.design
    base = {"stage": person.stage, "language": person.language, "title": design.title}
    if person.stage in {"finished", "screened_out"}:
        return base | _ending(design, person)
    if setting(connection, STOPPED):
        return base | {"stage": "stopped", "redirect": design.recruitment.full_url}
    if person.stage == "trials":
        return base | _trial_state(survey, connection, person)
    return base | _before_trials(design, person)


def _ending(design: Design, person: Row[Any]) -> dict[str, Any]:
    if person.stage == "screened_out":
        return {"redirect": design.recruitment.screen_out_url}
    return {"redirect": design.recruitment.completion_url, "code": person.code}


def _before_trials(design: Design, person: Row[Any]) -> dict[str, Any]:
    if person.stage == "consent":
        return {
            "text": consent_text(design, person.language),
            "sha256": consent_sha256(design, person.language),
            "version": design.consent.version,
            "languages": design.languages,
        }
    if person.stage == "screening":
        return {"plates": [f"/plates/{_plate_set(person)}/{place}.png" for place in range(len(plates.KINDS))]}
    return {
        "protocol": design.protocol, "form": form_of(design), "trials": design.trials, "practice": design.practice,
        "minutes": design.minutes, "tie": design.tie, "reference": design.reference, "display_ms": design.display_ms,
    }  # fmt: skip


def _trial_state(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    total, _, _ = connection.execute(_STANDING, {"person": person.id}).one()
    due = fill_due(survey, connection, person, open_trials(connection, person.id))
    return trial_for_browser(survey, connection, due, total) | {
        "protocol": survey.record.design.protocol,
        "reference": survey.record.design.reference,
    }


def _plate_set(person: Row[Any]) -> int:
    return int(person.id[:4], 16) % PLATE_SETS


def consent(survey: Survey, key: str, *, agreed: bool, sha256: str) -> dict[str, Any]:
    """Note that a person agrees to the form they were shown, or let them go.

    Raises:
        RefusedError: the form has changed since, or consent is not what the survey waits for.
    """
    design, now = survey.record.design, time.time()
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "consent")
        if not agreed:
            return _let_go(survey, connection, person)
        if sha256 != consent_sha256(design, person.language):
            raise RefusedError(409, "the consent form has changed: please load the page again and read it")
        method = ""
        if design.protocol == "real_or_fake":
            seen = people_by_method(connection, now)
            method = min(survey.record.methods, key=lambda name: (seen.get(name, 0), _chance(survey, person.id, name)))
        connection.execute(
            update(Participant).where(Participant.id == person.id).values(
                stage="screening" if design.screening else "instructions", method=method, consent_at=now,
                consent_version=design.consent.version, consent_sha256=sha256,
            )
        )  # fmt: skip
        return _state(survey, connection, find_person(connection, key))


def _chance(survey: Survey, identity: str, name: str) -> str:
    return hashlib.sha256(survey.secret + f"{identity}\x1f{name}".encode()).hexdigest()


def _let_go(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    delete_person(connection, person)
    return {"stage": "screened_out", "redirect": survey.record.design.recruitment.screen_out_url}


def _at_stage(connection: Connection, key: str, stage: str) -> Row[Any]:
    person = find_person(connection, key)
    if person.stage != stage:
        raise RefusedError(409, "this step is done already: load the page again")
    return person


def set_language(survey: Survey, key: str, language: str) -> dict[str, Any]:
    """Change the language, before a person agrees to anything.

    Raises:
        RefusedError: the survey does not speak it, or consent was given already.
    """
    if language not in survey.record.design.languages:
        raise RefusedError(422, f"languages are {', '.join(survey.record.design.languages)}")
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "consent")
        connection.execute(update(Participant).where(Participant.id == person.id).values(language=language))
        return _state(survey, connection, find_person(connection, key))


def screening(survey: Survey, key: str, answers: list[str]) -> dict[str, Any]:
    """Note what was read on the plates. Nobody is sent away for it: the analysis knows.

    Raises:
        RefusedError: another number of answers, or screening is not what the survey waits for.
    """
    if len(answers) != len(plates.KINDS):
        raise RefusedError(422, f"expected {len(plates.KINDS)} answers, {len(answers)} came")
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "screening")
        found = plates.judge(plates.plate_digits(_plate_set(person)), answers)
        connection.execute(
            update(Participant).where(Participant.id == person.id).values(screening=found, stage="instructions")
        )
        return _state(survey, connection, find_person(connection, key))


def begin(survey: Survey, key: str, screen: Screen) -> dict[str, Any]:
    """Make the person's schedule and return the first trial.

    Raises:
        RefusedError: instructions are not what the survey waits for.
    """
    now = time.time()
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "instructions")
        plan(survey, connection, person, now)
        connection.execute(
            update(Participant).where(Participant.id == person.id).values(
                stage="trials", screen=screen.model_dump(), lease_until=now + survey.record.design.lease_minutes * 60
            )
        )  # fmt: skip
        return _state(survey, connection, find_person(connection, key))


def answer(survey: Survey, key: str, body: Answer) -> dict[str, Any]:
    """Take an answer, and return the next trial. It is acknowledged after the commit, never before.

    The same body again gets the first answer's acknowledgment; another body for the same trial is a conflict.

    Raises:
        RefusedError: not this person's trial, not its turn, another answer was given, or no such choice.
        StorageError: the database could not take it: nothing was stored.
    """
    digest = sha256_text(json.dumps(body.model_dump(), sort_keys=True))
    now = time.time()
    try:
        with survey.database.write() as connection:
            person = find_person(connection, key)
            trial = connection.execute(_TRIAL, {"token": body.trial}).first()
            if trial is None or trial.participant_id != person.id:
                raise RefusedError(403, "this trial is not yours")
            result = _stored(connection, person, trial, digest)
            if result is None:
                result = _store(survey, connection, person, trial, body, digest, now)
            if survey.record.design.protocol == "real_or_fake" and trial.kind == "practice":
                result["feedback"] = is_right(survey.record.design, trial_of(trial), result["choice"])
            result["state"] = _state(survey, connection, find_person(connection, key))
    except IntegrityError:
        raise RefusedError(409, "this answer's number was used for another trial") from None
    return result


def _stored(connection: Connection, person: Row[Any], trial: Row[Any], digest: str) -> dict[str, Any] | None:
    first = connection.execute(_FIRST, {"person": person.id, "trial": trial.id}).first()
    if first is None:
        return None
    if first.body_sha256 != digest:
        raise RefusedError(409, "another answer to this trial was stored already, as from a second tab")
    return {"choice": first.choice, "again": True}


def _store(
    survey: Survey, connection: Connection, person: Row[Any], trial: Row[Any], body: Answer, digest: str, now: float
) -> dict[str, Any]:
    design = survey.record.design
    if setting(connection, STOPPED):
        raise RefusedError(410, "the survey has ended")
    if body.choice not in choices(design):
        raise RefusedError(422, f"'{body.choice}' is no answer here: {', '.join(choices(design))}")
    total, answered, due = connection.execute(_STANDING, {"person": person.id}).one()
    if person.stage != "trials" or trial.position != due:
        raise RefusedError(409, "it is not this trial's turn: load the page again")
    connection.execute(
        insert(Vote).values(
            participant_id=person.id, trial_id=trial.id, uuid=body.uuid, body_sha256=digest, choice=body.choice,
            received_at=now, response_ms=body.response_ms, requested_ms=design.display_ms, shown_ms=body.shown_ms,
            blurs=body.blurs, flags=_flags(design.display_ms, design.exclusions.fast_ms, body),
        )
    )  # fmt: skip
    connection.execute(_ANSWERED, {"which": trial.id})
    ended = answered + 1 == total
    values = {
        "person": person.id, "lease": now + design.lease_minutes * 60,
        "new_stage": "finished" if ended else "trials", "finished": now if ended else None,
    }  # fmt: skip
    connection.execute(_MOVED, values)
    return {"choice": body.choice, "again": False}


def _flags(display_ms: int | None, fast_ms: int, body: Answer) -> list[str]:
    found = [flag for flag in body.flags if flag in _CLIENT_FLAGS]
    if display_ms is not None and body.shown_ms is not None and body.shown_ms > OVERRUN * display_ms:
        found.append("overrun")
    if body.response_ms < fast_ms:
        found.append("fast")
    if body.blurs:
        found.append("blur")
    return found


def withdraw(survey: Survey, key: str) -> None:
    """Delete everything of a person; that somebody withdrew is all that stays.

    Raises:
        RefusedError: there is no such person.
    """
    with survey.database.write() as connection:
        delete_person(connection, find_person(connection, key))


def delete_person(connection: Connection, person: Row[Any]) -> None:
    """Delete everything of a person in the given transaction."""
    trials = select(TrialRow.id).where(TrialRow.participant_id == person.id)
    connection.execute(delete(Vote).where(Vote.participant_id == person.id))
    connection.execute(delete(Image).where(Image.trial_id.in_(trials)))
    connection.execute(delete(TrialRow).where(TrialRow.participant_id == person.id))
    connection.execute(update(Invitation).where(Invitation.participant_id == person.id).values(participant_id=None))
    connection.execute(delete(Participant).where(Participant.id == person.id))
    connection.execute(insert(Withdrawal).values(at=time.time(), stage=person.stage))


def picture(survey: Survey, token: str) -> bytes:
    """Return the picture of a token, while its trial waits for an answer.

    Raises:
        RefusedError: no such token, or its trial is over.
    """
    with survey.database.read() as connection:
        found = connection.execute(_PICTURE, {"token": token}).first()
    if found is None:
        raise RefusedError(404, "there is no such picture")
    if found.answered:
        raise RefusedError(410, "this trial is over")
    return survey.picture(found.file)
