"""Models of pairwise preference: Bradley-Terry with an order effect, Davidson's ties, and Thurstone's case V.

One image is shown on the left (or first), the other on the right. With log-abilities t, the order effect b and
d = t_left - t_right + b, the probabilities of left, right and tie are proportional to

    exp(d / 2),    exp(-d / 2),    nu.

This is Davidson's model (1970); without ties it is that of Bradley and Terry, P(left) = sigma(d). Both are log-linear,
so Newton's method finds the unique maximum. All functions accept leading axes, so that a thousand resampled data sets
are fitted at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, maximum_flow

if TYPE_CHECKING:
    from collections.abc import Callable

Array = NDArray[np.float64]

JOD_SCALE = 1.0 / float(special.ndtri(0.75))
"""The s of Thurstone's P = Phi((q_i - q_j) / s) for which one just-objectionable difference means 75%: 1.4826."""

MAX_STEPS = 60
TOLERANCE = 1e-9
NUISANCE_SD = 10.0
"""Standard deviation of the weak prior on order effect and log nu, which is used whenever theta has a prior."""

RUNAWAY = 30.0
"""Absolute value beyond which a parameter is diverging, because the data do not determine it."""


class NoEstimateError(ValueError):
    """The likelihood has no finite maximum: some methods won, or lost, every comparison with the rest."""


@dataclass(frozen=True)
class Votes:
    """Counts of votes, shapes (..., M, M), with the method on the left as row and that on the right as column.

    Attributes:
        left: votes for the left.
        right: votes for the right.
        ties: votes for neither.
    """

    left: Array
    right: Array
    ties: Array

    @classmethod
    def from_wins(cls, wins: object) -> Votes:
        """Return votes without sides or ties from a matrix whose `wins[i][j]` is how often i was preferred to j."""
        matrix = np.asarray(wins, dtype=np.float64)
        return cls(matrix / 2, np.swapaxes(matrix, -1, -2) / 2, np.zeros_like(matrix))

    @property
    def total(self) -> Array:
        """Number of all votes of each ordered pair."""
        return self.left + self.right + self.ties

    @property
    def n_methods(self) -> int:
        """The number of methods, M."""
        return int(self.left.shape[-1])

    def halved_ties(self) -> Votes:
        """Return the votes with every tie as half a vote for each side."""
        return Votes(self.left + self.ties / 2, self.right + self.ties / 2, np.zeros_like(self.ties))

    def wins(self) -> Array:
        """Return how often i was preferred to j as `wins[i, j]`, summed over sides, with ties as halves."""
        halved = self.halved_ties()
        return halved.left + np.swapaxes(halved.right, -1, -2)


@dataclass(frozen=True)
class PreferenceFit:
    """Estimates of the preference model.

    Attributes:
        theta: log-abilities, shape (..., M); their mean is 0 in each group of methods that votes connect.
        order: b, the advantage of the left side in logits, shape (...); 0 if it was not estimated.
        nu: Davidson's tie parameter, shape (...); 0 if ties were not modeled.
        covariance: covariance of theta by Fisher's information, as if votes were independent, shape (..., M, M).
        order_se: standard error of `order`, likewise, shape (...).
        log_likelihood: log-likelihood of the votes, without the prior, shape (...).
    """

    theta: Array
    order: Array
    nu: Array
    covariance: Array
    order_se: Array
    log_likelihood: Array


def components(votes: Votes) -> list[list[int]]:
    """Return the groups of methods that votes connect; abilities of different groups cannot be compared.

    Leading axes are summed.
    """
    total = votes.total.reshape(-1, votes.n_methods, votes.n_methods).sum(axis=0)
    return _groups(total + total.T > 0, "weak")


def weakest_chains(counts: Array, enough: float) -> Array:
    """Return the votes that lead from each method to each other one, directly or through others, shape (M, M).

    Entry (i, j) is the largest flow from i to j through a network whose capacities are the counts, or equally the
    smallest number of votes without which no chain leads from i to j (Ford and Fulkerson 1956). With counts of wins, a
    small entry means that few votes keep the estimate of t_j - t_i finite.

    Args:
        counts: nonnegative counts in steps of one half, shape (M, M).
        enough: larger flows are returned as this number, which saves time.
    """
    network = csr_matrix(np.rint(2 * counts).astype(np.int32))

    def flow(i: int, j: int) -> float:
        return enough if i == j else min(enough, float(maximum_flow(network, i, j).flow_value) / 2)

    m = len(counts)
    center = int(np.argmax((counts + counts.T).sum(axis=1)))
    to, back = ([flow(k, center) for k in range(m)], [flow(center, k) for k in range(m)])
    found = np.minimum.outer(to, back)  # a flow is never smaller than its way through the center
    for i, j in np.argwhere(found < enough).tolist():
        found[i, j] = flow(i, j)
    return found


def order_is_separable(votes: Votes) -> bool:
    """Return whether the order effect can be told from preference.

    It cannot if abilities exist that differ by the same amount between left and right in every compared pair, for
    example because one of two methods always stood on the left.
    """
    left, right = np.nonzero(votes.total)
    pairs = np.zeros((len(left), votes.n_methods))
    pairs[np.arange(len(left)), left] += 1
    pairs[np.arange(len(left)), right] -= 1
    with_order = np.column_stack([pairs, np.ones(len(left))])
    return int(np.linalg.matrix_rank(with_order)) > int(np.linalg.matrix_rank(pairs))


def fit_preferences(
    votes: Votes, *, prior_sd: float | None = None, order: bool = True, ties: bool = True, start: Array | None = None
) -> PreferenceFit:
    """Return the estimates of the log-linear preference model.

    Args:
        votes: the counts, with any leading axes.
        prior_sd: standard deviation tau of a normal prior on theta, sum t^2 / (2 tau^2). None estimates everything by
            maximum likelihood, including order effect and ties.
        order: estimate the order effect.
        ties: model ties by Davidson's nu; otherwise they count half for each side.
        start: initial theta, shape (M,).

    Raises:
        NoEstimateError: there is no prior, and the maximum likelihood estimate does not exist.
    """
    counts, state, free = _maximum(votes, prior_sd, order=order, ties=ties, start=start)
    return _finished(counts, state, prior_sd, free)


def preference_parameters(
    votes: Votes, *, prior_sd: float, order: bool = True, ties: bool = True, start: Array
) -> Array:
    """Return only (theta, order, log nu), shape (..., M + 2), for thousands of resampled data sets.

    Args:
        votes: the counts, with any leading axes.
        prior_sd: standard deviation of the normal prior on theta, which keeps estimates finite even if a method won
            every vote of a resampled set.
        order: estimate the order effect; otherwise it is 0.
        ties: model ties; otherwise log nu is 0.
        start: initial theta, shape (M,).
    """
    _, state, _ = _maximum(votes, prior_sd, order=order, ties=ties, start=start)
    m = votes.n_methods
    state[..., :m] -= state[..., :m].mean(axis=-1, keepdims=True)
    return state


@dataclass(frozen=True)
class PreferencePosterior:
    """The log-posterior of (theta, order, log nu) for one set of votes.

    Attributes:
        votes: the counts.
        prior_sd: standard deviation of the normal prior on theta, or None.
        order: whether the order effect is free; otherwise it is 0.
        ties: whether ties are modeled; otherwise they count half for each side.
    """

    votes: Votes
    prior_sd: float | None
    order: bool
    ties: bool

    @property
    def counts(self) -> Votes:
        """The votes as modeled."""
        return self.votes if self.ties else self.votes.halved_ties()

    @property
    def free(self) -> NDArray[np.bool_]:
        """Which parameters are free, shape (M + 2,)."""
        return np.array([True] * self.votes.n_methods + [self.order, self.ties])

    def value(self, state: Array) -> float:
        """Return the log-posterior, up to a constant."""
        found = float(_log_likelihood(self.counts, state, with_ties=self.ties))
        if self.prior_sd is not None:
            m = self.votes.n_methods
            found -= float((state[:m] ** 2).sum()) / (2 * self.prior_sd**2)
            found -= float((state[m:] ** 2).sum()) / (2 * NUISANCE_SD**2)
        return found

    def derivatives(self, state: Array) -> tuple[Array, Array]:
        """Return the gradient and the negative Hessian, with 0 for fixed parameters."""
        gradient, information = _derivatives(self.counts, state, self.prior_sd, with_ties=self.ties)
        return gradient * self.free, information * np.outer(self.free, self.free)


@dataclass(frozen=True)
class ThurstonePosterior:
    """The log-posterior of Thurstone's qualities for one set of votes.

    Attributes:
        votes: the counts.
        prior_sd: standard deviation of the normal prior on the qualities, or None.
        scale: s.
    """

    votes: Votes
    prior_sd: float | None
    scale: float = JOD_SCALE

    def value(self, state: Array) -> float:
        """Return the log-posterior, up to a constant."""
        d = (state[:, None] - state[None, :]) / self.scale
        found = float((self.votes.wins() * special.log_ndtr(d)).sum())
        return found if self.prior_sd is None else found - float((state**2).sum()) / (2 * self.prior_sd**2)

    def derivatives(self, state: Array) -> tuple[Array, Array]:
        """Return the gradient and the negative Hessian."""
        return _thurstone_derivatives(self.votes.wins(), state, self.scale, self.prior_sd)


def _maximum(
    votes: Votes, prior_sd: float | None, *, order: bool, ties: bool, start: Array | None
) -> tuple[Votes, Array, NDArray[np.bool_]]:
    """Return the votes as modeled, (theta, order, log nu), and which of these parameters were free."""
    ties = ties and bool(votes.ties.sum() > 0)
    counts = votes if ties else votes.halved_ties()
    if prior_sd is None:
        require_estimate(counts)
    m = counts.n_methods
    state = np.zeros((*counts.total.shape[:-2], m + 2))
    if start is not None:
        state[..., :m] = start
    free = np.array([True] * m + [order, ties])
    shifts = group_means(counts)
    for _ in range(MAX_STEPS):
        gradient, information = _derivatives(counts, state, prior_sd, with_ties=ties)
        step = _solve(information, gradient, free, shifts)
        size = np.abs(step).max(axis=-1, keepdims=True)
        state += step * np.minimum(1.0, 2.0 / np.maximum(size, 1e-300))
        np.clip(state[..., m:], -RUNAWAY, RUNAWAY, out=state[..., m:])
        if float(size.max(initial=0.0)) < TOLERANCE:
            break
    if prior_sd is None and float(np.abs(state).max(initial=0.0)) >= RUNAWAY:
        raise NoEstimateError("the votes have no finite maximum likelihood estimate; use a prior")
    return counts, state, free


def _finished(counts: Votes, state: Array, prior_sd: float | None, free: NDArray[np.bool_]) -> PreferenceFit:
    with_ties = bool(free[-1])
    m = counts.n_methods
    _, information = _derivatives(counts, state, prior_sd, with_ties=with_ties)
    kept = np.flatnonzero(free)
    inverse = np.linalg.pinv(information[..., kept[:, None], kept[None, :]], hermitian=True)
    covariance = inverse[..., :m, :m]
    centering = np.eye(m) - group_means(counts)
    theta = state[..., :m] @ centering
    return PreferenceFit(
        theta=theta,
        order=state[..., m],
        nu=np.exp(state[..., m + 1]) if with_ties else np.zeros(state.shape[:-1]),
        covariance=centering @ covariance @ centering,
        order_se=np.sqrt(np.maximum(inverse[..., m, m], 0)) if free[m] else np.zeros(state.shape[:-1]),
        log_likelihood=_log_likelihood(counts, state, with_ties=with_ties),
    )


def _probabilities(state: Array, m: int, *, with_ties: bool) -> tuple[Array, Array, Array]:
    theta, order, log_nu = state[..., :m], state[..., m, None, None], state[..., m + 1, None, None]
    d = theta[..., :, None] - theta[..., None, :] + order
    if not with_ties:
        left = special.expit(d)
        return left, 1 - left, np.zeros_like(left)
    largest = np.maximum(np.abs(d) / 2, log_nu)
    left, right, tie = (np.exp(term - largest) for term in (d / 2, -d / 2, np.broadcast_to(log_nu, d.shape)))
    total = left + right + tie
    return left / total, right / total, tie / total


def _derivatives(counts: Votes, state: Array, prior_sd: float | None, *, with_ties: bool) -> tuple[Array, Array]:
    """Return the gradient and the information matrix of the log posterior in (theta, order, log nu)."""
    m, n = counts.n_methods, counts.total
    left, right, tie = _probabilities(state, m, with_ties=with_ties)
    mean = (left - right) / 2
    pull = (counts.left - counts.right) / 2 - n * mean
    weight = n * ((left + right) / 4 - mean**2)
    mixed = -n * mean * tie
    gradient = np.zeros_like(state)
    gradient[..., :m] = pull.sum(-1) - pull.sum(-2)
    gradient[..., m] = pull.sum((-2, -1))
    gradient[..., m + 1] = (counts.ties - n * tie).sum((-2, -1))
    information = np.zeros((*state.shape, m + 2))
    both = weight + np.swapaxes(weight, -1, -2)
    diagonal = np.arange(m)
    information[..., :m, :m] = -both
    information[..., diagonal, diagonal] += both.sum(-1)
    for column, source in ((m, weight), (m + 1, mixed)):
        information[..., :m, column] = information[..., column, :m] = source.sum(-1) - source.sum(-2)
        information[..., column, m] = information[..., m, column] = source.sum((-2, -1))
    information[..., m + 1, m + 1] = (n * tie * (1 - tie)).sum((-2, -1))
    if prior_sd is not None:
        information[..., diagonal, diagonal] += prior_sd**-2
        gradient[..., :m] -= state[..., :m] / prior_sd**2
        for place in (m, m + 1):
            information[..., place, place] += NUISANCE_SD**-2
            gradient[..., place] -= state[..., place] / NUISANCE_SD**2
    return gradient, information


def group_means(votes: Votes) -> Array:
    """Return the matrix that replaces each method by the mean of the methods that votes connect with it, shape (M, M).

    Votes do not determine a common shift of a group.
    """
    found = np.zeros((votes.n_methods, votes.n_methods))
    for group in components(votes):
        found[np.ix_(group, group)] = 1.0 / len(group)
    return found


def _solve(information: Array, gradient: Array, free: NDArray[np.bool_], shifts: Array) -> Array:
    """Return Newton's step without the shifts of theta that votes do not determine."""
    m = len(free) - 2
    held = information.copy()
    held[..., :m, :m] += shifts
    for place in (m, m + 1):
        if free[place]:
            held[..., place, place] += 1e-12
        else:
            held[..., place, :] = held[..., :, place] = 0
            held[..., place, place] = 1
    target = np.where(free, gradient, 0.0)
    return np.asarray(np.linalg.solve(held, target[..., None])[..., 0], dtype=np.float64)


def _log_likelihood(counts: Votes, state: Array, *, with_ties: bool) -> Array:
    left, right, tie = _probabilities(state, counts.n_methods, with_ties=with_ties)
    terms = (special.xlogy(counts.left, left), special.xlogy(counts.right, right), special.xlogy(counts.ties, tie))
    total: Array = sum(terms).sum(axis=(-2, -1))
    return total


def require_estimate(counts: Votes) -> None:
    """Raise an error unless a chain of wins leads from each method to every other one of its group (Ford 1957)."""
    wins = counts.wins()
    for matrix in wins.reshape(-1, *wins.shape[-2:]):
        if len(_groups(matrix > 0, "strong")) > len(_groups(matrix > 0, "weak")):
            raise NoEstimateError(
                "the votes have no finite maximum likelihood estimate: some methods won, or lost, every comparison "
                "with the rest; use a prior"
            )


def _groups(links: NDArray[np.bool_], connection: str) -> list[list[int]]:
    count, labels = connected_components(links, directed=True, connection=connection)
    return [np.flatnonzero(labels == group).tolist() for group in range(count)]


def fit_thurstone(votes: Votes, *, scale: float = JOD_SCALE, prior_sd: float | None = None) -> Array:
    """Return qualities q of Thurstone's case V, P(i > j) = Phi((q_i - q_j) / s), with mean 0, shape (..., M).

    With the default scale, their unit is the just-objectionable difference (Perez-Ortiz and Mantiuk 2017, "A practical
    guide and software for analyzing pairwise comparison experiments"). Ties count half for each side.

    Args:
        votes: the counts, with any leading axes.
        scale: s.
        prior_sd: standard deviation of a normal prior on q; None estimates q by maximum likelihood.

    Raises:
        NoEstimateError: there is no prior, and the maximum likelihood estimate does not exist.
    """
    if prior_sd is None:
        require_estimate(votes)
    wins = votes.wins()
    shifts = group_means(votes)
    q = maximize(lambda q: _thurstone_derivatives(wins, q, scale, prior_sd), np.zeros(wins.shape[:-1]), shifts)
    return np.asarray(q @ (np.eye(len(shifts)) - shifts))


def maximize(derivatives: Callable[[Array], tuple[Array, Array]], start: Array, shifts: Array) -> Array:
    """Return the maximum of a concave log-posterior by Newton's method, with any leading axes.

    Args:
        derivatives: function from a state to the gradient and the negative Hessian.
        start: initial state, shape (..., M).
        shifts: `group_means`, which hold the directions that votes do not determine.
    """
    state = start.copy()
    for _ in range(MAX_STEPS):
        gradient, information = derivatives(state)
        step = np.linalg.solve(information + shifts, gradient[..., None])[..., 0]
        size = np.abs(step).max(axis=-1, keepdims=True)
        state += step * np.minimum(1.0, 2.0 / np.maximum(size, 1e-300))
        if float(size.max(initial=0.0)) < TOLERANCE:
            break
    return state


def _thurstone_derivatives(wins: Array, q: Array, scale: float, prior_sd: float | None) -> tuple[Array, Array]:
    """Return the gradient and the expected negative Hessian of Thurstone's model with respect to q."""
    n = wins + np.swapaxes(wins, -1, -2)
    diagonal = np.arange(wins.shape[-1])
    d: Array = (q[..., :, None] - q[..., None, :]) / scale
    p = np.clip(special.ndtr(d), 1e-12, 1 - 1e-12)
    slope: Array = np.exp(-(d**2) / 2) / math.sqrt(2 * math.pi) / scale
    pull = (wins - n * p) * slope / (p * (1 - p))
    weight = n * slope**2 / (p * (1 - p))
    gradient: Array = pull.sum(-1)
    information = -weight
    information[..., diagonal, diagonal] += weight.sum(-1) + 1e-12
    if prior_sd is not None:
        information[..., diagonal, diagonal] += prior_sd**-2
        gradient -= q / prior_sd**2
    return gradient, information
