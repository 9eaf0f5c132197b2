"""Distances between deep feature maps: the form of LPIPS over any network, and Gram matrices for the style loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


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
