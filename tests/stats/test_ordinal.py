"""The ordinal model against closed forms, numerical integration and planted parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from chromalab.stats.ordinal import OrdinalModel, fit_ordinal

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUTPOINTS = np.array([-2.0, -0.5, 0.5, 1.5])
COEFFICIENTS = np.array([-1.2, 0.4])
RATER_SD = 0.8


def simulated(
    seed: int, n_raters: int = 400, each: int = 10
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    generator = np.random.default_rng(seed)
    raters = np.repeat(np.arange(n_raters), each)
    covariates = generator.normal(size=(len(raters), 2))
    latent = covariates @ COEFFICIENTS + RATER_SD * generator.normal(size=n_raters)[raters]
    levels = np.searchsorted(CUTPOINTS, latent + generator.logistic(size=len(raters)))
    return levels, covariates, raters


def test_planted_parameters_are_recovered() -> None:
    """The tolerances are about four standard errors of the mean of six fits."""
    fits = [fit_ordinal(*simulated(seed)) for seed in range(6)]
    assert np.mean([fit.coefficients for fit in fits], axis=0) == pytest.approx(COEFFICIENTS, abs=0.06)
    assert np.mean([fit.cutpoints for fit in fits], axis=0) == pytest.approx(CUTPOINTS, abs=0.09)
    assert np.mean([fit.rater_sd for fit in fits]) == pytest.approx(RATER_SD, abs=0.07)


def test_ignoring_the_raters_would_shrink_the_coefficients() -> None:
    levels, covariates, raters = simulated(0)
    alone = fit_ordinal(levels, covariates, np.zeros_like(raters))
    assert abs(alone.coefficients[0]) < abs(fit_ordinal(levels, covariates, raters).coefficients[0]) - 0.05


def test_cutpoints_are_the_logits_of_cumulative_shares_if_raters_agree() -> None:
    """Every rater gives every level equally often, so the estimated spread of raters is 0."""
    counts = [1, 2, 4, 3]
    one = np.repeat(np.arange(4), counts)
    fit = fit_ordinal(np.tile(one, 30), np.zeros((300, 0)), np.repeat(np.arange(30), 10))
    shares = np.cumsum(counts)[:-1] / 10
    assert fit.rater_sd == pytest.approx(0, abs=1e-3)
    assert fit.cutpoints == pytest.approx(special.logit(shares), abs=1e-4)
    assert fit.log_likelihood == pytest.approx(30 * sum(n * np.log(n / 10) for n in counts), rel=1e-7)


def test_the_coefficient_of_a_two_by_two_table_is_its_log_odds_ratio() -> None:
    covariate = np.repeat([0.0, 1.0], 10)
    ratings = np.repeat([1, 5, 1, 5], [7, 3, 4, 6])
    fit = fit_ordinal(np.tile(ratings, 20), np.tile(covariate, 20)[:, None], np.repeat(np.arange(20), 20))
    assert fit.coefficients == pytest.approx([np.log(6 / 4 * 7 / 3)], abs=1e-4)


def test_the_likelihood_integrates_over_the_rater() -> None:
    levels, covariates, raters = simulated(1, n_raters=3, each=5)
    levels[:5] = np.arange(5)  # every level occurs
    parameters = np.concatenate([COEFFICIENTS, [RATER_SD], CUTPOINTS[:1], np.diff(CUTPOINTS)])
    model = OrdinalModel.of(levels, covariates, raters)
    edges = np.concatenate([[-np.inf], CUTPOINTS, [np.inf]])

    def joint(effect: float, rater: int) -> float:
        mine = raters == rater
        place = covariates[mine] @ COEFFICIENTS + effect
        upper, lower = special.expit(edges[levels[mine] + 1] - place), special.expit(edges[levels[mine]] - place)
        return float(np.prod(upper - lower) * stats.norm.pdf(effect, scale=RATER_SD))

    total = sum(np.log(integrate.quad(joint, -8, 8, args=(rater,))[0]) for rater in range(3))
    assert -model.loss(parameters)[0] * 15 == pytest.approx(total, rel=1e-6)


def test_the_gradient_is_that_of_the_loss() -> None:
    model = OrdinalModel.of(*simulated(2, n_raters=20))
    parameters = np.array([0.3, -0.7, 0.5, -1.5, 0.6, 0.9, 1.4])
    numeric = optimize.approx_fprime(parameters, lambda point: model.loss(point)[0], 1e-7)
    assert model.loss(parameters)[1] == pytest.approx(numeric, abs=1e-6)


def test_bounds_keep_a_coefficient_at_zero() -> None:
    fit = fit_ordinal(*simulated(3, n_raters=100), bounds=[(0.0, np.inf), (-np.inf, np.inf)])
    assert fit.coefficients[0] == 0
    assert fit.coefficients[1] == pytest.approx(COEFFICIENTS[1], abs=0.25)


def test_one_level_and_uneven_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 levels, not 1"):
        fit_ordinal([3, 3], [[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match="for 3 ratings and 3 raters"):
        fit_ordinal([1, 2, 3], [[0.0], [1.0]], [0, 1, 2])
