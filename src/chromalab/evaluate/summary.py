"""From the values of photos to a mean with its interval, or to the words that say why there is none."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

from chromalab.evaluate.records import MetricSummary, PhotoScores
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.stats.intervals import t_interval
from chromalab.stats.jackknife import jackknife_estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.metrics.facts import SetValue

LEVEL = 0.95


def summarise(
    photos: Sequence[PhotoScores], sets: Mapping[str, SetValue], unavailable: Mapping[str, str]
) -> dict[str, MetricSummary]:
    """Return every metric of the registry over all photos.

    Args:
        photos: the values of every photo.
        sets: the set metrics that were computed.
        unavailable: metrics that could not be had at all, with the reason.
    """
    summaries: dict[str, MetricSummary] = {}
    for name, metric in METRICS.items():
        if name in unavailable:
            summaries[name] = MetricSummary(mean=None, n=0, reason=unavailable[name])
        elif isinstance(metric, PhotoMetric):
            summaries[name] = _summarise_photos(metric, photos)
        else:
            summaries[name] = summarise_set(sets[name])
    return summaries


def _summarise_photos(metric: PhotoMetric, photos: Sequence[PhotoScores]) -> MetricSummary:
    values = [photo.values[metric.name] for photo in photos if metric.name in photo.values]
    too_small = len(photos) - len(values)
    reason = f"{too_small} of {len(photos)} photos are smaller than {metric.smallest_side_px} px" if too_small else ""
    truths = [photo.truth[metric.name] for photo in photos if metric.name in photo.truth]
    return summarise_values(values, reason=reason, truth=fmean(truths) if truths else None)


def summarise_values(values: Sequence[float], *, reason: str = "", truth: float | None = None) -> MetricSummary:
    """Return the mean of per-photo values with Student's t interval over photos.

    Args:
        values: one value a photo; an infinite one leaves no mean.
        reason: what is to be said anyway.
        truth: the true photographs' own mean.
    """
    infinite = sum(math.isinf(value) for value in values)
    notes = [reason] if reason else []
    mean = low = high = None
    if infinite:
        notes.append(f"infinite: {infinite} of {len(values)} predictions are identical to their target")
    elif len(values) == 1:
        mean = values[0]
        notes.append("an interval needs at least 2 photos")
    elif values:
        interval = t_interval(values, LEVEL)
        mean, low, high = interval.mean, interval.low, interval.high
    return MetricSummary(
        mean=mean, ci_low=low, ci_high=high, truth=truth, n=len(values), reason="; ".join(notes) or None
    )


def summarise_set(value: SetValue) -> MetricSummary:
    """Return a set metric with its jackknife interval, which may reach below the metric's range."""
    if value.value is None:
        return MetricSummary(mean=None, n=value.n, reason=value.reason)
    interval = jackknife_estimate([value.value], [value.replicates], n_photos=value.n).interval(LEVEL)
    return MetricSummary(mean=value.value, ci_low=interval.low, ci_high=interval.high, n=value.n, reason=value.reason)
