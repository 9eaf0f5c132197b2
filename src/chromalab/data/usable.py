"""Rules that decide which photos are usable for learning color."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from chromalab.photo.reading import resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURLESS_THRESHOLD = 10.0
"""Default color figure below which photos are left out."""

MIN_SIDE_PX = 16
"""Smallest shorter side of a usable photo."""

COLOR_FIGURE_PX = 64
"""Height and width of the thumbnail from which the color figure is computed."""

SkipKind = Literal["unreadable", "too small", "gray only", "nearly colourless", "same content"]
SKIP_KINDS: tuple[SkipKind, ...] = get_args(SkipKind)


@dataclass(frozen=True, slots=True)
class SkippedPhoto:
    """A photo that was left out.

    Attributes:
        name: its name in records.
        reason: the full reason.
        kind: category of the reason, for counting.
    """

    name: str
    reason: str
    kind: SkipKind = "unreadable"


def color_figure(rgb: NDArray[np.uint8]) -> float:
    """Return the mean over pixels of max(R, G, B) - min(R, G, B), on the photo scaled to 64x64.

    The figure is 0 for a gray image and at most 255. Sepia prints and overcast scenes have about 10.

    Args:
        rgb: shape (H, W, 3), encoded sRGB values.
    """
    small = resize(rgb, COLOR_FIGURE_PX, COLOR_FIGURE_PX)
    red, green, blue = small[..., 0], small[..., 1], small[..., 2]  # five times as fast as reducing along the last axis
    largest = np.maximum(np.maximum(red, green), blue)
    return float((largest - np.minimum(np.minimum(red, green), blue)).mean())


def why_left_out(
    name: str, size_px: tuple[int, int], figure: float, colourless_threshold: float, *, grey_only: bool
) -> SkippedPhoto | None:
    """Return why a readable photo is left out, or None if it is usable.

    Args:
        name: its name in records.
        size_px: height and width of the upright photo.
        figure: its `color_figure`.
        colourless_threshold: photos with a lower figure are left out; 0 keeps all but those with a single gray channel.
        grey_only: the file has a single gray channel.
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
