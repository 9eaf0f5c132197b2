"""Perceptual distances over frozen networks: LPIPS 0.1, its form over EfficientNet-Lite0, and VGG content and style.

LPIPS is exactly as published. Zhang, Isola, Efros, Shechtman, Wang: *The Unreasonable Effectiveness of Deep Features as
a Perceptual Metric*, CVPR 2018. Its trunks are torchvision's ImageNet networks, and its linear weights come with
torchmetrics. The Lite0 distance needs no added weights: it has no fitted weights, so it is not LPIPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.functional.feature_distance import at_least_single, feature_distance, gram_distance
from chromalab.functional.tensors import check_pair, check_size
from chromalab.nets.efficientnet_lite import load_efficientnet_lite0
from chromalab.nets.trunks import load_alexnet, load_squeezenet
from chromalab.nets.vgg16 import layer_places, load_vgg16
from chromalab.weights.reading import load_packaged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chromalab.nets.efficientnet_lite import EfficientNetLite
    from chromalab.nets.trunks import Trunk


LPIPSTrunk = Literal["vgg", "alex", "squeeze"]


@dataclass(frozen=True)
class _Variant:
    """How to load LPIPS's trunk, and the smallest side that its strides leave room for."""

    load: Callable[[], Trunk]
    smallest_px: int


_VARIANTS: dict[LPIPSTrunk, _Variant] = {
    "vgg": _Variant(load_vgg16, 16),
    "alex": _Variant(load_alexnet, 31),
    "squeeze": _Variant(load_squeezenet, 17),
}


class LPIPS(nn.Module):
    """The LPIPS distance over a frozen trunk.

    Args:
        trunk: `vgg` (taps relu1_2 to relu5_3), `alex` (five taps) or `squeeze` (seven taps).
        network: the trunk itself, instead of the ImageNet-trained one from the weights folder.

    Raises:
        MissingWeightsError: the trunk's weights were not added; the message says how to.
        DamagedWeightsError: a weight file is not what was published or stored.
    """

    def __init__(self, trunk: LPIPSTrunk, network: Trunk | None = None) -> None:
        super().__init__()
        self.smallest_px = _VARIANTS[trunk].smallest_px
        self.trunk = (network or _VARIANTS[trunk].load()).requires_grad_(requires_grad=False).eval()
        linear = load_packaged(f"lpips_linear_{trunk}")
        self.taps = len(linear)
        for tap in range(self.taps):
            self.register_buffer(f"weights_{tap}", linear[f"lin{tap}.model.1.weight"].flatten(), persistent=False)

    @property
    def channel_weights(self) -> list[Tensor]:
        """The linear weights of every tap, (C_l,) each, not negative."""
        return [self.get_buffer(f"weights_{tap}") for tap in range(self.taps)]

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Return LPIPS for each pair of pictures; differentiable in both.

        Args:
            preds: (B, 3, H, W), sRGB as stored, in [0, 1] (the published [-1, 1] of the same picture is 2 rgb - 1).
            target: as `preds`.

        Returns:
            (B,), 0 for equal pictures; lower is more alike.

        Raises:
            ValueError: the batches are of different shapes, or not RGB.
            PictureTooSmallError: a side is shorter than `smallest_px`: 16 for VGG, 31 for AlexNet, 17 for SqueezeNet.
        """
        check_pair(preds, target)
        check_size(preds, self.smallest_px, "LPIPS with this trunk")
        return feature_distance(self.trunk.taps(preds), self.trunk.taps(target), self.channel_weights)


class Lite0Comparison(NamedTuple):
    """What one pass of two batches through the network gives.

    Attributes:
        distance: (B,), see `Lite0Distance.forward`.
        preds_features: (B, 320), see `Lite0Distance.features`.
        target_features: (B, 320).
    """

    distance: Tensor
    preds_features: Tensor
    target_features: Tensor


class Lite0Distance(nn.Module):
    """The `perceptual_lite0` distance, and the features of `frechet_lite0`, over a frozen trunk.

    Its padding is as TensorFlow's SAME, so pictures of any size from 1 px have finite values; below 33 px the
    deepest tap is a single place.

    Args:
        network: the trunk itself, instead of the ImageNet-trained one from the installed package.

    Raises:
        MissingWeightsError: the package with the weights is not installed.
        DamagedWeightsError: its file is not the published one.
    """

    def __init__(self, network: EfficientNetLite | None = None) -> None:
        super().__init__()
        self.trunk = (network or load_efficientnet_lite0()).requires_grad_(requires_grad=False).eval()

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Return the plain sum over the five taps of the spatial mean of squared differences; differentiable in both.

        Args:
            preds: (B, 3, H, W), sRGB as stored, in [0, 1].
            target: as `preds`.

        Returns:
            (B,) in [0, 20], 0 for equal pictures; lower is more alike.

        Raises:
            ValueError: the batches are of different shapes, or not RGB.
        """
        check_pair(preds, target)
        return feature_distance(self.trunk.taps(preds), self.trunk.taps(target))

    def features(self, rgb: Tensor) -> Tensor:
        """Return the spatial mean of the fifth tap, (B, 320), for rgb (B, 3, H, W) in [0, 1]."""
        return _pooled(self.trunk.taps(rgb)[-1])

    def compare(self, preds: Tensor, target: Tensor) -> Lite0Comparison:
        """Return the distance and both batches' features from one pass of each."""
        check_pair(preds, target)
        preds_taps, target_taps = self.trunk.taps(preds), self.trunk.taps(target)
        return Lite0Comparison(
            feature_distance(preds_taps, target_taps), _pooled(preds_taps[-1]), _pooled(target_taps[-1])
        )


def _pooled(tap: Tensor) -> Tensor:
    return tap.mean(dim=(2, 3))


def mean_absolute(preds: Tensor, target: Tensor) -> Tensor:
    """Return the mean of |preds - target| over channels and places, (B,) from (B, C, H, W); at 0 the gradient is 0."""
    return functional.l1_loss(preds, target, reduction="none").mean(dim=(1, 2, 3))


def mean_square(preds: Tensor, target: Tensor) -> Tensor:
    """Return the mean of (preds - target)^2 over channels and places, (B,) from (B, C, H, W)."""
    return functional.mse_loss(preds, target, reduction="none").mean(dim=(1, 2, 3))


COMPARISONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": mean_absolute,
    "l2": mean_square,
    "gram": gram_distance,
}
"""Ways to compare two feature maps, each (B, C, H, W), by name; they give (B,)."""


class VGGDistance(nn.Module):
    """A weighted sum over layers of a frozen network: how far apart two pictures' feature maps are.

    Pictures of any size go through, down to 1 px.

    Args:
        trunk: VGG16 with batch normalization or without.
        weights: the weight of every layer that is looked at, by its name, as `relu2_2` (see `layer_places`).
        comparison: `l1`, `l2` or `gram`, see `COMPARISONS`.
    """

    def __init__(self, trunk: Trunk, weights: Mapping[str, float], comparison: str) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(requires_grad=False).eval()
        places = layer_places(trunk.features)
        self.weights = dict(sorted((places[layer], weight) for layer, weight in weights.items()))
        self.compare = COMPARISONS[comparison]

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Return the distance of each pair of pictures; differentiable in both.

        Args:
            preds: (B, 3, H, W), sRGB as stored, in [0, 1].
            target: as `preds`.

        Returns:
            (B,), 0 for equal pictures. Features are compared in at least single precision.

        Raises:
            ValueError: the batches are of different shapes, or not RGB.
        """
        check_pair(preds, target)
        both = zip(*(self.trunk.outputs(rgb, self.weights) for rgb in (preds, target)), strict=True)
        with torch.autocast(preds.device.type, enabled=False):
            parts = [
                weight * self.compare(at_least_single(a), at_least_single(b))
                for weight, (a, b) in zip(self.weights.values(), both, strict=True)
            ]
            return torch.stack(parts).sum(dim=0)
