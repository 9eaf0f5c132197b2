"""Links that admit participants to a survey, for its researcher and for simulated participants."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.survey.database import add_invitations, open_database
from chromalab.survey.folder import SurveyFolder
from chromalab.survey.server.admission import participant_link, signed_link

if TYPE_CHECKING:
    from pathlib import Path


def participant_links(
    root: Path, base: str, *, count: int = 1, ids: Path | None = None, database: str | None = None
) -> list[str]:
    """Return the links for participants.

    Args:
        root: folder of the survey.
        base: public address of its server.
        count: number of invitations to create if the survey admits invited people.
        ids: text file with the platform IDs of a survey with signed links.
        database: PostgreSQL URL; None uses the SQLite file in the folder.

    Raises:
        UsageError: the folder holds no survey, or the IDs are missing, unreadable or not of the platform's form.
    """
    folder = SurveyFolder(root)
    design = folder.load().design
    if design.access == "invited":
        return _invited(folder, base, count, database)
    link = participant_link(design, folder.secret(), base)
    if link is not None:
        return [link]
    if ids is None:
        raise UsageError(f"every ID of {root} has a link of its own; give the IDs by --ids FILE, one on each line")
    return [signed_link(design, folder.secret(), base, line) for line in read_ids(ids)]


def read_ids(path: Path) -> list[str]:
    """Return the platform IDs of a text file with one on each line.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot read the IDs: {error}") from None


def links_of_simulated_people(root: Path, count: int, *, database: str | None = None) -> list[str]:
    """Return a link for each simulated participant, with made-up IDs where the survey needs some.

    Raises:
        UsageError: the folder holds no survey, or the design refuses made-up IDs.
    """
    folder = SurveyFolder(root)
    design = folder.load().design
    if design.access == "invited":
        return _invited(folder, "", count, database)
    if design.access != "platform":
        return [participant_link(design, folder.secret(), "") or ""] * count
    made_up = [_made_up_id(design.recruitment.participant_param) for _ in range(count)]
    return [signed_link(design, folder.secret(), "", identity) for identity in made_up]


def _invited(folder: SurveyFolder, base: str, count: int, database: str | None) -> list[str]:
    opened = open_database(folder, database)
    try:
        with opened.write() as connection:
            tokens = add_invitations(connection, count)
    finally:
        opened.close()
    return [f"{base}/?invitation={token}" for token in tokens]


def _made_up_id(param: str) -> str:
    return f"A{secrets.token_hex(6).upper()}" if param == "workerId" else secrets.token_hex(12)
