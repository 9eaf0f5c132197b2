"""Analysis of a loaded study: all numbers and verdicts of its report.

Within a metric and color space, the best mean is marked, and with it every objective that it does not beat
significantly after Holm's correction, as papers print them in bold. With fewer than 3 seeds or 10 photos there is no
such test, and the best mean alone is marked; this mark is a rank and not a finding. The bounds are never marked.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chromalab.evaluation.paired_tests import LEVEL
from chromalab.evaluation.records import BOUNDS
from chromalab.evaluation.samples import PhotoSample, Sample, set_sample
from chromalab.studies.analysis.claims import claim_rows
from chromalab.studies.analysis.differences import (
    NO_INTERVAL,
    ONE_SEED,
    Measured,
    best_of,
    difference_rows,
    enough,
    measure,
)
from chromalab.studies.analysis.evidence import Evidence
from chromalab.studies.analysis.primary import default_plan, primary_rows
from chromalab.studies.plan import plan_change
from chromalab.studies.records import Analysis, DifferenceRow, MetricFacts, PlanStatus, PrimaryRow, SummaryRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.stats.intervals import Interval
    from chromalab.studies.load import LoadedBound, LoadedStudy


def analyze(study: LoadedStudy, facts: Sequence[MetricFacts]) -> Analysis:
    """Summarize a study, compare its objectives, and test the claims of the literature on it.

    Missing runs are listed, and the finished ones are analyzed.

    Args:
        study: the loaded study.
        facts: the known metrics, in the order of tables. A metric without any value in the study is left out, and
            `unavailable` holds the reason.
    """
    metrics = [metric for metric in facts if metric.name in _measured_names(study)]
    objectives = [objective.id for objective in study.record.objectives]
    measured = [measure(study, metric, space) for space in study.record.color_spaces for metric in metrics]
    summary: list[SummaryRow] = []
    differences: list[DifferenceRow] = []
    for cell in measured:
        rows = difference_rows(cell, objectives)
        summary += summary_rows(cell, objectives, rows)
        differences += rows
    bounds = [row for metric in metrics for row in bound_rows(study.bounds, metric)]
    return Analysis(
        study=study.record.name,
        level=LEVEL,
        n_photos=study.record.data.n_test,
        seeds=study.record.seeds,
        objectives=objectives,
        color_spaces=study.record.color_spaces,
        metrics=metrics,
        summary=[_counted(row, study.record.data.n_test) for row in (*summary, *bounds)],
        differences=differences,
        claims=claim_rows(Evidence(study.record, measured, differences)),
        missing_runs=list(study.missing),
        failed_runs=dict(study.failed),
        unavailable=_unavailable(study, facts),
        primary=_primary(study, measured),
        plan=plan_status(study, [metric.name for metric in metrics]),
    )


def _primary(study: LoadedStudy, measured: Sequence[Measured]) -> list[PrimaryRow]:
    """Return the tests of the study's plan, or of the default one."""
    rows = []
    for space in study.record.color_spaces:
        cells = {cell.facts.name: cell for cell in measured if cell.color_space == space}
        objectives = [objective.id for objective in study.record.objectives]
        plan = study.plan or default_plan(objectives, list(cells))
        rows += primary_rows(cells, plan) if plan is not None else []
    return rows


def plan_status(study: LoadedStudy, metrics: Sequence[str]) -> PlanStatus:
    """Return what was planned, what happened to the plan, and what the study shows beyond it."""
    hashes = {name: run.record.plan_sha256 for name, run in study.runs.items()}
    change = plan_change(study.plan, list(hashes.values()))
    plan = study.plan
    if plan is None:
        return PlanStatus(change=change, seeds=len(study.record.seeds))
    planned = {name for pair in plan.contrasts for name in pair}
    added = [metric for metric in metrics if metric not in plan.margins]
    return PlanStatus(
        frozen=plan.frozen,
        sha256=plan.sha256,
        questions=plan.questions,
        stopping=plan.stopping,
        contrasts=plan.contrasts,
        margins=dict(plan.margins),
        seeds=len(plan.seeds),
        change=change,
        unplanned_runs=[name for name, sha256 in hashes.items() if sha256 is None],
        added=[*added, *(each.id for each in study.record.objectives if each.id not in planned)],
    )


def _counted(row: SummaryRow, n_test: int) -> SummaryRow:
    """Return the row; without a mean it gets the number of all test photos, which were too few for a value."""
    return row if row.mean is not None else row.model_copy(update={"n_photos": n_test})


def summary_rows(
    measured: Measured, objectives: Sequence[str], differences: Sequence[DifferenceRow]
) -> list[SummaryRow]:
    """Return one row per objective: its mean over its own seeds and the shared photos, with its interval."""
    best = best_objectives(measured, differences)
    return [_objective_row(measured, name, best=name in best) for name in objectives]


def best_objectives(measured: Measured, differences: Sequence[DifferenceRow]) -> set[str]:
    """Return the objective with the best mean and those that it does not beat; empty without a comparison."""
    means = {name: float(sample.seed_values.mean()) for name, sample in measured.samples.items()}
    best = best_of(means, measured.facts.direction, measured.mean("truth"))
    if best is None or len(means) < 2:
        return set()
    tied = {
        row.second if row.first == best else row.first
        for row in differences
        if best in {row.first, row.second} and row.p is not None and row.winner != best
        if enough(row.n_seeds, row.n_photos)
    }
    return {best, *tied}


def bound_rows(bounds: Mapping[str, LoadedBound], metric: MetricFacts) -> list[SummaryRow]:
    """Return the rows of `grey` and `truth`, which are the same for every color space and seed.

    A bound that is infinite for every photo (PSNR of the truth) has an infinite mean and no interval.
    """
    return [_bound_row(name, bounds[name], metric) for name in BOUNDS if name in bounds]


def _objective_row(measured: Measured, name: str, *, best: bool) -> SummaryRow:
    sample = measured.samples.get(name)
    notes = [measured.reasons[name]] if name in measured.reasons else []
    interval = None
    if sample is not None:
        estimate = sample.estimate()
        interval = None if estimate is None else estimate.interval(LEVEL, _low(measured.facts))
        notes += [measured.photos_left_out] if measured.photos_left_out else []
        notes += [NO_INTERVAL] if estimate is None else [] if estimate.has_seed_variance else [ONE_SEED]
    return _summary_row(
        name, measured.color_space, measured.facts, sample=sample, interval=interval, notes=notes, best=best
    )


def _low(facts: MetricFacts) -> float:
    """Return the least possible mean of a metric."""
    return -math.inf if facts.low is None else facts.low


def _bound_row(name: str, bound: LoadedBound, metric: MetricFacts) -> SummaryRow:
    if metric.per_photo:
        return _photo_bound_row(name, bound, metric)
    value = bound.record.set_metrics.get(metric.name)
    if value is None or value.value is None:
        reason = value.reason if value is not None else None
        notes = [reason or bound.record.unavailable.get(metric.name, "not measured for this bound")]
        return _summary_row(name, "-", metric, sample=None, interval=None, notes=notes)
    sample = set_sample((), [value])
    estimate = sample.estimate()
    notes = [value.reason] if value.reason else []
    if estimate is None:
        notes.append(NO_INTERVAL)
    interval = None if estimate is None else estimate.interval(LEVEL, _low(metric))
    return _summary_row(name, "-", metric, sample=sample, interval=interval, notes=notes)


def _photo_bound_row(name: str, bound: LoadedBound, metric: MetricFacts) -> SummaryRow:
    values = bound.photos.get(metric.name, np.empty(0))
    values = values[~np.isnan(values)]
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        row = _summary_row(name, "-", metric, sample=None, interval=None, notes=["not measured for this bound"])
        if values.size == 0:
            return row
        reason = "infinite for every photo: a perfect copy"
        return row.model_copy(update={"mean": float(values[0]), "n_photos": values.size, "reason": reason})
    sample = PhotoSample((), finite[np.newaxis])
    estimate = sample.estimate()
    left_out = values.size - finite.size
    notes = [f"{left_out} photos with an infinite value left out"] if left_out else []
    if estimate is None:
        notes.append(NO_INTERVAL)
    interval = None if estimate is None else estimate.interval(LEVEL, _low(metric))
    return _summary_row(name, "-", metric, sample=sample, interval=interval, notes=notes)


def _summary_row(
    name: str,
    color_space: str,
    metric: MetricFacts,
    *,
    sample: Sample | None,
    interval: Interval | None,
    notes: Sequence[str],
    best: bool = False,
) -> SummaryRow:
    seed_values = [] if sample is None else sample.seed_values.tolist()
    seeds = () if sample is None else sample.seeds
    return SummaryRow(
        objective=name,
        color_space=color_space,
        metric=metric.name,
        direction=metric.direction,
        mean=float(np.mean(seed_values)) if seed_values else None,
        ci_low=None if interval is None else interval.low,
        ci_high=None if interval is None else interval.high,
        n_photos=0 if sample is None else sample.n_photos,
        n_seeds=len(seeds),
        reason="; ".join(notes) or None,
        best=best,
        seed_means=seed_values if seeds else [],
    )


def _measured_names(study: LoadedStudy) -> set[str]:
    """Return the metrics that have a value, or a reason for having none, in some finished run."""
    names: set[str] = set()
    for run in study.runs.values():
        names |= {name for name, values in run.photos.items() if not np.isnan(values).all()}
        names |= set(run.record.set_metrics)
    return names


def _unavailable(study: LoadedStudy, facts: Sequence[MetricFacts]) -> dict[str, str]:
    """Return why metrics are missing: the reasons in the runs' records, or that chromalab does not know the metric."""
    reasons: dict[str, str] = {}
    for run in study.runs.values():
        reasons |= run.record.unavailable
    known = {metric.name for metric in facts}
    unknown = sorted(_measured_names(study) - known)
    return reasons | dict.fromkeys(
        unknown, "it was measured, but this version of chromalab does not know it, so tables leave it out"
    )
