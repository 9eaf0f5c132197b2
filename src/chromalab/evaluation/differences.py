"""Paired differences of folders on the same photographs."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from chromalab.evaluation.paired import LEVEL, TOWARD_BETTER, PairedTest, corrected
from chromalab.evaluation.records import PairedDifference
from chromalab.evaluation.samples import PhotoSample, combine_samples, set_sample
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from chromalab.evaluation.records import ComparisonRecord
    from chromalab.evaluation.samples import Sample
    from chromalab.evaluation.scores import ScoreTable
    from chromalab.metrics.facts import SetValue
    from chromalab.metrics.metric import Metric


def paired_differences(
    methods: Sequence[str],
    tables: Mapping[str, ScoreTable],
    sets: Mapping[str, Mapping[str, SetValue]],
    metrics: Mapping[str, Metric],
) -> list[PairedDifference]:
    """Compare every pair of methods under every metric, with Holm's correction within each metric.

    Args:
        methods: the methods, bounds left out.
        tables: the values of every photo, by method.
        sets: the values of set metrics, by method.
        metrics: the metrics that were computed.
    """
    rows: list[PairedDifference] = []
    for name in METRICS:
        if name in metrics:
            pairs = list(combinations(methods, 2))
            found = [_compare(metrics[name], pair, tables, sets) for pair in pairs]
            tests = corrected([each for each in found if isinstance(each, PairedTest)])
            ordered = iter(tests)
            rows += [_row(name, next(ordered)) if isinstance(each, PairedTest) else each for each in found]
    return rows


def _compare(
    metric: Metric,
    pair: tuple[str, str],
    tables: Mapping[str, ScoreTable],
    sets: Mapping[str, Mapping[str, SetValue]],
) -> PairedTest | PairedDifference:
    """Return the test of two methods, or a row that tells why there is none."""
    if isinstance(metric, PhotoMetric):
        return _compare_photos(metric, pair, *(tables[name] for name in pair))
    return _compare_sets(metric, pair, *(sets[name][metric.name] for name in pair))


def _compare_photos(
    metric: Metric, pair: tuple[str, str], first: ScoreTable, second: ScoreTable
) -> PairedTest | PairedDifference:
    ours, theirs = faults(metric, first), faults(metric, second)
    if ours is None or theirs is None:
        return _none(metric, pair, len(first.photos), "closer to what is better is not known without true photographs")
    if np.isinf(ours).any() or np.isinf(theirs).any():
        return _none(metric, pair, len(ours), "infinite for some photos: identical to their target")
    test = _test(metric, pair, *(PhotoSample((), values[np.newaxis]) for values in (ours, theirs)))
    n = 0 if test.sample is None else test.sample.n_photos
    return test if test.difference else _none(metric, pair, n, f"a test needs at least 2 photos, not {n}")


def faults(metric: Metric, table: ScoreTable) -> NDArray[np.float64] | None:
    """Return the values to be compared; where closer is better, the distances from the values of the ground truth.

    None where the values of the ground truth are needed and not known.
    """
    column = table.columns[metric.name]
    if metric.direction != "closer":
        return column
    truth = table.truth.get(metric.name)
    return None if truth is None else np.abs(column - truth)


def _compare_sets(
    metric: Metric, pair: tuple[str, str], first: SetValue, second: SetValue
) -> PairedTest | PairedDifference:
    n = min(first.n, second.n)
    if first.value is None or second.value is None:
        return _none(metric, pair, n, first.reason or second.reason or "there is no value")
    if not first.replicates or not second.replicates or metric.direction == "closer":
        return _none(metric, pair, n, "there is no interval, and so no test")
    return _test(metric, pair, *(set_sample((), [value]) for value in (first, second)))


def _test(metric: Metric, pair: tuple[str, str], first: Sample, second: Sample) -> PairedTest:
    """Return the test of two methods; distances from the ground truth are better where they are lower."""
    difference = combine_samples([(1.0, first), (-1.0, second)])
    return PairedTest(*pair, sample=difference, toward_better=TOWARD_BETTER[metric.direction] or -1)


def _row(metric: str, test: PairedTest) -> PairedDifference:
    if test.difference is None or test.sample is None:
        raise ValueError(f"{test.first} and {test.second} have no interval under {metric}")
    interval = test.difference.interval(LEVEL)
    return PairedDifference(
        metric=metric,
        first=test.first,
        second=test.second,
        mean=interval.mean,
        ci_low=interval.low,
        ci_high=interval.high,
        p=interval.p,
        p_holm=test.p_holm,
        winner=test.better if test.is_decided else None,
        n=test.sample.n_photos,
    )


def _none(metric: Metric, pair: tuple[str, str], n: int, reason: str) -> PairedDifference:
    return PairedDifference(metric=metric.name, first=pair[0], second=pair[1], n=n, reason=reason)


def unbeaten(record: ComparisonRecord) -> dict[str, list[str]]:
    """Return the methods that no other significantly beats, by metric, for metrics under which some are beaten."""
    losers: dict[str, set[str]] = {}
    for row in record.differences:
        if row.winner is not None:
            losers.setdefault(row.metric, set()).add(row.first if row.winner == row.second else row.second)
    names = [method.name for method in record.methods if not method.is_bound]
    return {metric: [name for name in names if name not in beaten] for metric, beaten in losers.items()}
