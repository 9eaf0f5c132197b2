"""Training spaces: color spaces with lightness or luma as input, and color as output, differentiable both ways.

The conversions are Kornia's. This module defines their normalization, so that "mean squared error" has the same meaning
for every objective. The table gives the ranges of colors inside sRGB.

| space | input                      | output                                       | lightness of the output   |
|-------|----------------------------|----------------------------------------------|---------------------------|
| lab   | L* / 100, in [0, 1]        | (a*, b*) / 110, in [-1, 1]                   | equal to the input        |
| yuv   | luma Y (BT.601), in [0, 1] | (U / 0.436, V / 0.615), in [-1, 1]           | luma equal to the input   |
| rgb   | luma Y (BT.601), in [0, 1] | 2 RGB - 1, in [-1, 1]                        | free                      |

Decoding does not clip, because a clipped channel has no gradient, so a network could not learn to return into the
gamut. Images are clipped when they are displayed, stored or evaluated.
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
"""sRGB spans a* from -86 to 98 and b* from -108 to 94; Zhang et al. (2016) also use 110."""

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
        lab: (B, 3, H, W) as returned by `rgb_to_lab`.

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
    """A color space that separates the input of a network from its output.

    Attributes:
        name: registry name.
        channels: number of output channels C.
        description: input and output, for lists.
        encode: sRGB (B, 3, H, W) in [0, 1] -> lightness (B, 1, H, W), color (B, C, H, W).
        decode: lightness, color -> sRGB (B, 3, H, W), unclipped.
        grey: lightness -> color (B, C, H, W) of a gray image; the network predicts the difference from it.
        reach: the largest difference from gray that a network can predict, in units of `color`.
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


def _decode_rgb(lightness: Tensor, color: Tensor) -> Tensor:  # noqa: ARG001 - the color determines the lightness
    return (color + 1) / 2


def _grey_rgb(lightness: Tensor) -> Tensor:
    return (2 * lightness - 1).expand(-1, 3, -1, -1)


SPACES.add("lab", TrainingSpace("lab", 2, "L* in, (a*, b*) out", _encode_lab, _decode_lab, _no_chroma, 1.0))
SPACES.add("yuv", TrainingSpace("yuv", 2, "luma Y in, (U, V) out", _encode_yuv, _decode_yuv, _no_chroma, 1.0))
SPACES.add("rgb", TrainingSpace("rgb", 3, "luma Y in, (R, G, B) out", _encode_rgb, _decode_rgb, _grey_rgb, 2.0))
