"""Training of one network under one objective: settings, the loop, checkpoints, logs and export.

>>> from chromalab.training import TrainingSettings
>>> TrainingSettings(images=32, batch_size=16).steps
2
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    "TrainingJob": "chromalab.training.job",
    "TrainingOutcome": "chromalab.training.job",
    "train": "chromalab.training.loop",
    "CriticSettings": "chromalab.training.settings",
    "NetworkSettings": "chromalab.training.settings",
    "OptimizerSettings": "chromalab.training.settings",
    "RuntimeSettings": "chromalab.training.settings",
    "TrainingSettings": "chromalab.training.settings",
    "export_colorizer": "chromalab.training.export",
    "PRESETS": "chromalab.training.presets",
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


def __getattr__(name: str) -> Any:
    """Import a public name on first use: records and command lines read facts and settings without PyTorch."""
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), name)
