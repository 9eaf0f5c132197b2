"""ImageNet classifiers, which are the frozen teachers of a network's class head."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.core.errors import MissingWeightsError
from chromalab.nets.efficientnet_lite import load_efficientnet_lite
from chromalab.nets.trunks import CLASSES, with_stored_weights
from chromalab.nets.vgg16 import VGG16
from chromalab.weights.manifest import MANIFEST, TrunkWeights
from chromalab.weights.store import has_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

POOLED_PX = 7
"""Input side of VGG16's classifier: the maps of a 224 px image have it, others are pooled to it."""

TeacherName = Literal["auto", "vgg16", "efficientnet_lite0", "efficientnet_lite1"]


class VGG16Classifier(VGG16):
    """VGG16 with its three fully connected layers, with torchvision's parameter names.

    Simonyan and Zisserman 2015, Table 1, column D. As in torchvision, the last maps are average-pooled to 7x7 before
    the fully connected layers, so that images can have any size. At 224 px the pooling has no effect.

    Args:
        width: factor on the channels of every convolution, as for `VGG16`.
        hidden: width of the two hidden fully connected layers.
        generator: source of the convolutions' weights, as for `VGG16`.
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
        """Return logits (B, 1000) over ImageNet's classes for rgb (B, 3, H, W) in [0, 1]; it was trained at 224 px."""
        maps = self.taps(rgb)[-1]
        maps = functional.max_pool2d(maps, [min(2, side) for side in maps.shape[-2:]])
        pooled = functional.adaptive_avg_pool2d(maps, POOLED_PX)
        logits: Tensor = self.classifier(pooled.flatten(1))
        return logits


def has_vgg16_classifier() -> bool:
    """Return whether VGG16's weights were added with its classifier."""
    entry = MANIFEST["vgg16"]
    return isinstance(entry, TrunkWeights) and has_tensors("vgg16", entry.classifier)


def load_vgg16_classifier() -> VGG16Classifier:
    """Return VGG16 with its classifier and the ImageNet weights that were added as `vgg16`, in evaluation mode.

    Raises:
        MissingWeightsError: they were not added, or without the classifier; the message explains how to add them.
        DamagedWeightsError: the stored file was changed.
    """
    if not has_vgg16_classifier():
        raise MissingWeightsError(
            "VGG16's classifier has not been added: run `chromalab weights fetch vgg16`, or `chromalab weights add` "
            "with the complete published file; efficientnet_lite0 is an alternative teacher of the loss"
        )
    return with_stored_weights(VGG16Classifier, "vgg16")


TEACHERS: dict[str, Callable[[], nn.Module]] = {
    "vgg16": load_vgg16_classifier,
    "efficientnet_lite0": partial(load_efficientnet_lite, "efficientnet_lite0", classifier=True),
    "efficientnet_lite1": partial(load_efficientnet_lite, "efficientnet_lite1", classifier=True),
}
"""Classifiers by name in the weights manifest; they map sRGB (B, 3, H, W) in [0, 1] to logits (B, 1000)."""


def load_teacher(name: TeacherName = "auto") -> tuple[str, nn.Module]:
    """Return a classifier and its name in the weights manifest.

    Args:
        name: the classifier; `auto` means VGG16 if it was added with its classifier, or else EfficientNet-Lite0.

    Raises:
        MissingWeightsError: its weights are missing.
    """
    chosen: str = name
    if name == "auto":
        chosen = "vgg16" if has_vgg16_classifier() else "efficientnet_lite0"
    return chosen, TEACHERS[chosen]()
