"""From a loaded study to everything that its report says in numbers.

Which means are marked as best: the best mean of an objective within a metric and color space, and every objective that
it does not beat significantly (after Holm's correction), as a careful paper prints them in bold. With fewer than 3
seeds or 10 photographs no such test is made, and the best mean alone is marked: then the mark is a number's rank and no
finding. The bounds are never marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chromalab.evaluation.paired_tests import LEVEL
from chromalab.evaluation.samples import PhotoSample, Sample, set_sample
from chromalab.studies.analysis.claims import claim_rows
from chromalab.studies.analysis.differences import Measured, best_of, difference_rows, enough, measure
from chromalab.studies.analysis.evidence import Evidence
from chromalab.studies.load import BOUNDS
from chromalab.studies.records import Analysis, DifferenceRow, MetricFacts, SummaryRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.stats.intervals import Interval
    from chromalab.studies.load import LoadedBound, LoadedStudy

ONE_SEED = "one seed: the interval knows nothing of other seeds"
NO_INTERVAL = "no interval can be had from a single value"


def analyze(study: LoadedStudy, facts: Sequence[MetricFacts]) -> Analysis:
    """Summarize a study, compare its objectives and judge the claims of the literature on it.

    Runs that are missing are named; what is there is analyzed.

    Args:
        study: what was measured so far.
        facts: the known metrics, in the order in which tables show them. One that was measured nowhere in the study is
            left out, and its reason stands in `unavailable`.
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
        unavailable=_unavailable(study, facts),
    )


def _counted(row: SummaryRow, n_test: int) -> SummaryRow:
    """Let a row without a value count the photographs that were not enough for one, instead of none."""
    return row if row.mean is not None else row.model_copy(update={"n_photos": n_test})


def summary_rows(
    measured: Measured, objectives: Sequence[str], differences: Sequence[DifferenceRow]
) -> list[SummaryRow]:
    """Return one row for each objective: its mean over its own seeds and the shared photographs, with its interval."""
    best = best_objectives(measured, differences)
    return [_objective_row(measured, name, best=name in best) for name in objectives]


def best_objectives(measured: Measured, differences: Sequence[DifferenceRow]) -> set[str]:
    """Return the objective with the best mean and those that it does not beat; empty where nothing is compared."""
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
    """Return the rows of `grey` and `truth`, which belong to every color space and hang on no seed.

    A bound that is infinite on every photograph (PSNR of the truth) has an infinite mean and no interval.
    """
    return [_bound_row(name, bounds[name], metric) for name in BOUNDS if name in bounds]


def _objective_row(measured: Measured, name: str, *, best: bool) -> SummaryRow:
    sample = measured.samples.get(name)
    said = [measured.reasons[name]] if name in measured.reasons else []
    interval = None
    if sample is not None:
        estimate = sample.estimate()
        interval = None if estimate is None else estimate.interval(LEVEL)
        said += [measured.photos_left_out] if measured.photos_left_out else []
        said += [NO_INTERVAL] if estimate is None else [] if estimate.has_seed_variance else [ONE_SEED]
    return _summary_row(
        name, measured.color_space, measured.facts, sample=sample, interval=interval, said=said, best=best
    )


def _bound_row(name: str, bound: LoadedBound, metric: MetricFacts) -> SummaryRow:
    if metric.per_photo:
        return _photo_bound_row(name, bound, metric)
    value = bound.record.set_metrics.get(metric.name)
    if value is None or value.value is None:
        reason = value.reason if value is not None else None
        said = [reason or bound.record.unavailable.get(metric.name, "not measured for this bound")]
        return _summary_row(name, "-", metric, sample=None, interval=None, said=said)
    sample = set_sample((), [value])
    estimate = sample.estimate()
    said = [value.reason] if value.reason else []
    if estimate is None:
        said.append(NO_INTERVAL)
    interval = None if estimate is None else estimate.interval(LEVEL)
    return _summary_row(name, "-", metric, sample=sample, interval=interval, said=said)


def _photo_bound_row(name: str, bound: LoadedBound, metric: MetricFacts) -> SummaryRow:
    values = bound.photos.get(metric.name, np.empty(0))
    values = values[~np.isnan(values)]
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        row = _summary_row(name, "-", metric, sample=None, interval=None, said=["not measured for this bound"])
        if values.size == 0:
            return row
        reason = "infinite for every photo: a perfect copy"
        return row.model_copy(update={"mean": float(values[0]), "n_photos": values.size, "reason": reason})
    sample = PhotoSample((), finite[np.newaxis])
    estimate = sample.estimate()
    left_out = values.size - finite.size
    said = [f"{left_out} photos with an infinite value left out"] if left_out else []
    if estimate is None:
        said.append(NO_INTERVAL)
    interval = None if estimate is None else estimate.interval(LEVEL)
    return _summary_row(name, "-", metric, sample=sample, interval=interval, said=said)


def _summary_row(
    name: str,
    color_space: str,
    metric: MetricFacts,
    *,
    sample: Sample | None,
    interval: Interval | None,
    said: Sequence[str],
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
        reason="; ".join(said) or None,
        best=best,
        seed_means=seed_values if seeds else [],
    )


def _measured_names(study: LoadedStudy) -> set[str]:
    """Return the metrics that have a value, or a stated lack of one, in some finished run."""
    names: set[str] = set()
    for run in study.runs.values():
        names |= {name for name, values in run.photos.items() if not np.isnan(values).all()}
        names |= set(run.record.set_metrics)
    return names


def _unavailable(study: LoadedStudy, facts: Sequence[MetricFacts]) -> dict[str, str]:
    """Return why metrics are missing: by the runs' own words, or because nobody knows their direction."""
    reasons: dict[str, str] = {}
    for run in study.runs.values():
        reasons |= run.record.unavailable
    known = {metric.name for metric in facts}
    unknown = sorted(_measured_names(study) - known)
    return reasons | dict.fromkeys(
        unknown, "it was measured, but this program does not know it: left out of all tables"
    )
