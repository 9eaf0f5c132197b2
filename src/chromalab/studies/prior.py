"""The distribution of colors with which a study rebalances classes: a file's, or that of its own training photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.color.bins import PriorRecord, load_prior
from chromalab.core.hashing import sha256_bytes
from chromalab.data.prior import photo_prior

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.studies.photos import StudyPhotos
    from chromalab.studies.records import ObjectiveRecord


@dataclass(frozen=True)
class StudyPrior:
    """A distribution over the ab bins, and where it came from.

    Attributes:
        probabilities: (313,), summing to 1.
        source: for the study's record.
        record: to be kept beside the study, where it was made here.
    """

    probabilities: NDArray[np.float64]
    source: str
    record: PriorRecord | None = None

    @property
    def sha256(self) -> str:
        """The hash of the probabilities."""
        return sha256_bytes(self.probabilities.tobytes())


def study_prior(
    objectives: Iterable[ObjectiveRecord], photos: StudyPhotos, file: str | None, kept: Path
) -> StudyPrior | None:
    """Return the prior of a study, or None where no objective has a use for one.

    Args:
        objectives: those of the study.
        photos: its photographs; the training part is counted.
        file: a prior to take instead.
        kept: where an earlier call of the same study kept what it had counted.

    Raises:
        ConfigError: the file holds no prior.
    """
    if not any("prior" in objective.needs for objective in objectives):
        return None
    if file is not None:
        return StudyPrior(load_prior(Path(file)), f"the file {Path(file).name}")
    source = f"the {len(photos.train):,} training photos"
    if kept.exists():
        record = PriorRecord.load(kept)
        if record.data_sha256 == photos.train.data_sha256:
            return StudyPrior(record.probabilities, source, record)
    record = photo_prior(photos.train)
    return StudyPrior(record.probabilities, source, record)
