"""Who may take part: open links, invitations, IDs of a recruitment platform, and the computers of a lab."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from chromalab.core.errors import ChromalabError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request

    from chromalab.survey.design import Design
    from chromalab.survey.security import RateLimit

LAB_PARAM, SIGNATURE_PARAM = "lab", "signature"
"""URL parameters of a lab's link, and of the signature of a platform ID."""

_ID_PATTERNS = {
    "PROLIFIC_PID": ("Prolific", r"[0-9a-f]{24}"),
    "workerId": ("Amazon Mechanical Turk", r"A[0-9A-Z]{5,30}"),
}
_ANY_ID = r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}"
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\$\{|%[A-Za-z_]+%|^<.*>$|^\[.*\]$")
_SIGNATURE_CHARS = 32


class RefusedError(ChromalabError):
    """A refused request, with its HTTP status and reason.

    Attributes:
        status: the HTTP status.
        word: key of the locales' sentence that tells participants; empty if they never see it.
    """

    def __init__(self, status: int, reason: str, word: str = "") -> None:
        self.status, self.word = status, word
        super().__init__(reason)


def count_request(limit: RateLimit, request: Request, reason: str, word: str = "") -> None:
    """Count a request of an address.

    Raises:
        RefusedError: the address has sent too many.
    """
    if not limit.allows(request.client.host if request.client else ""):
        raise RefusedError(429, reason, word)


def platform_id(design: Design, params: Mapping[str, str]) -> str | None:
    """Return the participant ID that a recruitment platform put into the link, or None.

    Raises:
        RefusedError: the platform did not fill in the ID, or it does not have the platform's form.
    """
    recruited = design.recruitment
    name = recruited.participant_param
    value = params.get(name)
    if not value:
        return None
    if _PLACEHOLDER.search(value):
        raise RefusedError(
            400,
            f"For the researcher: the recruitment platform did not replace {value} by an ID. In the study's settings "
            f"on the platform, pass the ID as the URL parameter {name}, as the link on the dashboard does.",
            "refused_id",
        )
    platform, pattern = _ID_PATTERNS.get(name, ("the recruitment platform", _ANY_ID))
    if not re.fullmatch(recruited.id_pattern or pattern, value):
        raise RefusedError(
            400,
            f"For the researcher: this is not a participant ID of {platform}. IDs in {name} must match "
            f"{recruited.id_pattern or pattern}.",
            "refused_id",
        )
    return value


def check_access(design: Design, secret: bytes, params: Mapping[str, str], invitation: str | None) -> None:
    """Refuse people whom the design's access mode does not admit; used invitations are refused later.

    Raises:
        RefusedError: the invitation, the ID, its signature or the lab's token is missing or wrong.
    """
    if design.access == "invited" and invitation is None:
        raise RefusedError(403, "this study is open to invited people only", "refused_invited")
    if design.access == "lab" and not _equal(params.get(LAB_PARAM), lab_token(secret)):
        raise RefusedError(403, "this study is open to the computers of a laboratory only", "refused_lab")
    if design.access == "platform" and platform_id(design, params) is None:
        raise RefusedError(403, "the link has no ID of the recruitment platform", "refused_id")
    if design.recruitment.signed and not is_signed(design, secret, params):
        raise RefusedError(403, "the signature of this link is missing or wrong", "refused_signature")


def is_signed(design: Design, secret: bytes, params: Mapping[str, str]) -> bool:
    """Return whether the link carries the signature of its platform ID."""
    value = platform_id(design, params)
    return value is not None and _equal(params.get(SIGNATURE_PARAM), signature(secret, value))


def signature(secret: bytes, identity: str) -> str:
    """Return the signature of a platform ID: the start of an HMAC-SHA256 as hexadecimal digits."""
    return _mac(secret, f"platform\x1f{identity}")


def lab_token(secret: bytes) -> str:
    """Return the token in the link of a lab's computers."""
    return _mac(secret, "lab")


def _mac(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()[:_SIGNATURE_CHARS]


def _equal(given: str | None, right: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), right.encode())


def participant_link(design: Design, secret: bytes, base: str) -> str | None:
    """Return the link for all participants, with the placeholders of a platform; None where everyone has an own link.

    Args:
        design: the design.
        secret: the survey's secret.
        base: public address of the server.
    """
    recruited = design.recruitment
    if design.access == "open":
        return f"{base}/"
    if design.access == "lab":
        return f"{base}/?{LAB_PARAM}={lab_token(secret)}"
    if design.access == "invited" or recruited.signed:
        return None
    names = (recruited.participant_param, recruited.study_param, recruited.session_param)
    return f"{base}/?" + "&".join(f"{name}={{{{%{name}%}}}}" for name in names)


def signed_link(design: Design, secret: bytes, base: str, identity: str) -> str:
    """Return the link of one platform ID with its signature.

    Raises:
        UsageError: the ID does not have the platform's form.
    """
    name = design.recruitment.participant_param
    try:
        platform_id(design, {name: identity})
    except RefusedError as error:
        raise UsageError(f"'{identity}' is not a valid ID: {error}") from None
    query = {name: identity, SIGNATURE_PARAM: signature(secret, identity)}
    return f"{base}/?{urlencode(query)}"
