"""The gray level of every pixel, for all pixel types and ICC profiles.

A profile made of a matrix and three curves is additive: luminance is the sum of the luminances of the single channels.
sRGB, Adobe RGB and nearly all profiles of scanners and cameras are of this type. One ramp per channel then describes
the whole profile, and a photo needs three table lookups per pixel in place of the color engine. Profiles that are not
additive, such as those of printers, are applied to every pixel by the color engine.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chromalab.color.lab import LUMINANCE, decode_srgb, encode_srgb, level_of, lightness_of, luminance_of
from chromalab.photo._vips import VipsError, vips

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_VALUE = {"uchar": 255, "ushort": 65535}
_FINE = 65535
_TOLERANCE = 0.1
"""Largest difference in L* between the sum of the ramps and the color engine for a profile to count as additive."""

_PROBES = 250
_SRGB_GAMMA = 1 / 2.2
_GAMMA_TOLERANCE = 0.05
_GAMMA_FIELD = "chromalab-gamma"
_D50 = (0.9642, 1, 0.8249)
_PRIMARIES = {b"r": (0.43607, 0.22249, 0.01392), b"g": (0.38515, 0.71687, 0.09708), b"b": (0.14307, 0.06061, 0.7141)}
"""XYZ of sRGB's primaries, adapted to D50."""


class Ramps(NamedTuple):
    """Luminance of every value of each channel alone, (channels, values); a pixel's luminance is their sum."""

    luminance: NDArray[np.float64]


def level_image(image: Any, *, exact: bool) -> Any:
    """Return a one-band libvips image of gray levels.

    Args:
        image: 8- or 16-bit gray, RGB or CMYK without alpha.
        exact: return floating point, 0 to 255; otherwise 8-bit integers, rounded.
    """
    profiled = bool(image.get_typeof("icc-profile-data"))
    if image.bands == 1 and not profiled:
        return _plain_gray(image, exact=exact)
    if image.interpretation == "cmyk":
        return _through_engine(image, exact=exact)
    values = _MAX_VALUE[image.format] + 1
    if image.get_typeof(_GAMMA_FIELD):  # exact, where the color engine would use a table that is too coarse for shadows
        linear = np.linspace(0, 1, values) ** (1 / image.get(_GAMMA_FIELD))
        weights = LUMINANCE / LUMINANCE.sum() if image.bands == 3 else np.ones(1)
        return _summed(image, Ramps(weights[:, None] * linear), exact=exact)
    ramps = _profile_ramps(image) if profiled else _srgb_ramps(values)
    if ramps is None:
        return _through_engine(image, exact=exact)
    return _summed(image, ramps, exact=exact)


def with_gamma(image: Any, gamma: float) -> Any:
    """Return an image whose values are encoded with a power, as PNG's gAMA chunk declares it, with a profile of it.

    A power near 1/2.2 stands for sRGB, as in other readers.
    """
    if image.get_typeof("icc-profile-data") or abs(gamma / _SRGB_GAMMA - 1) <= _GAMMA_TOLERANCE or gamma <= 0:
        return image
    image = image.copy()
    gray = image.bands - bool(image.hasalpha()) == 1
    image.set_type(vips().GValue.blob_type, "icc-profile-data", _gamma_profile(1 / gamma, gray=gray))
    image.set_type(vips().GValue.gdouble_type, _GAMMA_FIELD, gamma)
    return image


def _gamma_profile(exponent: float, *, gray: bool) -> bytes:
    """Return an ICC profile with sRGB's primaries, or of gray, whose luminance is a power of the values."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, min(65535, round(exponent * 256))) + b"\0\0"
    tags = {b"wtpt": _xyz(_D50), b"kTRC": curve} if gray else {b"wtpt": _xyz(_D50)}
    if not gray:
        tags |= {name + b"XYZ": _xyz(color) for name, color in _PRIMARIES.items()}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(data))
        body += data
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4xI4s4s4s", size, 0x02400000, b"mntr", b"GRAY" if gray else b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s28x", 2000, 1, 1, 0, 0, 0, b"acsp") + _xyz(_D50)[8:]
    return head.ljust(128, b"\0") + table + body


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _plain_gray(image: Any, *, exact: bool) -> Any:
    if image.format == "uchar":
        return image.cast("float") if exact else image
    level = image.cast("float") * (255 / 65535)
    return level if exact else level.rint().cast("uchar")


def _srgb_ramps(values: int) -> Ramps:
    linear = decode_srgb(np.linspace(0, 1, values))
    return Ramps(LUMINANCE[:, None] * linear / LUMINANCE.sum())


def _profile_ramps(image: Any) -> Ramps | None:
    """Return the ramps of the embedded profile, or None if the profile is not additive.

    A damaged profile, or one for another type of pixels, is ignored, as viewers do.
    """
    values, bands = _MAX_VALUE[image.format] + 1, image.bands
    ramp = np.arange(values)
    probe = np.zeros((bands + 1, values, bands), dtype=np.uint8 if image.format == "uchar" else np.uint16)
    for band in range(bands):
        probe[band, :, band] = ramp
    generator = np.random.Generator(np.random.PCG64(0))
    mixed = generator.integers(0, values, (_PROBES, bands))
    probe[bands, :_PROBES] = mixed
    try:
        luminance = _luminance(_like(probe, image))
    except VipsError:
        return _srgb_ramps(values) if bands == 3 else _gray_ramp(values)
    black = luminance[0, 0]
    alone = luminance[:bands] - black
    alone += black / bands
    summed = sum(alone[band][mixed[:, band]] for band in range(bands))
    lightness = lightness_of(np.clip([np.asarray(summed), luminance[bands, :_PROBES]], 0, 1))
    return Ramps(alone) if float(np.abs(lightness[0] - lightness[1]).max()) <= _TOLERANCE else None


def _gray_ramp(values: int) -> Ramps:
    return Ramps(np.asarray(decode_srgb(np.linspace(0, 1, values)))[None])


def _like(pixels: NDArray[Any], image: Any) -> Any:
    """Return pixels as a libvips image with the profile and interpretation of another image."""
    probe = vips().Image.new_from_array(pixels, interpretation=image.interpretation).copy()
    probe.set_type(image.get_typeof("icc-profile-data"), "icc-profile-data", image.get("icc-profile-data"))
    return probe


def _luminance(image: Any) -> NDArray[np.float64]:
    lab = image.icc_import(embedded=True, pcs="lab", intent="relative", black_point_compensation=True)
    return np.asarray(luminance_of(lab.numpy()[..., 0].astype(np.float64)))


def _summed(image: Any, ramps: Ramps, *, exact: bool) -> Any:
    """Look up every channel and add the luminances."""
    if ramps.luminance.shape[0] == 1:
        level = np.clip(encode_srgb(np.clip(ramps.luminance[0], 0, 1)) * 255, 0, 255)
        table = level.astype(np.float32) if exact else np.rint(level).astype(np.uint8)
        return image.maplut(_table(table[None, :, None]))
    if exact:
        light = image.maplut(_table(ramps.luminance.T[None].astype(np.float32)))
        return _encoded(light[0] + light[1] + light[2])
    # libvips' fastest way to add three channels is their mean, which it rounds to integers.
    largest = float(np.max(ramps.luminance))
    fine = np.rint(np.clip(ramps.luminance / largest, 0, 1) * _FINE).astype(np.uint16)
    mean = np.arange(_FINE + 1) / _FINE
    level = np.rint(encode_srgb(np.clip(mean * 3 * largest, 0, 1)) * 255).astype(np.uint8)
    return image.maplut(_table(fine.T[None])).bandmean().maplut(_table(level[None, :, None]))


def _table(values: NDArray[Any]) -> Any:
    return vips().Image.new_from_array(np.ascontiguousarray(values))


def _encoded(luminance: Any) -> Any:
    """Return the gray level, 0 to 255, of floating-point luminance: `encode_srgb` in libvips operations."""
    inside = (luminance < 0).ifthenelse(0, (luminance > 1).ifthenelse(1, luminance))
    curved = (inside ** (1 / 2.4)) * 1.055 - 0.055
    return ((inside <= 0.0031308).ifthenelse(inside * 12.92, curved) * 255).cast("float")


def _through_engine(image: Any, *, exact: bool) -> Any:
    """Compute L* with the color engine; CMYK without a profile uses libvips' built-in ink profile."""
    cmyk = image.interpretation == "cmyk"
    try:
        lab = image.icc_import(
            embedded=True,
            input_profile="cmyk" if cmyk else "srgb",
            pcs="lab",
            intent="relative",
            black_point_compensation=True,
        )
    except VipsError:
        image = image.copy()
        image.remove("icc-profile-data")
        lab = image.icc_import(input_profile="cmyk" if cmyk else "srgb", pcs="lab", intent="relative")
    index = (lab[0] * (_FINE / 100)).rint().cast("ushort")
    level = np.clip(level_of(np.arange(_FINE + 1) / _FINE * 100), 0, 255)
    return index.maplut(_table((level.astype(np.float32) if exact else np.rint(level).astype(np.uint8))[None, :, None]))
