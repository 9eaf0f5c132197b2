"""All of it: from votes and a plan to the record of the analysis."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.errors import UsageError
from chromalab.stats.preference import NoEstimateError
from chromalab.stats.significance import holm
from chromalab.survey.analysis.fooling import estimate_of, score_fooling
from chromalab.survey.analysis.people import agreement_of_people
from chromalab.survey.analysis.preference import PreferenceScores, score_preferences
from chromalab.survey.analysis.raters import report_raters
from chromalab.survey.analysis.rating import score_ratings
from chromalab.survey.analysis.records import Difference, Estimate, Score, SurveyAnalysis
from chromalab.survey.analysis.votes import VoteRow, protocol_of
from chromalab.survey.design import RANDOM, TRUTH, AnalysisPlan, Design, Exclusions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.stats.clusters import Array, TwoWay


def design_of_votes(votes: Sequence[VoteRow], plan: AnalysisPlan) -> tuple[Design, list[str]]:
    """Return a design and the methods for votes that came as a file alone: no rule was fixed, so none leaves out."""
    names = {name for row in votes for name in (row.condition_a, row.condition_b)} - {"", TRUTH, RANDOM}
    protocol = protocol_of(votes)
    single = protocol == "real_or_fake" and not any(row.condition_b for row in votes)
    nobody = Exclusions(vigilance_share=0, fast_share=1, side_p=0, bt500=False)
    data = {"protocol": protocol, "analysis": plan, "title": "Votes", "exclusions": nobody}
    if single:
        data["form"] = "yes_no"
    return Design.model_validate(data), sorted(names)


def analyze(design: Design, methods: Sequence[str], votes: Sequence[VoteRow], *, seed: int = 0) -> SurveyAnalysis:
    """Return what votes say of methods: with the people that the rules leave out, and without.

    Raises:
        UsageError: no scored vote is left, or without a prior there is no finite estimate.
    """
    if not any(row.kind == "test" for row in votes):
        raise UsageError("there is no scored vote yet: nothing to analyze")
    raters = report_raters(votes, methods, design.exclusions, design.protocol)
    out = {rater.observer for rater in raters if rater.excluded}
    scored = [row for row in votes if row.kind == "test"]
    kept = [row for row in scored if row.observer not in out]
    if design.exclusions.overruns:
        kept = [row for row in kept if "overrun" not in row.flags]
    notes = []
    if not kept:
        kept = scored
        notes.append("the rules would leave nobody: scores are of everybody")
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
            "people": agreement_of_people(kept, [row for row in votes if row.observer not in out]),
            "notes": [*found.notes, *notes],
            "settings": {"level": plan.level, "draws": float(plan.draws), "prior_sd": plan.prior_sd},
        }
    )


def _scored(design: Design, methods: Sequence[str], rows: Sequence[VoteRow], seed: int) -> SurveyAnalysis:
    score = {"pairwise": _preferences, "real_or_fake": _fooling, "rating": _ratings}[design.protocol]
    present = {name for row in rows for name in (row.condition_a, row.condition_b)}
    judged = [name for name in methods if name in present]
    found = score(design, judged, rows, seed)
    missing = [f"{name} has no vote yet" for name in methods if name not in present]
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
        notes.append("votes fall into groups that nobody compared with each other: scores of different groups can't be")
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
    judged = [name for name in methods if name != TRUTH]
    found = score_fooling(rows, judged, draws=plan.draws, level=plan.level, seed=seed)
    size = 3 * len(judged)
    counts = np.array([found.facts[name].n for name in judged], dtype=np.float64)
    return SurveyAnalysis.model_validate(
        {
            **_base(design, judged, rows),
            "scores": _scores(judged, found.rates, found.errors, size, counts, plan.level),
            "differences": _differences(judged, found.rates, found.errors, size, plan.level, None),
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
