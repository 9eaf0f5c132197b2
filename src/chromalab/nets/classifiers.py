"""Classifiers of photographs, frozen teachers of a network's class head."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.core.errors import MissingWeightsError
from chromalab.nets.efficientnet_lite import load_efficientnet_lite
from chromalab.nets.trunks import with_stored_weights
from chromalab.nets.vgg16 import VGG16
from chromalab.weights.manifest import MANIFEST, TrunkWeights
from chromalab.weights.store import has_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = 1000
"""ImageNet's classes."""

POOLED_PX = 7
"""Side of what VGG16's classifier sees: a picture of 224 px gives it directly, others are pooled to it."""

TeacherName = Literal["auto", "vgg16", "efficientnet_lite0", "efficientnet_lite1"]


class VGG16Classifier(VGG16):
    """VGG16 with its three fully connected layers, with torchvision's names of parameters.

    Simonyan and Zisserman 2015, Table 1, column D. As in torchvision, the last maps are averaged to 7x7 before the
    fully connected layers, so that a picture of any size goes through; at 224 px that changes nothing.

    Args:
        width: multiplies the channels of every convolution, as for `VGG16`.
        hidden: width of the two hidden fully connected layers.
        generator: draws the convolutions' weights, as for `VGG16`.
    """

    def __init__(self, *, width: float = 1.0, hidden: int = 4096, generator: torch.Generator | None = None) -> None:
        super().__init__(width=width, generator=generator)
        pooled = self.tap_channels[-1] * POOLED_PX**2
        self.classifier = nn.Sequential(
            nn.Linear(pooled, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, CLASSES),
        )

    def forward(self, rgb: Tensor) -> Tensor:
        """Return the logits (B, 1000) of ImageNet's classes for rgb (B, 3, H, W) in [0, 1]; trained at 224 px."""
        maps = self.taps(rgb)[-1]
        maps = functional.max_pool2d(maps, [min(2, side) for side in maps.shape[-2:]])
        pooled = functional.adaptive_avg_pool2d(maps, POOLED_PX)
        logits: Tensor = self.classifier(pooled.flatten(1))
        return logits


def has_vgg16_classifier() -> bool:
    """Return whether VGG16's weights were added together with those of its classifier."""
    entry = MANIFEST["vgg16"]
    return isinstance(entry, TrunkWeights) and has_tensors("vgg16", entry.classifier)


def load_vgg16_classifier() -> VGG16Classifier:
    """Return VGG16 with its classifier and the ImageNet weights that were added as `vgg16`, in evaluation mode.

    Raises:
        MissingWeightsError: they were not added, or without the classifier; the message says how to.
        DamagedWeightsError: the stored file is not what was stored.
    """
    if not has_vgg16_classifier():
        raise MissingWeightsError(
            "VGG16's classifier has not been added: run `chromalab weights fetch vgg16`, or `chromalab weights add` "
            "with the whole published file; the loss can also be taught by efficientnet_lite0"
        )
    return with_stored_weights(VGG16Classifier, "vgg16")


TEACHERS: dict[str, Callable[[], nn.Module]] = {
    "vgg16": load_vgg16_classifier,
    "efficientnet_lite0": partial(load_efficientnet_lite, "efficientnet_lite0", classifier=True),
    "efficientnet_lite1": partial(load_efficientnet_lite, "efficientnet_lite1", classifier=True),
}
"""Classifiers by their names in the weights manifest: sRGB (B, 3, H, W) in [0, 1] to logits (B, 1000)."""


def load_teacher(name: TeacherName = "auto") -> tuple[str, nn.Module]:
    """Return a classifier and its name in the weights manifest.

    Args:
        name: which; `auto` takes VGG16 where its weights and those of its classifier are here, else EfficientNet-Lite0.

    Raises:
        MissingWeightsError: its weights are not here.
    """
    chosen: str = name
    if name == "auto":
        chosen = "vgg16" if has_vgg16_classifier() else "efficientnet_lite0"
    return chosen, TEACHERS[chosen]()
