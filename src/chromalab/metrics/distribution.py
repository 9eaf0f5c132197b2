"""How far a set of predictions is from a set of true photographs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chromalab.functional.frechet import Moments, frechet_distance
from chromalab.metrics.facts import SetValue
from chromalab.metrics.metric import SetMetric
from chromalab.metrics.networks import LITE0
from chromalab.stats.jackknife import jackknife_variance

if TYPE_CHECKING:
    from chromalab.metrics.rows import Rows

JACKKNIFE_GROUPS = 20
MIN_PHOTOS = 30
"""Below this number there is no value: hardly any covariance, and groups of one photo."""

FREELY_COMPARABLE_PHOTOS = 640
"""Twice the number of features; below it the covariance is so poor that the number of photos drives the distance."""


def compare_frechet(preds: Rows, target: Rows) -> SetValue:
    """Return the Fréchet distance between two sets of features with its jackknife replicates, or why there is none.

    Photo k belongs to group k mod 20; a replicate is the distance without one group of both sets. Memory is 20
    covariances for each set, however many photos there are.
    """
    n = min(len(preds), len(target))
    if n < MIN_PHOTOS:
        return SetValue(value=None, n=n, reason=f"a Fréchet distance needs at least {MIN_PHOTOS} photographs, not {n}")
    groups = grouped_moments(preds), grouped_moments(target)
    preds_all, target_all = (sum_moments(parts) for parts in groups)
    replicates = [
        frechet_distance(preds_all - without, target_all - target_without)
        for without, target_without in zip(*groups, strict=True)
    ]
    return SetValue(
        value=frechet_distance(preds_all, target_all),
        jackknife_se=math.sqrt(jackknife_variance(replicates)),
        replicates=replicates,
        n=n,
        reason=None if n >= FREELY_COMPARABLE_PHOTOS else "compare only at equal n",
    )


def grouped_moments(rows: Rows) -> list[Moments]:
    """Return the moments of each group of photos, where photo k belongs to group k mod 20."""
    groups = [Moments.zero(rows.dimensions) for _ in range(JACKKNIFE_GROUPS)]
    for block in rows.blocks(JACKKNIFE_GROUPS * 50):  # a multiple of the groups, so every block begins with group 0
        for group in range(min(JACKKNIFE_GROUPS, len(block))):
            groups[group] += Moments.of(block[group::JACKKNIFE_GROUPS])
    return groups


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
    features="lite0_pooled",
    compare=compare_frechet,
)
