"""The headline of a study's report: does the choice of the objective matter?"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

from chromalab.report.figures.differences import EQUIVALENCE_PERCENT
from chromalab.report.formatting import format_number, listing, plural, space_label
from chromalab.report.study.tables import best_mean, confounds, summary_lookup
from chromalab.studies.analysis.differences import MIN_PHOTOS, MIN_SEEDS, enough

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.studies.records import Analysis, DifferenceRow, RunRecord, StudyRecord, Verdict

Tone = Literal["yes", "no", "open"]

EQUIVALENCE_CLAIM = "equivalence"
"""ID of the claim that the choice of the objective makes no practical difference."""


@dataclasses.dataclass(frozen=True)
class Headline:
    """The answer in one sentence, its reasons, and the limits of the study."""

    answer: str
    tone: Tone
    reasons: tuple[str, ...]
    limits: tuple[str, ...]


def headline(analysis: Analysis, study: StudyRecord, runs: Sequence[RunRecord]) -> Headline:
    """Return the answer from paired differences and the verdict on practical equivalence, with the study's limits."""
    rows = [row for row in analysis.differences if row.mean is not None and math.isfinite(row.mean)]
    limits = tuple(_limits(analysis, study, runs))
    if not rows:
        reason = "A comparison needs two objectives that have finished on the same seed."
        return Headline("Not known yet.", "open", (reason,), limits)
    described = [*_leaders(analysis), *_claims_sentence(analysis)]
    if not any(enough(row.n_seeds, row.n_photos) for row in rows):
        reasons = _too_small(rows, analysis)
        return Headline("This study is too small to answer.", "open", (*reasons, *described), limits)
    answer, tone, reasons = _verdict(rows, analysis, study)
    return Headline(answer, tone, (*reasons, *described), limits)


def _verdict(rows: Sequence[DifferenceRow], analysis: Analysis, study: StudyRecord) -> tuple[str, Tone, list[str]]:
    """Return the answer, its tone and its reasons for a study with enough seeds and photos."""
    shared = confounds(study)
    won = [row for row in rows if row.winner is not None]
    independent = [row for row in won if row.metric not in shared.get(row.winner or "", frozenset())]
    reasons = [*_largest_sentence(independent or won, analysis), _counts(rows, won)]
    verdict = _practical_verdict(rows, analysis)
    margin = f"{_percent(EQUIVALENCE_PERCENT)} of the span"
    if verdict == "supported":
        return f"No: every difference is significantly smaller than {margin}.", "no", reasons
    if not won:
        return (
            "Undecided: the data show neither a difference nor its absence.",
            "open",
            [*reasons, *_reach(rows, analysis)],
        )
    if not independent:
        shared_network = "Every significant difference is on a metric that shares a network with the winning objective."
        return "Only on metrics that share a network with the winning objective.", "open", [*reasons, shared_network]
    if verdict == "contradicted":
        return f"Yes: {_describe(_largest(independent), analysis)}.", "yes", reasons[1:]
    small = f"No difference is certain to exceed {margin}, so the choice may not matter in practice."
    return "Some objectives differ, but by how much is undecided.", "open", [*reasons, small]


def _practical_verdict(rows: Sequence[DifferenceRow], analysis: Analysis) -> Verdict:
    """Return the verdict on "no practical difference" over all color spaces.

    The verdict of the claim is corrected over all pairs and metrics. Without that claim, each pair is tested alone.
    """
    verdicts = [claim.verdict for claim in analysis.claims if claim.id == EQUIVALENCE_CLAIM]
    verdicts = verdicts or [row.equivalent for row in rows]
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if all(verdict == "supported" for verdict in verdicts) else "undecided"


def _too_small(rows: Sequence[DifferenceRow], analysis: Analysis) -> list[str]:
    seeds = max(row.n_seeds for row in rows)
    size = (
        f"It compares {plural(seeds, 'seed')} on {plural(analysis.n_photos, 'test photo')}. A verdict needs at least "
        f"{MIN_SEEDS} seeds and {MIN_PHOTOS} test photos."
    )
    return [
        size,
        f"The largest observed difference, which may be due to chance: {_describe(_largest(rows), analysis)}.",
    ]


def _largest_sentence(won: Sequence[DifferenceRow], analysis: Analysis) -> list[str]:
    return [f"The largest significant difference: {_describe(_largest(won), analysis)}."] if won else []


def _counts(rows: Sequence[DifferenceRow], won: Sequence[DifferenceRow]) -> str:
    same = sum(row.winner is None and row.equivalent == "supported" for row in rows)
    metrics = {(row.metric, row.color_space) for row in rows}
    telling = {(row.metric, row.color_space) for row in won}
    return (
        f"{len(telling)} of {plural(len(metrics), 'metric')} separate at least two objectives: after Holm's correction "
        f"{len(won)} of {plural(len(rows), 'paired comparison')} have a winner, {same} show no practical difference, "
        f"and {len(rows) - len(won) - same} are undecided."
    )


def _reach(rows: Sequence[DifferenceRow], analysis: Analysis) -> list[str]:
    """Return the difference that the study could have missed under its least sensitive metric."""
    known = [(100 * row.detectable / row.span, row.metric) for row in rows if row.detectable is not None and row.span]
    if not known:
        return []
    percent, metric = max(known)
    return [
        f"The study could have missed a difference of {_percent(percent)} of the span on {_labels(analysis)[metric]}."
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
    loser = row.second if row.winner == row.first else row.first
    pair = f"{row.winner} scores better than {loser}" if row.winner else f"{row.first} and {row.second} differ"
    space = f" in {space_label(row.color_space)}" if len(analysis.color_spaces) > 1 else ""
    if share is None:
        return f"{pair} on {label}{space}"
    size = f"{_percent(share)} of the span from the gray baseline to the best objective{_interval(row)}"
    spread = ""
    if row.seed_sd is not None and row.mean is not None and row.seed_sd > 0:
        spread = f", {abs(row.mean) / row.seed_sd:.1f} times the standard deviation between seeds"
    return f"{pair} on {label}{space} by {size}{spread}"


def _interval(row: DifferenceRow) -> str:
    """Return the 95% interval of the difference in percent of the span, positive in the direction of the difference."""
    if row.ci_low is None or row.ci_high is None or row.mean is None or not row.span:
        return ""
    low, high = sorted(math.copysign(100, row.mean) * end / row.span for end in (row.ci_low, row.ci_high))
    return f" (95\N{NO-BREAK SPACE}% interval {format_number(low, 0)} to {_percent(high)})"


def _labels(analysis: Analysis) -> Mapping[str, str]:
    return {metric.name: metric.label for metric in analysis.metrics} | {
        row.metric: row.metric
        for row in analysis.differences
        if row.metric not in {metric.name for metric in analysis.metrics}
    }


def _leaders(analysis: Analysis) -> list[str]:
    """Return sentences on which objective has the best mean on which metrics, without a test."""
    sentences = []
    for space in analysis.color_spaces:
        best = _best_means(analysis, space)
        place = f" in {space_label(space)}" if len(analysis.color_spaces) > 1 else ""
        leaders = sorted(best.items(), key=lambda item: -len(item[1]))
        if len(leaders) == 1:
            sentences.append(f"{leaders[0][0]} has the best mean on every metric{place}.")
        elif leaders:
            parts = [f"{name} ({', '.join(metrics)})" for name, metrics in leaders]
            sentences.append(f"No objective has the best mean on all metrics{place}. Best means: {listing(parts)}.")
    return sentences


def _best_means(analysis: Analysis, color_space: str) -> dict[str, list[str]]:
    """Return the labels of the metrics on which each objective has the best mean."""
    lookup = summary_lookup(analysis, color_space)
    best: dict[str, list[str]] = {}
    for metric in analysis.metrics:
        leader = best_mean(metric, analysis.objectives, lookup)
        if leader is not None:
            best.setdefault(leader, []).append(metric.label)
    return best


def _claims_sentence(analysis: Analysis) -> list[str]:
    """List the claims of the literature by verdict, without the claim of equivalence that the headline answers."""
    claims = [claim for claim in analysis.claims if claim.id != EQUIVALENCE_CLAIM]
    by_verdict: dict[str, list[str]] = {}
    for claim in claims:
        same_everywhere = len({other.verdict for other in claims if other.id == claim.id}) == 1
        name = claim.id if same_everywhere else f"{claim.id} in {space_label(claim.color_space)}"
        names = by_verdict.setdefault(claim.verdict, [])
        if name not in names:
            names.append(name)
    parts = [f"{listing(names)} {verdict}" for verdict, names in sorted(by_verdict.items())]
    return [f"Claims from the literature: {'; '.join(parts)}."] if parts else []


def _limits(analysis: Analysis, study: StudyRecord, runs: Sequence[RunRecord]) -> list[str]:
    steps = sorted({run.steps for run in runs})
    trained = f" trained for {listing(f'{count:,}' for count in steps)} steps" if steps else ""
    setting = (
        f"One network (a U-Net on {study.encoder}, {study.parameters / 1e6:.1f} M parameters){trained} on "
        f"{plural(study.data.n_train, 'photo')} of {study.data.size_px} px. Other networks, longer training or "
        "other photos may rank the objectives differently."
    )
    limits = [
        setting,
        "Metrics are not a substitute for human judgment: no one was asked whether they see or prefer a difference.",
    ]
    if analysis.missing_runs:
        limits.append(f"{plural(len(analysis.missing_runs), 'planned run')} had not finished when this was written.")
    return limits
