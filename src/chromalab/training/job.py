"""A training job, its progress and its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chromalab.core.files import sha256_bytes
from chromalab.training.settings import RuntimeSettings, TrainingSettings, settings_sha256

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.data.photoset import Photographs, WeightedPhotos
    from chromalab.nets.unet import Colorizer


@dataclass(frozen=True)
class TrainingJob:
    """One training run: objective, settings and output folder.

    Attributes:
        formula: the objective with every name resolved, see `losses.compose`.
        color_space: registry name of the training space.
        seed: seed of the initial weights, the crops, their order and the critic's random numbers.
        settings: all other settings that determine the result.
        runtime: settings of device, logging and checkpoints.
        folder: output folder for train.csv, checkpoint, samples, and finally model.safetensors.
        prior: distribution of the training photos' colors over the ab bins, (313,), for losses that rebalance them.
        same_photos: refuse a checkpoint that was trained on other photos. If false, a long training may resume with
            changed folders, with a warning, but its result can't be reproduced.
    """

    formula: str
    color_space: str
    seed: int
    settings: TrainingSettings
    runtime: RuntimeSettings
    folder: Path
    prior: NDArray[np.float64] | None = None
    same_photos: bool = True

    def sha256(self, photos: Photographs | Sequence[WeightedPhotos]) -> str:
        """Return the hash of everything that must match in a checkpoint of this run."""
        prior = None if self.prior is None else sha256_bytes(self.prior.tobytes())
        settings = self.settings.deciding()
        data = photos_sha256(photos) if self.same_photos else None
        return settings_sha256(self.formula, self.color_space, self.seed, settings, data, prior)


def photos_sha256(photos: Photographs | Sequence[WeightedPhotos]) -> str:
    """Return the hash of the content of training photos, including names and weights of several sets."""
    if not isinstance(photos, Sequence):
        return photos.data_sha256
    return settings_sha256(*([each.name, each.weight, each.photos.data_sha256] for each in photos))


@dataclass(frozen=True)
class Spent:
    """The part of a training's budget that is spent.

    Attributes:
        steps: number of generator updates.
        drawn: number of crops.
        seconds: training time, including that before a run was resumed.
    """

    steps: int = 0
    drawn: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class TrainingOutcome:
    """The trained network of a finished training, and the facts for its record."""

    colorizer: Colorizer
    initial_sha256: str
    encoder_start: str
    spent: Spent
    device: str
    threads: int

    @property
    def seconds(self) -> float:
        """Training time in seconds, including that before a run was resumed."""
        return self.spent.seconds


class Watch(Protocol):
    """A callback that evaluates the network after every step; its time does not count as training time."""

    def __call__(self, spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:
        """Evaluate the network, and return whether to write a checkpoint now."""
