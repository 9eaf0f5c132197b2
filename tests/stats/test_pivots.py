"""Intervals and tests that follow from one function: published numbers, closed forms, SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from chromalab.stats.pivots import BoundedMean, MeanDifference, Pivot, StudentT


@pytest.mark.parametrize(("hits", "n"), [(465, 1440), (0, 12), (12, 12), (1, 3), (0, 30)])
def test_wilsons_interval_of_independent_votes_is_scipys(hits: int, n: int) -> None:
    theirs = scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert BoundedMean(hits / n, n, math.inf).bounds(0.95) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_no_hits_have_the_closed_form_with_students_quantile() -> None:
    """At 0 hits, Wilson's upper end is t^2 / (n + t^2)."""
    t = scipy.stats.t.ppf(0.975, 4)
    assert BoundedMean(0.0, 20.0, 4).bounds(0.95) == pytest.approx((0.0, t**2 / (20 + t**2)))


def test_other_limits_only_scale_the_interval() -> None:
    share, rating = BoundedMean(0.25, 8, 5), BoundedMean(2.0, 8, 5, 1.0, 5.0)
    assert rating.bounds(0.9) == pytest.approx([1 + 4 * end for end in share.bounds(0.9)])
    assert rating.exceeds_p(3.0) == pytest.approx(share.exceeds_p(0.5))
    assert rating.se == pytest.approx(4 * math.sqrt(0.25 * 0.75 / 8))


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_differences_of_rates_are_newcombes(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe (1998), "Interval estimation for the difference between independent proportions", table II, no. 10."""
    mean, other = (BoundedMean(hits / n, n, math.inf) for hits, n in (first, second))
    assert MeanDifference(mean, other).bounds(0.95) == pytest.approx((low, high), abs=5e-5)


def test_students_t_is_scipys() -> None:
    values = np.random.default_rng(0).normal(0.4, 1.0, 12)
    pivot = StudentT(float(values.mean()), float(values.std(ddof=1) / 12**0.5), 11)
    theirs = scipy.stats.ttest_1samp(values, 0.0)
    assert pivot.p_value() == pytest.approx(theirs.pvalue)
    assert pivot.bounds(0.95) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    sides = (
        scipy.stats.ttest_1samp(values, -1.0, alternative="greater").pvalue,
        scipy.stats.ttest_1samp(values, 1.0, alternative="less").pvalue,
    )
    assert pivot.equivalence_p(1.0) == pytest.approx(max(sides))


def test_a_standard_error_of_zero_shows_nothing() -> None:
    pivot = StudentT(0.3, 0.0, 5)
    assert pivot.p_value() == 1.0
    assert pivot.equivalence_p(1.0) == 0.5


SHARES = st.sampled_from([0.0, 1.0]) | st.floats(1e-3, 1 - 1e-3)
"""Nearer to a limit, an end of an interval has too few digits to be compared."""


@settings(max_examples=60, deadline=None)
@given(SHARES, SHARES, st.floats(1, 300), st.sampled_from([1, 2, 5, 30, math.inf]), st.floats(-0.9, 0.9))
def test_intervals_stay_in_range_and_agree_with_their_tests(
    first: float, second: float, n: float, df: float, correlation: float
) -> None:
    mean, other = BoundedMean(first, n, df), BoundedMean(second, n, df)
    pivots: list[tuple[Pivot, float, float]] = [
        (mean, 0.0, 1.0),
        (MeanDifference(mean, other, correlation), -1.0, 1.0),
    ]
    for pivot, least, most in pivots:
        low, high = pivot.bounds(0.95)
        assert least <= low <= pivot.value + 1e-9
        assert pivot.value - 1e-9 <= high <= most
        assert high > low
        if least < low < pivot.value:
            assert pivot.exceeds_p(low) == pytest.approx(0.025, abs=1e-6)
        if pivot.value < high < most:
            assert pivot.exceeds_p(high) == pytest.approx(0.975, abs=1e-6)
