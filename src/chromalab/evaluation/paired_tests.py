"""Paired tests of two methods on the same photos, with Holm's correction.

`PairedTest` serves both the folders of an evaluation (`paired_differences`) and the objectives of a study over several
seeds (`chromalab.studies.analysis.differences`). The better method is

- `lower`, `higher`: the one on the better side.
- `closer` (to the mean T of the ground truth): with means A and B, A is closer if A - B and (A + B) / 2 - T have
  opposite signs. Both must differ significantly from 0, so Holm's correction gets the larger of their two p values. Two
  methods on either side of T and about equally far from it can differ without a winner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from chromalab.evaluation.records import PairedDifference
from chromalab.evaluation.samples import PhotoSample, combine_samples, set_sample
from chromalab.stats.significance import holm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from chromalab.evaluation.records import ComparisonRecord
    from chromalab.evaluation.samples import Sample
    from chromalab.evaluation.scores import ScoreTable
    from chromalab.metrics.facts import Direction, SetValue
    from chromalab.metrics.metric import Metric
    from chromalab.stats.intervals import Estimate


LEVEL = 0.95
ALPHA = 1 - LEVEL
MIN_CONSTANT = 6
"""Number of photos from which a difference without any variation can be significant.

Its t interval has no width even for two photos. The smallest p value of a test that exchanges the two methods of each
photo is 2^(1 - n), which is below `ALPHA` from six photos on.
"""
TOWARD_BETTER: Mapping[Direction, int] = {"higher": 1, "lower": -1, "closer": 0}


@dataclass(frozen=True)
class PairedTest:
    """A paired comparison of two methods under one metric.

    Attributes:
        first: a method.
        second: another method.
        sample: first - second; None if they share no photo or seed.
        toward_better: +1 if higher is better, -1 if lower is better, 0 if closer to the ground truth is better.
        midpoint: the mean of both methods minus the ground truth, if closer is better.
        p_holm: p value of the difference after Holm's correction, see `corrected`.
        p_order_holm: p value of "one of the two is better" after Holm's correction.
    """

    first: str
    second: str
    sample: Sample | None
    toward_better: int
    midpoint: Sample | None = None
    p_holm: float | None = None
    p_order_holm: float = 1.0

    @cached_property
    def difference(self) -> Estimate | None:
        """The estimate of first - second; None if it has no interval."""
        return None if self.sample is None else self.sample.estimate()

    @cached_property
    def _center(self) -> Estimate | None:
        return None if self.midpoint is None else self.midpoint.estimate()

    @property
    def closer(self) -> bool:
        """Whether closer to the ground truth is better."""
        return self.toward_better == 0

    @property
    def p(self) -> float:
        """The p value of the difference."""
        return 1.0 if self.difference is None else self.difference.p

    @property
    def p_order(self) -> float:
        """The p value of the statement that one of the two is better."""
        if not self.closer:
            return self.p
        return 1.0 if self._center is None else max(self.p, self._center.p)

    @property
    def is_decided(self) -> bool:
        """Whether one of the two is significantly better after Holm's correction."""
        return self.p_order_holm < ALPHA

    @property
    def better(self) -> str:
        """The method on the better side, significant or not."""
        sign = 0.0 if self.difference is None else self.difference.mean * self.toward_better
        if self.closer and self.difference is not None and self._center is not None:
            sign = -self.difference.mean * self._center.mean
        return self.first if sign > 0 else self.second


def corrected(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """Return the tests with Holm's correction over all p values; tests without an interval stay unchanged."""
    tested = [test for test in tests if test.difference is not None]
    values = zip(holm([test.p for test in tested]), holm([test.p_order for test in tested]), strict=True)
    found = {id(test): pair for test, pair in zip(tested, values, strict=True)}
    return [
        replace(test, p_holm=float(found[id(test)][0]), p_order_holm=float(found[id(test)][1]))
        if id(test) in found
        else test
        for test in tests
    ]


def paired_differences(
    methods: Sequence[str],
    tables: Mapping[str, ScoreTable],
    sets: Mapping[str, Mapping[str, SetValue]],
    metrics: Mapping[str, Metric],
) -> list[PairedDifference]:
    """Compare every pair of methods under every metric, with Holm's correction within each metric.

    Args:
        methods: the methods, without bounds.
        tables: the per-photo scores, by method.
        sets: the set metrics, by method.
        metrics: the metrics that were computed, in the order of the rows.
    """
    rows: list[PairedDifference] = []
    for name, metric in metrics.items():
        found = [_compare(metric, pair, tables, sets) for pair in combinations(methods, 2)]
        tests = iter(corrected([each for each in found if isinstance(each, PairedTest)]))
        rows += [_row(name, next(tests)) if isinstance(each, PairedTest) else each for each in found]
    return rows


def _compare(
    metric: Metric,
    pair: tuple[str, str],
    tables: Mapping[str, ScoreTable],
    sets: Mapping[str, Mapping[str, SetValue]],
) -> PairedTest | PairedDifference:
    """Return the test of two methods, or a row with the reason for having none."""
    if metric.per_photo:
        return _compare_photos(metric, pair, *(tables[name] for name in pair))
    return _compare_sets(metric, pair, *(sets[name][metric.name] for name in pair))


def _compare_photos(
    metric: Metric, pair: tuple[str, str], first: ScoreTable, second: ScoreTable
) -> PairedTest | PairedDifference:
    ours, theirs = compared_values(metric, first), compared_values(metric, second)
    if ours is None or theirs is None:
        return _none(metric, pair, len(first.photos), "without true photos it is not known which is closer to them")
    if np.isinf(ours).any() or np.isinf(theirs).any():
        return _none(metric, pair, len(ours), "infinite for some photos: identical to their target")
    test = _test(metric, pair, *(PhotoSample((), values[np.newaxis]) for values in (ours, theirs)))
    n = 0 if test.sample is None else test.sample.n_photos
    if not test.difference:
        return _none(metric, pair, n, f"a test needs at least 2 photos, not {n}")
    if n < MIN_CONSTANT and test.difference.mean and _is_constant(ours - theirs):
        reason = f"the difference is the same for all {n} photos, and a test of that needs at least {MIN_CONSTANT}"
        return _none(metric, pair, n, reason)
    return test


def _is_constant(values: NDArray[np.float64]) -> bool:
    known = values[~np.isnan(values)]
    return bool(np.allclose(known, known[0], rtol=1e-9, atol=0))


def compared_values(metric: Metric, table: ScoreTable) -> NDArray[np.float64] | None:
    """Return the values of a metric, or their distances from the ground truth's values if closer is better.

    None if the values of the ground truth are needed but not known.
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
        return _none(metric, pair, n, "there is no test because there is no interval")
    return _test(metric, pair, *(set_sample((), [value]) for value in (first, second)))


def _test(metric: Metric, pair: tuple[str, str], first: Sample, second: Sample) -> PairedTest:
    """Return the test of two methods; lower distances from the ground truth are better."""
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
    """Return by metric the methods that no other beats significantly; metrics without any winner are left out."""
    losers: dict[str, set[str]] = {}
    for row in record.differences:
        if row.winner is not None:
            losers.setdefault(row.metric, set()).add(row.first if row.winner == row.second else row.second)
    names = [method.name for method in record.methods if not method.is_bound]
    return {metric: [name for name in names if name not in beaten] for metric, beaten in losers.items()}
