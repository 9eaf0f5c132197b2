"""Intervals for statistics of votes that depend on both people and photos.

Every vote belongs to a person and to a photo. A bootstrap over votes treats them as independent, so its intervals are
far too narrow. A bootstrap over people alone covers other people but not other photos. A bootstrap over both at once
resamples every vote twice and is too wide. The variance over people and photos is therefore combined from three one-way
bootstraps, V_people + V_photos - V_votes, as in the two-way clustered errors of Cameron, Gelbach and Miller (2011).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Maps sums over votes, shape (draws, K), to numbers, shape (draws, P)."""

DRAWS = 1000
CHUNK = 250


@dataclass(frozen=True)
class TwoWay:
    """Covariances of P estimates from votes, each of shape (P, P).

    Attributes:
        participants: covariance over people, for fixed photos; None with fewer than two people.
        photos: covariance over photos, for fixed people; None with fewer than two photos.
        votes: covariance over votes as if they were independent.
        n_participants: number of people.
        n_photos: number of photos.
    """

    participants: Array | None
    photos: Array | None
    votes: Array
    n_participants: int
    n_photos: int

    @property
    def combined(self) -> Array:
        """V_participants + V_photos - V_votes with negative eigenvalues set to 0; without one of these, the other."""
        if self.participants is None or self.photos is None:
            one = self.participants if self.participants is not None else self.photos
            return self.votes if one is None else one
        values, vectors = np.linalg.eigh(self.participants + self.photos - self.votes)
        combined: Array = (vectors * np.maximum(values, 0)) @ vectors.T
        return combined

    def variance(self, contrast: Array) -> float:
        """Return the variance of c'x over people and photos, at least that over either alone."""
        parts = (self.combined, *(part for part in (self.participants, self.photos) if part is not None))
        return max(float(contrast @ part @ contrast) for part in parts)

    @property
    def df(self) -> float:
        """Degrees of freedom of Student's t: the smaller of the numbers of people and photos, minus 1."""
        known = [n for n in (self.n_participants, self.n_photos) if n > 1]
        return min(known) - 1 if known else math.inf

    def half_width(self, contrast: Array, level: float = 0.95) -> float:
        """Return half the width of the interval of c'x."""
        return quantile(self.df, level) * math.sqrt(self.variance(contrast))


def quantile(df: float, level: float) -> float:
    """Return the two-sided quantile of Student's t, or of the normal distribution for infinite degrees of freedom."""
    upper = 0.5 + level / 2
    return float(special.ndtri(upper) if math.isinf(df) else special.stdtrit(df, upper))


ASSUMED_CORRELATION = 0.1
"""Correlation of two votes of one participant, or on one photo, that is assumed where votes are too alike to show it.

At a rate p, normal effects with standard deviation s in logits correlate votes by about s^2 p (1 - p). With s = 1 this
is at most .1 at rates above .89 or below .11."""


def assumed_design_effect(*groupings: Sequence[int]) -> float:
    """Return the inflation of the variance of a mean by clustering under `ASSUMED_CORRELATION` (Kish 1965).

    Args:
        groupings: index of the cluster of each vote, once per kind of cluster.
    """
    sizes = [np.unique(groups, return_counts=True)[1].astype(np.float64) for groups in groupings]
    return 1 + ASSUMED_CORRELATION * sum(float((size**2).sum() / size.sum()) - 1 for size in sizes)


def observed_design_effect(influence: Array, *groupings: Sequence[int]) -> float:
    """Return the variance of a sum over two kinds of clusters relative to that of independent votes.

    Args:
        influence: contribution of each vote to the sum, shape (votes,); their mean is removed.
        groupings: index of the cluster of each vote, for both kinds of cluster.

    Returns:
        V_participants + V_photos - V_votes over V_votes, or the larger of the first two over V_votes; 0 if all votes
        contribute alike.
    """
    left = influence - influence.mean()
    independent = float((left**2).sum())
    if independent <= 1e-12 * float((influence**2).sum()):
        return 0.0
    parts = []
    for groups in groupings:
        sums = np.bincount(np.unique(groups, return_inverse=True)[1], left)
        parts.append(float((sums**2).sum()) * len(sums) / max(len(sums) - 1, 1))
    return max(sum(parts) - independent, *parts) / independent


def two_sided_p(t: float, df: float) -> float:
    """Return P(|T| >= |t|) for Student's t, or for the normal distribution with infinite degrees of freedom."""
    tail = special.ndtr(-abs(t)) if math.isinf(df) else special.stdtr(df, -abs(t))
    return min(1.0, 2 * float(tail))


def two_way(
    sums: sparse.csr_matrix,
    participants: Sequence[int],
    photos: Sequence[int],
    statistic: Statistic,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> TwoWay:
    """Return the covariances of a statistic over people, over photos and over votes.

    Args:
        sums: contribution of each vote to the K sums from which the statistic is computed, shape (votes, K).
        participants: index of the person of each vote, from 0.
        photos: index of the photo of each vote, from 0.
        statistic: function from sums to estimates.
        draws: number of draws of each bootstrap.
        seed: seed of the resampling.
    """
    n_people, n_photos = len(set(participants)), len(set(photos))

    def over(groups: Sequence[int] | None, stream: int) -> Array:
        inside = sums if groups is None else _grouped(sums, groups)
        return resampled_covariance(inside, statistic, draws=draws, seed=(seed, stream))

    return TwoWay(
        participants=over(participants, 0) if n_people > 1 else None,
        photos=over(photos, 1) if n_photos > 1 else None,
        votes=over(None, 2),
        n_participants=n_people,
        n_photos=n_photos,
    )


def _grouped(sums: sparse.csr_matrix, groups: Sequence[int]) -> sparse.csr_matrix:
    _, labels = np.unique(groups, return_inverse=True)
    ones = np.ones(len(labels))
    gather = sparse.csr_matrix((ones, (labels, np.arange(len(labels)))), shape=(labels.max() + 1, len(labels)))
    return sparse.csr_matrix(gather @ sums)


def resampled_covariance(
    sums: sparse.csr_matrix, statistic: Statistic, *, draws: int = DRAWS, seed: tuple[int, ...] = (0,)
) -> Array:
    """Return the covariance of a statistic when rows of `sums` are resampled with replacement, shape (P, P)."""
    values = resampled(sums, statistic, draws=draws, seed=seed)
    known = np.isfinite(values)
    if known.all():
        return np.atleast_2d(np.cov(values, rowvar=False))
    return _pairwise_covariance(values, known)


def _pairwise_covariance(values: Array, known: NDArray[np.bool_]) -> Array:
    """Return covariances, each from the draws in which both statistics are finite; 0 if there are none.

    A draw of participants may lack every vote for some method.
    """
    filled = np.where(known, values, 0.0)
    present = known.astype(np.float64)
    n = present.T @ present
    with np.errstate(invalid="ignore", divide="ignore"):
        product = filled.T @ filled / n - (filled.T @ present / n) * (present.T @ filled / n)
        found: Array = np.where(n > 1, product * n / np.maximum(n - 1, 1), 0.0)
    return found


def resampled(
    sums: sparse.csr_matrix, statistic: Statistic, *, draws: int = DRAWS, seed: tuple[int, ...] = (0,)
) -> Array:
    """Return the statistic of resampled rows, shape (draws, P)."""
    generator = np.random.default_rng(seed)
    found = []
    for first in range(0, draws, CHUNK):
        weights = _weights(sums.shape[0], min(CHUNK, draws - first), generator)
        found.append(statistic(np.asarray((sums.T @ weights.T).T)))
    return np.concatenate(found)


def _weights(n: int, draws: int, generator: np.random.Generator) -> Array:
    """Return how often each of n rows is drawn in each resample, shape (draws, n)."""
    chosen = generator.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(chosen.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float64)
