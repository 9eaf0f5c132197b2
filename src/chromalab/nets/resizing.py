"""Pictures brought to the size that a network was trained at, as Pillow does it, which most networks have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

if TYPE_CHECKING:
    from torch import Tensor


def resized_as_pillow(rgb: Tensor, height: int, width: int) -> Tensor:
    """Return pictures at another size by Pillow's bicubic filter (a = -0.5), antialiased, on floats.

    Args:
        rgb: (B, C, H, W).
        height: height afterwards.
        width: width afterwards.

    Returns:
        (B, C, height, width); beside edges it leaves the range of `rgb`.
    """
    if rgb.shape[-2:] == (height, width):
        return rgb
    return F.interpolate(rgb, size=(height, width), mode="bicubic", align_corners=False, antialias=True)


def center_square(rgb: Tensor, side_px: int) -> Tensor:
    """Return the central square of every picture at another size, as Pillow makes it of 8-bit pictures.

    Pillow goes through rows first, then through columns, and rounds to 8 bits after each.

    Args:
        rgb: (B, C, H, W) in [0, 1], of 256 levels.
        side_px: side afterwards.

    Returns:
        (B, C, side_px, side_px) in [0, 1], of 256 levels.
    """
    height, width = rgb.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = rgb[..., top : top + side, left : left + side]
    for size in ((side, side_px), (side_px, side_px)):
        square = (resized_as_pillow(square, *size).clamp(0, 1) * 255).round() / 255
    return square
