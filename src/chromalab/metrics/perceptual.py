"""Perceptual metrics: FLIP, LPIPS, its form over EfficientNet-Lite0, and the color distance fitted to human ratings."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.functional.color_perceptual import ColorPerceptualParameters, color_perceptual
from chromalab.functional.perceptual import feature_distance
from chromalab.functional.spatial_color import flip
from chromalab.metrics.metric import Metric, PhotoMetric
from chromalab.metrics.photo_view import LITE0

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView


def _distance(preds: PhotoView, target: PhotoView, *, network: str) -> Tensor:
    weights = preds.networks[network].channel_weights
    return feature_distance(preds.taps(network), target.taps(network), weights)


def _lpips(trunk: str, label: str, network: str, smallest_side_px: int) -> PhotoMetric:
    return PhotoMetric(
        name=f"lpips_{trunk}",
        label=f"LPIPS-{label}",
        direction="lower",
        role="perceptual",
        formula="sum_l mean_hw sum_c w_lc (f_lc(prediction) - f_lc(target))^2, f of unit length over channels",
        source="Zhang et al. 2018, eq. 1, linear weights version 0.1",
        network=network,
        note="calibrated on blur, noise and the like, not on color",
        measure=partial(_distance, network=network),
        smallest_side_px=smallest_side_px,
    )


FLIP = PhotoMetric(
    name="flip",
    label="FLIP",
    direction="lower",
    high=1.0,
    role="perceptual",
    formula="mean over pixels of c^(1 - f), c the HyAB difference after the eye's blur, f that of edges and points",
    source="Andersson et al. 2020, LDR-FLIP, 67 pixels per degree",
    note="made for rendered images flipped in place; depends on the viewing distance",
    measure=lambda preds, target: flip(preds.flip_image, target.flip_image).mean(dim=(1, 2)),
)
PERCEPTUAL_LITE0 = PhotoMetric(
    name="perceptual_lite0",
    label="Perceptual-Lite0",
    direction="lower",
    high=20.0,
    role="perceptual",
    formula="sum_l mean_hw sum_c (f_lc(prediction) - f_lc(target))^2, f of unit length, five taps of Lite0",
    source="this project: the form of LPIPS with all weights 1; it is not LPIPS",
    network=LITE0,
    measure=partial(_distance, network=LITE0),
)
LPIPS_ALEX = _lpips("alex", "Alex", "alexnet", 31)
LPIPS_SQUEEZE = _lpips("squeeze", "Squeeze", "squeezenet1_1", 17)
LPIPS_VGG = _lpips("vgg", "VGG", "vgg16", 16)


PARAMETERS_FILE = Path(__file__).parent / "data" / "color_perceptual.json"
NAME = "color_perceptual"


@cache
def shipped_parameters() -> ColorPerceptualParameters:
    """Return the parameters that ship with the package."""
    return ColorPerceptualParameters.load(PARAMETERS_FILE)


def color_perceptual_metric(parameters: ColorPerceptualParameters | None = None) -> PhotoMetric:
    """Return the metric `color_perceptual`.

    Args:
        parameters: parameters from `chromalab metrics calibrate`; None takes those that ship with the package.
    """

    def measure(preds: PhotoView, target: PhotoView) -> Tensor:
        trunk = preds.networks[LITE0].trunk
        return color_perceptual(preds.rgb, target.rgb, trunk, parameters or shipped_parameters())

    return PhotoMetric(
        name=NAME,
        label="Perceptual color",
        direction="lower",
        role="perceptual",
        formula="sum_k w_k part_k: Lite0's taps 4 and 5 after mean and spread of chroma are set equal; paleness",
        source="this project; weights fitted to ratings of HECD (Mullery and Whelan 2022)",
        network=LITE0,
        note="tolerates casts and stronger colors, as people do; not symmetric",
        measure=measure,
    )


COLOR_PERCEPTUAL = color_perceptual_metric()

ENTRIES: tuple[Metric, ...] = (FLIP, PERCEPTUAL_LITE0, LPIPS_ALEX, LPIPS_SQUEEZE, LPIPS_VGG, COLOR_PERCEPTUAL)
