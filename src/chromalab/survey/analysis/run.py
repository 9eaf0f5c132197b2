"""From a survey's folder, or a file of votes, to its analysis."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from chromalab.core.errors import ConfigError, UsageError
from chromalab.survey.analysis.analyze import analyze, design_of_votes
from chromalab.survey.analysis.votes import read_votes, votes_of_database
from chromalab.survey.design import AnalysisPlan
from chromalab.survey.opening import open_database
from chromalab.survey.storage.models import Registration, Withdrawal
from chromalab.survey.study import SurveyFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chromalab.survey.analysis.records import SurveyAnalysis
    from chromalab.survey.analysis.votes import VoteRow
    from chromalab.survey.storage.engine import Database
    from chromalab.survey.study import SurveyRecord


def open_survey(root: Path, url: str | None) -> tuple[SurveyRecord, Database]:
    """Return a survey and its database.

    Raises:
        UsageError: there is none, or nobody has been served yet.
    """
    folder = SurveyFolder(root)
    record = folder.load()
    if url is None and not folder.database.exists():
        raise UsageError(f"{root} has no votes yet: open it with 'chromalab survey serve {root}'")
    return record, open_database(folder, url)


def analyze_source(
    source: Path, *, database: str | None, prior: str | None, order_effect: bool | None, draws: int | None
) -> tuple[SurveyAnalysis, list[VoteRow]]:
    """Return the analysis of a survey's folder or a CSV file, and the votes that its scores are made of.

    Raises:
        UsageError: there is nothing to analyze.
        ConfigError: the file, or an option, can't be understood.
    """
    if source.is_dir():
        record, opened = open_survey(source, database)
        design, methods, votes = record.design, record.methods, votes_of_database(opened)
        plan = _changed(design.analysis, prior, order_effect, draws)
        planned = design.analysis
        design = design.model_copy(update={"analysis": plan})
        analysis = _registered(analyze(design, methods, votes), opened, planned, plan)
    else:
        votes = read_votes(source)
        plan = _changed(AnalysisPlan(), prior, order_effect, draws)
        design, methods = design_of_votes(votes, plan)
        design = design.model_copy(update={"title": source.name})
        analysis = analyze(design, methods, votes)
    return analysis, kept_votes(votes, analysis)


def _changed(plan: AnalysisPlan, prior: str | None, order_effect: bool | None, draws: int | None) -> AnalysisPlan:  # noqa: FBT001
    update: dict[str, object] = {}
    if prior is not None:
        update["prior_sd"] = None if prior == "none" else _positive(prior)
    if order_effect is not None:
        update["order_effect"] = order_effect
    if draws is not None:
        update["draws"] = draws
    return plan.model_copy(update=update)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise ConfigError(f"--prior takes a number above 0, or none, not '{text}'")
    return value


def _registered(
    analysis: SurveyAnalysis, database: Database, planned: AnalysisPlan, used: AnalysisPlan
) -> SurveyAnalysis:
    with database.read() as connection:
        entries = list(
            connection.execute(
                select(Registration.sha256, Registration.changes, Registration.votes_before).order_by(Registration.id)
            )
        )
        withdrawn = connection.scalar(select(func.count()).select_from(Withdrawal)) or 0
    changes = [f"after {entry.votes_before} votes, {change}" for entry in entries[1:] for change in entry.changes]
    before, after = planned.model_dump(), used.model_dump()
    changes += [
        f"for this analysis, {name}: {before[name]} became {after[name]}"
        for name in before
        if before[name] != after[name]
    ]
    return analysis.model_copy(
        update={
            "changes": changes,
            "design_sha256": entries[0].sha256 if entries else None,
            "withdrawn": withdrawn,
        }
    )


def scores_json(analysis: SurveyAnalysis) -> str:
    """Return scores, order effect and ties as scripts read them."""
    return (
        json.dumps(
            {
                "schema_version": analysis.schema_version,
                "protocol": analysis.protocol,
                "scores": {
                    name: {
                        "theta": row.value, "se": row.se, "ci_low": row.low, "ci_high": row.high, "n": row.n,
                        "participants_se": row.participants_se, "photos_se": row.photos_se, "naive_se": row.naive_se,
                    }
                    for name, row in analysis.scores.items()
                },
                "order_effect": None if analysis.order_effect is None else analysis.order_effect.value,
                "order_effect_interval": None if analysis.order_effect is None else analysis.order_effect.model_dump(),
                "tie": analysis.tie,
                "differences": [row.model_dump() for row in analysis.differences],
                "components": analysis.components,
                "excluded": {rater.observer: rater.excluded for rater in analysis.raters if rater.excluded},
                "notes": analysis.notes,
            },
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
    )  # fmt: skip


def kept_votes(votes: Sequence[VoteRow], analysis: SurveyAnalysis) -> list[VoteRow]:
    """Return the scored votes of the people whom the rules keep."""
    out = {rater.observer for rater in analysis.raters if rater.excluded}
    return [row for row in votes if row.kind == "test" and row.observer not in out]
