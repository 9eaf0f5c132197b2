"""What the ImageNet trunks share: torchvision's layer numbers, one normalization, weights from the weights folder."""

from __future__ import annotations

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
        return self.outputs(rgb, self.tap_layers)

    def outputs(self, rgb: Tensor, places: Collection[int]) -> list[Tensor]:
        """Return what the layers at `places` give for `rgb` (B, 3, H, W), in the layers' order.

        Layers after the last of them are not run. Nothing that comes after a layer changes its output.
        """
        x = imagenet_normalize(rgb)
        found = []
        for place, step in self._steps(places):
            x = step(x)
            if place in places:
                found.append(x)
        return found

    def _steps(self, places: Collection[int]) -> Iterator[tuple[int, Callable[[Tensor], Tensor]]]:
        """Give what is to be run for the outputs at `places`, each with the place of the layer whose output that is."""
        for place, layer in enumerate(islice(self.features, max(places) + 1)):
            # Rectifiers work in place, to save memory; not on what is looked at.
            overwrites = isinstance(layer, nn.ReLU) and place - 1 in places
            yield place, functional.relu if overwrites else layer


def imagenet_normalize(rgb: Tensor) -> Tensor:
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
    path = find_weights(name)
    # Built without storage, and given the tensors as they are: no random numbers are drawn for nothing.
    with torch.device("meta"):
        network = build()
    with safe_open(path, "pt") as file:  # it may hold more than is asked for, as VGG16's classifier
        held = set(file.keys())
        state = {key: file.get_tensor(key) for key in network.state_dict() if key in held}
    network.load_state_dict(state, assign=True)
    return network.eval()
