"""The Laplacian pyramid of images: details at every scale, and the remainder at the coarsest one.

Burt and Adelson: *The Laplacian Pyramid as a Compact Image Code*, IEEE Transactions on Communications 31, 1983, with
the binomial kernel (1 4 6 4 1) / 16, which is theirs for a = 3/8. Edge pixels are repeated beyond the border.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

if TYPE_CHECKING:
    from torch import Tensor

_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def laplacian_pyramid(images: Tensor, levels: int) -> list[Tensor]:
    """Return the Laplacian pyramid of images, which is linear in them.

    Args:
        images: (B, C, H, W), any H and W from 1.
        levels: number of levels, at least 1; the last one is the remainder.

    Returns:
        The levels, the finest first. Level j is (B, C, ceil(H / 2^j), ceil(W / 2^j)). Adding to each level the expanded
        sum of the coarser ones gives the images.
    """
    pyramid = []
    for _ in range(levels - 1):
        coarse = reduce(images)
        pyramid.append(images - expand(coarse, images.shape[-2], images.shape[-1]))
        images = coarse
    return [*pyramid, images]


def reduce(images: Tensor) -> Tensor:
    """Return images smoothed and halved, (B, C, ceil(H / 2), ceil(W / 2)) from (B, C, H, W)."""
    planes = F.pad(_planes(images), (2, 2, 2, 2), mode="replicate")
    halved: Tensor = F.conv2d(planes, _kernel(images), stride=2).unflatten(0, images.shape[:2]).squeeze(2)
    return halved


def expand(images: Tensor, height: int, width: int) -> Tensor:
    """Return images interpolated to twice their size.

    Args:
        images: (B, C, ceil(height / 2), ceil(width / 2)).
        height: height of the result.
        width: width of the result.

    Returns:
        (B, C, height, width).
    """
    planes = F.pad(_planes(images), (1, 1, 1, 1), mode="replicate")
    doubled = F.conv_transpose2d(planes, 4 * _kernel(images), stride=2)
    # The added pixel is first, and the kernel reaches two pixels beyond it.
    inside: Tensor = doubled[..., 4 : 4 + height, 4 : 4 + width].unflatten(0, images.shape[:2]).squeeze(2)
    return inside


def _planes(images: Tensor) -> Tensor:
    """Return every channel as an image of its own, (B C, 1, H, W)."""
    return images.flatten(0, 1).unsqueeze(1)


def _kernel(like: Tensor) -> Tensor:
    taps = like.new_tensor(_BINOMIAL)
    return (taps[:, None] * taps)[None, None]
