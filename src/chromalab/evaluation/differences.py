"""Paired comparisons of methods on the same photographs."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from chromalab.evaluation.records import PairedDifference
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.stats.intervals import jackknife_estimate, t_estimate
from chromalab.stats.significance import holm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from chromalab.evaluation.records import ComparisonRecord
    from chromalab.evaluation.scores import ScoreTable
    from chromalab.metrics.facts import Direction, SetValue
    from chromalab.metrics.metric import Metric
    from chromalab.stats.intervals import Estimate

LEVEL, ALPHA = 0.95, 0.05


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
            rows += _corrected(found, metrics[name].direction)
    return rows


def _compare(
    metric: Metric,
    pair: tuple[str, str],
    tables: Mapping[str, ScoreTable],
    sets: Mapping[str, Mapping[str, SetValue]],
) -> PairedDifference:
    if isinstance(metric, PhotoMetric):
        return _compare_photos(metric, pair, *(tables[name] for name in pair))
    return _compare_sets(metric, pair, *(sets[name][metric.name] for name in pair))


def _compare_photos(metric: Metric, pair: tuple[str, str], first: ScoreTable, second: ScoreTable) -> PairedDifference:
    ours, theirs = faults(metric, first), faults(metric, second)
    if ours is None or theirs is None:
        return _none(metric, pair, len(first.photos), "closer to what is better is not known without true photographs")
    if np.isinf(ours).any() or np.isinf(theirs).any():
        return _none(metric, pair, len(ours), "infinite for some photos: identical to their target")
    difference = ours - theirs
    usable = difference[~np.isnan(difference)]
    if len(usable) < 2:
        return _none(metric, pair, len(usable), f"a test needs at least 2 photos, not {len(usable)}")
    return _told(metric, pair, t_estimate(usable), len(usable))


def faults(metric: Metric, table: ScoreTable) -> NDArray[np.float64] | None:
    """Return what is compared: the values, or their distances from the truth's where closer to it is better.

    None where the truth's values are needed and not known.
    """
    column = table.columns[metric.name]
    if metric.direction != "closer":
        return column
    truth = table.truth.get(metric.name)
    return None if truth is None else np.abs(column - truth)


def _compare_sets(metric: Metric, pair: tuple[str, str], first: SetValue, second: SetValue) -> PairedDifference:
    n = min(first.n, second.n)
    if first.value is None or second.value is None:
        return _none(metric, pair, n, first.reason or second.reason or "there is no value")
    if not first.replicates or not second.replicates or metric.direction == "closer":
        return _none(metric, pair, n, "there is no interval, and so no test")
    replicates = np.subtract(first.replicates, second.replicates)
    return _told(metric, pair, jackknife_estimate([first.value - second.value], [replicates], n_photos=n), n)


def _told(metric: Metric, pair: tuple[str, str], estimate: Estimate, n: int) -> PairedDifference:
    interval = estimate.interval(LEVEL)
    return PairedDifference(
        metric=metric.name,
        first=pair[0],
        second=pair[1],
        mean=interval.mean,
        ci_low=interval.low,
        ci_high=interval.high,
        p=interval.p,
        n=n,
    )


def _none(metric: Metric, pair: tuple[str, str], n: int, reason: str) -> PairedDifference:
    return PairedDifference(metric=metric.name, first=pair[0], second=pair[1], n=n, reason=reason)


def _corrected(rows: list[PairedDifference], direction: Direction) -> list[PairedDifference]:
    tested = [row for row in rows if row.p is not None]
    corrected = dict(zip(map(id, tested), holm([row.p or 0.0 for row in tested]).tolist(), strict=True))
    return [
        row.model_copy(update={"p_holm": corrected[id(row)], "winner": _winner(row, corrected[id(row)], direction)})
        if id(row) in corrected
        else row
        for row in rows
    ]


def _winner(row: PairedDifference, p_holm: float, direction: Direction) -> str | None:
    if p_holm > ALPHA or not row.mean:
        return None
    first_is_higher = row.mean > 0
    return row.first if first_is_higher == (direction == "higher") else row.second


def unbeaten(record: ComparisonRecord) -> dict[str, list[str]]:
    """Return the methods that no other significantly beats, by metric, for metrics under which some are beaten."""
    losers: dict[str, set[str]] = {}
    for row in record.differences:
        if row.winner is not None:
            losers.setdefault(row.metric, set()).add(row.first if row.winner == row.second else row.second)
    names = [method.name for method in record.methods if not method.is_bound]
    return {metric: [name for name in names if name not in beaten] for metric, beaten in losers.items()}
