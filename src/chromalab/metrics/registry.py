"""All metrics by name, in the order of every table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.registry import Registry
from chromalab.metrics.color import CHROMA, COLORFULNESS, COLORFULNESS_DIFFERENCE, DELTA_E_2000
from chromalab.metrics.distribution import FRECHET_LITE0
from chromalab.metrics.fidelity import MAE, MSE, PSNR
from chromalab.metrics.perceptual import LPIPS_ALEX, LPIPS_SQUEEZE, LPIPS_VGG, PERCEPTUAL_LITE0
from chromalab.metrics.structure import SSIM

if TYPE_CHECKING:
    from chromalab.metrics.facts import MetricFacts
    from chromalab.metrics.metric import Metric

METRICS: Registry[Metric] = Registry("metric")

for _metric in (
    MAE,
    MSE,
    PSNR,
    SSIM,
    DELTA_E_2000,
    COLORFULNESS,
    COLORFULNESS_DIFFERENCE,
    CHROMA,
    PERCEPTUAL_LITE0,
    LPIPS_ALEX,
    LPIPS_SQUEEZE,
    LPIPS_VGG,
    FRECHET_LITE0,
):
    METRICS.add(_metric.name, _metric)


def metric_facts() -> list[MetricFacts]:
    """Return the facts of every metric as records, in the order of tables."""
    return [metric.facts for _, metric in METRICS.items()]
