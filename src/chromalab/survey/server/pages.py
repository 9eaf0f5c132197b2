"""What the browser shows at each step of a participant, and its texts in the participant's language."""

from __future__ import annotations

import time
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

from chromalab.core.errors import ConfigError
from chromalab.survey.database import STOPPED, setting
from chromalab.survey.design import Wording
from chromalab.survey.recruitment import WayOut
from chromalab.survey.security import sha256_text
from chromalab.survey.server import color_vision, viewing
from chromalab.survey.server.admission import participant_link
from chromalab.survey.server.state import screened_for
from chromalab.survey.server.trials import (
    checks_failed,
    fill_due,
    form_of,
    mark_sent,
    open_trials,
    progress,
    trial_for_browser,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from chromalab.survey.design import Design
    from chromalab.survey.questions import Question
    from chromalab.survey.server.state import Survey

FALLBACK = "en"


def page_of(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    """Return what the browser shows at the participant's step."""
    design = survey.record.design
    base = {"stage": person.stage, "language": person.language, "title": design.title}
    base["surround"] = design.viewing.surround
    if reason := screened_for(person.stage):
        return base | {"stage": "screened", "reason": reason, **design.recruitment.way_out("screened")._asdict()}
    if person.stage == "finished":
        return base | _end(survey, connection, person)
    if setting(connection, STOPPED) and person.stage != "after":
        interrupted = person.stage != "consent" and design.recruitment.stopped_url
        return base | {"stage": "stopped", "redirect": interrupted or design.recruitment.full_url}
    if person.stage == "trials":
        return base | _trial(survey, connection, person)
    return base | _other_step(design, person)


def full_page(design: Design) -> dict[str, Any]:
    """Return what the browser shows if the survey has no place left."""
    return {"stage": "full", "redirect": design.recruitment.full_url}


def _end(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    design = survey.record.design
    recruited = design.recruitment
    failed = recruited.tells_failed and checks_failed(survey, connection, person)
    out = WayOut(recruited.completion_url, None if design.access == "open" else recruited.code or person.code)
    if failed:
        out = WayOut(recruited.failed_url, recruited.failed_code)
    return {
        **out._asdict(),
        "failed": failed,
        "thanks": _wording(design, person).thanks,
        "next": participant_link(design, survey.secret, "") if design.access == "lab" else None,
    }


def _wording(design: Design, person: Row[Any]) -> Wording:
    return design.wording.get(person.language, Wording())


def _trial(survey: Survey, connection: Connection, person: Row[Any]) -> dict[str, Any]:
    design = survey.record.design
    total, _, _ = progress(connection, person.id)
    due = fill_due(survey, connection, person, open_trials(connection, person.id))
    mark_sent(connection, due[0], time.time())
    return trial_for_browser(survey, connection, due, total) | {
        "protocol": design.protocol,
        "reference": design.reference,
        "question": _wording(design, person).question,
    }


def _other_step(design: Design, person: Row[Any]) -> dict[str, Any]:
    if person.stage == "consent":
        return {
            "text": consent_text(design, person.language),
            "sha256": consent_sha256(design, person.language),
            "version": design.consent.version,
            "languages": design.languages,
        }
    if person.stage == "screening":
        chosen = color_vision.set_of(person.id)
        return {"images": [f"/screening/{chosen}/{place}.png" for place in range(len(color_vision.KINDS))]}
    if person.stage == "viewing":
        return viewing.page(design.viewing.steps, person.screen)
    if person.stage in {"before", "after"}:
        return {"questions": [item.for_browser(person.language) for item in questions_at(design, person.stage)]}
    return _instructions(design, person)


def _instructions(design: Design, person: Row[Any]) -> dict[str, Any]:
    return {
        "protocol": design.protocol, "form": form_of(design), "trials": design.trials, "practice": design.practice,
        "feedback": design.feedback, "practice_pass": design.practice_pass,
        "minutes": design.minutes, "tie": design.tie, "reference": design.reference, "display_ms": design.display_ms,
        "inspect": design.inspect,
        "devices": design.viewing.devices, "fullscreen": design.viewing.fullscreen,
        "leave": design.recruitment.screens_out, "instructions": _wording(design, person).instructions,
    }  # fmt: skip


def questions_at(design: Design, stage: str) -> list[Question]:
    """Return the questions of the page before or after the trials."""
    return design.before if stage == "before" else design.after


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
