"""From the values of photos to a mean with its interval, or to the words that say why there is none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chromalab.evaluation.records import MetricSummary
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.stats.intervals import t_interval
from chromalab.stats.jackknife import jackknife_estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from chromalab.evaluation.score_table import ScoreTable
    from chromalab.metrics.facts import SetValue

LEVEL = 0.95


def summarize(
    table: ScoreTable, sets: Mapping[str, SetValue], unavailable: Mapping[str, str]
) -> dict[str, MetricSummary]:
    """Return every metric of the registry over all photos.

    Args:
        table: the values of every photo.
        sets: the set metrics that were computed.
        unavailable: metrics that could not be had at all, with the reason.
    """
    summaries: dict[str, MetricSummary] = {}
    for name, metric in METRICS.items():
        if name in unavailable:
            summaries[name] = MetricSummary(mean=None, n=0, reason=unavailable[name])
        elif isinstance(metric, PhotoMetric):
            summaries[name] = _summarize_photos(metric, table)
        else:
            summaries[name] = summarize_set(sets[name])
    return summaries


def _summarize_photos(metric: PhotoMetric, table: ScoreTable) -> MetricSummary:
    column = table.columns[metric.name]
    values = column[~np.isnan(column)]
    too_small = len(column) - len(values)
    reason = f"{too_small} of {len(column)} photos are smaller than {metric.smallest_side_px} px" if too_small else ""
    truths = table.truth.get(metric.name)
    known = None if truths is None else truths[~np.isnan(truths)]
    return summarize_values(
        values, reason=reason, truth=float(known.mean()) if known is not None and len(known) else None
    )


def summarize_values(
    values: Sequence[float] | NDArray[np.float64], *, reason: str = "", truth: float | None = None
) -> MetricSummary:
    """Return the mean of per-photo values with Student's t interval over photos.

    Args:
        values: one value a photo; an infinite one leaves no mean.
        reason: what is to be said anyway.
        truth: the true photographs' own mean.
    """
    column = np.asarray(values, dtype=np.float64)
    infinite = int(np.isinf(column).sum())
    notes = [reason] if reason else []
    mean = low = high = None
    if infinite:
        notes.append(f"infinite: {infinite} of {len(column)} predictions are identical to their target")
    elif len(column) == 1:
        mean = float(column[0])
        notes.append("an interval needs at least 2 photos")
    elif len(column):
        interval = t_interval(column, LEVEL)
        mean, low, high = interval.mean, interval.low, interval.high
    return MetricSummary(
        mean=mean, ci_low=low, ci_high=high, truth=truth, n=len(column), reason="; ".join(notes) or None
    )


def summarize_set(value: SetValue) -> MetricSummary:
    """Return a set metric with its jackknife interval, where it has one; it may reach below the metric's range."""
    if value.value is None or not math.isfinite(value.value):
        return MetricSummary(mean=None, n=value.n, reason=value.reason)
    low = high = None
    if value.replicates:
        interval = jackknife_estimate([value.value], [value.replicates], n_photos=value.n).interval(LEVEL)
        low, high = interval.low, interval.high
    return MetricSummary(mean=value.value, ci_low=low, ci_high=high, truth=value.truth, n=value.n, reason=value.reason)
