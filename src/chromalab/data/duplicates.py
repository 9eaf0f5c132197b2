"""Detection of near copies of photos: scaled, saved again, slightly retouched, or mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chromalab.color.lab import LUMA_WEIGHTS
from chromalab.data.usable import COLOR_FIGURE_PX
from chromalab.photo.reading import resize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

MAX_DISTANCE = 3
"""Largest number of differing bits between the 64-bit difference hashes of near copies."""

MIN_CORRELATION = 0.9
"""Smallest correlation of the thumbnails of near copies; different photos of skies or walls share coarse hashes."""

THUMBNAIL_PX = 32
_PAIRS_AT_ONCE = 2**20


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a photo's appearance, about a kilobyte.

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
    """Two near copies.

    Attributes:
        first: index of the earlier photo.
        second: index of the later photo.
        mirrored: whether one is the mirror image of the other.
        distance: differing bits of their hashes, 0 to 3.
        correlation: Pearson correlation of their thumbnails, above 0.9.
    """

    first: int
    second: int
    mirrored: bool
    distance: int
    correlation: float


def signature_of(rgb: NDArray[np.uint8]) -> Signature:
    """Return the signature of a photo.

    Args:
        rgb: shape (H, W, 3), encoded sRGB values.
    """
    luma = resize(rgb, COLOR_FIGURE_PX, COLOR_FIGURE_PX) @ LUMA_WEIGHTS
    grid = area_means(luma, 8, 9)
    thumbnail = np.rint(area_means(luma, THUMBNAIL_PX, THUMBNAIL_PX)).astype(np.uint8)
    return Signature(difference_hash(grid), difference_hash(grid[:, ::-1]), thumbnail)


def area_means(values: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the means over a grid of equal rectangles that cover an array; a split pixel counts in proportion.

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
    """Return the share of each part that each pixel covers, shape (parts, pixels); rows sum to 1."""
    edges = np.arange(parts + 1) * (pixels / parts)
    starts = np.arange(pixels)
    ends = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    overlaps: NDArray[np.float64] = np.maximum(ends, 0.0) * (parts / pixels)
    return overlaps


def difference_hash(grid: NDArray[np.float64]) -> int:
    """Return the difference hash (dHash) of N. Krawetz, "Kind of Like That" (2013).

    Each of the 64 bits, in row order, is 1 if a value is larger than its left neighbor.

    Args:
        grid: luma, shape (8, 9).

    >>> difference_hash(np.tile(np.arange(9.0), (8, 1))) == 2**64 - 1
    True
    """
    return int.from_bytes(np.packbits(grid[:, 1:] > grid[:, :-1]).tobytes(), "big")


class Candidates(NamedTuple):
    """Sorted pairs of photos with similar hashes, each at most once straight and once mirrored.

    Attributes:
        first: indices of the earlier photos.
        second: indices of the later photos.
        mirrored: whether the second photo is mirrored.
        distance: number of differing bits.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    mirrored: NDArray[np.bool_]
    distance: NDArray[np.uint8]

    def portion(self, start: int, end: int) -> Candidates:
        """Return the pairs from `start` up to `end`."""
        part = slice(start, end)
        return Candidates(self.first[part], self.second[part], self.mirrored[part], self.distance[part])


def candidate_pairs(
    straight: NDArray[np.uint64], mirrored: NDArray[np.uint64], max_distance: int = MAX_DISTANCE
) -> Candidates:
    """Return the pairs of photos whose hashes differ in at most `max_distance` bits, straight or mirrored.

    Args:
        straight: the photos' difference hashes, shape (n,).
        mirrored: the hashes of their mirror images, shape (n,).
        max_distance: largest number of differing bits.
    """
    count = len(straight)
    codes = [np.zeros(0, np.int64)]
    for side, hashes in enumerate((straight, mirrored)):
        for query, found in close_hashes(straight, hashes, max_distance):
            ordered = query < found
            codes.append(np.unique((query[ordered] * count + found[ordered]) * 2 + side))
    code = np.unique(np.concatenate(codes))
    turned = (code % 2).astype(np.bool_)
    first, second = np.divmod(code // 2, max(count, 1))
    others = np.where(turned, mirrored[second], straight[second])
    return Candidates(first, second, turned, np.bitwise_count(straight[first] ^ others))


def first_of_content(ids: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return for each photo the position of the first photo with the same content.

    Args:
        ids: SHA-256 of each photo's bytes, shape (n, 32); only the first half is compared.
        known: whether the content of each photo is known; a photo of unknown content is unique.
    """
    first = np.arange(len(ids))
    rows = np.flatnonzero(known)
    words = np.ascontiguousarray(ids[rows, :16]).view(np.uint64).reshape(-1, 2)
    order = np.lexsort((words[:, 1], words[:, 0]))  # stable: the first photo of a content comes first
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    first[rows[order]] = rows[order[begins]][np.cumsum(begins) - 1]
    return first


def confirmed_pairs(
    candidates: Candidates, thumbnail: Callable[[int], NDArray[np.uint8]], min_correlation: float = MIN_CORRELATION
) -> Iterator[NearPair]:
    """Yield the pairs whose thumbnails correlate, in order; only the better one of a straight and a mirrored pair.

    Args:
        candidates: pairs with similar hashes.
        thumbnail: function that returns the thumbnail of a photo; called pair by pair.
        min_correlation: largest correlation that is rejected.
    """
    best: NearPair | None = None
    for first, second, mirrored, distance in zip(*(column.tolist() for column in candidates), strict=True):
        if best is not None and (best.first, best.second) != (first, second):
            yield best
            best = None
        other = thumbnail(second)
        correlation = _correlation(thumbnail(first), other[:, ::-1] if mirrored else other)
        if correlation > (min_correlation if best is None else best.correlation):
            best = NearPair(first, second, mirrored, distance, correlation)
    if best is not None:
        yield best


def close_hashes(
    queries: NDArray[np.uint64], hashes: NDArray[np.uint64], max_distance: int = MAX_DISTANCE
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the pairs (query, hash) that differ in at most `max_distance` bits, as two arrays of indices at a time.

    The 64 bits are divided into `max_distance + 3` blocks. Similar hashes agree in at least three blocks, so it is
    enough to compare hashes that agree in some choice of three. With a distance of 3, three blocks have 32 bits, which
    leaves few candidates even if many photos show a sky. A pair may be yielded more than once.

    Args:
        queries: 64-bit hashes, shape (m,).
        hashes: 64-bit hashes, shape (n,).
        max_distance: largest number of differing bits.
    """
    for mask in _block_masks(max_distance):
        order = np.argsort(hashes & mask, kind="stable")
        keys = (hashes & mask)[order]
        wanted = queries & mask
        first = np.searchsorted(keys, wanted, side="left")
        counts = np.searchsorted(keys, wanted, side="right") - first
        for rows in _portions(counts):
            query = np.repeat(rows, counts[rows])
            offsets = np.arange(len(query)) - np.repeat(np.cumsum(counts[rows]) - counts[rows], counts[rows])
            found = order[np.repeat(first[rows], counts[rows]) + offsets]
            near = np.bitwise_count(queries[query] ^ hashes[found]) <= max_distance
            yield query[near], found[near]


def _block_masks(max_distance: int) -> list[np.uint64]:
    """Return the masks of all choices of three out of `max_distance + 3` blocks of bits."""
    edges = np.linspace(0, 64, max_distance + 4).round().astype(int)
    blocks = [(1 << int(end)) - (1 << int(start)) for start, end in pairwise(edges)]
    return [np.uint64(a | b | c) for a, b, c in combinations(blocks, 3)]


def _portions(counts: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield the rows with candidates in portions of about `_PAIRS_AT_ONCE` candidates, each with at least one row."""
    rows = np.flatnonzero(counts)
    portion = np.cumsum(counts[rows]) // _PAIRS_AT_ONCE
    yield from (part for part in np.split(rows, np.flatnonzero(np.diff(portion)) + 1) if len(part))


def _correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return Pearson's correlation, or 0 if a thumbnail is constant."""
    a, b = (values - values.mean() for values in (first.astype(np.float64), second.astype(np.float64)))
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0
