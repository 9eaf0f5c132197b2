"""The analysis of a survey: from votes and an analysis plan to the record of scores."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import func, select

from chromalab.core.errors import ConfigError, UsageError
from chromalab.stats.preference import NoEstimateError
from chromalab.stats.significance import holm
from chromalab.survey.analysis.raters import participant_agreement, report_raters
from chromalab.survey.analysis.records import Difference, Estimate, Score, SurveyAnalysis
from chromalab.survey.analysis.scores import (
    PreferenceScores,
    estimate_of,
    score_fooling,
    score_preferences,
    score_ratings,
)
from chromalab.survey.database import Registration, Withdrawal, open_database
from chromalab.survey.design import RANDOM, TRUTH, AnalysisPlan, Design, Exclusions
from chromalab.survey.folder import SurveyFolder
from chromalab.survey.votes import VoteRow, protocol_of, read_votes, votes_of_database

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chromalab.stats.clusters import Array, TwoWay
    from chromalab.survey.database import Database
    from chromalab.survey.folder import SurveyRecord


def design_of_votes(votes: Sequence[VoteRow], plan: AnalysisPlan) -> tuple[Design, list[str]]:
    """Return a design and the methods for votes from a file; no exclusion rules apply, because none was fixed."""
    names = {name for row in votes for name in (row.condition_a, row.condition_b)} - {"", TRUTH, RANDOM}
    protocol = protocol_of(votes)
    single = protocol == "real_or_fake" and not any(row.condition_b for row in votes)
    nobody = Exclusions(vigilance_share=0, fast_share=1, side_p=0, bt500=False)
    data = {"protocol": protocol, "analysis": plan, "title": "Votes", "exclusions": nobody}
    if single:
        data["form"] = "yes_no"
    return Design.model_validate(data), sorted(names)


def analyze(design: Design, methods: Sequence[str], votes: Sequence[VoteRow], *, seed: int = 0) -> SurveyAnalysis:
    """Return the scores of methods, with and without the participants that the rules exclude.

    Raises:
        UsageError: there is no scored vote, or without a prior there is no finite estimate.
    """
    if not any(row.kind == "test" for row in votes):
        raise UsageError("there are no scored votes yet; analyze the survey once participants have voted")
    raters = report_raters(votes, methods, design.exclusions, design.protocol)
    out = {rater.observer for rater in raters if rater.excluded}
    scored = [row for row in votes if row.kind == "test"]
    kept = [row for row in scored if row.observer not in out]
    if design.exclusions.overruns:
        kept = [row for row in kept if "overrun" not in row.flags]
    notes = []
    if not kept:
        kept = scored
        notes.append("the rules would exclude all participants, so the scores include everyone")
    try:
        found = _scored(design, methods, kept, seed)
        everybody = _scored(design, methods, scored, seed).scores if len(kept) != len(scored) else found.scores
    except NoEstimateError as error:
        raise UsageError(f"{error} (--prior 3)") from error
    plan = design.analysis
    return found.model_copy(
        update={
            "scores_all": everybody,
            "raters": raters,
            "people": participant_agreement(kept, [row for row in votes if row.observer not in out]),
            "notes": [*found.notes, *notes],
            "settings": {"level": plan.level, "draws": float(plan.draws), "prior_sd": plan.prior_sd},
        }
    )


def _scored(design: Design, methods: Sequence[str], rows: Sequence[VoteRow], seed: int) -> SurveyAnalysis:
    score = {"pairwise": _preferences, "real_or_fake": _fooling, "rating": _ratings}[design.protocol]
    present = {name for row in rows for name in (row.condition_a, row.condition_b)}
    shown = [name for name in methods if name in present]
    found = score(design, shown, rows, seed)
    missing = [f"{name} has no votes yet" for name in methods if name not in present]
    return found.model_copy(update={"notes": [*found.notes, *missing]})


def _base(design: Design, methods: Sequence[str], rows: Sequence[VoteRow]) -> dict[str, object]:
    return {
        "protocol": design.protocol,
        "title": design.title,
        "methods": list(methods),
        "n_participants": len({row.observer for row in rows}),
        "n_photos": len({row.scene for row in rows}),
        "n_votes": len(rows),
    }


def _preferences(design: Design, methods: Sequence[str], rows: Sequence[VoteRow], seed: int) -> SurveyAnalysis:
    plan = design.analysis
    found = score_preferences(rows, methods, plan, seed=seed)
    m, size = len(methods), 2 * len(methods) + 2
    theta = found.fit.theta
    counts = found.wins.sum(axis=0) + found.wins.sum(axis=1)
    connected = len(found.groups) == 1
    notes = list(found.notes)
    if not connected:
        notes.append("no vote connects some groups of methods, so scores of different groups cannot be compared")
    return SurveyAnalysis.model_validate(
        {
            **_base(design, methods, rows),
            "scores": _scores(methods, theta, found.errors, size, counts, plan.level),
            "jod": {
                name: estimate_of(float(found.jod[k]), found.errors, np.eye(size)[m + 2 + k], plan.level)
                for k, name in enumerate(methods)
            },
            "differences": _differences(methods, theta, found.errors, size, plan.level, found.wins),
            "order_effect": _order(found, m, size, plan.level),
            "tie": float(found.fit.nu) if float(found.fit.nu) > 0 else None,
            "components": [[methods[k] for k in group] for group in found.groups],
            "notes": notes,
        }
    )


def _order(found: PreferenceScores, m: int, size: int, level: float) -> Estimate | None:
    return estimate_of(float(found.fit.order), found.errors, np.eye(size)[m], level) if found.order else None


def _fooling(design: Design, methods: Sequence[str], rows: Sequence[VoteRow], seed: int) -> SurveyAnalysis:
    plan = design.analysis
    fakes = [name for name in methods if name != TRUTH]
    found = score_fooling(rows, fakes, draws=plan.draws, level=plan.level, seed=seed)
    size = 3 * len(fakes)
    counts = np.array([found.facts[name].n for name in fakes], dtype=np.float64)
    return SurveyAnalysis.model_validate(
        {
            **_base(design, fakes, rows),
            "scores": _scores(fakes, found.rates, found.errors, size, counts, plan.level),
            "differences": _differences(fakes, found.rates, found.errors, size, plan.level, None),
            "fooling": found.facts,
        }
    )


def _ratings(design: Design, methods: Sequence[str], rows: Sequence[VoteRow], seed: int) -> SurveyAnalysis:
    plan = design.analysis
    found = score_ratings(rows, methods, draws=plan.draws, seed=seed)
    counts = np.array([sum(row.condition_a == name for row in rows) for name in methods], dtype=np.float64)
    return SurveyAnalysis.model_validate(
        {
            **_base(design, methods, rows),
            "scores": _scores(methods, found.mos, found.errors, len(methods), counts, plan.level),
            "differences": _differences(methods, found.mos, found.errors, len(methods), plan.level, None),
            "mos": found.quality,
        }
    )


def _scores(
    methods: Sequence[str], values: Array, errors: TwoWay, size: int, counts: Array, level: float
) -> dict[str, Score]:
    found = {}
    for k, name in enumerate(methods):
        contrast = np.eye(size)[k]
        estimate = estimate_of(float(values[k]), errors, contrast, level)
        found[name] = Score(
            value=estimate.value, se=estimate.se, low=estimate.low, high=estimate.high, n=round(float(counts[k])),
            participants_se=_se(errors.participants, k), photos_se=_se(errors.photos, k), naive_se=_se(errors.votes, k),
        )  # fmt: skip
    return found


def _se(covariance: Array | None, place: int) -> float | None:
    return None if covariance is None else float(np.sqrt(max(covariance[place, place], 0.0)))


def _differences(
    methods: Sequence[str], values: Array, errors: TwoWay, size: int, level: float, wins: Array | None
) -> list[Difference]:
    pairs = list(combinations(range(len(methods)), 2))
    raw = []
    for i, j in pairs:
        contrast = np.eye(size)[i] - np.eye(size)[j]
        value = float(values[i] - values[j])
        raw.append((value, errors.half_width(contrast, level), errors.p_value(contrast, value)))
    corrected = holm([p for _, _, p in raw]) if raw else np.empty(0)
    found = []
    for (i, j), (value, half, p), p_holm in zip(pairs, raw, corrected, strict=True):
        met = 0.0 if wins is None else float(wins[i, j] + wins[j, i])
        found.append(
            Difference(
                first=methods[i], second=methods[j], value=value, low=value - half, high=value + half, p=p,
                p_holm=float(p_holm), winner=_winner(methods[i], methods[j], value, float(p_holm), 1 - level),
                preferred=float(wins[i, j]) / met if wins is not None and met else None,
            )
        )  # fmt: skip
    return found


def _winner(first: str, second: str, value: float, p_holm: float, alpha: float) -> str | None:
    if p_holm > alpha:
        return None
    return first if value > 0 else second


def open_survey(root: Path, url: str | None) -> tuple[SurveyRecord, Database]:
    """Return a survey and its database.

    Raises:
        UsageError: the folder holds no survey, or the survey has not been served yet.
    """
    folder = SurveyFolder(root)
    record = folder.load()
    if url is None and not folder.database.exists():
        raise UsageError(f"{root} has no votes yet; collect them with 'chromalab survey serve {root}'")
    return record, open_database(folder, url)


def analyze_source(
    source: Path, *, database: str | None, prior: str | None, order_effect: bool | None, draws: int | None
) -> tuple[SurveyAnalysis, list[VoteRow]]:
    """Return the analysis of a survey's folder or a CSV file, and the votes behind its scores.

    Raises:
        UsageError: there are no votes.
        ConfigError: the file or an option is invalid.
    """
    if source.is_dir():
        record, opened = open_survey(source, database)
        design, methods, votes = record.design, record.methods, votes_of_database(opened)
        plan = _changed_plan(design.analysis, prior, order_effect, draws)
        planned = design.analysis
        design = design.model_copy(update={"analysis": plan})
        analysis = _registered(analyze(design, methods, votes), opened, planned, plan)
    else:
        votes = read_votes(source)
        plan = _changed_plan(AnalysisPlan(), prior, order_effect, draws)
        design, methods = design_of_votes(votes, plan)
        design = design.model_copy(update={"title": source.name})
        analysis = analyze(design, methods, votes)
    return analysis, kept_votes(votes, analysis)


def _changed_plan(plan: AnalysisPlan, prior: str | None, order_effect: bool | None, draws: int | None) -> AnalysisPlan:  # noqa: FBT001
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
        raise ConfigError(f"--prior must be a number above 0 or 'none', not '{text}'")
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
    """Return scores, order effect and ties as JSON."""
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
    """Return the scored votes of the participants who are not excluded."""
    out = {rater.observer for rater in analysis.raters if rater.excluded}
    return [row for row in votes if row.kind == "test" and row.observer not in out]
