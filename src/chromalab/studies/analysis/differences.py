"""Paired comparisons of every two objectives under one metric and color space.

Two objectives of one seed start from the same weights and see the same crops, and all are measured on the same
photographs, so a difference is taken seed by seed and photograph by photograph before anything is averaged.

Who wins:

- `lower`, `higher`: the objective on the better side, where p after Holm's correction is below 5%.
- `closer` (a property such as colorfulness, compared with the truth's own mean T): with means A and B, A is closer
  where (A - B) and ((A + B) / 2 - T) have opposite signs. So there is a winner only where both of these are told from
  0: the larger of their two p values is what Holm's correction gets. Two objectives on either side of T, about equally
  far, have a significant difference and no winner.

Whether there is no practical difference:

- `supported`: the 90% interval lies within +-10% of the span from the gray baseline to the best objective (two
  one-sided tests at 5%).
- `contradicted`: the difference is significant after Holm's correction, and its 95% interval lies wholly outside.
- `undecided` otherwise.

With fewer than 3 seeds or 10 photographs no verdict is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from chromalab.stats.significance import detectable_difference, holm, is_equivalent
from chromalab.studies.records import DifferenceRow, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.evaluation.samples import Sample
    from chromalab.stats.intervals import Estimate
    from chromalab.studies.analysis.measured import Measured

MIN_SEEDS = 3
MIN_PHOTOS = 10
LEVEL = 0.95
ALPHA = 1 - LEVEL
MARGIN = 0.1
POWER = 0.8
TOO_FEW = "too few seeds or photos"


def enough(n_seeds: int, n_photos: int) -> bool:
    """Return whether there are seeds and photographs enough for a verdict."""
    return n_seeds >= MIN_SEEDS and n_photos >= MIN_PHOTOS


def difference_rows(measured: Measured, objectives: Sequence[str]) -> list[DifferenceRow]:
    """Compare every pair of objectives, first with second in the order given, corrected together by Holm."""
    pairs = [_compare(measured, first, second) for first, second in combinations(objectives, 2)]
    tested = [pair for pair in pairs if pair.difference is not None]
    corrected = dict(zip(map(id, tested), holm([pair.p for pair in tested]), strict=True))
    decided = dict(zip(map(id, tested), holm([pair.p_of_order for pair in tested]), strict=True))
    return [
        _row(measured, pair, corrected.get(id(pair)), decided.get(id(pair), 1.0), n_tests=len(tested)) for pair in pairs
    ]


@dataclass(frozen=True)
class _Pair:
    """Two objectives, with the estimates that decide between them.

    Attributes:
        first: an objective.
        second: another.
        sample: first - second, None where they share nothing.
        difference: its estimate, None where it has no interval.
        midpoint: of both objectives minus the truth; only where closer is better.
        closer: whether the metric asks for closeness to the truth.
    """

    first: str
    second: str
    sample: Sample | None
    difference: Estimate | None
    midpoint: Estimate | None
    closer: bool

    @property
    def p(self) -> float:
        """P value of the difference."""
        return 1.0 if self.difference is None else self.difference.p

    @property
    def p_of_order(self) -> float:
        """P value of the statement that one of the two is better."""
        if not self.closer:
            return self.p
        return 1.0 if self.midpoint is None else max(self.p, self.midpoint.p)

    def better(self, toward_better: int) -> str:
        """Return which of the two is on the better side, by the estimates alone."""
        sign = 0.0 if self.difference is None else self.difference.mean * toward_better
        if self.closer and self.difference is not None and self.midpoint is not None:
            sign = -self.difference.mean * self.midpoint.mean
        return self.first if sign > 0 else self.second


def _compare(measured: Measured, first: str, second: str) -> _Pair:
    closer = measured.facts.direction == "closer"
    sample = measured.paired({first: 1.0, second: -1.0})
    midpoint = measured.paired({first: 0.5, second: 0.5}, truth=-1.0) if closer else None
    return _Pair(
        first=first,
        second=second,
        sample=sample,
        difference=None if sample is None else sample.estimate(),
        midpoint=None if midpoint is None else midpoint.estimate(),
        closer=closer,
    )


def _row(measured: Measured, pair: _Pair, p_holm: float | None, p_order_holm: float, *, n_tests: int) -> DifferenceRow:
    sample, difference, span = pair.sample, pair.difference, measured.span
    interval = None if difference is None else difference.interval(LEVEL)
    n_seeds, n_photos = (0, 0) if sample is None else (len(sample.seeds), sample.n_photos)
    decidable = difference is not None and enough(n_seeds, n_photos)
    won = decidable and p_order_holm < ALPHA
    return DifferenceRow(
        metric=measured.facts.name,
        color_space=measured.color_space,
        first=pair.first,
        second=pair.second,
        mean=None if sample is None or not sample.seed_values.size else float(sample.seed_values.mean()),
        ci_low=None if interval is None else interval.low,
        ci_high=None if interval is None else interval.high,
        p=None if interval is None else interval.p,
        p_holm=p_holm,
        winner=pair.better(measured.toward_better) if won else None,
        equivalent=_equivalence(difference, span, p_holm) if decidable else "undecided",
        span=span,
        seed_sd=_seed_spread(measured, pair),
        detectable=None
        if difference is None
        else detectable_difference(difference, alpha=ALPHA / n_tests, power=POWER),
        n_photos=n_photos,
        n_seeds=n_seeds,
        reason=_reason(measured, pair, decidable=decidable, unclear=not won and (p_holm or 1.0) < ALPHA),
    )


def _equivalence(difference: Estimate | None, span: float | None, p_holm: float | None) -> Verdict:
    """Return the verdict on 'no practical difference'."""
    if difference is None or not span:
        return "undecided"
    margin = MARGIN * span
    if is_equivalent(difference, margin, alpha=ALPHA):
        return "supported"
    interval = difference.interval(LEVEL)
    outside = interval.low > margin or interval.high < -margin
    return "contradicted" if outside and p_holm is not None and p_holm < ALPHA else "undecided"


def _seed_spread(measured: Measured, pair: _Pair) -> float | None:
    """Return the pooled standard deviation of the two objectives' seed means; None with one seed."""
    if pair.sample is None or len(pair.sample.seeds) < 2:
        return None
    samples = [measured.paired({name: 1.0}) for name in (pair.first, pair.second)]
    variances = [sample.seed_values.var(ddof=1) for sample in samples if sample is not None and sample.seed_values.size]
    return float(np.sqrt(np.mean(variances))) if variances else None


def _reason(measured: Measured, pair: _Pair, *, decidable: bool, unclear: bool) -> str | None:
    """Say what keeps a verdict or an interval away, and what was left out."""
    said = [text for text in (measured.photos_left_out, measured.seeds_left_out) if text]
    if pair.sample is None:
        absent = [name for name in (pair.first, pair.second) if name not in measured.samples]
        why = [f"{name}: {measured.reasons.get(name, 'no value')}" for name in absent]
        said = why or ["no seed is finished for every objective"]
    elif pair.difference is None:
        said.append("no interval can be had from a single value")
    elif not decidable:
        said.append(TOO_FEW)
    elif not measured.span:
        said.append("no span from gray to the best objective to compare with")
    elif unclear and pair.closer:
        said.append("they differ, but which of the two is closer to the truth is not clear")
    elif pair.difference.n_seeds == 1:
        said.append("one seed: the interval knows nothing of other seeds")
    return "; ".join(said) or None
