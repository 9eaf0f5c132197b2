"""A folder of true photographs that results are compared with as a set, where nobody knows the truth of each."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from chromalab.core.progress import progress
from chromalab.evaluation.geometry import fit
from chromalab.evaluation.in_order import map_in_order
from chromalab.metrics.features import FeatureRows, features_of
from chromalab.photo.listing import list_photos
from chromalab.photo.reading import UnreadablePhotoError, read_photo

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.evaluation.scoring import Judge

WORKERS = 2


class RealSet:
    """True photographs, any ones; unreadable files are passed over.

    Args:
        folder: where they are; None is the empty set.

    Raises:
        UsageError: the folder is missing or holds no photos.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.files = list_photos(folder) if folder is not None else []

    @property
    def description(self) -> str:
        """The folder's name, the number of its photos, and a hash of their names and sizes."""
        lines = (f"{path.name} {path.stat().st_size}\n" for path in self.files)
        digest = hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
        return f"{self.folder}: {len(self.files)} photos, {digest[:16]}"

    def features(self, judge: Judge) -> FeatureRows:
        """Return the features of all photos, in the order of their names."""
        found = FeatureRows(judge.kinds)
        if not judge.kinds:
            return found
        with progress("true photographs", len(self.files)) as advance:
            for features in map_in_order(lambda path: _features(path, judge), self.files, workers=WORKERS):
                if features is not None:
                    found.append(features)
                advance()
        return found


@torch.inference_mode()
def _features(path: Path, judge: Judge) -> dict[str, NDArray[np.float32]] | None:
    try:
        rgb = fit(read_photo(path).rgb, judge.protocol)
    except UnreadablePhotoError:
        return None
    picture = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255
    return features_of(judge.kinds, judge.scorer.view(picture))
