"""The contextual loss, which compares two sets of features without regard to their positions.

Mechrez, Talmi, Zelnik-Manor: *The Contextual Loss for Image Transformation with Non-Aligned Data*, ECCV 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from chromalab.core.seeds import derive_seed
from chromalab.functional.perceptual import NORM_EPSILON
from chromalab.functional.tensors import at_least_single, check_pair, check_size, safe_sqrt
from chromalab.nets.trunks import Trunk

if TYPE_CHECKING:
    from chromalab.nets.efficientnet_lite import EfficientNetLite

BANDWIDTH = 0.5
"""h of eq. 3, as in the paper."""

EPSILON = 1e-5
"""Added to the smallest distance in eq. 2, as in the paper."""


def contextual_loss(preds: Tensor, target: Tensor, bandwidth: float = BANDWIDTH) -> Tensor:
    """Return -log CX of two sets of features, eq. 1 to 5.

    d_ij is the cosine distance between features x_i of `preds` and y_j of `target`, both less the mean of all y. Each
    x_i relates to every y_j by d_ij / (min_k d_ik + 1e-5), which a Gaussian kernel turns into shares CX_ij that sum to
    1 over j; CX is the mean over j of max_i CX_ij.

    Args:
        preds: features x, (B, C, N).
        target: features y, (B, C, M).
        bandwidth: h above 0; small values take only the nearest feature into account.

    Returns:
        (B,), from 0 to log M. It is 0 if every y_j is much nearer to some x_i than all other y are, and log M if all
        features are alike. The direction of a feature that equals the mean is defined as 0, with gradient 0. Memory
        grows with N M.
    """
    mean = target.mean(dim=2, keepdim=True)
    distances = 1 - _unit(preds - mean).transpose(1, 2) @ _unit(target - mean)
    relative = distances / (distances.amin(dim=2, keepdim=True) + EPSILON)
    shares = torch.softmax((1 - relative) / bandwidth, dim=2)
    return -shares.amax(dim=1).mean(dim=1).log()


def _unit(features: Tensor) -> Tensor:
    """Return features (B, C, N) scaled to unit length over channels; those of length 0 stay 0."""
    length = safe_sqrt(features.square().sum(dim=1, keepdim=True))
    return features * torch.where(length > 0, 1 / (length + NORM_EPSILON), 0.0)


def sample_positions(features: Tensor, count: int) -> Tensor:
    """Return features at a random subset of positions, the same for every image and in every call.

    Args:
        features: (B, C, H, W).
        count: largest number of positions.

    Returns:
        (B, C, min(count, H W)).
    """
    flat = features.flatten(2)
    places = flat.shape[2]
    if places <= count:
        return flat
    generator = torch.Generator().manual_seed(derive_seed("contextual", places))
    return flat[:, :, torch.randperm(places, generator=generator)[:count].to(flat.device)]


class ContextualDistance(nn.Module):
    """The contextual loss between the features of two images at one tap of a frozen trunk.

    Args:
        trunk: the network.
        tap: number of the tap, from 1.
        positions: largest number of positions that are compared; the similarity matrix has its square as many entries.
        bandwidth: see `contextual_loss`.
        smallest_px: the shortest side for which the trunk is defined.
    """

    def __init__(
        self,
        trunk: Trunk | EfficientNetLite,
        tap: int,
        *,
        positions: int = 1024,
        bandwidth: float = BANDWIDTH,
        smallest_px: int = 1,
    ) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(requires_grad=False).eval()
        self.tap = tap
        self.positions = positions
        self.bandwidth = bandwidth
        self.smallest_px = smallest_px

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Return the contextual loss of each pair of images; differentiable in both.

        Args:
            preds: (B, 3, H, W), sRGB as stored, in [0, 1].
            target: as `preds`.

        Returns:
            (B,), see `contextual_loss`. Features are compared in at least single precision.

        Raises:
            ValueError: the batches have different shapes or are not RGB.
            ImageTooSmallError: a side is shorter than `smallest_px`.
        """
        check_pair(preds, target)
        check_size(preds, self.smallest_px, "the contextual loss with this trunk")
        both = [sample_positions(self._features(rgb), self.positions) for rgb in (preds, target)]
        with torch.autocast(preds.device.type, enabled=False):
            return contextual_loss(at_least_single(both[0]), at_least_single(both[1]), self.bandwidth)

    def _features(self, rgb: Tensor) -> Tensor:
        if isinstance(self.trunk, Trunk):  # which does not run the layers after the tap
            return self.trunk.outputs(rgb, self.trunk.tap_layers[self.tap - 1 : self.tap])[0]
        return self.trunk.taps(rgb)[self.tap - 1]
