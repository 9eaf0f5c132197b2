"""Cumulative logit model of ordinal ratings with a random effect of the rater.

McCullagh (1980), "Regression Models for Ordinal Data", JRSS B 42, with a normal intercept u_r ~ N(0, s^2) of rater r:

    P(level <= k) = logistic(c_k - x b - u_r),    c_1 < ... < c_(K-1)

The likelihood integrates over u_r by Gauss-Hermite quadrature (Hedeker and Gibbons 1994, "A Random-Effects Ordinal
Regression Model for Multilevel Analysis", Biometrics 50) and is maximized with its gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NODES = 15
SMALLEST_STEP = 1e-6
"""Smallest distance between two cutpoints."""
SMALLEST_CHANCE = 1e-300


@dataclass(frozen=True)
class OrdinalFit:
    """Maximum likelihood estimates of the model.

    Attributes:
        coefficients: b, one per covariate; positive for covariates that raise the rating.
        cutpoints: c, ascending, one fewer than there are levels.
        rater_sd: s, at least 0.
        log_likelihood: the maximum.
    """

    coefficients: NDArray[np.float64]
    cutpoints: NDArray[np.float64]
    rater_sd: float
    log_likelihood: float


def fit_ordinal(
    ratings: ArrayLike, covariates: ArrayLike, raters: ArrayLike, *, bounds: list[tuple[float, float]] | None = None
) -> OrdinalFit:
    """Fit the model.

    Args:
        ratings: ordered values, (n,); the distinct ones are the levels.
        covariates: (n, p), without a constant, of about unit spread.
        raters: who gave each rating, (n,).
        bounds: lowest and highest value of each coefficient; None leaves them free.

    Raises:
        ValueError: there are fewer than two levels, the lengths differ, or the optimizer does not converge.
    """
    model = OrdinalModel.of(ratings, covariates, raters)
    free = bounds or [(-np.inf, np.inf)] * model.covariates.shape[1]
    limits = [*free, (0, np.inf), (-np.inf, np.inf), *[(SMALLEST_STEP, np.inf)] * (model.n_levels - 2)]
    found = optimize.minimize(
        model.loss, model.start(), jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": 2000, "ftol": 1e-12}
    )
    if not found.success:
        raise ValueError(f"the ordinal model did not converge: {found.message}; check the covariates' scale")
    p = model.covariates.shape[1]
    return OrdinalFit(
        found.x[:p], np.cumsum(found.x[p + 1 :]), float(found.x[p]), -float(found.fun) * len(model.levels)
    )


@dataclass(frozen=True)
class OrdinalModel:
    """Data of the model, and its likelihood.

    Parameters are one vector: the coefficients, the raters' standard deviation, the first cutpoint, and the distance
    of each further cutpoint to the one before.

    Attributes:
        levels: index of the level of each rating, (n,).
        covariates: (n, p).
        raters: index of the rater of each rating, (n,).
    """

    levels: NDArray[np.intp]
    covariates: NDArray[np.float64]
    raters: NDArray[np.intp]

    @classmethod
    def of(cls, ratings: ArrayLike, covariates: ArrayLike, raters: ArrayLike) -> OrdinalModel:
        """Return the model of ratings, see `fit_ordinal`."""
        known, levels = np.unique(np.asarray(ratings), return_inverse=True)
        _, who = np.unique(np.asarray(raters), return_inverse=True)
        table = np.asarray(covariates, dtype=np.float64)
        if len(known) < 2:
            raise ValueError(f"an ordinal model needs at least 2 levels, not {len(known)}")
        if table.ndim != 2 or not len(levels) == len(table) == len(who):
            raise ValueError(
                f"expected (n, p) covariates for {len(levels)} ratings and {len(who)} raters: {table.shape}"
            )
        return cls(levels, table, who)

    @cached_property
    def n_levels(self) -> int:
        """The number of levels."""
        return int(self.levels.max()) + 1

    def start(self) -> NDArray[np.float64]:
        """Return the estimate without covariates and raters, and a standard deviation of 1."""
        shares = np.cumsum(np.bincount(self.levels))[:-1] / len(self.levels)
        cutpoints = special.logit(shares)
        return np.concatenate([np.zeros(self.covariates.shape[1]), [1.0], cutpoints[:1], np.diff(cutpoints)])

    def loss(self, parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the negative log likelihood per rating, and its gradient."""
        p = self.covariates.shape[1]
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        cutpoints = np.concatenate([[-np.inf], np.cumsum(parameters[p + 1 :]), [np.inf]])
        place = (self.covariates @ parameters[:p])[:, None] + parameters[p] * nodes
        upper, lower = (special.expit(cutpoints[self.levels + step][:, None] - place) for step in (1, 0))
        chances = np.maximum(upper - lower, SMALLEST_CHANCE)
        by_rater = np.log(weights / weights.sum()) + _sums(np.log(chances), self.raters)
        total = special.logsumexp(by_rater, axis=1, keepdims=True)
        posterior = np.exp(by_rater - total)[self.raters]
        above, below = (posterior * side * (1 - side) / chances for side in (upper, lower))
        gradient = self._gradient(above, below, nodes)
        return -float(total.sum()) / len(self.levels), -gradient / len(self.levels)

    def _gradient(
        self, above: NDArray[np.float64], below: NDArray[np.float64], nodes: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the gradient from the derivatives by the upper and (negated) the lower cutpoint, (n, nodes) each."""
        by_place = below - above
        per_level = [np.bincount(self.levels, side.sum(axis=1), minlength=self.n_levels) for side in (above, below)]
        by_cutpoint = per_level[0][:-1] - per_level[1][1:]
        by_step = np.cumsum(by_cutpoint[::-1])[::-1]
        coefficients = self.covariates.T @ by_place.sum(axis=1)
        return np.concatenate([coefficients, [(by_place @ nodes).sum()], by_step])


def _sums(values: NDArray[np.float64], groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the sums of the rows (n, m) of each group, (groups, m)."""
    found = np.zeros((int(groups.max()) + 1, values.shape[1]))
    np.add.at(found, groups, values)
    return found
