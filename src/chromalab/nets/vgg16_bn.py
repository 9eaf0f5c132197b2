"""VGG16's convolutional part with batch normalization, frozen: what DDColor's and DeOldify's feature losses look at.

Column D of Simonyan and Zisserman 2015, with the batch normalization of Ioffe and Szegedy 2015 between every
convolution and its rectifier, as torchvision trained it.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.nets.trunks import Trunk, with_stored_weights
from chromalab.nets.vgg16 import TAP_STRIDES, draw_he_normal, stage_channels, vgg16_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_TAP_LAYERS = (5, 12, 22, 32, 42)
_EPSILON = 1e-5


class FrozenBatchNorm(nn.Module):
    """Batch normalization by the statistics of the training: Ioffe and Szegedy 2015, Algorithm 2, line 11.

    Its tensors are buffers with the published names; it has no mode in which it would learn.

    Args:
        channels: of the feature maps.
        epsilon: added to the variances.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, epsilon: float = _EPSILON) -> None:
        super().__init__()
        self.epsilon = epsilon
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.empty(channels))
        self.reset()

    def reset(self) -> None:
        """Take the numbers that change nothing, but for the epsilon."""
        for part, value in ((self.weight, 1), (self.bias, 0), (self.running_mean, 0), (self.running_var, 1)):
            part.fill_(value)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return the two numbers of every channel, (C,) each, of which it consists: x * scale + shift."""
        scale = self.weight * torch.rsqrt(self.running_var + self.epsilon)
        return scale, self.bias - self.running_mean * scale

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (B, C, H, W) normalized."""
        scale, shift = (part.to(x)[:, None, None] for part in self.scale_and_shift())
        return torch.addcmul(shift, x, scale)


class VGG16BN(Trunk):
    """VGG16 with batch normalization up to relu5_3, with torchvision's names of tensors; for frozen use only.

    Args:
        width: multiplies the channels of every layer; they are rounded, to at least 1.
        generator: draws He-normal weights, with biases of zero. Without one the convolutions keep PyTorch's own
            initialization. Either way the normalization starts as one that changes nothing.
    """

    def __init__(self, *, width: float = 1.0, generator: torch.Generator | None = None) -> None:
        channels = stage_channels(width)
        with nullcontext() if generator is None else torch.device("meta"):
            features = nn.Sequential(*vgg16_layers(channels, FrozenBatchNorm))
        super().__init__(features, _TAP_LAYERS, channels, TAP_STRIDES)
        if generator is not None:
            self.to_empty(device=generator.device)
            draw_he_normal(self, generator)
            for layer in features:
                if isinstance(layer, FrozenBatchNorm):
                    layer.reset()

    def _steps(self, places: Collection[int]) -> Iterator[tuple[int, Callable[[Tensor], Tensor]]]:
        """Give the steps of a trunk, with a convolution and its normalization as one where nobody looks in between.

        That saves a pass over every feature map.
        """
        for place, step in super()._steps(places):
            layer = self.features[place]
            if isinstance(layer, nn.Conv2d) and place not in places:
                normalize = cast("FrozenBatchNorm", self.features[place + 1])
                yield place + 1, partial(_normalized_convolution, layer, normalize)
            elif not isinstance(layer, FrozenBatchNorm) or place - 1 in places:
                yield place, step


def _normalized_convolution(convolution: nn.Conv2d, normalize: FrozenBatchNorm, x: Tensor) -> Tensor:
    """Return the normalized output of a convolution, with the factors taken into its weights."""
    scale, shift = normalize.scale_and_shift()
    weight = convolution.weight * scale[:, None, None, None]
    bias = shift if convolution.bias is None else torch.addcmul(shift, convolution.bias, scale)
    return functional.conv2d(x, weight, bias, padding=1)


def load_vgg16_bn() -> VGG16BN:
    """Return VGG16 with batch normalization and the ImageNet weights that were added as `vgg16_bn`.

    Raises:
        MissingWeightsError: they were not added; the message says how to.
        DamagedWeightsError: the stored file is not what was stored.
    """
    return with_stored_weights(VGG16BN, "vgg16_bn")
