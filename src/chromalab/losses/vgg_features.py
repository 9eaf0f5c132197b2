"""Feature and style losses over VGG16, as Johnson et al. 2016 defined them and colorizers have used them since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError
from chromalab.functional.vgg_distance import VGGDistance
from chromalab.losses.base import Choice, LossEntry, LossTerm, Parameter
from chromalab.losses.frozen import FeatureDistance
from chromalab.nets.vgg16 import CONVOLUTIONS, load_vgg16
from chromalab.nets.vgg16_bn import load_vgg16_bn

if TYPE_CHECKING:
    from collections.abc import Callable

    from chromalab.nets.trunks import Trunk

_NETWORKS: dict[str, Callable[[], Trunk]] = {"vgg16": load_vgg16, "vgg16_bn": load_vgg16_bn}

_FEATURE_LAYERS = ("2_2",)
_STYLE_LAYERS = ("1_2", "2_2", "3_3", "4_3")
"""Johnson et al. 2016, section 4.1: features of relu2_2, style of relu1_2, 2_2, 3_3 and 4_3, with equal weights."""


def vgg_feature(network: str = "vgg16", at: str = "relu", distance: str = "l2", **weights: float) -> LossTerm:
    """Build the feature loss: the weighted sum over layers of mean |f(preds) - f(target)|, or of its square.

    The mean runs over channels and places, as in Johnson et al. 2016, eq. 2; their setting, relu2_2 of VGG16 and
    squares, is the default. Pictures are sRGB, normalized as torchvision's weights want it. In the published code of

    - DDColor (BasicSR's `PerceptualLoss`) `conv1_1` of VGG16-bn is the convolution's output before its normalization:
      `vgg_feature(network=vgg16_bn, at=conv, distance=l1, w1_1=0.0625, w2_1=0.125, w3_1=0.25, w4_1=0.5, w5_1=1)`;
    - DeOldify (`FeatureLoss`) layers are the rectifiers before the third to fifth pooling, beside a pixel loss:
      `vgg_feature(network=vgg16_bn, at=relu, distance=l1, w3_3=20, w4_3=70, w5_3=10)`;
    - BigColor (`VGG16Perceptual`) layers are 1, 2, 13 and 20, the second of which the next rectifier overwrites in
      place: `vgg_feature(w1_1=0.25, w1_2=0.25, w3_2=0.25, w4_2=0.25)`. It looks at the central 224 of 256 pixels, and
      divides by the batch's size once more; neither is done here.

    Args:
        network: `vgg16` or `vgg16_bn`.
        at: what of a layer is looked at: `conv`, its convolution's own output; `bn`, that after batch normalization;
            `relu`, that after the rectifier.
        distance: `l1` or `l2`.
        weights: `w1_1` to `w5_3`, the weights of the layers, where those that are left out have 0; with none given,
            w2_2 = 1.

    Raises:
        ConfigError: no layer has a weight, or VGG16 without batch normalization is asked for what comes after it.
        MissingWeightsError: the network's weights were not added; the message says how to.
        DamagedWeightsError: they are not what was stored.
    """
    return _build("vgg_feature", network, at, distance, weights or dict.fromkeys(_names(_FEATURE_LAYERS), 1))


def style(network: str = "vgg16", at: str = "relu", **weights: float) -> LossTerm:
    """Build the style loss: the weighted sum over layers of the squared distance between Gram matrices.

    Johnson et al. 2016, eq. 3 and 4, where the prediction's own photograph is the style; what they compare is the
    default. Gatys et al. 2016, eq. 4 and 5 with w_l = 1/5, is, but for their network (VGG19 with mean pooling),
    `style(w1_1=0.05, w2_1=0.05, w3_1=0.05, w4_1=0.05, w5_1=0.05)`: their E_l has a factor of 1/4.

    Args:
        network: as for `vgg_feature`.
        at: as for `vgg_feature`.
        weights: `w1_1` to `w5_3`, as for `vgg_feature`; with none given, w1_2 = w2_2 = w3_3 = w4_3 = 1.

    Raises:
        ConfigError: as for `vgg_feature`.
        MissingWeightsError: as for `vgg_feature`.
        DamagedWeightsError: as for `vgg_feature`.
    """
    return _build("style", network, at, "gram", weights or dict.fromkeys(_names(_STYLE_LAYERS), 1))


def _build(loss: str, network: str, at: str, comparison: str, weights: dict[str, float]) -> LossTerm:
    if at == "bn" and network != "vgg16_bn":
        raise ConfigError(f"at=bn of {loss}: {network} has no batch normalization; take network=vgg16_bn, or at=conv")
    layers = {at + name.removeprefix("w"): weight for name, weight in weights.items() if weight}
    if not layers:
        raise ConfigError(f"{loss}: every layer's weight is 0; give one of them another, or leave them all out")
    return FeatureDistance(VGGDistance(_NETWORKS[network](), layers, comparison), network=network)


def _names(layers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"w{layer}" for layer in layers)


def _parameters(layers: tuple[str, ...]) -> dict[str, Parameter | Choice]:
    """Return the parameters that both losses share; `layers` are those that are looked at where no weight is given."""
    return {
        "network": Choice("vgg16", tuple(_NETWORKS), "the network: VGG16, or VGG16 with batch normalization"),
        "at": Choice(
            "relu", ("conv", "bn", "relu"), "which output of a layer: the convolution's, the normalized, the rectified"
        ),
        **{
            f"w{layer}": Parameter(
                default=float(layer in layers),
                low=0,
                high=1e6,
                meaning=f"weight of layer {layer}; once any weight is given, 0 for those that are left out",
            )
            for layer in CONVOLUTIONS
        },
    }


ENTRIES = (
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
)
