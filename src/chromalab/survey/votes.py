"""Votes as rows of a CSV file, and whole surveys as JSON: export and import."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from chromalab.core.errors import ConfigError, UsageError
from chromalab.survey.database import (
    STOPPED,
    Participant,
    Registration,
    TrialRow,
    Vote,
    Withdrawal,
    put_setting,
    setting,
)
from chromalab.survey.folder import SurveyFolder, SurveyRecord
from chromalab.survey.security import new_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from chromalab.survey.database import Database

REQUIRED = ("observer", "session", "scene", "condition_A", "condition_B", "is_A_selected")
COLUMNS = (
    *REQUIRED, "is_tie", "side", "rating", "kind", "position", "repeat_of", "response_ms", "requested_ms", "shown_ms",
    "blurs", "flags", "screening_passed", "received_at", "probability",
)  # fmt: skip
RATINGS = frozenset("12345")


@dataclass(frozen=True)
class VoteRow:
    """One answer.

    Attributes:
        observer: participant.
        session: session of the participant.
        scene: photo.
        condition_a: condition shown on the left or first (unless `a_is_left` is false), or alone.
        condition_b: the other condition; '' if one image was shown alone.
        is_a_selected: whether A was chosen; for a single image, whether it was called real.
        is_tie: whether "no difference" was chosen.
        rating: rating from 1 to 5, or None.
        kind: `practice`, `test`, `repeat` or `vigilance`.
        position: position in the participant's schedule.
        repeat_of: for a repeat, the position of its first presentation.
        response_ms: time from the appearance of the images to the answer.
        requested_ms: display duration that the design asks for.
        shown_ms: measured display duration.
        blurs: number of times that the window lost focus during the trial.
        flags: flags of the server and the browser, such as `fast` or `overrun`.
        screening_passed: whether the participant passed the color-vision screening; None without screening.
        received_at: time of the answer in seconds since 1970.
        probability: probability with which an adaptive schedule chose this pair.
        a_is_left: whether A was on the left or first.
    """

    observer: str
    session: str
    scene: str
    condition_a: str
    condition_b: str
    is_a_selected: bool
    is_tie: bool = False
    rating: int | None = None
    kind: str = "test"
    position: int = 0
    repeat_of: int | None = None
    response_ms: float | None = None
    requested_ms: float | None = None
    shown_ms: float | None = None
    blurs: int = 0
    flags: tuple[str, ...] = ()
    screening_passed: bool | None = None
    received_at: float | None = None
    probability: float | None = None
    a_is_left: bool = True

    @property
    def left(self) -> str:
        """Condition on the left."""
        return self.condition_a if self.a_is_left else self.condition_b

    @property
    def right(self) -> str:
        """Condition on the right."""
        return self.condition_b if self.a_is_left else self.condition_a

    @property
    def left_selected(self) -> bool:
        """Whether the left condition was chosen."""
        return self.is_a_selected == self.a_is_left

    def cells(self) -> dict[str, Any]:
        """Return the row as the cells of a CSV file."""
        return {
            "observer": self.observer, "session": self.session, "scene": self.scene, "condition_A": self.condition_a,
            "condition_B": self.condition_b,
            "is_A_selected": "" if self.is_tie or self.rating else int(self.is_a_selected),
            "is_tie": int(self.is_tie), "side": "left" if self.a_is_left else "right", "rating": self.rating,
            "kind": self.kind, "position": self.position, "repeat_of": self.repeat_of, "response_ms": self.response_ms,
            "requested_ms": self.requested_ms, "shown_ms": self.shown_ms, "blurs": self.blurs,
            "flags": " ".join(self.flags),
            "screening_passed": None if self.screening_passed is None else int(self.screening_passed),
            "received_at": self.received_at, "probability": self.probability,
        }  # fmt: skip


def votes_of_database(database: Database) -> list[VoteRow]:
    """Return all answers of a survey in the order of their commits."""
    query = (
        select(
            Vote.participant_id, TrialRow.scene, TrialRow.left, TrialRow.right, Vote.choice, TrialRow.kind,
            TrialRow.position, TrialRow.repeat_of, Vote.response_ms, Vote.requested_ms, Vote.shown_ms, Vote.blurs,
            Vote.flags, Participant.screening, Vote.received_at, TrialRow.probability,
        )
        .join(TrialRow, TrialRow.id == Vote.trial_id)
        .join(Participant, Participant.id == Vote.participant_id)
        .order_by(Vote.id)
    )  # fmt: skip
    with database.read() as connection:
        return [_row(*tuple(each)) for each in connection.execute(query)]


def _row(
    observer: str, scene: str, left: str, right: str, choice: str, kind: str, position: int, repeat_of: int | None,
    response_ms: float, requested_ms: float | None, shown_ms: float | None, blurs: int, flags: list[str],
    screening: dict[str, Any], received_at: float, probability: float | None,
) -> VoteRow:  # fmt: skip
    return VoteRow(
        observer, "1", scene, left, right, choice in {"left", "real"}, choice == "tie",
        int(choice) if choice in RATINGS else None, kind, position, repeat_of, response_ms, requested_ms, shown_ms,
        blurs, tuple(flags), screening.get("passed"), received_at, probability,
    )  # fmt: skip


def votes_text(votes: Iterable[VoteRow]) -> str:
    """Return votes as the text of a CSV file, with the columns that `survey analyze` reads."""
    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    rows.writerows(vote.cells() for vote in votes)
    return text.getvalue()


def read_votes(path: Path) -> list[VoteRow]:
    """Read votes from a CSV file.

    The columns observer, session, scene, condition_A, condition_B and is_A_selected (1 or 0, empty for a tie or a
    rating) are required. All other columns of the export are optional. A is the left or first condition unless the
    column `side` contains "right".

    Raises:
        ConfigError: the file is missing, a column is missing, or a row is invalid.
        UsageError: the file has no votes.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(
                    f"{path}: the column {missing[0]} is missing; add the columns {', '.join(REQUIRED)}, as "
                    "'chromalab survey export' writes them"
                )
            rows = [_parse(row, path, line) for line, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot read the votes: {error}") from None
    if not rows:
        raise UsageError(f"{path} contains no votes; give a file with at least one row")
    return rows


def _parse(row: dict[str, str], path: Path, line: int) -> VoteRow:
    def number(name: str) -> float | None:
        text = (row.get(name) or "").strip()
        try:
            return float(text) if text else None
        except ValueError:
            raise ConfigError(f"{path}, line {line}: {name} must be a number, not '{text}'") from None

    def flag(name: str) -> bool | None:
        text = (row.get(name) or "").strip().lower()
        if text not in {"", "0", "1", "0.0", "1.0", "true", "false"}:
            raise ConfigError(f"{path}, line {line}: {name} must be 1 or 0, not '{text}'")
        return None if not text else text in {"1", "1.0", "true"}

    rating = number("rating")
    if rating is not None and rating not in {1, 2, 3, 4, 5}:
        raise ConfigError(f"{path}, line {line}: rating must be 1 to 5, not {rating:g}")
    selected, tie = flag("is_A_selected"), bool(flag("is_tie"))
    if selected is None and not tie and rating is None:
        raise ConfigError(f"{path}, line {line}: is_A_selected is empty in a row that is neither a tie nor a rating")
    if not row["condition_A"] or not row["observer"]:
        raise ConfigError(f"{path}, line {line}: observer and condition_A must not be empty")
    side = (row.get("side") or "left").strip().lower()
    if side not in {"left", "right"}:
        raise ConfigError(f"{path}, line {line}: side must be left or right, the position of A, not '{side}'")
    repeat_of, position = number("repeat_of"), number("position")
    return VoteRow(
        row["observer"], row["session"], row["scene"], row["condition_A"], row["condition_B"] or "", bool(selected),
        tie,
        None if rating is None else int(rating), row.get("kind") or "test",
        line - 2 if position is None else int(position), None if repeat_of is None else int(repeat_of),
        number("response_ms"), number("requested_ms"), number("shown_ms"), int(number("blurs") or 0),
        tuple((row.get("flags") or "").split()), flag("screening_passed"), number("received_at"),
        number("probability"), side == "left",
    )  # fmt: skip


def protocol_of(votes: Iterable[VoteRow]) -> str:
    """Return the protocol of votes, inferred from their content."""
    rows = list(votes)
    if any(row.rating is not None for row in rows):
        return "rating"
    return "real_or_fake" if any("truth" in (row.condition_a, row.condition_b) for row in rows) else "pairwise"


def by_observer(votes: Sequence[VoteRow]) -> dict[str, list[VoteRow]]:
    """Return the votes of each participant in schedule order, participants in the order of their first vote."""
    found: dict[str, list[VoteRow]] = {}
    for row in votes:
        found.setdefault(row.observer, []).append(row)
    return {observer: sorted(rows, key=lambda row: row.position) for observer, rows in found.items()}


SCHEMA_VERSION = 1

_SECRET: dict[type, set[str]] = {
    Participant: {"key_sha256", "platform_sha256", "platform_salt", "platform_study", "platform_session", "code"},
    TrialRow: {"token"},
}
"""Columns left out of exports: the analysis does not need them, and some could identify a participant."""

_TABLES = {
    "registrations": Registration,
    "participants": Participant,
    "trials": TrialRow,
    "votes": Vote,
    "withdrawals": Withdrawal,
}


def export_json(record: SurveyRecord, database: Database) -> str:
    """Return a survey without its secrets and stimuli as JSON with a checksum of the content."""
    with database.read() as connection:
        content = {name: _rows(connection, table) for name, table in _TABLES.items()}
        stopped = setting(connection, STOPPED)
    body = {"survey": record.model_dump(mode="json"), "stopped": stopped, **content}
    return json.dumps(
        {"schema_version": SCHEMA_VERSION, "sha256": _checksum(body), **body}, ensure_ascii=False, indent=1
    )


def _checksum(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _rows(connection: Connection, table: type) -> list[dict[str, Any]]:
    columns = [column for column in table.__table__.columns if column.name not in _SECRET.get(table, set())]  # type: ignore[attr-defined]
    key = next(iter(table.__table__.primary_key))  # type: ignore[attr-defined]
    return [dict(row._mapping) for row in connection.execute(select(*columns).order_by(key))]  # noqa: SLF001 - SQLAlchemy's documented name


def import_json(path: Path, folder: SurveyFolder, open_empty: Callable[[], Database]) -> SurveyRecord:
    """Import an exported survey into an empty database; its analysis stays the same.

    Args:
        path: a file written by `export_json`.
        folder: folder of the new survey. Exports hold no stimuli, so the survey can be analyzed but not served.
        open_empty: opens the database once the file has passed its checks.

    Raises:
        ConfigError: the file is missing, damaged, or of another version.
        UsageError: the folder or the database already holds a survey.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as an exported survey: {error}") from None
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
        raise ConfigError(
            f"{path}: is not an export with schema_version {SCHEMA_VERSION}; export the survey with this version"
        )
    body = {name: value for name, value in data.items() if name not in {"schema_version", "sha256"}}
    if _checksum(body) != data.get("sha256"):
        raise ConfigError(
            f"{path}: the checksum does not match the content, so the file was changed or truncated; export it again"
        )
    record = SurveyRecord.parse(body["survey"], origin=str(path))
    if folder.survey_json.exists():
        raise UsageError(f"{folder.root} already holds a survey; choose an empty folder")
    with open_empty().write() as connection:
        if connection.scalar(select(func.count()).select_from(Participant)):
            raise UsageError("the database already holds participants; import into an empty one")
        for name, table in _TABLES.items():
            _insert(connection, table, body[name])
        if body["stopped"]:
            put_setting(connection, STOPPED, body["stopped"])
    record.save(folder.survey_json)
    folder.make_secret()
    return record


def _insert(connection: Connection, table: type, rows: list[dict[str, Any]]) -> None:
    filled = [{**_replaced(table), **row} for row in rows]
    if filled:
        connection.execute(insert(table), filled)


def _replaced(table: type) -> dict[str, Any]:
    """Return new values for the columns that exports leave out, so that old links and tokens stop working."""
    if table is Participant:
        return {"key_sha256": new_token(), "code": "", "platform_sha256": None, "platform_salt": None}
    return {"token": new_token()} if table is TrialRow else {}
