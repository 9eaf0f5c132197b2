"""Participant sessions: from the link that opens one to the withdrawal, which deletes everything."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import bindparam, delete, insert, select, update

from chromalab.survey.database import STOPPED, Image, Invitation, Participant, TrialRow, Vote, Withdrawal, setting
from chromalab.survey.security import is_storable, new_token, platform_hash, sha256_text
from chromalab.survey.server.admission import RefusedError, check_access, is_signed, platform_id
from chromalab.survey.server.pages import full_page
from chromalab.survey.server.state import STEPS, lease_end, places_taken

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row

    from chromalab.survey.server.state import Survey

_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

# This statement runs for every vote and is built once, so that SQLAlchemy only fills in values.
_PERSON = select(Participant.__table__).where(Participant.key_sha256 == bindparam("key"))

_OWN_ANSWERS = (
    select(
        TrialRow.position, Vote.choice, Vote.received_at, Vote.response_ms, Vote.elapsed_ms, Vote.shown_ms,
        Vote.blurs, Vote.flags,
    )
    .join(TrialRow, TrialRow.id == Vote.trial_id)
    .where(Vote.participant_id == bindparam("person"))
    .order_by(Vote.id)
)  # fmt: skip


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
        if is_full(survey, connection, now):
            return {"session": None, "state": full_page(design)}
        return {"session": _new_person(survey, connection, body, platform, now)}


def _delete_visitors(connection: Connection, which: ColumnElement[bool]) -> None:
    """Delete people who have not consented, of whom nothing is known but the link they opened."""
    for person in connection.execute(select(Participant.__table__).where(which, Participant.stage == "consent")):
        delete_rows(connection, person.id)


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
    return None if identity is None else _person(connection, identity)


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
        change_person(connection, owner, key_sha256=sha256_text(key))
    if owner.stage in STEPS:
        change_person(connection, owner, lease_until=lease_end(design, now))
    return key


def is_full(survey: Survey, connection: Connection, now: float) -> bool:
    """Return whether the survey has no place left, because it was stopped or all are taken."""
    return bool(setting(connection, STOPPED)) or places_taken(connection, now) >= survey.record.design.stop.participants


def _new_person(survey: Survey, connection: Connection, body: Join, platform: str | None, now: float) -> str:
    design, key = survey.record.design, new_token()
    recruited, identity = design.recruitment, secrets.token_hex(8)
    salt = secrets.token_hex(16) if platform else None
    connection.execute(
        insert(Participant).values(
            id=identity, key_sha256=sha256_text(key), stage="consent", method="", joined_at=now,
            language=body.language if body.language in design.languages else design.languages[0],
            lease_until=lease_end(design, now), screen=body.screen.model_dump(), screening={},
            platform_sha256=platform_hash(survey.secret, platform, salt) if platform and salt else None,
            platform_salt=salt, platform_study=_hashed(body.params.get(recruited.study_param)),
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


def find_person(connection: Connection, key: str) -> Row[Any]:
    """Return the participant of a session key.

    Raises:
        RefusedError: there is no such participant.
    """
    person = connection.execute(_PERSON, {"key": sha256_text(key)}).first()
    if person is None:
        raise RefusedError(401, "this link is invalid, or its data were deleted", "refused_key")
    return person


def change_person(connection: Connection, person: Row[Any], **values: object) -> Row[Any]:
    """Store new values in columns of a participant, and return the participant with them."""
    connection.execute(update(Participant).where(Participant.id == person.id).values(**values))
    return _person(connection, person.id)


def _person(connection: Connection, identity: str) -> Row[Any]:
    return connection.execute(select(Participant.__table__).where(Participant.id == identity)).one()


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
    delete_rows(connection, person.id)
    connection.execute(insert(Withdrawal).values(at=time.time(), stage=person.stage))


def delete_rows(connection: Connection, identity: str) -> None:
    """Delete all data of a participant without a trace."""
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
    with survey.database.read() as connection:
        person = find_person(connection, key)
        kept = ("id", "stage", "language", "joined_at", "finished_at", "consent_version", "consent_at", "screen")
        return {
            "study": survey.record.design.title,
            "participant": {name: getattr(person, name) for name in (*kept, "screening", "answers")},
            "platform_id": "stored as a salted hash" if person.platform_salt else None,
            "answers": [dict(row._mapping) for row in connection.execute(_OWN_ANSWERS, {"person": person.id})],  # noqa: SLF001 - SQLAlchemy's documented name
        }
