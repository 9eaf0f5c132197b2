"""Scores of photos under a protocol, from files of predictions or from a function that colorizes.

All scores of the project are computed here: those of folders of predictions (`folders`), of the runs of a study, and of
the validations of a training (`score`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import math
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import torch

from chromalab.color.spaces import SPACES
from chromalab.core.files import printable, write_text
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.evaluation.photo_files import PhotoPixels, batches_of_one_size, read_files
from chromalab.evaluation.protocols import find_protocol, fit
from chromalab.evaluation.records import GREY_BOUND, PREDICTIONS, PROTOCOL, TARGET, TRUTH_BOUND, SkippedPair
from chromalab.functional.tensors import image_tensor
from chromalab.metrics.features import FeatureRows, compare_sets, features_of
from chromalab.metrics.scorer import PAIRED, PhotoScorer
from chromalab.metrics.semantic import own_classifier
from chromalab.photo.listing import list_photos, size_and_time
from chromalab.photo.reading import UnreadablePhotoError, read_photo
from chromalab.training.hardware import choose_device

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.data.photoset import Photographs
    from chromalab.evaluation.photo_files import PhotoFiles
    from chromalab.evaluation.protocols import Protocol
    from chromalab.metrics.facts import Reference, SetValue
    from chromalab.metrics.metric import Metric
    from chromalab.metrics.photo_view import PhotoView

READERS = 2
LARGE_PIXELS = 1_000_000
_one_large_photo_at_a_time = Lock()
_log = logging.getLogger(__name__)

BATCH = 16
MAX_WAITING = 256
"""Largest number of photos that wait for others of their size before they are scored in smaller batches."""


@dataclass(frozen=True)
class ScoredBatch:
    """The scores of B photos of one size.

    Attributes:
        photos: names of the photos.
        width_px: width of each photo.
        height_px: height of each photo.
        values: scores by method or baseline, then by metric, (B,).
        truth: scores of the ground truth itself, by metric, (B,).
        features: features for set metrics by method, baseline or `target`, then by kind, (B, dimensions).
        oddities: properties of files to be noted, as (method, property).
    """

    photos: list[str]
    width_px: int
    height_px: int
    values: Mapping[str, Mapping[str, NDArray[np.float64]]]
    truth: Mapping[str, NDArray[np.float64]]
    features: Mapping[str, Mapping[str, NDArray[np.float32]]]
    oddities: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Evaluator:
    """The metrics, the protocol and the labels that decide the scores of a photo.

    Attributes:
        scorer: the metrics.
        protocol: the protocol.
        bounds: whether the gray baseline and the ground truth are scored like methods.
        labels: the class of each photo, by name.
    """

    scorer: PhotoScorer
    protocol: Protocol
    bounds: bool = False
    labels: Mapping[str, int] | None = None

    @property
    def kinds(self) -> list[str]:
        """The kinds of features that the set metrics need."""
        return list(dict.fromkeys(metric.features for metric in self.scorer.set_metrics.values()))

    def score_files(self, photos: Iterable[PhotoFiles], *, workers: int) -> Iterator[ScoredBatch | SkippedPair]:
        """Yield the scores of all photos, in their order.

        Batches are scored in parallel, each in one thread, so the values do not depend on the number of workers.
        """
        read = map_in_order(partial(read_files, protocol=self.protocol), photos, workers=READERS)
        yield from map_in_order(self._score, batches_of_one_size(read), workers=workers)

    def _score(self, batch: list[PhotoPixels] | SkippedPair) -> ScoredBatch | SkippedPair:
        if isinstance(batch, SkippedPair):
            return batch
        is_large = batch[0].size[0] * batch[0].size[1] > LARGE_PIXELS
        with _one_large_photo_at_a_time if is_large else nullcontext(), torch.inference_mode():
            return self.score_batch(batch)

    def score_batch(self, batch: Sequence[PhotoPixels]) -> ScoredBatch:
        """Return the scores of photos of one size."""
        labels = self._labels(batch)
        grey = self._view([photo.grey for photo in batch], labels)
        target = self._view([photo.target for photo in batch], labels)
        views = {method: self._view([photo.preds[method] for photo in batch]) for method in batch[0].preds}
        if self.bounds and target is not None:
            views |= {GREY_BOUND: grey or self._gray(target), TRUTH_BOUND: target}
        reference = target or grey
        if reference is None:
            raise ValueError("a photo has neither ground truth nor gray version; scoring needs one of them")
        height, width = batch[0].size
        return ScoredBatch(
            [photo.name for photo in batch],
            width,
            height,
            {name: _arrays(self.scorer.score(view, reference, grey=grey)) for name, view in views.items() if view},
            _arrays(self.scorer.score_truth(target)) if target else {},
            {
                name: features_of(self.kinds, view)
                for name, view in (views | ({TARGET: target} if target else {})).items()
                if view
            },
            tuple(oddity for photo in batch for oddity in photo.oddities),
        )

    def _view(self, images: Sequence[NDArray[np.uint8] | None], labels: Tensor | None = None) -> PhotoView | None:
        found = [image for image in images if image is not None]
        if not found:
            return None
        rgb = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).contiguous().float() / 255
        return self.scorer.view(rgb, labels)

    def _gray(self, target: PhotoView) -> PhotoView:
        """Return the gray baseline, rounded to 8 bits like a file."""
        return self.scorer.view(((gray(target.lab[:, :1] / 100) * 255).round() / 255).float())

    def _labels(self, batch: Sequence[PhotoPixels]) -> Tensor | None:
        return None if self.labels is None else torch.tensor([self.labels[photo.name] for photo in batch])


def gray(lightness: Tensor) -> Tensor:
    """Return images without color, sRGB (B, 3, H, W) in [0, 1], from their CIELAB lightness (B, 1, H, W) in [0, 1]."""
    lab = SPACES["lab"]
    return lab.decode(lightness, lab.grey(lightness)).clamp(0, 1)


def without_color(rgb: Tensor) -> Tensor:
    """Return the images (B, 3, H, W) with their CIELAB lightness and no color: the gray baseline."""
    lightness, _ = SPACES["lab"].encode(rgb)
    return gray(lightness)


BASELINES: Mapping[str, Callable[[Tensor], Tensor]] = {GREY_BOUND: without_color, TRUTH_BOUND: torch.clone}
"""The limits in every table, as functions that "colorize" photos (B, 3, H, W)."""


def _arrays(values: Mapping[str, Tensor]) -> dict[str, NDArray[np.float64]]:
    return {name: column.numpy() for name, column in values.items()}


@dataclass(frozen=True)
class EvaluatorSettings:
    """The settings of an `Evaluator` without the labels, as plain data that can be sent to another machine.

    Attributes:
        protocol: name of the protocol.
        metrics: registry names; None takes all.
        references: references that are available besides the predictions.
        classifier: Python file with a custom classifier.
        bounds: score the gray baseline and the ground truth, too.
        device: `cpu`, `cuda` or `auto`.
    """

    protocol: str
    metrics: tuple[str, ...] | None
    references: frozenset[Reference]
    classifier: Path | None = None
    bounds: bool = False
    device: str = "auto"

    def build(self) -> Evaluator:
        """Return the evaluator.

        Raises:
            UsageError: the device is missing.
            UnknownNameError: unknown metric or protocol.
            ConfigError: the classifier cannot be loaded.
        """
        own = [own_classifier(self.classifier)] if self.classifier else []
        return make_evaluator(
            self.protocol,
            self.metrics,
            device=choose_device(self.device),
            references=self.references,
            variants=own,
            bounds=self.bounds,
        )


def make_evaluator(
    protocol: str = PROTOCOL,
    metrics: Sequence[str] | None = None,
    *,
    device: str | torch.device = "cpu",
    references: Collection[Reference] = PAIRED,
    variants: Sequence[Metric] = (),
    bounds: bool = False,
) -> Evaluator:
    """Return the evaluator of a named protocol.

    Args:
        protocol: name of the protocol.
        metrics: registry names; None takes all.
        device: device on which the metrics are computed.
        references: references that are available besides the predictions.
        variants: metrics that replace those of the same names, in addition to the variants of the protocol.
        bounds: score the gray baseline and the ground truth, too.

    Raises:
        UnknownNameError: unknown protocol or metric.
    """
    rules = find_protocol(protocol)
    scorer = PhotoScorer(metrics, device=device, references=references, variants=(*rules.variants, *variants))
    return Evaluator(scorer, rules, bounds)


@dataclass
class Scores:
    """The scores of a set of colorized photos.

    Attributes:
        photos: names of the photos, in the order of the set.
        per_photo: metric -> one value per photo, NaN for photos that are too small or unreadable.
        sets: set metrics.
        unavailable: metrics that could not be computed, with the reason.
    """

    photos: list[str]
    per_photo: dict[str, list[float]] = field(default_factory=dict)
    sets: dict[str, SetValue] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write metrics.csv with one row per photo and one column per metric; missing values are empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["photo", *self.per_photo])
        for index, photo in enumerate(self.photos):
            values = (column[index] for column in self.per_photo.values())
            writer.writerow([photo, *("" if math.isnan(value) else repr(value) for value in values)])
        write_text(path, text.getvalue())


def score(
    colorize: Callable[[Tensor], Tensor],
    photos: Photographs,
    evaluator: Evaluator,
    *,
    keep: Callable[[str, NDArray[np.uint8]], None] | None = None,
) -> Scores:
    """Colorize every photo, round the result to 8 bits like a file, and score it against the photo.

    Args:
        colorize: sRGB (B, 3, H, W) in [0, 1] -> the colorization of its gray version, the same shape and range.
        photos: the photos, whole, of any sizes.
        evaluator: the metrics and the protocol.
        keep: receives the name and the colorized image (H, W, 3) of every photo, before the protocol resizes it.
    """
    columns: dict[str, NDArray[np.float64]] = {}
    preds, target = FeatureRows(evaluator.kinds), FeatureRows(evaluator.kinds)
    for indices, images in _batches(photos):
        colorized = _colorized(colorize, images, evaluator.scorer.device)
        if keep is not None:
            for index, image in zip(indices, colorized, strict=True):
                keep(photos.names[index], image)
        scored = evaluator.score_batch(
            [
                PhotoPixels(
                    photos.names[index],
                    {PREDICTIONS: fit(image, evaluator.protocol)},
                    fit(truth, evaluator.protocol),
                    None,
                )
                for index, image, truth in zip(indices, colorized, images, strict=True)
            ]
        )
        for name, values in scored.values[PREDICTIONS].items():
            columns.setdefault(name, np.full(len(photos), np.nan))[indices] = values
        preds.append(scored.features[PREDICTIONS])
        target.append(scored.features[TARGET])
    return Scores(
        list(photos.names),
        {name: columns[name].tolist() for name in evaluator.scorer.metrics if name in columns},
        compare_sets(evaluator.scorer.set_metrics, preds, target),
        dict(evaluator.scorer.unavailable),
    )


@torch.inference_mode()
def _colorized(
    colorize: Callable[[Tensor], Tensor], images: Sequence[NDArray[np.uint8]], device: torch.device
) -> list[NDArray[np.uint8]]:
    """Return images of one size, (H, W, 3), colorized and rounded to 8 bits."""
    rgb = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    levels = (colorize(rgb.to(device)) * 255).round().byte()
    return list(levels.permute(0, 2, 3, 1).cpu().numpy())


def _batches(photos: Photographs) -> Iterator[tuple[list[int], list[NDArray[np.uint8]]]]:
    """Yield photos in batches of one size, with their indices; the order is the same for every network.

    Each photo is read only once, because decoding takes time. At most `MAX_WAITING` photos wait for others of their
    size.
    """
    waiting: dict[tuple[int, ...], list[tuple[int, NDArray[np.uint8]]]] = {}
    for index in range(len(photos)):
        try:
            photo = photos.photo(index)
        except UnreadablePhotoError as error:
            _log.warning("%s; this photo is not scored", error)
            continue
        same = waiting.setdefault(photo.shape, [])
        same.append((index, photo))
        if len(same) == BATCH:
            yield _unzipped(waiting.pop(photo.shape))
        elif sum(map(len, waiting.values())) == MAX_WAITING:
            yield from map(_unzipped, waiting.values())
            waiting.clear()
    yield from map(_unzipped, waiting.values())


def _unzipped(batch: list[tuple[int, NDArray[np.uint8]]]) -> tuple[list[int], list[NDArray[np.uint8]]]:
    return [index for index, _ in batch], [photo for _, photo in batch]


WORKERS = 2


class RealSet:
    """A folder of true photos with which results are compared as a set; unreadable files are skipped.

    Args:
        folder: the folder; None is the empty set.

    Raises:
        UsageError: the folder is missing or holds no photos.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.files = list_photos(folder) if folder is not None else []

    @property
    def description(self) -> str:
        """The path of the folder, the number of its photos, and a hash of their names and file sizes."""
        lines = (f"{printable(path.name)} {size_and_time(path)[0]}\n" for path in self.files)
        digest = hashlib.sha256("".join(lines).encode()).hexdigest()
        return f"{printable(self.folder or '')}: {len(self.files)} photos, {digest[:16]}"

    def features(self, evaluator: Evaluator) -> FeatureRows:
        """Return the features of all photos, sorted by name."""
        found = FeatureRows(evaluator.kinds)
        if not evaluator.kinds:
            return found
        with progress("true photos", len(self.files)) as advance:
            for features in map_in_order(lambda path: _features(path, evaluator), self.files, workers=WORKERS):
                if features is not None:
                    found.append(features)
                advance()
        return found


@torch.inference_mode()
def _features(path: Path, evaluator: Evaluator) -> dict[str, NDArray[np.float32]] | None:
    try:
        rgb = fit(read_photo(path).rgb, evaluator.protocol)
    except UnreadablePhotoError:
        return None
    return features_of(evaluator.kinds, evaluator.scorer.view(image_tensor(rgb)))
