"""Metrics against people: every per-photo metric of rated images beside what people said of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field, FiniteFloat

from chromalab.core.errors import UsageError
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.core.records import Record
from chromalab.functional.perceptual import feature_distance
from chromalab.functional.tensors import one_torch_thread
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.photo_view import LITE0
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PhotoScorer
from chromalab.photo.reading import decoder_version, read_photo
from chromalab.stats.agreement import (
    Ceiling,
    krcc,
    pairwise_agreement,
    plcc,
    pooled_srcc,
    rater_ceiling,
    scene_srcc,
)
from chromalab.training.hardware import choose_device, physical_cores
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from chromalab.evaluation.ratings import RatedImage, Ratings
    from chromalab.metrics.metric import Metric
    from chromalab.metrics.photo_view import PhotoView

SCHEMA_VERSION = 1
TAPS = tuple(f"perceptual_lite0_tap{number}" for number in range(1, 6))
"""The five parts of `perceptual_lite0`, shown by themselves."""


class PeopleRow(Record):
    """How one metric follows people; all numbers are oriented so that 1 is full agreement.

    Attributes:
        n: images.
        srcc: Spearman's rank correlation over all images together.
        srcc_low: lower end of its 95% bootstrap interval over scenes and images.
        srcc_high: upper end.
        scene_srcc: mean of the scenes' own rank correlations.
        scene_low: lower end of its 95% t interval over scenes, on Fisher's z.
        scene_high: upper end.
        krcc: Kendall's tau-b over all images together.
        plcc: Pearson's correlation after a logistic fit.
        pairwise: share of pairs of one scene in people's order.
        out_of_fold: each image was scored by parameters that had not seen its scene.
        reason: why there is no value.
    """

    n: int
    srcc: FiniteFloat | None = None
    srcc_low: FiniteFloat | None = None
    srcc_high: FiniteFloat | None = None
    scene_srcc: FiniteFloat | None = None
    scene_low: FiniteFloat | None = None
    scene_high: FiniteFloat | None = None
    krcc: FiniteFloat | None = None
    plcc: FiniteFloat | None = None
    pairwise: FiniteFloat | None = None
    out_of_fold: bool = False
    reason: str | None = None


class CeilingRecord(Record):
    """How far people agree with each other; see `stats.agreement.Ceiling`."""

    single: FiniteFloat | None
    split_half: FiniteFloat | None
    corrected: FiniteFloat | None
    ceiling: FiniteFloat | None
    n_raters: int


class PeopleRecord(Record):
    """Every metric against people.

    Attributes:
        ratings: name of the set of ratings.
        ratings_sha256: hash of its file.
        n_images: rated images.
        n_real: of these, outputs of colorizers.
        n_scenes: scenes.
        all: every metric over all images.
        real: every metric over the outputs of colorizers alone.
        ceiling: the raters' agreement, by subset, where single ratings are known.
        versions: of chromalab and of libraries whose rounding may show.
        weights: SHA-256 of the networks behind the metrics.
    """

    schema_version: int = SCHEMA_VERSION
    ratings: str
    ratings_sha256: str
    n_images: int
    n_real: int
    n_scenes: int
    all: dict[str, PeopleRow]
    real: dict[str, PeopleRow]
    ceiling: dict[str, CeilingRecord] = Field(default={})
    versions: dict[str, str]
    weights: dict[str, str]


@dataclass(frozen=True)
class PeopleScores:
    """Metrics of rated images.

    Attributes:
        record: the agreement.
        ratings: what people said.
        columns: metric -> a value for each image, as measured.
        faults: the same such that less is better.
    """

    record: PeopleRecord
    ratings: Ratings
    columns: Mapping[str, NDArray[np.float64]]
    faults: Mapping[str, NDArray[np.float64]]


def validate_metrics(
    ratings: Ratings,
    *,
    metrics: Sequence[str] | None = None,
    device: str = "auto",
    threads: int = 0,
    variants: Sequence[Metric] = (),
    out_of_fold: Mapping[str, Mapping[str, float]] | None = None,
) -> PeopleScores:
    """Measure how far every per-photo metric follows people.

    Args:
        ratings: the images and what people said of them.
        metrics: registry names, all where it is left out.
        device: `cpu`, `cuda` or `auto`.
        threads: CPU threads; 0 takes the physical cores.
        variants: metrics that take the place of the registry's of the same names.
        out_of_fold: values by metric and image that take the place of measured ones, for metrics with parameters that
            were fitted to these ratings.

    Raises:
        UsageError: no metric can be computed here.
        UnreadablePhotoError: an image can't be read.
    """
    scorer = PhotoScorer(metrics, device=choose_device(device), variants=variants)
    names = [name for name, metric in scorer.metrics.items() if isinstance(metric, PhotoMetric)]
    if not names:
        raise UsageError("; ".join(scorer.unavailable.values()) or "name at least one metric of single photos")
    columns, faults = _measure(ratings, scorer, taps=metrics is None, workers=threads or physical_cores())
    for name, values in (out_of_fold or {}).items():
        if name in columns:
            columns[name] = faults[name] = np.array([values[image.image] for image in ratings.images])
    return PeopleScores(_record(ratings, scorer, faults, set(out_of_fold or {})), ratings, columns, faults)


def _measure(
    ratings: Ratings, scorer: PhotoScorer, *, taps: bool, workers: int
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    rows: list[tuple[dict[str, float], dict[str, float]]] = []
    ordered = sorted(range(len(ratings.images)), key=lambda place: str(ratings.images[place].reference))
    references: dict[str, PhotoView] = {}

    def scored(place: int) -> tuple[dict[str, float], dict[str, float]]:
        return _scores(ratings.images[place], scorer, references, taps=taps)

    with one_torch_thread(), progress("metrics against people", len(ordered), unit="images") as advance:
        for row in map_in_order(scored, ordered, workers=workers):
            rows.append(row)
            advance()
    back = np.argsort(ordered)
    tables = [{name: np.array([row[side][name] for row in rows])[back] for name in rows[0][side]} for side in (0, 1)]
    return tables[0], tables[1]


@torch.inference_mode()
def _scores(
    image: RatedImage, scorer: PhotoScorer, references: dict[str, PhotoView], *, taps: bool
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the values of an image, and the same such that less is better."""
    key = str(image.reference)
    target = references.get(key)
    if target is None:
        if len(references) > 1:  # images come scene by scene: one scene ago nobody needs any more
            references.pop(next(iter(references)), None)
        references[key] = target = scorer.view(_image(image.reference))
    preds = scorer.view(_image(image.path))
    values = {name: float(value) for name, value in scorer.score(preds, target).items()}
    truth = {name: float(value) for name, value in scorer.score_truth(target).items()}
    faults = {name: _fault(name, value, truth) for name, value in values.items()}
    if taps and LITE0 in scorer.weights():
        pairs = zip(TAPS, preds.taps(LITE0), target.taps(LITE0), strict=True)
        parts = {name: float(feature_distance([first], [second])) for name, first, second in pairs}
        values, faults = values | parts, faults | parts
    return values, faults


def _image(path: object) -> torch.Tensor:
    rgb = read_photo(path).rgb  # type: ignore[arg-type]
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255


def _fault(name: str, value: float, truth: Mapping[str, float]) -> float:
    direction = METRICS[name].direction
    if direction == "closer":
        return abs(value - truth[name])
    return value if direction == "lower" else -value


def _record(
    ratings: Ratings, scorer: PhotoScorer, faults: Mapping[str, NDArray[np.float64]], out_of_fold: set[str]
) -> PeopleRecord:
    real = np.array([image.is_real for image in ratings.images])
    subsets = {"all": np.ones(len(real), dtype=bool), "real": real}
    tables = {
        subset: {
            name: _agreement(column, ratings, inside, is_out_of_fold=name in out_of_fold)
            for name, column in faults.items()
        }
        for subset, inside in subsets.items()
    }
    ceilings = {subset: _ceiling(ratings, inside) for subset, inside in subsets.items()}
    return PeopleRecord(
        ratings=ratings.name,
        ratings_sha256=ratings.sha256,
        n_images=len(ratings.images),
        n_real=int(real.sum()),
        n_scenes=len({image.scene for image in ratings.images}),
        all=tables["all"],
        real=tables["real"],
        ceiling={subset: found for subset, found in ceilings.items() if found is not None},
        versions={
            "chromalab": __version__,
            **{name: version(name) for name in ("torch", "kornia", "numpy", "scipy")},
            "decoder": decoder_version(),
        },
        weights=scorer.weights(),
    )


def _agreement(
    column: NDArray[np.float64], ratings: Ratings, inside: NDArray[np.bool_], *, is_out_of_fold: bool
) -> PeopleRow:
    people = np.array([image.score for image in ratings.images])
    usable = inside & np.isfinite(column)
    n = int(usable.sum())
    if n < 3:
        return PeopleRow(n=n, reason=f"agreement needs at least 3 images with finite values, not {n}")
    scenes = [image.scene for image, kept in zip(ratings.images, usable, strict=True) if kept]
    good, said = -column[usable], people[usable]
    pooled, own = pooled_srcc(good, said, scenes), scene_srcc(good, said, scenes)
    if pooled.value is None:
        return PeopleRow(n=n, reason="the metric, or what people say, is the same for all images")
    return PeopleRow(
        n=n,
        srcc=pooled.value,
        srcc_low=pooled.low,
        srcc_high=pooled.high,
        scene_srcc=own.value,
        scene_low=own.low,
        scene_high=own.high,
        krcc=krcc(good, said),
        plcc=plcc(good, said),
        pairwise=pairwise_agreement(good, said, scenes),
        out_of_fold=is_out_of_fold,
    )


def _ceiling(ratings: Ratings, inside: NDArray[np.bool_]) -> CeilingRecord | None:
    names = {image.image for image, kept in zip(ratings.images, inside, strict=True) if kept}
    votes = [vote for vote in ratings.votes if vote.image in names]
    found: Ceiling | None = None
    if votes:
        columns = zip(*((vote.rater, vote.image, vote.value) for vote in votes), strict=True)
        raters, images, values = (list(column) for column in columns)
        found = rater_ceiling(raters, images, values)
    if found is None:
        return None
    return CeilingRecord(
        single=found.single,
        split_half=found.split_half,
        corrected=found.corrected,
        ceiling=found.ceiling,
        n_raters=found.n_raters,
    )
