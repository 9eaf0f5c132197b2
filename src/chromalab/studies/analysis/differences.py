"""Paired comparisons of every two objectives under one metric and color space.

Two objectives of one seed start from the same weights and see the same crops, and all are measured on the same
photographs, so a difference is taken seed by seed and photograph by photograph before anything is averaged. The test is
`chromalab.evaluation.differences.PairedTest`.

Whether there is no practical difference:

- `supported`: the 90% interval lies within +-10% of the span from the gray baseline to the best objective (two
  one-sided tests at 5%).
- `contradicted`: the difference is significant after Holm's correction, and its 95% interval lies wholly outside.
- `undecided` otherwise.

With fewer than 3 seeds or 10 photographs no verdict is given.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from chromalab.evaluation.paired import ALPHA, LEVEL, PairedTest, corrected
from chromalab.stats.significance import detectable_difference, is_equivalent
from chromalab.studies.records import DifferenceRow, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.stats.intervals import Estimate
    from chromalab.studies.analysis.measured import Measured

MIN_SEEDS = 3
MIN_PHOTOS = 10
MARGIN = 0.1
POWER = 0.8
TOO_FEW = "too few seeds or photos"


def enough(n_seeds: int, n_photos: int) -> bool:
    """Return whether there are seeds and photographs enough for a verdict."""
    return n_seeds >= MIN_SEEDS and n_photos >= MIN_PHOTOS


def difference_rows(measured: Measured, objectives: Sequence[str]) -> list[DifferenceRow]:
    """Compare every test of objectives, first with second in the order given, corrected together by Holm."""
    tests = corrected([_test(measured, first, second) for first, second in combinations(objectives, 2)])
    n_tests = sum(test.difference is not None for test in tests)
    return [_row(measured, test, n_tests=n_tests) for test in tests]


def _test(measured: Measured, first: str, second: str) -> PairedTest:
    return PairedTest(
        first=first,
        second=second,
        sample=measured.paired({first: 1.0, second: -1.0}),
        toward_better=measured.toward_better,
        midpoint=None if measured.toward_better else measured.paired({first: 0.5, second: 0.5}, truth=-1.0),
    )


def _row(measured: Measured, test: PairedTest, *, n_tests: int) -> DifferenceRow:
    sample, difference, span = test.sample, test.difference, measured.span
    interval = None if difference is None else difference.interval(LEVEL)
    n_seeds, n_photos = (0, 0) if sample is None else (len(sample.seeds), sample.n_photos)
    decidable = difference is not None and enough(n_seeds, n_photos)
    won = decidable and test.is_decided
    return DifferenceRow(
        metric=measured.facts.name,
        color_space=measured.color_space,
        first=test.first,
        second=test.second,
        mean=None if sample is None or not sample.seed_values.size else float(sample.seed_values.mean()),
        ci_low=None if interval is None else interval.low,
        ci_high=None if interval is None else interval.high,
        p=None if interval is None else interval.p,
        p_holm=test.p_holm,
        winner=test.better if won else None,
        equivalent=_equivalence(difference, span, test.p_holm) if decidable else "undecided",
        span=span,
        seed_sd=_seed_spread(measured, test),
        detectable=None
        if difference is None
        else detectable_difference(difference, alpha=ALPHA / n_tests, power=POWER),
        n_photos=n_photos,
        n_seeds=n_seeds,
        reason=_reason(measured, test, decidable=decidable, unclear=not won and (test.p_holm or 1.0) < ALPHA),
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


def _seed_spread(measured: Measured, test: PairedTest) -> float | None:
    """Return the pooled standard deviation of the two objectives' seed means; None with one seed."""
    if test.sample is None or len(test.sample.seeds) < 2:
        return None
    samples = [measured.paired({name: 1.0}) for name in (test.first, test.second)]
    variances = [sample.seed_values.var(ddof=1) for sample in samples if sample is not None and sample.seed_values.size]
    return float(np.sqrt(np.mean(variances))) if variances else None


def _reason(measured: Measured, test: PairedTest, *, decidable: bool, unclear: bool) -> str | None:
    """Say what keeps a verdict or an interval away, and what was left out."""
    said = [text for text in (measured.photos_left_out, measured.seeds_left_out) if text]
    if test.sample is None:
        absent = [name for name in (test.first, test.second) if name not in measured.samples]
        why = [f"{name}: {measured.reasons.get(name, 'no value')}" for name in absent]
        said = why or ["no seed is finished for every objective"]
    elif test.difference is None:
        said.append("no interval can be had from a single value")
    elif not decidable:
        said.append(TOO_FEW)
    elif not measured.span:
        said.append("no span from gray to the best objective to compare with")
    elif unclear and test.closer:
        said.append("they differ, but which of the two is closer to the truth is not clear")
    elif test.difference.n_seeds == 1:
        said.append("one seed: the interval knows nothing of other seeds")
    return "; ".join(said) or None
