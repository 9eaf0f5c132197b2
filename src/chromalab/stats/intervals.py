"""Estimates of a mean, and the t intervals and tests that belong to them.

An `Estimate` may hold several standard errors: where no single one can be trusted, the interval is the widest that any
of them gives, and the p value is the largest, so that 0 lies outside the interval of level 1 - p exactly at its edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class StandardError:
    """How uncertain a mean is, by one way of reckoning it.

    Attributes:
        value: the standard error, in the unit of the mean, >= 0.
        df: degrees of freedom of Student's t, > 0 (Satterthwaite's are rarely whole numbers).
        source: what it was reckoned from: 'photos', 'seeds', 'seeds and photos', 'jackknife' or 'jackknife and seeds'.
    """

    value: float
    df: float
    source: str

    def half_width(self, level: float) -> float:
        """Return half the width of the two-sided t interval of this level."""
        return float(special.stdtrit(self.df, 0.5 + level / 2)) * self.value

    def p_above(self, distance: float) -> float:
        """Return the one-sided p value P(T >= distance / value); a standard error of 0 decides by the sign."""
        if self.value == 0:
            return 1.0 if distance <= 0 else 0.0
        return float(special.stdtr(self.df, -distance / self.value))


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval of a mean, and the p value of the test that the mean is 0.

    Attributes:
        mean: the estimated mean.
        low: lower end.
        high: upper end.
        level: confidence level, as 0.95.
        p: two-sided p value of the same test; it is below 1 - level exactly when 0 lies outside.
        error: the standard error that made the interval this wide.
    """

    mean: float
    low: float
    high: float
    level: float
    p: float
    error: StandardError


@dataclass(frozen=True)
class Estimate:
    """A mean with every standard error that its interval has to respect.

    Attributes:
        mean: the estimated mean.
        errors: the standard errors, at least one.
        n_seeds: number of seeds behind the mean.
        n_photos: number of photographs behind the mean.
    """

    mean: float
    errors: tuple[StandardError, ...]
    n_seeds: int
    n_photos: int

    def __post_init__(self) -> None:
        if not self.errors:
            raise ValueError("an estimate needs at least one standard error, none came")
        if not math.isfinite(self.mean) or any(not math.isfinite(error.value) for error in self.errors):
            raise ValueError(f"an estimate is a finite number with finite standard errors, not {self}")

    @property
    def has_seed_variance(self) -> bool:
        """Whether the interval knows how much a repetition with another seed would change the mean."""
        return self.n_seeds > 1

    @property
    def p(self) -> float:
        """The two-sided p value of the hypothesis that the true mean is 0: the largest of all standard errors."""
        return max(min(1.0, 2 * error.p_above(abs(self.mean))) for error in self.errors)

    def interval(self, level: float = 0.95) -> Interval:
        """Return the widest interval that any of the standard errors gives.

        Raises:
            ValueError: `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"a confidence level lies between 0 and 1, as 0.95, not {level}")
        widest = max(self.errors, key=lambda error: error.half_width(level))
        half = widest.half_width(level)
        return Interval(self.mean, self.mean - half, self.mean + half, level, self.p, widest)


def t_estimate(values: ArrayLike, *, source: str = "photos") -> Estimate:
    """Return the mean of independent values with its one standard error, s / sqrt(n), on n - 1 degrees of freedom.

    Args:
        values: at least two finite numbers, shape (n,).
        source: what the values are: 'photos' or 'seeds'.

    Raises:
        ValueError: fewer than two values, or one that is not finite.
    """
    sample = finite_array(values, ndim=1)
    n = sample.size
    if n < 2:
        raise ValueError(f"a t interval needs at least 2 values, {n} came: its width can't be estimated")
    error = StandardError(float(sample.std(ddof=1)) / math.sqrt(n), n - 1, source)
    seeds, photos = (n, 1) if source == "seeds" else (1, n)
    return Estimate(float(sample.mean()), (error,), n_seeds=seeds, n_photos=photos)


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Return Student's t interval of the mean of independent values, shape (n,).

    >>> interval = t_interval([1.0, 2.0, 3.0])
    >>> round(interval.low, 3), round(interval.high, 3)
    (-0.484, 4.484)

    Raises:
        ValueError: fewer than two values, or one that is not finite.
    """
    return t_estimate(values).interval(level)


def satterthwaite(mean_squares: Sequence[NDArray[np.float64]], dfs: Sequence[float]) -> NDArray[np.float64]:
    """Return the approximate degrees of freedom of a sum of independent mean squares.

    Satterthwaite (1946), "An approximate distribution of estimates of variance components", equation 17:
    (sum m_i)^2 / sum(m_i^2 / df_i). A mean square that is subtracted comes with its minus sign. Where all are 0 the
    smallest of `dfs` is returned: any would do, as the variance is 0.

    Args:
        mean_squares: signed terms, each of one shape (...).
        dfs: the degrees of freedom of each term.
    """
    total = np.sum(mean_squares, axis=0)
    scatter = np.sum([term**2 / df for term, df in zip(mean_squares, dfs, strict=True)], axis=0)
    ratio: NDArray[np.float64] = np.divide(total**2, scatter, out=np.full_like(total, min(dfs)), where=scatter > 0)
    return ratio


def finite_array(values: ArrayLike, *, ndim: int) -> NDArray[np.float64]:
    """Return `values` as float64 of `ndim` dimensions.

    Raises:
        ValueError: another number of dimensions, no values, or a value that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"expected values in {ndim} dimension(s), at least one, not the shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("every value must be finite: leave out photos whose value is missing or infinite, and say so")
    return array
