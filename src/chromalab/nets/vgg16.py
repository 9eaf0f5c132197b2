"""The convolutional part of VGG16, with or without batch normalization.

It is the encoder of the chapter, the trunk of LPIPS-VGG and the network of several feature losses. Simonyan and
Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition*, ICLR 2015, Table 1, column D, without
the classifier and the last pooling. The batch normalization (Ioffe and Szegedy 2015) is that of torchvision.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.nets.trunks import Trunk, with_stored_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

TAP_CHANNELS = (64, 128, 256, 512, 512)
"""Channels of relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 at width 1."""

TAP_STRIDES = (1, 2, 4, 8, 16)
"""Input pixels per pixel of each tap."""

_REPEATS = (2, 2, 3, 3, 3)

CONVOLUTIONS = tuple(f"{stage}_{number + 1}" for stage, count in enumerate(_REPEATS, 1) for number in range(count))
"""The thirteen convolutions by stage and number, `1_1` to `5_3`."""


class FrozenBatchNorm(nn.Module):
    """Batch normalization with the statistics of the training: Ioffe and Szegedy 2015, Algorithm 2, line 11.

    Its tensors are buffers with the published names, and it has no training mode.

    Args:
        channels: channels of the feature maps.
        epsilon: added to the variances.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.empty(channels))
        self.reset()

    def reset(self) -> None:
        """Set the tensors to the identity, apart from the epsilon."""
        for part, value in ((self.weight, 1), (self.bias, 0), (self.running_mean, 0), (self.running_var, 1)):
            part.fill_(value)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return the scale and shift of every channel, (C,) each: the output is x * scale + shift."""
        scale = self.weight * torch.rsqrt(self.running_var + self.epsilon)
        return scale, self.bias - self.running_mean * scale

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (B, C, H, W) normalized."""
        scale, shift = (part.to(x)[:, None, None] for part in self.scale_and_shift())
        return torch.addcmul(shift, x, scale)


class VGG16(Trunk):
    """VGG16 up to relu5_3, with torchvision's parameter names; its taps are the last rectifiers of the five stages.

    Args:
        width: factor on the channels of every layer, which are rounded to at least 1.
        generator: source of He-normal weights (He et al. 2015, eq. 10), with biases of zero. Without a generator,
            PyTorch initializes the layers.
    """

    _normalize: ClassVar[type[FrozenBatchNorm] | None] = None
    _tap_layers: ClassVar[tuple[int, ...]] = (3, 8, 15, 22, 29)

    def __init__(self, *, width: float = 1.0, generator: torch.Generator | None = None) -> None:
        channels = stage_channels(width)
        # Without storage first if there is a generator: PyTorch would use its global generator.
        with nullcontext() if generator is None else torch.device("meta"):
            features = nn.Sequential(*vgg16_layers(channels, self._normalize))
        super().__init__(features, self._tap_layers, channels, TAP_STRIDES)
        if generator is not None:
            self.to_empty(device=generator.device)
            draw_he_normal(self, generator)


class VGG16BN(VGG16):
    """VGG16 with frozen batch normalization up to relu5_3, with torchvision's tensor names.

    DDColor's and DeOldify's feature losses use it. Without loaded weights, the normalization is the identity.

    Args:
        width: factor on the channels of every layer, as for `VGG16`.
        generator: source of the convolutions' weights, as for `VGG16`.
    """

    _normalize = FrozenBatchNorm
    _tap_layers = (5, 12, 22, 32, 42)

    def __init__(self, *, width: float = 1.0, generator: torch.Generator | None = None) -> None:
        super().__init__(width=width, generator=generator)
        if generator is not None:
            for layer in self.features:
                if isinstance(layer, FrozenBatchNorm):
                    layer.reset()

    def _steps(self, places: Collection[int]) -> Iterator[tuple[int, Callable[[Tensor], Tensor]]]:
        """Yield the steps of a trunk, with convolution and normalization merged unless the output between is requested.

        Merging saves a pass over every feature map.
        """
        for place, step in super()._steps(places):
            layer = self.features[place]
            if isinstance(layer, nn.Conv2d) and place not in places:
                normalize = cast("FrozenBatchNorm", self.features[place + 1])
                yield place + 1, partial(_normalized_convolution, layer, normalize)
            elif not isinstance(layer, FrozenBatchNorm) or place - 1 in places:
                yield place, step


def _normalized_convolution(convolution: nn.Conv2d, normalize: FrozenBatchNorm, x: Tensor) -> Tensor:
    """Return the normalized output of a convolution, with the normalization folded into its weights."""
    scale, shift = normalize.scale_and_shift()
    weight = convolution.weight * scale[:, None, None, None]
    bias = shift if convolution.bias is None else torch.addcmul(shift, convolution.bias, scale)
    return functional.conv2d(x, weight, bias, padding=1)


class _Halve(nn.Module):
    """2x2 max pooling that keeps a side of one pixel, so that the input can have any size."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, [min(2, side) for side in x.shape[-2:]])


def stage_channels(width: float) -> list[int]:
    """Return the channels of the five stages at `width` times the published ones, at least 1 each."""
    return [max(1, round(count * width)) for count in TAP_CHANNELS]


def vgg16_layers(channels: Sequence[int], normalize: Callable[[int], nn.Module] | None = None) -> Iterator[nn.Module]:
    """Yield the layers in order.

    Args:
        channels: channels of the five stages.
        normalize: makes the normalization layer for a number of channels; None for no normalization.
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
    """Return the index of every layer by its usual name: `conv1_1`, `bn1_1` if there is one, `relu1_1` to `relu5_3`.

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
    """Initialize the convolutions of a network with He-normal weights and biases of zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)


load_vgg16 = partial(with_stored_weights, VGG16, "vgg16")
"""Load VGG16 with the weights that were added as `vgg16`; see `with_stored_weights`."""


load_vgg16_bn = partial(with_stored_weights, VGG16BN, "vgg16_bn")
"""Load VGG16 with batch normalization with the weights that were added as `vgg16_bn`; see `with_stored_weights`."""
