"""Gray levels and chroma to sRGB pixels, strip by strip: through a table for 8 bits, computed for 16 bits.

Converting twelve megapixels through CIELAB in floating point takes many seconds. An 8-bit photo has 256 lightnesses,
and steps of one CIELAB unit in chroma are about the resolution of 8-bit RGB, so a table of 9.8 million colors has the
result for every pixel. Its colors are in the gamut and rounded such that they keep the lightness of the gray level.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chromalab.color.lab import (
    HUES,
    LEVELS,
    LUMINANCE,
    WHITE,
    XYZ_TO_RGB,
    chroma_limit,
    decode_srgb,
    encode_srgb,
    grey_lightness,
    lab_to_linear,
    lightness_of,
    shrink_into_gamut,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from chromalab.colorization.guided import Enlarged

A_FIRST, A_COUNT = -87, 187
B_FIRST, B_COUNT = -108, 204
"""The integers of a* and b* in the table, which cover all of sRGB."""

_PLANE = A_COUNT * B_COUNT
_FINE = 65536
_ERROR_STEP = 0.01
_ERROR_ZERO = 64
_SHRUNK = 0x80
_STRIP = 1 << 17


@dataclass
class RenderStats:
    """Statistics of rendering a photo.

    Attributes:
        pixels: number of pixels rendered so far.
        shrunk: number of pixels whose chroma was reduced to stay in the gamut.
        lightness_error: largest absolute difference in L* between photo and output, before any lossy compression.
    """

    pixels: int = 0
    shrunk: int = 0
    lightness_error: float = 0.0

    def add(self, pixels: int, shrunk: int, lightness_error: float) -> None:
        """Add a strip."""
        self.pixels += pixels
        self.shrunk += shrunk
        self.lightness_error = max(self.lightness_error, lightness_error)

    @property
    def gamut_share(self) -> float:
        """Share of pixels whose chroma was reduced to stay in the gamut, 0 to 1."""
        return self.shrunk / self.pixels if self.pixels else 0.0


@dataclass(frozen=True)
class Tone:
    """The own tone of a print, such as sepia: a* and b* for each of 256 gray levels, (2, 256)."""

    ab: NDArray[np.float32]

    def add(self, level: NDArray[np.float32], a: NDArray[np.float32], b: NDArray[np.float32]) -> None:
        """Add the tone to chroma of the same shape, in place."""
        place = np.rint(level).astype(np.intp)
        a += self.ab[0][place]
        b += self.ab[1][place]


class Renderer:
    """Computes the pixels of one photo.

    Args:
        chroma: the photo's chroma at full size.
        deep: return 16 bits per value in place of 8.
        tone: tone that is added to the chroma.
        stats: statistics to add to; None begins new ones.
    """

    def __init__(
        self, chroma: Enlarged, *, deep: bool, tone: Tone | None = None, stats: RenderStats | None = None
    ) -> None:
        self._chroma, self._deep, self._tone = chroma, deep, tone
        self.stats = stats if stats is not None else RenderStats()

    def render(self, first: int, levels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[Any]:
        """Return the pixels (n, W, 3) of the photo's rows from `first` on, given their gray levels (n, W)."""
        return self._render_16_bits(first, levels) if self._deep else self._render_8_bits(first, levels)

    def _runs(
        self, first: int, levels: NDArray[Any]
    ) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
        """Yield runs of rows: their slice of `levels`, and their levels, a* and b*, valid until the next run."""
        runs = self._chroma.strips(
            first, first + len(levels), lambda start, stop: levels[start - first : stop - first].astype(np.float32)
        )
        for start, stop, level, a, b in runs:
            if self._tone is not None:
                self._tone.add(level, a, b)
            yield slice(start - first, stop - first), level, a, b

    def _render_8_bits(self, first: int, levels: NDArray[Any]) -> NDArray[np.uint8]:
        rounded = levels if levels.dtype == np.uint8 else np.rint(levels).astype(np.uint8)
        packed = np.empty(levels.shape, dtype=np.uint32)
        for rows, level, a, b in self._runs(first, rounded):
            look_up(places(level, a, b), out=packed[rows])
        colors = unpack(packed)
        rounding = 0.0 if rounded is levels else _rounding_error(levels, rounded)
        self.stats.add(packed.size, colors.shrunk, colors.lightness_error + rounding)
        return colors.rgb

    def _render_16_bits(self, first: int, levels: NDArray[Any]) -> NDArray[np.uint16]:
        pixels = np.empty((*levels.shape, 3), dtype=np.uint16)
        for rows, level, a, b in self._runs(first, levels):
            rgb, shrunk, error = exact_colors(level, a, b)
            pixels[rows] = np.rint(rgb * 65535)
            self.stats.add(level.size, shrunk, error)
        return pixels


def exact_colors(
    level: NDArray[np.float32], a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.floating], int, float]:
    """Compute colors without the table.

    Args:
        level: gray levels, 0 to 255, (n, W); the colors get their lightness.
        a: a* in CIELAB units, (n, W).
        b: b* in CIELAB units, (n, W).

    Returns:
        sRGB in [0, 1], (n, W, 3); the number of colors reduced to stay in the gamut; and the largest error of L*.
    """
    luminance = decode_srgb(level / np.float32(255))
    lightness = lightness_of(luminance)
    factor = shrink_into_gamut(level, a, b)
    linear = lab_to_linear(np.stack([lightness, a * factor, b * factor], axis=-1).astype(np.float32))
    inside = np.clip(linear, 0, 1)
    error = float(np.abs(lightness_of(inside @ (LUMINANCE / LUMINANCE.sum()).astype(np.float32)) - lightness).max())
    return encode_srgb(inside), int((factor < 1).sum()), error


def _rounding_error(levels: NDArray[np.float32], rounded: NDArray[np.uint8]) -> float:
    """Return the largest absolute difference in L* that rounding to 8-bit levels causes."""
    return float(np.abs(_lightness(levels) - _lightness(rounded.astype(np.float32))).max())


def _lightness(levels: NDArray[np.float32]) -> NDArray[np.floating]:
    return lightness_of(decode_srgb(levels / np.float32(255)))


class Colors(NamedTuple):
    """Colors of pixels from the table.

    Attributes:
        rgb: 8-bit sRGB, (H, W, 3); a view of the packed colors, in which every pixel has a fourth byte.
        shrunk: number of pixels whose chroma was reduced to stay in the gamut.
        lightness_error: largest absolute difference in L* from the gray level.
    """

    rgb: NDArray[np.uint8]
    shrunk: int
    lightness_error: float


def look_up(place: NDArray[np.float32], out: NDArray[np.uint32]) -> None:
    """Write the packed colors at the table indices `place`, from `places`, to `out`, which has the same shape."""
    np.take(color_table(), place.astype(np.int32), out=out, mode="clip")


def places(level: NDArray[np.float32], a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the table indices of colors; overwrites `a` and `b`.

    The table has under 2^24 entries, so single precision represents all indices exactly.

    Args:
        level: gray levels, integers from 0 to 255.
        a: a* in CIELAB units, clipped to the table's range.
        b: b* in CIELAB units, clipped to the table's range.
    """
    for plane, first, count in ((a, A_FIRST, A_COUNT), (b, B_FIRST, B_COUNT)):
        np.subtract(plane, first, out=plane)
        np.rint(plane, out=plane)
        np.clip(plane, 0, count - 1, out=plane)
    a *= B_COUNT
    a += b
    np.multiply(level, _PLANE, out=b)
    a += b
    return a


def unpack(packed: NDArray[np.uint32]) -> Colors:
    """Return the colors and statistics of packed colors (H, W)."""
    parts = packed.view(np.uint8).reshape(*packed.shape, 4)
    shrunk, low, high = 0, _ERROR_ZERO, _ERROR_ZERO
    for strip in np.array_split(packed, max(1, packed.size // _STRIP)):
        notes = (strip >> 24).astype(np.uint8)
        shrunk += int(np.count_nonzero(notes & _SHRUNK))
        notes &= ~np.uint8(_SHRUNK)
        low, high = min(low, int(notes.min())), max(high, int(notes.max()))
    return Colors(parts[..., :3], shrunk, max(high - _ERROR_ZERO, _ERROR_ZERO - low) * _ERROR_STEP)


@cache
def color_table() -> NDArray[np.uint32]:
    """Return the table: red, green, blue, and in the highest byte the error of L* and whether chroma was reduced.

    It is built once per process, in a fraction of a second.
    """
    table = np.empty((LEVELS, A_COUNT, B_COUNT), dtype=np.uint32)
    chroma_limit()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda level: _fill(table[level], level), range(LEVELS)))
    return table.reshape(-1)


@cache
def _polar() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Return a*, b*, chroma and the hue in whole degrees of every color of a plane."""
    a, b = np.meshgrid(np.arange(A_COUNT) + A_FIRST, np.arange(B_COUNT) + B_FIRST, indexing="ij")
    hue = np.rint(np.degrees(np.arctan2(b, a))).astype(np.intp) % HUES
    chroma = np.maximum(np.hypot(a, b), 1e-6)
    return a.astype(np.float32), b.astype(np.float32), chroma.astype(np.float32), hue


@cache
def _curves() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the level of each of 65,536 linear values, and the linear value of each of 256 levels."""
    level = np.rint(encode_srgb(np.linspace(0, 1, _FINE)) * (LEVELS - 1)).astype(np.uint8)
    linear = decode_srgb(np.linspace(0, 1, LEVELS)).astype(np.float32)
    return level, linear


def _fill(plane: NDArray[np.uint32], level: int) -> None:
    """Fill in the colors of one gray level; colors outside the gamut get the gamut border's color at their hue."""
    a, b, chroma, hue = _polar()
    limit = chroma_limit()[level]
    direction = np.radians(np.arange(HUES))
    border = _packed(level, limit * np.cos(direction), limit * np.sin(direction)) | np.uint32(_SHRUNK << 24)
    np.take(border, hue, out=plane, mode="clip")
    inside = (chroma <= limit[hue]) | (chroma < 1)  # grays are inside, even black and white
    plane[inside] = _packed(level, a[inside], b[inside])


def _packed(level: int, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.uint32]:
    """Return colors inside the gamut, packed with the error of their lightness.

    Red and blue are rounded first. Green, which has the largest weight in luminance, is then chosen so that the
    luminance is closest to that of the level; the remaining error is less than half a step of green.
    """
    to_level, to_linear = _curves()
    lightness, y = np.float32(grey_lightness()[level]), np.float32(to_linear[level])
    f = (lightness + 16) / 116
    x = _cube(np.asarray(f + a / 500, dtype=np.float32)) * np.float32(WHITE[0])
    z = _cube(np.asarray(f - b / 200, dtype=np.float32)) * np.float32(WHITE[2])
    matrix = XYZ_TO_RGB.astype(np.float32)
    red = to_level[_fine(matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z)]
    blue = to_level[_fine(matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z)]
    weights = LUMINANCE.astype(np.float32)
    rest = weights[0] * to_linear[red] + weights[2] * to_linear[blue]
    green = to_level[_fine((y - rest) / weights[1])]
    error = lightness_of(rest + weights[1] * to_linear[green]) - lightness
    note = np.clip(np.rint(error / _ERROR_STEP) + _ERROR_ZERO, 0, _SHRUNK - 1).astype(np.uint32)
    return np.asarray(red | green.astype(np.uint32) << 8 | blue.astype(np.uint32) << 16 | note << 24, dtype=np.uint32)


def _cube(f: NDArray[np.float32]) -> NDArray[np.float32]:
    linear = (f - np.float32(4 / 29)) * np.float32(108 / 841)
    return np.where(f > 6 / 29, f * f * f, linear)


def _fine(linear: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the indices of linear values in the table of `_curves`."""
    return np.asarray(np.clip(linear, 0, 1) * (_FINE - 1) + 0.5, dtype=np.intp)
