"""A training job and its outcome: what to train, how much of the budget is spent, and what came of it."""

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
    """One run: what to train, with which settings, and in which folder.

    Attributes:
        formula: the objective with every name resolved, see `losses.compose`.
        color_space: registry name of the training space.
        seed: decides initial weights, crops, order and the critic's random numbers.
        settings: the rest of what decides the result.
        runtime: where and how to run.
        folder: gets train.csv, checkpoint, samples, and at the end model.safetensors.
        prior: distribution of the training photos' colors over the ab bins, (313,), for losses that rebalance them.
        same_photos: a checkpoint of other photos is refused. A long training outlives its folders: it may resume with
            the photos that are there, with a warning, at the price of a result that cannot be repeated.
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
        """Return the hash of everything that a checkpoint of this run must agree with."""
        prior = None if self.prior is None else sha256_bytes(self.prior.tobytes())
        settings = self.settings.deciding()
        data = photos_sha256(photos) if self.same_photos else None
        return settings_sha256(self.formula, self.color_space, self.seed, settings, data, prior)


def photos_sha256(photos: Photographs | Sequence[WeightedPhotos]) -> str:
    """Return the hash of training photographs: of the sets' contents and weights where there are several."""
    if not isinstance(photos, Sequence):
        return photos.data_sha256
    return settings_sha256(*([each.name, each.weight, each.photos.data_sha256] for each in photos))


@dataclass(frozen=True)
class Spent:
    """What a training has spent of its budget.

    Attributes:
        steps: generator updates.
        drawn: crops.
        seconds: training time, that of all parts of a resumed run.
    """

    steps: int = 0
    drawn: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class TrainingOutcome:
    """A finished training: the network and the facts that its record keeps."""

    colorizer: Colorizer
    initial_sha256: str
    encoder_start: str
    spent: Spent
    device: str
    threads: int

    @property
    def seconds(self) -> float:
        """Training time in seconds, that of all parts of a resumed run."""
        return self.spent.seconds


class Watch(Protocol):
    """A callback that measures the network after every step; its time does not count as training time."""

    def __call__(self, spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:
        """Measure the network; return whether to write a checkpoint now."""
