"""The color prior: the distribution of a photo set's colors over the ab bins, with a summary and a chart."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import skimage.color

from chromalab.color.bins import BIN_CENTERS, BIN_COUNT, GRID_STEP, PriorRecord, nearest_bins
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from chromalab.data.photoset import PhotoSet

CELL_PX = 32
"""Side of a bin's cell in the chart."""

CHART_DECADES = 6
"""Range of probabilities that the chart shows, in powers of ten below the most probable bin."""

_LIGHTNESS = 65.0
_TOP = 5
_SMALLEST_PX = 4
_MARGIN_CELLS = 1
_OUTLINE = 225
_AXIS = 170


def photo_prior(photos: PhotoSet, *, source: str | None = None) -> PriorRecord:
    """Count the colors of all pixels of a set of photos.

    Args:
        photos: the set.
        source: name of their folder for the record.

    Returns:
        The counts over the ab bins. Every pixel counts for its nearest bin, regardless of lightness.
    """
    counts = np.zeros(BIN_COUNT, dtype=np.int64)
    with progress("counting colors", len(photos)) as advance:
        for found in map_in_order(lambda index: count_bins(photos.photo(index)), range(len(photos))):
            counts += found
            advance()
    return PriorRecord(
        counts=counts.tolist(),
        n_photos=len(photos),
        n_pixels=int(counts.sum()),
        size_px=photos.size_px,
        source=source,
        data_sha256=photos.data_sha256,
    )


def count_bins(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the number of pixels per ab bin, (313,), of a photo (H, W, 3) in encoded sRGB."""
    lab = skimage.color.rgb2lab(rgb.astype(np.float32) / 255)
    return np.bincount(nearest_bins(lab[..., 1:]).ravel(), minlength=BIN_COUNT)


def near_grey_share(probabilities: NDArray[np.float64]) -> float:
    """Return the probability of the nine bins with both |a*| and |b*| at most 10."""
    return float(probabilities[np.abs(BIN_CENTERS).max(axis=1) <= GRID_STEP].sum())


def entropy_bits(probabilities: NDArray[np.float64]) -> float:
    """Return the entropy in bits, which is log2(313) = 8.29 if all bins are equally likely.

    >>> entropy_bits(np.array([0.5, 0.25, 0.25, 0.0]))
    1.5
    """
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log2(positive)).sum())


class BinShare(Record):
    """The share of pixels in a bin."""

    a: int
    b: int
    share: float


class PriorSummary(Record):
    """A summary of a prior.

    Attributes:
        n_photos: number of photos.
        n_pixels: number of pixels.
        bins_used: number of bins (of 313) with at least one pixel.
        near_grey_share: share of pixels in the nine bins with |a*| and |b*| at most 10.
        entropy_bits: entropy of the counts.
        top: the five most probable bins.
    """

    n_photos: int
    n_pixels: int
    bins_used: int
    near_grey_share: float
    entropy_bits: float
    top: list[BinShare]

    @classmethod
    def of(cls, record: PriorRecord) -> PriorSummary:
        """Summarize the counts of a prior."""
        shares = record.raw_probabilities
        first = np.argsort(-shares, kind="stable")[:_TOP]
        return cls(
            n_photos=record.n_photos,
            n_pixels=record.n_pixels,
            bins_used=int((shares > 0).sum()),
            near_grey_share=near_grey_share(shares),
            entropy_bits=entropy_bits(shares),
            top=[
                BinShare(a=int(BIN_CENTERS[bin_, 0]), b=int(BIN_CENTERS[bin_, 1]), share=float(shares[bin_]))
                for bin_ in first
                if shares[bin_] > 0
            ],
        )

    def lines(self) -> Iterator[str]:
        """Yield the summary as lines of text."""
        yield f"photos         {self.n_photos:,}"
        yield f"pixels         {self.n_pixels:,}"
        yield f"bins used      {self.bins_used} of {BIN_COUNT}"
        yield f"nearly gray    {self.near_grey_share:.1%} (|a*| and |b*| at most {GRID_STEP}, to the nearest bin)"
        yield f"entropy        {self.entropy_bits:.2f} bits of {math.log2(BIN_COUNT):.2f}"
        yield "likeliest      " + ", ".join(f"({bin_.a}, {bin_.b}) {bin_.share:.1%}" for bin_ in self.top)


def prior_chart(probabilities: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Draw a distribution over the ab plane, a* to the right and b* upwards, after Zhang et al. 2016, Fig. 3.

    Every bin is a square of its own color at L* = 65, clipped to sRGB. Its side is linear in the logarithm of the
    probability, from a whole cell for the most probable bin to a dot at a millionth of its probability. Empty bins are
    faint outlines, and gray lines mark a* = 0 and b* = 0.

    Args:
        probabilities: (313,).

    Returns:
        Encoded sRGB, (H, W, 3).
    """
    columns, rows = _cells()
    shape = ((rows.max() + 1 + _MARGIN_CELLS) * CELL_PX, (columns.max() + 1 + _MARGIN_CELLS) * CELL_PX, 3)
    chart = np.full(shape, 255, dtype=np.uint8)
    _draw_axes(chart, columns, rows)
    colors = _bin_colors()
    for bin_, (column, row) in enumerate(zip(columns.tolist(), rows.tolist(), strict=True)):
        cell = chart[row * CELL_PX : (row + 1) * CELL_PX, column * CELL_PX : (column + 1) * CELL_PX]
        if probabilities[bin_] > 0:
            margin = (CELL_PX - _side_px(probabilities[bin_] / probabilities.max())) // 2
            cell[margin : CELL_PX - margin, margin : CELL_PX - margin] = colors[bin_]
        else:
            _draw_outline(cell)
    return chart


def _cells() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the column and row of every bin's cell."""
    a, b = (BIN_CENTERS / GRID_STEP).astype(np.intp).T
    return a - a.min() + _MARGIN_CELLS, b.max() - b + _MARGIN_CELLS


def _draw_axes(chart: NDArray[np.uint8], columns: NDArray[np.intp], rows: NDArray[np.intp]) -> None:
    grey = int(np.flatnonzero((BIN_CENTERS == 0).all(axis=1))[0])
    chart[:, columns[grey] * CELL_PX + CELL_PX // 2] = _AXIS
    chart[rows[grey] * CELL_PX + CELL_PX // 2] = _AXIS


def _draw_outline(cell: NDArray[np.uint8]) -> None:
    first, last = 2, CELL_PX - 3
    cell[[first, last], first : last + 1] = _OUTLINE
    cell[first : last + 1, [first, last]] = _OUTLINE


def _side_px(relative: float) -> int:
    """Return the side, an even number of pixels, for a probability relative to the largest one."""
    share = max(0.0, 1 + math.log10(relative) / CHART_DECADES)
    return 2 * round((_SMALLEST_PX + share * (CELL_PX - 2 - _SMALLEST_PX)) / 2)


def _bin_colors() -> NDArray[np.uint8]:
    lab = np.concatenate([np.full((BIN_COUNT, 1), _LIGHTNESS), BIN_CENTERS], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns because the bins extend beyond sRGB
        rgb = skimage.color.lab2rgb(lab)
    return np.asarray(np.rint(np.clip(rgb, 0, 1) * 255), dtype=np.uint8)
