from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from chromalab.stats.intervals import Estimate, StandardError, satterthwaite, t_estimate, t_interval

SAMPLES = st.lists(st.floats(-100, 100).map(lambda value: round(value, 3)), min_size=2, max_size=20)


@given(SAMPLES, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_t_interval_agrees_with_scipy(values: list[float], level: float) -> None:
    if len(set(values)) == 1:
        return
    expected = stats.ttest_1samp(values, 0.0)
    low, high = expected.confidence_interval(level)
    interval = t_interval(values, level)
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9)
    assert interval.p == pytest.approx(expected.pvalue, rel=1e-8, abs=1e-300)
    assert interval.error.df == len(values) - 1


@given(SAMPLES, st.floats(0.01, 100), st.floats(-100, 100))
def test_t_interval_moves_and_stretches_with_the_values(values: list[float], factor: float, shift: float) -> None:
    before = t_interval(values)
    after = t_interval([factor * value + shift for value in values])
    expected = (factor * before.low + shift, factor * before.high + shift)
    assert (after.low, after.high) == pytest.approx(expected, rel=1e-6, abs=1e-5)


@given(st.permutations([1.0, 2.5, -3.0, 7.0, 0.125]))
def test_t_interval_does_not_hang_on_the_order(values: list[float]) -> None:
    assert t_interval(values).low == pytest.approx(t_interval([1.0, 2.5, -3.0, 7.0, 0.125]).low)


@given(
    st.floats(-10, 10).filter(lambda mean: abs(mean) > 0.01),
    st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.5, 100)), min_size=1, max_size=3),
)
@settings(max_examples=50)
def test_zero_lies_at_the_edge_of_the_interval_of_level_one_minus_p(
    mean: float, errors: list[tuple[float, float]]
) -> None:
    estimate = Estimate(mean, tuple(StandardError(value, df, "photos") for value, df in errors), 1, 10)
    if 1e-12 < estimate.p < 1 - 1e-9:
        interval = estimate.interval(1 - estimate.p)
        assert min(abs(interval.low), abs(interval.high)) == pytest.approx(0, abs=1e-5 * abs(mean))


def test_the_widest_error_decides_at_each_level() -> None:
    few_seeds, many_photos = StandardError(1.0, 1, "seeds"), StandardError(2.0, 1000, "photos")
    estimate = Estimate(0.0, (few_seeds, many_photos), 2, 1001)
    # t quantiles at 50% and 95%: 1.0 and 12.706 for one degree of freedom, 0.675 and 1.962 for a thousand.
    assert estimate.interval(0.5).error is many_photos
    assert estimate.interval(0.95).error is few_seeds
    assert estimate.interval(0.95).high == pytest.approx(12.706, abs=1e-3)


def test_constant_values_have_an_interval_of_one_point() -> None:
    zero = t_interval([0.0, 0.0, 0.0])
    assert (zero.low, zero.high, zero.p) == (0.0, 0.0, 1.0)
    two = t_interval([2.0, 2.0])
    assert (two.low, two.high, two.p) == (2.0, 2.0, 0.0)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]]])
def test_values_without_an_interval_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"at least|finite|dimension"):
        t_interval(values)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_levels_outside_of_0_to_1_are_refused(level: float) -> None:
    with pytest.raises(ValueError, match="confidence level"):
        t_interval([1.0, 2.0], level)


def test_estimates_need_finite_numbers_and_an_error() -> None:
    with pytest.raises(ValueError, match="at least one standard error"):
        Estimate(0.0, (), 1, 1)
    with pytest.raises(ValueError, match="finite"):
        Estimate(math.nan, (StandardError(1.0, 1, "photos"),), 1, 1)


def test_satterthwaite_gives_the_degrees_of_freedom_of_welch() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=7), 3 * rng.normal(size=12)
    parts = [np.asarray(sample.var(ddof=1) / sample.size) for sample in (one, other)]
    expected = stats.ttest_ind(one, other, equal_var=False).df
    assert float(satterthwaite(parts, (6, 11))) == pytest.approx(expected)


def test_satterthwaite_of_no_variance_is_the_fewest() -> None:
    assert satterthwaite([np.zeros(2), np.zeros(2)], (3, 5)).tolist() == [3, 3]


def test_t_estimate_says_what_the_values_were() -> None:
    seeds, photos = t_estimate([1.0, 2.0], source="seeds"), t_estimate([1.0, 2.0])
    assert (seeds.n_seeds, seeds.n_photos, seeds.has_seed_variance) == (2, 1, True)
    assert (photos.n_seeds, photos.n_photos, photos.has_seed_variance) == (1, 2, False)
