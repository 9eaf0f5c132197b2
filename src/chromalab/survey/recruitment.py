"""Access to a survey, and the links to and from a recruitment platform."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import model_validator

from chromalab.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

Access = Literal["open", "invited", "platform", "lab"]

_MOST_ALIKE = 0.6
"""Largest similarity of two codes, the share of their characters in common blocks. Random codes have about 0.2."""


class WayOut(NamedTuple):
    """How people return to the platform: a redirect, a code, both or neither."""

    redirect: str | None
    code: str | None


class Recruitment(Record):
    """Links to and from a recruitment platform.

    People leave with a link, a code or both. `screen_out_url` is for those who decline or are screened out if neither
    a link nor a code is set for them. If none is set for failed attention checks, these people leave like all others.

    Attributes:
        participant_param: URL parameter with the platform's participant ID (default: Prolific's name).
        study_param: URL parameter with the platform's study ID.
        session_param: URL parameter with the platform's session ID.
        completion_url: redirect after the last trial; None shows only the completion code.
        screen_out_url: redirect for people who decline or are screened out, unless a link or code is set for them.
        declined_url: redirect for people who do not consent.
        declined_code: code for them.
        screened_url: redirect for people whose device, window or practice does not fit the study, or who do not pass a
            screening of color vision that `exclusions` makes a condition.
        screened_code: code for them.
        failed_url: redirect after the last trial for participants who failed the attention checks.
        failed_code: code for them; it must not resemble the others.
        full_url: redirect for participants who arrive after the survey has ended.
        stopped_url: redirect for participants whom the end of the survey interrupts, such as a link to a payment.
        code: completion code for all participants; None generates one for each.
        id_pattern: regular expression that participant IDs must match as a whole; None takes the form of Prolific's or
            Mechanical Turk's IDs for their parameters, and otherwise letters, digits and `_.@-`.
        signed: whether links need the parameter `signature`, which only `chromalab survey links` can compute.
    """

    participant_param: str = "PROLIFIC_PID"
    study_param: str = "STUDY_ID"
    session_param: str = "SESSION_ID"
    completion_url: str | None = None
    screen_out_url: str | None = None
    declined_url: str | None = None
    declined_code: str | None = None
    screened_url: str | None = None
    screened_code: str | None = None
    failed_url: str | None = None
    failed_code: str | None = None
    full_url: str | None = None
    stopped_url: str | None = None
    code: str | None = None
    id_pattern: str | None = None
    signed: bool = False

    @model_validator(mode="after")
    def _is_a_pattern(self) -> Self:
        try:
            re.compile(self.id_pattern or "")
        except re.error as error:
            raise ValueError(f"id_pattern: '{self.id_pattern}' is not a regular expression: {error}") from None
        return self

    @model_validator(mode="after")
    def _web_addresses(self) -> Self:
        for url in (
            self.completion_url, self.screen_out_url, self.declined_url, self.screened_url, self.failed_url,
            self.full_url, self.stopped_url,
        ):  # fmt: skip
            if url is not None and not url.startswith(("https://", "http://")):
                raise ValueError(f"'{url}' is not a web address; start the redirect with https://")
        return self

    @model_validator(mode="after")
    def _codes_cannot_be_guessed(self) -> Self:
        names = [name for name in ("code", "declined_code", "screened_code", "failed_code") if getattr(self, name)]
        for first, second in combinations(names, 2):
            one, other = (getattr(self, name).upper() for name in (first, second))
            if SequenceMatcher(None, one, other).ratio() > _MOST_ALIKE:
                raise ValueError(
                    f"recruitment.{second}: '{getattr(self, second)}' resembles recruitment.{first}, so one could be "
                    "guessed from the other; choose unrelated codes"
                )
        return self

    @property
    def screens_out(self) -> bool:
        """Whether people who are screened out have a link or code of their own."""
        return bool(self.screened_url or self.screened_code)

    @property
    def tells_failed(self) -> bool:
        """Whether people who fail the attention checks have a link or code of their own."""
        return bool(self.failed_url or self.failed_code)

    def way_out(self, outcome: Literal["declined", "screened"]) -> WayOut:
        """Return the way back to the platform of people who decline or are screened out."""
        url, code = getattr(self, f"{outcome}_url"), getattr(self, f"{outcome}_code")
        return WayOut(url, code) if url or code else WayOut(self.screen_out_url, None)


def usual_access(recruitment: Mapping[str, Any]) -> Access:
    """Return the access mode of a design that does not name one."""
    return "platform" if recruitment.get("completion_url") or recruitment.get("code") else "open"
