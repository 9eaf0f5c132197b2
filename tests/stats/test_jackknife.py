from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from chromalab.stats.intervals import t_interval
from chromalab.stats.jackknife import jackknife_estimate, jackknife_variance

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
