"""Participant sessions: join, consent, color-vision screening, start, and withdrawal, which deletes everything."""

from __future__ import annotations

import hashlib
import secrets
import time
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import bindparam, case, delete, func, insert, select, update

from chromalab.core.errors import ChromalabError, ConfigError
from chromalab.survey.database import STOPPED, Image, Invitation, Participant, TrialRow, Vote, Withdrawal, setting
from chromalab.survey.security import new_token, sha256_text
from chromalab.survey.server import color_vision
from chromalab.survey.server.state import places_taken, renew_lease
from chromalab.survey.server.trials import (
    fill_due,
    form_of,
    open_trials,
    people_by_method,
    plan,
    trial_for_browser,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from chromalab.survey.design import Design
    from chromalab.survey.server.state import Survey

SCREENING_SETS = 4
_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


# These statements run for every vote and are built once, so that SQLAlchemy only fills in values.
_PERSON = select(Participant.__table__).where(Participant.key_sha256 == bindparam("key"))
PROGRESS = select(
    func.count(), func.sum(TrialRow.answered), func.min(case((TrialRow.answered == 0, TrialRow.position)))
).where(TrialRow.participant_id == bindparam("person"))


class RefusedError(ChromalabError):
    """A refused request, with its HTTP status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


class Body(BaseModel):
    """A request body without unknown fields."""

    model_config = ConfigDict(extra="forbid")


class Screen(Body):
    """Screen facts reported by the browser."""

    width: int = Field(ge=0, le=100_000)
    height: int = Field(ge=0, le=100_000)
    ratio: float = Field(ge=0, le=100)
    zoom: float = Field(default=1, ge=0, le=100)
    gamut: Literal["srgb", "p3", "rec2020", "unknown"] = "unknown"
    touch: bool = False


class Join(Body):
    """A request to join, with the URL parameters of the link."""

    language: str = Field(max_length=10)
    params: dict[str, str] = Field(default={}, max_length=20)
    invitation: str | None = Field(default=None, max_length=64)
    screen: Screen


def join(survey: Survey, body: Join) -> dict[str, Any]:
    """Admit a participant, resume a returning one, or report that the survey is full.

    Raises:
        RefusedError: the invitation is unknown or already used.
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
    """Return the participant with this platform ID by trying every stored salt, or None."""
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
        raise RefusedError(403, "this invitation is unknown or has already been used; ask the researcher for a new one")


def find_person(connection: Connection, key: str) -> Row[Any]:
    """Return the participant of a session key.

    Raises:
        RefusedError: there is no such participant.
    """
    person = connection.execute(_PERSON, {"key": sha256_text(key)}).first()
    if person is None:
        raise RefusedError(401, "this link is invalid, or its data were deleted")
    return person


def state_of(survey: Survey, key: str) -> dict[str, Any]:
    """Return the current step of a participant; reloading gives the same."""
    with survey.database.write() as connection:
        return session_state(survey, connection, find_person(connection, key))


def session_state(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    """Return what the browser shows at the participant's stage."""
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
        return {
            "images": [f"/screening/{_screening_set(person)}/{place}.png" for place in range(len(color_vision.KINDS))]
        }
    return {
        "protocol": design.protocol, "form": form_of(design), "trials": design.trials, "practice": design.practice,
        "minutes": design.minutes, "tie": design.tie, "reference": design.reference, "display_ms": design.display_ms,
    }  # fmt: skip


def _trial_state(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    total, _, _ = connection.execute(PROGRESS, {"person": person.id}).one()
    due = fill_due(survey, connection, person, open_trials(connection, person.id))
    return trial_for_browser(survey, connection, due, total) | {
        "protocol": survey.record.design.protocol,
        "reference": survey.record.design.reference,
    }


def _screening_set(person: Row[Any]) -> int:
    return int(person.id[:4], 16) % SCREENING_SETS


def consent(survey: Survey, key: str, *, agreed: bool, sha256: str) -> dict[str, Any]:
    """Record the consent of a participant to the form shown, or delete them if they decline.

    Raises:
        RefusedError: the form has changed since it was loaded, or the participant is past this step.
    """
    design, now = survey.record.design, time.time()
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "consent")
        if not agreed:
            return _let_go(survey, connection, person)
        if sha256 != consent_sha256(design, person.language):
            raise RefusedError(409, "the consent form has changed; please reload the page and read it")
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
        return session_state(survey, connection, find_person(connection, key))


def _chance(survey: Survey, identity: str, name: str) -> str:
    return hashlib.sha256(survey.secret + f"{identity}\x1f{name}".encode()).hexdigest()


def _let_go(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    delete_person(connection, person)
    return {"stage": "screened_out", "redirect": survey.record.design.recruitment.screen_out_url}


def _at_stage(connection: Connection, key: str, stage: str) -> Row[Any]:
    person = find_person(connection, key)
    if person.stage != stage:
        raise RefusedError(409, "this step is already complete; please reload the page")
    return person


def set_language(survey: Survey, key: str, language: str) -> dict[str, Any]:
    """Change the language before consent.

    Raises:
        RefusedError: the survey does not offer the language, or consent was already given.
    """
    if language not in survey.record.design.languages:
        raise RefusedError(422, f"languages are {', '.join(survey.record.design.languages)}")
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "consent")
        connection.execute(update(Participant).where(Participant.id == person.id).values(language=language))
        return session_state(survey, connection, find_person(connection, key))


def screening(survey: Survey, key: str, answers: list[str]) -> dict[str, Any]:
    """Record the answers of the color-vision screening, which excludes no one but is part of the data.

    Raises:
        RefusedError: the number of answers is wrong, or the participant is past this step.
    """
    if len(answers) != len(color_vision.KINDS):
        raise RefusedError(422, f"expected {len(color_vision.KINDS)} answers, but got {len(answers)}")
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "screening")
        found = color_vision.grade(color_vision.screening_digits(_screening_set(person)), answers)
        connection.execute(
            update(Participant).where(Participant.id == person.id).values(screening=found, stage="instructions")
        )
        return session_state(survey, connection, find_person(connection, key))


def begin(survey: Survey, key: str, screen: Screen) -> dict[str, Any]:
    """Create the participant's schedule and return the first trial.

    Raises:
        RefusedError: the participant is not at the instructions.
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
        return session_state(survey, connection, find_person(connection, key))


def withdraw(survey: Survey, key: str) -> None:
    """Delete all data of a participant and record only that someone withdrew.

    Raises:
        RefusedError: there is no such participant.
    """
    with survey.database.write() as connection:
        delete_person(connection, find_person(connection, key))


def delete_person(connection: Connection, person: Row[Any]) -> None:
    """Delete all data of a participant within the given transaction."""
    trials = select(TrialRow.id).where(TrialRow.participant_id == person.id)
    connection.execute(delete(Vote).where(Vote.participant_id == person.id))
    connection.execute(delete(Image).where(Image.trial_id.in_(trials)))
    connection.execute(delete(TrialRow).where(TrialRow.participant_id == person.id))
    connection.execute(update(Invitation).where(Invitation.participant_id == person.id).values(participant_id=None))
    connection.execute(delete(Participant).where(Participant.id == person.id))
    connection.execute(insert(Withdrawal).values(at=time.time(), stage=person.stage))


FALLBACK = "en"


@cache
def texts(language: str) -> dict[str, str]:
    """Return the texts of a language, with English for missing keys.

    Raises:
        ConfigError: the language has no translation.
    """
    found = known_languages()
    if language not in found:
        raise ConfigError(f"languages: '{language}' has no translation; choose from {', '.join(found)}")
    own = yaml.safe_load((_folder() / f"{language}.yaml").read_text(encoding="utf-8"))
    return own if language == FALLBACK else {**texts(FALLBACK), **own}


@cache
def known_languages() -> tuple[str, ...]:
    """Return the languages with a translation."""
    return tuple(sorted(path.name.removesuffix(".yaml") for path in _folder().iterdir() if path.name.endswith(".yaml")))


def _folder() -> resources.abc.Traversable:
    return resources.files("chromalab.survey.server") / "locales"


def consent_text(design: Design, language: str) -> str:
    """Return the filled-in consent form in a language, with paragraphs separated by empty lines."""
    text = design.consent.text.get(language) or texts(language)["consent_text"]
    contact = design.consent.contact or texts(language)["contact_missing"]
    institution = design.consent.institution or texts(language)["institution_missing"]
    filled = text.replace("{contact}", contact).replace("{institution}", institution)
    return filled.replace("{minutes}", str(design.minutes))


def consent_sha256(design: Design, language: str) -> str:
    """Return the hash of the version and text of the consent form."""
    return sha256_text(f"{design.consent.version}\n{consent_text(design, language)}")
