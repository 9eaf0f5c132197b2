"""Which pair next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from chromalab.stats.active_sampling import (
    Posterior,
    expected_information_gain,
    laplace_posterior,
    pair_probabilities,
    spanning_pairs,
)
from chromalab.stats.preference import Votes, fit_preferences


def entropy(p: float) -> float:
    return float(special.entr(p) + special.entr(1 - p))


def test_the_gain_equals_its_integral() -> None:
    posterior = Posterior(np.array([0.4, -0.3]), np.array([[0.8, 0.2], [0.2, 0.5]]))
    d = stats.norm(0.7, np.sqrt(0.8 + 0.5 - 0.4))
    mean = integrate.quad(lambda x: d.pdf(x) * special.expit(x), -12, 12)[0]
    inside = integrate.quad(lambda x: d.pdf(x) * entropy(special.expit(x)), -12, 12)[0]
    assert expected_information_gain(posterior)[0, 1] == pytest.approx(entropy(mean) - inside, abs=1e-6)


def test_the_posterior_is_the_map_estimate_and_its_curvature() -> None:
    wins = np.array([[0, 3, 2], [1, 0, 6], [4, 0, 0]], dtype=float)
    found = laplace_posterior(wins, prior_sd=1.2)
    assert np.allclose(found.mean, fit_preferences(Votes.from_wins(wins), prior_sd=1.2, order=False).theta, atol=1e-7)
    p = special.expit(found.mean[:, None] - found.mean)
    weight = (wins + wins.T) * p * (1 - p)
    assert np.allclose(np.linalg.inv(found.covariance), np.diag(weight.sum(1)) - weight + np.eye(3) / 1.44, atol=1e-6)


def test_uncertain_and_close_pairs_are_preferred() -> None:
    wins = np.zeros((4, 4))
    wins[0, 1] = wins[1, 0] = 200  # 0 and 1 are known to be equal; 2 beats 3 always; 2 and 0 never met
    wins[2, 3] = 200
    gain = expected_information_gain(laplace_posterior(wins))
    assert gain[0, 2] > gain[0, 1]
    assert gain[0, 2] > gain[2, 3]
    assert np.array_equal(np.diag(gain), np.zeros(4))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.integers(0, 1000), st.floats(0, 1))
def test_probabilities_of_choice(m: int, seed: int, exploration: float) -> None:
    gain = np.random.default_rng(seed).random((m, m))
    gain = gain + gain.T
    found = pair_probabilities(gain, exploration=exploration)
    assert found.sum() == pytest.approx(1)
    upper = np.triu_indices(m, 1)
    assert (found[upper] >= exploration / len(upper[0]) - 1e-12).all()
    assert (np.tril(found) == 0).all()
    tree = spanning_pairs(gain)
    assert len(tree) == m - 1
    assert {place for pair in tree for place in pair} == set(range(m))


def test_the_tree_is_the_heaviest() -> None:
    gain = np.array([[0, 5, 1], [5, 0, 3], [1, 3, 0]], dtype=float)
    assert spanning_pairs(gain) == [(0, 1), (1, 2)]
    assert spanning_pairs(np.zeros((3, 3))) != []
