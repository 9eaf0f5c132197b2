"""Colors at the edge of what sRGB can show: the trace that clipping leaves in a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.functional.colorfulness import chroma

if TYPE_CHECKING:
    from torch import Tensor

COLORED = 10.0
"""Chroma from which a pixel counts as colored, in CIELAB units: blown highlights and deep shadows have less."""


def gamut_share(rgb: Tensor, lab: Tensor) -> Tensor:
    """Return the share of pixels that are colored and lie on the surface of the sRGB cube.

    A color outside of sRGB is brought to the surface when a picture is stored; how many were, the file does not say,
    but there they are now. Saturated colors of a true photograph lie there, too, so its own share is what to compare.

    Args:
        rgb: (B, 3, H, W) in [0, 1]; a channel lies on the surface where it rounds to 0 or 255.
        lab: the same pictures in CIELAB.

    Returns:
        (B,), in [0, 1].
    """
    levels = (rgb * 255).round()
    at_the_edge = (levels.amin(dim=1) <= 0) | (levels.amax(dim=1) >= 255)
    return (at_the_edge & (chroma(lab) >= COLORED)).to(lab.dtype).mean(dim=(1, 2))
