"""Blotches: pixels whose color differs from their surroundings although their lightness does not.

A red patch on a gray wall is a typical fault of colorizers, and nothing in the gray photo suggests it.
"""

from __future__ import annotations

import numpy as np
import skimage.filters.rank
from numpy.typing import NDArray

WINDOW_PX = 31
CHROMA_STEP = 15.0
LIGHTNESS_STEP = 3.0

_RADIUS = WINDOW_PX // 2
_LEVELS = 255
_LARGEST_CHROMA = 140.0
"""sRGB's largest chroma is 133.8."""
_CHUNK = 4096

Plane = NDArray[np.float64]


def blotches(lightness: Plane, chroma: Plane) -> float:
    """Return the share of pixels that differ by more than 15 from the local median chroma, and by at most 3 in L*.

    This project's definition. Both medians are over the 31x31 pixels around a pixel. Beyond the border the image is
    mirrored, including its last row and column, as often as needed. The result is exact: medians are first computed
    from 255 levels, which bounds each within one level, and the 961 values themselves are only used where the bounds do
    not decide.

    Args:
        lightness: L*, (H, W), in [0, 100].
        chroma: C*_ab, (H, W), in [0, 140].

    Returns:
        Share in [0, 1]. Edges of colored objects count if their lightness is that of their surroundings, so true photos
        have some blotches.
    """
    off = _Departure(chroma, _LARGEST_CHROMA)
    near = _Departure(lightness, 100.0)
    maybe = (off.most > CHROMA_STEP) & (near.least <= LIGHTNESS_STEP)
    certain = (off.least > CHROMA_STEP) & (near.most <= LIGHTNESS_STEP)
    found = int(certain.sum())
    rows, columns = np.nonzero(maybe & ~certain)
    for start in range(0, len(rows), _CHUNK):
        place = rows[start : start + _CHUNK], columns[start : start + _CHUNK]
        found += int(((off.exact(*place) > CHROMA_STEP) & (near.exact(*place) <= LIGHTNESS_STEP)).sum())
    return found / chroma.size


class _Departure:
    """The distance of a plane from its running median: bounds for every pixel, and exact values for some pixels.

    Rounding down to levels keeps the order of values, so the median of the levels is the level of the median.
    """

    def __init__(self, plane: Plane, largest: float) -> None:
        self.plane = plane
        self._padded = np.pad(plane, _RADIUS, mode="symmetric")
        scale = _LEVELS / largest
        levels = np.floor(np.clip(self._padded * scale, 0, _LEVELS)).astype(np.uint8)
        window = np.ones((WINDOW_PX, WINDOW_PX), dtype=np.uint8)
        inside = slice(_RADIUS, -_RADIUS)
        median = skimage.filters.rank.median(levels, window)[inside, inside].astype(np.float64)
        # Levels are widened a little, because a product may be rounded across the edge of its level.
        below, above = plane - (median + 1 + 1e-9) / scale, plane - (median - 1e-9) / scale
        self.most = np.maximum(np.abs(below), np.abs(above))
        self.least = np.where((below <= 0) & (above >= 0), 0.0, np.minimum(np.abs(below), np.abs(above)))

    def exact(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Plane:
        """Return |value - median| of some pixels, (N,)."""
        windows = np.lib.stride_tricks.sliding_window_view(self._padded, (WINDOW_PX, WINDOW_PX))
        values = windows[rows, columns].reshape(len(rows), -1)
        middle = values.shape[1] // 2
        median: Plane = np.partition(values, middle, axis=1)[:, middle]
        return np.abs(self.plane[rows, columns] - median)
