"""Active sampling of pairwise comparisons: choice of the pairs whose votes are expected to be most informative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.sparse.csgraph import minimum_spanning_tree

Array = NDArray[np.float64]

NODES = 21
MAX_STEPS = 30


@dataclass(frozen=True)
class Posterior:
    """Laplace's approximation of the posterior of abilities given votes, N(mean, covariance)."""

    mean: Array
    covariance: Array


def laplace_posterior(wins: Array, *, prior_sd: float = 1.5, start: Array | None = None) -> Posterior:
    """Return the posterior of Bradley-Terry abilities under independent N(0, prior_sd^2) priors.

    Args:
        wins: `wins[i, j]` is how often i was preferred to j, shape (M, M).
        prior_sd: standard deviation of the prior.
        start: initial abilities, shape (M,).
    """
    m = len(wins)
    n = wins + wins.T
    won = wins.sum(axis=1)
    theta = np.zeros(m) if start is None else start.copy()
    diagonal = np.arange(m)
    precision = np.empty((m, m))
    for _ in range(MAX_STEPS):
        p = special.expit(theta[:, None] - theta[None, :])
        weight = n * p * (1 - p)
        np.negative(weight, out=precision)
        precision[diagonal, diagonal] += weight.sum(axis=1) + prior_sd**-2
        step = np.linalg.solve(precision, won - (n * p).sum(axis=1) - theta / prior_sd**2)
        theta += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if float(np.abs(step).max()) < 1e-8:
            break
    return Posterior(theta, np.asarray(np.linalg.inv(precision), dtype=np.float64))


def expected_information_gain(posterior: Posterior) -> Array:
    """Return the expected information gain of a vote on each pair, in nats, shape (M, M), 0 on the diagonal.

    The gain is the mutual information of vote and difference (Houlsby et al. 2011; Mikhailiuk et al. 2020, ASAP). With
    d ~ N(m_i - m_j, S_ii + S_jj - 2 S_ij) and the binary entropy h, it is h(E sigma(d)) - E h(sigma(d)), computed by
    Gauss-Hermite quadrature with 21 nodes.
    """
    mean, cov = posterior.mean, posterior.covariance
    rows, columns = np.triu_indices(len(mean), 1)
    spread = np.sqrt(np.maximum(cov[rows, rows] + cov[columns, columns] - 2 * cov[rows, columns], 0.0))
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    d = (mean[rows] - mean[columns])[:, None] + spread[:, None] * nodes
    p = special.expit(d)
    share = weights / weights.sum()
    gain = _entropy(p @ share) - _entropy(p) @ share
    found = np.zeros_like(cov)
    found[rows, columns] = found[columns, rows] = np.maximum(gain, 0.0)
    return found


def _entropy(p: Array) -> Array:
    entropy: Array = special.entr(p) + special.entr(1 - p)
    return entropy


def spanning_pairs(gain: Array) -> list[tuple[int, int]]:
    """Return the pairs of a maximum spanning tree of the gains, a batch that can be shown in parallel.

    Li et al. (2018), "Hybrid-MST". Pairs are sorted by their indices, with the smaller index first.
    """
    m = len(gain)
    cost = np.triu(gain.max() + 1.0 - gain, 1)  # always positive, because SciPy takes a cost of 0 as no edge
    tree = minimum_spanning_tree(cost).tocoo()
    return sorted((min(i, j), max(i, j)) for i, j in zip(tree.row.tolist(), tree.col.tolist(), strict=True) if m > 1)


def pair_probabilities(gain: Array, *, exploration: float) -> Array:
    """Return the probability of showing each pair next, shape (M, M), upper triangle, summing to 1.

    A share of `exploration` is spread evenly over all pairs, so that no pair is excluded. The rest is spread evenly
    over the pairs of the maximum spanning tree.
    """
    m = len(gain)
    tree = spanning_pairs(gain)
    found = np.triu(np.full((m, m), exploration / (m * (m - 1) / 2)), 1)
    for i, j in tree:
        found[i, j] += (1 - exploration) / len(tree)
    return found
