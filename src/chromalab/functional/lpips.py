"""LPIPS, the learned perceptual image patch similarity, version 0.1, exactly as published.

Zhang, Isola, Efros, Shechtman, Wang: *The Unreasonable Effectiveness of Deep Features as a Perceptual Metric*,
CVPR 2018. The trunks are torchvision's ImageNet networks; the linear weights are the published ones, which come with
torchmetrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn

from chromalab.functional.feature_distance import feature_distance
from chromalab.functional.pairs import check_pair, check_size
from chromalab.nets.alexnet import load_alexnet
from chromalab.nets.squeezenet import load_squeezenet
from chromalab.nets.vgg16 import load_vgg16
from chromalab.weights.reading import load_packaged

if TYPE_CHECKING:
    from collections.abc import Callable

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
