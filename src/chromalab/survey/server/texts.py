"""What people read, in their language: one YAML file each in `locales/`."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import yaml

from chromalab.core.errors import ConfigError
from chromalab.survey.secrets import sha256_text

if TYPE_CHECKING:
    from chromalab.survey.design import Design

FALLBACK = "en"


@cache
def texts(language: str) -> dict[str, str]:
    """Return the texts of a language; what a file lacks is taken from English.

    Raises:
        ConfigError: there is no such language.
    """
    found = known_languages()
    if language not in found:
        raise ConfigError(f"languages: there is no translation '{language}'; there are {', '.join(found)}")
    own = yaml.safe_load((_folder() / f"{language}.yaml").read_text(encoding="utf-8"))
    return own if language == FALLBACK else {**texts(FALLBACK), **own}


@cache
def known_languages() -> tuple[str, ...]:
    """Return the languages that there are translations for."""
    return tuple(sorted(path.name.removesuffix(".yaml") for path in _folder().iterdir() if path.name.endswith(".yaml")))


def _folder() -> resources.abc.Traversable:
    return resources.files("chromalab.survey.server") / "locales"


def consent_text(design: Design, language: str) -> str:
    """Return the consent form of a survey in a language, filled in; paragraphs stand apart by empty lines."""
    text = design.consent.text.get(language) or texts(language)["consent_text"]
    contact = design.consent.contact or texts(language)["contact_missing"]
    institution = design.consent.institution or texts(language)["institution_missing"]
    filled = text.replace("{contact}", contact).replace("{institution}", institution)
    return filled.replace("{minutes}", str(design.minutes))


def consent_sha256(design: Design, language: str) -> str:
    """Return the hash of the form that somebody agreed to."""
    return sha256_text(f"{design.consent.version}\n{consent_text(design, language)}")
