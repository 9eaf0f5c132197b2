"""Signal detection: how well people distinguish true from colorized photos, by rates, sensitivity and criterion.

Green and Swets (1966), *Signal Detection Theory and Psychophysics*; Macmillan and Creelman (2005), *Detection Theory: A
User's Guide*, chapters 1 and 7. Rates have the log-linear correction (Hautus 1995), (hits + .5) / (n + 1), so that d'
stays finite for people who are never wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """A proportion with an interval that assumes independent trials."""

    value: float
    low: float
    high: float


def wilson(hits: int, n: int, level: float = 0.95) -> Rate:
    """Return Wilson's score interval (1927).

    >>> rate = wilson(465, 1440)
    >>> round(rate.low, 4), round(rate.high, 4)
    (0.2993, 0.3475)
    """
    _check(hits, n)
    z = float(special.ndtri(0.5 + level / 2))
    return Rate(hits / n, *wilson_bounds(hits / n, z * z / n))


def wilson_bounds(share: float, spread: float) -> tuple[float, float]:
    """Return both roots x of (share - x)^2 = spread x (1 - x), without differences of nearly equal numbers.

    Args:
        share: share of hits, in [0, 1].
        spread: squared quantile over the number of trials.
    """
    return _lower_root(share, spread), 1 - _lower_root(1 - share, spread)


def _lower_root(share: float, spread: float) -> float:
    upper = (share + spread / 2 + math.sqrt(spread * share * (1 - share) + spread**2 / 4)) / (1 + spread)
    return share**2 / ((1 + spread) * upper) if upper else 0.0


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> Rate:
    """Return the exact interval of Clopper and Pearson (1934).

    >>> rate = clopper_pearson(465, 1440)
    >>> round(rate.low, 4), round(rate.high, 4)
    (0.2988, 0.3478)
    """
    _check(hits, n)
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(special.betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(special.betaincinv(hits + 1, n - hits, 1 - tail))
    return Rate(hits / n, low, high)


def _check(hits: int, n: int) -> None:
    if not 0 <= hits <= n or n < 1:
        raise ValueError(f"expected 0 <= hits <= n and n >= 1, not {hits} of {n}")


@dataclass(frozen=True)
class Sensitivity:
    """d' and the criterion c, with standard errors that assume independent trials, each in the shape of the counts.

    Attributes:
        d_prime: sensitivity; 0 means that people cannot distinguish the two.
        criterion: bias; positive if people say "fake" too often (yes/no) or favor the right side (two alternatives).
        d_prime_se: standard error of `d_prime`, by Gourevitch and Galanter (1967).
        criterion_se: standard error of `criterion`, likewise.
    """

    d_prime: Array
    criterion: Array
    d_prime_se: Array
    criterion_se: Array


def yes_no(hits: ArrayLike, signals: ArrayLike, false_alarms: ArrayLike, noises: ArrayLike) -> Sensitivity:
    """Return d' = z(H) - z(F) and c = -(z(H) + z(F)) / 2 for single images that are called real or fake.

    Args:
        hits: number of true photos that were called real.
        signals: number of true photos shown.
        false_alarms: number of colorized photos that were called real.
        noises: number of colorized photos shown.
    """
    return _sensitivity(hits, signals, false_alarms, noises, 1.0)


def two_alternatives(
    hits: ArrayLike, real_left: ArrayLike, false_alarms: ArrayLike, real_right: ArrayLike
) -> Sensitivity:
    """Return d' = (z(H) - z(F)) / sqrt 2 and c = -(z(H) + z(F)) / 2 for choosing the real one of two images.

    Args:
        hits: number of answers "left" with the true photo on the left.
        real_left: number of trials with the true photo on the left (or first).
        false_alarms: number of answers "left" with the true photo on the right.
        real_right: number of trials with the true photo on the right (or second).
    """
    return _sensitivity(hits, real_left, false_alarms, real_right, math.sqrt(2))


def _sensitivity(
    hits: ArrayLike, signals: ArrayLike, false_alarms: ArrayLike, noises: ArrayLike, divisor: float
) -> Sensitivity:
    h, n_h, f, n_f = (np.asarray(each, dtype=np.float64) for each in (hits, signals, false_alarms, noises))
    rates = (h + 0.5) / (n_h + 1), (f + 0.5) / (n_f + 1)
    z = special.ndtri(rates[0]), special.ndtri(rates[1])
    parts = [
        rate * (1 - rate) / (n + 1) * 2 * math.pi * np.exp(score**2)
        for rate, score, n in zip(rates, z, (n_h, n_f), strict=True)
    ]
    spread = np.sqrt(parts[0] + parts[1])
    return Sensitivity((z[0] - z[1]) / divisor, -(z[0] + z[1]) / 2, spread / divisor, spread / 2)
