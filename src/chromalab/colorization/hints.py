"""Colors that somebody knows: given at points or in regions, carried on along the photo's own edges.

A hint applies fully where it was given, and less with the distance from there: the geodesic distance, which counts
steps within a plain object as what they are and steps across an edge as many (Yatziv, Sapiro: *Fast Image and Video
Colorization Using Chrominance Blending*, 2006, blend given colors so). Beyond its reach the network's colors stay.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from chromalab.color.lab import rgb_to_lab
from chromalab.core.errors import ConfigError
from chromalab.core.records import Record

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Place = Annotated[float, Field(ge=0)]

EDGE = 6.0
"""Gray levels (of 255) between neighbors that cost as much as one pixel of distance; twice as many cost four."""

REACH = 0.22
"""Distance at which a hint's effect is down to 1 / e, as a share of the shorter side."""

GRAIN_PX = 1.0
"""Pixels of the small copy over which levels are smoothed first: grain and texture are no edges."""

_PARTITION = 4
_ASPECT_TOLERANCE = 0.03
_ROUNDING = 1e-6
"""What a share of a side times its pixels may be off by, in pixels."""

_MOST_HINTS = 500
_POINT = re.compile(
    r"^\s*([\d.]+)(%?)\s*,\s*([\d.]+)(%?)\s*(?:,\s*([\d.]+)(%?)\s*,\s*([\d.]+)(%?)\s*)?=\s*(#[0-9a-fA-F]{6})\s*$"
)


class Hint(Record):
    """A known color at a point, or in a rectangle.

    Attributes:
        x: from the left, in pixels of the upright photo, or in percent of its width.
        y: from the top, likewise.
        width: of the rectangle to the right of x; 0 for a point.
        height: of the rectangle downward from y; 0 for a point.
        color: sRGB as `#rrggbb`; its hue and chroma are used, the photo's lightness stays.
        unit: `px` or `percent`.
    """

    x: Place
    y: Place
    width: Place = 0.0
    height: Place = 0.0
    color: Color
    unit: Literal["px", "percent"] = "px"

    def box(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Return left, top, right and lower edge as shares of a photo of this size.

        Raises:
            ConfigError: it lies outside the photo.
        """
        across, down = (100.0, 100.0) if self.unit == "percent" else (float(width), float(height))
        box = (self.x / across, self.y / down, (self.x + self.width) / across, (self.y + self.height) / down)
        if box[0] >= 1 or box[1] >= 1 or box[2] > 1 or box[3] > 1:
            raise ConfigError(f"the hint at {self.x:g},{self.y:g} lies outside the photo of {width}x{height} px")
        return box


class Hints(Record):
    """The hints of a photo, as a JSON file holds them: {"hints": [{"x": 120, "y": 80, "color": "#8a2b2b"}]}."""

    hints: list[Hint] = []

    @model_validator(mode="after")
    def _check_count(self) -> Self:
        if len(self.hints) > _MOST_HINTS:
            raise ValueError(f"{len(self.hints)} hints: at most {_MOST_HINTS}")
        return self


def parse_hint(text: str) -> Hint:
    """Return the hint of `x,y=#rrggbb` or `x,y,width,height=#rrggbb`; numbers are pixels, or with % percent.

    >>> parse_hint("120,80=#8a2b2b").x
    120.0

    Raises:
        ConfigError: the text is no hint.
    """
    found = _POINT.match(text)
    if found is None:
        raise ConfigError(
            f"'{text}' is no hint: expected x,y=#rrggbb or x,y,width,height=#rrggbb, in pixels or %, as 120,80=#8a2b2b"
        )
    x, x_unit, y, y_unit, width, width_unit, height, height_unit, color = found.groups()
    units = {unit for unit in (x_unit, y_unit, width_unit, height_unit) if unit is not None}
    if len(units) > 1:
        raise ConfigError(f"'{text}': give all numbers in pixels, or all in percent")
    try:
        numbers = {"x": float(x), "y": float(y), "width": float(width or 0), "height": float(height or 0)}
    except ValueError as error:
        raise ConfigError(f"'{text}' is no hint: {error}") from error
    return Hint.parse(
        numbers | {"color": color, "unit": "percent" if units == {"%"} else "px"}, origin=f"the hint '{text}'"
    )


def load_hints(path: Path) -> Hints:
    """Read hints from a JSON file.

    Raises:
        ConfigError: it is missing or does not hold hints.
    """
    return Hints.load(path)


def apply_hints(
    levels: NDArray[np.float32], chroma: NDArray[np.float32], seeds: NDArray[np.intp], colors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return chroma with the known colors, each carried on along edges.

    Args:
        levels: gray levels of the small copy, 0 to 255, (h, w).
        chroma: the network's a* and b*, (2, h, w).
        seeds: number of the hint at each pixel, -1 where there is none, (h, w).
        colors: a* and b* of each hint, (K, 2).
    """
    if not (seeds >= 0).any():
        return chroma
    distinct, group = np.unique(colors, axis=0, return_inverse=True)
    member = np.where(seeds >= 0, group.reshape(-1)[seeds], -1)
    ways = _ways(levels)
    reach = REACH * min(levels.shape)
    strongest = np.zeros(levels.shape)
    shares, pull = np.full(levels.shape, 1e-12), np.zeros(chroma.shape)
    for index, color in enumerate(distinct):
        extent = np.exp(-((_distances(ways, member == index, 3 * reach) / reach) ** 2))
        strongest = np.maximum(strongest, extent)
        share = extent**_PARTITION  # between two hints the nearer one counts, with a soft border
        shares += share
        pull += share * color[:, None, None]
    return np.asarray(chroma * (1 - strongest) + pull / shares * strongest, dtype=np.float32)


def _distances(ways: csr_matrix, start: NDArray[np.bool_], limit: float) -> NDArray[np.float64]:
    """Return every pixel's distance from the nearest of the starting pixels, infinite beyond `limit`."""
    found = dijkstra(ways, directed=False, indices=np.flatnonzero(start), min_only=True, limit=limit)
    return np.asarray(found, dtype=np.float64).reshape(start.shape)


def _ways(levels: NDArray[np.float32]) -> csr_matrix:
    """Return what each step from a pixel to one of its eight neighbors costs."""
    height, width = levels.shape
    number = np.arange(height * width, dtype=np.int32).reshape(height, width)
    smooth = gaussian_filter(levels.astype(np.float64), GRAIN_PX)
    here, there, costs = [], [], []
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        first = (slice(0, height - down), slice(max(0, -across), width - max(0, across)))
        second = (slice(down, height), slice(max(0, across), width + min(0, across)))
        here.append(number[first].reshape(-1))
        there.append(number[second].reshape(-1))
        costs.append((np.hypot(down, across) + ((smooth[first] - smooth[second]) / EDGE) ** 2).reshape(-1))
    size = height * width
    places = (np.concatenate(here), np.concatenate(there))
    return csr_matrix((np.concatenate(costs), places), shape=(size, size))


def seeds_of(
    hints: list[Hint], photo: tuple[int, int], small: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return where on a small copy the hints stand, and their chroma.

    Args:
        hints: the hints; of several at one place the last counts.
        photo: height and width of the upright photo.
        small: height and width of the small copy.

    Raises:
        ConfigError: a hint lies outside the photo.
    """
    seeds = np.full(small, -1, dtype=np.intp)
    height, width = small
    for number, hint in enumerate(hints):
        left, top, right, lower = hint.box(*photo)
        seeds[_pixels(top, lower, height), _pixels(left, right, width)] = number
    return seeds, np.array([color_ab(hint.color) for hint in hints], dtype=np.float32).reshape(-1, 2)


def _pixels(first: float, last: float, count: int) -> slice:
    """Return the pixels that a stretch of a side, in shares of it, touches: at least one.

    >>> _pixels(29 / 100, 30 / 100, 100)
    slice(29, 30, None)
    """
    low = int(first * count + _ROUNDING)  # 29 / 100 * 100 is a little less than 29
    return slice(min(low, count - 1), max(int(np.ceil(last * count - _ROUNDING)), low + 1))


def color_ab(color: str) -> tuple[float, float]:
    """Return a* and b* of `#rrggbb`.

    >>> [round(value, 1) for value in color_ab("#ff0000")]
    [80.1, 67.2]
    """
    rgb = np.array([int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    lab = rgb_to_lab(rgb)
    return float(lab[1]), float(lab[2])


def overlay_seeds(rgba: NDArray[np.uint8], small: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return hints painted on a transparent picture of the photo's size, as `seeds_of` does: where it is opaque.

    Raises:
        ConfigError: nothing on it is opaque, it has no transparency, or it is of another shape than the photo.
    """
    height, width = small
    if abs(rgba.shape[1] * height / (rgba.shape[0] * width) - 1) > _ASPECT_TOLERANCE:
        raise ConfigError(f"the picture with hints is {rgba.shape[1]}x{rgba.shape[0]} px, not of the photo's shape")
    rows = ((np.arange(height) + 0.5) * rgba.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * rgba.shape[1] / width).astype(np.intp)
    # A thin stroke can fall between the pixels of the small copy: every opaque pixel marks the one that it falls into.
    opaque = np.argwhere(rgba[..., 3] >= 128)
    if not len(opaque) or len(opaque) == rgba[..., 3].size:
        raise ConfigError("the picture with hints has to be transparent except where a color is known")
    picture = rgba[rows][:, columns]
    seeds = np.full(small, -1, dtype=np.intp)
    places = (opaque * np.array(small) // np.array(rgba.shape[:2])).astype(np.intp)
    codes = rgba[opaque[:, 0], opaque[:, 1], :3].astype(np.intp) @ np.array([65536, 256, 1])
    whole = picture[..., 3] >= 128
    flat = np.full(small, -1, dtype=np.intp)
    flat[places[:, 0], places[:, 1]] = codes
    flat[whole] = picture[whole][:, :3].astype(np.intp) @ np.array([65536, 256, 1])
    distinct, index = np.unique(flat[flat >= 0], return_inverse=True)
    if len(distinct) > _MOST_HINTS:
        raise ConfigError(
            f"the picture with hints has {len(distinct)} colors: use a hard brush, and at most {_MOST_HINTS}"
        )
    seeds[flat >= 0] = index
    rgb = np.stack([distinct >> 16, distinct >> 8 & 255, distinct & 255], axis=-1) / 255
    return seeds, np.asarray(rgb_to_lab(rgb)[:, 1:], dtype=np.float32)
