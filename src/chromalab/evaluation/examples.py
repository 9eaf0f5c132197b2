"""The example photos of a report: the best and the worst under every metric, read again at a small size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chromalab.evaluation.paired_tests import compared_values
from chromalab.evaluation.protocols import fit
from chromalab.metrics.registry import METRICS
from chromalab.photo.reading import UnreadablePhotoError, read_photo
from chromalab.photo.resizing import resize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from chromalab.evaluation.scores import Comparison, ScoreTable

SHOWN_PX = 256
EXTREMES = 3


@dataclass(frozen=True)
class Extremes:
    """The best and the worst photos of a method under a metric, as (name, value), the most extreme first."""

    metric: str
    method: str
    best: tuple[tuple[str, float], ...]
    worst: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class ShownPhoto:
    """All versions of one photo at a small size.

    Attributes:
        name: name of the photo.
        images: images (H, W, 3) by method, and those of `target` and `grey` if available.
    """

    name: str
    images: Mapping[str, NDArray[np.uint8]]


def extremes(comparison: Comparison, count: int = EXTREMES) -> list[Extremes]:
    """Return the best and the worst photos of every method, under every per-photo metric that can rank them."""
    methods = [method.name for method in comparison.record.methods if not method.is_bound]
    found = [
        _extremes(name, method, comparison.scores[method], count)
        for name in METRICS
        if name in comparison.scores[methods[0]].columns
        for method in methods
    ]
    return [each for each in found if each is not None]


def _extremes(metric: str, method: str, table: ScoreTable, count: int) -> Extremes | None:
    values_compared = compared_values(METRICS[metric], table)
    if values_compared is None:
        return None
    known = np.flatnonzero(~np.isnan(values_compared))
    if METRICS[metric].direction == "higher":
        values_compared = -values_compared
    order = known[np.argsort(values_compared[known], kind="stable")]
    values = table.columns[metric]

    def named(places: NDArray[np.intp]) -> tuple[tuple[str, float], ...]:
        return tuple((table.photos[place], float(values[place])) for place in places)

    return Extremes(metric, method, named(order[:count]), named(order[::-1][:count]))


def chosen_photos(found: Sequence[Extremes], limit: int) -> list[str]:
    """Return at most `limit` photos to show, alternating between the worst and the best of every metric and method."""
    names: dict[str, None] = {}
    for rank in range(EXTREMES):
        for side in ("worst", "best"):
            for each in found:
                ranked = each.worst if side == "worst" else each.best
                if rank < len(ranked):
                    names.setdefault(ranked[rank][0])
    return list(names)[:limit]


def read_shown(comparison: Comparison, names: Sequence[str]) -> Iterator[ShownPhoto]:
    """Yield photos at a small size, resized as by the protocol; files that have been deleted are skipped."""
    for name in names:
        images = {}
        for method, files in comparison.files.items():
            try:
                images[method] = _small(fit(read_photo(files[name]).rgb, comparison.protocol))
            except (UnreadablePhotoError, KeyError):
                continue
        if images:
            yield ShownPhoto(name, images)


def _small(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    scale = min(1.0, SHOWN_PX / max(height, width))
    return resize(rgb, max(1, round(height * scale)), max(1, round(width * scale)))
