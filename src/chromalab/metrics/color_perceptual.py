"""The distance for color whose few parameters were fitted to what people say."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.functional.color_perceptual import ColorPerceptualParameters, color_perceptual
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.networks import LITE0

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView

PARAMETERS_FILE = Path(__file__).parent / "data" / "color_perceptual.json"
NAME = "color_perceptual"


@cache
def shipped_parameters() -> ColorPerceptualParameters:
    """Return the parameters that come with the package."""
    return ColorPerceptualParameters.load(PARAMETERS_FILE)


def color_perceptual_metric(parameters: ColorPerceptualParameters | None = None) -> PhotoMetric:
    """Return the metric.

    Args:
        parameters: those of `chromalab metrics calibrate`; the shipped ones where they are left out.
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
        note="forgives casts and stronger colors, as people do; not symmetric",
        measure=measure,
    )


COLOR_PERCEPTUAL = color_perceptual_metric()
