"""A whole survey without its stimuli as one JSON file: export and import."""

from __future__ import annotations

import hashlib
import json
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
    interim_looks,
    put_look,
    put_setting,
    setting,
)
from chromalab.survey.folder import SurveyFolder, SurveyRecord
from chromalab.survey.security import new_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from chromalab.survey.database import Database

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
        stopped, looks = setting(connection, STOPPED), interim_looks(connection)
    body = {"survey": record.model_dump(mode="json"), "stopped": stopped, "looks": looks, **content}
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
    body = _checked_content(path)
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
        for finished, half_width in body.get("looks", {}).items():  # older exports have none
            put_look(connection, int(finished), half_width)
    record.save(folder.survey_json)
    folder.make_secret()
    return record


def _checked_content(path: Path) -> dict[str, Any]:
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
    return body


def _insert(connection: Connection, table: type, rows: list[dict[str, Any]]) -> None:
    filled = [{**_replaced(table), **row} for row in rows]
    if filled:
        connection.execute(insert(table), filled)


def _replaced(table: type) -> dict[str, Any]:
    """Return new values for the columns that exports leave out, so that old links and tokens stop working."""
    if table is Participant:
        return {"key_sha256": new_token(), "code": "", "platform_sha256": None, "platform_salt": None}
    return {"token": new_token()} if table is TrialRow else {}
