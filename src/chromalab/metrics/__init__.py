"""Image quality metrics by name, and the scorer that computes many of them together.

>>> import torch
>>> from chromalab import metrics
>>> values = metrics.score(torch.full((1, 3, 16, 16), 0.5), torch.ones(1, 3, 16, 16), ["mae", "psnr"])
>>> {name: round(float(value), 3) for name, value in values.items()}
{'mae': 0.5, 'psnr': 6.021}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.lazy import lazy_names

if TYPE_CHECKING:
    from chromalab.metrics.facts import MetricFacts, SetValue
    from chromalab.metrics.metric import Metric, PhotoMetric, SetMetric
    from chromalab.metrics.registry import METRICS
    from chromalab.metrics.scorer import PhotoScorer, score

_MODULES = {
    "MetricFacts": "facts",
    "SetValue": "facts",
    "Metric": "metric",
    "PhotoMetric": "metric",
    "SetMetric": "metric",
    "METRICS": "registry",
    "PhotoScorer": "scorer",
    "score": "scorer",
}

__all__ = ["METRICS", "Metric", "MetricFacts", "PhotoMetric", "PhotoScorer", "SetMetric", "SetValue", "score"]

__getattr__ = lazy_names(__name__, _MODULES)
