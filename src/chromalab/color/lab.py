"""CIELAB, sRGB and its gamut in NumPy, for code that does not use torch.

The white point is D65 for the 2 degree observer, with the matrix and transfer curve of IEC 61966-2-1; `color.spaces`
provides the same conversions in torch. Channels are on the last axis.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RGB_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]], dtype=np.float64
)
"""Linear sRGB to XYZ (ITU-R BT.709 primaries, D65), with the same digits as in scikit-image and Kornia."""

XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ)
WHITE = np.array([0.95047, 1.0, 1.08883])
"""XYZ of D65."""

LUMINANCE = RGB_TO_XYZ[1]
"""Weights of linear R, G and B in the luminance Y."""

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])
"""Weights of encoded R, G and B in the luma of ITU-R BT.601."""

_EPSILON = (6 / 29) ** 3
_SLOPE = (29 / 6) ** 2 / 3
_KNEE_ENCODED, _KNEE_LINEAR = 0.04045, 0.0031308


def decode_srgb(encoded: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the linear RGB of encoded sRGB; negative values stay on the linear part of the curve."""
    curved = ((np.maximum(encoded, _KNEE_ENCODED) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= _KNEE_ENCODED, encoded / 12.92, curved)


def encode_srgb(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the encoded sRGB of linear RGB, the inverse of `decode_srgb`."""
    curved = 1.055 * np.maximum(linear, _KNEE_LINEAR) ** (1 / 2.4) - 0.055
    return np.where(linear <= _KNEE_LINEAR, linear * 12.92, curved)


def lightness_of(luminance: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return L* in [0, 100] of a luminance Y in [0, 1].

    >>> [round(float(lightness_of(np.array(y))), 2) for y in (0.0, 0.184187, 1.0)]
    [0.0, 50.0, 100.0]
    """
    curved = 116 * np.cbrt(np.maximum(luminance, _EPSILON)) - 16
    return np.where(luminance > _EPSILON, curved, luminance * (_SLOPE * 116))


def luminance_of(lightness: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return Y in [0, 1] of L*, the inverse of `lightness_of`."""
    return _from_f((lightness + 16) / 116)


def _from_f(f: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(f > 6 / 29, f * f * f, (f - 4 / 29) / _SLOPE)


def rgb_to_lab(rgb: NDArray[np.floating]) -> NDArray[np.floating]:
    """Convert sRGB in [0, 1], (..., 3), to CIELAB: L* in [0, 100], a* and b* in CIELAB units."""
    xyz = decode_srgb(rgb) @ RGB_TO_XYZ.T / WHITE
    f = np.where(xyz > _EPSILON, np.cbrt(np.maximum(xyz, _EPSILON)), xyz * _SLOPE + 4 / 29)
    lab: NDArray[np.floating] = np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1
    )
    return lab


def lab_to_linear(lab: NDArray[np.floating]) -> NDArray[np.floating]:
    """Convert CIELAB, (..., 3), to linear RGB; outside [0, 1] where the color lies outside the gamut."""
    f = (lab[..., 0] + 16) / 116
    parts = np.stack([f + lab[..., 1] / 500, f, f - lab[..., 2] / 200], axis=-1)
    return np.asarray((_from_f(parts) * WHITE.astype(parts.dtype)) @ XYZ_TO_RGB.T.astype(parts.dtype))


def lab_to_rgb(lab: NDArray[np.floating]) -> NDArray[np.floating]:
    """Convert CIELAB, (..., 3), to sRGB without clipping; outside [0, 1] where the color lies outside the gamut."""
    return encode_srgb(lab_to_linear(lab))


HUES = 360
"""Number of hues in the table of the gamut's boundary, one degree apart."""

LEVELS = 256
"""Number of lightnesses in that table, which are those of the 8-bit grays."""

_MARGIN = 0.25
"""Safety margin of the boundary in CIELAB units, because interpolation overshoots at the corners of the gamut."""


@cache
def grey_lightness(levels: int = LEVELS) -> NDArray[np.float64]:
    """Return L* of the `levels` evenly spaced grays from black to white."""
    return np.asarray(lightness_of(decode_srgb(np.linspace(0, 1, levels))), dtype=np.float64)


@cache
def chroma_limit() -> NDArray[np.float32]:
    """Return the largest chroma inside sRGB for every lightness of `grey_lightness` and every hue, (256, 360).

    The limit is found by bisection. All colors of the same lightness and hue with less chroma are also inside, because
    a ray from the gray axis at constant lightness leaves the gamut only once.
    """
    hue = np.arange(HUES) * (2 * np.pi / HUES)
    direction = np.stack([np.cos(hue), np.sin(hue)], axis=-1).astype(np.float32)
    lightness = np.broadcast_to(grey_lightness()[:, None], (LEVELS, HUES)).astype(np.float32)
    low, high = np.zeros((LEVELS, HUES), np.float32), np.full((LEVELS, HUES), 140.0, np.float32)
    for _ in range(11):
        middle = (low + high) / 2
        linear = lab_to_linear(np.dstack([lightness, middle[..., None] * direction]))
        inside = (linear >= -1e-6).all(axis=-1) & (linear <= 1 + 1e-6).all(axis=-1)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    limit: NDArray[np.float32] = np.maximum(low - _MARGIN, 0).astype(np.float32)
    return limit


def level_of(lightness: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the fractional gray level, 0 to 255, of L* in [0, 100]."""
    return encode_srgb(luminance_of(lightness)) * (LEVELS - 1)


def shrink_into_gamut(
    level: NDArray[np.floating], a: NDArray[np.floating], b: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the factor on the chroma, 0 to 1, that moves a color into sRGB at constant lightness and hue.

    Args:
        level: fractional gray level of the lightness, 0 to 255.
        a: a* in CIELAB units, of the same shape.
        b: b* in CIELAB units, of the same shape.
    """
    chroma = np.hypot(a, b)
    return np.asarray(np.minimum(1, chroma_limit_at(level, np.arctan2(b, a)) / np.maximum(chroma, 1e-6)))


def chroma_limit_at(level: NDArray[np.floating], hue: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the largest chroma at a gray level (0 to 255) and a hue in radians, interpolated."""
    table = chroma_limit()
    place = np.mod(hue * (HUES / (2 * np.pi)), HUES)
    left = np.minimum(place.astype(np.intp), HUES - 1)
    right = np.where(left + 1 == HUES, 0, left + 1)
    below = np.clip(level, 0, LEVELS - 1).astype(np.intp)
    above = np.minimum(below + 1, LEVELS - 1)
    t, s = place - left, np.clip(level, 0, LEVELS - 1) - below
    low = table[below, left] * (1 - t) + table[below, right] * t
    high = table[above, left] * (1 - t) + table[above, right] * t
    return np.asarray(low * (1 - s) + high * s)
