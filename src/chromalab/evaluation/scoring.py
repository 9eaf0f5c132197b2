"""Scoring of photos under a protocol."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import torch

from chromalab.color.spaces import lab_to_rgb
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.evaluation.protocols import find_protocol, fit
from chromalab.evaluation.reading import PhotoPixels, batches_of_one_size, read_files
from chromalab.evaluation.records import SkippedPair
from chromalab.metrics.feature_sets import FeatureRows, features_of
from chromalab.metrics.scorer import PhotoScorer
from chromalab.metrics.semantic import own_classifier
from chromalab.photo.listing import list_photos
from chromalab.photo.reading import UnreadablePhotoError, read_photo
from chromalab.training.hardware import choose_device

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.evaluation.pairing import PhotoFiles
    from chromalab.evaluation.protocols import Protocol
    from chromalab.metrics.facts import Reference
    from chromalab.metrics.photo_view import PhotoView

READERS = 2
LARGE_PIXELS = 1_000_000
GREY_BOUND, TRUTH_BOUND = "grey", "truth"
BOUNDS = (GREY_BOUND, TRUTH_BOUND)
_one_large_photo_at_a_time = Lock()


@dataclass(frozen=True)
class JudgedBatch:
    """What the metrics say of photos of one size.

    Attributes:
        photos: their names.
        width_px: of all of them.
        height_px: of all of them.
        values: by method or bound, then by metric, (B,).
        truth: the true photographs' own values, by metric, (B,).
        features: what sets are compared by, by method or bound or `target`, then by kind, (B, dimensions).
        oddities: what is to be told of files, as (method, what).
    """

    photos: list[str]
    width_px: int
    height_px: int
    values: Mapping[str, Mapping[str, NDArray[np.float64]]]
    truth: Mapping[str, NDArray[np.float64]]
    features: Mapping[str, Mapping[str, NDArray[np.float32]]]
    oddities: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Judge:
    """Everything that decides what a photo's numbers are.

    Attributes:
        scorer: the metrics.
        protocol: the rules.
        bounds: whether gray and true photographs are judged as methods are.
        labels: the class that is to be seen on each photo, by name.
    """

    scorer: PhotoScorer
    protocol: Protocol
    bounds: bool = False
    labels: Mapping[str, int] | None = None

    @property
    def kinds(self) -> list[str]:
        """The kinds of features that the metrics of sets need."""
        return list(dict.fromkeys(metric.features for metric in self.scorer.set_metrics.values()))

    def judge_photos(self, photos: Iterable[PhotoFiles], *, workers: int) -> Iterator[JudgedBatch | SkippedPair]:
        """Yield what comes of all photos, in their order.

        Batches go side by side, each whole in one thread, so the values do not depend on the number of workers.
        """
        read = map_in_order(partial(read_files, protocol=self.protocol), photos, workers=READERS)
        yield from map_in_order(self._judge, batches_of_one_size(read), workers=workers)

    def _judge(self, batch: list[PhotoPixels] | SkippedPair) -> JudgedBatch | SkippedPair:
        if isinstance(batch, SkippedPair):
            return batch
        is_large = batch[0].size[0] * batch[0].size[1] > LARGE_PIXELS
        with _one_large_photo_at_a_time if is_large else nullcontext(), torch.inference_mode():
            return self.judge_batch(batch)

    def judge_batch(self, batch: Sequence[PhotoPixels]) -> JudgedBatch:
        """Return the values of photos of one size."""
        grey = self._view([photo.grey for photo in batch])
        target = self._view([photo.target for photo in batch], self._labels(batch))
        views = {method: self._view([photo.preds[method] for photo in batch]) for method in batch[0].preds}
        if self.bounds and target is not None:
            views |= {GREY_BOUND: grey or self.scorer.view(without_color(target)), TRUTH_BOUND: target}
        reference = target or grey
        if reference is None:
            raise ValueError("a photo is judged beside its true or its gray version, and there is neither")
        height, width = batch[0].size
        return JudgedBatch(
            [photo.name for photo in batch],
            width,
            height,
            {name: _arrays(self.scorer.score(view, reference, grey=grey)) for name, view in views.items() if view},
            _arrays(self.scorer.score_truth(target)) if target else {},
            {
                name: features_of(self.kinds, view)
                for name, view in (views | ({"target": target} if target else {})).items()
                if view
            },
            tuple(oddity for photo in batch for oddity in photo.oddities),
        )

    def _view(self, pictures: Sequence[NDArray[np.uint8] | None], labels: Tensor | None = None) -> PhotoView | None:
        found = [picture for picture in pictures if picture is not None]
        if not found:
            return None
        rgb = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).contiguous().float() / 255
        return self.scorer.view(rgb, labels)

    def _labels(self, batch: Sequence[PhotoPixels]) -> Tensor | None:
        return None if self.labels is None else torch.tensor([self.labels[photo.name] for photo in batch])


def without_color(view: PhotoView) -> Tensor:
    """Return photographs with their CIELAB lightness and no color, rounded to 8 bits, (B, 3, H, W)."""
    lab = view.lab.clone()
    lab[:, 1:] = 0
    return ((lab_to_rgb(lab).clamp(0, 1) * 255).round() / 255).float()


def _arrays(values: Mapping[str, Tensor]) -> dict[str, NDArray[np.float64]]:
    return {name: column.numpy() for name, column in values.items()}


@dataclass(frozen=True)
class JudgeFacts:
    """Everything that decides what a judge is, but for the labels of photos.

    Attributes:
        protocol: name of the rules.
        metrics: registry names, all where it is None.
        references: what is at hand beside the predictions.
        classifier: Python file with a classifier of one's own.
        bounds: judge the gray and the true photographs, too.
        device: `cpu`, `cuda` or `auto`.
    """

    protocol: str
    metrics: tuple[str, ...] | None
    references: frozenset[Reference]
    classifier: Path | None = None
    bounds: bool = False
    device: str = "auto"

    def judge(self) -> Judge:
        """Return the judge.

        Raises:
            UsageError: no metric can be judged here, or the device is missing.
            UnknownNameError: a metric's or protocol's name is unknown.
            ConfigError: the classifier is none.
        """
        protocol = find_protocol(self.protocol)
        own = [own_classifier(self.classifier)] if self.classifier else []
        scorer = PhotoScorer(
            self.metrics,
            device=choose_device(self.device),
            references=self.references,
            variants=(*protocol.variants, *own),
        )
        return Judge(scorer, protocol, self.bounds)


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
