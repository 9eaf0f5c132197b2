"""Near copies of photographs: the same picture scaled, saved again, slightly retouched, or mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from chromalab.data.usable import COLOUR_FIGURE_PX
from chromalab.photo.reading import resize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

MAX_DISTANCE = 3
"""Near copies differ in at most this many of the 64 bits of the difference hash."""

MIN_CORRELATION = 0.9
"""And their thumbnails correlate above this: skies and walls share coarse hashes without being the same photo."""

_THUMBNAIL_PX = 32
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Look:
    """What a photo looks like, in a kilobyte.

    Attributes:
        straight: 64-bit difference hash.
        mirrored: the same hash of the photo flipped left to right.
        thumbnail: luma, shape (32, 32), uint8.
    """

    straight: int
    mirrored: int
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two photos that look like copies.

    Attributes:
        first: index of the earlier one.
        second: index of the later one.
        mirrored: one is the mirror image of the other.
        distance: differing bits of their hashes, 0 to 3.
        correlation: Pearson correlation of their thumbnails, above 0.9.
    """

    first: int
    second: int
    mirrored: bool
    distance: int
    correlation: float


def look_of(rgb: NDArray[np.uint8]) -> Look:
    """Return the look of a photo.

    Args:
        rgb: shape (H, W, 3), encoded sRGB values.
    """
    luma = resize(rgb, COLOUR_FIGURE_PX, COLOUR_FIGURE_PX) @ _LUMA
    grid = area_means(luma, 8, 9)
    thumbnail = np.rint(area_means(luma, _THUMBNAIL_PX, _THUMBNAIL_PX)).astype(np.uint8)
    return Look(difference_hash(grid), difference_hash(grid[:, ::-1]), thumbnail)


def area_means(values: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the means over `rows` times `columns` equal rectangles that cover an array, pixels shared where cut.

    Args:
        values: shape (H, W).
        rows: rectangles from top to bottom, at most H.
        columns: rectangles from left to right, at most W.

    Returns:
        Shape (rows, columns).

    >>> area_means(np.array([[0.0, 3.0, 6.0]]), 1, 2)
    array([[1., 5.]])
    """
    return _overlaps(values.shape[0], rows) @ values @ _overlaps(values.shape[1], columns).T


@cache
def _overlaps(pixels: int, parts: int) -> NDArray[np.float64]:
    """Return the share of every part that each pixel fills, shape (parts, pixels); rows sum to 1."""
    edges = np.arange(parts + 1) * (pixels / parts)
    starts = np.arange(pixels)
    ends = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    overlaps: NDArray[np.float64] = np.maximum(ends, 0.0) * (parts / pixels)
    return overlaps


def difference_hash(grid: NDArray[np.float64]) -> int:
    """Return which of neighbouring values in a row is the larger, as 64 bits in row order.

    The dHash of N. Krawetz, "Kind of Like That" (2013).

    Args:
        grid: luma, shape (8, 9).

    >>> difference_hash(np.tile(np.arange(9.0), (8, 1))) == 2**64 - 1
    True
    """
    return int.from_bytes(np.packbits(grid[:, 1:] > grid[:, :-1]).tobytes(), "big")


def near_pairs(
    looks: Sequence[Look], *, max_distance: int = MAX_DISTANCE, min_correlation: float = MIN_CORRELATION
) -> list[NearPair]:
    """Return the pairs of photos that look like copies, straight or mirrored, in order.

    All pairs are compared, a block of rows at a time: 7,000 photos take a second, and memory grows with their number,
    not with that of the pairs.

    Args:
        looks: the photos' looks.
        max_distance: differing bits allowed.
        min_correlation: the thumbnails must correlate above this.
    """
    if not looks:
        return []
    straight = np.array([look.straight for look in looks], np.uint64)
    turned = np.array([look.mirrored for look in looks], np.uint64)
    thumbnails = np.stack([look.thumbnail for look in looks])
    pairs: dict[tuple[int, int], NearPair] = {}
    for first, second, distance, mirrored in _close(straight, turned, max_distance):
        correlation = _correlation(thumbnails[first], thumbnails[second][:, ::-1] if mirrored else thumbnails[second])
        known = pairs.get((first, second))
        if correlation > min_correlation and (known is None or correlation > known.correlation):
            pairs[first, second] = NearPair(first, second, mirrored, distance, correlation)
    return [pairs[key] for key in sorted(pairs)]


def _close(
    straight: NDArray[np.uint64], turned: NDArray[np.uint64], max_distance: int
) -> Iterator[tuple[int, int, int, bool]]:
    """Yield (first, second, distance, mirrored) of the pairs first < second with close hashes."""
    for start in range(0, len(straight), _ROWS_AT_ONCE):
        rows = straight[start : start + _ROWS_AT_ONCE, None]
        for mirrored, columns in ((False, straight[start:]), (True, turned[start:])):
            distances = np.bitwise_count(rows ^ columns)
            for row, column in np.argwhere(distances <= max_distance):
                if row < column:
                    yield start + int(row), start + int(column), int(distances[row, column]), mirrored


def _correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return Pearson's correlation; 0 where a thumbnail is flat, which tells nothing."""
    a, b = (values - values.mean() for values in (first.astype(np.float64), second.astype(np.float64)))
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0
