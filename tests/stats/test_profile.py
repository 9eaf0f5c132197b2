"""Profile-likelihood intervals against the same likelihoods written out by hand and general optimizers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from scipy import optimize, special

from chromalab.stats.preference import (
    PreferencePosterior,
    ThurstonePosterior,
    Votes,
    fit_preferences,
    fit_thurstone,
)
from chromalab.stats.profile import FARTHEST, Profile

CONTRAST = np.array([1.0, -1.0, 0.0, 0.0])


def profile(wins: list[list[float]], prior_sd: float | None, *, effect: float = 1.0, df: float = math.inf) -> Profile:
    votes = Votes.from_wins(wins)
    fit = fit_preferences(votes, prior_sd=prior_sd, order=False)
    posterior = PreferencePosterior(votes, prior_sd, order=False, ties=False)
    return Profile(posterior, np.array([*fit.theta, 0.0, 0.0]), CONTRAST, effect, df)


def scalar_bounds(wins: int, losses: int, prior_sd: float | None, limit: float) -> tuple[float, float]:
    """Return where twice the log-posterior of one difference d has lost `limit`; t is d / 2 and -d / 2."""

    def log_posterior(d: float) -> float:
        prior = 0.0 if prior_sd is None else (d / 2) ** 2 / prior_sd**2
        return float(wins * special.log_expit(d) + losses * special.log_expit(-d)) - prior

    best = optimize.minimize_scalar(lambda d: -log_posterior(d), bounds=(-20, 20), options={"xatol": 1e-10})

    def lacking(d: float) -> float:
        return float(2 * (-best.fun - log_posterior(d)) - limit)

    return (
        float(optimize.brentq(lacking, best.x - 25, best.x)),
        float(optimize.brentq(lacking, best.x, best.x + 25)),
    )


@pytest.mark.parametrize(("wins", "losses", "prior"), [(4, 0, 3.0), (30, 0, 3.0), (29, 1, 3.0), (7, 3, None)])
def test_two_methods_have_the_profile_of_one_difference(wins: int, losses: int, prior: float | None) -> None:
    found = profile([[0, wins], [losses, 0]], prior)
    expected = scalar_bounds(wins, losses, prior, scipy.stats.chi2.ppf(0.95, 1))
    assert found.bounds(0.95) == pytest.approx(expected, abs=1e-4)
    low, high = found.bounds(0.95)
    assert found.exceeds_p(low) == pytest.approx(0.025, abs=1e-5)
    assert found.exceeds_p(high) == pytest.approx(0.975, abs=1e-5)


def test_the_design_effect_and_students_t_widen_the_interval() -> None:
    limit = 2.5 * scipy.stats.t.ppf(0.975, 9) ** 2
    found = profile([[0, 30], [0, 0]], 3.0, effect=2.5, df=9)
    assert found.bounds(0.95) == pytest.approx(scalar_bounds(30, 0, 3.0, limit), abs=1e-4)


def test_a_bound_that_the_votes_do_not_set_is_as_far_as_the_search() -> None:
    found = profile([[0, 4], [0, 0]], 3.0, df=1)
    low, high = found.bounds(0.95)
    assert high == pytest.approx(found.value + FARTHEST)
    assert low < -10


def test_three_methods_with_order_and_ties_have_the_profile_of_a_general_optimizer() -> None:
    left = np.array([[0.0, 6, 5], [0, 0, 4], [1, 2, 0]])
    right = np.array([[0.0, 1, 0], [5, 0, 2], [6, 3, 0]])
    ties = np.array([[0.0, 1, 0], [0, 0, 2], [0, 1, 0]])
    votes = Votes(left, right, ties)
    fit = fit_preferences(votes, prior_sd=2.0)
    mode = np.array([*fit.theta, float(fit.order), float(np.log(fit.nu))])
    contrast = np.array([1.0, 0.0, -1.0, 0.0, 0.0])
    found = Profile(PreferencePosterior(votes, 2.0, order=True, ties=True), mode, contrast, 1.0, math.inf)

    def negative(state: np.ndarray) -> float:
        d = state[:3, None] - state[None, :3] + state[3]
        total = np.log(np.exp(d / 2) + np.exp(-d / 2) + np.exp(state[4]))
        likelihood = left * (d / 2 - total) + right * (-d / 2 - total) + ties * (state[4] - total)
        return float(-likelihood.sum() + (state[:3] ** 2).sum() / 8 + (state[3:] ** 2).sum() / 200)

    best = optimize.minimize(negative, np.zeros(5), method="BFGS", tol=1e-9)
    for x in (0.0, 4.0):
        held = optimize.minimize(
            negative, best.x, method="SLSQP", tol=1e-12, options={"maxiter": 500},
            constraints={"type": "eq", "fun": lambda state, x=x: state[0] - state[2] - x},
        )  # fmt: skip
        expected = math.sqrt(2 * (held.fun - best.fun)) * (1 if x < found.value else -1)
        assert found.root(x) == pytest.approx(expected, abs=1e-3)


def test_thurstones_profile_is_that_of_one_difference() -> None:
    votes = Votes.from_wins([[0, 20], [0, 0]])
    mode = fit_thurstone(votes, prior_sd=3.0)
    found = Profile(ThurstonePosterior(votes, 3.0), mode, np.array([1.0, -1.0]), 1.0, math.inf)
    scale = 1 / scipy.stats.norm.ppf(0.75)

    def log_posterior(d: float) -> float:
        return float(20 * scipy.stats.norm.logcdf(d / scale)) - (d / 2) ** 2 / 9

    best = -optimize.minimize_scalar(lambda d: -log_posterior(d), bounds=(0, 20), options={"xatol": 1e-10}).fun
    low, high = found.bounds(0.95)
    for end in (low, high):
        assert 2 * (best - log_posterior(end)) == pytest.approx(scipy.stats.chi2.ppf(0.95, 1), abs=1e-3)
