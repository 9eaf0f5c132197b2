"""Means with standard errors, t intervals and tests: over photos, over seeds, over both at once, and by jackknife.

Every seed of a study is measured on the same photos, so value x of seed s on photo n follows the crossed random model

    x_sn = mu + a_s + b_n + e_sn,    Var(mean) = var_a / S + var_b / N + var_e / (S N).

A test over photos alone ignores var_a, a test over seeds alone ignores var_b, and a test that treats all S N values as
independent ignores both. A bootstrap over two or three seeds underestimates var_a: `tools/benchmarks/coverage.py`
measures how often its interval covers the mean.
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


WIDEST_LOG = 10.0
"""Half-width on the scale of logarithms beyond which an interval of a bounded mean is cut instead."""


@dataclass(frozen=True)
class StandardError:
    """A standard error of a mean, by one of several methods.

    Attributes:
        value: the standard error, in the unit of the mean, >= 0.
        df: degrees of freedom of Student's t, > 0 (Satterthwaite's are rarely whole numbers).
        source: the variation it covers: 'photos', 'seeds', 'seeds and photos', 'jackknife' or 'jackknife and seeds'.
    """

    value: float
    df: float
    source: str

    def half_width(self, level: float) -> float:
        """Return half the width of the two-sided t interval of this level."""
        return float(special.stdtrit(self.df, 0.5 + level / 2)) * self.value

    def p_above(self, distance: float) -> float:
        """Return the one-sided p value P(T >= distance / value); with a standard error of 0 it is 0 or 1."""
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
        level: confidence level, such as 0.95.
        p: two-sided p value of the same test, which is below 1 - level exactly if 0 lies outside the interval.
        error: the standard error that determines the width.
    """

    mean: float
    low: float
    high: float
    level: float
    p: float
    error: StandardError


@dataclass(frozen=True)
class Estimate:
    """A mean with one or more standard errors; its interval is the widest that any of them gives.

    Attributes:
        mean: the estimated mean.
        errors: the standard errors, at least one.
        n_seeds: number of seeds behind the mean.
        n_photos: number of photos behind the mean.
    """

    mean: float
    errors: tuple[StandardError, ...]
    n_seeds: int
    n_photos: int

    def __post_init__(self) -> None:
        if not self.errors:
            raise ValueError("an estimate needs at least one standard error, but got none")
        if not math.isfinite(self.mean) or any(not math.isfinite(error.value) for error in self.errors):
            raise ValueError(f"an estimate must be a finite number with finite standard errors, not {self}")

    @property
    def has_seed_variance(self) -> bool:
        """Whether the interval covers the variation between seeds."""
        return self.n_seeds > 1

    @property
    def p(self) -> float:
        """The two-sided p value of the hypothesis that the true mean is 0: the largest over all standard errors."""
        return max(min(1.0, 2 * error.p_above(abs(self.mean))) for error in self.errors)

    def interval(self, level: float = 0.95, low: float = -math.inf) -> Interval:
        """Return the widest interval that any of the standard errors gives.

        Where the symmetric interval would reach below `low`, it is taken on the scale of log(mean - low) by the delta
        method, and so stays above `low`. That scale is of no use for very wide intervals: they are cut at `low`.

        Args:
            level: confidence level.
            low: the smallest possible mean.

        Raises:
            ValueError: `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"a confidence level must lie between 0 and 1, such as 0.95, not {level}")
        widest = max(self.errors, key=lambda error: error.half_width(level))
        half = widest.half_width(level)
        ends = (self.mean - half, self.mean + half)
        if ends[0] < low < self.mean:
            ends = (low, ends[1])
            if half < WIDEST_LOG * (self.mean - low):
                factor = math.exp(half / (self.mean - low))
                ends = (low + (self.mean - low) / factor, low + (self.mean - low) * factor)
        return Interval(self.mean, *ends, level, self.p, widest)


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
        raise ValueError(f"a t interval needs at least 2 values to estimate its width, not {n}")
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
    (sum m_i)^2 / sum(m_i^2 / df_i). Subtracted mean squares have a negative sign. If all terms are 0, the variance is 0
    and the smallest of `dfs` is returned.

    Args:
        mean_squares: signed terms, each of one shape (...).
        dfs: the degrees of freedom of each term.
    """
    total = np.sum(mean_squares, axis=0)
    scatter = np.sum([term**2 / df for term, df in zip(mean_squares, dfs, strict=True)], axis=0)
    ratio: NDArray[np.float64] = np.divide(total**2, scatter, out=np.full_like(total, min(dfs)), where=scatter > 0)
    return ratio


def finite_array(values: ArrayLike, *, ndim: int) -> NDArray[np.float64]:
    """Return `values` as a float64 array of `ndim` dimensions.

    Raises:
        ValueError: the number of dimensions is wrong, there are no values, or a value is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"expected at least one value in {ndim} dimension(s), not the shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("every value must be finite; leave out photos whose value is missing or infinite, and say so")
    return array


def jackknife_variance(replicates: ArrayLike) -> float:
    """Return the delete-a-group jackknife variance of a statistic: (G - 1) / G * sum (r_g - mean r)^2.

    Kott (2001), "The delete-a-group jackknife", Journal of Official Statistics 17, equation 3, around the replicates'
    mean. For G = n groups of one and the statistic a mean, it is s^2 / n.

    Args:
        replicates: the statistic without each of the G groups in turn, shape (G,), G at least 2.

    Raises:
        ValueError: fewer than two replicates, or one that is not finite.
    """
    values = finite_array(replicates, ndim=1)
    groups = values.size
    if groups < 2:
        raise ValueError(f"a jackknife needs at least 2 groups, not {groups}")
    return float((groups - 1) * values.var())


def jackknife_estimate(values: ArrayLike, replicates: ArrayLike | None, *, n_photos: int) -> Estimate:
    """Return the mean over seeds of a set metric (or of a paired difference) with its standard errors.

    Var(mean) = jackknife variance of the seed-averaged statistic (the contribution of the photos) + variance of the
    seeds' values / S, with Satterthwaite's degrees of freedom from G - 1 and S - 1. The dependence of a seed's value on
    the photos enters both parts, so the sum is conservative. The interval is the wider of this one and the t interval
    over the seeds' values. With one seed it is that of the jackknife alone, without replicates that of the seeds alone.

    Args:
        values: the statistic of each seed, shape (S,).
        replicates: the same without each group of photos, shape (S, G), or None.
        n_photos: number of photos behind each value.

    Raises:
        ValueError: there is one seed and no replicates, shapes do not match, or a value is not finite.
    """
    statistic = finite_array(values, ndim=1)
    n_seeds = statistic.size
    over_seeds = t_estimate(statistic, source="seeds").errors[0] if n_seeds > 1 else None
    if replicates is None:
        if over_seeds is None:
            raise ValueError("a variance cannot be estimated from one seed without jackknife replicates")
        return Estimate(float(statistic.mean()), (over_seeds,), n_seeds=n_seeds, n_photos=n_photos)
    table = finite_array(replicates, ndim=2)
    if table.shape[0] != n_seeds:
        raise ValueError(f"expected replicates of {n_seeds} seeds, not {table.shape[0]}")
    errors = _errors(jackknife_variance(table.mean(axis=0)), table.shape[1] - 1, over_seeds)
    return Estimate(float(statistic.mean()), errors, n_seeds=n_seeds, n_photos=n_photos)


def _errors(variance: float, df: int, over_seeds: StandardError | None) -> tuple[StandardError, ...]:
    if over_seeds is None:
        return (StandardError(math.sqrt(variance), df, "jackknife"),)
    parts = (np.float64(variance), np.float64(over_seeds.value**2))
    combined_df = float(satterthwaite([np.asarray(part) for part in parts], (df, over_seeds.df)))
    return (StandardError(math.sqrt(sum(parts)), combined_df, "jackknife and seeds"), over_seeds)


@dataclass(frozen=True)
class MeanSquares:
    """The analysis of variance of a two-way table with one value in each cell.

    Attributes:
        seeds: mean square between seeds, expectation var_e + N var_a, on S - 1 degrees of freedom.
        photos: mean square between photos, expectation var_e + S var_b, on N - 1.
        residual: residual mean square, expectation var_e, on (S - 1)(N - 1).
        n_seeds: S.
        n_photos: N.
    """

    seeds: NDArray[np.float64]
    photos: NDArray[np.float64]
    residual: NDArray[np.float64]
    n_seeds: int
    n_photos: int


def mean_squares(values: NDArray[np.float64]) -> MeanSquares:
    """Return the mean squares of tables of shape (..., S, N), for all leading axes; S and N are at least 2.

    Searle, Casella & McCulloch (1992), "Variance Components", section 4.3 (two-way crossed, one observation per cell).
    """
    n_seeds, n_photos = values.shape[-2:]
    grand = values.mean(axis=(-2, -1), keepdims=True)
    seed_effect = values.mean(axis=-1, keepdims=True) - grand
    photo_effect = values.mean(axis=-2, keepdims=True) - grand
    left = values - grand - seed_effect - photo_effect
    return MeanSquares(
        seeds=n_photos * (seed_effect**2).sum(axis=(-2, -1)) / (n_seeds - 1),
        photos=n_seeds * (photo_effect**2).sum(axis=(-2, -1)) / (n_photos - 1),
        residual=(left**2).sum(axis=(-2, -1)) / ((n_seeds - 1) * (n_photos - 1)),
        n_seeds=n_seeds,
        n_photos=n_photos,
    )


def variance_of_mean(
    squares: MeanSquares, df_seeds: float | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variance of the mean and its degrees of freedom, each in the leading shape of the tables.

    (MS_seeds + MS_photos - MS_residual) / (S N) is unbiased, with Satterthwaite's degrees of freedom for the three
    terms. It can be below the variance that one factor alone explains, and even negative. The component of the other
    factor is then estimated below 0, and the larger one-way variance is used with its own degrees of freedom.

    Args:
        squares: the mean squares.
        df_seeds: degrees of freedom of the mean square between seeds, if more than this table was used to estimate it;
            None takes S - 1.
    """
    seeds, photos, residual = squares.seeds, squares.photos, squares.residual
    df_photos, df_residual = squares.n_photos - 1, (squares.n_seeds - 1) * (squares.n_photos - 1)
    df_seeds = squares.n_seeds - 1 if df_seeds is None else df_seeds
    both = seeds + photos - residual
    df_both = satterthwaite((seeds, photos, -residual), (df_seeds, df_photos, df_residual))
    larger = np.maximum(seeds, photos)
    df_larger = np.where(seeds >= photos, df_seeds, df_photos)
    guarded = both < larger
    variance = np.where(guarded, larger, both) / (squares.n_seeds * squares.n_photos)
    return variance, np.where(guarded, df_larger, df_both)


def two_way_estimate(values: ArrayLike) -> Estimate:
    """Return the mean of a seeds x photos table with its standard errors.

    The interval is the wider of two: the t interval of the two-way variance with Satterthwaite's degrees of freedom,
    and the t interval over the S seed means. The second is needed if the variation between seeds dominates, because the
    two-way variance then rests on S - 1 degrees of freedom, which Satterthwaite's formula overestimates.

    With one seed the interval is over photos alone (`Estimate.has_seed_variance` is then False), with one photo over
    seeds alone.

    Args:
        values: finite numbers, shape (S, N): measurements, or paired differences of two objectives.

    Raises:
        ValueError: there is only a single value, a value is not finite, or the number of dimensions is wrong.
    """
    table = finite_array(values, ndim=2)
    n_seeds, n_photos = table.shape
    if n_seeds == 1:
        return t_estimate(table[0], source="photos")
    over_seeds = t_estimate(table.mean(axis=1), source="seeds").errors[0]
    if n_photos == 1:
        errors: tuple[StandardError, ...] = (over_seeds,)
    else:
        variance, df = variance_of_mean(mean_squares(table))
        errors = (StandardError(float(np.sqrt(variance)), float(df), "seeds and photos"), over_seeds)
    return Estimate(float(table.mean()), errors, n_seeds=n_seeds, n_photos=n_photos)
