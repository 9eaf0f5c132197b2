"""Distances between deep features: LPIPS 0.1, its form over EfficientNet-Lite0, and VGG content and style.

LPIPS is exactly as published. Zhang, Isola, Efros, Shechtman, Wang: *The Unreasonable Effectiveness of Deep Features as
a Perceptual Metric*, CVPR 2018. Its trunks are torchvision's ImageNet networks, and its linear weights come with
torchmetrics. The Lite0 distance has no fitted weights, so it is not LPIPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from chromalab.functional.tensors import check_pair, check_size
from chromalab.nets.alexnet import load_alexnet
from chromalab.nets.efficientnet_lite import load_efficientnet_lite0
from chromalab.nets.squeezenet import load_squeezenet
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
    """Return the distance between two batches by the features that a network sees in them.

    Zhang et al. 2018, *The Unreasonable Effectiveness of Deep Features as a Perceptual Metric*, eq. 1: at every place
    of every tap the feature vectors are scaled to unit length; their squared difference, weighted by channel, is summed
    over channels, averaged over places and summed over taps.

    Args:
        preds: feature maps (B, C_l, H_l, W_l), one for each tap.
        target: as many of the same shapes.
        channel_weights: (C_l,) for each tap; all 1 if left out.

    Returns:
        (B,), 0 where all feature vectors have equal directions; without weights a tap gives at most 4. A feature vector
        of length 0 stays 0; it has no direction to change, so its gradient is defined as 0. Computed in at least single
        precision. Differentiable once in `preds` and `target`, not in the weights.
    """
    weights = channel_weights or [tap.new_ones(tap.shape[1]) for tap in preds]
    # Half precision is for the network's convolutions; the matrix product in here would fall to it too.
    with torch.autocast(preds[0].device.type, enabled=False):
        per_tap = [
            _tap_distance(at_least_single(a), at_least_single(b), at_least_single(w))
            for a, b, w in zip(preds, target, weights, strict=True)
        ]
        return torch.stack(per_tap).sum(dim=0)


def at_least_single(tensor: Tensor) -> Tensor:
    """Return a tensor of half precision in single precision, any other as it is."""
    return tensor.float() if tensor.dtype in {torch.float16, torch.bfloat16} else tensor


class _TapDistance(torch.autograd.Function):
    """The distance at one tap, with its gradient written out.

    Autograd's own gradient of the same formula takes two to three times as long, which for LPIPS-Squeeze is most of the
    time that its network takes.
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
        """Return the gradients in both taps from that in the distances (B,)."""
        a_unit, difference, a_scale, b_scale, weights = ctx.saved_tensors
        places = difference.shape[1] * difference.shape[2]
        slope = (grad * (2 / places))[:, None, None, None]
        wants_preds, wants_target, _ = ctx.needs_input_grad
        return (
            _through_unit_length(difference, weights, slope * a_scale, a_unit) if wants_preds else None,
            _through_unit_length(difference, weights, -slope * b_scale, a_unit - difference) if wants_target else None,
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
    """Return the gradient in features (B, C, H, W) of the length 1 / scale whose directions are `unit` (B, H, W, C).

    With g the gradient in the directions, times the scale, here `difference * weights * factor`, it is g - u (u . g): a
    direction changes only by what is at right angles to it.
    """
    gradient = difference * weights
    gradient *= factor
    along: Tensor = torch.linalg.vecdot(gradient, unit).unsqueeze(-1)
    return gradient.addcmul_(unit, along, value=-1).permute(0, 3, 1, 2)


def gram_matrix(features: Tensor) -> Tensor:
    """Return how much every two channels of a feature map fire together, wherever they do.

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

    Johnson et al. 2016, eq. 4; the code that they published takes the mean over the C^2 entries where the paper has
    their sum, and this follows the paper. Gatys et al. 2016, eq. 4, is a quarter of it: E_l = 1 / (4 N_l^2 M_l^2)
    sum (G - A)^2 with N_l = C channels, M_l = H W places and their G without the factor.

    Args:
        preds: (B, C, H, W).
        target: as `preds`.

    Returns:
        (B,), 0 where both have the same Gram matrix; the gradient there is 0.
    """
    return (gram_matrix(preds) - gram_matrix(target)).square().sum(dim=(1, 2))


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
        """Return LPIPS for each pair of images; differentiable in both.

        Args:
            preds: (B, 3, H, W), sRGB as stored, in [0, 1] (the published [-1, 1] of the same image is 2 rgb - 1).
            target: as `preds`.

        Returns:
            (B,), 0 for equal images; lower is more alike.

        Raises:
            ValueError: the batches are of different shapes, or not RGB.
            ImageTooSmallError: a side is shorter than `smallest_px`: 16 for VGG, 31 for AlexNet, 17 for SqueezeNet.
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

    Its padding is as TensorFlow's SAME, so images of any size from 1 px have finite values; below 33 px the
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
            (B,) in [0, 20], 0 for equal images; lower is more alike.

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
    """A weighted sum over layers of a frozen network: how far apart two images' feature maps are.

    Images of any size go through, down to 1 px.

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
        """Return the distance of each pair of images; differentiable in both.

        Args:
            preds: (B, 3, H, W), sRGB as stored, in [0, 1].
            target: as `preds`.

        Returns:
            (B,), 0 for equal images. Features are compared in at least single precision.

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
