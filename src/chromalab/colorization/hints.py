"""Hints: known colors at points or in regions, propagated along the photo's own edges.

A hint applies fully where it is given, and less with growing geodesic distance, in which a step across an edge counts
as many steps within a uniform object. Yatziv and Sapiro blend given colors in this way (*Fast Image and Video
Colorization Using Chrominance Blending*, 2006). Beyond the reach of all hints the network's colors stay.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from chromalab.color.lab import rgb_to_lab
from chromalab.core.errors import ConfigError
from chromalab.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Place = Annotated[float, Field(ge=0)]

EDGE = 6.0
"""Difference in gray level (of 255) between neighbors that counts as one pixel of distance; the cost is quadratic."""

REACH = 0.22
"""Distance at which a hint's effect has fallen to 1 / e, as a share of the shorter side."""

GRAIN_PX = 1.0
"""Standard deviation, in pixels of the small copy, of the smoothing that removes grain and texture from the edges."""

_PARTITION = 4
_ASPECT_TOLERANCE = 0.03
_ROUNDING = 1e-6
"""Tolerance for the rounding of a share of a side times its length, in pixels."""

MOST_HINTS = 500
_POINT = re.compile(
    r"^\s*(?:(\d+(?:\.\d*)?)s\s*:\s*)?([\d.]+)(%?)\s*,\s*([\d.]+)(%?)\s*(?:,\s*([\d.]+)(%?)\s*,\s*([\d.]+)(%?)\s*)?=\s*(#[0-9a-fA-F]{6})\s*$"
)


class Hint(Record):
    """A known color at a point or in a rectangle.

    Attributes:
        x: distance from the left edge, in pixels of the upright photo or in percent of its width.
        y: distance from the top edge, in pixels of the upright photo or in percent of its height.
        width: width of the rectangle to the right of x; 0 for a point.
        height: height of the rectangle below y; 0 for a point.
        color: sRGB as `#rrggbb`; its hue and chroma are used, and the photo's lightness stays.
        unit: unit of the four numbers, `px` or `percent`.
        time_s: time of the frame of a film, in seconds from its first frame; None for a photo.
    """

    x: Place
    y: Place
    width: Place = 0.0
    height: Place = 0.0
    color: Color
    unit: Literal["px", "percent"] = "px"
    time_s: Place | None = None

    @model_serializer(mode="wrap")
    def _leave_out_no_time(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        values: dict[str, object] = serialize(self)
        if self.time_s is None:  # the hashes of settings without films stay as they are
            values.pop("time_s", None)
        return values

    def box(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Return the left, top, right and bottom edges as shares of a photo of this size.

        Raises:
            ConfigError: the hint is outside the photo.
        """
        across, down = (100.0, 100.0) if self.unit == "percent" else (float(width), float(height))
        box = (self.x / across, self.y / down, (self.x + self.width) / across, (self.y + self.height) / down)
        if box[0] >= 1 or box[1] >= 1 or box[2] > 1 or box[3] > 1:
            raise ConfigError(f"the hint at {self.x:g},{self.y:g} is outside the photo of {width}x{height} px")
        return box

    def in_percent(self, height: int, width: int) -> Self:
        """Return the same hint for every copy of an upright photo of this size, for example for a smaller one.

        Raises:
            ConfigError: the hint is outside the photo.
        """
        left, top, right, bottom = (100 * edge for edge in self.box(height, width))
        box = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        return self.model_copy(update={**box, "unit": "percent"})


class Hints(Record):
    """The hints of a photo in a JSON file: {"hints": [{"x": 120, "y": 80, "color": "#8a2b2b"}]}."""

    hints: list[Hint] = []

    @model_validator(mode="after")
    def _check_count(self) -> Self:
        if len(self.hints) > MOST_HINTS:
            raise ValueError(f"{len(self.hints)} hints: at most {MOST_HINTS}")
        return self


def parse_hint(text: str) -> Hint:
    """Return the hint of `x,y=#rrggbb` or `x,y,width,height=#rrggbb`, with numbers in pixels or, with %, in percent.

    For a frame of a film, the time precedes: `12.5s:x,y=#rrggbb`.

    >>> parse_hint("120,80=#8a2b2b").x
    120.0
    >>> parse_hint("12.5s:120,80=#8a2b2b").time_s
    12.5

    Raises:
        ConfigError: the text is not a hint.
    """
    found = _POINT.match(text)
    if found is None:
        raise ConfigError(
            f"'{text}' is not a hint: write x,y=#rrggbb or x,y,width,height=#rrggbb in pixels or %, such as "
            "120,80=#8a2b2b; for a film with the time in seconds before it, such as 12.5s:120,80=#8a2b2b"
        )
    time_s, x, x_unit, y, y_unit, width, width_unit, height, height_unit, color = found.groups()
    units = {unit for unit in (x_unit, y_unit, width_unit, height_unit) if unit is not None}
    if len(units) > 1:
        raise ConfigError(f"'{text}': give all numbers in pixels, or all in percent")
    try:
        numbers = {"x": float(x), "y": float(y), "width": float(width or 0), "height": float(height or 0)}
    except ValueError as error:
        raise ConfigError(f"'{text}' is not a hint: {error}") from error
    return Hint.parse(
        numbers | {"color": color, "unit": "percent" if units == {"%"} else "px", "time_s": time_s},
        origin=f"the hint '{text}'",
    )


def apply_hints(
    levels: NDArray[np.float32], chroma: NDArray[np.float32], seeds: NDArray[np.intp], colors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return chroma with the known colors, propagated along edges.

    Args:
        levels: gray levels of the small copy, 0 to 255, (h, w).
        chroma: the network's a* and b*, (2, h, w).
        seeds: index of the hint at each pixel, -1 without a hint, (h, w).
        colors: a* and b* of each hint, (K, 2).
    """
    if not (seeds >= 0).any():
        return chroma
    known, strength = spread_hints(levels, seeds, colors)
    return np.asarray(chroma * (1 - strength) + known * strength, dtype=np.float32)


def spread_hints(
    levels: NDArray[np.float32], seeds: NDArray[np.intp], colors: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the known colors at every pixel, (2, h, w), and how far they replace the network's, 0 to 1, (h, w).

    Takes the arguments of `apply_hints`; at least one pixel must have a hint.
    """
    distinct, group = np.unique(colors, axis=0, return_inverse=True)
    member = np.where(seeds >= 0, group.reshape(-1)[seeds], -1)
    graph = _graph(levels)
    reach = REACH * min(levels.shape)
    strongest = np.zeros(levels.shape)
    shares, pull = np.full(levels.shape, 1e-12), np.zeros((2, *levels.shape))
    for index, color in enumerate(distinct):
        extent = np.exp(-((_distances(graph, member == index, 3 * reach) / reach) ** 2))
        strongest = np.maximum(strongest, extent)
        share = extent**_PARTITION  # between two hints the nearer one dominates, with a soft border
        shares += share
        pull += share * color[:, None, None]
    return pull / shares, strongest


def _distances(graph: csr_matrix, start: NDArray[np.bool_], limit: float) -> NDArray[np.float64]:
    """Return every pixel's distance from the nearest starting pixel, infinite beyond `limit`."""
    found = dijkstra(graph, directed=False, indices=np.flatnonzero(start), min_only=True, limit=limit)
    return np.asarray(found, dtype=np.float64).reshape(start.shape)


def _graph(levels: NDArray[np.float32]) -> csr_matrix:
    """Return the graph of steps from each pixel to its eight neighbors, with their costs."""
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
    hints: Sequence[Hint], photo: tuple[int, int], small: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the seeds and colors of hints on a small copy, as `apply_hints` takes them.

    Args:
        hints: the hints; if several cover a pixel, the last applies.
        photo: height and width of the upright photo.
        small: height and width of the small copy.

    Raises:
        ConfigError: a hint is outside the photo.
    """
    seeds = np.full(small, -1, dtype=np.intp)
    height, width = small
    for number, hint in enumerate(hints):
        left, top, right, lower = hint.box(*photo)
        seeds[_pixels(top, lower, height), _pixels(left, right, width)] = number
    return seeds, np.array([color_ab(hint.color) for hint in hints], dtype=np.float32).reshape(-1, 2)


def _pixels(first: float, last: float, count: int) -> slice:
    """Return the pixels, at least one, that an interval of a side touches, given in shares of the side.

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
    """Return the seeds and colors of painted hints, as `seeds_of` does; a hint is wherever the image is opaque.

    Args:
        rgba: hints painted on a transparent image in the proportions of the photo, (H, W, 4).
        small: height and width of the small copy.

    Raises:
        ConfigError: the image has no opaque or no transparent pixels, other proportions, or too many colors.
    """
    height, width = small
    if abs(rgba.shape[1] * height / (rgba.shape[0] * width) - 1) > _ASPECT_TOLERANCE:
        raise ConfigError(
            f"the image with hints is {rgba.shape[1]}x{rgba.shape[0]} px, which is not the photo's shape: paint on a "
            "layer of the photo's proportions"
        )
    opaque = np.argwhere(rgba[..., 3] >= 128)
    if not len(opaque) or len(opaque) == rgba[..., 3].size:
        raise ConfigError("the image with hints must be transparent except where a color is known")
    codes = np.full(small, -1, dtype=np.intp)
    # A thin stroke can fall between the sampled pixels, so every opaque pixel first marks the one that it falls into.
    places = (opaque * np.array(small) // np.array(rgba.shape[:2])).astype(np.intp)
    codes[places[:, 0], places[:, 1]] = _codes(rgba[opaque[:, 0], opaque[:, 1]])
    rows = ((np.arange(height) + 0.5) * rgba.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * rgba.shape[1] / width).astype(np.intp)
    sampled = rgba[rows][:, columns]
    covered = sampled[..., 3] >= 128
    codes[covered] = _codes(sampled[covered])
    distinct, index = np.unique(codes[codes >= 0], return_inverse=True)
    if len(distinct) > MOST_HINTS:
        raise ConfigError(
            f"the image with hints has {len(distinct)} colors, over the limit of {MOST_HINTS}: use a hard brush"
        )
    seeds = np.full(small, -1, dtype=np.intp)
    seeds[codes >= 0] = index
    rgb = np.stack([distinct >> 16, distinct >> 8 & 255, distinct & 255], axis=-1) / 255
    return seeds, np.asarray(rgb_to_lab(rgb)[:, 1:], dtype=np.float32)


def _codes(rgba: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the colors of pixels (n, 4) as single integers, 0xRRGGBB."""
    return np.asarray(rgba[:, :3].astype(np.intp) @ np.array([65536, 256, 1]))
