"""Samples: the values of one metric for one method, in a form that can be added and subtracted.

Every comparison is a weighted sum of samples: a mean is one sample, a paired difference is `first - second`, and a
distance to the ground truth is `preds - truth`. `combine_samples` forms the sum over the seeds and photos that all
samples share, and `estimate` returns its mean with standard errors. A folder of predictions is a sample of one row
without seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from chromalab.stats.intervals import jackknife_estimate, two_way_estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chromalab.metrics.facts import SetValue
    from chromalab.stats.intervals import Estimate


@dataclass(frozen=True)
class PhotoSample:
    """Values of a per-photo metric.

    Attributes:
        seeds: the seed of each row; empty for a bound, which is the same for every seed and has one row.
        values: shape (S, N), photos in the study's order; a column of NaN leaves its photo out.
    """

    seeds: tuple[int, ...]
    values: NDArray[np.float64]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which photos have a finite value in every row, shape (N,)."""
        return np.asarray(np.isfinite(self.values).all(axis=0))

    @property
    def n_photos(self) -> int:
        """The number of photos that count."""
        return int(self.kept.sum())

    @property
    def seed_values(self) -> NDArray[np.float64]:
        """The mean of each row over the photos that count, shape (S,); empty if no photo counts."""
        means: NDArray[np.float64] = self.values[:, self.kept].mean(axis=1) if self.n_photos else np.empty(0)
        return means

    def over(self, seeds: Sequence[int]) -> Self:
        """Return the rows of these seeds, in this order; a bound stays as it is."""
        if not self.seeds:
            return self
        return type(self)(tuple(seeds), self.values[[self.seeds.index(seed) for seed in seeds]])

    def times(self, factor: float) -> Self:
        """Return the sample with every value multiplied."""
        return type(self)(self.seeds, factor * self.values)

    def plus(self, other: Self) -> Self:
        """Return the sum, value by value; both must have the same seeds, or one must be a bound."""
        return type(self)(self.seeds or other.seeds, self.values + other.values)

    def estimate(self) -> Estimate | None:
        """Return the mean over seeds and photos with its standard errors, or None for fewer than two values."""
        table = self.values[:, self.kept]
        return two_way_estimate(table) if table.size > 1 else None


@dataclass(frozen=True)
class SetSample:
    """Values of a set metric.

    Attributes:
        seeds: the seed of each value; empty for a bound, which has one value.
        values: shape (S,).
        replicates: the values without each group of photos in turn, shape (S, G), or None.
        n_photos: number of photos behind each value.
    """

    seeds: tuple[int, ...]
    values: NDArray[np.float64]
    replicates: NDArray[np.float64] | None
    n_photos: int

    @property
    def seed_values(self) -> NDArray[np.float64]:
        """The value of each seed."""
        return self.values

    def over(self, seeds: Sequence[int]) -> Self:
        """Return the values of these seeds, in this order; a bound stays as it is."""
        if not self.seeds:
            return self
        rows = [self.seeds.index(seed) for seed in seeds]
        replicates = None if self.replicates is None else self.replicates[rows]
        return type(self)(tuple(seeds), self.values[rows], replicates, self.n_photos)

    def times(self, factor: float) -> Self:
        """Return the sample with every value multiplied."""
        replicates = None if self.replicates is None else factor * self.replicates
        return type(self)(self.seeds, factor * self.values, replicates, self.n_photos)

    def plus(self, other: Self) -> Self:
        """Return the sum; replicates are dropped if the groups of photos differ."""
        replicates = None
        if self.replicates is not None and other.replicates is not None:
            same_groups = self.replicates.shape[1] == other.replicates.shape[1] and self.n_photos == other.n_photos
            replicates = self.replicates + other.replicates if same_groups else None
        n_photos = min(self.n_photos, other.n_photos)
        return type(self)(self.seeds or other.seeds, self.values + other.values, replicates, n_photos)

    def estimate(self) -> Estimate | None:
        """Return the mean over seeds with its standard errors, or None for too few values and no replicates."""
        if self.values.size == 0 or (self.values.size == 1 and self.replicates is None):
            return None
        return jackknife_estimate(self.values, self.replicates, n_photos=self.n_photos)


Sample = PhotoSample | SetSample
SampleT = TypeVar("SampleT", PhotoSample, SetSample)


def _combine(terms: Sequence[tuple[float, SampleT]]) -> SampleT:
    """Return the weighted sum of samples over the seeds and photos that all of them share.

    Args:
        terms: at least one pair of a weight and a sample; the samples are all of one kind.
    """
    seeds = shared_seeds([sample for _, sample in terms])
    parts = [sample.over(seeds).times(weight) for weight, sample in terms]
    total = parts[0]
    for part in parts[1:]:
        total = total.plus(part)
    return total


def shared_seeds(samples: Sequence[Sample]) -> tuple[int, ...]:
    """Return the seeds that all samples except bounds share, in the order of the first sample."""
    with_seeds = [sample.seeds for sample in samples if sample.seeds]
    if not with_seeds:
        return ()
    return tuple(seed for seed in with_seeds[0] if all(seed in seeds for seeds in with_seeds[1:]))


def combine_samples(terms: Sequence[tuple[float, Sample]]) -> Sample | None:
    """Return the weighted sum of samples of one kind over what they share; None if the kinds are mixed."""
    photos = [(weight, sample) for weight, sample in terms if isinstance(sample, PhotoSample)]
    sets = [(weight, sample) for weight, sample in terms if isinstance(sample, SetSample)]
    if photos and sets:
        return None
    return _combine(photos) if photos else _combine(sets)


def set_sample(seeds: tuple[int, ...], values: Sequence[SetValue]) -> SetSample:
    """Return the values of a set metric, one per seed, as a sample; replicates need equal groups."""
    groups = {len(value.replicates) for value in values}
    replicates = np.array([value.replicates for value in values]) if len(groups) == 1 and min(groups) > 1 else None
    if replicates is not None and not np.isfinite(replicates).all():
        replicates = None
    numbers = np.array([value.value for value in values], dtype=np.float64)
    return SetSample(seeds, numbers, replicates, min(value.n for value in values))


def is_finite(value: float | None) -> bool:
    """Return whether a value is known and finite."""
    return value is not None and math.isfinite(value)
