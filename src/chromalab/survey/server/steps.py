"""What participants do at each step: consent, color-vision screening, questions, measurements, and the start."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Literal

from chromalab.survey.questions import stored_answers
from chromalab.survey.server import color_vision, viewing
from chromalab.survey.server.admission import RefusedError
from chromalab.survey.server.pages import consent_sha256, full_page, page_of, questions_at
from chromalab.survey.server.sessions import change_person, delete_person, delete_rows, find_person, is_full
from chromalab.survey.server.state import lease_end, next_step, screened
from chromalab.survey.server.trials import people_by_method, plan

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from chromalab.survey.server.sessions import Screen
    from chromalab.survey.server.state import Survey


def state_of(survey: Survey, key: str) -> dict[str, Any]:
    """Return the current step of a participant; reloading gives the same."""
    with survey.database.write() as connection:
        return page_of(survey, connection, find_person(connection, key))


def _at_step(connection: Connection, key: str, *steps: str) -> Row[Any]:
    """Return the participant of a session key.

    Raises:
        RefusedError: the participant is at none of these steps.
    """
    person = find_person(connection, key)
    if person.stage not in steps:
        raise _past_step()
    return person


def _past_step() -> RefusedError:
    return RefusedError(409, "this step is already complete; please reload the page")


def _next_page(survey: Survey, connection: Connection, person: Row[Any], **values: object) -> dict[str, Any]:
    """Store new values of a participant, and return what the browser shows then."""
    return page_of(survey, connection, change_person(connection, person, **values))


def consent(survey: Survey, key: str, *, agreed: bool, sha256: str) -> dict[str, Any]:
    """Record the consent of a participant to the form shown, which takes a place, or delete them if they decline.

    Raises:
        RefusedError: the form has changed since it was loaded, or the participant is past this step.
    """
    design, now = survey.record.design, time.time()
    with survey.database.write() as connection:
        person = _at_step(connection, key, "consent")
        if not agreed:
            delete_person(connection, person)
            return {"stage": "declined", **design.recruitment.way_out("declined")._asdict()}
        if sha256 != consent_sha256(design, person.language):
            raise RefusedError(409, "the consent form has changed; please reload the page and read it")
        if is_full(survey, connection, now):
            delete_rows(connection, person.id)
            return {"language": person.language, **full_page(design)}
        return _next_page(
            survey, connection, person, stage=next_step(design, "consent"),
            method=_method_to_rate(survey, connection, person.id, now), consent_at=now,
            lease_until=lease_end(design, now), consent_version=design.consent.version, consent_sha256=sha256,
        )  # fmt: skip


def _method_to_rate(survey: Survey, connection: Connection, identity: str, now: float) -> str:
    """Return the method that a participant of real-or-fake sees: that with the fewest people. Others see all: ''."""
    if survey.record.design.protocol != "real_or_fake":
        return ""
    seen = people_by_method(connection, now)

    def chance(name: str) -> str:
        return hashlib.sha256(survey.secret + f"{identity}\x1f{name}".encode()).hexdigest()

    return min(survey.record.methods, key=lambda name: (seen.get(name, 0), chance(name)))


def set_language(survey: Survey, key: str, language: str) -> dict[str, Any]:
    """Change the language before consent.

    Raises:
        RefusedError: the survey does not offer the language, or consent was already given.
    """
    if language not in survey.record.design.languages:
        raise RefusedError(422, f"languages are {', '.join(survey.record.design.languages)}")
    with survey.database.write() as connection:
        person = _at_step(connection, key, "consent")
        return _next_page(survey, connection, person, language=language)


def screening(survey: Survey, key: str, answers: list[str]) -> dict[str, Any]:
    """Record the answers of the color-vision screening, which are part of the data.

    People who do not pass a screening that excludes are screened out at once if they have a way back to the platform.

    Raises:
        RefusedError: the number of answers is wrong, or the participant is past this step.
    """
    if len(answers) != len(color_vision.KINDS):
        raise RefusedError(422, f"expected {len(color_vision.KINDS)} answers, but got {len(answers)}")
    design = survey.record.design
    with survey.database.write() as connection:
        person = _at_step(connection, key, "screening")
        found = color_vision.grade(color_vision.screening_digits(color_vision.set_of(person.id)), answers)
        stage, lease_until = next_step(design, "screening"), person.lease_until
        if design.exclusions.screening and design.recruitment.screens_out and not found["passed"]:
            stage, lease_until = screened("vision"), 0
        return _next_page(survey, connection, person, screening=found, stage=stage, lease_until=lease_until)


def leave(survey: Survey, key: str, reason: Literal["device", "window"]) -> dict[str, Any]:
    """Screen out a participant whose device or window does not fit the study.

    Raises:
        RefusedError: the participant is past this step, or people who are screened out have no way back.
    """
    with survey.database.write() as connection:
        person = _at_step(connection, key, "instructions", "trials")
        if not survey.record.design.recruitment.screens_out:
            raise _past_step()
        return _next_page(survey, connection, person, stage=screened(reason), lease_until=0)


def answer_questions(survey: Survey, key: str, answers: dict[str, Any]) -> dict[str, Any]:
    """Record the answers to the questions before or after the trials.

    Raises:
        RefusedError: an answer is missing or does not fit, or the participant is at another step.
    """
    design, now = survey.record.design, time.time()
    with survey.database.write() as connection:
        person = _at_step(connection, key, "before", "after")
        try:
            found = stored_answers(questions_at(design, person.stage), answers)
        except ValueError as error:
            raise RefusedError(422, str(error)) from None
        stage = next_step(design, person.stage)
        return _next_page(
            survey, connection, person, answers={**(person.answers or {}), **found}, stage=stage,
            lease_until=lease_end(design, now), finished_at=now if stage == "finished" else None,
        )  # fmt: skip


def measure(survey: Survey, key: str, measurement: viewing.Measurement) -> dict[str, Any]:
    """Record a measurement of the conditions of viewing, which replaces an earlier one of the same step.

    Raises:
        RefusedError: the measurement is implausible, the design does not ask for it, or the participant is at another
            step.
    """
    design = survey.record.design
    with survey.database.write() as connection:
        person = _at_step(connection, key, "viewing")
        if measurement.step not in design.viewing.steps:
            raise RefusedError(422, f"this study does not measure the {measurement.step}")
        try:
            screen = viewing.with_measurement(person.screen, measurement)
        except ValueError as error:
            raise RefusedError(400, str(error), "viewing_implausible") from None
        return _next_page(survey, connection, person, screen=screen, lease_until=lease_end(design, time.time()))


def end_viewing(survey: Survey, key: str) -> dict[str, Any]:
    """Go on to the instructions after the conditions of viewing were measured.

    Raises:
        RefusedError: a measurement is missing, or the participant is at another step.
    """
    design = survey.record.design
    with survey.database.write() as connection:
        person = _at_step(connection, key, "viewing")
        if viewing.next_measurement(design.viewing.steps, person.screen) is not None:
            raise RefusedError(409, "a step is not complete; please reload the page")
        return _next_page(survey, connection, person, stage=next_step(design, "viewing"))


def begin(survey: Survey, key: str, screen: Screen) -> dict[str, Any]:
    """Create the participant's schedule and return the first trial.

    Raises:
        RefusedError: the participant is not at the instructions, or the design refuses phones and tablets.
    """
    design, now = survey.record.design, time.time()
    if design.viewing.devices == "desktop" and screen.touch:
        raise RefusedError(403, "this study needs a computer with a mouse or a touchpad", "desktop_text")
    with survey.database.write() as connection:
        person = _at_step(connection, key, "instructions")
        plan(survey, connection, person, now)
        return _next_page(
            survey, connection, person, stage="trials", screen={**person.screen, **screen.model_dump()},
            lease_until=lease_end(design, now),
        )  # fmt: skip
