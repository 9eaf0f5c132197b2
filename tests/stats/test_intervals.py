"""Intervals of means over photos, over seeds and over both, and the jackknife, against references and simulations."""

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
    mean_squares,
    satterthwaite,
    t_estimate,
    t_interval,
    two_way_estimate,
    variance_of_mean,
)
from tools.benchmarks.coverage import Cell, half_widths, simulate

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


def test_t_estimate_names_its_source() -> None:
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


def test_too_few_or_infinite_values_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be estimated"):
        jackknife_estimate([1.0], None, n_photos=30)
    with pytest.raises(ValueError, match="replicates of 2 seeds"):
        jackknife_estimate([1.0, 2.0], [[1.0, 2.0]], n_photos=30)
    with pytest.raises(ValueError, match="2 groups"):
        jackknife_variance([1.0])
    with pytest.raises(ValueError, match="finite"):
        jackknife_estimate([1.0, math.nan], None, n_photos=30)


@pytest.mark.slow
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
    # Two values far apart: twelve times the mean to each side.
    wide = t_estimate([0.001, 10.0])
    assert (wide.interval(low=0.0).low, wide.interval(low=0.0).high) == (0.0, wide.interval().high)


@pytest.mark.slow
def test_bounded_intervals_of_skewed_errors_cover_as_well_as_symmetric_ones() -> None:
    rng = np.random.default_rng(0)
    samples = rng.exponential(size=(4000, 4))
    intervals = [t_estimate(sample).interval(low=0.0) for sample in samples]
    symmetric = [t_estimate(sample).interval() for sample in samples]
    covered = np.mean([each.low <= 1 <= each.high for each in intervals])
    assert covered >= np.mean([each.low <= 1 <= each.high for each in symmetric]) - 0.005
    assert all(each.low >= 0 for each in intervals)


# Shrout & Fleiss (1979), "Intraclass correlations: uses in assessing rater reliability", table 2: 6 targets (rows)
# rated by 4 judges (columns). Table 3 gives the mean squares: targets 11.24, judges 32.49, residual 1.02.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
).T


@st.composite
def tables(draw: st.DrawFn) -> NDArray[np.float64]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    seeds, photos = draw(st.integers(2, 5)), draw(st.integers(2, 12))
    scales = [draw(st.sampled_from([0.0, 0.1, 1.0, 10.0])) for _ in range(2)]
    seed, photo = scales[0] * rng.normal(size=(seeds, 1)), scales[1] * rng.normal(size=(1, photos))
    return np.asarray(rng.normal() + seed + photo + rng.normal(size=(seeds, photos)))


def test_mean_squares_of_a_published_table() -> None:
    squares = mean_squares(SHROUT_FLEISS)
    assert float(squares.seeds) == pytest.approx(32.49, abs=0.005)
    assert float(squares.photos) == pytest.approx(11.24, abs=0.005)
    assert float(squares.residual) == pytest.approx(1.02, abs=0.005)


def test_variance_and_degrees_of_freedom_of_a_published_table() -> None:
    # By hand from the published mean squares: (32.49 + 11.24 - 1.02) / 24 = 1.780 and
    # 42.71^2 / (32.49^2 / 3 + 11.24^2 / 5 + 1.02^2 / 15) = 4.84.
    variance, df = variance_of_mean(mean_squares(SHROUT_FLEISS))
    assert float(variance) == pytest.approx(1.780, abs=0.001)
    assert float(df) == pytest.approx(4.84, abs=0.01)
    estimate = two_way_estimate(SHROUT_FLEISS)
    assert estimate.mean == pytest.approx(SHROUT_FLEISS.mean())
    assert estimate.errors[0].value == pytest.approx(math.sqrt(1.780), abs=0.001)


@given(tables())
def test_mean_squares_agree_with_least_squares(table: NDArray[np.float64]) -> None:
    seeds, photos = table.shape
    seed, photo = (index.ravel() for index in np.indices(table.shape))
    one, by_seed, by_photo = np.ones((table.size, 1)), np.eye(seeds)[seed], np.eye(photos)[photo]

    def residual_sum(*columns: NDArray[np.float64]) -> float:
        design = np.hstack(columns)
        fitted = design @ np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
        return float(((table.ravel() - fitted) ** 2).sum())

    both = residual_sum(one, by_seed, by_photo)
    squares = mean_squares(table)
    assert float(squares.residual) == pytest.approx(both / ((seeds - 1) * (photos - 1)), rel=1e-6, abs=1e-9)
    assert float(squares.seeds) == pytest.approx((residual_sum(one, by_photo) - both) / (seeds - 1), rel=1e-6, abs=1e-9)
    assert float(squares.photos) == pytest.approx(
        (residual_sum(one, by_seed) - both) / (photos - 1), rel=1e-6, abs=1e-9
    )


@given(tables())
def test_never_narrower_than_the_seed_means_alone_nor_less_variance_than_one_factor(
    table: NDArray[np.float64],
) -> None:
    interval = two_way_estimate(table).interval()
    over_seeds = t_interval(table.mean(axis=1))
    assert interval.low <= over_seeds.low + 1e-9
    assert interval.high >= over_seeds.high - 1e-9
    assert interval.p >= over_seeds.p - 1e-9
    variance, _ = variance_of_mean(mean_squares(table))
    one_way = [table.mean(axis=1).var(ddof=1) / table.shape[0], table.mean(axis=0).var(ddof=1) / table.shape[1]]
    assert float(variance) >= max(one_way) - 1e-12


@given(tables(), st.floats(0.01, 100), st.floats(-100, 100))
@settings(max_examples=50)
def test_moves_and_stretches_with_the_values(table: NDArray[np.float64], factor: float, shift: float) -> None:
    before, after = two_way_estimate(table).interval(), two_way_estimate(factor * table + shift).interval()
    assert after.low == pytest.approx(factor * before.low + shift, rel=1e-6, abs=1e-6)
    assert after.error.df == pytest.approx(before.error.df, rel=1e-6)


@given(tables(), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_does_not_hang_on_the_order(table: NDArray[np.float64], shuffle: int) -> None:
    rng = np.random.default_rng(shuffle)
    shuffled = rng.permutation(rng.permutation(table, axis=0), axis=1)
    assert two_way_estimate(shuffled).interval().high == pytest.approx(two_way_estimate(table).interval().high)
    assert two_way_estimate(-table).interval().low == pytest.approx(-two_way_estimate(table).interval().high)


def test_negative_components_fall_back_on_the_larger_one_way_variance() -> None:
    # A checkerboard: all seed means and all photo means are 0, so both components are estimated below 0.
    checkerboard = np.array([[1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]])
    variance, _ = variance_of_mean(mean_squares(checkerboard))
    assert float(variance) == 0.0
    # Photographs alone vary less than the residual: the seeds' variance and its one degree of freedom remain.
    tilted = checkerboard + np.array([[2.0], [-2.0]])
    variance, df = variance_of_mean(mean_squares(tilted))
    assert float(variance) == pytest.approx(np.var([2.0, -2.0], ddof=1) / 2)
    assert float(df) == 1


def test_one_seed_gives_an_interval_over_photos_without_seed_variance() -> None:
    row = [1.0, 4.0, 2.0, 8.0]
    estimate = two_way_estimate([row])
    assert not estimate.has_seed_variance
    assert estimate.interval() == t_interval(row)
    assert (estimate.n_seeds, estimate.n_photos) == (1, 4)


def test_one_photograph_is_over_seeds() -> None:
    estimate = two_way_estimate([[1.0], [4.0], [2.0]])
    assert estimate.interval().high == pytest.approx(t_interval([1.0, 4.0, 2.0]).high)
    assert (estimate.n_seeds, estimate.n_photos) == (3, 1)


def test_zeros_and_constants() -> None:
    zero = two_way_estimate(np.zeros((3, 5))).interval()
    assert (zero.low, zero.high, zero.p) == (0.0, 0.0, 1.0)
    two = two_way_estimate(np.full((3, 5), 2.0)).interval()
    assert (two.low, two.high, two.p) == (2.0, 2.0, 0.0)


@pytest.mark.parametrize("table", [[[1.0]], [[1.0, math.nan]], [[1.0, math.inf], [0.0, 1.0]], [1.0, 2.0], [[]]])
def test_tables_without_an_interval_are_refused(table: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"at least|finite|dimension"):
        two_way_estimate(table)


def test_the_simulated_intervals_are_those_of_the_estimate() -> None:
    drawn = Cell(seeds=3, photos=7, seed_variance=0.5, residual_variance=1.0).draw(np.random.default_rng(0), 5)
    halves = half_widths(drawn)["ours"]
    for table, half in zip(drawn, halves, strict=True):
        interval = two_way_estimate(table).interval()
        assert (interval.high - interval.low) / 2 == pytest.approx(half)


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("ratio", [0.0, 0.1, 1.0, 30.0])
def test_nominal_95_percent_covers_at_least_93(seeds: int, ratio: float) -> None:
    # 4,000 repetitions: the standard error of a coverage of .945 is .0036. Full table: tools/benchmarks/coverage.py.
    cell = Cell(seeds, photos=20, seed_variance=ratio, residual_variance=0.5)
    assert simulate(cell, 4000, np.random.default_rng(seeds)).ours > 0.93


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("residual", [0.0, 1.0])
def test_coverage_where_neither_seeds_nor_photographs_dominate(seeds: int, residual: float) -> None:
    for ratio in (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
        cell = Cell(seeds, photos=60, seed_variance=ratio * seeds / 60, residual_variance=residual)
        assert simulate(cell, 20_000, np.random.default_rng(1)).ours > 0.93


def test_the_crossed_bootstrap_covers_too_little_when_seeds_matter() -> None:
    cell = Cell(seeds=2, photos=60, seed_variance=0.3, residual_variance=1.0)
    found = simulate(cell, 1000, np.random.default_rng(0), bootstrap_repetitions=1000)
    assert found.bootstrap < 0.85
    assert found.ours > 0.93
