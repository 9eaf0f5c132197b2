"""Rankings against an independent implementation, a general optimizer, and the model of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from scipy import optimize, special

from chromalab.stats.preference import NoEstimateError, Votes, fit_preferences
from chromalab.stats.ranking import Choices, RankingPosterior, fit_rankings, log_likelihood, successive_choices

RANKINGS = [(0, 1, 2), (0, 1, 2), (0, 2, 3), (1, 0, 3), (3, 2, 0), (2, 1, 3, 0), (3, 1), (1, 3, 2, 0), (0, 3, 1, 2)]


def counted(rankings: Sequence[Sequence[int]], m: int) -> tuple[Choices, np.ndarray]:
    cells: dict[tuple[int, ...], np.ndarray] = {}
    wins = np.zeros((m, m))
    for ranking in rankings:
        for members, item in successive_choices(ranking):
            cells.setdefault(members, np.zeros(m))[item] += 1
        for better, worse in combinations(ranking, 2):
            wins[better, worse] += 1
    sets = np.array([[k in each for k in range(m)] for each in cells])
    return Choices(sets, np.array(list(cells.values()))), wins


def test_partial_rankings_of_several_lengths() -> None:
    """choix 0.4.1: ilsr_rankings(4, RANKINGS) and log_likelihood_rankings."""
    choices, wins = counted(RANKINGS, 4)
    theta = fit_rankings(choices, wins)
    assert theta == pytest.approx([-0.05676431, 0.39791725, -0.40654283, 0.06538988], abs=1e-7)
    assert float(log_likelihood(choices, theta)) == pytest.approx(-18.51517209438431, abs=1e-10)


def test_a_prior_against_a_general_optimizer() -> None:
    def lost(theta: np.ndarray) -> float:
        steps = (ranking[place:] for ranking in RANKINGS for place in range(len(ranking) - 1))
        fit = sum(theta[rest[0]] - special.logsumexp([theta[k] for k in rest]) for rest in steps)
        return float((theta**2).sum() / (2 * 0.7**2) - fit)

    choices, wins = counted(RANKINGS, 4)
    expected = optimize.minimize(lost, np.zeros(4), tol=1e-12).x
    assert fit_rankings(choices, wins, prior_sd=0.7) == pytest.approx(expected - expected.mean(), abs=1e-5)
    posterior = RankingPosterior(choices, 0.7)
    at = np.array([0.3, -0.2, 0.5, 0.1])
    gradient, information = posterior.derivatives(at)
    assert gradient == pytest.approx(optimize.approx_fprime(at, posterior.value), abs=1e-5)
    numeric = [optimize.approx_fprime(at, lambda t, k=k: posterior.derivatives(t)[0][k]) for k in range(4)]
    assert information == pytest.approx(-np.array(numeric), abs=1e-5)


@pytest.mark.parametrize("prior_sd", [None, 3.0])
def test_rankings_of_two_items_are_paired_comparisons(prior_sd: float | None) -> None:
    wins = np.array([[0, 3, 2, 7], [1, 0, 6, 3], [4, 3, 0, 0], [1, 2, 5, 0]])
    pairs = [(i, j) for i in range(4) for j in range(4) for _ in range(wins[i, j])]
    choices, counts = counted(pairs, 4)
    assert np.array_equal(counts, wins)
    expected = fit_preferences(Votes.from_wins(wins), order=False, prior_sd=prior_sd).theta
    assert fit_rankings(choices, counts, prior_sd=prior_sd) == pytest.approx(expected, abs=1e-8)


def test_several_data_sets_at_once() -> None:
    choices, wins = counted(RANKINGS, 4)
    factors = np.array([1.0, 2.0, 5.0])
    stacked = Choices(choices.members, factors[:, None, None] * choices.chosen)
    found = fit_rankings(stacked, wins, prior_sd=1.0)
    for k, factor in enumerate(factors):
        alone = fit_rankings(Choices(choices.members, factor * choices.chosen), wins, prior_sd=1.0)
        assert found[k] == pytest.approx(alone, abs=1e-9)


def test_an_item_that_is_always_first_needs_a_prior() -> None:
    choices, wins = counted([(0, 1, 2), (0, 2, 1)], 3)
    with pytest.raises(NoEstimateError, match="use a prior"):
        fit_rankings(choices, wins)
    assert np.isfinite(fit_rankings(choices, wins, prior_sd=3.0)).all()
