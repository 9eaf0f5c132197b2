"""ImageNet trunks: their base class, AlexNet and SqueezeNet, and the preparation of their input.

AlexNet is the trunk of LPIPS-Alex: Krizhevsky, *One weird trick for parallelizing convolutional neural networks*, 2014
(arXiv 1404.5997), in torchvision's single-column form. SqueezeNet is the trunk of LPIPS-Squeeze: Iandola et al.,
*SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size*, 2016 (arXiv 1602.07360), release
1.1. Both have no classifier here.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from chromalab.weights.store import find_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLASSES = 1000
"""Number of ImageNet classes."""

T = TypeVar("T", bound=nn.Module)


class Trunk(nn.Module):
    """A sequence of layers with feature maps at some of them, the taps.

    Args:
        features: the layers; the parameters have torchvision's names (`features.N.weight`).
        tap_layers: indices of the tapped layers, in ascending order; the last layer is tapped.
        tap_channels: channels of every tap.
        tap_strides: input pixels per pixel of every tap.
    """

    def __init__(
        self,
        features: nn.Sequential,
        tap_layers: Sequence[int],
        tap_channels: Sequence[int],
        tap_strides: Sequence[int],
    ) -> None:
        super().__init__()
        self.features = features
        self.tap_layers = tuple(tap_layers)
        self.tap_channels = tuple(tap_channels)
        self.tap_strides = tuple(tap_strides)

    def taps(self, rgb: Tensor) -> list[Tensor]:
        """Return the outputs of the tapped layers for `rgb` (B, 3, H, W), encoded sRGB in [0, 1]."""
        return self.outputs(rgb, self.tap_layers)

    def finest(self, levels: int) -> Sequence[nn.Module]:
        """Return the layers before the tap number `levels` and its own, none for 0."""
        return list(self.features.children())[: self.tap_layers[levels - 1] + 1] if levels else []

    def outputs(self, rgb: Tensor, places: Collection[int]) -> list[Tensor]:
        """Return the outputs of the layers at `places` for `rgb` (B, 3, H, W), in the order of the layers.

        Layers after the last of them are not run. No later layer overwrites a returned output.
        """
        x = imagenet_normalize(rgb)
        found = []
        for place, step in self._steps(places):
            x = step(x)
            if place in places:
                found.append(x)
        return found

    def _steps(self, places: Collection[int]) -> Iterator[tuple[int, Callable[[Tensor], Tensor]]]:
        """Yield the functions to run for the outputs at `places`, each with the index of its layer."""
        for place, layer in enumerate(islice(self.features, max(places) + 1)):
            # Rectifiers work in place to save memory, but not on a returned output.
            overwrites = isinstance(layer, nn.ReLU) and place - 1 in places
            yield place, functional.relu if overwrites else layer


class AlexNet(Trunk):
    """AlexNet up to relu5, with torchvision's parameter names and taps relu1 to relu5, for images of at least 31 px."""

    def __init__(self) -> None:
        features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        super().__init__(features, (1, 4, 7, 9, 11), (64, 192, 384, 256, 256), (4, 8, 16, 16, 16))


class Fire(nn.Module):
    """A 1x1 convolution that reduces the channels, followed by parallel 1x1 and 3x3 convolutions.

    Args:
        channels_in: input channels.
        squeeze: channels after the reduction.
        expand: output channels of each of the two parallel convolutions.
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
    """SqueezeNet 1.1 up to its last fire module, with torchvision's parameter names, for images of at least 17 px.

    The taps are the first rectifier and the fire modules 4, 7, 9, 10, 11 and 12 by torchvision's numbers.
    """

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
        taps, channels = (1, 4, 7, 9, 10, 11, 12), (64, 128, 256, 384, 384, 512, 512)
        super().__init__(features, taps, channels, (2, 4, 8, 16, 16, 16, 16))


def _pooling() -> nn.Module:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def imagenet_normalize(rgb: Tensor) -> Tensor:
    """Return (rgb - mean) / std with ImageNet's mean and standard deviation, laid out channels-last.

    LPIPS states the same map for inputs in [-1, 1]: shift (-.030, -.088, -.188), scale (.458, .448, .450).
    """
    mean, std = (rgb.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)


def resized_as_pillow(rgb: Tensor, height: int, width: int) -> Tensor:
    """Resize images with Pillow's bicubic filter (a = -0.5), antialiased, in floating point.

    Args:
        rgb: (B, C, H, W).
        height: new height.
        width: new width.

    Returns:
        (B, C, height, width); near edges the values can leave the range of `rgb`.
    """
    if rgb.shape[-2:] == (height, width):
        return rgb
    return functional.interpolate(rgb, size=(height, width), mode="bicubic", align_corners=False, antialias=True)


def center_square(rgb: Tensor, side_px: int) -> Tensor:
    """Return the resized central square of every image, as Pillow resizes 8-bit images.

    Pillow resizes along rows first, then along columns, and rounds to 8 bits after each.

    Args:
        rgb: (B, C, H, W) in [0, 1], with 256 levels.
        side_px: new side.

    Returns:
        (B, C, side_px, side_px) in [0, 1], with 256 levels.
    """
    height, width = rgb.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = rgb[..., top : top + side, left : left + side]
    for size in ((side, side_px), (side_px, side_px)):
        square = (resized_as_pillow(square, *size).clamp(0, 1) * 255).round() / 255
    return square


def with_stored_weights(build: Callable[[], T], name: str) -> T:
    """Build a network in evaluation mode, and load the weights that were added under `name`.

    Raises:
        MissingWeightsError: the weights were not added; the message explains how to add them.
        DamagedWeightsError: the stored file was changed.
    """
    path = find_weights(name)
    # Built without storage, so that no time is spent on random initial weights.
    with torch.device("meta"):
        network = build()
    with safe_open(path, "pt") as file:  # it may contain more tensors, such as VGG16's classifier
        held = set(file.keys())
        state = {key: file.get_tensor(key) for key in network.state_dict() if key in held}
    network.load_state_dict(state, assign=True)
    return network.eval()


load_alexnet = partial(with_stored_weights, AlexNet, "alexnet")
"""Load AlexNet with the weights that were added as `alexnet`; see `with_stored_weights`."""


load_squeezenet = partial(with_stored_weights, SqueezeNet, "squeezenet1_1")
"""Load SqueezeNet 1.1 with the weights that were added as `squeezenet1_1`; see `with_stored_weights`."""
