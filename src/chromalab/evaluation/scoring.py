"""Judging photos: files read ahead in threads, batches judged side by side, results in the order of the photos."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import torch

from chromalab.color.spaces import lab_to_rgb
from chromalab.evaluation.in_order import map_in_order
from chromalab.evaluation.reading import PhotoPixels, batches_of_one_size, read_files
from chromalab.evaluation.records import SkippedPair
from chromalab.metrics.features import features_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.evaluation.pairing import PhotoFiles
    from chromalab.evaluation.protocols import Protocol
    from chromalab.metrics.photo_view import PhotoView
    from chromalab.metrics.scorer import PhotoScorer

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
