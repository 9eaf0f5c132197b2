"""Means with intervals over all photos, and joined tables of several results."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.errors import UsageError
from chromalab.core.records import read_yaml
from chromalab.evaluation.paired_tests import LEVEL
from chromalab.evaluation.records import ComparisonRecord, EvaluationRecord, MethodRecord, MetricSummary
from chromalab.evaluation.samples import set_sample
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.stats.intervals import t_interval

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.evaluation.scores import ScoreTable
    from chromalab.metrics.facts import Reference, SetValue


def summarize(
    table: ScoreTable, sets: Mapping[str, SetValue], unavailable: Mapping[str, str]
) -> dict[str, MetricSummary]:
    """Return the mean of every metric in the registry over all photos, with its interval.

    Args:
        table: the per-photo scores.
        sets: the set metrics that were computed.
        unavailable: metrics that were not computed, with the reason.
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
        values: one value per photo; with an infinite value there is no mean.
        reason: a caveat that is reported in any case.
        truth: mean of the ground truth's own values.
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
    """Return a set metric with its jackknife interval, if it has one; the interval may exceed the metric's range."""
    if value.value is None or not math.isfinite(value.value):
        return MetricSummary(mean=None, n=value.n, reason=value.reason)
    low = high = None
    if value.replicates:
        estimate = set_sample((), [value]).estimate()
        interval = None if estimate is None else estimate.interval(LEVEL)
        low, high = (None, None) if interval is None else (interval.low, interval.high)
    return MetricSummary(mean=value.value, ci_low=low, ci_high=high, truth=value.truth, n=value.n, reason=value.reason)


def join_results(paths: Sequence[Path]) -> ComparisonRecord:
    """Return the methods of several result files in one record, without tests between files.

    Raises:
        ConfigError: a file holds no result.
        UsageError: the results differ in their protocol, networks, photos, gray photos or classes; the message names
            the difference.
    """
    records = {path: _load(path) for path in paths}
    first_path, first = next(iter(records.items()))
    for path, record in records.items():
        if reason := _difference(first, record):
            raise UsageError(f"{first_path} and {path} cannot be joined in one table: {reason}")
    names, many = _names(records), len(paths) > 1
    methods = [method for path, record in records.items() for method in _named(record, names[path], many=many)]
    known = {name for method in methods for name, each in method.metrics.items() if each.mean is not None}
    lacking = {name: MetricSummary(mean=None, n=0, reason="the result file lacks this metric") for name in known}
    methods = [method.model_copy(update={"metrics": lacking | method.metrics}) for method in methods]
    return first.model_copy(
        update={
            "methods": methods,
            "differences": first.differences if len(records) == 1 else [],
            "metrics": [metric.facts for name, metric in METRICS.items() if name in known],
        }
    )


def _load(path: Path) -> ComparisonRecord:
    data = read_yaml(path)
    if isinstance(data, dict) and "methods" in data:
        return ComparisonRecord.parse(data, origin=str(path))
    record = EvaluationRecord.parse(data, origin=str(path))
    own = MethodRecord(name=path.stem, folder=None, metrics=record.metrics, n_photos=record.n_photos)
    return ComparisonRecord(
        protocol=record.protocol,
        protocol_sha256=record.protocol_sha256,
        targets_sha256=record.targets_sha256,
        grey=record.grey,
        grey_sha256=record.grey_sha256,
        labels_sha256=record.labels_sha256,
        scored_sha256=record.scored_sha256,
        real=record.real,
        methods=[own],
        differences=[],
        metrics=[],
        n_photos=record.n_photos,
        left_out=record.skipped,
        versions=record.versions,
        weights=record.weights,
    )


def _difference(first: ComparisonRecord, second: ComparisonRecord) -> str:
    """Return why two results cannot be joined, or an empty string."""
    if first.protocol != second.protocol:
        return f"the protocols are {first.protocol} and {second.protocol}"
    if first.protocol_sha256 != second.protocol_sha256:
        return f"the rules of {first.protocol} are not the same in both"
    if first.targets_sha256 != second.targets_sha256 or first.n_photos != second.n_photos:
        return f"the photos are not the same ({first.n_photos} and {second.n_photos} were scored)"
    if first.real != second.real:
        return f"sets were compared with {first.real or 'the targets'} and with {second.real or 'the targets'}"
    for name in sorted(first.weights.keys() & second.weights.keys()):
        if first.weights[name] != second.weights[name]:
            return f"the weights of {name} differ ({first.weights[name][:12]} and {second.weights[name][:12]})"
    return _scored_difference(first, second) or _grey_difference(first, second) or _class_difference(first, second)


def _scored_difference(first: ComparisonRecord, second: ComparisonRecord) -> str:
    """Return how the photos differ that were left out of the same photos, or an empty string."""
    names = {pair.name for pair in first.left_out} ^ {pair.name for pair in second.left_out}
    by_name = first.scored_sha256 is None or second.scored_sha256 is None  # older records have no hash
    if not names if by_name else first.scored_sha256 == second.scored_sha256:
        return ""
    return "other photos were left out" + (f" (for example, '{min(names)}')" if names else "")


def _grey_difference(first: ComparisonRecord, second: ComparisonRecord) -> str:
    """Return how the gray photos differ, if the results depend on them, or an empty string."""
    by_path = first.grey_sha256 is None or second.grey_sha256 is None  # older records have no hash
    one, other = (first.grey, second.grey) if by_path else (first.grey_sha256, second.grey_sha256)
    if one == other or (first.targets_sha256 is not None and not _share(first, second, "lightness")):
        return ""
    if first.grey is None or second.grey is None:
        path = first.grey or second.grey
        return f"lightness was compared with the gray photos {path} in one and with the targets in the other"
    return f"the gray photos {first.grey} and {second.grey} are not the same"


def _class_difference(first: ComparisonRecord, second: ComparisonRecord) -> str:
    """Return how the classes or classifiers differ, if both results depend on them, or an empty string."""
    if not _share(first, second, "labels"):
        return ""
    known = {record.labels_sha256 for record in (first, second)} - {None}  # older records have no hash
    if len(known) > 1:
        return "the photos have other classes (--labels)"
    one, other = (record.weights.get("classifier", "")[:12] or "none" for record in (first, second))
    return f"the classifiers differ (--classifier: {one} and {other})" if one != other else ""


def _share(first: ComparisonRecord, second: ComparisonRecord, reference: Reference) -> bool:
    """Return whether both results have a value of a metric with this reference."""
    values = [
        {name for method in record.methods for name, each in method.metrics.items() if each.mean is not None}
        for record in (first, second)
    ]
    return any(METRICS[name].reference == reference for name in values[0] & values[1] if name in METRICS)


def _names(paths: Collection[Path]) -> dict[Path, str]:
    """Return the name of every file without suffix, with as many of its folders as distinguish it from the others."""
    parts = {path: path.resolve().with_suffix("").parts for path in paths}
    found = {}
    for path, own in parts.items():
        others = [each for other, each in parts.items() if other != path]
        tails = (own[-length:] for length in range(1, len(own)))
        distinct = (tail for tail in tails if all(each[-len(tail) :] != tail for each in others))
        found[path] = "/".join(next(distinct, (str(path),)))
    return found


def _named(record: ComparisonRecord, name: str, *, many: bool) -> list[MethodRecord]:
    """Return the methods with unambiguous names; bounds are left out if several files would repeat them."""
    kept = [method for method in record.methods if not (many and method.is_bound)]
    if not many or len(kept) == 1:
        return [method.model_copy(update={"name": name}) for method in kept] if many else kept
    return [method.model_copy(update={"name": f"{name}: {method.name}"}) for method in kept]
