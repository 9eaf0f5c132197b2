"""Profile-likelihood intervals, which stay honest when votes separate methods completely or almost.

A method that wins every comparison has no finite maximum likelihood estimate, and Wald's intervals are meaningless
there. The likelihood ratio still says which values the votes exclude. It is divided by a design effect, because votes
of one participant or photo are not independent, and compared with Student's t, as quasi-likelihood does (McCullagh and
Nelder 1989, *Generalized Linear Models*, section 9.2.4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from chromalab.stats.clusters import quantile
from chromalab.stats.pivots import Pivot, upper_tail

Array = NDArray[np.float64]

FARTHEST = 30.0
"""Distance from the estimate, in logits, at which the search for a bound ends: the votes set none."""
_STEPS = 100
_TOLERANCE = 1e-6


class LogPosterior(Protocol):
    """A concave log-likelihood, with or without a prior."""

    def value(self, state: Array) -> float:
        """Return the logarithm at a state, up to a constant."""

    def derivatives(self, state: Array) -> tuple[Array, Array]:
        """Return the gradient and the negative Hessian at a state."""


@dataclass(frozen=True)
class Profile(Pivot):
    """The profile of a contrast of the parameters.

    Attributes:
        posterior: the log-likelihood.
        mode: its maximum.
        contrast: weights of the parameters.
        design_effect: factor by which clustering inflates the variance of independent votes.
        df: degrees of freedom.
        value: the contrast at the mode.
    """

    posterior: LogPosterior
    mode: Array
    contrast: Array
    design_effect: float
    df: float
    value: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.contrast @ self.mode))

    @property
    def se(self) -> float:  # type: ignore[override]
        """Standard error: half the width of the interval at one standard error."""
        low, high = self._bounds(1.0)
        return (high - low) / 2

    def bounds(self, level: float) -> tuple[float, float]:
        """Return the values at which the likelihood ratio reaches Student's quantile."""
        return self._bounds(quantile(self.df, level))

    def _bounds(self, t: float) -> tuple[float, float]:
        return self._bound(-1.0, t), self._bound(1.0, t)

    def _bound(self, sign: float, t: float) -> float:
        def lacking(distance: float) -> float:
            return abs(self.root(self.value + sign * distance)) - t

        far = 1.0
        while lacking(far) < 0:
            if far >= FARTHEST:
                return self.value + sign * FARTHEST
            far = min(2 * far, FARTHEST)
        return self.value + sign * float(optimize.brentq(lacking, 0.0, far, xtol=1e-4))

    def exceeds_p(self, x: float) -> float:
        """Return the p-value of the signed root of the likelihood ratio."""
        return upper_tail(self.root(x), self.df)

    def root(self, x: float) -> float:
        """Return the signed root of the likelihood ratio of the true value `x`, divided by the design effect."""
        if x == self.value:
            return 0.0
        lost = self._highest - self.posterior.value(self._constrained(x))
        return math.copysign(math.sqrt(max(2 * lost, 0.0) / self.design_effect), self.value - x)

    @cached_property
    def _highest(self) -> float:
        return self.posterior.value(self.mode)

    @cached_property
    def _path(self) -> Array:
        """The direction in which the constrained maximum leaves the mode, per unit of the contrast."""
        _, information = self.posterior.derivatives(self.mode)
        pull = np.linalg.pinv(information, hermitian=True) @ self.contrast
        return np.asarray(pull / (self.contrast @ pull))

    def _constrained(self, x: float) -> Array:
        """Return the maximum among the states at which the contrast is `x`, by Newton's method."""
        state = self.mode + self._path * (x - self.value)
        size = len(state)
        system = np.zeros((size + 1, size + 1))
        system[:size, size] = system[size, :size] = self.contrast
        for _ in range(_STEPS):
            gradient, information = self.posterior.derivatives(state)
            system[:size, :size] = information
            # A tiny ridge holds the directions that the likelihood ignores, such as a common shift.
            system[np.arange(size), np.arange(size)] += 1e-9 * (1.0 + float(np.trace(information)))
            step = np.linalg.solve(system, np.append(gradient, x - float(self.contrast @ state)))[:size]
            largest = float(np.abs(step).max())
            state = state + step * min(1.0, 2.0 / max(largest, _TOLERANCE))
            if largest < _TOLERANCE:
                break
        return state
