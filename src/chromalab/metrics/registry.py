"""All metrics by name, in the order of every table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.registry import Registry
from chromalab.metrics.artifacts import BLOTCHES, GAMUT_SHARE
from chromalab.metrics.color import (
    AUC,
    AUC_REBALANCED,
    CHROMA,
    COLORFULNESS,
    COLORFULNESS_DIFFERENCE,
    DELTA_E_2000,
    HUE_DISTANCE,
    LIGHTNESS_ERROR,
)
from chromalab.metrics.color_perceptual import COLOR_PERCEPTUAL
from chromalab.metrics.distribution import DELTA_COLORFULNESS, FID, FRECHET_LITE0, KID, KID_LITE0
from chromalab.metrics.fidelity import MAE, MSE, PSNR, PSNR_AB, RMSE
from chromalab.metrics.perceptual import LPIPS_ALEX, LPIPS_SQUEEZE, LPIPS_VGG, PERCEPTUAL_LITE0
from chromalab.metrics.semantic import SEMANTIC_TOP1
from chromalab.metrics.structure import MS_SSIM, SSIM
from chromalab.metrics.video import CDC

if TYPE_CHECKING:
    from chromalab.metrics.facts import MetricFacts
    from chromalab.metrics.metric import Metric

METRICS: Registry[Metric] = Registry("metric")

for _metric in (
    MAE,
    MSE,
    RMSE,
    PSNR,
    PSNR_AB,
    SSIM,
    MS_SSIM,
    LIGHTNESS_ERROR,
    DELTA_E_2000,
    AUC,
    AUC_REBALANCED,
    HUE_DISTANCE,
    COLORFULNESS,
    COLORFULNESS_DIFFERENCE,
    DELTA_COLORFULNESS,
    CHROMA,
    GAMUT_SHARE,
    BLOTCHES,
    PERCEPTUAL_LITE0,
    LPIPS_ALEX,
    LPIPS_SQUEEZE,
    LPIPS_VGG,
    COLOR_PERCEPTUAL,
    FRECHET_LITE0,
    KID_LITE0,
    FID,
    KID,
    SEMANTIC_TOP1,
    CDC,
):
    METRICS.add(_metric.name, _metric)


def metric_facts() -> list[MetricFacts]:
    """Return the facts of every metric as records, in the order of tables."""
    return [metric.facts for _, metric in METRICS.items()]
