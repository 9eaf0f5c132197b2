"""Encoders that a U-Net can stand on, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chromalab.core.errors import ConfigError
from chromalab.core.registry import Registry
from chromalab.nets.efficientnet_lite0 import TAP_CHANNELS, TAP_STRIDES, load_efficientnet_lite0
from chromalab.nets.vgg16 import VGG16, load_vgg16

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import Tensor, nn


class FeatureNet(Protocol):
    """A network that gives feature maps at falling resolution."""

    def taps(self, rgb: Tensor) -> Sequence[Tensor]:
        """Map (B, 3, H, W) sRGB in [0, 1] to feature maps, the finest first."""


@dataclass(frozen=True)
class Encoder:
    """A feature network with what a decoder must know of it.

    Attributes:
        network: gives the feature maps.
        channels: channels of every map, the finest first.
        strides: how many input pixels lie between two neighbours of every map.
        scales: every map is divided by its scale, so that a decoder meets values of order 1.
        start: where its weights come from, for the record.
    """

    network: nn.Module
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    scales: tuple[float, ...]
    start: str


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder that can be asked for by name.

    Attributes:
        description: one line for lists.
        build: (width multiplier, pretrained or not, generator for random weights) -> Encoder.
    """

    description: str
    build: Callable[[float, bool, torch.Generator], Encoder]


ENCODERS: Registry[EncoderEntry] = Registry("encoder")


_LITE0_SCALES = (6.1, 8.5, 7.5, 6.5, 3.0)
"""Root mean square of the taps over 64 grey photographs at 96 px: they are linear projections, far from order 1."""


def _build_lite0(width: float, pretrained: bool, generator: torch.Generator) -> Encoder:  # noqa: ARG001, FBT001
    if width != 1.0 or not pretrained:
        raise ConfigError("the encoder efficientnet_lite0 comes as it was trained: leave width at 1 and pretrained on")
    start = "ImageNet (efficientnet-lite0-57934424.pth)"
    return Encoder(load_efficientnet_lite0(), TAP_CHANNELS, TAP_STRIDES, _LITE0_SCALES, start)


def _build_vgg16(width: float, pretrained: bool, generator: torch.Generator) -> Encoder:  # noqa: FBT001
    if pretrained and width != 1.0:
        raise ConfigError("VGG16's ImageNet weights fit width 1 only: set pretrained to false for another width")
    network = load_vgg16() if pretrained else VGG16(width=width, generator=generator)
    start = "ImageNet (vgg16-397923af.pth)" if pretrained else "random (He)"
    return Encoder(network, network.tap_channels, network.tap_strides, (1.0,) * len(network.tap_strides), start)


ENCODERS.add(
    "efficientnet_lite0",
    EncoderEntry("EfficientNet-Lite0, trained on ImageNet, installed with the package", _build_lite0),
)
ENCODERS.add(
    "vgg16",
    EncoderEntry("the convolutional part of VGG16, as in the chapter; ImageNet weights where added", _build_vgg16),
)
