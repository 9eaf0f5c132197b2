"""Mean opinion scores: the rater model of ITU-T P.910, and the screening of ITU-R BT.500."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_ROUNDS = 1000
TOLERANCE = 1e-8
LEAST_SPREAD = 0.1
"""Smallest spread of a rater on a scale from 1 to 5.

One who never departs from the others would otherwise get infinite weight."""


@dataclass(frozen=True)
class RaterModel:
    """The model u_ij = psi_j + D_i + v_i e for the rating of stimulus j by rater i.

    Attributes:
        quality: psi, shape (J,); NaN without a rating.
        quality_se: standard error of `quality`, for fixed raters and stimuli.
        bias: D, centered, shape (I,).
        inconsistency: v, shape (I,).
        rounds: number of iterations until convergence.
    """

    quality: Array
    quality_se: Array
    bias: Array
    inconsistency: Array
    rounds: int


def rater_model(ratings: Array, *, least_spread: float = LEAST_SPREAD) -> RaterModel:
    """Return qualities without the raters' biases, with more weight for consistent raters.

    ITU-T P.910 (2023), annex E, which is the model of P.913, 12.4: alternate v_i = std_j(u - psi - D), psi_j =
    sum v^-2 (u - D) / sum v^-2 and D_i = mean_j(u - psi) until psi converges, then move the mean of D into psi.

    Args:
        ratings: shape (I raters, J stimuli), NaN where there is none.
        least_spread: smallest spread of a rater.

    Raises:
        ValueError: no rating at all.
    """
    known = np.isfinite(ratings)
    if ratings.ndim != 2 or not known.any():
        raise ValueError(f"expected a table of raters and stimuli with at least one rating, not {ratings.shape}")
    filled = np.where(known, ratings, 0.0)
    psi = _over(filled, known, 0)
    bias = _over(filled - psi, known, 1)
    spread = np.ones(len(ratings))
    for rounds in itertools.count(1):
        left = (filled - psi - bias[:, None]) * known
        variance = (left**2).sum(1) / np.maximum(known.sum(1), 1) - (left.sum(1) / np.maximum(known.sum(1), 1)) ** 2
        spread = np.sqrt(np.maximum(variance, least_spread**2))
        weights = known / spread[:, None] ** 2
        total = weights.sum(0)
        new = np.divide((weights * (filled - bias[:, None])).sum(0), total, out=np.zeros_like(psi), where=total > 0)
        bias = _over(filled - new, known, 1)
        moved = float(np.abs(new - psi).max())
        psi = new
        if moved < TOLERANCE or rounds == MAX_ROUNDS:
            break
    shift = float(bias.mean())
    total = (known / spread[:, None] ** 2).sum(0)
    se = np.divide(1.0, np.sqrt(total), out=np.full_like(psi, np.nan), where=total > 0)
    return RaterModel(np.where(total > 0, psi + shift, np.nan), se, bias - shift, spread, rounds)


def _over(values: Array, known: NDArray[np.bool_], axis: int) -> Array:
    count = known.sum(axis)
    mean: Array = np.divide((values * known).sum(axis), count, out=np.zeros(len(count)), where=count > 0)
    return mean


def bt500_rejected(ratings: Array) -> NDArray[np.bool_]:
    """Return which raters ITU-R BT.500-14, annex 1, 2.3.1 rejects, shape (I,).

    For every stimulus, ratings beyond 2 standard deviations (if the kurtosis is between 2 and 4, so about normal) or
    beyond sqrt(20) standard deviations count as too high (P) or too low (Q). A rater with (P + Q) / N > .05 and
    |P - Q| / (P + Q) < .3 is rejected.

    Args:
        ratings: shape (I raters, J stimuli), NaN where there is none.
    """
    known = np.isfinite(ratings)
    mean = _over(np.where(known, ratings, 0.0), known, 0)
    left = np.where(known, ratings - mean, 0.0)
    count = np.maximum(known.sum(0), 1)
    second, fourth = (left**2).sum(0) / count, (left**4).sum(0) / count
    sd = np.sqrt((left**2).sum(0) / np.maximum(count - 1, 1))
    kurtosis = np.divide(fourth, second**2, out=np.full_like(second, 3.0), where=second > 0)
    limit = np.where((kurtosis >= 2) & (kurtosis <= 4), 2.0, math.sqrt(20)) * sd
    above = (known & (limit > 0) & (left >= limit)).sum(1)
    below = (known & (limit > 0) & (left <= -limit)).sum(1)
    both = above + below
    share = both / np.maximum(known.sum(1), 1)
    lean = np.divide(np.abs(above - below), both, out=np.ones(len(both)), where=both > 0)
    rejected: NDArray[np.bool_] = (share > 0.05) & (lean < 0.3)
    return rejected
