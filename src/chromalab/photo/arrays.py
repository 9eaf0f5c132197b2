"""Arrays scaled by libvips' filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chromalab.photo._vips import vips
from chromalab.photo.resizing import resize_planes

if TYPE_CHECKING:
    from numpy.typing import NDArray


def resize_plane(plane: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Scale a plane (h, w) to (height, width): Lanczos down, Catmull-Rom up, which may overshoot a little."""
    if plane.shape == (height, width):
        return plane
    image = vips().Image.new_from_array(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(resize_planes(image, height, width).numpy(), dtype=np.float32).reshape(height, width)
