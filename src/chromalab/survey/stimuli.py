"""Blinded stimuli: lossless PNG files of equal byte length without metadata."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from chromalab.color.lab import lab_to_rgb, level_of, rgb_to_lab, shrink_into_gamut
from chromalab.core.seeds import derive_seed
from chromalab.photo.resizing import resize
from chromalab.photo.writing import encode_png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = {b"IHDR", b"IDAT", b"IEND"}
_PADDING = b"fiLl"  # ancillary, private, safe to copy
_OVERHEAD = 12
RANDOM_CHROMA = 60.0
RANDOM_CELLS = 4
DAMAGE_CHROMA = 80.0
DAMAGE_CELLS = 40


def png_chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over the (type, data) of a PNG file's chunks."""
    place = len(_SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += _OVERHEAD + length


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def stimulus_png(rgb: NDArray[np.uint8]) -> bytes:
    """Encode an image as an 8-bit PNG that holds only its pixels and the sRGB tag.

    Args:
        rgb: shape (H, W, 3).
    """
    parts = [_SIGNATURE]
    for kind, data in png_chunks(encode_png(rgb)):
        if kind in _KEPT:
            parts.append(_chunk(kind, data))
        if kind == b"IHDR":
            parts.append(_chunk(b"sRGB", b"\x00"))
    return b"".join(parts)


def padded(png: bytes, length: int) -> bytes:
    """Return a PNG of exactly `length` bytes with the same pixels.

    Every file gets the padding chunk, including the longest, so that its presence reveals nothing.

    Args:
        png: the file.
        length: target length in bytes, at least that of the file + 12.
    """
    room = length - len(png) - _OVERHEAD
    if room < 0:
        raise ValueError(f"cannot pad a file of {len(png)} bytes to {length}")
    end = len(png) - _OVERHEAD
    return png[:end] + _chunk(_PADDING, bytes(room)) + png[end:]


def pad_alike(pngs: list[bytes]) -> list[bytes]:
    """Pad all files to the same byte length."""
    length = max(map(len, pngs)) + _OVERHEAD
    return [padded(png, length) for png in pngs]


def fit_image(rgb: NDArray[np.uint8], size_px: int, *, square: bool) -> NDArray[np.uint8]:
    """Reduce an image to a longest side of at most `size_px`, after cropping its central square if `square`."""
    height, width = rgb.shape[:2]
    if square:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        rgb = rgb[top : top + side, left : left + side]
        height = width = side
    factor = size_px / max(height, width)
    if factor >= 1:
        return np.ascontiguousarray(rgb)
    return resize(np.ascontiguousarray(rgb), max(1, round(height * factor)), max(1, round(width * factor)))


def random_colors(rgb: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Replace the colors of an image by random ones in large patches, keeping its lightness.

    Zhang, Isola and Efros (2016) use such images as attention checks. The same name gives the same colors, all within
    sRGB.
    """
    height, width = rgb.shape[:2]
    generator = np.random.default_rng(derive_seed("random colors", name))
    hue = generator.uniform(0, 2 * np.pi, size=(RANDOM_CELLS, RANDOM_CELLS))
    factors = (height / RANDOM_CELLS, width / RANDOM_CELLS)
    planes = [
        ndimage.zoom(RANDOM_CHROMA * part(hue), factors, order=1, grid_mode=True, mode="nearest")
        for part in (np.cos, np.sin)
    ]
    a, b = (_exact(plane, height, width) for plane in planes)
    return _colored(rgb_to_lab(rgb / 255.0)[..., 0], a, b)


def damaged_colors(rgb: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Replace the colors of an image by a mosaic of strong random ones, and reduce its contrast.

    Soft random colors may please someone, or vanish in black and in white. A mosaic pleases nobody, and the lower
    contrast (L* from 30 to 80) leaves room for strong colors everywhere: the mean CIEDE2000 to the image exceeds 20.
    The same name gives the same colors.
    """
    height, width = rgb.shape[:2]
    cell = max(1, round(max(height, width) / DAMAGE_CELLS))
    generator = np.random.default_rng(derive_seed("damaged colors", name))
    hue = generator.uniform(0, 2 * np.pi, size=(-(-height // cell), -(-width // cell)))
    hue = hue.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width]
    lightness = 30 + 0.5 * rgb_to_lab(rgb / 255.0)[..., 0]
    return _colored(lightness, DAMAGE_CHROMA * np.cos(hue), DAMAGE_CHROMA * np.sin(hue))


def _colored(lightness: NDArray[np.floating], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the image of CIELAB planes, with colors outside sRGB moved toward gray."""
    shrink = shrink_into_gamut(level_of(lightness), a, b)
    lab = np.stack([lightness, a * shrink, b * shrink], axis=-1)
    return np.asarray(np.rint(np.clip(lab_to_rgb(lab), 0, 1) * 255), dtype=np.uint8)


def to_gray(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Remove the colors of an image and keep its lightness."""
    level = np.rint(np.clip(level_of(rgb_to_lab(rgb / 255.0)[..., 0]), 0, 255)).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=-1)


def _exact(plane: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Extend or crop a plane whose sides were rounded to the exact size."""
    rows = np.minimum(np.arange(height), plane.shape[0] - 1)
    columns = np.minimum(np.arange(width), plane.shape[1] - 1)
    return np.asarray(plane[rows][:, columns])
