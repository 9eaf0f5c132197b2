"""Made-up distances and ratings whose cause is known."""

from __future__ import annotations

import numpy as np

from chromalab.evaluation.ratings import Ratings
from tools.release.color_metric import COMPARED, ColorMetricRecord, RatedDistances, color_metric_record

N_SCENES, N_IMAGES, N_RATERS = 5, 12, 60
PARTS = ("lite0_unshifted", "shift")
RATIO = 0.05
"""Planted weight of a unit of shift relative to that of the features."""


def made_up(cause: str) -> RatedDistances:
    """Return ratings that follow `cause`: `planted`, a weighted sum of the first candidate's parts, or a distance."""
    generator = np.random.default_rng(0)
    n = N_SCENES * N_IMAGES
    distances = {name: generator.uniform(size=n) for name in COMPARED} | {"shift": 20 * generator.uniform(size=n)}
    planted = distances[PARTS[0]] + RATIO * distances["shift"]
    better = -5 * (planted if cause == "planted" else distances[cause])
    rated = np.tile(np.arange(n), N_RATERS // 4)
    raters = np.arange(len(rated)) % N_RATERS
    effects = 0.5 * generator.normal(size=N_RATERS)
    latent = better[rated] + effects[raters] + generator.logistic(size=len(rated))
    levels = np.searchsorted(np.quantile(latent, [0.2, 0.4, 0.6, 0.8]), latent) - 2
    scenes = np.repeat([f"scene{number}" for number in range(N_SCENES)], N_IMAGES)
    is_real = np.arange(n) % 2 == 0
    return RatedDistances(scenes, is_real, better, distances, rated, raters.astype(str), levels)


def record_of(data: RatedDistances) -> ColorMetricRecord:
    return color_metric_record(data, Ratings("made_up", (), "0" * 64), ["scene0", "scene1"], {})
