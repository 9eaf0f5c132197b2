"""All metrics by name, in the order of tables: the entries of every family's file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.registry import Registry
from chromalab.metrics import color, distribution, fidelity, perceptual, semantic, video

if TYPE_CHECKING:
    from chromalab.metrics.facts import MetricFacts
    from chromalab.metrics.metric import Metric

METRICS: Registry[Metric] = Registry("metric")

for _family in (fidelity, color, perceptual, distribution, semantic, video):
    for _metric in _family.ENTRIES:
        METRICS.add(_metric.name, _metric)


def metric_facts() -> list[MetricFacts]:
    """Return the facts about every metric, in the order of tables."""
    return [metric.facts for _, metric in METRICS.items()]
