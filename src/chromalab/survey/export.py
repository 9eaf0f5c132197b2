"""A survey as files: one long CSV for statistics, and one JSON that comes back unchanged."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from chromalab.core.errors import ConfigError, UsageError
from chromalab.survey.folder import SurveyFolder, SurveyRecord
from chromalab.survey.security import new_token
from chromalab.survey.storage.database import STOPPED, put_setting, setting
from chromalab.survey.storage.models import Participant, Registration, TrialRow, Vote, Withdrawal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from chromalab.survey.storage.database import Database

SCHEMA_VERSION = 1

_SECRET: dict[type, set[str]] = {
    Participant: {"key_sha256", "platform_sha256", "platform_salt", "platform_study", "platform_session", "code"},
    TrialRow: {"token"},
}
"""What is not exported: nothing of it says anything about pictures, and some of it could tell who somebody is."""

_TABLES = {
    "registrations": Registration,
    "participants": Participant,
    "trials": TrialRow,
    "votes": Vote,
    "withdrawals": Withdrawal,
}


def export_json(record: SurveyRecord, database: Database) -> str:
    """Return everything of a survey but its secrets and pictures as JSON with a checksum over its content."""
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
    """Bring an exported survey back into an empty database; the analysis of both is the same.

    Args:
        path: what `export_json` gave.
        folder: where the survey goes; its pictures are not part of an export, so it can be analyzed, not served.
        open_empty: opens the database, once the file is known to be whole.

    Raises:
        ConfigError: the file is missing, damaged, or of another version.
        UsageError: the folder or the database holds a survey.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: it can't be read as an exported survey: {error}") from None
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
        raise ConfigError(f"{path}: expected an export with schema_version {SCHEMA_VERSION}")
    body = {name: value for name, value in data.items() if name not in {"schema_version", "sha256"}}
    if _checksum(body) != data.get("sha256"):
        raise ConfigError(f"{path}: its checksum does not fit its content: it was changed or cut off")
    record = SurveyRecord.parse(body["survey"], origin=str(path))
    if folder.survey_json.exists():
        raise UsageError(f"{folder.root} holds a survey already: choose an empty folder")
    with open_empty().write() as connection:
        if connection.scalar(select(func.count()).select_from(Participant)):
            raise UsageError("the database holds people already: import into an empty one")
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
    """Return new values for what was not exported: old links and tokens open nothing."""
    if table is Participant:
        return {"key_sha256": new_token(), "code": "", "platform_sha256": None, "platform_salt": None}
    return {"token": new_token()} if table is TrialRow else {}
