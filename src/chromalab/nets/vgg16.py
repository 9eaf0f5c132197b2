"""VGG16's convolutional part: the chapter's encoder, and the trunk of LPIPS-VGG.

Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition*, ICLR 2015, Table 1,
column D, without the classifier and the last pooling.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.nets.trunks import Trunk, with_stored_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TAP_CHANNELS = (64, 128, 256, 512, 512)
"""Channels of relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 at width 1."""

TAP_STRIDES = (1, 2, 4, 8, 16)
"""Input pixels to one pixel of each tap."""

_REPEATS = (2, 2, 3, 3, 3)
_TAP_LAYERS = (3, 8, 15, 22, 29)

CONVOLUTIONS = tuple(f"{stage}_{number + 1}" for stage, count in enumerate(_REPEATS, 1) for number in range(count))
"""The thirteen convolutions by stage and number, `1_1` to `5_3`."""


class VGG16(Trunk):
    """VGG16 up to relu5_3, with torchvision's names of parameters.

    Args:
        width: multiplies the channels of every layer; they are rounded, to at least 1.
        generator: draws He-normal weights (He et al. 2015, eq. 10), with biases of zero. Without one the layers keep
            PyTorch's own initialization.
    """

    def __init__(self, *, width: float = 1.0, generator: torch.Generator | None = None) -> None:
        channels = stage_channels(width)
        # Without storage first where the weights are drawn below: PyTorch would draw its own from the global generator.
        with nullcontext() if generator is None else torch.device("meta"):
            features = nn.Sequential(*vgg16_layers(channels))
        super().__init__(features, _TAP_LAYERS, channels, TAP_STRIDES)
        if generator is not None:
            self.to_empty(device=generator.device)
            draw_he_normal(self, generator)


class _Halve(nn.Module):
    """2x2 max pooling that leaves a side of one pixel as it is, so that a picture of any size goes through."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, [min(2, side) for side in x.shape[-2:]])


def stage_channels(width: float) -> list[int]:
    """Return the channels of the five stages at `width` times the published ones, at least 1 each."""
    return [max(1, round(count * width)) for count in TAP_CHANNELS]


def vgg16_layers(channels: Sequence[int], normalize: Callable[[int], nn.Module] | None = None) -> Iterator[nn.Module]:
    """Give the layers in their order.

    Args:
        channels: of the five stages.
        normalize: makes what stands between a convolution of so many channels and its rectifier.
    """
    channels_in = 3
    for stage, (repeats, count) in enumerate(zip(_REPEATS, channels, strict=True)):
        if stage > 0:
            yield _Halve()
        for _ in range(repeats):
            yield nn.Conv2d(channels_in, count, 3, padding=1)
            if normalize is not None:
                yield normalize(count)
            yield nn.ReLU(inplace=True)
            channels_in = count


def layer_places(features: nn.Sequential) -> dict[str, int]:
    """Return the place of every layer by its usual name: `conv1_1`, `bn1_1` where there is one, `relu1_1` to `relu5_3`.

    >>> with torch.device("meta"):
    ...     places = layer_places(VGG16().features)
    >>> places["conv1_1"], places["relu1_1"], places["relu5_3"]
    (0, 1, 29)
    """
    kinds = {nn.Conv2d: "conv", nn.ReLU: "relu", _Halve: "pool"}
    places, names, name = {}, iter(CONVOLUTIONS), ""
    for place, layer in enumerate(features):
        kind = kinds.get(type(layer), "bn")
        if kind == "conv":
            name = next(names)
        if kind != "pool":
            places[kind + name] = place
    return places


def draw_he_normal(network: nn.Module, generator: torch.Generator) -> None:
    """Give the convolutions of a network He-normal weights and biases of zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)


def load_vgg16() -> VGG16:
    """Return VGG16 with the ImageNet weights that were added as `vgg16`.

    Raises:
        MissingWeightsError: they were not added; the message says how to.
        DamagedWeightsError: the stored file is not what was stored.
    """
    return with_stored_weights(VGG16, "vgg16")
