"""Estimates, t intervals and the jackknife."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from chromalab.stats.intervals import (
    Estimate,
    StandardError,
    jackknife_estimate,
    jackknife_variance,
    satterthwaite,
    t_estimate,
    t_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def leave_groups_out(values: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    """Return the mean without each group in turn; value k belongs to group k mod groups."""
    group = np.arange(values.size) % groups
    return np.array([values[group != left].mean() for left in range(groups)])


def frechet(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared Fréchet distance of one-dimensional features (..., N) to the standard normal."""
    distance: NDArray[np.float64] = features.mean(axis=-1) ** 2 + (features.std(axis=-1) - 1) ** 2
    return distance


def test_of_a_mean_it_is_the_classical_variance() -> None:
    values = np.random.default_rng(0).normal(size=23)
    assert jackknife_variance(leave_groups_out(values, 23)) == pytest.approx(values.var(ddof=1) / 23)


def test_of_equal_groups_it_is_the_variance_of_the_group_means() -> None:
    values = np.random.default_rng(1).normal(size=40)
    group_means = values.reshape(4, 10).mean(axis=0)
    assert jackknife_variance(leave_groups_out(values, 10)) == pytest.approx(group_means.var(ddof=1) / 10)


def test_both_sources_add_up() -> None:
    values, replicates = np.array([1.0, 2.0, 4.0]), np.array([[1.0, 1.4], [2.0, 2.2], [4.0, 4.6]])
    estimate = jackknife_estimate(values, replicates, n_photos=30)
    # Seed-averaged replicates 7/3 and 8.2/3: variance (1/2) * 2 * 0.2^2 = 0.04; seeds: var 7/3 over 3 = 7/9.
    total = 0.04 + 7 / 9
    both, seeds = estimate.errors
    assert both.value == pytest.approx(math.sqrt(total))
    assert both.df == pytest.approx(total**2 / (0.04**2 / 1 + (7 / 9) ** 2 / 2))
    assert seeds.value == pytest.approx(math.sqrt(7 / 9))
    assert seeds.df == 2
    assert estimate.mean == pytest.approx(7 / 3)


def test_one_seed_rests_on_photographs_and_no_replicates_on_seeds() -> None:
    alone = jackknife_estimate([5.0], [[4.9, 5.1, 5.0]], n_photos=30)
    assert (alone.errors[0].df, alone.has_seed_variance) == (2, False)
    seeds = jackknife_estimate([5.0, 6.0, 8.0], None, n_photos=30)
    assert seeds.interval().low == pytest.approx(t_interval([5.0, 6.0, 8.0]).low)


def test_identical_objectives_differ_by_nothing() -> None:
    interval = jackknife_estimate([0.0, 0.0], np.zeros((2, 20)), n_photos=60).interval()
    assert (interval.low, interval.high, interval.p) == (0.0, 0.0, 1.0)


def test_what_has_no_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to estimate"):
        jackknife_estimate([1.0], None, n_photos=30)
    with pytest.raises(ValueError, match="replicates of 2 seeds"):
        jackknife_estimate([1.0, 2.0], [[1.0, 2.0]], n_photos=30)
    with pytest.raises(ValueError, match="2 groups"):
        jackknife_variance([1.0])
    with pytest.raises(ValueError, match="finite"):
        jackknife_estimate([1.0, math.nan], None, n_photos=30)


@pytest.mark.parametrize("seed_sd", [0.0, 0.1, 0.5])
def test_the_difference_of_two_frechet_distances_is_covered(seed_sd: float) -> None:
    """Two objectives, 3 seeds, 60 photographs: the 95% interval covers the true difference at least .93 of the time."""
    rng = np.random.default_rng(2)
    repetitions, seeds, photos, groups = 1500, 3, 60, 20
    scene = rng.normal(size=(repetitions, 1, 1, photos))
    means = np.array([0.3, 0.6])[:, None, None] + seed_sd * rng.normal(size=(repetitions, 2, seeds, 1))
    features = means + scene + 0.3 * rng.normal(size=(repetitions, 2, seeds, photos))
    kept = [np.arange(photos) % groups != left for left in range(groups)]
    values = frechet(features)
    replicates = np.stack([frechet(features[..., keep]) for keep in kept], axis=-1)
    # E over seeds of the squared mean is mean^2 + seed_sd^2, and the spread is common: the truth is .6^2 - .3^2 = .27.
    covered = 0
    for value, replicate in zip(values, replicates, strict=True):
        interval = jackknife_estimate(value[1] - value[0], replicate[1] - replicate[0], n_photos=photos).interval()
        covered += interval.low <= 0.27 <= interval.high
    assert covered / repetitions >= 0.93


def test_an_interval_respects_the_least_possible_mean() -> None:
    estimate = t_estimate([0.0, 0.0, 0.0, 0.4])
    plain, bounded = estimate.interval(), estimate.interval(low=0.0)
    assert plain.low < 0 < bounded.low < bounded.mean < plain.high < bounded.high
    assert bounded.low * bounded.high == pytest.approx(bounded.mean**2)
    # Far from the bound nothing changes.
    assert t_estimate([10.0, 11.0, 12.0]).interval(low=0.0) == t_estimate([10.0, 11.0, 12.0]).interval()
    # A bound that is not 0, and a mean at the bound, which has no logarithm.
    assert estimate.interval(low=-0.05).low > -0.05
    assert t_estimate([0.0, 0.0]).interval(low=0.0).low == 0.0


def test_bounded_intervals_of_skewed_errors_cover_as_well_as_symmetric_ones() -> None:
    rng = np.random.default_rng(0)
    samples = rng.exponential(size=(4000, 4))
    intervals = [t_estimate(sample).interval(low=0.0) for sample in samples]
    symmetric = [t_estimate(sample).interval() for sample in samples]
    covered = np.mean([each.low <= 1 <= each.high for each in intervals])
    assert covered >= np.mean([each.low <= 1 <= each.high for each in symmetric]) - 0.005
    assert all(each.low >= 0 for each in intervals)
