"""Contrasts of objectives that were trained with the same seeds and measured on the same photographs.

Every objective o is trained once with each of S seeds, and every run is measured on the same N photographs:

    y_osn = mu_o + s_s + p_n + (os)_os + (op)_on + (sp)_sn + e_osn

A contrast sum_o w_o mu_o of two objectives cancels s, p and sp. The variance of its estimate has two parts:

- **runs**: how much a run's mean varies beyond what its seed does to all objectives alike. A contrast of three seeds
  alone would estimate it on two degrees of freedom. Objectives on the same network vary alike, so their variances are
  pooled, unless Bartlett's test finds that one does not agree (a critic that diverges). Such a variance is kept apart
  and enters with its own degrees of freedom, as in Welch's test.
- **photographs**: how much the difference depends on the photograph. It is estimated from the contrast itself, because
  two similar objectives also differ alike on all photographs, and N is large enough.

Both parts are mean squares of independent normal effects, so the sum has Satterthwaite's degrees of freedom.
`tools/benchmarks/coverage.py` simulates how often the intervals cover the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from chromalab.stats.intervals import (
    Estimate,
    StandardError,
    finite_array,
    mean_squares,
    satterthwaite,
    two_way_estimate,
    variance_of_mean,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

AGREEMENT_ALPHA = 0.25


@dataclass(frozen=True)
class VariancePart:
    """A part of the variance of an estimate.

    Attributes:
        value: the variance, >= 0.
        df: its degrees of freedom, > 0.
    """

    value: float
    df: float


def bartlett_p(variances: ArrayLike, df: float) -> float:
    """Return the p value of Bartlett's test that samples of equal size come from populations of equal variance.

    Bartlett (1937), "Properties of sufficiency and statistical tests", with his correction factor. The p value is 1
    where all variances are 0, and 0 where only some are.

    Args:
        variances: unbiased sample variances, shape (k,), k at least 2.
        df: degrees of freedom of each.
    """
    values = finite_array(variances, ndim=1)
    count = values.size
    if not values.any():
        return 1.0
    if not values.all():
        return 0.0
    statistic = count * df * np.log(values.mean()) - df * np.log(values).sum()
    correction = 1 + (count / df - 1 / (count * df)) / (3 * (count - 1))
    return float(special.chdtrc(count - 1, max(statistic, 0.0) / correction))


def agreeing(run_means: Mapping[str, ArrayLike], *, alpha: float = AGREEMENT_ALPHA) -> tuple[str, ...]:
    """Return the objectives whose run-to-run variances agree.

    While Bartlett's test rejects, the objective without which the others agree best is set apart.

    Args:
        run_means: for each objective the mean of each run, shape (S,), the same S of at least 2 for all.
        alpha: size of the test.
    """
    variances = {name: float(finite_array(means, ndim=1).var(ddof=1)) for name, means in run_means.items()}
    df = min(len(np.asarray(means)) for means in run_means.values()) - 1
    while len(variances) > 1 and bartlett_p(list(variances.values()), df) < alpha:
        del variances[max(variances, key=lambda name: _agreement_without(variances, name, df))]
    return tuple(variances)


def _agreement_without(variances: Mapping[str, float], name: str, df: float) -> tuple[float, float]:
    """Return how well the other variances agree; of the last two the larger one goes."""
    others = [value for other, value in variances.items() if other != name]
    return bartlett_p(others, df) if len(others) > 1 else 1.0, variances[name]


def contrast(tables: Mapping[str, ArrayLike], weights: Mapping[str, float]) -> Estimate:
    """Return a contrast of objectives with the errors that its interval must respect.

    The interval is the wider of two: the t interval of both parts of the variance, and the t interval of the runs'
    part alone, which guards the first where runs dominate. With one seed the interval is over photographs alone.

    Args:
        tables: for each objective its measurements, shape (S, N), all with the same seeds and photographs. Objectives
            that are not in `weights` help to estimate how much runs vary.
        weights: the contrast; the weights add up to 0.

    Raises:
        ValueError: weights that do not add up to 0, tables of different shapes, or a value that is not finite.
    """
    run_means, difference = _means_and_difference(tables, weights)
    n_seeds, n_photos = difference.shape
    if n_seeds == 1 or n_photos == 1:
        return two_way_estimate(difference)
    runs = run_variance(run_means, weights)
    errors = (_both(runs, difference), StandardError(runs.value**0.5, runs.df, "runs"))
    return Estimate(float(difference.mean()), errors, n_seeds=n_seeds, n_photos=n_photos)


def _means_and_difference(
    tables: Mapping[str, ArrayLike], weights: Mapping[str, float]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Return the mean of each run by objective, (S,), and the contrast of the tables, (S, N)."""
    arrays = {name: finite_array(table, ndim=2) for name, table in tables.items()}
    if len({array.shape for array in arrays.values()}) != 1:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ValueError(f"objectives must share seeds and photographs, but their tables have the shapes {shapes}")
    if abs(sum(weights.values())) > 1e-9:
        raise ValueError(f"the weights of a contrast must add up to 0, not to {sum(weights.values())}: {dict(weights)}")
    difference = np.sum([weight * arrays[name] for name, weight in weights.items()], axis=0)
    return {name: array.mean(axis=1) for name, array in arrays.items()}, difference


def run_variance(run_means: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float]) -> VariancePart:
    """Return the runs' part of the variance of a contrast.

    Where the variances of all objectives in the contrast agree, the effect of the seed that all of them share is taken
    out first. Where one is set apart, the runs count as independent.

    Args:
        run_means: for each objective the mean of each run, shape (S,), S at least 2.
        weights: the contrast.
    """
    pool = agreeing(run_means)
    if set(weights) <= set(pool):
        return _scaled(interaction_variance([run_means[name] for name in pool]), weights, pool, run_means)
    pooled = _pooled([run_means[name] for name in pool])
    parts = [_scaled(pooled, weights, pool, run_means)] if set(weights) & set(pool) else []
    parts += [_scaled(_pooled([run_means[name]]), weights, (name,), run_means) for name in weights if name not in pool]
    total = sum(part.value for part in parts)
    df = satterthwaite([np.asarray(part.value) for part in parts], [part.df for part in parts])
    return VariancePart(total, float(df))


def interaction_variance(run_means: Sequence[NDArray[np.float64]]) -> VariancePart:
    """Return the variance of a run's mean beyond the effects of its objective and of its seed.

    The mean square of the interaction in a two-way table without replication, on (K - 1)(S - 1) degrees of freedom.

    Args:
        run_means: one row of S run means for each of K objectives, K and S at least 2.
    """
    table = np.asarray(run_means)
    left = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    return VariancePart(float((left**2).sum()) / df, df)


@dataclass(frozen=True)
class ContrastComponents:
    """What the variance of a contrast is made of, to plan a study by a pilot.

    Attributes:
        runs: variance of the difference from seed to seed on infinitely many photographs.
        photos: variance of the difference from photograph to photograph over infinitely many seeds.
        residual: variance of what is left.
        pooled: number of objectives over which the run variance is pooled; 1 where it is not.
    """

    runs: float
    photos: float
    residual: float
    pooled: int

    def standard_error(self, n_seeds: int, n_photos: int) -> StandardError:
        """Return the standard error to expect of a study with so many seeds (at least 2) and photographs."""
        run_part = (self.runs + self.residual / n_photos) / n_seeds
        photo_part = self.photos / n_photos
        if not run_part + photo_part:
            return StandardError(0.0, n_photos - 1, "runs and photos")
        dfs = (max(self.pooled - 1, 1) * (n_seeds - 1), n_photos - 1)
        df = satterthwaite([np.asarray(run_part), np.asarray(photo_part)], dfs)
        return StandardError((run_part + photo_part) ** 0.5, float(df), "runs and photos")

    def half_width(self, n_seeds: int, n_photos: int, level: float = 0.95) -> float:
        """Return half the width of the interval to expect."""
        return self.standard_error(n_seeds, n_photos).half_width(level)


def components(tables: Mapping[str, ArrayLike], weights: Mapping[str, float]) -> ContrastComponents:
    """Estimate what the variance of a contrast is made of; a component that is estimated below 0 becomes 0.

    Args:
        tables: for each objective its measurements, shape (S, N), S and N at least 2, as `contrast` takes them.
        weights: the contrast.
    """
    run_means, difference = _means_and_difference(tables, weights)
    squares = mean_squares(difference)
    residual = float(squares.residual)
    runs = run_variance(run_means, weights).value * squares.n_seeds - residual / squares.n_photos
    photos = (float(squares.photos) - residual) / squares.n_seeds
    pool = agreeing(run_means)
    together = len(pool) if set(weights) <= set(pool) else 1
    return ContrastComponents(max(runs, 0.0), max(photos, 0.0), residual, together)


def _pooled(run_means: Sequence[NDArray[np.float64]]) -> VariancePart:
    """Return the mean of the variances over seeds, with the sum of their degrees of freedom."""
    table = np.asarray(run_means)
    return VariancePart(float(table.var(axis=1, ddof=1).mean()), table.shape[0] * (table.shape[1] - 1))


def _scaled(
    part: VariancePart,
    weights: Mapping[str, float],
    members: Sequence[str],
    run_means: Mapping[str, NDArray[np.float64]],
) -> VariancePart:
    """Return the variance that a run variance gives the members' part of a contrast of means over seeds."""
    squares = sum(weights.get(name, 0.0) ** 2 for name in members)
    return VariancePart(part.value * squares / len(run_means[members[0]]), part.df)


def _both(runs: VariancePart, difference: NDArray[np.float64]) -> StandardError:
    """Return the standard error of both parts.

    What runs vary by takes the place of the mean square between the seeds of this difference alone.
    """
    squares = mean_squares(difference)
    pooled = replace(squares, seeds=np.asarray(runs.value * squares.n_seeds * squares.n_photos))
    variance, df = variance_of_mean(pooled, runs.df)
    return StandardError(float(variance) ** 0.5, float(df), "runs and photos")
