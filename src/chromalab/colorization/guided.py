"""The guided filter, which enlarges the chroma of a small copy along the photo's own edges.

The guided filter (He, Sun, Tang: *Guided Image Filtering*, 2013) models chroma in every window as a linear function of
the gray level. Its coefficients vary slowly, so they are computed on a small copy, and only they are enlarged (He, Sun:
*Fast Guided Filter*, 2015, arXiv:1505.00996). At full size, chroma is the slope times the level plus the offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import uniform_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

EPSILON = 0.0016
"""Variance of the guide, in [0, 1], below which a difference counts as texture or grain and not as an edge."""


class Coefficients(NamedTuple):
    """Coefficients of chroma = slope * level + offset, for a* and b*; each (2, h, w)."""

    slope: NDArray[np.float32]
    offset: NDArray[np.float32]


def _uniform(plane: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    return np.asarray(uniform_filter(plane, side, mode="nearest"), dtype=np.float32)


def fit(
    guide: NDArray[np.float32],
    chroma: NDArray[np.float32],
    radius: int,
    epsilon: float = EPSILON,
    *,
    box: Callable[[NDArray[np.floating], int], NDArray[np.float32]] = _uniform,
) -> Coefficients:
    """Return the guided filter's coefficients.

    Args:
        guide: gray levels, 0 to 255, (h, w).
        chroma: a* and b* at the same size, (2, h, w).
        radius: half the side of the windows, in pixels.
        epsilon: regularization of He et al., for a guide in [0, 1].
        box: function that returns the mean of a plane over windows of the given side.
    """

    def mean(plane: NDArray[np.floating]) -> NDArray[np.float32]:
        return box(plane, 2 * radius + 1)

    level = guide / np.float32(255)
    mean_level = mean(level)
    variance = mean(level * level) - mean_level * mean_level
    slopes, offsets = [], []
    for plane in chroma:
        mean_plane = mean(plane)
        slope = (mean(level * plane) - mean_level * mean_plane) / (variance + epsilon)
        slopes.append(mean(slope) / np.float32(255))
        offsets.append(mean(mean_plane - slope * mean_level))
    return Coefficients(np.stack(slopes), np.stack(offsets))


def mixed(one: Coefficients, other: Coefficients, share: NDArray[np.float32]) -> Coefficients:
    """Return the coefficients whose chroma is a mix of two, with the given share of the other at each pixel, (h, w)."""
    return Coefficients(*(mine + share * (theirs - mine) for mine, theirs in zip(one, other, strict=True)))


class Enlarged:
    """Chroma at full size, computed in strips from the coefficients of a small copy.

    Args:
        coefficients: coefficients at the size of the small copy.
        height: rows of the photo.
        width: columns of the photo.
    """

    def __init__(self, coefficients: Coefficients, height: int, width: int) -> None:
        planes = np.concatenate([coefficients.slope, coefficients.offset])
        self._low = _across(planes, width)
        self._rows, self._shares = _between(planes.shape[1], height)

    def strips(
        self, first: int, last: int, level_of: Callable[[int, int], NDArray[np.float32]]
    ) -> Iterator[tuple[int, int, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
        """Yield the chroma of rows `first` to `last`, in runs that lie between the same two rows of the small copy.

        All runs share their buffers, because allocating memory would take longer than the computation.

        Args:
            first: the first row.
            last: the row after the last.
            level_of: function of two row numbers that returns the photo's gray levels between them, 0 to 255, (n, W).

        Yields:
            First row of the run, row after its last, and levels, a* and b*, (n, W) each, valid until the next run.
        """
        breaks = (np.flatnonzero(np.diff(self._rows[first:last])) + first + 1).tolist()
        runs = list(zip([first, *breaks], [*breaks, last], strict=True))
        room = np.empty((3, max(stop - start for start, stop in runs), self._low.shape[2]), dtype=np.float32)
        for start, stop in runs:
            level = level_of(start, stop)
            a, b, spare = room[:, : stop - start]
            self._chroma(0, start, stop, level, a, spare)
            self._chroma(1, start, stop, level, b, spare)
            yield start, stop, level, a, b

    def _chroma(
        self,
        plane: int,
        start: int,
        stop: int,
        level: NDArray[np.float32],
        out: NDArray[np.float32],
        spare: NDArray[np.float32],
    ) -> None:
        """Write slope * level + offset to `out`, both interpolated between two rows of the small copy."""
        upper = self._rows[start]
        lower = min(upper + 1, self._low.shape[1] - 1)
        share = self._shares[start:stop, None]
        for part, target in ((plane, out), (plane + 2, spare)):
            np.multiply(self._low[part, lower] - self._low[part, upper], share, out=target)
            np.add(target, self._low[part, upper], out=target)
        out *= level
        out += spare


def _between(count: int, full: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return, for each of `full` pixels, its lower neighbor among `count` pixels and the weight of the upper one.

    Pixel centers are mapped in proportion.
    """
    place = np.clip((np.arange(full) + 0.5) * (count / full) - 0.5, 0, count - 1)
    lower = np.minimum(place.astype(np.intp), max(0, count - 2))
    return lower, (place - lower).astype(np.float32)


def _across(planes: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    left, share = _between(planes.shape[2], width)
    right = np.minimum(left + 1, planes.shape[2] - 1)
    low = np.take(planes, left, axis=2)  # indexing with [..., left] would give a layout that is slow to read by rows
    step = np.take(planes, right, axis=2)
    step -= low
    step *= share
    low += step
    return low


def enlarge(planes: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Scale planes (C, h, w) up or down to (C, height, width), linearly between pixel centers."""
    wide = _across(planes, width)
    upper, share = _between(planes.shape[1], height)
    lower = np.minimum(upper + 1, planes.shape[1] - 1)
    return wide[:, upper] + (wide[:, lower] - wide[:, upper]) * share[:, None]
