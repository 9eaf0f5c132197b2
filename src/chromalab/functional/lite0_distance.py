"""A perceptual distance that needs nothing but pip: the form of LPIPS over EfficientNet-Lite0, which is not LPIPS.

No weights were fitted to what people say: every channel of every tap counts with weight 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn

from chromalab.functional.feature_distance import feature_distance
from chromalab.functional.pairs import check_pair
from chromalab.nets.efficientnet_lite import load_efficientnet_lite0

if TYPE_CHECKING:
    from chromalab.nets.efficientnet_lite import EfficientNetLite


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
