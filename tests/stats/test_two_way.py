from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromalab.stats.intervals import t_interval
from chromalab.stats.two_way import mean_squares, two_way_estimate, variance_of_mean
from tools.benchmarks.coverage import Cell, half_widths, simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def test_one_seed_is_over_photographs_and_says_that_it_knows_no_seed_variance() -> None:
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
