"""Paired tests of two methods on the same photographs, with Holm's correction.

`PairedTest` is the one test of the project: of two folders (`paired_differences`) and of two objectives of a study over
several seeds (`chromalab.studies.analysis.differences`). The better method is

- `lower`, `higher`: the one on the better side.
- `closer` (compared with the mean T of the ground truth): with means A and B, A is closer where A - B and
  (A + B) / 2 - T have opposite signs. Both must differ significantly from 0, so Holm's correction gets the larger of
  their two p values. Two methods on either side of T and about equally far from it differ without a winner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from chromalab.stats.significance import holm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.evaluation.samples import Sample
    from chromalab.metrics.facts import Direction
    from chromalab.stats.intervals import Estimate

LEVEL = 0.95
ALPHA = 1 - LEVEL
TOWARD_BETTER: Mapping[Direction, int] = {"higher": 1, "lower": -1, "closer": 0}


@dataclass(frozen=True)
class PairedTest:
    """A paired comparison of two methods under one metric.

    Attributes:
        first: a method.
        second: another method.
        sample: first - second; None if they share no photograph or seed.
        toward_better: +1 where higher is better, -1 where lower is, 0 where closer to the ground truth is.
        midpoint: the mean of both methods minus the ground truth, where closer is better.
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
    """Return the tests with their p values corrected together by Holm; those without an interval stay as they are."""
    tested = [test for test in tests if test.difference is not None]
    values = zip(holm([test.p for test in tested]), holm([test.p_order for test in tested]), strict=True)
    found = {id(test): pair for test, pair in zip(tested, values, strict=True)}
    return [
        replace(test, p_holm=float(found[id(test)][0]), p_order_holm=float(found[id(test)][1]))
        if id(test) in found
        else test
        for test in tests
    ]
