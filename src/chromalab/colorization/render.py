"""Gray levels and chroma to pixels, strip by strip, with an account of what the gamut took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chromalab.color.lab import (
    LUMINANCE,
    decode_srgb,
    encode_srgb,
    lab_to_linear,
    lightness_of,
    shrink_into_gamut,
)
from chromalab.colorization.table import look_up, places, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.colorization.guided import Enlarged


@dataclass
class Account:
    """What rendering did to a photo.

    Attributes:
        pixels: rendered so far.
        shrunk: of them, how many lost chroma to stay in the gamut.
        lightness_error: the largest |difference of L*| between photo and output, before any lossy coding.
    """

    pixels: int = 0
    shrunk: int = 0
    lightness_error: float = 0.0

    def add(self, pixels: int, shrunk: int, lightness_error: float) -> None:
        """Count a strip."""
        self.pixels += pixels
        self.shrunk += shrunk
        self.lightness_error = max(self.lightness_error, lightness_error)

    @property
    def gamut_share(self) -> float:
        """The share of pixels that lost chroma to stay in the gamut, 0 to 1."""
        return self.shrunk / self.pixels if self.pixels else 0.0


@dataclass(frozen=True)
class Tone:
    """A tone that a print has of its own, as sepia: a* and b* for each of 256 gray levels, (2, 256)."""

    ab: NDArray[np.float32]

    def add(self, level: NDArray[np.float32], a: NDArray[np.float32], b: NDArray[np.float32]) -> None:
        """Add the tone to chroma of the same shape, in place."""
        place = np.rint(level).astype(np.intp)
        a += self.ab[0][place]
        b += self.ab[1][place]


class Renderer:
    """Makes pixels of one photo.

    Args:
        chroma: the photo's chroma at full size.
        deep: give 16 bits.
        tone: added to the chroma.
    """

    def __init__(self, chroma: Enlarged, *, deep: bool, tone: Tone | None = None) -> None:
        self._chroma, self._deep, self._tone = chroma, deep, tone
        self.account = Account()

    def render(self, first: int, levels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[Any]:
        """Return the pixels of rows from `first` on, (n, W, 3), of the photo's gray levels (n, W)."""
        return self._render_exact(first, levels) if self._deep else self._render_8_bits(first, levels)

    def _render_8_bits(self, first: int, levels: NDArray[Any]) -> NDArray[np.uint8]:
        rounded = levels if levels.dtype == np.uint8 else np.rint(levels).astype(np.uint8)
        packed = np.empty(levels.shape, dtype=np.uint32)
        runs = self._chroma.strips(
            first, first + len(levels), lambda start, stop: rounded[start - first : stop - first].astype(np.float32)
        )
        for start, stop, level, a, b in runs:
            if self._tone is not None:
                self._tone.add(level, a, b)
            look_up(places(level, a, b), out=packed[start - first : stop - first])
        colors = unpack(packed)
        off = 0.0 if rounded is levels else _rounding_error(levels, rounded)
        self.account.add(packed.size, colors.shrunk, colors.lightness_error + off)
        return colors.rgb

    def _render_exact(self, first: int, levels: NDArray[Any]) -> NDArray[np.uint16]:
        pixels = np.empty((*levels.shape, 3), dtype=np.uint16)
        runs = self._chroma.strips(
            first, first + len(levels), lambda start, stop: levels[start - first : stop - first].astype(np.float32)
        )
        for start, stop, level, a, b in runs:
            if self._tone is not None:
                self._tone.add(level, a, b)
            rgb, shrunk, error = exact_colors(level, a, b)
            pixels[start - first : stop - first] = np.rint(rgb * 65535)
            self.account.add(level.size, shrunk, error)
        return pixels


def exact_colors(
    level: NDArray[np.float32], a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.floating], int, float]:
    """Return sRGB in [0, 1], (n, W, 3), with the lightness of the gray levels (0 to 255).

    Returns:
        the colors, how many of them lost chroma to stay in the gamut, and the largest error of L*.
    """
    luminance = decode_srgb(level / np.float32(255))
    lightness = lightness_of(luminance)
    factor = shrink_into_gamut(level, a, b)
    linear = lab_to_linear(np.stack([lightness, a * factor, b * factor], axis=-1).astype(np.float32))
    inside = np.clip(linear, 0, 1)
    error = float(np.abs(lightness_of(inside @ (LUMINANCE / LUMINANCE.sum()).astype(np.float32)) - lightness).max())
    return encode_srgb(inside), int((factor < 1).sum()), error


def _rounding_error(levels: NDArray[np.float32], rounded: NDArray[np.uint8]) -> float:
    """Return the largest |difference of L*| that rounding to 8-bit levels makes."""
    return float(np.abs(_lightness(levels) - _lightness(rounded.astype(np.float32))).max())


def _lightness(levels: NDArray[np.float32]) -> NDArray[np.floating]:
    return lightness_of(decode_srgb(levels / np.float32(255)))
