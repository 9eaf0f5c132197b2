"""Image quality metrics by name, and the scorer that computes many of them together.

>>> import torch
>>> from chromalab import metrics
>>> values = metrics.score(torch.full((1, 3, 16, 16), 0.5), torch.ones(1, 3, 16, 16), ["mae", "psnr"])
>>> {name: round(float(value), 3) for name, value in values.items()}
{'mae': 0.5, 'psnr': 6.021}
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromalab.metrics.facts import MetricFacts, SetValue
    from chromalab.metrics.metric import Metric, PhotoMetric, SetMetric
    from chromalab.metrics.registry import METRICS
    from chromalab.metrics.scorer import PhotoScorer, score

_MODULES = {
    "MetricFacts": "chromalab.metrics.facts",
    "SetValue": "chromalab.metrics.facts",
    "Metric": "chromalab.metrics.metric",
    "PhotoMetric": "chromalab.metrics.metric",
    "SetMetric": "chromalab.metrics.metric",
    "METRICS": "chromalab.metrics.registry",
    "PhotoScorer": "chromalab.metrics.scorer",
    "score": "chromalab.metrics.scorer",
}

__all__ = ["METRICS", "Metric", "MetricFacts", "PhotoMetric", "PhotoScorer", "SetMetric", "SetValue", "score"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: records and command lines read facts and settings without PyTorch."""
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), name)
