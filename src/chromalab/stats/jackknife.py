"""Intervals for metrics of a whole set of photographs, as Fréchet distances.

Such a metric has no value for one photograph. Leaving out one group of photographs at a time shows how much it hangs
on them. A bootstrap would not: a resampled set repeats photographs, its covariance has a lower rank, and the Fréchet
distance of every resample lies above the one it is meant to surround.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chromalab.stats.intervals import Estimate, StandardError, finite_array, satterthwaite, t_estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


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
        raise ValueError(f"a jackknife needs at least 2 groups, {groups} came")
    return float((groups - 1) * values.var())


def jackknife_estimate(values: ArrayLike, replicates: ArrayLike | None, *, n_photos: int) -> Estimate:
    """Return the mean over seeds of a set metric (or of a paired difference) with its standard errors.

    Var(mean) = jackknife variance of the seed-averaged statistic (what the photographs contribute) + variance of the
    seeds' values / S, with Satterthwaite's degrees of freedom from G - 1 and S - 1. How far a seed's value hangs on
    the photographs enters both parts, so the sum errs on the wide side. The interval is the wider of this one and the t
    interval over the seeds' values. With one seed it is the jackknife's alone, without replicates the seeds' alone.

    Args:
        values: the statistic of each seed, shape (S,).
        replicates: the same without each group of photographs, shape (S, G), or None where there are none.
        n_photos: number of photographs behind each value.

    Raises:
        ValueError: one seed and no replicates, shapes that don't fit, or a value that is not finite.
    """
    statistic = finite_array(values, ndim=1)
    n_seeds = statistic.size
    over_seeds = t_estimate(statistic, source="seeds").errors[0] if n_seeds > 1 else None
    if replicates is None:
        if over_seeds is None:
            raise ValueError("one seed and no jackknife replicates: there is nothing to estimate a variance from")
        return Estimate(float(statistic.mean()), (over_seeds,), n_seeds=n_seeds, n_photos=n_photos)
    table = finite_array(replicates, ndim=2)
    if table.shape[0] != n_seeds:
        raise ValueError(f"expected replicates of {n_seeds} seeds, {table.shape[0]} came")
    errors = _errors(jackknife_variance(table.mean(axis=0)), table.shape[1] - 1, over_seeds)
    return Estimate(float(statistic.mean()), errors, n_seeds=n_seeds, n_photos=n_photos)


def _errors(variance: float, df: int, over_seeds: StandardError | None) -> tuple[StandardError, ...]:
    if over_seeds is None:
        return (StandardError(math.sqrt(variance), df, "jackknife"),)
    parts = (np.float64(variance), np.float64(over_seeds.value**2))
    combined_df = float(satterthwaite([np.asarray(part) for part in parts], (df, over_seeds.df)))
    return (StandardError(math.sqrt(sum(parts)), combined_df, "jackknife and seeds"), over_seeds)
