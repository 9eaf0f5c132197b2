"""Models of preference against published fits: which convention each number uses stands beside it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from chromalab.stats.preference import (
    JOD_SCALE,
    NoEstimateError,
    Votes,
    components,
    fit_preferences,
    fit_thurstone,
    order_is_separable,
    weakest_chains,
)
from tests.stats.known_votes import BASEBALL, BASEBALL_TEAMS, PUDDINGS, baseball_votes, pudding_votes

WINS = [[0, 3, 2, 7], [1, 0, 6, 3], [4, 3, 0, 0], [1, 2, 5, 0]]


def test_three_items() -> None:
    """Maynou's example for choix, [(0,1),(0,1),(1,2),(2,0)], winner first: the unregularized maximum likelihood."""
    wins = np.zeros((3, 3))
    for winner, loser in [(0, 1), (0, 1), (1, 2), (2, 0)]:
        wins[winner, loser] += 1
    fit = fit_preferences(Votes.from_wins(wins), order=False)
    assert np.allclose(fit.theta, [0.419617624, -0.419617624, 0], atol=1e-8)


def test_four_items_with_standard_errors() -> None:
    """Fisher's covariance is pinv(diag(F 1) - F), abilities with mean 0; Thurstone's case V with s = 1."""
    fit = fit_preferences(Votes.from_wins(WINS), order=False)
    assert np.allclose(fit.theta, [0.50989, 0.07398, -0.47041, -0.11347], atol=1e-5)
    assert np.allclose(np.sqrt(np.diag(fit.covariance)), [0.38042, 0.36801, 0.35803, 0.36512], atol=1e-5)
    assert np.allclose(fit_thurstone(Votes.from_wins(WINS), scale=1), [0.30747, 0.04854, -0.28157, -0.07444], atol=1e-5)


def test_journal_citations() -> None:
    """Stigler (1994) as R's BradleyTerry2 fits it: relative to Biometrika, standard errors of these differences."""
    wins = np.zeros((4, 4))
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for (i, j), first, second in zip(pairs, (730, 498, 221, 68, 17, 142), (33, 320, 284, 813, 276, 325), strict=True):
        wins[i, j], wins[j, i] = first, second
    fit = fit_preferences(Votes.from_wins(wins), order=False)
    contrasts = np.eye(4)[1:] - np.eye(4)[0]
    assert np.allclose(contrasts @ fit.theta, [-2.94907, -0.47957, 0.26895], atol=1e-5)
    assert np.allclose(
        np.sqrt(np.diag(contrasts @ fit.covariance @ contrasts.T)), [0.10255, 0.06059, 0.07083], atol=1e-5
    )
    n = wins + wins.T
    upper = np.triu_indices(4, 1)
    saturated = (special.xlogy(wins, wins / np.where(n > 0, n, 1)))[upper].sum() + special.xlogy(
        wins.T, wins.T / np.where(n > 0, n, 1)
    )[upper].sum()
    assert 2 * (saturated - fit.log_likelihood) == pytest.approx(4.2934, abs=1e-4)


@pytest.mark.parametrize(
    ("order", "abilities", "deviance", "df"),
    [
        (False, [0.684, 1.108, 1.248, 1.294, 1.436, 1.581], 44.053, 36),
        (True, [0.705, 1.144, 1.281, 1.327, 1.475, 1.620], 38.643, 35),
    ],
)
def test_baseball_with_the_advantage_of_the_home_team(
    order: bool, abilities: list[float], deviance: float, df: int
) -> None:
    """Agresti, *Categorical Data Analysis*, table 10.11: Baltimore 0, home team = left, 42 - 6 - order parameters."""
    votes = baseball_votes()
    fit = fit_preferences(votes, order=order)
    baltimore = BASEBALL_TEAMS.index("Bal")
    others = [BASEBALL_TEAMS.index(team) for team in ("Cle", "Bos", "NY", "Tor", "Det", "Mil")]
    assert np.allclose((fit.theta - fit.theta[baltimore])[others], abilities, atol=6e-4)
    if order:
        assert fit.order == pytest.approx(0.302, abs=6e-4)
        assert fit.order_se == pytest.approx(0.131, abs=6e-4)
    n = votes.total
    played = n > 0
    saturated = sum(special.xlogy(part[played], part[played] / n[played]).sum() for part in (votes.left, votes.right))
    assert 2 * (saturated - fit.log_likelihood) == pytest.approx(deviance, abs=2e-3)
    assert len(BASEBALL) - 6 - order == df


def test_puddings_with_ties() -> None:
    """Davidson (1970), table 3: worths sum to 1, no order effect."""
    fit = fit_preferences(pudding_votes(), order=False)
    worth = np.exp(fit.theta) / np.exp(fit.theta).sum()
    assert np.allclose(worth, PUDDINGS.worth, atol=1e-6)
    assert fit.nu == pytest.approx(0.746823, abs=1e-6)
    assert fit.log_likelihood == pytest.approx(-809.70951, abs=1e-5)


def test_one_jod_is_three_quarters() -> None:
    wins = [[0, 25, 0], [75, 0, 25], [0, 75, 0]]
    q = fit_thurstone(Votes.from_wins(wins))
    assert np.allclose(q - q[0], [0, 1, 2], atol=1e-6)
    assert pytest.approx(1.4826, abs=1e-4) == JOD_SCALE
    theta = fit_preferences(Votes.from_wins(wins), order=False).theta
    assert np.allclose((theta - theta[0]) / math.log(3), [0, 1, 2], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_the_posterior_mode_is_what_a_general_optimizer_finds(seed: int, m: int) -> None:
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 6, size=(3, m, m)).astype(float) * (1 - np.eye(m))
    counts[2, 0, 1] += 1
    votes = Votes(*counts)
    fit = fit_preferences(votes, prior_sd=1.3)

    def negative(state: np.ndarray) -> float:
        theta, order, log_nu = state[:m], state[m], state[m + 1]
        d = theta[:, None] - theta[None, :] + order
        total = np.exp(d / 2) + np.exp(-d / 2) + np.exp(log_nu)
        logs = d / 2 - np.log(total), -d / 2 - np.log(total), log_nu - np.log(total)
        return float(
            -sum((c * log).sum() for c, log in zip(counts, logs, strict=True))
            + (theta**2).sum() / 2 / 1.3**2
            + (order**2 + log_nu**2) / 200
        )

    found = optimize.minimize(negative, np.zeros(m + 2), method="BFGS", tol=1e-8)
    assert negative(np.array([*fit.theta, fit.order, np.log(fit.nu)])) <= found.fun + 1e-7


def test_many_data_sets_at_once_are_each_alone() -> None:
    generator = np.random.default_rng(0)
    counts = generator.poisson(3, size=(3, 7, 4, 4)) * (1 - np.eye(4))
    counts[2, :, 0, 1] += 1
    together = fit_preferences(Votes(*counts), prior_sd=2)
    for k in range(7):
        alone = fit_preferences(Votes(*counts[:, k]), prior_sd=2)
        assert np.allclose(together.theta[k], alone.theta, atol=1e-7)
        assert np.allclose(together.covariance[k], alone.covariance, atol=1e-7)


def test_votes_without_an_estimate_raise_an_error() -> None:
    never_beaten = Votes.from_wins([[0, 5, 3], [0, 0, 2], [0, 1, 0]])
    with pytest.raises(NoEstimateError, match="prior"):
        fit_preferences(never_beaten)
    with pytest.raises(NoEstimateError):
        fit_thurstone(never_beaten)
    theta = fit_preferences(never_beaten, prior_sd=3).theta
    assert theta[0] > theta[1]


def test_groups_that_no_vote_connects() -> None:
    wins = np.zeros((4, 4))
    wins[0, 1] = wins[1, 0] = wins[2, 3] = wins[3, 2] = 1
    assert components(Votes.from_wins(wins)) == [[0, 1], [2, 3]]


def test_groups_are_fitted_alone_without_a_prior() -> None:
    first, second = np.array([[0.0, 5], [3, 0]]), np.array([[0.0, 2], [6, 0]])
    wins = np.zeros((4, 4))
    wins[:2, :2], wins[2:, 2:] = first, second
    fit = fit_preferences(Votes.from_wins(wins), order=False)
    expected = [fit_preferences(Votes.from_wins(own), order=False).theta for own in (first, second)]
    assert np.allclose(fit.theta, np.concatenate(expected), atol=1e-9)
    assert fit.theta[0] - fit.theta[1] == pytest.approx(math.log(5 / 3))
    q = fit_thurstone(Votes.from_wins(wins))
    assert q[0] + q[1] == pytest.approx(0, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_the_weakest_chain_is_the_smallest_cut(seed: int, m: int) -> None:
    generator = np.random.default_rng(seed)
    wins = generator.integers(0, 5, size=(m, m)) / 2 * (1 - np.eye(m))
    found, capped = weakest_chains(wins, np.inf), weakest_chains(wins, 2.0)
    for i, j in itertools.permutations(range(m), 2):
        others = [k for k in range(m) if k not in {i, j}]
        cuts = []
        for size in range(len(others) + 1):
            for chosen in itertools.combinations(others, size):
                inside = [i, *chosen]
                outside = [k for k in range(m) if k not in inside]
                cuts.append(wins[np.ix_(inside, outside)].sum())
        assert found[i, j] == min(cuts)
        assert capped[i, j] == min(2.0, *cuts)


def test_the_order_effect_is_separable_only_if_sides_change() -> None:
    def votes(*pairs: tuple[int, int]) -> Votes:
        left = np.zeros((3, 3))
        for pair in pairs:
            left[pair] += 1
        return Votes(left, left, np.zeros((3, 3)))

    assert order_is_separable(baseball_votes())
    assert not order_is_separable(votes((0, 1)))
    assert not order_is_separable(votes((0, 1), (0, 2)))
    assert order_is_separable(votes((0, 1), (1, 0)))
    assert order_is_separable(votes((0, 1), (1, 2), (0, 2)))  # t0 - t1 = t1 - t2 = t0 - t2 has no solution but 0
