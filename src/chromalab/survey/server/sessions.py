"""Participant sessions: join, consent, color-vision screening, start, and withdrawal, which deletes everything."""

from __future__ import annotations

import hashlib
import secrets
import time
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import bindparam, case, delete, func, insert, select, update

from chromalab.core.errors import ConfigError
from chromalab.survey.database import STOPPED, Image, Invitation, Participant, TrialRow, Vote, Withdrawal, setting
from chromalab.survey.design import Wording
from chromalab.survey.questions import stored_answers
from chromalab.survey.recruitment import WayOut
from chromalab.survey.security import is_storable, new_token, platform_hash, sha256_text
from chromalab.survey.server import color_vision, viewing
from chromalab.survey.server.admission import (
    RefusedError,
    check_access,
    is_signed,
    participant_link,
    platform_id,
)
from chromalab.survey.server.state import STEPS, next_step, places_taken, renew_lease, screened, screened_for
from chromalab.survey.server.trials import (
    checks_failed,
    fill_due,
    form_of,
    open_trials,
    people_by_method,
    plan,
    trial_for_browser,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row

    from chromalab.survey.design import Design
    from chromalab.survey.questions import Question
    from chromalab.survey.server.state import Survey

SCREENING_SETS = 4
_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


# These statements run for every vote and are built once, so that SQLAlchemy only fills in values.
_PERSON = select(Participant.__table__).where(Participant.key_sha256 == bindparam("key"))
_SENT = update(TrialRow).where(TrialRow.id == bindparam("which")).values(sent_at=bindparam("now"))
PROGRESS = select(
    func.count(), func.sum(TrialRow.answered), func.min(case((TrialRow.answered == 0, TrialRow.position)))
).where(TrialRow.participant_id == bindparam("person"))


class Body(BaseModel):
    """A request body without unknown fields, NUL characters and lone surrogates, which no database stores."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _can_be_stored(cls, data: Any) -> Any:
        if not is_storable(data):
            raise ValueError("the text has characters that cannot be stored")
        return data


class Screen(Body):
    """Screen facts reported by the browser."""

    width: int = Field(ge=0, le=100_000)
    height: int = Field(ge=0, le=100_000)
    ratio: float = Field(ge=0, le=100)
    zoom: float = Field(default=1, ge=0, le=100)
    gamut: Literal["srgb", "p3", "rec2020", "unknown"] = "unknown"
    touch: bool = False


class Join(Body):
    """A request to join, with the URL parameters of the link, and the session that the browser remembers."""

    language: str = Field(max_length=10)
    params: dict[str, Annotated[str, Field(max_length=200)]] = Field(default={}, max_length=20)
    invitation: str | None = Field(default=None, max_length=64)
    session: str | None = Field(default=None, max_length=64)
    screen: Screen


def join(survey: Survey, body: Join) -> dict[str, Any]:
    """Admit a participant to the consent form, resume a returning one, or report that the survey is full.

    A place is taken only by consent. Someone with the ID or the invitation of another participant, but without the
    session of that participant's browser, is refused.

    Raises:
        RefusedError: the design's access mode does not admit this link, or someone else has used it.
    """
    design, now = survey.record.design, time.time()
    check_access(design, survey.secret, body.params, body.invitation)
    platform = platform_id(design, body.params)
    with survey.database.write() as connection:
        _delete_visitors(connection, (Participant.lease_until < now))
        owner = _owner(survey, connection, platform, body.invitation)
        if owner is not None and owner.stage != "consent":
            return {"session": _continued(survey, connection, owner, body, now)}
        if owner is not None:
            _delete_visitors(connection, Participant.id == owner.id)
        if _is_full(survey, connection, now):
            return {"session": None, "state": _full(design)}
        return {"session": _new_person(survey, connection, body, platform, now)}


def _delete_visitors(connection: Connection, which: ColumnElement[bool]) -> None:
    """Delete people who have not consented, of whom nothing is known but the link they opened."""
    for person in connection.execute(select(Participant.__table__).where(which, Participant.stage == "consent")):
        _delete_rows(connection, person.id)


def _owner(survey: Survey, connection: Connection, platform: str | None, invitation: str | None) -> Row[Any] | None:
    """Return the participant who joined with this platform ID or this invitation, or None.

    Raises:
        RefusedError: there is no such invitation.
    """
    identity = _known(survey, connection, platform) if platform else None
    if identity is None and invitation is not None:
        found = connection.execute(
            select(Invitation.participant_id).where(Invitation.token_sha256 == sha256_text(invitation))
        ).first()
        if found is None:
            raise RefusedError(403, "this invitation is unknown", "refused_invitation")
        identity = found.participant_id
    if identity is None:
        return None
    return connection.execute(select(Participant.__table__).where(Participant.id == identity)).first()


def _continued(survey: Survey, connection: Connection, owner: Row[Any], body: Join, now: float) -> str:
    """Return the session of a participant who returns with it, or a new one for a signed link."""
    design = survey.record.design
    key = body.session
    if key is None or sha256_text(key) != owner.key_sha256:
        if not (design.recruitment.signed and is_signed(design, survey.secret, body.params)):
            raise RefusedError(
                403,
                "Someone has already started with this link. If it was you, please continue in the same browser, or "
                "with the link of the page that you saw there.",
            )
        key = new_token()
        values = {"key_sha256": sha256_text(key)}
        connection.execute(update(Participant).where(Participant.id == owner.id).values(**values))
    if owner.stage in STEPS:
        renew_lease(connection, owner.id, now + design.lease_minutes * 60)
    return key


def _is_full(survey: Survey, connection: Connection, now: float) -> bool:
    return bool(setting(connection, STOPPED)) or places_taken(connection, now) >= survey.record.design.stop.participants


def _full(design: Design) -> dict[str, Any]:
    return {"stage": "full", "redirect": design.recruitment.full_url}


def _new_person(survey: Survey, connection: Connection, body: Join, platform: str | None, now: float) -> str:
    design, key = survey.record.design, new_token()
    recruited, identity = design.recruitment, secrets.token_hex(8)
    salt = secrets.token_hex(16) if platform else None
    connection.execute(
        insert(Participant).values(
            id=identity, key_sha256=sha256_text(key), stage="consent", method="", joined_at=now,
            language=body.language if body.language in design.languages else design.languages[0],
            lease_until=now + design.lease_minutes * 60, screen=body.screen.model_dump(), screening={},
            platform_sha256=platform_hash(survey.secret, platform, salt) if platform and salt else None,
            platform_salt=salt,
            platform_study=_hashed(body.params.get(recruited.study_param)),
            platform_session=_hashed(body.params.get(recruited.session_param)),
            code=recruited.code[:16] if recruited.code else _new_code(),
        )
    )  # fmt: skip
    if body.invitation is not None:
        token = Invitation.token_sha256 == sha256_text(body.invitation)
        connection.execute(update(Invitation).where(token).values(participant_id=identity))
    return key


def _new_code() -> str:
    return "".join(secrets.choice(_CODE_LETTERS) for _ in range(8))


def _hashed(value: str | None) -> str | None:
    return sha256_text(value) if value else None


def _known(survey: Survey, connection: Connection, platform: str) -> str | None:
    """Return the participant with this platform ID by trying every stored salt, or None."""
    rows = connection.execute(
        select(Participant.id, Participant.platform_sha256, Participant.platform_salt).where(
            Participant.platform_salt.is_not(None)
        )
    )
    for identity, digest, salt in rows:
        if platform_hash(survey.secret, platform, str(salt)) == digest:
            return str(identity)
    return None


def find_person(connection: Connection, key: str) -> Row[Any]:
    """Return the participant of a session key.

    Raises:
        RefusedError: there is no such participant.
    """
    person = connection.execute(_PERSON, {"key": sha256_text(key)}).first()
    if person is None:
        raise RefusedError(401, "this link is invalid, or its data were deleted", "refused_key")
    return person


def state_of(survey: Survey, key: str) -> dict[str, Any]:
    """Return the current step of a participant; reloading gives the same."""
    with survey.database.write() as connection:
        return session_state(survey, connection, find_person(connection, key))


def session_state(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    """Return what the browser shows at the participant's stage."""
    design = survey.record.design
    base = {"stage": person.stage, "language": person.language, "title": design.title}
    base["surround"] = design.viewing.surround
    if person.stage == "finished" or screened_for(person.stage):
        return base | _ending(survey, connection, person)
    if setting(connection, STOPPED) and person.stage != "after":
        interrupted = person.stage != "consent" and design.recruitment.stopped_url
        return base | {"stage": "stopped", "redirect": interrupted or design.recruitment.full_url}
    if person.stage == "trials":
        return base | _trial_state(survey, connection, person)
    return base | _before_trials(design, person)


def _ending(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    design = survey.record.design
    recruited = design.recruitment
    if reason := screened_for(person.stage):
        return {"stage": "screened", "reason": reason, **recruited.way_out("screened")._asdict()}
    out = WayOut(recruited.completion_url, None if design.access == "open" else person.code)
    failed = recruited.tells_failed and checks_failed(survey, connection, person)
    if failed:
        out = WayOut(recruited.failed_url, recruited.failed_code)
    return {
        **out._asdict(),
        "failed": failed,
        "thanks": _wording(design, person.language).thanks,
        "next": participant_link(design, survey.secret, "") if design.access == "lab" else None,
    }


def _wording(design: Design, language: str) -> Wording:
    return design.wording.get(language, Wording())


def questions_at(design: Design, stage: str) -> list[Question]:
    """Return the questions of the page before or after the trials."""
    return design.before if stage == "before" else design.after


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
    if person.stage == "viewing":
        return viewing.page(design.viewing.steps, person.screen)
    if person.stage in {"before", "after"}:
        return {"questions": [item.for_browser(person.language) for item in questions_at(design, person.stage)]}
    return {
        "protocol": design.protocol, "form": form_of(design), "trials": design.trials, "practice": design.practice,
        "feedback": design.feedback, "practice_pass": design.practice_pass,
        "minutes": design.minutes, "tie": design.tie, "reference": design.reference, "display_ms": design.display_ms,
        "inspect": design.inspect,
        "devices": design.viewing.devices, "fullscreen": design.viewing.fullscreen,
        "leave": design.recruitment.screens_out, "instructions": _wording(design, person.language).instructions,
    }  # fmt: skip


def _trial_state(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    total, _, _ = connection.execute(PROGRESS, {"person": person.id}).one()
    due = fill_due(survey, connection, person, open_trials(connection, person.id))
    if due[0].sent_at is None:
        connection.execute(_SENT, {"which": due[0].id, "now": time.time()})
    return trial_for_browser(survey, connection, due, total) | {
        "protocol": survey.record.design.protocol,
        "reference": survey.record.design.reference,
        "question": _wording(survey.record.design, person.language).question,
    }


def _screening_set(person: Row[Any]) -> int:
    return int(person.id[:4], 16) % SCREENING_SETS


def consent(survey: Survey, key: str, *, agreed: bool, sha256: str) -> dict[str, Any]:
    """Record the consent of a participant to the form shown, which takes a place, or delete them if they decline.

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
        if _is_full(survey, connection, now):
            _delete_rows(connection, person.id)
            return {"language": person.language, **_full(design)}
        method = ""
        if design.protocol == "real_or_fake":
            seen = people_by_method(connection, now)
            method = min(survey.record.methods, key=lambda name: (seen.get(name, 0), _chance(survey, person.id, name)))
        connection.execute(
            update(Participant).where(Participant.id == person.id).values(
                stage=next_step(design, "consent"), method=method, consent_at=now,
                lease_until=now + design.lease_minutes * 60, consent_version=design.consent.version,
                consent_sha256=sha256,
            )
        )  # fmt: skip
        return session_state(survey, connection, find_person(connection, key))


def _chance(survey: Survey, identity: str, name: str) -> str:
    return hashlib.sha256(survey.secret + f"{identity}\x1f{name}".encode()).hexdigest()


def _let_go(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    delete_person(connection, person)
    return {"stage": "declined", **survey.record.design.recruitment.way_out("declined")._asdict()}


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
    """Record the answers of the color-vision screening, which are part of the data.

    People who do not pass a screening that excludes are screened out at once if they have a way back to the platform.

    Raises:
        RefusedError: the number of answers is wrong, or the participant is past this step.
    """
    if len(answers) != len(color_vision.KINDS):
        raise RefusedError(422, f"expected {len(color_vision.KINDS)} answers, but got {len(answers)}")
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "screening")
        found = color_vision.grade(color_vision.screening_digits(_screening_set(person)), answers)
        design = survey.record.design
        connection.execute(update(Participant).where(Participant.id == person.id).values(screening=found))
        if design.exclusions.screening and design.recruitment.screens_out and not found["passed"]:
            _move(connection, person, screened("vision"), 0)
        else:
            _move(connection, person, next_step(design, "screening"), person.lease_until)
        return session_state(survey, connection, find_person(connection, key))


def _move(connection: Connection, person: Row[Any], stage: str, lease_until: float) -> None:
    values = {"stage": stage, "lease_until": lease_until}
    connection.execute(update(Participant).where(Participant.id == person.id).values(**values))


def leave(survey: Survey, key: str, reason: Literal["device", "window"]) -> dict[str, Any]:
    """Screen out a participant whose device or window does not fit the study.

    Raises:
        RefusedError: the participant is past this step, or people who are screened out have no way back.
    """
    with survey.database.write() as connection:
        person = find_person(connection, key)
        if person.stage not in {"instructions", "trials"} or not survey.record.design.recruitment.screens_out:
            raise RefusedError(409, "this step is already complete; please reload the page")
        _move(connection, person, screened(reason), 0)
        return session_state(survey, connection, find_person(connection, key))


def answer_questions(survey: Survey, key: str, answers: dict[str, Any]) -> dict[str, Any]:
    """Record the answers to the questions before or after the trials.

    Raises:
        RefusedError: an answer is missing or does not fit, or the participant is at another step.
    """
    design, now = survey.record.design, time.time()
    with survey.database.write() as connection:
        person = find_person(connection, key)
        if person.stage not in {"before", "after"}:
            raise RefusedError(409, "this step is already complete; please reload the page")
        try:
            found = stored_answers(questions_at(design, person.stage), answers)
        except ValueError as error:
            raise RefusedError(422, str(error)) from None
        stage = next_step(design, person.stage)
        connection.execute(
            update(Participant).where(Participant.id == person.id).values(
                answers={**(person.answers or {}), **found}, stage=stage,
                lease_until=now + design.lease_minutes * 60, finished_at=now if stage == "finished" else None,
            )
        )  # fmt: skip
        return session_state(survey, connection, find_person(connection, key))


def measure(survey: Survey, key: str, measurement: viewing.Measurement) -> dict[str, Any]:
    """Record a measurement of the conditions of viewing, which replaces an earlier one of the same step.

    Raises:
        RefusedError: the measurement is implausible, the design does not ask for it, or the participant is at another
            step.
    """
    design = survey.record.design
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "viewing")
        if measurement.step not in design.viewing.steps:
            raise RefusedError(422, f"this study does not measure the {measurement.step}")
        try:
            screen = viewing.with_measurement(person.screen, measurement)
        except ValueError as error:
            raise RefusedError(400, str(error), "viewing_implausible") from None
        values = {"screen": screen, "lease_until": time.time() + design.lease_minutes * 60}
        connection.execute(update(Participant).where(Participant.id == person.id).values(**values))
        return session_state(survey, connection, find_person(connection, key))


def end_viewing(survey: Survey, key: str) -> dict[str, Any]:
    """Go on to the instructions after the conditions of viewing were measured.

    Raises:
        RefusedError: a measurement is missing, or the participant is at another step.
    """
    design = survey.record.design
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "viewing")
        if viewing.next_measurement(design.viewing.steps, person.screen) is not None:
            raise RefusedError(409, "a step is not complete; please reload the page")
        values = {"stage": next_step(design, "viewing")}
        connection.execute(update(Participant).where(Participant.id == person.id).values(**values))
        return session_state(survey, connection, find_person(connection, key))


def begin(survey: Survey, key: str, screen: Screen) -> dict[str, Any]:
    """Create the participant's schedule and return the first trial.

    Raises:
        RefusedError: the participant is not at the instructions, or the design refuses phones and tablets.
    """
    if survey.record.design.viewing.devices == "desktop" and screen.touch:
        raise RefusedError(403, "this study needs a computer with a mouse or a touchpad", "desktop_text")
    now = time.time()
    with survey.database.write() as connection:
        person = _at_stage(connection, key, "instructions")
        plan(survey, connection, person, now)
        connection.execute(
            update(Participant).where(Participant.id == person.id).values(
                stage="trials", screen={**person.screen, **screen.model_dump()},
                lease_until=now + survey.record.design.lease_minutes * 60,
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
    survey.database.erase_deleted()


def delete_person(connection: Connection, person: Row[Any]) -> None:
    """Delete all data of a participant within the given transaction, and record that someone withdrew."""
    _delete_rows(connection, person.id)
    connection.execute(insert(Withdrawal).values(at=time.time(), stage=person.stage))


def _delete_rows(connection: Connection, identity: str) -> None:
    trials = select(TrialRow.id).where(TrialRow.participant_id == identity)
    connection.execute(delete(Vote).where(Vote.participant_id == identity))
    connection.execute(delete(Image).where(Image.trial_id.in_(trials)))
    connection.execute(delete(TrialRow).where(TrialRow.participant_id == identity))
    connection.execute(update(Invitation).where(Invitation.participant_id == identity).values(participant_id=None))
    connection.execute(delete(Participant).where(Participant.id == identity))


def own_data(survey: Survey, key: str) -> dict[str, Any]:
    """Return what is stored about a participant, without what would reveal the methods.

    Raises:
        RefusedError: there is no such participant.
    """
    query = (
        select(
            TrialRow.position, Vote.choice, Vote.received_at, Vote.response_ms, Vote.elapsed_ms, Vote.shown_ms,
            Vote.blurs, Vote.flags,
        )
        .join(TrialRow, TrialRow.id == Vote.trial_id)
        .where(Vote.participant_id == bindparam("person"))
        .order_by(Vote.id)
    )  # fmt: skip
    with survey.database.read() as connection:
        person = find_person(connection, key)
        kept = ("id", "stage", "language", "joined_at", "finished_at", "consent_version", "consent_at", "screen")
        return {
            "study": survey.record.design.title,
            "participant": {name: getattr(person, name) for name in (*kept, "screening", "answers")},
            "platform_id": "stored as a salted hash" if person.platform_salt else None,
            "answers": [dict(row._mapping) for row in connection.execute(query, {"person": person.id})],  # noqa: SLF001 - SQLAlchemy's documented name
        }


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
    text = design.consent.text.get(language) or _built_in_consent(design, language)
    contact = design.consent.contact or texts(language)["contact_missing"]
    institution = design.consent.institution or texts(language)["institution_missing"]
    filled = text.replace("{contact}", contact).replace("{institution}", institution)
    return filled.replace("{minutes}", str(design.minutes))


def _built_in_consent(design: Design, language: str) -> str:
    """Return the built-in form, with what the measurements of viewing store before its last paragraph."""
    words = texts(language)
    if not design.viewing.steps:
        return words["consent_text"]
    text, questions = words["consent_text"].rstrip().rsplit("\n\n", 1)
    parts = words["consent_separator"].join(words[f"consent_{step}"] for step in design.viewing.steps)
    return f"{text}\n\n{words['consent_viewing'].replace('{parts}', parts)}\n\n{questions}"


def consent_sha256(design: Design, language: str) -> str:
    """Return the hash of the version and text of the consent form."""
    return sha256_text(f"{design.consent.version}\n{consent_text(design, language)}")
