"""SqueezeNet 1.1's convolutional part: the trunk of LPIPS-Squeeze.

Iandola et al., *SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size*, 2016
(arXiv 1602.07360), release 1.1, without the classifier.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.nets.trunks import Trunk, with_stored_weights

TAP_CHANNELS = (64, 128, 256, 384, 384, 512, 512)
"""Channels of the seven taps: the first ReLU, and fire modules 4, 7, 9, 10, 11 and 12 by torchvision's numbers."""

_TAP_LAYERS = (1, 4, 7, 9, 10, 11, 12)
_TAP_STRIDES = (2, 4, 8, 16, 16, 16, 16)


class Fire(nn.Module):
    """A 1x1 convolution to few channels, and from them a 1x1 and a 3x3 convolution side by side.

    Args:
        channels_in: channels that come in.
        squeeze: channels between.
        expand: channels that each of the two convolutions gives; twice as many go out.
    """

    def __init__(self, channels_in: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels_in, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 2 expand, H, W) for x (B, channels_in, H, W)."""
        squeezed = functional.relu(self.squeeze(x), inplace=True)
        expanded = torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], dim=1)
        return functional.relu(expanded, inplace=True)


class SqueezeNet(Trunk):
    """SqueezeNet 1.1 up to its last fire module, with torchvision's names; pictures of at least 17 px on each side."""

    def __init__(self) -> None:
        features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2),
            nn.ReLU(inplace=True),
            _pooling(),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            _pooling(),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            _pooling(),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )
        super().__init__(features, _TAP_LAYERS, TAP_CHANNELS, _TAP_STRIDES)


def _pooling() -> nn.Module:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def load_squeezenet() -> SqueezeNet:
    """Return SqueezeNet 1.1 with the ImageNet weights that were added as `squeezenet1_1`.

    Raises:
        MissingWeightsError: they were not added; the message says how to.
        DamagedWeightsError: the stored file is not what was stored.
    """
    return with_stored_weights(SqueezeNet, "squeezenet1_1")
