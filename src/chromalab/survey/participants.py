"""Tables of participants: their answers to questions, and whom to approve on a recruitment platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from chromalab.survey.database import Participant, Vote
from chromalab.survey.design import CONDITIONS
from chromalab.survey.security import platform_hash
from chromalab.survey.server.state import screened_for
from chromalab.survey.votes_csv import table_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Row

    from chromalab.survey.database import Database
    from chromalab.survey.design import Design
    from chromalab.survey.recruitment import Recruitment

APPROVE, REJECT, SCREENED_OUT, RETURNED, UNFINISHED = "approve", "reject", "screened out", "returned", "unfinished"
"""What becomes of a submission, in Prolific's words."""

COLUMNS = ("id", "code", "status", "reason", "minutes")


class Approval(NamedTuple):
    """A row of the list.

    Attributes:
        id: the platform's ID of the participant, or the survey's own where no ID is known.
        code: the code that the participant saw; '' for those who saw none.
        status: `approve`, `reject` (the rules exclude the participant), `screened out`, `returned` (nobody with this ID
            consented, or their data were deleted), or `unfinished`.
        reason: the rules that exclude the participant, the reason for the screening out, or the step that was reached.
        minutes: minutes from consent to the end, or to the last vote.
    """

    id: str
    code: str
    status: str
    reason: str
    minutes: float | None


def approvals(
    database: Database, secret: bytes, recruited: Recruitment, excluded: Mapping[str, Sequence[str]],
    ids: Iterable[str] | None = None,
) -> list[Approval]:  # fmt: skip
    """Return the list of approvals.

    The database holds the platform's IDs only as salted hashes, so it cannot name them, but finds those that are given.

    Args:
        database: the survey's database.
        secret: the survey's secret.
        recruited: links and codes of the design.
        excluded: the rules that exclude a participant, by participant.
        ids: the platform's IDs, of which each gets a row; None gives a row to every participant.
    """
    people = people_of(database)
    if ids is None:
        return [_approval(person.id, person, recruited, excluded.get(person.id, ())) for person in people]
    found = []
    for identity in ids:
        person = next((each for each in people if _is(identity, each, secret)), None)
        found.append(
            Approval(identity, "", RETURNED, "", None)
            if person is None
            else _approval(identity, person, recruited, excluded.get(person.id, ()))
        )
    return found


def people_of(database: Database) -> list[Row[Any]]:
    """Return the participants who consented, in the order of consent, with number (`votes`) and time of their votes."""
    votes = (
        select(Vote.participant_id, func.count().label("n"), func.max(Vote.received_at).label("last"))
        .group_by(Vote.participant_id)
        .subquery()
    )
    query = (
        select(Participant.__table__, func.coalesce(votes.c.n, 0).label("votes"), votes.c.last.label("last_vote"))
        .outerjoin(votes, votes.c.participant_id == Participant.id)
        .where(Participant.stage != "consent")
        .order_by(Participant.consent_at)
    )
    with database.read() as connection:
        return list(connection.execute(query))


def _is(identity: str, person: Any, secret: bytes) -> bool:
    salt = person.platform_salt
    return salt is not None and platform_hash(secret, identity, salt) == person.platform_sha256


def _approval(identity: str, person: Any, recruited: Recruitment, rules: Sequence[str]) -> Approval:
    minutes = _minutes(person)
    if reason := screened_for(person.stage):
        return Approval(identity, recruited.way_out("screened").code or "", SCREENED_OUT, reason, minutes)
    if person.stage != "finished":
        return Approval(identity, "", UNFINISHED, str(person.stage), minutes)
    code = recruited.code or person.code
    if recruited.tells_failed and "vigilance" in rules:
        code = recruited.failed_code or ""
    return Approval(identity, code, REJECT if rules else APPROVE, " ".join(rules), minutes)


def _minutes(person: Any) -> float | None:
    end = person.finished_at or person.last_vote
    return None if end is None else round((end - person.consent_at) / 60, 1)


def approvals_text(rows: Iterable[Approval]) -> str:
    """Return the list as the text of a CSV file."""
    return table_text(COLUMNS, rows)


def participants_text(database: Database, design: Design, excluded: Mapping[str, Sequence[str]]) -> str:
    """Return the participants as the text of a CSV file: step, minutes, screen, screening, exclusion and answers.

    Args:
        database: the survey's database.
        design: its design, whose questions give a column each.
        excluded: the rules that exclude a participant, by participant.
    """
    questions = [question.name for question in (*design.before, *design.after)]
    screen = ("width", "height", "ratio", "zoom", "gamut", "touch", *CONDITIONS)
    columns = ("observer", "step", "language", "minutes", *screen, "screening_passed", "exclusion", *questions)
    rows = [
        (
            person.id, person.stage, person.language, _minutes(person), *(person.screen.get(name) for name in screen),
            person.screening.get("passed"), " ".join(excluded.get(person.id, ())),
            *((person.answers or {}).get(name) for name in questions),
        )
        for person in people_of(database)
    ]  # fmt: skip
    return table_text(columns, rows)
