"""Agreement of metrics with people: the correlation of every per-photo metric with human ratings."""

from __future__ import annotations

import math
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
from chromalab.evaluation.ratings import rated_pair
from chromalab.functional.perceptual import feature_distance
from chromalab.functional.tensors import image_tensor, one_torch_thread
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.photo_view import LITE0
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PhotoScorer
from chromalab.photo.reading import decoder_version
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
"""The distances at the five taps of `perceptual_lite0`, reported separately."""


class PeopleRow(Record):
    """Agreement of one metric with people; all numbers except `plcc` are oriented so that 1 is full agreement.

    Attributes:
        n: number of images.
        srcc: Spearman's rank correlation over all images together.
        srcc_low: lower end of its 95% bootstrap interval over scenes and images.
        srcc_high: upper end.
        scene_srcc: mean of the rank correlations within scenes, see `stats.agreement.scene_srcc`.
        scene_low: lower end of its 95% t interval over scenes, on Fisher's z.
        scene_high: upper end.
        krcc: Kendall's tau-b over all images together.
        plcc: Pearson's correlation after a logistic fit, without sign: the fitted curve may rise or fall.
        pairwise: share of pairs of images of one scene that metric and people rank alike.
        out_of_fold: whether each image was scored by parameters that were fitted without its scene.
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
    """Agreement among raters, see `stats.agreement.Ceiling`."""

    single: FiniteFloat | None
    split_half: FiniteFloat | None
    corrected: FiniteFloat | None
    ceiling: FiniteFloat | None
    n_raters: int


class PeopleRecord(Record):
    """Agreement of every metric with people.

    Attributes:
        ratings: name of the set of ratings.
        ratings_sha256: hash of its file.
        n_images: number of rated images.
        n_real: number of these that are outputs of colorizers.
        n_scenes: number of scenes.
        all: every metric over all images.
        real: every metric over the outputs of colorizers alone.
        ceiling: agreement among raters by subset, if single ratings are known.
        versions: versions of chromalab and of libraries whose rounding can affect the digits.
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
        ratings: the human ratings.
        columns: metric -> one value per image.
        errors: the same, oriented so that lower is better.
    """

    record: PeopleRecord
    ratings: Ratings
    columns: Mapping[str, NDArray[np.float64]]
    errors: Mapping[str, NDArray[np.float64]]


def validate_metrics(
    ratings: Ratings,
    *,
    metrics: Sequence[str] | None = None,
    device: str = "auto",
    threads: int = 0,
    variants: Sequence[Metric] = (),
    out_of_fold: Mapping[str, Mapping[str, float]] | None = None,
) -> PeopleScores:
    """Measure the agreement of every per-photo metric with people.

    Args:
        ratings: the images and their ratings.
        metrics: registry names; None takes all.
        device: `cpu`, `cuda` or `auto`.
        threads: CPU threads; 0 takes one per physical core.
        variants: metrics that replace those of the same names in the registry.
        out_of_fold: values by metric and image that replace measured ones, for metrics with parameters that were
            fitted to these ratings.

    Raises:
        UsageError: no metric can be computed, or an image and its reference differ in size.
        UnreadablePhotoError: an image cannot be read.
    """
    scorer = PhotoScorer(metrics, device=choose_device(device), variants=variants)
    names = [name for name, metric in scorer.metrics.items() if isinstance(metric, PhotoMetric)]
    if not names:
        raise UsageError("; ".join(scorer.unavailable.values()) or "name at least one metric of single photos")
    columns, errors = _measure(ratings, scorer, taps=metrics is None, workers=threads or physical_cores())
    for name, values in (out_of_fold or {}).items():
        if name in columns:
            columns[name] = errors[name] = np.array([values[image.image] for image in ratings.images])
    return PeopleScores(_record(ratings, scorer, errors, set(out_of_fold or {})), ratings, columns, errors)


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
    """Return the values of an image, NaN if it is too small, and the same oriented so that lower is better."""
    key = str(image.reference)
    rgb, reference = rated_pair(image)
    target = references.get(key)
    if target is None:
        if len(references) > 1:  # images come scene by scene, so references of earlier scenes are not needed again
            references.pop(next(iter(references)), None)
        references[key] = target = scorer.view(image_tensor(reference))
    preds = scorer.view(image_tensor(rgb))
    values = {name: math.nan for name, metric in scorer.metrics.items() if isinstance(metric, PhotoMetric)}
    values |= {name: float(value) for name, value in scorer.score(preds, target).items()}
    truth = {name: float(value) for name, value in scorer.score_truth(target).items()}
    errors = {name: _error(name, value, truth) for name, value in values.items()}
    if taps and LITE0 in scorer.weights():
        pairs = zip(TAPS, preds.taps(LITE0), target.taps(LITE0), strict=True)
        parts = {name: float(feature_distance([first], [second])) for name, first, second in pairs}
        values, errors = values | parts, errors | parts
    return values, errors


def _error(name: str, value: float, truth: Mapping[str, float]) -> float:
    direction = METRICS[name].direction
    if direction == "closer":
        return abs(value - truth[name])
    return value if direction == "lower" else -value


def _record(
    ratings: Ratings, scorer: PhotoScorer, errors: Mapping[str, NDArray[np.float64]], out_of_fold: set[str]
) -> PeopleRecord:
    real = np.array([image.is_real for image in ratings.images])
    subsets = {"all": np.ones(len(real), dtype=bool), "real": real}
    tables = {
        subset: {
            name: _agreement(column, ratings, inside, is_out_of_fold=name in out_of_fold)
            for name, column in errors.items()
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
    good, rated = -column[usable], people[usable]
    pooled, own = pooled_srcc(good, rated, scenes), scene_srcc(good, rated, scenes)
    if pooled.value is None:
        return PeopleRow(n=n, reason="the metric or the rating is the same for all images")
    return PeopleRow(
        n=n,
        srcc=pooled.value,
        srcc_low=pooled.low,
        srcc_high=pooled.high,
        scene_srcc=own.value,
        scene_low=own.low,
        scene_high=own.high,
        krcc=krcc(good, rated),
        plcc=plcc(good, rated),
        pairwise=pairwise_agreement(good, rated, scenes),
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
