from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from chromalab.data.cache import open_cache
from chromalab.data.photoset import PhotoSet
from chromalab.data.sources import sample_sources
from chromalab.training.job import TrainingJob
from chromalab.training.settings import (
    CriticSettings,
    OptimizerSettings,
    RuntimeSettings,
    TrainingSettings,
)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    """The built-in photos at 32 px."""
    return open_cache(
        sample_sources(), size_px=32, cache_dir=tmp_path_factory.mktemp("cache"), colourless_threshold=10.0
    )


class MakeJob(Protocol):
    """Makes small jobs with the settings that a test requires."""

    def __call__(self, formula: str = ..., *, folder: str = ..., **runtime: object) -> TrainingJob:
        """Return a job with six steps."""


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """Return a function that makes jobs with six steps at 32 px."""

    def make(formula: str = "l2", *, folder: str = "run", **runtime: object) -> TrainingJob:
        settings = TrainingSettings(
            crop_px=32,
            batch_size=4,
            images=24,
            optimizer=OptimizerSettings(learning_rate=1e-3, schedule="cosine", warmup_steps=2),
            critic=CriticSettings(width=0.125),
        )
        options = {
            "log_every": 1,
            "checkpoint_every_s": 1e9,
            "tensorboard": False,
            "device": "cpu",
            "threads": 1,
        } | runtime
        return TrainingJob(formula, "lab", 0, settings, RuntimeSettings.model_validate(options), tmp_path / folder)

    return make
