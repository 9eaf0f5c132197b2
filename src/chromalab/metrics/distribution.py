"""Metrics of whole sets of photos: Fréchet and kernel distances (FID, KID) to a set of true photos."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from chromalab.functional.distribution import (
    KernelSums,
    Moments,
    frechet_distance,
    kernel_sums,
    squared_mmd,
)
from chromalab.metrics.facts import SetValue
from chromalab.metrics.metric import Metric, SetMetric
from chromalab.metrics.photo_view import INCEPTION, LITE0
from chromalab.stats.intervals import jackknife_variance

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.metrics.rows import Rows


JACKKNIFE_GROUPS = 20
MIN_PHOTOS = 30
"""Smallest number of photos with a value; fewer give a poor covariance and jackknife groups of one photo."""

KID_BLOCK = 1000
"""Number of photos in a block of the kernel distance, as in the subsets that published KIDs average over."""


def compare_frechet(preds: Rows, target: Rows) -> SetValue:
    """Return the Fréchet distance between two sets of features with its jackknife replicates, or why there is none.

    Photo k belongs to group k mod 20. A replicate is the distance without one group of both sets. The memory is that of
    20 covariances per set, for any number of photos.
    """
    n = min(len(preds), len(target))
    if n < MIN_PHOTOS:
        return _too_few("a Fréchet distance", n)
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
        reason=_caveat(n, preds.dimensions),
    )


def compare_frechet_plainly(preds: Rows, target: Rows) -> SetValue:
    """Return the Fréchet distance without an interval; 20 replicates of 2,048 features would take many minutes."""
    n = min(len(preds), len(target))
    if n < MIN_PHOTOS:
        return _too_few("a Fréchet distance", n)
    value = frechet_distance(*(moments(rows) for rows in (preds, target)))
    return SetValue(value=value, n=n, reason=_caveat(n, preds.dimensions))


def _too_few(what: str, n: int) -> SetValue:
    return SetValue(value=None, n=n, reason=f"{what} needs at least {MIN_PHOTOS} photos, not {n}")


def _caveat(n: int, dimensions: int) -> str | None:
    """Return a caveat for fewer photos than twice the features, where the distance depends mainly on their number."""
    return None if n >= 2 * dimensions else "compare only at equal n"


def moments(rows: Rows) -> Moments:
    """Return the moments of all rows, summed over blocks."""
    return sum((Moments.of(block) for block in rows.blocks()), start=Moments.zero(rows.dimensions))


def compare_kernels(preds: Rows, target: Rows) -> SetValue:
    """Return the kernel distance between two sets of features with its jackknife replicates, or why there is none.

    The distance is the mean over consecutive blocks of up to 1,000 photos. Published KIDs average over random subsets
    of this size. With disjoint blocks, every photo counts once, and the result is not random. The memory does not grow
    with the number of photos. A set of more true photos than predictions has larger blocks, which take more time.
    """
    n = min(len(preds), len(target))
    if n < MIN_PHOTOS:
        return _too_few("a kernel distance", n)
    count = math.ceil(n / KID_BLOCK)
    blocks = [_block_sums(preds, target, index, blocks=count) for index in range(count)]
    replicates = [
        float(np.mean([squared_mmd(block, without) for block in blocks])) for without in range(JACKKNIFE_GROUPS)
    ]
    return SetValue(
        value=float(np.mean([squared_mmd(block) for block in blocks])),
        jackknife_se=math.sqrt(jackknife_variance(replicates)),
        replicates=replicates,
        n=n,
    )


def _block_sums(preds: Rows, target: Rows, index: int, blocks: int) -> KernelSums:
    """Return the sums over one of `blocks` blocks of nearly equal size."""
    return kernel_sums(_block(preds, index, blocks), _block(target, index, blocks), JACKKNIFE_GROUPS)


def _block(rows: Rows, index: int, blocks: int) -> _Block:
    """Return one block; every block begins with a photo of the first group."""
    start, stop = (_edge(len(rows), number, blocks) for number in (index, index + 1))
    return _Block(rows, start, stop)


@dataclass(frozen=True)
class _Block:
    """Rows from `start` to before `stop`, read when they are sliced: a set may be larger than the memory."""

    rows: Rows
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, rows: slice, /) -> Tensor:
        start, stop, _ = rows.indices(len(self))
        return torch.from_numpy(self.rows.read(self.start + start, stop - start))


def _edge(n: int, number: int, blocks: int) -> int:
    exact = n * number // blocks
    return n if number == blocks else exact - exact % JACKKNIFE_GROUPS


def compare_means(preds: Rows, target: Rows) -> SetValue:
    """Return the difference of the sets' means of a single number, with its jackknife replicates."""
    n = min(len(preds), len(target))
    if n == 0:
        return SetValue(value=None, n=0, reason="there are no photos")
    values = [rows.read()[:, 0] for rows in (preds, target)]
    value = abs(values[0].mean() - values[1].mean())
    if n < JACKKNIFE_GROUPS:
        return SetValue(value=value, n=n, reason=f"an interval needs at least {JACKKNIFE_GROUPS} photos, not {n}")
    means = [[_without(column, group) for column in values] for group in range(JACKKNIFE_GROUPS)]
    replicates = [abs(first - second) for first, second in means]
    return SetValue(value=value, jackknife_se=math.sqrt(jackknife_variance(replicates)), replicates=replicates, n=n)


def _without(column: NDArray[np.float64], group: int) -> float:
    return float(column[np.arange(len(column)) % JACKKNIFE_GROUPS != group].mean())


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
    note="compare only at equal numbers of photos below 640, twice the number of features",
    features="lite0_pooled",
    compare=compare_frechet,
)
KID_LITE0 = SetMetric(
    name="kid_lite0",
    label="Kernel-Lite0",
    direction="lower",
    low=-math.inf,
    role="distribution",
    formula="unbiased squared MMD with the kernel (x . y / 320 + 1)^3 of the same features, mean over blocks of 1,000",
    source="the form of Bińkowski et al. 2018 (KID) over another network; its values are not KIDs",
    network=LITE0,
    note="unbiased at any number of photos; below 0 where the sets are alike",
    features="lite0_pooled",
    compare=compare_kernels,
)
FID = SetMetric(
    name="fid",
    label="FID",
    direction="lower",
    role="distribution",
    formula="|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of 2,048 values of Inception v3 at 299 px",
    source="Heusel et al. 2017; weights of 2015-12-05, resized as in clean-fid (Parmar et al. 2022)",
    network=INCEPTION,
    note="compare only at equal numbers of photos, resized in the same way; without an interval",
    features="inception_pooled",
    compare=compare_frechet_plainly,
)
KID = SetMetric(
    name="kid",
    label="KID",
    direction="lower",
    low=-math.inf,
    role="distribution",
    formula="unbiased squared MMD with the kernel (x . y / 2048 + 1)^3 of FID's features, mean over blocks of 1,000",
    source="Bińkowski et al. 2018, eq. 4; disjoint blocks instead of random subsets",
    network=INCEPTION,
    note="unbiased at any number of photos; below 0 where the sets are alike",
    features="inception_pooled",
    compare=compare_kernels,
)

ENTRIES: tuple[Metric, ...] = (FRECHET_LITE0, KID_LITE0, FID, KID)
