"""Intervals over people and photographs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from chromalab.stats.clusters import (
    TwoWay,
    assumed_design_effect,
    observed_design_effect,
    resampled_covariance,
    two_way,
)


def _mean(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[:, :1] / sums[:, 1:])


def test_a_mean_of_independent_values_has_its_textbook_variance() -> None:
    values = np.random.default_rng(0).normal(size=400)
    sums = sparse.csr_matrix(np.column_stack([values, np.ones(400)]))
    found = resampled_covariance(sums, _mean, draws=4000)
    assert found[0, 0] == pytest.approx(values.var() / 400, rel=0.08)


@pytest.mark.slow
def test_the_crossed_model_gives_back_its_variance() -> None:
    """x_pn = a_p + b_n + e: Var(mean) = var_a / P + var_b / N + var_e / (P N)."""
    generator = np.random.default_rng(1)
    people, photos = np.repeat(np.arange(60), 50), np.tile(np.arange(50), 60)
    found, naive = [], []
    for _ in range(12):
        values = (
            generator.normal(0, 1, 60)[people] + generator.normal(0, 0.7, 50)[photos] + generator.normal(0, 1, 3000)
        )
        sums = sparse.csr_matrix(np.column_stack([values, np.ones(3000)]))
        result = two_way(sums, people.tolist(), photos.tolist(), _mean, draws=400)
        found.append(result.variance(np.ones(1)))
        naive.append(float(result.votes[0, 0]))
    assert np.mean(found) == pytest.approx(1 / 60 + 0.49 / 50 + 1 / 3000, rel=0.2)
    assert np.mean(naive) < 0.1 * np.mean(found)


def test_never_below_either_alone_and_never_negative() -> None:
    small, large = np.array([[1.0]]), np.array([[3.0]])
    result = TwoWay(participants=small, photos=small, votes=large, n_participants=10, n_photos=5)
    assert result.combined[0, 0] == 0
    assert result.variance(np.ones(1)) == 1
    assert result.df == 4


def test_one_person_or_one_photograph() -> None:
    sums = sparse.csr_matrix(np.column_stack([np.arange(6.0), np.ones(6)]))
    alone = two_way(sums, [0] * 6, [0, 0, 1, 1, 2, 2], _mean, draws=200)
    assert alone.participants is None
    assert alone.df == 2
    assert two_way(sums, [0] * 6, [0] * 6, _mean, draws=200).df == np.inf


def test_the_same_seed_gives_the_same_interval() -> None:
    sums = sparse.csr_matrix(np.random.default_rng(0).random((40, 2)))
    assert np.array_equal(resampled_covariance(sums, _mean, draws=300), resampled_covariance(sums, _mean, draws=300))


def test_the_assumed_design_effect_is_kishs() -> None:
    """Kish (1965): 1 + (m - 1) rho for clusters of m votes, here once for people and once for photographs."""
    people, photos = np.repeat(np.arange(4), 6), np.tile(np.arange(6), 4)
    assert assumed_design_effect(people.tolist(), photos.tolist()) == pytest.approx(1 + 5 * 0.1 + 3 * 0.1)


def test_the_observed_design_effect() -> None:
    people, photos = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
    alike = np.random.default_rng(0).normal(size=40)[people]
    assert observed_design_effect(alike, people.tolist(), photos.tolist()) == pytest.approx(5 * 40 / 39, rel=0.05)
    assert observed_design_effect(np.ones(200), people.tolist(), photos.tolist()) == 0


def test_a_method_that_some_draws_lack() -> None:
    """Ten participants see one method each, so hardly a draw has all methods. Variances are those of the own votes."""
    generator = np.random.default_rng(0)
    values = generator.random((10, 30))
    rows = [[value if k == j else 0.0 for j in range(10)] + [float(k == j) for j in range(10)]
            for k in range(10) for value in values[k]]  # fmt: skip

    def means(sums: np.ndarray) -> np.ndarray:
        n = sums[:, 10:]
        return np.asarray(np.divide(sums[:, :10], n, out=np.full((len(sums), 10), np.nan), where=n > 0))

    table, people = sparse.csr_matrix(np.array(rows)), np.repeat(np.arange(10), 30).tolist()
    found = two_way(table, people, list(range(30)) * 10, means, draws=300)
    assert found.participants is not None
    assert np.isfinite(found.participants).all()
    assert float(found.votes[0, 0]) == pytest.approx(values[0].var() / 30, rel=0.3)
