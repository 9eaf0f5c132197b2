"""Try a color metric with two weights against human ratings, and record whether it should replace `color_perceptual`.

    taskset -c 0 python -m tools.release.color_metric HECD [--cache FOLDER] [--json results/people/color_metric.json]

HECD is the folder of the rated images. A candidate is the distance at a network's deepest tap after the prediction's
mean (a*, b*) has been shifted to that of the ground truth, plus the size of this shift in units of CIELAB. Its two
weights are fitted to single ratings by a mixed ordinal model, for each scene from the other scenes. It is compared with
existing metrics by the rank correlations within scenes, in a bootstrap over scenes.

The decision was fixed before any candidate was fitted: a candidate replaces `color_perceptual` if its mean correlation
over all recolorings is higher and the interval of the difference excludes 0, at 95% for both candidates together.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from chromalab.color.spaces import lab_to_rgb, rgb_to_lab
from chromalab.core.files import write_text
from chromalab.core.progress import progress
from chromalab.core.records import Record
from chromalab.evaluation.calibrate import calibrate_with_scores
from chromalab.evaluation.ratings import load_hecd
from chromalab.functional.color_perceptual import color_perceptual
from chromalab.functional.perceptual import feature_distance
from chromalab.functional.tensors import image_tensor, one_torch_thread
from chromalab.metrics.perceptual import shipped_parameters
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PhotoScorer
from chromalab.nets.efficientnet_lite import load_efficientnet_lite
from chromalab.photo.reading import read_photo
from chromalab.stats.agreement import srcc
from chromalab.stats.ordinal import fit_ordinal
from chromalab.weights.manifest import MANIFEST
from tools import parser_of, read_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.evaluation.ratings import RatedImage, Ratings
    from chromalab.metrics.photo_view import PhotoView
    from chromalab.nets.efficientnet_lite import EfficientNetLite, LiteName

TODAY = "color_perceptual"
REFITTED = "color_perceptual_refitted"
REGISTERED = ("ms_ssim", "lpips_alex", "lpips_squeeze", "delta_e_2000")
TRUNKS: dict[str, LiteName] = {"lite0": "efficientnet_lite0", "lite1": "efficientnet_lite1"}
CANDIDATES = {"lite0_two_weights": ("lite0_unshifted", "shift"), "lite1_two_weights": ("lite1_unshifted", "shift")}
"""Candidates for a new metric -> the distances that their weights multiply."""

TAPS = tuple(f"{trunk}_{kind}" for trunk in TRUNKS for kind in ("tap5", "unshifted"))
"""Distances at the deepest tap alone: of the images as they are, and without the mean shift."""
COMPARED = (*CANDIDATES, TODAY, REFITTED, *TAPS, "shift", *REGISTERED)
RIVALS = (TODAY, "lpips_alex", "ms_ssim", "lite0_tap5")
DRAWS = 10_000
ALPHA = 0.05

Distances = dict[str, dict[str, float]]
"""Name of an image -> name of a distance -> its value; lower is better."""


class Difference(Record):
    """A mean difference over scenes with its bootstrap interval.

    Attributes:
        mean: mean over scenes of the difference of two rank correlations.
        low: lower end of the interval.
        high: upper end.
    """

    mean: float
    low: float
    high: float


class Weights(Record):
    """Two weights that were fitted to ratings.

    Attributes:
        features: weight of the distance at the deepest tap.
        shift: weight of the mean shift of (a*, b*), per unit of CIELAB.
        rater_sd: standard deviation of the raters' effects, in logits.
    """

    features: float
    shift: float
    rater_sd: float


class Candidate(Record):
    """A candidate for a new metric.

    Attributes:
        weights: the weights fitted to all scenes.
        folds: the weights fitted without each scene, by which its images are scored.
        against_today: its correlation over all recolorings minus that of `color_perceptual`; the interval has the level
            of the decision.
        replaces: whether it replaces `color_perceptual`.
    """

    weights: Weights
    folds: dict[str, Weights]
    against_today: Difference
    replaces: bool


class Correlations(Record):
    """Rank correlations of a metric with human ratings within scenes, oriented so that 1 is full agreement.

    Attributes:
        mean: mean over scenes by subset of the images: `all`, `synthetic`, `colorizers`, and `not_designed_on` for all
            images of the scenes that `color_perceptual` was not designed on.
        scenes: the correlation in each scene by subset.
        gap: correlation on synthetic recolorings minus that on outputs of colorizers.
        against: by subset and rival, this metric's correlation minus the rival's; for candidates and today's metric.
    """

    mean: dict[str, float]
    scenes: dict[str, dict[str, float]]
    gap: Difference
    against: dict[str, dict[str, Difference]] = {}


class ColorMetricRecord(Record):
    """The comparison of candidates for a new color metric with existing metrics.

    Attributes:
        ratings: name of the set of ratings.
        ratings_sha256: hash of its file.
        designed_on: the scenes that `color_perceptual` was designed on.
        n_images: number of rated images by subset.
        n_ratings: number of single ratings.
        n_raters: number of raters.
        draws: number of bootstrap draws.
        level: level of every interval except that of the decision.
        decision_level: level of the intervals that decide.
        candidates: the candidates.
        metrics: correlations of candidates and existing metrics.
        weights_sha256: hashes of the networks' weights.
    """

    ratings: str
    ratings_sha256: str
    designed_on: list[str]
    n_images: dict[str, int]
    n_ratings: int
    n_raters: int
    draws: int = DRAWS
    level: float = 1 - ALPHA
    decision_level: float = 1 - ALPHA / len(CANDIDATES)
    candidates: dict[str, Candidate]
    metrics: dict[str, Correlations]
    weights_sha256: dict[str, str]


@torch.inference_mode()
def measured_distances(ratings: Ratings) -> Distances:
    """Return the distances of every rated image whose parameters do not depend on all scenes."""
    scorer = PhotoScorer(REGISTERED)
    trunks = {name: load_efficientnet_lite(weights) for name, weights in TRUNKS.items()}
    found: Distances = {}
    truths: dict[Path, tuple[PhotoView, dict[str, Tensor]]] = {}
    with one_torch_thread(), progress("distances", len(ratings.images), unit="images") as advance:
        for image in ratings.images:
            if image.reference not in truths:
                truths.clear()
                view = scorer.view(image_tensor(read_photo(image.reference).rgb))
                truths[image.reference] = view, {name: trunk.taps(view.rgb)[-1] for name, trunk in trunks.items()}
            preds = scorer.view(image_tensor(read_photo(image.path).rgb))
            found[image.image] = _distances(image, preds, *truths[image.reference], scorer, trunks)
            advance()
    return found


def _distances(
    image: RatedImage,
    preds: PhotoView,
    target: PhotoView,
    truth: Mapping[str, Tensor],
    scorer: PhotoScorer,
    trunks: Mapping[str, EfficientNetLite],
) -> dict[str, float]:
    values = {name: float(value) for name, value in scorer.score(preds, target).items()}
    found = {name: -value if METRICS[name].direction == "higher" else value for name, value in values.items()}
    parameters = shipped_parameters().folds.get(image.scene, shipped_parameters())
    found[TODAY] = float(color_perceptual(preds.rgb, target.rgb, trunks["lite0"], parameters))
    unshifted, found["shift"] = without_shift(preds.rgb, target.rgb)
    for name, trunk in trunks.items():
        found[f"{name}_tap5"] = float(feature_distance([trunk.taps(preds.rgb)[-1]], [truth[name]]))
        found[f"{name}_unshifted"] = float(feature_distance([trunk.taps(unshifted)[-1]], [truth[name]]))
    return found


def without_shift(preds: Tensor, target: Tensor) -> tuple[Tensor, float]:
    """Return a prediction whose mean (a*, b*) is that of the ground truth before clipping, and how far it was shifted.

    Args:
        preds: RGB (1, 3, H, W) in [0, 1].
        target: the same shape and range.

    Returns:
        RGB (1, 3, H, W), and the distance of the two means in (a*, b*).
    """
    lab, truth = rgb_to_lab(preds.double()), rgb_to_lab(target.double())
    shift = (lab - truth)[:, 1:].mean(dim=(2, 3), keepdim=True)
    moved = torch.cat([lab[:, :1], lab[:, 1:] - shift], dim=1)
    return lab_to_rgb(moved).clamp(0, 1).to(preds.dtype), float(shift.norm())


def refitted_distances(ratings: Ratings) -> Distances:
    """Return `color_perceptual` of every image, chosen and fitted anew without the image's scene."""
    _, found = calibrate_with_scores(ratings, threads=1)
    return {image: {REFITTED: value} for image, value in found.items()}


@dataclass(frozen=True)
class RatedDistances:
    """Distances of images with their mean ratings and the single ratings.

    Attributes:
        scenes: scene of each image, (n,).
        is_real: whether the image is the output of a colorizer, (n,).
        people: mean rating, higher is better, (n,).
        distances: name -> (n,), lower is better.
        rated: row of the image of each single rating, (m,).
        raters: who gave it, (m,).
        differences: score of the image minus that of the ground truth, from -4 to 4, (m,).
    """

    scenes: NDArray[np.str_]
    is_real: NDArray[np.bool_]
    people: NDArray[np.float64]
    distances: dict[str, NDArray[np.float64]]
    rated: NDArray[np.intp]
    raters: NDArray[np.str_]
    differences: NDArray[np.intp]

    @property
    def names(self) -> list[str]:
        """The names of the scenes, in order of first appearance."""
        return list(dict.fromkeys(self.scenes.tolist()))


def rated_distances(
    ratings: Ratings, votes: Sequence[Mapping[str, str]], tables: Sequence[Distances]
) -> RatedDistances:
    """Return the distances of rated images.

    Args:
        ratings: the images and their mean ratings.
        votes: rows of single ratings: rater, image, score, gt_score.
        tables: distances of all images.
    """
    rows = [{name: value for table in tables for name, value in table[image.image].items()} for image in ratings.images]
    at = {image.image: place for place, image in enumerate(ratings.images)}
    used = [vote for vote in votes if vote["image"] in at]
    return RatedDistances(
        np.array([image.scene for image in ratings.images]),
        np.array([image.is_real for image in ratings.images]),
        np.array([image.score for image in ratings.images]),
        {name: np.array([row[name] for row in rows]) for name in rows[0]},
        np.array([at[vote["image"]] for vote in used]),
        np.array([vote["rater"] for vote in used]),
        np.array([int(vote["score"]) - int(vote["gt_score"]) for vote in used]),
    )


def fitted_weights(data: RatedDistances, parts: Sequence[str], without: str | None = None) -> Weights:
    """Fit the weights of two distances to single ratings; no weight is negative.

    Scenes have an effect of their own, so that only differences between images of one scene count.

    Args:
        data: distances and ratings.
        parts: names of the two distances.
        without: a scene to leave out.
    """
    kept = data.scenes[data.rated] != (without or "")
    rows = data.rated[kept]
    table = np.stack([data.distances[name][rows] for name in parts], axis=1)
    scale = table.std(axis=0)
    scenes = data.scenes[rows][:, None] == [name for name in data.names if name != without][1:]
    bounds = [(0.0, np.inf)] * 2 + [(-np.inf, np.inf)] * scenes.shape[1]
    covariates = np.concatenate([-table / scale, scenes], axis=1)
    fit = fit_ordinal(data.differences[kept], covariates, data.raters[kept], bounds=bounds)
    features, shift = (fit.coefficients[:2] / scale).tolist()
    return Weights(features=features, shift=shift, rater_sd=fit.rater_sd)


def correlations(data: RatedDistances, distance: NDArray[np.float64], inside: NDArray[np.bool_]) -> dict[str, float]:
    """Return the rank correlation with mean ratings in each scene of a subset of the images."""
    found = {}
    for scene in data.names:
        kept = inside & (data.scenes == scene)
        value = srcc(-distance[kept], data.people[kept]) if kept.any() else None
        if value is not None:
            found[scene] = value
    return found


def difference(first: Mapping[str, float], second: Mapping[str, float], level: float = 1 - ALPHA) -> Difference:
    """Return the mean difference over the scenes of both with its percentile bootstrap interval over scenes."""
    values = np.array([first[scene] - second[scene] for scene in first if scene in second])
    draws = np.random.default_rng(0).choice(values, size=(DRAWS, len(values))).mean(axis=1)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Difference(mean=float(values.mean()), low=low, high=high)


def color_metric_record(
    data: RatedDistances, ratings: Ratings, designed_on: Sequence[str], weights_sha256: dict[str, str]
) -> ColorMetricRecord:
    """Fit the candidates and compare them with existing metrics."""
    folds = {
        name: {scene: fitted_weights(data, parts, without=scene) for scene in data.names}
        for name, parts in CANDIDATES.items()
    }
    distances = data.distances | {name: out_of_fold(data, CANDIDATES[name], folds[name]) for name in CANDIDATES}
    subsets = {
        "all": np.ones(len(data.people), dtype=bool),
        "synthetic": ~data.is_real,
        "colorizers": data.is_real,
        "not_designed_on": ~np.isin(data.scenes, designed_on),
    }
    found = {
        name: {subset: correlations(data, distances[name], inside) for subset, inside in subsets.items()}
        for name in COMPARED
    }
    return ColorMetricRecord(
        ratings=ratings.name,
        ratings_sha256=ratings.sha256,
        designed_on=list(designed_on),
        n_images={subset: int(inside.sum()) for subset, inside in subsets.items()},
        n_ratings=len(data.rated),
        n_raters=len(set(data.raters.tolist())),
        candidates={
            name: _candidate(fitted_weights(data, parts), folds[name], found[name]["all"], found[TODAY]["all"])
            for name, parts in CANDIDATES.items()
        },
        metrics={name: _row(name, found) for name in COMPARED},
        weights_sha256=weights_sha256,
    )


def out_of_fold(data: RatedDistances, parts: Sequence[str], folds: Mapping[str, Weights]) -> NDArray[np.float64]:
    """Return the weighted sum of two distances for every image, with the weights fitted without its scene."""
    features, shift = (data.distances[part] for part in parts)
    weights = [folds[scene] for scene in data.scenes.tolist()]
    factors = np.array([(fold.features, fold.shift) for fold in weights])
    found: NDArray[np.float64] = factors[:, 0] * features + factors[:, 1] * shift
    return found


def _candidate(
    weights: Weights, folds: dict[str, Weights], own: Mapping[str, float], today: Mapping[str, float]
) -> Candidate:
    against = difference(own, today, level=1 - ALPHA / len(CANDIDATES))
    return Candidate(weights=weights, folds=folds, against_today=against, replaces=against.low > 0)


def _row(name: str, found: Mapping[str, Mapping[str, dict[str, float]]]) -> Correlations:
    own = dict(found[name])
    rivals = [rival for rival in RIVALS if name in {*CANDIDATES, TODAY} and rival != name]
    return Correlations(
        mean={subset: float(np.mean(list(values.values()))) for subset, values in own.items()},
        scenes=own,
        gap=difference(own["synthetic"], own["colorizers"]),
        against={
            subset: {rival: difference(values, found[rival][subset]) for rival in rivals}
            for subset, values in own.items()
            if rivals
        },
    )


def cached(path: Path, compute: Callable[[Ratings], Distances], ratings: Ratings) -> Distances:
    """Return distances from a file, which is written if it does not exist."""
    if not path.exists():
        write_text(path, json.dumps(compute(ratings)))
    return cast("Distances", json.loads(path.read_text(encoding="utf-8")))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the distances, fit the candidates and write the record."""
    parser = parser_of(__doc__)
    parser.add_argument("hecd", type=Path, help="folder with images/, ratings.csv and ratings_raw.csv")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "color_metric")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    ratings = load_hecd(options.hecd)
    tables = [
        cached(options.cache / f"{compute.__name__}-{ratings.sha256[:12]}.json", compute, ratings)
        for compute in (measured_distances, refitted_distances)
    ]
    data = rated_distances(ratings, read_csv(options.hecd / "ratings_raw.csv"), tables)
    hashes = {str(name): MANIFEST[name].sha256 for name in TRUNKS.values()}
    record = color_metric_record(data, ratings, sorted(shipped_parameters().folds), hashes)
    for name, row in record.metrics.items():
        print(f"{name:28}", *(f"{subset} {mean:.3f}" for subset, mean in row.mean.items()))
    if options.json is not None:
        record.save(options.json)


if __name__ == "__main__":
    main()
