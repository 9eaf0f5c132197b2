"""The color spaces in which networks are trained: lightness or luma in, color out, differentiable both ways.

The conversions are Kornia's; this file fixes their normalization, so that "mean squared error" means the same to
every objective. Ranges below are those of colors inside sRGB.

| space | network sees               | network gives                                | lightness of the output   |
|-------|----------------------------|----------------------------------------------|---------------------------|
| lab   | L* / 100, in [0, 1]        | (a*, b*) / 110, in [-1, 1]                   | the input's, exactly      |
| yuv   | luma Y (BT.601), in [0, 1] | (U / 0.436, V / 0.615), in [-1, 1]           | the input's luma, exactly |
| rgb   | luma Y (BT.601), in [0, 1] | 2 RGB - 1, in [-1, 1]                        | the network's own         |

Decoding does not clip: a clipped channel has no gradient, so a network that left the gamut could never be called
back. Images are clipped when they are shown, stored or measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import kornia.color
import torch

from chromalab.core.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

AB_SCALE = 110.0
"""sRGB spans a* from -86 to 98 and b* from -108 to 94; 110 is Zhang's (2016) round number beyond them."""

UV_SCALE = (0.436, 0.615)
"""The largest |U| and |V| of an RGB color in [0, 1] (BT.601)."""


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIELAB under D65 (2 degree observer).

    Args:
        rgb: (B, 3, H, W), gamma-encoded sRGB in [0, 1].

    Returns:
        (B, 3, H, W): L* in [0, 100], a* and b* in CIELAB units. Gradients are finite everywhere.
    """
    lab: Tensor = kornia.color.rgb_to_lab(rgb)
    return lab


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Convert CIELAB under D65 to sRGB without clipping.

    Args:
        lab: (B, 3, H, W) as `rgb_to_lab` gives it.

    Returns:
        (B, 3, H, W), gamma-encoded sRGB; outside [0, 1] where the color lies outside the gamut.
    """
    rgb: Tensor = kornia.color.lab_to_rgb(lab, clip=False)
    return rgb


def luma(rgb: Tensor) -> Tensor:
    """Return the BT.601 luma of (B, 3, H, W) sRGB in [0, 1] as (B, 1, H, W) in [0, 1]."""
    return 0.299 * rgb[:, :1] + 0.587 * rgb[:, 1:2] + 0.114 * rgb[:, 2:]


@dataclass(frozen=True)
class TrainingSpace:
    """A way to divide a photograph into what the network sees and what it has to give.

    Attributes:
        name: registry name.
        channels: number of color channels C that the network gives.
        description: what goes in and out, for lists.
        encode: sRGB (B, 3, H, W) in [0, 1] -> lightness (B, 1, H, W), color (B, C, H, W).
        decode: lightness, color -> sRGB (B, 3, H, W), unclipped.
        grey: lightness -> the color (B, C, H, W) of a gray image; the network predicts the departure from it.
        reach: the largest departure from gray that a network may predict, in units of `color`.
    """

    name: str
    channels: int
    description: str
    encode: Callable[[Tensor], tuple[Tensor, Tensor]]
    decode: Callable[[Tensor, Tensor], Tensor]
    grey: Callable[[Tensor], Tensor]
    reach: float


SPACES: Registry[TrainingSpace] = Registry("color space")


def _encode_lab(rgb: Tensor) -> tuple[Tensor, Tensor]:
    lab = rgb_to_lab(rgb)
    return lab[:, :1] / 100, lab[:, 1:] / AB_SCALE


def _decode_lab(lightness: Tensor, color: Tensor) -> Tensor:
    return lab_to_rgb(torch.cat([lightness * 100, color * AB_SCALE], dim=1))


def _encode_yuv(rgb: Tensor) -> tuple[Tensor, Tensor]:
    y = luma(rgb)
    # U = 0.436 (B - Y) / (1 - 0.114) and V = 0.615 (R - Y) / (1 - 0.299), so U / 0.436 and V / 0.615 are these:
    return y, torch.cat([(rgb[:, 2:] - y) / 0.886, (rgb[:, :1] - y) / 0.701], dim=1)


def _decode_yuv(lightness: Tensor, color: Tensor) -> Tensor:
    blue = lightness + 0.886 * color[:, :1]
    red = lightness + 0.701 * color[:, 1:]
    green = (lightness - 0.299 * red - 0.114 * blue) / 0.587
    return torch.cat([red, green, blue], dim=1)


def _no_chroma(lightness: Tensor) -> Tensor:
    return torch.zeros_like(lightness).expand(-1, 2, -1, -1)


def _encode_rgb(rgb: Tensor) -> tuple[Tensor, Tensor]:
    return luma(rgb), 2 * rgb - 1


def _decode_rgb(lightness: Tensor, color: Tensor) -> Tensor:  # noqa: ARG001 - the output's lightness is its own
    return (color + 1) / 2


def _grey_rgb(lightness: Tensor) -> Tensor:
    return (2 * lightness - 1).expand(-1, 3, -1, -1)


SPACES.add("lab", TrainingSpace("lab", 2, "L* in, (a*, b*) out", _encode_lab, _decode_lab, _no_chroma, 1.0))
SPACES.add("yuv", TrainingSpace("yuv", 2, "luma Y in, (U, V) out", _encode_yuv, _decode_yuv, _no_chroma, 1.0))
SPACES.add("rgb", TrainingSpace("rgb", 3, "luma Y in, (R, G, B) out", _encode_rgb, _decode_rgb, _grey_rgb, 2.0))
