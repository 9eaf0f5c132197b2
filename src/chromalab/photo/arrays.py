"""Arrays scaled by libvips' filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chromalab.photo._vips import vips
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.resizing import resize_planes
from chromalab.photo.scan import reading

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def resize_plane(plane: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Scale a plane (h, w) to (height, width): Lanczos down, Catmull-Rom up, which may overshoot a little."""
    if plane.shape == (height, width):
        return plane
    image = vips().Image.new_from_array(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(resize_planes(image, height, width).numpy(), dtype=np.float32).reshape(height, width)


def read_rgba(path: Path) -> NDArray[np.uint8]:
    """Read a picture with transparency as 8-bit sRGB and alpha, (H, W, 4).

    Raises:
        UnreadablePhotoError: it is no picture, or has no transparency.
    """
    with reading(path) as file:
        image = vips().Image.new_from_source(vips().Source.new_from_descriptor(file.fileno()), "", access="sequential")
        if not image.hasalpha():
            raise UnreadablePhotoError(path, "it has no transparency: paint the known colors on a transparent picture")
        return np.asarray(image.colourspace("srgb").cast("uchar").numpy(), dtype=np.uint8)


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 85) -> bytes:
    """Return a picture (H, W, 3) as the bytes of a JPEG file."""
    image = vips().Image.new_from_array(np.ascontiguousarray(rgb), interpretation="srgb")
    return bytes(image.jpegsave_buffer(Q=quality, optimize_coding=True, keep="none"))
