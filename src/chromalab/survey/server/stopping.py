"""Ending a survey when its rule says so, at declared looks and at no other time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from chromalab.survey.storage.models import Participant
from chromalab.survey.storage.settings import STOPPED, put_setting, setting

if TYPE_CHECKING:
    from chromalab.survey.server.state import Survey


def look(survey: Survey) -> None:
    """End the survey if a declared look has come and every interval is narrow enough."""
    stop = survey.record.design.stop
    if stop.rule != "precision" or stop.half_width is None:
        return
    with survey.database.read() as connection:
        finished = connection.scalar(
            select(func.count()).select_from(Participant).where(Participant.stage == "finished")
        )
        looked = setting(connection, f"look_{finished}")
    if finished not in stop.looks or looked is not None:
        return
    widest = widest_half_width(survey)
    with survey.database.write() as connection:
        put_setting(connection, f"look_{finished}", f"{widest:.4f}")
        if widest <= stop.half_width:
            put_setting(connection, STOPPED, f"precision at {finished} people: half-width {widest:.4f}")


def widest_half_width(survey: Survey) -> float:
    """Return half the width of the widest interval of any method."""
    from chromalab.survey.analysis.analyze import analyze  # noqa: PLC0415 - SciPy's statistics are not needed to serve
    from chromalab.survey.analysis.votes import votes_of_database  # noqa: PLC0415

    result = analyze(survey.record.design, survey.record.methods, votes_of_database(survey.database))
    return max((row.high - row.low) / 2 for row in result.scores.values())
