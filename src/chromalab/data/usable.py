"""Which photographs are of use for learning color, and why the others are not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chromalab.data.photoset import SkippedPhoto
from chromalab.photo.reading import resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.photo.reading import Photo

COLOURLESS_THRESHOLD = 10.0
"""Photos whose color figure is below this are left out unless a study says otherwise."""

MIN_SIDE_PX = 16
"""Photos with a shorter side than this hold too little to learn from."""

COLOR_FIGURE_PX = 64
"""The color figure is taken on a thumbnail of this height and width."""


def color_figure(rgb: NDArray[np.uint8]) -> float:
    """Return the mean over pixels of max(R, G, B) - min(R, G, B), on the photo scaled to 64x64.

    0 for a gray picture, 255 at most; sepia prints and overcast scenes lie around 10.

    Args:
        rgb: shape (H, W, 3), encoded sRGB values.
    """
    small = resize(rgb, COLOR_FIGURE_PX, COLOR_FIGURE_PX)
    red, green, blue = small[..., 0], small[..., 1], small[..., 2]  # five times as fast as reducing along the last axis
    largest = np.maximum(np.maximum(red, green), blue)
    return float((largest - np.minimum(np.minimum(red, green), blue)).mean())


def why_unusable(name: str, photo: Photo, figure: float, colourless_threshold: float) -> SkippedPhoto | None:
    """Return why a decoded photo is left out, or None where it is of use.

    Args:
        name: its name in records.
        photo: the photo.
        figure: its `color_figure`.
        colourless_threshold: photos with a lower figure are left out; 0 keeps them all but those without any color.
    """
    size = (photo.source_height_px, photo.source_width_px)
    return why_left_out(name, size, figure, colourless_threshold, grey_only=photo.grey_only)


def why_left_out(
    name: str, size_px: tuple[int, int], figure: float, colourless_threshold: float, *, grey_only: bool
) -> SkippedPhoto | None:
    """Return why a photo is left out by what is known of it, or None where it is of use.

    Args:
        name: its name in records.
        size_px: upright height and width.
        figure: its `color_figure`.
        colourless_threshold: photos with a lower figure are left out.
        grey_only: the file holds one channel of light.
    """
    height, width = size_px
    if min(height, width) < MIN_SIDE_PX:
        reason = f"too small ({width}x{height} px; at least {MIN_SIDE_PX} needed)"
        return SkippedPhoto(name, reason, "too small")
    if grey_only:
        return SkippedPhoto(name, "gray only", "gray only")
    if figure < colourless_threshold:
        shown = math.floor(figure * 10) / 10  # rounding to nearest could print "10.0 < 10"
        reason = f"nearly colourless ({shown:.1f} < {colourless_threshold:g})"
        return SkippedPhoto(name, reason, "nearly colourless")
    return None
