"""The Plackett-Luce model of rankings: the best item is chosen from all, the next best from the rest, and so on.

With log-abilities t, an item is chosen from a set with a probability proportional to exp(t) (Luce 1959, *Individual
Choice Behavior*; Plackett 1975, "The analysis of permutations"). A choice between two items follows the Bradley-Terry
model, and so does the order of any two items within a longer ranking. The log-likelihood is concave, so Newton's method
finds the maximum. All functions accept leading axes, so that a thousand resampled data sets are fitted at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from chromalab.stats.preference import Votes, group_means, maximize, require_estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Array = NDArray[np.float64]


def successive_choices(ranking: Sequence[int]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Iterate over the choices behind a ranking, best item first: the sorted set and the item chosen from it.

    >>> list(successive_choices([2, 0, 1]))
    [((0, 1, 2), 2), ((0, 1), 0)]
    """
    for place, item in enumerate(ranking[:-1]):
        yield tuple(sorted(ranking[place:])), item


@dataclass(frozen=True)
class Choices:
    """Counts of choices from sets of methods.

    Attributes:
        members: the methods of each set, shape (G, M).
        chosen: how often each method was chosen from each set, shape (..., G, M); ties count as shares.
    """

    members: NDArray[np.bool_]
    chosen: Array

    @property
    def n_methods(self) -> int:
        """The number of methods, M."""
        return int(self.members.shape[1])

    def probabilities(self, theta: Array) -> Array:
        """Return the probability of each method in each set, shape (..., G, M)."""
        return np.asarray(special.softmax(np.where(self.members, theta[..., None, :], -np.inf), axis=-1))


@dataclass(frozen=True)
class RankingPosterior:
    """The log-posterior of the log-abilities for sets of choices.

    Attributes:
        choices: the counts.
        prior_sd: standard deviation tau of a normal prior on the log-abilities, sum t^2 / (2 tau^2), or None.
    """

    choices: Choices
    prior_sd: float | None

    def value(self, state: Array) -> float:
        """Return the log-posterior, up to a constant."""
        found = float(log_likelihood(self.choices, state))
        return found if self.prior_sd is None else found - float((state**2).sum()) / (2 * self.prior_sd**2)

    def derivatives(self, state: Array) -> tuple[Array, Array]:
        """Return the gradient and the negative Hessian, shapes (..., M) and (..., M, M)."""
        chosen = self.choices.chosen
        n = chosen.sum(-1, keepdims=True)
        p = self.choices.probabilities(state)
        expected = n * p
        gradient: Array = (chosen - expected).sum(-2)
        information = -np.swapaxes(expected, -1, -2) @ p
        diagonal = np.arange(self.choices.n_methods)
        information[..., diagonal, diagonal] += expected.sum(-2)
        if self.prior_sd is not None:
            information[..., diagonal, diagonal] += self.prior_sd**-2
            gradient -= state / self.prior_sd**2
        return gradient, information


def log_likelihood(choices: Choices, theta: Array) -> Array:
    """Return the log-likelihood of the choices, shape (...)."""
    p = choices.probabilities(theta)
    return np.asarray(special.xlogy(choices.chosen, np.where(choices.members, p, 1.0)).sum(axis=(-2, -1)))


def fit_rankings(choices: Choices, wins: Array, *, prior_sd: float | None = None, start: Array | None = None) -> Array:
    """Return the log-abilities, shape (..., M); their mean is 0 in each group of methods that rankings connect.

    Args:
        choices: the counts, with any leading axes.
        wins: `wins[i, j]` counts how often i was ranked above j, shape (M, M), over all data sets.
        prior_sd: standard deviation of a normal prior on the log-abilities; None estimates them by maximum likelihood.
        start: initial log-abilities, shape (M,).

    Raises:
        NoEstimateError: there is no prior, and the maximum likelihood estimate does not exist (Hunter 2004, "MM
            algorithms for generalized Bradley-Terry models", assumption 1).
    """
    ordered = Votes.from_wins(wins)
    if prior_sd is None:
        require_estimate(ordered)
    shifts = group_means(ordered)
    theta = np.zeros((*choices.chosen.shape[:-2], choices.n_methods))
    if start is not None:
        theta += start
    found = maximize(RankingPosterior(choices, prior_sd).derivatives, theta, shifts)
    return np.asarray(found @ (np.eye(len(shifts)) - shifts))
