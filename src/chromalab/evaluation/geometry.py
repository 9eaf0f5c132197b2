"""Bringing pictures to the size that a protocol asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from chromalab.photo.resizing import resize, target_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.evaluation.protocols import Protocol


def fit(rgb: NDArray[np.uint8], protocol: Protocol) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) at the protocol's size: resized, then cut, as it says."""
    if protocol.resize == "none" or protocol.side_px is None:
        return rgb
    side = protocol.side_px
    height, width = (side, side) if protocol.resize == "both sides" else target_size(rgb.shape[0], rgb.shape[1], side)
    resized = _resized(rgb, height, width, protocol)
    return center(resized, side) if protocol.crop else resized


def _resized(rgb: NDArray[np.uint8], height: int, width: int, protocol: Protocol) -> NDArray[np.uint8]:
    if rgb.shape[:2] == (height, width):
        return rgb
    if protocol.filter == "lanczos3":
        return resize(rgb, height, width)
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC))


def center(rgb: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Cut the central square of a picture."""
    top, left = ((length - side_px) // 2 for length in rgb.shape[:2])
    return rgb[top : top + side_px, left : left + side_px]
