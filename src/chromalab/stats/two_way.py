"""The mean of values that vary over seeds and over photographs at once.

Every seed is measured on the same photographs, so value x of seed s on photograph n follows the crossed random model

    x_sn = mu + a_s + b_n + e_sn,    Var(mean) = var_a / S + var_b / N + var_e / (S N).

A test over photographs alone forgets var_a, a test over seeds alone var_b, and a test over all S N values as if they
were independent forgets both. A bootstrap over seeds and photographs draws seeds from two or three and so sees too
little of var_a: `tools/benchmarks/coverage.py` shows how little its interval covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chromalab.stats.intervals import Estimate, StandardError, finite_array, satterthwaite, t_estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class MeanSquares:
    """The analysis of variance of a two-way table with one value in each cell.

    Attributes:
        seeds: mean square between seeds, expectation var_e + N var_a, on S - 1 degrees of freedom.
        photos: mean square between photographs, expectation var_e + S var_b, on N - 1.
        residual: mean square of what is left, expectation var_e, on (S - 1)(N - 1).
        n_seeds: S.
        n_photos: N.
    """

    seeds: NDArray[np.float64]
    photos: NDArray[np.float64]
    residual: NDArray[np.float64]
    n_seeds: int
    n_photos: int


def mean_squares(values: NDArray[np.float64]) -> MeanSquares:
    """Return the mean squares of tables of shape (..., S, N), each over the leading axes; S and N at least 2.

    Searle, Casella & McCulloch (1992), "Variance Components", section 4.3 (two-way crossed, one observation a cell).
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


def variance_of_mean(squares: MeanSquares) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variance of the mean and its degrees of freedom, each of the leading shape of the tables.

    (MS_seeds + MS_photos - MS_residual) / (S N) is unbiased, with Satterthwaite's degrees of freedom for the three
    terms. It may come out below the variance that one factor alone explains, even negative: then the other factor's
    component was estimated below 0, and the larger one-way variance with its own degrees of freedom takes its place.
    """
    seeds, photos, residual = squares.seeds, squares.photos, squares.residual
    df_seeds, df_photos = squares.n_seeds - 1, squares.n_photos - 1
    both = seeds + photos - residual
    df_both = satterthwaite((seeds, photos, -residual), (df_seeds, df_photos, df_seeds * df_photos))
    larger = np.maximum(seeds, photos)
    df_larger = np.where(seeds >= photos, df_seeds, df_photos)
    guarded = both < larger
    variance = np.where(guarded, larger, both) / (squares.n_seeds * squares.n_photos)
    return variance, np.where(guarded, df_larger, df_both)


def two_way_estimate(values: ArrayLike) -> Estimate:
    """Return the mean of a seeds x photographs table with the errors that its interval must respect.

    The interval is the wider of two: the t interval of the two-way variance with Satterthwaite's degrees of freedom,
    and the t interval over the S seed means. The second one guards the first where seeds dominate: there the
    two-way variance rests on S - 1 degrees of freedom that Satterthwaite's formula overestimates.

    With one seed the interval is over photographs alone (`Estimate.has_seed_variance` is then False), with one
    photograph over seeds alone.

    Args:
        values: finite numbers, shape (S, N): measurements, or paired differences of two objectives.

    Raises:
        ValueError: a single value in all, a value that is not finite, or another number of dimensions.
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
