"""Calibration of `color_perceptual` on human ratings, with nested leave-one-scene-out validation.

Ratings of a handful of scenes are easily overfitted. The metric therefore has few weights, which cannot be negative.
The reported correlations come from leaving out one scene at a time and choosing everything without it: the size of the
images, the parts that count, the regularization and the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import scipy.optimize
import torch

from chromalab.core.errors import UsageError
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.evaluation.ratings import rated_pair
from chromalab.functional.color_perceptual import PARTS, ColorPerceptualParameters, color_parts
from chromalab.functional.tensors import image_tensor, one_torch_thread
from chromalab.metrics.perceptual import shipped_parameters
from chromalab.nets.efficientnet_lite import load_efficientnet_lite0
from chromalab.stats.agreement import scene_srcc, srcc
from chromalab.training.hardware import physical_cores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.evaluation.ratings import RatedImage, Ratings
    from chromalab.nets.efficientnet_lite import EfficientNetLite

SIDES_PX = (128, 160, 224)
SUBSETS = (("things",), ("things", "worst_places"), ("things", "whole", "paleness"), PARTS)
RIDGES = (1.0, 3.0)
MIN_SCENES = 3
MIN_IMAGES = 30


@dataclass(frozen=True)
class _Candidate:
    """A candidate for the form of the distance, before its weights are fitted."""

    side_px: int
    parts: tuple[str, ...]
    ridge: float


CANDIDATES = tuple(_Candidate(*candidate) for candidate in product(SIDES_PX, SUBSETS, RIDGES))


@dataclass(frozen=True)
class _Data:
    """The parts of the distance for every image at every size, with the ratings and the scenes of the images."""

    parts: Mapping[int, NDArray[np.float64]]
    people: NDArray[np.float64]
    scenes: NDArray[np.str_]

    def without(self, scene: str) -> _Data:
        """Return the data of the other scenes."""
        return self._kept(self.scenes != scene)

    def only(self, scene: str) -> _Data:
        """Return the data of one scene."""
        return self._kept(self.scenes == scene)

    def _kept(self, inside: NDArray[np.bool_]) -> _Data:
        parts = {side: table[inside] for side, table in self.parts.items()}
        return _Data(parts, self.people[inside], self.scenes[inside])

    @property
    def names(self) -> list[str]:
        """The names of the scenes, in order of first appearance."""
        return list(dict.fromkeys(self.scenes.tolist()))


def calibrate(ratings: Ratings, *, threads: int = 0) -> ColorPerceptualParameters:
    """Fit the parameters to ratings, see `calibrate_with_scores`."""
    return calibrate_with_scores(ratings, threads=threads)[0]


def calibrate_with_scores(ratings: Ratings, *, threads: int = 0) -> tuple[ColorPerceptualParameters, dict[str, float]]:
    """Fit the parameters to ratings, and score each image by parameters that are fitted without its scene.

    Args:
        ratings: at least 30 images of at least 3 scenes.
        threads: CPU threads, which do not change the result; 0 takes one per physical core.

    Returns:
        The parameters, and image -> out-of-fold distance.

    Raises:
        UsageError: there are too few images or scenes to fit the weights, or an image and its reference differ in size.
        MissingWeightsError: EfficientNet-Lite0 is not installed.
    """
    scenes = {image.scene for image in ratings.images}
    if len(scenes) < MIN_SCENES or len(ratings.images) < MIN_IMAGES:
        raise UsageError(
            f"calibration needs at least {MIN_IMAGES} images of {MIN_SCENES} scenes to avoid overfitting, but "
            f"{ratings.name} has {len(ratings.images)} of {len(scenes)}; collect more ratings"
        )
    sides = sorted({candidate.side_px for candidate in CANDIDATES})
    data = _measure(ratings, sides, workers=threads or physical_cores())
    folds = {scene: _fitted(data.without(scene)) for scene in data.names}
    held_out = np.concatenate([_distance(folds[scene], data.only(scene)) for scene in data.names])
    order = np.concatenate([np.flatnonzero(data.scenes == scene) for scene in data.names])
    people, groups = data.people[order], data.scenes[order].tolist()
    parameters = _fitted(data).model_copy(
        update={
            "fitted_to": ratings.name,
            "ratings_sha256": ratings.sha256,
            "n_images": len(ratings.images),
            "pooled_srcc": _rounded(srcc(-held_out, people)),
            "scene_srcc": _rounded(scene_srcc(-held_out, people, groups).value),
            "folds": folds,
        }
    )
    names = (ratings.images[place].image for place in order.tolist())
    return parameters, dict(zip(names, held_out.tolist(), strict=True))


def out_of_fold_scores(
    ratings: Ratings, parameters: ColorPerceptualParameters | None = None
) -> dict[str, float] | None:
    """Return the distance of each image by the parameters that were fitted without its scene.

    Args:
        ratings: the ratings.
        parameters: fitted parameters; None takes those that ship with the package.

    Returns:
        Image -> distance, or None if the parameters were fitted to other ratings.
    """
    known = parameters or shipped_parameters()
    if known.ratings_sha256 != ratings.sha256:
        return None
    data = _measure(ratings, sorted({fold.side_px for fold in known.folds.values()}), workers=physical_cores())
    found: dict[str, float] = {}
    for scene, fold in known.folds.items():
        values = _distance(fold, data.only(scene))
        names = (image.image for image in ratings.images if image.scene == scene)
        found |= dict(zip(names, values.tolist(), strict=True))
    return found


def load_parameters(path: Path) -> ColorPerceptualParameters:
    """Read parameters that `calibrate` fitted.

    Raises:
        ConfigError: the file is missing or holds no parameters.
    """
    return ColorPerceptualParameters.load(path)


def _measure(ratings: Ratings, sides: Sequence[int], *, workers: int) -> _Data:
    trunk = load_efficientnet_lite0().requires_grad_(requires_grad=False)
    work = partial(_parts, trunk=trunk, sides=sides)
    rows = []
    with one_torch_thread(), progress("parts of the distance", len(ratings.images), unit="images") as advance:
        for row in map_in_order(work, ratings.images, workers=workers):
            rows.append(row)
            advance()
    table = np.array(rows)
    return _Data(
        {side: table[:, place] for place, side in enumerate(sides)},
        np.array([image.score for image in ratings.images]),
        np.array([image.scene for image in ratings.images]),
    )


@torch.inference_mode()
def _parts(image: RatedImage, *, trunk: EfficientNetLite, sides: Sequence[int]) -> list[list[float]]:
    preds, target = map(image_tensor, rated_pair(image))
    found = [color_parts(preds, target, trunk, side) for side in sides]
    return [[float(parts[name]) for name in PARTS] for parts in found]


def _fitted(data: _Data) -> ColorPerceptualParameters:
    """Return the best candidate by leave-one-scene-out validation, fitted to all data."""
    best = max(CANDIDATES, key=lambda candidate: _predicts(candidate, data))
    return _fit(best, data)


def _predicts(candidate: _Candidate, data: _Data) -> float:
    """Return the pooled rank correlation with people for scenes that are left out of the fit."""
    values = np.empty(len(data.people))
    for scene in data.names:
        values[data.scenes == scene] = _distance(_fit(candidate, data.without(scene)), data.only(scene))
    return srcc(-values, data.people) or 0.0


def _fit(candidate: _Candidate, data: _Data) -> ColorPerceptualParameters:
    """Fit the weights by ridge regression of the ratings within scenes, with weights that are not negative.

    Each part is first divided by its standard deviation, so that the ridge penalty is the same for all. The weights are
    scaled so that the distance has a standard deviation of 1 over the images, which makes fits to different scenes
    comparable.
    """
    columns = [PARTS.index(name) for name in candidate.parts]
    parts = data.parts[candidate.side_px][:, columns]
    scale = np.maximum(parts.std(axis=0), 1e-9)
    centered, people = parts / scale, data.people.copy()
    for scene in data.names:
        inside = data.scenes == scene
        centered[inside] -= centered[inside].mean(axis=0)
        people[inside] -= people[inside].mean()
    penalty = np.sqrt(candidate.ridge * len(people)) * np.eye(len(columns))
    weights, _ = scipy.optimize.nnls(np.vstack([centered, penalty]), np.concatenate([-people, np.zeros(len(columns))]))
    weights = weights / scale
    weights = weights / max(float((parts @ weights).std()), 1e-9)
    return ColorPerceptualParameters(
        side_px=candidate.side_px,
        weights={name: float(f"{weight:.6g}") for name, weight in zip(candidate.parts, weights, strict=True)},
        ridge=candidate.ridge,
    )


def _distance(parameters: ColorPerceptualParameters, data: _Data) -> NDArray[np.float64]:
    table = data.parts[parameters.side_px]
    weights = np.array([parameters.weights.get(name, 0.0) for name in PARTS])
    values: NDArray[np.float64] = table @ weights
    return values


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
