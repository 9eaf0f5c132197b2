"""Every metric of a network, or of a bound, on the test photos."""

from __future__ import annotations

import csv
import io
import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from chromalab.core.files import write_text
from chromalab.photo.reading import UnreadablePhotoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.data.photoset import Photographs
    from chromalab.metrics.facts import SetValue
    from chromalab.metrics.scorer import PhotoScorer

_log = logging.getLogger(__name__)

BATCH = 16
WAITING = 256
"""Photos of rare sizes that are kept until others of their size come."""


@dataclass
class Scores:
    """What the metrics say of a set of colorized photos.

    Attributes:
        photos: names of the photos, in the order of the set.
        per_photo: metric -> one value for each photo, NaN where the photo is too small for the metric.
        sets: metrics of the whole set.
        unavailable: metrics that could not be had, with the reason.
    """

    photos: list[str]
    per_photo: dict[str, list[float]] = field(default_factory=dict)
    sets: dict[str, SetValue] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write metrics.csv: a row for each photo, a column for each per-photo metric, empty where there is none."""
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
    scorer: PhotoScorer,
    *,
    keep: Callable[[str, NDArray[np.uint8]], None] | None = None,
) -> Scores:
    """Colorize every photo, round it to 8 bits as a file would, and measure it against the photo.

    Args:
        colorize: sRGB (B, 3, H, W) in [0, 1] -> the colorization of its gray version, the same shape and range.
        photos: the test photos, whole, of any sizes.
        scorer: the metrics.
        keep: gets the name and picture (H, W, 3) of every colorized photo.
    """
    sets = scorer.new_sets()
    columns: dict[str, NDArray[np.float64]] = {}
    for indices, rgb in _batches(photos):
        target = rgb.to(scorer.device)
        with torch.inference_mode():
            preds = (colorize(target) * 255).round() / 255
        for name, values in scorer.score(preds, target, sets).items():
            columns.setdefault(name, np.full(len(photos), np.nan))[indices] = values.numpy()
        if keep is not None:
            for index, picture in zip(indices, preds, strict=True):
                keep(photos.names[index], (picture * 255).round().byte().permute(1, 2, 0).cpu().numpy())
    order = [name for name in scorer.metrics if name in columns]
    return Scores(
        list(photos.names),
        {name: columns[name].tolist() for name in order},
        sets.compute(),
        dict(scorer.unavailable),
    )


def _batches(photos: Photographs) -> Iterator[tuple[list[int], Tensor]]:
    """Give the photos in batches of one size; the order is the same for every network that is measured.

    Each photo is asked for once, for it may have to be decoded. Photos wait for others of their size, but not more of
    them than `WAITING`.
    """
    waiting: dict[tuple[int, ...], list[tuple[int, NDArray[np.uint8]]]] = {}
    for index in range(len(photos)):
        try:
            photo = photos.photo(index)
        except UnreadablePhotoError as error:
            _log.warning("%s; it is left out of the measurement", error)
            continue
        same = waiting.setdefault(photo.shape, [])
        same.append((index, photo))
        if len(same) == BATCH:
            yield _stacked(waiting.pop(photo.shape))
        elif sum(map(len, waiting.values())) == WAITING:
            yield from map(_stacked, waiting.values())
            waiting.clear()
    yield from map(_stacked, waiting.values())


def _stacked(part: list[tuple[int, NDArray[np.uint8]]]) -> tuple[list[int], Tensor]:
    stack = np.stack([photo for _, photo in part])
    return [index for index, _ in part], torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 255
