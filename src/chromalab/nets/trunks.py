"""What the ImageNet trunks share: torchvision's layer numbers, one normalisation, weights from the weights folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from chromalab.weights.store import find_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

T = TypeVar("T", bound=nn.Module)


class Trunk(nn.Module):
    """A chain of layers, the outputs of some of which are looked at.

    Args:
        features: the layers; their places give the parameters torchvision's names (`features.N.weight`).
        tap_layers: the places of the layers whose outputs are taps, rising; no layer follows the last.
        tap_channels: channels of every tap.
        tap_strides: input pixels to one pixel of every tap.
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
        """Return the outputs of the tapped layers for `rgb` (B, 3, H, W), sRGB as stored, in [0, 1]."""
        x = imagenet_normalise(rgb)
        outputs = []
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place in self.tap_layers:
                outputs.append(x)
        return outputs


def imagenet_normalise(rgb: Tensor) -> Tensor:
    """Return (rgb - mean) / std with ImageNet's mean and standard deviation, laid out channels-last.

    LPIPS states the same map for inputs in [-1, 1]: shift (-.030, -.088, -.188), scale (.458, .448, .450).
    """
    mean, std = (rgb.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)


def with_stored_weights(build: Callable[[], T], name: str) -> T:
    """Build a trunk and give it the ImageNet weights that were added under `name`.

    Raises:
        MissingWeightsError: they were not added; the message says how to.
        DamagedWeightsError: the stored file is not what was stored.
    """
    state = load_file(find_weights(name))
    # Built without storage, and given the tensors as they are: no random numbers are drawn for nothing.
    with torch.device("meta"):
        network = build()
    network.load_state_dict(state, assign=True)
    return network.eval()
