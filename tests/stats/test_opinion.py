"""Mean opinion scores."""

from __future__ import annotations

import numpy as np
import pytest

from chromalab.stats.opinion import bt500_rejected, rater_model


def _simulated(
    seed: int = 0, raters: int = 24, stimuli: int = 60
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    psi, bias, spread = (
        generator.uniform(1.5, 4.5, stimuli),
        generator.normal(0, 0.4, raters),
        generator.uniform(0.3, 1.2, raters),
    )
    bias -= bias.mean()
    ratings = psi + bias[:, None] + spread[:, None] * generator.normal(size=(raters, stimuli))
    return ratings, psi, bias, spread


def test_parameters_come_back() -> None:
    ratings, psi, bias, spread = _simulated()
    found = rater_model(ratings)
    assert np.corrcoef(found.quality, psi)[0, 1] > 0.98
    assert np.abs(found.bias - bias).max() < 0.35
    assert np.corrcoef(found.inconsistency, spread)[0, 1] > 0.9
    assert found.bias.mean() == pytest.approx(0, abs=1e-9)
    assert np.abs(found.quality - psi).mean() < np.abs(ratings.mean(axis=0) - psi).mean()


def test_missing_ratings() -> None:
    ratings, psi, _, _ = _simulated()
    generator = np.random.default_rng(1)
    ratings[generator.random(ratings.shape) < 0.5] = np.nan
    assert np.corrcoef(rater_model(ratings).quality, psi)[0, 1] > 0.96
    ratings[:, 0] = np.nan
    assert np.isnan(rater_model(ratings).quality[0])


def test_the_solution_is_a_fixed_point_of_the_three_equations() -> None:
    ratings, *_ = _simulated(3)
    found = rater_model(ratings)
    left = ratings - found.quality - found.bias[:, None]
    assert np.allclose(found.inconsistency, left.std(axis=1), atol=1e-5)
    weights = found.inconsistency[:, None] ** -2
    assert np.allclose(found.quality, (weights * (ratings - found.bias[:, None])).sum(0) / weights.sum(), atol=1e-5)
    assert np.allclose(found.bias, (ratings - found.quality).mean(axis=1), atol=1e-5)


def test_nothing_to_rate() -> None:
    with pytest.raises(ValueError, match="at least one rating"):
        rater_model(np.full((2, 2), np.nan))


def test_erratic_raters_are_rejected_and_severe_ones_are_not() -> None:
    generator = np.random.default_rng(0)
    ratings = 3 + generator.normal(0, 0.5, size=(30, 100))
    ratings[0] = np.where(np.arange(100) % 2, 1.6, 4.4)
    ratings[1] -= 1.5
    rejected = bt500_rejected(ratings)
    assert rejected[0]
    assert not rejected[1:].any()


def test_a_rater_without_outliers_divides_by_nothing() -> None:
    assert not bt500_rejected(np.full((5, 4), 3.0)).any()
