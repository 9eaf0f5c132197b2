"""Training of one network under one objective: settings, training loop, checkpoints, logs and export.

>>> from chromalab.training import TrainingSettings
>>> TrainingSettings(images=32, batch_size=16).steps
2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.lazy import lazy_names

if TYPE_CHECKING:
    from chromalab.training.export import export_colorizer
    from chromalab.training.job import TrainingJob, TrainingOutcome
    from chromalab.training.loop import train
    from chromalab.training.presets import PRESETS
    from chromalab.training.settings import (
        CriticSettings,
        NetworkSettings,
        OptimizerSettings,
        RuntimeSettings,
        TrainingSettings,
    )

_MODULES = {
    "TrainingJob": "job",
    "TrainingOutcome": "job",
    "train": "loop",
    "CriticSettings": "settings",
    "NetworkSettings": "settings",
    "OptimizerSettings": "settings",
    "RuntimeSettings": "settings",
    "TrainingSettings": "settings",
    "export_colorizer": "export",
    "PRESETS": "presets",
}

__all__ = [
    "PRESETS",
    "CriticSettings",
    "NetworkSettings",
    "OptimizerSettings",
    "RuntimeSettings",
    "TrainingJob",
    "TrainingOutcome",
    "TrainingSettings",
    "export_colorizer",
    "train",
]

__getattr__ = lazy_names(__name__, _MODULES)
