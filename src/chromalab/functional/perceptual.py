"""Distances between deep features: LPIPS 0.1, its form over EfficientNet-Lite0, and VGG content and style.

LPIPS is exactly as published. Zhang, Isola, Efros, Shechtman, Wang: *The Unreasonable Effectiveness of Deep Features as
a Perceptual Metric*, CVPR 2018. Its trunks are torchvision's ImageNet networks, and its linear weights come with
torchmetrics. The Lite0 distance has no fitted weights, so it is not LPIPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from chromalab.functional.tensors import at_least_single, check_pair, check_size
from chromalab.nets.efficientnet_lite import load_efficientnet_lite0
from chromalab.nets.trunks import load_alexnet, load_squeezenet
from chromalab.nets.vgg16 import layer_places, load_vgg16
from chromalab.weights.reading import load_packaged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chromalab.nets.efficientnet_lite import EfficientNetLite
    from chromalab.nets.trunks import Trunk


NORM_EPSILON = 1e-10
"""Added to a feature vector's length before dividing by it, as in the published code of LPIPS."""


def feature_distance(
    preds: Sequence[Tensor], target: Sequence[Tensor], channel_weights: Sequence[Tensor] | None = None
) -> Tensor:
    """Return the distance between the deep features of two batches.

    Zhang et al. 2018, *The Unreasonable Effectiveness of Deep Features as a Perceptual Metric*, eq. 1: at every place
    of every tap, feature vectors are scaled to unit length. Their squared difference, weighted by channel, is summed
    over channels, averaged over places and summed over taps.

    Args:
        preds: feature maps (B, C_l, H_l, W_l), one per tap.
        target: feature maps of the same shapes.
        channel_weights: weights (C_l,) per tap; None takes 1 for all.

    Returns:
        (B,), 0 if all feature vectors have equal directions. Without weights, a tap contributes at most 4. A feature
        vector of length 0 stays 0, and its gradient is defined as 0. Computed in at least single precision.
        Differentiable once in `preds` and `target`, but not in the weights.
    """
    weights = channel_weights or [tap.new_ones(tap.shape[1]) for tap in preds]
    # Autocast is meant for the convolutions of the network, but would also lower the precision of this matrix product.
    with torch.autocast(preds[0].device.type, enabled=False):
        per_tap = [
            _tap_distance(at_least_single(a), at_least_single(b), at_least_single(w))
            for a, b, w in zip(preds, target, weights, strict=True)
        ]
        return torch.stack(per_tap).sum(dim=0)


class _TapDistance(torch.autograd.Function):
    """The distance at one tap, with an explicit gradient.

    Autograd takes two to three times as long for the same formula, which for LPIPS-Squeeze would be most of the time of
    its network.
    """

    @staticmethod
    def forward(ctx: Any, preds: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """Return (B,) from two taps (B, C, H, W) and the weights (C,)."""
        a, b = preds.permute(0, 2, 3, 1), target.permute(0, 2, 3, 1)
        a_scale, b_scale = _inverse_length(a), _inverse_length(b)
        a_unit = a * a_scale
        difference = b * b_scale
        torch.sub(a_unit, difference, out=difference)
        ctx.save_for_backward(a_unit, difference, a_scale, b_scale, weights)
        return (difference.square() @ weights).mean(dim=(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Return the gradients with respect to both taps, given that of the distances (B,)."""
        a_unit, difference, a_scale, b_scale, weights = ctx.saved_tensors
        places = difference.shape[1] * difference.shape[2]
        slope = (grad * (2 / places))[:, None, None, None]
        needs_preds, needs_target, _ = ctx.needs_input_grad
        return (
            _through_unit_length(difference, weights, slope * a_scale, a_unit) if needs_preds else None,
            _through_unit_length(difference, weights, -slope * b_scale, a_unit - difference) if needs_target else None,
            None,
        )


def _tap_distance(preds: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    distance: Tensor = _TapDistance.apply(preds, target, weights)  # type: ignore[no-untyped-call]
    return distance


def _inverse_length(features: Tensor) -> Tensor:
    """Return 1 / (length + epsilon) of the vectors along the last axis, as (..., 1); 0 for vectors of length 0."""
    length: Tensor = torch.linalg.vector_norm(features, dim=-1, keepdim=True)
    return (length + NORM_EPSILON).reciprocal_().masked_fill_(length == 0, 0)


def _through_unit_length(difference: Tensor, weights: Tensor, factor: Tensor, unit: Tensor) -> Tensor:
    """Return the gradient with respect to features (B, C, H, W) whose unit vectors are `unit` (B, H, W, C).

    With the gradient g with respect to the unit vectors u, scaled by the inverse length (`difference * weights *
    factor`), it is g - u (u . g), because a direction changes only by the orthogonal component.
    """
    gradient = difference * weights
    gradient *= factor
    along: Tensor = torch.linalg.vecdot(gradient, unit).unsqueeze(-1)
    return gradient.addcmul_(unit, along, value=-1).permute(0, 3, 1, 2)


def gram_matrix(features: Tensor) -> Tensor:
    """Return the Gram matrix of a feature map: the correlation of every two channels over all places.

    Johnson, Alahi and Fei-Fei 2016, *Perceptual Losses for Real-Time Style Transfer and Super-Resolution*, eq. 3:
    G_cd = 1 / (C H W) sum_hw f_chw f_dhw. Gatys, Ecker and Bethge 2016, *Image Style Transfer Using Convolutional
    Neural Networks*, eq. 3, have it without the factor.

    Args:
        features: (B, C, H, W).

    Returns:
        (B, C, C), symmetric. Computed in at least single precision.
    """
    channels, height, width = features.shape[1:]
    with torch.autocast(features.device.type, enabled=False):
        vectors = at_least_single(features).permute(0, 2, 3, 1).flatten(1, 2)
        return vectors.transpose(1, 2) @ vectors / (channels * height * width)


def gram_distance(preds: Tensor, target: Tensor) -> Tensor:
    """Return the squared Frobenius norm of the difference between the Gram matrices of two feature maps.

    Johnson et al. 2016, eq. 4, as in the paper; their published code takes the mean over the C^2 entries instead of the
    sum. Gatys et al. 2016, eq. 4, is a quarter of it: E_l = 1 / (4 N_l^2 M_l^2) sum (G - A)^2 with N_l = C channels,
    M_l = H W places and their G without the factor.

    Args:
        preds: (B, C, H, W).
        target: as `preds`.

    Returns:
        (B,), 0 with gradient 0 if both have the same Gram matrix.
    """
    return (gram_matrix(preds) - gram_matrix(target)).square().sum(dim=(1, 2))


LPIPSTrunk = Literal["vgg", "alex", "squeeze"]


@dataclass(frozen=True)
class _Variant:
    """The loader of an LPIPS trunk, and the smallest side that its strides allow."""

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
        network: the trunk itself; None loads the ImageNet-trained one from the weights folder.

    Raises:
        MissingWeightsError: the weights of the trunk are not installed; the message names the command.
        DamagedWeightsError: a weight file differs from the published or stored one.
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
        """Return LPIPS for each pair of images; differentiable in both.

        Args:
            preds: (B, 3, H, W), sRGB as stored, in [0, 1] (the published [-1, 1] of the same image is 2 rgb - 1).
            target: as `preds`.

        Returns:
            (B,), 0 for equal images; lower is more similar.

        Raises:
            ValueError: the batches have different shapes or are not RGB.
            ImageTooSmallError: a side is shorter than `smallest_px`: 16 for VGG, 31 for AlexNet, 17 for SqueezeNet.
        """
        check_pair(preds, target)
        check_size(preds, self.smallest_px, "LPIPS with this trunk")
        return feature_distance(self.trunk.taps(preds), self.trunk.taps(target), self.channel_weights)


class Lite0Distance(nn.Module):
    """The `perceptual_lite0` distance over a frozen EfficientNet-Lite0.

    Its padding is that of TensorFlow's SAME, so images of any size from 1 px have finite values. Below 33 px, the
    deepest tap has a single place.

    Args:
        network: the trunk itself; None loads the ImageNet-trained one from the installed package.

    Raises:
        MissingWeightsError: the package with the weights is not installed.
        DamagedWeightsError: its file differs from the published one.
    """

    def __init__(self, network: EfficientNetLite | None = None) -> None:
        super().__init__()
        self.trunk = (network or load_efficientnet_lite0()).requires_grad_(requires_grad=False).eval()

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Return the sum over five taps of the spatial mean of squared differences; differentiable in both.

        Args:
            preds: (B, 3, H, W), sRGB as stored, in [0, 1].
            target: as `preds`.

        Returns:
            (B,) in [0, 20], 0 for equal images; lower is more similar.

        Raises:
            ValueError: the batches have different shapes or are not RGB.
        """
        check_pair(preds, target)
        return feature_distance(self.trunk.taps(preds), self.trunk.taps(target))


def mean_absolute(preds: Tensor, target: Tensor) -> Tensor:
    """Return the mean of |preds - target| over channels and places, (B,) from (B, C, H, W); the gradient at 0 is 0."""
    return functional.l1_loss(preds, target, reduction="none").mean(dim=(1, 2, 3))


def mean_square(preds: Tensor, target: Tensor) -> Tensor:
    """Return the mean of (preds - target)^2 over channels and places, (B,) from (B, C, H, W)."""
    return functional.mse_loss(preds, target, reduction="none").mean(dim=(1, 2, 3))


COMPARISONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": mean_absolute,
    "l2": mean_square,
    "gram": gram_distance,
}
"""Distances (B,) between two feature maps, each (B, C, H, W), by name."""


class VGGDistance(nn.Module):
    """A weighted sum of distances between feature maps, over layers of a frozen VGG16; images can be as small as 1 px.

    Args:
        trunk: VGG16 with or without batch normalization.
        weights: the weight of every layer that counts, by its name, such as `relu2_2` (see `layer_places`).
        comparison: `l1`, `l2` or `gram`, see `COMPARISONS`.
    """

    def __init__(self, trunk: Trunk, weights: Mapping[str, float], comparison: str) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(requires_grad=False).eval()
        places = layer_places(trunk.features)
        self.weights = dict(sorted((places[layer], weight) for layer, weight in weights.items()))
        self.compare = COMPARISONS[comparison]

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Return the distance of each pair of images; differentiable in both.

        Args:
            preds: (B, 3, H, W), sRGB as stored, in [0, 1].
            target: as `preds`.

        Returns:
            (B,), 0 for equal images. Features are compared in at least single precision.

        Raises:
            ValueError: the batches have different shapes or are not RGB.
        """
        check_pair(preds, target)
        both = zip(*(self.trunk.outputs(rgb, self.weights) for rgb in (preds, target)), strict=True)
        with torch.autocast(preds.device.type, enabled=False):
            parts = [
                weight * self.compare(at_least_single(a), at_least_single(b))
                for weight, (a, b) in zip(self.weights.values(), both, strict=True)
            ]
            return torch.stack(parts).sum(dim=0)
