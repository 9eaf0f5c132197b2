"""How far a set of predictions is from the set of true photographs."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np

from chromalab.functional.frechet import Moments, frechet_distance
from chromalab.functional.threads import one_torch_thread
from chromalab.metrics.facts import SetValue
from chromalab.metrics.metric import SetMetric
from chromalab.metrics.networks import LITE0
from chromalab.nets.efficientnet_lite0 import TAP_CHANNELS
from chromalab.stats.jackknife import jackknife_variance

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView

JACKKNIFE_GROUPS = 20
MIN_PHOTOS = 30
"""Below this number there is no value: hardly any covariance, and groups of one photo."""

FREELY_COMPARABLE_PHOTOS = 640
"""Twice the number of features; below it the covariance is so poor that the number of photos drives the distance."""


class FrechetAccumulator:
    """Sums for the Fréchet distance between pooled features of predictions and of targets, and for its jackknife.

    Photo k belongs to group k mod 20, and every group keeps its own sums, so the distance without a group needs no
    second look at the photos. Memory is 20 matrices for each side, however many photos there are.

    Args:
        dimensions: number of features D.
    """

    def __init__(self, dimensions: int) -> None:
        self.n = 0
        self._preds = [Moments.zero(dimensions) for _ in range(JACKKNIFE_GROUPS)]
        self._target = [Moments.zero(dimensions) for _ in range(JACKKNIFE_GROUPS)]

    def update(self, preds: PhotoView, target: PhotoView) -> None:
        """Add B photos."""
        self.add_features(preds.lite0_pooled, target.lite0_pooled)

    def add_features(self, preds: Tensor, target: Tensor) -> None:
        """Add the features (B, D) of B predictions and of their targets."""
        rows = (preds.double().cpu().numpy(), target.double().cpu().numpy())
        for index in range(min(JACKKNIFE_GROUPS, len(preds))):
            group = (self.n + index) % JACKKNIFE_GROUPS
            self._preds[group] += Moments.of(rows[0][index::JACKKNIFE_GROUPS])
            self._target[group] += Moments.of(rows[1][index::JACKKNIFE_GROUPS])
        self.n += len(preds)

    def merge(self, other: Self) -> None:
        """Add the photos of `other` after those that are here: its photo k becomes photo k + n."""
        for group in range(JACKKNIFE_GROUPS):
            here = (group + self.n) % JACKKNIFE_GROUPS
            self._preds[here] += other._preds[group]
            self._target[here] += other._target[group]
        self.n += other.n

    @one_torch_thread()
    def compute(self) -> SetValue:
        """Return the distance with its jackknife replicates, or the reason why there is none."""
        if self.n < MIN_PHOTOS:
            reason = f"a Fréchet distance needs at least {MIN_PHOTOS} photographs, not {self.n}"
            return SetValue(value=None, n=self.n, reason=reason)
        preds, target = sum_moments(self._preds), sum_moments(self._target)
        replicates = [
            frechet_distance(preds - preds_group, target - target_group)
            for preds_group, target_group in zip(self._preds, self._target, strict=True)
        ]
        return SetValue(
            value=frechet_distance(preds, target),
            jackknife_se=math.sqrt(jackknife_variance(replicates)),
            replicates=replicates,
            n=self.n,
            reason=None if self.n >= FREELY_COMPARABLE_PHOTOS else "compare only at equal n",
        )


def sum_moments(parts: list[Moments]) -> Moments:
    """Return the moments of all vectors of all parts."""
    totals = np.sum([part.total for part in parts], axis=0)
    outers = np.sum([part.outer for part in parts], axis=0)
    return Moments(sum(part.n for part in parts), totals, outers)


FRECHET_LITE0 = SetMetric(
    name="frechet_lite0",
    label="Fréchet-Lite0",
    direction="lower",
    role="distribution",
    formula="|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the spatial means of Lite0's fifth tap, 320 values",
    source="the form of Heusel et al. 2017 (FID) over another network; its values are not FIDs",
    network=LITE0,
    note=f"compare only at equal numbers of photos below {FREELY_COMPARABLE_PHOTOS}",
    accumulator=partial(FrechetAccumulator, TAP_CHANNELS[-1]),
)
