"""What a survey's database keeps beside votes: whether it was stopped, and the researcher's password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from chromalab.survey.storage.models import Setting

if TYPE_CHECKING:
    from sqlalchemy import Connection

STOPPED, PASSWORD, SETUP = "stopped", "password", "setup_sha256"
_SETTING = select(Setting.value).where(Setting.name == bindparam("name"))


def setting(connection: Connection, name: str) -> str | None:
    """Return a stored setting."""
    return connection.scalar(_SETTING, {"name": name})


def put_setting(connection: Connection, name: str, value: str) -> None:
    """Store a setting in place of the one of before."""
    connection.execute(delete(Setting).where(Setting.name == name))
    connection.execute(insert(Setting).values(name=name, value=value))
