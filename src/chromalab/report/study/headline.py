"""The headline of a study's report: does the choice of the objective matter?"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

from chromalab.report.figures.differences import EQUIVALENCE_PERCENT
from chromalab.report.formatting import listing, plural, space_label
from chromalab.report.study.tables import best_mean, confounds, summary_lookup
from chromalab.studies.analysis.differences import MIN_PHOTOS, MIN_SEEDS, enough

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.studies.records import Analysis, DifferenceRow, RunRecord, StudyRecord, Verdict

Tone = Literal["yes", "no", "open"]

EQUIVALENCE_CLAIM = "equivalence"
"""Identity of the analysis's claim that the choice of the objective makes no practical difference."""


@dataclasses.dataclass(frozen=True)
class Headline:
    """The answer in a few words, what it rests on, and how far it reaches."""

    answer: str
    tone: Tone
    reasons: tuple[str, ...]
    limits: tuple[str, ...]


def headline(analysis: Analysis, study: StudyRecord, runs: Sequence[RunRecord]) -> Headline:
    """Answer from the verdict on 'no practical difference' and the paired differences, and say the study's limits."""
    rows = [row for row in analysis.differences if row.mean is not None and math.isfinite(row.mean)]
    limits = tuple(_limits(analysis, study, runs))
    if not rows:
        reason = "It takes two objectives that have finished on the same seed."
        return Headline("Not known yet.", "open", (reason,), limits)
    described = [*_leaders(analysis), *_claims_sentence(analysis)]
    if not any(enough(row.n_seeds, row.n_photos) for row in rows):
        told = _too_small(rows, analysis)
        return Headline("This study is too small to tell.", "open", (*told, *described), limits)
    answer, tone, reasons = _judged(rows, analysis, study)
    return Headline(answer, tone, (*reasons, *described), limits)


def _judged(rows: Sequence[DifferenceRow], analysis: Analysis, study: StudyRecord) -> tuple[str, Tone, list[str]]:
    """Return the answer of a study with seeds and photos enough, its tone, and its reasons."""
    shared = confounds(study)
    won = [row for row in rows if row.winner is not None]
    independent = [row for row in won if row.metric not in shared.get(row.winner or "", frozenset())]
    reasons = [*_largest_sentence(independent or won, analysis), _counts(rows, won)]
    verdict = _practical_verdict(rows, analysis)
    if verdict == "supported":
        return "No: the objectives are practically the same here.", "no", reasons
    if not won:
        return "Not shown: neither a difference nor its absence.", "open", [*reasons, *_reach(rows, analysis)]
    if not independent:
        own_judge = "Every certain difference is on a metric that shares a network with the winner's objective."
        return "Only in the eyes of its own judge.", "open", [*reasons, own_judge]
    if verdict == "contradicted":
        return "Yes, it does.", "yes", reasons
    margin = _percent(EQUIVALENCE_PERCENT)
    small = f"No difference certainly exceeds {margin} of the span, so it may not matter in practice."
    return "Metrics tell some objectives apart, by how much is open.", "open", [*reasons, small]


def _practical_verdict(rows: Sequence[DifferenceRow], analysis: Analysis) -> Verdict:
    """Return the verdict on 'no practical difference' over all color spaces.

    The analysis corrects it over all pairs and metrics at once; a study without it is judged pair by pair.
    """
    verdicts = [claim.verdict for claim in analysis.claims if claim.id == EQUIVALENCE_CLAIM]
    verdicts = verdicts or [row.equivalent for row in rows]
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if all(verdict == "supported" for verdict in verdicts) else "undecided"


def _too_small(rows: Sequence[DifferenceRow], analysis: Analysis) -> list[str]:
    seeds = max(row.n_seeds for row in rows)
    told = (
        f"It compares {plural(seeds, 'seed')} on {plural(analysis.n_photos, 'test photo')}; a verdict needs at least "
        f"{MIN_SEEDS} seeds and {MIN_PHOTOS} test photos."
    )
    return [
        told,
        f"The largest gap seen, which may be chance: {_describe(_largest(rows), analysis)}.",
    ]


def _largest_sentence(won: Sequence[DifferenceRow], analysis: Analysis) -> list[str]:
    return [f"The largest certain difference: {_describe(_largest(won), analysis)}."] if won else []


def _counts(rows: Sequence[DifferenceRow], won: Sequence[DifferenceRow]) -> str:
    same = sum(row.winner is None and row.equivalent == "supported" for row in rows)
    metrics = {(row.metric, row.color_space) for row in rows}
    telling = {(row.metric, row.color_space) for row in won}
    return (
        f"Under {len(telling)} of {plural(len(metrics), 'metric')} some objective beats another after Holm's "
        f"correction ({len(won)} of {plural(len(rows), 'paired comparison')}); {same} more show no practical "
        f"difference, {len(rows) - len(won) - same} are open."
    )


def _reach(rows: Sequence[DifferenceRow], analysis: Analysis) -> list[str]:
    """Say which difference could have been missed under the metric that sees least."""
    known = [(100 * row.detectable / row.span, row.metric) for row in rows if row.detectable is not None and row.span]
    if not known:
        return []
    percent, metric = max(known)
    return [
        f"Under {_labels(analysis)[metric]} a difference of {_percent(percent)} of the span could have been missed."
    ]


def _percent(value: float) -> str:
    return f"{value:.0f}\N{NO-BREAK SPACE}%"


def _share(row: DifferenceRow) -> float | None:
    """Return the difference in percent of the span from gray to the best objective."""
    if row.mean is None or row.span is None or not math.isfinite(row.span) or row.span <= 0:
        return None
    return 100 * abs(row.mean) / row.span


def _largest(rows: Sequence[DifferenceRow]) -> DifferenceRow:
    return max(rows, key=lambda row: _share(row) or 0.0)


def _describe(row: DifferenceRow, analysis: Analysis) -> str:
    share = _share(row)
    label = _labels(analysis)[row.metric]
    pair = f"{row.winner} over {row.second if row.winner == row.first else row.first}" if row.winner else (
        f"{row.first} against {row.second}")  # fmt: skip
    space = f" in {space_label(row.color_space)}" if len(analysis.color_spaces) > 1 else ""
    if share is None:
        return f"{pair} under {label}{space}"
    size = f"{_percent(share)} of the span from the gray baseline to the best objective"
    spread = ""
    if row.seed_sd is not None and row.mean is not None and row.seed_sd > 0:
        spread = f", {abs(row.mean) / row.seed_sd:.1f} times the spread between seeds"
    return f"{pair} under {label}{space}, {size}{spread}"


def _labels(analysis: Analysis) -> Mapping[str, str]:
    return {metric.name: metric.label for metric in analysis.metrics} | {
        row.metric: row.metric
        for row in analysis.differences
        if row.metric not in {metric.name for metric in analysis.metrics}
    }


def _leaders(analysis: Analysis) -> list[str]:
    """Say which objective has the best mean under which metrics: a description, not a verdict."""
    sentences = []
    for space in analysis.color_spaces:
        best = _best_means(analysis, space)
        place = f" in {space_label(space)}" if len(analysis.color_spaces) > 1 else ""
        leaders = sorted(best.items(), key=lambda item: -len(item[1]))
        if len(leaders) == 1:
            sentences.append(f"Best mean under every metric{place}: {leaders[0][0]}.")
        elif leaders:
            parts = [f"{name} ({', '.join(metrics)})" for name, metrics in leaders]
            sentences.append(f"No objective has the best mean everywhere{place}: {listing(parts)}.")
    return sentences


def _best_means(analysis: Analysis, color_space: str) -> dict[str, list[str]]:
    """Return the labels of the metrics under which each objective has the best mean."""
    lookup = summary_lookup(analysis, color_space)
    best: dict[str, list[str]] = {}
    for metric in analysis.metrics:
        leader = best_mean(metric, analysis.objectives, lookup)
        if leader is not None:
            best.setdefault(leader, []).append(metric.label)
    return best


def _claims_sentence(analysis: Analysis) -> list[str]:
    """List the claims of the literature by verdict; the one on equivalence is what the whole answer says."""
    claims = [claim for claim in analysis.claims if claim.id != EQUIVALENCE_CLAIM]
    by_verdict: dict[str, list[str]] = {}
    for claim in claims:
        same_everywhere = len({other.verdict for other in claims if other.id == claim.id}) == 1
        name = claim.id if same_everywhere else f"{claim.id} in {space_label(claim.color_space)}"
        names = by_verdict.setdefault(claim.verdict, [])
        if name not in names:
            names.append(name)
    parts = [f"{listing(names)} {verdict}" for verdict, names in sorted(by_verdict.items())]
    return [f"Claims of the literature: {'; '.join(parts)}."] if parts else []


def _limits(analysis: Analysis, study: StudyRecord, runs: Sequence[RunRecord]) -> list[str]:
    steps = sorted({run.steps for run in runs})
    trained = f" trained for {listing(f'{count:,}' for count in steps)} steps" if steps else ""
    setting = (
        f"One network (a U-Net on {study.encoder}, {study.parameters / 1e6:.1f} M parameters){trained} on "
        f"{plural(study.data.n_train, 'photo')} of {study.data.size_px} px: other networks, longer training or other "
        "photos may rank the objectives otherwise."
    )
    limits = [
        setting,
        "Metrics are no people: whether anyone sees or prefers a difference is not tested here.",
    ]
    if analysis.missing_runs:
        limits.append(f"{plural(len(analysis.missing_runs), 'planned run')} had not finished when this was written.")
    return limits
