"""Pictures as PNG files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.files import write_bytes
from chromalab.photo._vips import vips

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def encode_png(rgb: NDArray[np.uint8]) -> bytes:
    """Return a picture as the bytes of an 8-bit RGB PNG file, without metadata; the same picture gives the same bytes.

    Args:
        rgb: shape (H, W, 3), encoded sRGB values.

    Raises:
        ValueError: another shape or type.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        raise ValueError(f"expected a uint8 picture of shape (H, W, 3), got {rgb.dtype} {rgb.shape}")
    image = vips().Image.new_from_array(np.ascontiguousarray(rgb), interpretation="srgb")
    return bytes(image.pngsave_buffer(keep="none"))


def write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write a picture as a PNG file, atomically.

    Args:
        path: the file; missing folders are created.
        rgb: shape (H, W, 3), encoded sRGB values.

    Raises:
        OutputError: the file can't be written.
        ValueError: another shape or type.
    """
    write_bytes(path, encode_png(rgb))
