"""Inception v3 for the Fréchet Inception distance: Google's graph of 2015-12-05 with 1008 classes.

Szegedy et al. 2016, *Rethinking the Inception Architecture for Computer Vision*; the weights are those of pytorch-fid,
with torchvision's names. The graph differs from torchvision's network in its pooling: averages exclude the padding, and
the last block uses max pooling.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.nets.trunks import resized_as_pillow, with_stored_weights
from chromalab.nets.vgg16 import FrozenBatchNorm

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE_PX = 299
FEATURES = 2048
_EPSILON = 1e-3


class ConvUnit(nn.Module):
    """A convolution without bias, a batch normalization with fixed statistics, and a rectifier.

    Args:
        channels_in: input channels.
        channels: output channels.
        kernel: height and width of the kernel.
        stride: stride of the convolution.
        padded: pad with zeros so that the kernel does not reduce the size.
    """

    def __init__(
        self, channels_in: int, channels: int, kernel: tuple[int, int] = (1, 1), *, stride: int = 1, padded: bool = True
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(channels_in, channels, kernel, stride, padding, bias=False)
        self.bn = FrozenBatchNorm(channels, _EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, H', W') for x (B, channels_in, H, W)."""
        return functional.relu(self.bn(self.conv(x)), inplace=True)


def _mean_pool(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _max_pool(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, 1, 1)


def _shrink(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, 2)


class Block35(nn.Module):
    """Figure 5 of the paper, at 35 px, with a 5x5 convolution in the branch with a single 3x3 convolution."""

    def __init__(self, channels_in: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = ConvUnit(channels_in, 64)
        self.branch5x5_1 = ConvUnit(channels_in, 48)
        self.branch5x5_2 = ConvUnit(48, 64, (5, 5))
        self.branch3x3dbl_1 = ConvUnit(channels_in, 64)
        self.branch3x3dbl_2 = ConvUnit(64, 96, (3, 3))
        self.branch3x3dbl_3 = ConvUnit(96, 96, (3, 3))
        self.branch_pool = ConvUnit(channels_in, pooled)

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated four branches."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        branches = [self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, self.branch_pool(_mean_pool(x))]
        return torch.cat(branches, dim=1)


class Reduction35(nn.Module):
    """Figure 10 of the paper: from 35 to 17 px."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3 = ConvUnit(288, 384, (3, 3), stride=2, padded=False)
        self.branch3x3dbl_1 = ConvUnit(288, 64)
        self.branch3x3dbl_2 = ConvUnit(64, 96, (3, 3))
        self.branch3x3dbl_3 = ConvUnit(96, 96, (3, 3), stride=2, padded=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated three branches."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, _shrink(x)], dim=1)


class Block17(nn.Module):
    """Figure 6 of the paper with n = 7, at 17 px."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        across, down = (1, 7), (7, 1)
        self.branch1x1 = ConvUnit(768, 192)
        self.branch7x7_1 = ConvUnit(768, channels)
        self.branch7x7_2 = ConvUnit(channels, channels, across)
        self.branch7x7_3 = ConvUnit(channels, 192, down)
        self.branch7x7dbl_1 = ConvUnit(768, channels)
        self.branch7x7dbl_2 = ConvUnit(channels, channels, down)
        self.branch7x7dbl_3 = ConvUnit(channels, channels, across)
        self.branch7x7dbl_4 = ConvUnit(channels, channels, down)
        self.branch7x7dbl_5 = ConvUnit(channels, 192, across)
        self.branch_pool = ConvUnit(768, 192)

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated four branches."""
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(_mean_pool(x))], dim=1)


class Reduction17(nn.Module):
    """From 17 to 8 px."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1 = ConvUnit(768, 192)
        self.branch3x3_2 = ConvUnit(192, 320, (3, 3), stride=2, padded=False)
        self.branch7x7x3_1 = ConvUnit(768, 192)
        self.branch7x7x3_2 = ConvUnit(192, 192, (1, 7))
        self.branch7x7x3_3 = ConvUnit(192, 192, (7, 1))
        self.branch7x7x3_4 = ConvUnit(192, 192, (3, 3), stride=2, padded=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated three branches."""
        long = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), long, _shrink(x)], dim=1)


class Block8(nn.Module):
    """Figure 7 of the paper, at 8 px; `pool` precedes the last branch."""

    def __init__(self, channels_in: int, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pool = pool
        self.branch1x1 = ConvUnit(channels_in, 320)
        self.branch3x3_1 = ConvUnit(channels_in, 384)
        self.branch3x3_2a = ConvUnit(384, 384, (1, 3))
        self.branch3x3_2b = ConvUnit(384, 384, (3, 1))
        self.branch3x3dbl_1 = ConvUnit(channels_in, 448)
        self.branch3x3dbl_2 = ConvUnit(448, 384, (3, 3))
        self.branch3x3dbl_3a = ConvUnit(384, 384, (1, 3))
        self.branch3x3dbl_3b = ConvUnit(384, 384, (3, 1))
        self.branch_pool = ConvUnit(channels_in, 192)

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated six branches."""
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = [
            self.branch1x1(x),
            *(self.branch3x3_2a(single), self.branch3x3_2b(single)),
            *(self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)),
            self.branch_pool(self.pool(x)),
        ]
        return torch.cat(branches, dim=1)


class InceptionFID(nn.Module):
    """Inception v3 up to its last feature maps."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvUnit(3, 32, (3, 3), stride=2, padded=False)
        self.Conv2d_2a_3x3 = ConvUnit(32, 32, (3, 3), padded=False)
        self.Conv2d_2b_3x3 = ConvUnit(32, 64, (3, 3))
        self.Conv2d_3b_1x1 = ConvUnit(64, 80)
        self.Conv2d_4a_3x3 = ConvUnit(80, 192, (3, 3), padded=False)
        self.Mixed_5b = Block35(192, 32)
        self.Mixed_5c = Block35(256, 64)
        self.Mixed_5d = Block35(288, 64)
        self.Mixed_6a = Reduction35()
        self.Mixed_6b = Block17(128)
        self.Mixed_6c = Block17(160)
        self.Mixed_6d = Block17(160)
        self.Mixed_6e = Block17(192)
        self.Mixed_7a = Reduction17()
        self.Mixed_7b = Block8(1280, _mean_pool)
        self.Mixed_7c = Block8(2048, _max_pool)

    def taps(self, rgb: Tensor) -> tuple[Tensor]:
        """Return the last feature maps, (B, 2048, 8, 8); FID uses their spatial means.

        Args:
            rgb: (B, 3, H, W), encoded sRGB in [0, 1]. As in clean-fid (Parmar et al. 2022), it is resized to 299x299 px
                with Pillow's bicubic filter in floating point, regardless of aspect ratio, and clipped to [0, 1].
        """
        x = 2 * resized_as_pillow(rgb, SIDE_PX, SIDE_PX).clamp(0, 1) - 1
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_shrink(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(_shrink(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        return (self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))),)


load_inception_fid = partial(with_stored_weights, InceptionFID, "inception_fid")
"""Load Inception v3 with the weights that were added as `inception_fid`; see `with_stored_weights`."""
