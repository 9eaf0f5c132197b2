"""The baseline network: a U-Net that gives colour to a grey image.

An encoder's feature maps are brought up level by level, each concatenated with the map of its level (Ronneberger et
al. 2015), as the chapter's network does over VGG. There is no normalisation layer in the decoder: the encoders carry
theirs folded into their weights, and a critic's gradients are better off without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

if TYPE_CHECKING:
    from chromalab.color.spaces import TrainingSpace
    from chromalab.nets.encoders import Encoder, FeatureNet

DECODER_WIDTHS = {16: 128, 8: 96, 4: 64, 2: 32, 1: 32}
"""Channels of the decoder at each stride: 0.7 M parameters over EfficientNet-Lite0, similar work at every level."""


class UNet(nn.Module):
    """Encoder, concatenated skips, decoder and a head; any input size from 1 pixel up.

    Args:
        encoder: gives the feature maps, the finest first.
        out_channels: channels that the head gives, at the input's size.
        generator: draws the decoder's initial weights (He, normal).
    """

    def __init__(self, encoder: Encoder, out_channels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = encoder.network
        self.scales = encoder.scales
        self.levels = nn.ModuleList()
        below = encoder.channels[-1]
        for channels, stride in zip(encoder.channels[-2::-1], encoder.strides[-2::-1], strict=True):
            width = DECODER_WIDTHS[stride]
            self.levels.append(nn.Conv2d(below + channels, width, 3, padding=1))
            below = width
        self.head = nn.Conv2d(below, out_channels, 3, padding=1)
        self._initialise(generator)

    def _initialise(self, generator: torch.Generator) -> None:
        for conv in (*self.levels, self.head):
            conv = cast("nn.Conv2d", conv)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(cast("Tensor", conv.bias))
        # A small head starts every objective at nearly grey: no objective has to unlearn random colours first.
        with torch.no_grad():
            self.head.weight.mul_(0.1)

    def forward(self, rgb: Tensor) -> Tensor:
        """Map (B, 3, H, W) sRGB in [0, 1] to (B, out_channels, H, W)."""
        maps = cast("FeatureNet", self.encoder).taps(rgb)
        taps = [tap / scale for tap, scale in zip(maps, self.scales, strict=True)]
        x = taps[-1]
        for level, skip in zip(self.levels, taps[-2::-1], strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = F.relu(level(torch.cat([x, skip], dim=1)), inplace=True)
        x = self.head(x)
        if x.shape[-2:] != rgb.shape[-2:]:
            x = F.interpolate(x, size=rgb.shape[-2:], mode="bilinear", align_corners=False)
        return x


class Colorizer(nn.Module):
    """A U-Net in a training space: lightness in, colour out.

    The output is what a grey image has plus a bounded departure (a scaled hyperbolic tangent), so that decoding without
    clipping, which training needs for its gradients, never meets a colour beyond the space's range.

    Args:
        unet: gives `space.channels` channels.
        space: the training space.
    """

    def __init__(self, unet: UNet, space: TrainingSpace) -> None:
        super().__init__()
        self.unet = unet
        self.space = space

    def forward(self, lightness: Tensor) -> Tensor:
        """Map lightness (B, 1, H, W) in [0, 1] to color (B, C, H, W) of the training space.

        The grey image is fed to all three channels of the encoder, as its ImageNet training knows pictures.
        """
        departure = self.unet(lightness.expand(-1, 3, -1, -1))
        return self.space.grey(lightness) + self.space.reach * torch.tanh(departure)

    def colorize(self, rgb: Tensor) -> Tensor:
        """Colorize the grey version of (B, 3, H, W) sRGB in [0, 1]; the result is clipped to [0, 1]."""
        lightness, _ = self.space.encode(rgb)
        return self.space.decode(lightness, self(lightness)).clamp(0, 1)
