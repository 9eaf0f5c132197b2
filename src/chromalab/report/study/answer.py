"""The first screen of a study's report: the question, its answer in two sentences, and what the study does not show.

The answer follows from the primary comparisons alone (`chromalab.studies.analysis.primary`). They are few, each has a
margin below which a difference does not matter, and a frozen plan states them before the first run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chromalab.core.wording import listing, plural
from chromalab.report.formatting import decimals_for, format_interval, format_number, space_label
from chromalab.studies.analysis.differences import MIN_PHOTOS, MIN_SEEDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.studies.records import Analysis, Finding, MetricFacts, PrimaryRow, RunRecord, StudyRecord

Tone = Literal["yes", "no", "open"]

MATTERS: Finding = "differs by more than matters"
SMALL: tuple[Finding, ...] = ("differs by less than matters", "practically equal")
UNPROVEN = "this study cannot yet show that it is large enough to matter"


@dataclass(frozen=True)
class Answer:
    """The first screen.

    Attributes:
        question: what was asked.
        answer: the answer in one sentence.
        reason: the counts that support it.
        detail: the size of the difference that the answer names, empty if it names none.
        tone: whether the answer is yes, no, or open.
        status: what was planned and how much of it is finished.
        warning: what is wrong with the plan, None where nothing is.
        limits: what the study does not show.
    """

    question: str
    answer: str
    reason: str
    detail: str
    tone: Tone
    status: str
    warning: str | None
    limits: tuple[str, ...]


def answer(analysis: Analysis, study: StudyRecord, runs: Sequence[RunRecord]) -> Answer:
    """Return the first screen of a study's report."""
    text, tone, named = _verdict(analysis)
    questions = analysis.plan.questions or ["Does the choice of the objective matter?"]
    return Answer(
        question=questions[0],
        answer=text,
        reason=_reason(analysis),
        detail="" if named is None else _sized(named, analysis),
        tone=tone,
        status=_status(analysis),
        warning=_warning(analysis),
        limits=tuple(_limits(analysis, study, runs)),
    )


def _verdict(analysis: Analysis) -> tuple[str, Tone, PrimaryRow | None]:
    """Return the answer, its tone, and the comparison that it names."""
    rows = analysis.primary
    usable = _usable(analysis)
    if not usable:
        if not rows and _finished_runs(analysis):
            return "This study compares nothing that answers it.", "open", None
        is_enough = len(analysis.seeds) >= MIN_SEEDS and analysis.n_photos >= MIN_PHOTOS
        finished = any(row.n_seeds for row in rows)
        return "This study is too small to answer." if finished and not is_enough else "Not known yet.", "open", None
    large = [row for row in usable if row.finding == MATTERS]
    if large:
        named = _clearest(large)
        return f"Yes: {_described(named, analysis)}, by more than the margin.", "yes", named
    if all(row.finding in SMALL for row in usable) and len(usable) == len(rows):
        return "No: every difference is too small to matter.", "no", None
    found = [row for row in usable if row.finding == "differs"]
    if found:
        named = _clearest(found)
        text = _described(named, analysis)
        return f"There is a difference, but {UNPROVEN}: {text}.", "open", named
    return "Undecided: no difference that matters was found, and none is ruled out.", "open", None


def _usable(analysis: Analysis) -> list[PrimaryRow]:
    """Return the comparisons that were tested, on metrics that the analysis describes."""
    known = {metric.name for metric in analysis.metrics}
    return [row for row in analysis.primary if row.p_holm is not None and row.metric in known]


def _reason(analysis: Analysis) -> str:
    """Return how many comparisons show what, or what is missing for an answer."""
    rows = analysis.primary
    usable = _usable(analysis)
    if usable:
        return _counts(rows, usable)
    if len(analysis.objectives) < 2:
        return "It has one objective, and an answer needs two."
    if not rows and _finished_runs(analysis):
        return (
            "None of its comparisons has a margin. A study states contrasts and margins under the key 'plan' of its "
            "file, before its first run."
        )
    need = f"An answer needs at least {MIN_SEEDS} seeds and {MIN_PHOTOS} test photos."
    seeds = max((row.n_seeds for row in rows), default=0)
    if not seeds:
        return f"No two objectives have finished on the same seed. {need}"
    planned = analysis.plan.seeds
    shown = f"{seeds} of {plural(planned, 'planned seed')}" if seeds < planned else plural(seeds, "seed")
    return f"It has {shown} and {plural(analysis.n_photos, 'test photo')}. {need}"


def _planned_runs(analysis: Analysis) -> int:
    return len(analysis.objectives) * len(analysis.color_spaces) * len(analysis.seeds)


def _finished_runs(analysis: Analysis) -> int:
    return _planned_runs(analysis) - len(analysis.missing_runs)


def _counts(rows: Sequence[PrimaryRow], usable: Sequence[PrimaryRow]) -> str:
    counts = {
        "show a difference that matters": sum(row.finding == MATTERS for row in usable),
        "show a difference of undecided size": sum(row.finding == "differs" for row in usable),
        "show a difference too small to matter": sum(row.finding == SMALL[0] for row in usable),
        "show that the objectives are practically equal": sum(row.finding == SMALL[1] for row in usable),
        "are undecided": len(rows) - len(usable) + sum(row.finding == "open" for row in usable),
    }
    return f"Of {plural(len(rows), 'comparison')}, {listing(f'{n} {text}' for text, n in counts.items() if n)}."


def _clearest(rows: Sequence[PrimaryRow]) -> PrimaryRow:
    """Return the row whose interval lies farthest from zero, in margins."""

    def nearest_end(row: PrimaryRow) -> float:
        ends = [abs(end) for end in (row.ci_low, row.ci_high) if end is not None]
        return min(ends, default=0.0) / (row.margin or 1.0)

    return max(rows, key=nearest_end)


def _described(row: PrimaryRow, analysis: Analysis) -> str:
    """Return a comparison in words: which objective is ahead of which, on what."""
    metric = _metric(row, analysis)
    better, worse = _order(row, metric)
    place = f" in {space_label(row.color_space)}" if len(analysis.color_spaces) > 1 else ""
    if metric.direction == "closer":
        return f"{better} has a higher {_noun(metric)} than {worse}{place}"
    return f"{better} scores better than {worse} on {metric.label}{place}"


def _metric(row: PrimaryRow, analysis: Analysis) -> MetricFacts:
    return next(each for each in analysis.metrics if each.name == row.metric)


def _sized(row: PrimaryRow, analysis: Analysis) -> str:
    """Return the size of a difference beside its margin."""
    metric = _metric(row, analysis)
    size, interval, margin = _numbers(row, metric)
    sentences = [
        f"The difference on {metric.label} is {size} (95% interval {interval}).",
        f"Up to {margin} would not matter.",
    ]
    if row.finding == "differs" and min(abs(row.ci_low or 0.0), abs(row.ci_high or 0.0)) > (row.margin or math.inf):
        count = sum(other.color_space == row.color_space for other in analysis.primary)
        sentences.append(
            "The interval alone lies above the margin, but the test with Holm's correction for "
            f"{plural(count, 'comparison')} does not confirm it."
        )
    opposite = _opposite(row, analysis)
    if opposite is not None:
        size, interval, margin = _numbers(opposite, _metric(opposite, analysis))
        described = _described(opposite, analysis)
        sentences.append(f"In the other direction, {described} ({size} {interval}, margin {margin}).")
    return " ".join(sentences)


def _numbers(row: PrimaryRow, metric: MetricFacts) -> tuple[str, str, str]:
    """Return the size of a difference, its interval and its margin as text."""
    low, high = sorted(abs(end) for end in (row.ci_low or 0.0, row.ci_high or 0.0))
    decimals = decimals_for([abs(high - low) / 2], [row.mean or 0.0])
    unit = f" {metric.unit}" if metric.unit else ""
    size, margin = (f"{format_number(value, decimals)}{unit}" for value in (abs(row.mean or 0.0), row.margin))
    return size, format_interval(low, high, decimals), margin


def _opposite(named: PrimaryRow, analysis: Analysis) -> PrimaryRow | None:
    """Return the clearest comparison of the same pair and finding on which the other objective scores better."""
    rows = [row for row in _usable(analysis) if _metric(row, analysis).direction != "closer"]
    alike = [row for row in rows if (row.finding, row.color_space) == (named.finding, named.color_space)]
    ahead = _order(named, _metric(named, analysis))
    reversed_rows = [row for row in alike if _order(row, _metric(row, analysis)) == ahead[::-1]]
    return _clearest(reversed_rows) if reversed_rows and named in rows else None


def _noun(metric: MetricFacts) -> str:
    return metric.label[0].lower() + metric.label[1:]


def _order(row: PrimaryRow, metric: MetricFacts) -> tuple[str, str]:
    positive = (row.mean or 0.0) > 0
    first_ahead = positive if metric.direction != "lower" else not positive
    return (row.first, row.second) if first_ahead else (row.second, row.first)


def _status(analysis: Analysis) -> str:
    plan = analysis.plan
    if not analysis.primary:
        return f"{_finished_runs(analysis)} of {plural(_planned_runs(analysis), 'planned run')} finished."
    progress = _progress([row.n_seeds for row in analysis.primary], plan.seeds) if plan.seeds else ""
    if plan.frozen is None:
        unplanned = "No plan was frozen before the runs, so these comparisons are not confirmatory."
        return f"{unplanned} {progress}".strip()
    when = plan.frozen.partition("T")[0]
    before = "" if plan.change is not None or plan.unplanned_runs else ", before the first test score"
    return f"The comparisons and margins were frozen on {when}{before}. {progress}".strip()


def _progress(seeds: Sequence[int], planned: int) -> str:
    """Return how many of the planned seeds the comparisons have.

    >>> _progress([2, 2], 3)
    '2 of 3 planned seeds finished.'
    >>> _progress([0, 1], 2)
    'Some comparisons have 1 of 2 planned seeds, others none yet.'
    >>> _progress([1, 2], 3)
    'Every comparison has at least 1 of 3 planned seeds, and some have 2.'
    """
    least, most = min(seeds, default=0), max(seeds, default=0)
    total = plural(planned, "planned seed")
    if least == most:
        return f"{most} of {total} finished."
    if least == 0:
        return f"Some comparisons have {most} of {total}, others none yet."
    return f"Every comparison has at least {least} of {total}, and some have {most}."


def _warning(analysis: Analysis) -> str | None:
    plan = analysis.plan
    if plan.change is not None:
        return f"The plan does not hold: {plan.change}. Read all results as exploratory."
    if plan.frozen is not None and plan.unplanned_runs:
        runs = f"{plural(len(plan.unplanned_runs), 'run')}, among them {plan.unplanned_runs[0]}"
        return f"Not all runs were scored under the plan: {runs}, had no plan."
    return None


def _unstable(analysis: Analysis) -> list[str]:
    """Return the objectives whose runs vary too much for the pooled variance, where few seeds leave their size open."""
    undecided = [
        row
        for row in _usable(analysis)
        if row.finding == "open" and row.n_seeds <= MIN_SEEDS and abs(row.mean or 0.0) > (row.margin or math.inf)
    ]
    apart = [name for row in undecided for name in (row.first, row.second) if row.pooled and name not in row.pooled]
    return list(dict.fromkeys(apart))


def _limits(analysis: Analysis, study: StudyRecord, runs: Sequence[RunRecord]) -> list[str]:
    steps = sorted({run.steps for run in runs})
    trained = f" for {listing(f'{count:,}' for count in steps)} steps" if steps else ""
    setting = (
        "It does not show what other networks, data or training lengths do. All runs used one network (a U-Net on "
        f"{study.encoder}, {study.parameters / 1e6:.1f} M parameters){trained} on "
        f"{plural(study.data.n_train, 'photo')} of {study.data.size_px} px."
    )
    people = "It does not show what people see or prefer: metrics are not a substitute for human judgment."
    limits = [setting, people]
    limits += [
        f"The runs of {name} differ so much between seeds that even its large differences stay undecided, and with "
        f"{MIN_SEEDS} seeds its intervals are too narrow."
        for name in _unstable(analysis)
    ]
    if analysis.plan.added:
        limits.append("Every comparison beyond those in this figure is exploratory.")
    waiting = len(analysis.missing_runs) - len(analysis.failed_runs)
    if analysis.failed_runs:
        diverged = plural(len(analysis.failed_runs), "training")
        limits.append(f"{diverged} diverged and gave no result, for example {next(iter(analysis.failed_runs))}.")
    if waiting:
        limits.append(f"{plural(waiting, 'planned run')} had not finished when this was written.")
    return limits
