"""Lightness and chroma to 8-bit sRGB by one look into a table.

Twelve megapixels through CIELAB in floating point take many seconds. An 8-bit gray photo has 256 lightnesses, and
chroma in steps of one CIELAB unit is about what 8 bits of red, green and blue tell apart. So every pixel's color
is one entry of a table of 9.8 million: already shrunk into the gamut, already rounded, and rounded such that its
lightness is that of the gray level.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

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
    lightness_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

A_FIRST, A_COUNT = -87, 187
B_FIRST, B_COUNT = -108, 204
"""The whole numbers of a* and b* that the table holds: all of sRGB."""

_PLANE = A_COUNT * B_COUNT
_FINE = 65536
_ERROR_STEP = 0.01
_ERROR_ZERO = 64
_SHRUNK = 0x80
_STRIP = 1 << 17


class Colors(NamedTuple):
    """Colors of pixels, and what had to be done for them.

    Attributes:
        rgb: 8-bit sRGB, (H, W, 3); a view of the packed colors, in which a fourth byte follows each pixel.
        shrunk: how many pixels lost chroma to stay in the gamut.
        lightness_error: the largest departure of L* from the gray level's.
    """

    rgb: NDArray[np.uint8]
    shrunk: int
    lightness_error: float


def look_up(place: NDArray[np.float32], out: NDArray[np.uint32]) -> None:
    """Write the packed colors at `place` (from `places`) to `out`, of the same shape."""
    np.take(color_table(), place.astype(np.int32), out=out, mode="clip")


def places(level: NDArray[np.float32], a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return where in the table the colors stand; overwrites `a` and `b`.

    Whole numbers below 2^24 are exact in single precision, and the table is shorter than that.

    Args:
        level: gray levels, whole numbers from 0 to 255.
        a: a* in CIELAB units; beyond sRGB it is clipped.
        b: b*, likewise.
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
    """Return what packed colors (H, W) say."""
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
    """Return the table: red, green, blue, and in the highest byte whether chroma was shrunk and the error of L*.

    Built once in a process, in a fraction of a second.
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
    """Fill in the colors of one gray level: those inside the gamut, and for all others the border's at their hue."""
    a, b, chroma, hue = _polar()
    limit = chroma_limit()[level]
    direction = np.radians(np.arange(HUES))
    border = _packed(level, limit * np.cos(direction), limit * np.sin(direction)) | np.uint32(_SHRUNK << 24)
    np.take(border, hue, out=plane, mode="clip")
    inside = (chroma <= limit[hue]) | (chroma < 1)  # a gray is inside, even black and white
    plane[inside] = _packed(level, a[inside], b[inside])


def _packed(level: int, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.uint32]:
    """Return colors inside the gamut, packed with the error of their lightness.

    Red and blue are rounded; green then is what brings their luminance nearest to the level's: it weighs most in
    luminance, so what is left over is less than half a step of green.
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
    """Return the place of linear values in the curve's table."""
    return np.asarray(np.clip(linear, 0, 1) * (_FINE - 1) + 0.5, dtype=np.intp)
