"""Perceptual losses: distances between deep features (VGG16, LPIPS, EfficientNet-Lite0, contextual), SSIM, MS-SSIM.

All of them compare sRGB images, for every training space. Colors are decoded differentiably and not clipped.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from chromalab.core.errors import ConfigError
from chromalab.functional.contextual import BANDWIDTH, ContextualDistance
from chromalab.functional.perceptual import LPIPS, Lite0Distance, VGGDistance
from chromalab.functional.ssim import WEIGHTS, WINDOW_PX, ms_ssim, smallest_side_px, ssim
from chromalab.losses.base import Choice, ColorBatch, LossEntry, LossTerm, Parameter
from chromalab.nets.efficientnet_lite import load_efficientnet_lite0
from chromalab.nets.trunks import load_alexnet, load_squeezenet
from chromalab.nets.vgg16 import CONVOLUTIONS, load_vgg16, load_vgg16_bn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from chromalab.nets.efficientnet_lite import EfficientNetLite
    from chromalab.nets.trunks import Trunk


class FeatureDistance(LossTerm):
    """A frozen feature distance as a loss; colors are converted to sRGB differentiably and not clipped.

    Args:
        distance: maps two sRGB batches to one value per image, (B,).
        network: see `LossTerm`.
        smallest_px: see `LossTerm`.
    """

    def __init__(self, distance: nn.Module, *, network: str | None = None, smallest_px: int = 1) -> None:
        super().__init__()
        self.distance = distance.requires_grad_(requires_grad=False).eval()
        self.network = network
        self.smallest_px = smallest_px

    def train(self, mode: bool = True) -> FeatureDistance:  # noqa: FBT001, FBT002 - PyTorch's own signature
        """Keep the distance in evaluation mode whatever mode the term is in."""
        super().train(mode)
        self.distance.eval()
        return self

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the distance of every image from its target, shape (B,)."""
        return cast("Tensor", self.distance(batch.preds_rgb, batch.target_rgb))


_NETWORKS: dict[str, Callable[[], Trunk]] = {"vgg16": load_vgg16, "vgg16_bn": load_vgg16_bn}

_FEATURE_LAYERS = ("2_2",)
_STYLE_LAYERS = ("1_2", "2_2", "3_3", "4_3")
"""Johnson et al. 2016, section 4.1: features of relu2_2, style of relu1_2, 2_2, 3_3 and 4_3, with equal weights."""


def vgg_feature(network: str = "vgg16", at: str = "relu", distance: str = "l2", **weights: float) -> LossTerm:
    """Build the feature loss: the weighted sum over layers of mean |f(preds) - f(target)|, or of its square.

    The mean is over channels and places, as in Johnson et al. 2016, eq. 2. Their setting, relu2_2 of VGG16 and squares,
    is the default. Images are sRGB, normalized for torchvision's weights. In the published code of

    - DDColor (BasicSR's `PerceptualLoss`), `conv1_1` of VGG16-bn is the output of the convolution before normalization:
      `vgg_feature(network=vgg16_bn, at=conv, distance=l1, w1_1=0.0625, w2_1=0.125, w3_1=0.25, w4_1=0.5, w5_1=1)`;
    - DeOldify (`FeatureLoss`), layers are the rectifiers before the third to fifth pooling, besides a pixel loss:
      `vgg_feature(network=vgg16_bn, at=relu, distance=l1, w3_3=20, w4_3=70, w5_3=10)`;
    - BigColor (`VGG16Perceptual`), layers are 1, 2, 13 and 20, the second of which the next rectifier overwrites in
      place: `vgg_feature(w1_1=0.25, w1_2=0.25, w3_2=0.25, w4_2=0.25)`. The code crops the central 224 of 256 pixels and
      divides by the batch size once more; this loss does neither.

    Args:
        network: `vgg16` or `vgg16_bn`.
        at: the output of a layer: `conv`, that of its convolution; `bn`, that after batch normalization; `relu`, that
            after the rectifier.
        distance: `l1` or `l2`.
        weights: `w1_1` to `w5_3`, the weights of the layers; layers that are left out have weight 0. Without any
            weight, w2_2 = 1.

    Raises:
        ConfigError: all weights are 0, or `at=bn` is used with VGG16 without batch normalization.
        MissingWeightsError: the weights of the network are not installed; the message names the command.
        DamagedWeightsError: the weight file differs from the stored one.
    """
    return _build("vgg_feature", network, at, distance, weights or dict.fromkeys(_names(_FEATURE_LAYERS), 1))


def style(network: str = "vgg16", at: str = "relu", **weights: float) -> LossTerm:
    """Build the style loss: the weighted sum over layers of the squared distance between Gram matrices.

    Johnson et al. 2016, eq. 3 and 4, with the ground truth as the style image; their layers are the default. Except for
    the network (VGG19 with mean pooling), Gatys et al. 2016, eq. 4 and 5 with w_l = 1/5, corresponds to
    `style(w1_1=0.05, w2_1=0.05, w3_1=0.05, w4_1=0.05, w5_1=0.05)`, because their E_l has a factor of 1/4.

    Args:
        network: as for `vgg_feature`.
        at: as for `vgg_feature`.
        weights: `w1_1` to `w5_3`, as for `vgg_feature`; without any weight, w1_2 = w2_2 = w3_3 = w4_3 = 1.

    Raises:
        ConfigError: as for `vgg_feature`.
        MissingWeightsError: as for `vgg_feature`.
        DamagedWeightsError: as for `vgg_feature`.
    """
    return _build("style", network, at, "gram", weights or dict.fromkeys(_names(_STYLE_LAYERS), 1))


def _build(loss: str, network: str, at: str, comparison: str, weights: dict[str, float]) -> LossTerm:
    if at == "bn" and network != "vgg16_bn":
        raise ConfigError(f"at=bn of {loss}: {network} has no batch normalization; use network=vgg16_bn or at=conv")
    layers = {at + name.removeprefix("w"): weight for name, weight in weights.items() if weight}
    if not layers:
        raise ConfigError(f"{loss}: every layer has weight 0; give at least one a positive weight, or omit all weights")
    return FeatureDistance(VGGDistance(_NETWORKS[network](), layers, comparison), network=network)


def _names(layers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"w{layer}" for layer in layers)


def _parameters(layers: tuple[str, ...]) -> dict[str, Parameter | Choice]:
    """Return the parameters that both losses share; `layers` have weight 1 by default."""
    return {
        "network": Choice("vgg16", tuple(_NETWORKS), "the network: VGG16, or VGG16 with batch normalization"),
        "at": Choice(
            "relu", ("conv", "bn", "relu"), "output of a layer: of its convolution, normalization or rectifier"
        ),
        **{
            f"w{layer}": Parameter(
                default=float(layer in layers),
                low=0,
                high=1e6,
                meaning=f"weight of layer {layer}; 0 by default if any weight is given",
            )
            for layer in CONVOLUTIONS
        },
    }


TrunkName = Literal["vgg", "alex", "squeeze"]


def _lpips(trunk: TrunkName) -> LossTerm:
    distance = LPIPS(trunk)
    return FeatureDistance(distance, smallest_px=distance.smallest_px)


def _lite0() -> LossTerm:
    return FeatureDistance(Lite0Distance())


_TRUNKS: tuple[tuple[TrunkName, str], ...] = (("vgg", "vgg16"), ("alex", "alexnet"), ("squeeze", "squeezenet1_1"))


class _ContextualTrunk(NamedTuple):
    """The loader of a trunk of the contextual loss, its number of taps, and the smallest side it allows."""

    load: Callable[[], Trunk | EfficientNetLite]
    taps: int
    smallest_px: int


_CONTEXTUAL_TRUNKS: dict[str, _ContextualTrunk] = {
    "efficientnet_lite0": _ContextualTrunk(load_efficientnet_lite0, 5, 1),
    "alexnet": _ContextualTrunk(load_alexnet, 5, 31),
    "squeezenet1_1": _ContextualTrunk(load_squeezenet, 7, 17),
    "vgg16": _ContextualTrunk(load_vgg16, 5, 16),
}


def contextual(
    network: str = "efficientnet_lite0", tap: float = 3, bandwidth: float = BANDWIDTH, positions: float = 1024
) -> LossTerm:
    """Build the contextual loss: -log CX between the features of both images, wherever they are in the image.

    Mechrez et al. 2018, eq. 1 to 5, at one tap of a trunk; the paper uses layers of VGG19. The loss of a perfect
    prediction is near 0 only if no two features of the image are alike: it is log N for a uniform image with N places.
    If a tap has more places than `positions`, a random subset of them is compared, the same one for both images and in
    every step.

    Args:
        network: the trunk.
        tap: number of the tap, the finest first. Tap 3 has stride 4 in VGG16, 16 in AlexNet, and 8 in the others.
        bandwidth: h of eq. 3.
        positions: largest number of places that are compared; memory grows with its square.

    Raises:
        ConfigError: the network has fewer taps.
        MissingWeightsError: the weights of the network are not installed; the message names the command.
        DamagedWeightsError: the weight file differs from the stored one.
    """
    trunk = _CONTEXTUAL_TRUNKS[network]
    if tap > trunk.taps:
        raise ConfigError(f"tap={tap:g} of contextual: {network} has only {trunk.taps} taps; choose a tap up to that")
    distance = ContextualDistance(
        trunk.load(), int(tap), positions=int(positions), bandwidth=bandwidth, smallest_px=trunk.smallest_px
    )
    return FeatureDistance(distance, network=network, smallest_px=trunk.smallest_px)


class SSIM(LossTerm):
    """1 - structural similarity; Kornia's `ssim_loss` is half of it."""

    smallest_px = WINDOW_PX

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return 1 - SSIM, shape (B,), in [0, 2].

        Raises:
            ImageTooSmallError: a side is shorter than the window's 11 px.
        """
        return 1 - ssim(batch.preds_rgb, batch.target_rgb)


class MultiScaleSSIM(LossTerm):
    """1 - multi-scale structural similarity.

    Args:
        scales: number of scales. The published five need sides of at least 161 px, four 81, three 41, two 21, one 11.
    """

    def __init__(self, scales: float = len(WEIGHTS)) -> None:
        super().__init__()
        self.scales = int(scales)
        self.smallest_px = smallest_side_px(self.scales)

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return 1 - MS-SSIM, shape (B,), in [0, 1].

        Raises:
            ImageTooSmallError: a side is shorter than `smallest_px`.
        """
        return 1 - ms_ssim(batch.preds_rgb, batch.target_rgb, self.scales)


ENTRIES: tuple[LossEntry, ...] = (
    LossEntry(
        name="vgg_feature",
        family="perceptual",
        formula="sum_l w_l mean_chw |f_l(preds) - f_l(target)|^p, f_l of VGG16, p = 2 (l2) or 1 (l1)",
        source="Johnson et al. 2016, eq. 2; DDColor, DeOldify and BigColor with other layers and weights",
        build=vgg_feature,
        parameters={
            **_parameters(_FEATURE_LAYERS),
            "distance": Choice("l2", ("l1", "l2"), "mean of absolute differences, or of squared ones"),
        },
        needs=("vgg16",),
        network="vgg16",
    ),
    LossEntry(
        name="style",
        family="perceptual",
        formula="sum_l w_l ||G_l(preds) - G_l(target)||_F^2, G_l = F_l F_l^T / (C H W), F_l (C, H W) of VGG16",
        source="Johnson et al. 2016, eq. 3 and 4; Gatys et al. 2016, eq. 3 to 5",
        build=style,
        parameters=_parameters(_STYLE_LAYERS),
        needs=("vgg16",),
        network="vgg16",
    ),
    *(
        LossEntry(
            name=f"lpips_{trunk}",
            family="perceptual",
            formula="sum_l mean_hw sum_c w_lc (f_lc(preds) - f_lc(target))^2, f of unit length over channels",
            source="Zhang et al. 2018 (LPIPS), eq. 1, linear weights version 0.1",
            build=partial(_lpips, trunk),
            needs=(network,),
            network=network,
        )
        for trunk, network in _TRUNKS
    ),
    LossEntry(
        name="ssim",
        family="perceptual",
        formula="1 - SSIM, mean over R, G, B and interior pixels; Gaussian window 11x11, sigma 1.5, range 1",
        source="Wang et al. 2004, eq. 13, on RGB instead of luminance",
        build=SSIM,
    ),
    LossEntry(
        name="ms_ssim",
        family="perceptual",
        formula="1 - mean over R, G, B of l_M^w_M prod_j cs_j^w_j over M = scales halvings, w .0448 .2856 .3001 .2363 "
        ".1333",
        source="Wang, Simoncelli, Bovik 2003, eq. 7, on RGB instead of luminance; negative cs counts as 0",
        build=MultiScaleSSIM,
        parameters={
            "scales": Parameter(
                len(WEIGHTS),
                1,
                len(WEIGHTS),
                "number of scales; 5 need sides of at least 161 px, fewer need 81, 41, 21 and 11 px",
                integer=True,
            )
        },
    ),
    LossEntry(
        name="perceptual_lite0",
        family="perceptual",
        formula="sum_l mean_hw sum_c (f_lc(preds) - f_lc(target))^2, f of unit length, five taps of EfficientNet-Lite0",
        source="this project: the form of LPIPS with all weights 1 over EfficientNet-Lite0; it is not LPIPS",
        build=_lite0,
        needs=("efficientnet_lite0",),
        network="efficientnet_lite0",
    ),
    LossEntry(
        name="contextual",
        family="perceptual",
        formula="-log mean_j max_i softmax_j((1 - d_ij / (min_k d_ik + 1e-5)) / h), d_ij the cosine distance between "
        "features i of preds and j of target, less the mean of target's",
        source="Mechrez et al. 2018, eq. 1 to 5, at one tap of another trunk than VGG19",
        build=contextual,
        parameters={
            "network": Choice("efficientnet_lite0", tuple(_CONTEXTUAL_TRUNKS), "the trunk"),
            "tap": Parameter(
                3, 1, 7, "number of the tap, the finest first; squeezenet1_1 has 7, others 5", integer=True
            ),
            "bandwidth": Parameter(BANDWIDTH, 0.01, 10, "h, width of the kernel on relative distances"),
            "positions": Parameter(1024, 1, 16384, "largest number of places that are compared", integer=True),
        },
        needs=("efficientnet_lite0",),
        network="efficientnet_lite0",
        zero_at_target=False,
    ),
)
