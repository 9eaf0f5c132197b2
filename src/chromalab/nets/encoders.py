"""Encoders of the U-Net by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from chromalab.core.errors import ConfigError
from chromalab.core.registry import Registry
from chromalab.nets.efficientnet_lite import TAP_CHANNELS, TAP_STRIDES, LiteName, load_efficientnet_lite
from chromalab.nets.vgg16 import VGG16, load_vgg16
from chromalab.weights.manifest import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import Tensor, nn


class FeatureNet(Protocol):
    """A network with feature maps at several resolutions."""

    def taps(self, rgb: Tensor) -> Sequence[Tensor]:
        """Return feature maps, the finest first, of (B, 3, H, W) sRGB in [0, 1]."""

    def finest(self, levels: int) -> Sequence[nn.Module]:
        """Return the layers up to the map number `levels`, none for 0."""


@dataclass(frozen=True)
class Encoder:
    """A feature network, and the properties of its maps that a decoder requires.

    Attributes:
        network: the feature network.
        channels: channels of every map, the finest first.
        strides: input pixels per pixel of every map.
        scales: divisors of the maps, which bring the decoder's input to order 1.
        start: origin of its initial weights, for the record.
    """

    network: nn.Module
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    scales: tuple[float, ...]
    start: str


@dataclass(frozen=True)
class EncoderEntry:
    """A registered encoder.

    Attributes:
        description: one line for lists.
        build: (width factor, pretrained or not, generator for random weights) -> Encoder.
    """

    description: str
    build: Callable[[float, bool, torch.Generator], Encoder]


ENCODERS: Registry[EncoderEntry] = Registry("encoder")


_LITE_SCALES: dict[LiteName, tuple[float, ...]] = {
    "efficientnet_lite0": (6.1, 8.5, 7.5, 6.5, 3.0),
    "efficientnet_lite1": (6.2, 10.1, 9.1, 7.4, 3.0),
}
"""Root mean square of the taps over 64 gray photos at 96 px, because the taps are not of order 1."""


def _build_lite(
    name: LiteName,
    width: float,
    pretrained: bool,  # noqa: FBT001
    generator: torch.Generator,  # noqa: ARG001 - there are no random weights
) -> Encoder:
    if width != 1.0 or not pretrained:
        raise ConfigError(f"the encoder {name} has only ImageNet weights: keep width at 1 and pretrained on")
    start = f"ImageNet ({name.replace('_', '-')}-{MANIFEST[name].sha256[:8]}.pth)"
    return Encoder(load_efficientnet_lite(name), TAP_CHANNELS, TAP_STRIDES, _LITE_SCALES[name], start)


def _build_vgg16(width: float, pretrained: bool, generator: torch.Generator) -> Encoder:  # noqa: FBT001
    if pretrained and width != 1.0:
        raise ConfigError("VGG16's ImageNet weights require width 1: set pretrained to false for another width")
    network = load_vgg16() if pretrained else VGG16(width=width, generator=generator)
    start = "ImageNet (vgg16-397923af.pth)" if pretrained else "random (He)"
    return Encoder(network, network.tap_channels, network.tap_strides, (1.0,) * len(network.tap_strides), start)


ENCODERS.add(
    "efficientnet_lite0",
    EncoderEntry(
        "EfficientNet-Lite0, trained on ImageNet, installed with the package",
        partial(_build_lite, "efficientnet_lite0"),
    ),
)
ENCODERS.add(
    "efficientnet_lite1",
    EncoderEntry(
        "EfficientNet-Lite1, trained on ImageNet, installed with the package: deeper and more accurate than Lite0",
        partial(_build_lite, "efficientnet_lite1"),
    ),
)
ENCODERS.add(
    "vgg16",
    EncoderEntry("the convolutional part of VGG16, as in the chapter, with ImageNet weights if added", _build_vgg16),
)
