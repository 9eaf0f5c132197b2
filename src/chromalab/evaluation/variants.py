"""Metrics as published code computes them where it departs from their definitions, for protocols that reproduce it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import skimage.metrics
import torch

from chromalab.functional.color import colorfulness
from chromalab.metrics.color import COLORFULNESS, COLORFULNESS_DIFFERENCE, DELTA_COLORFULNESS
from chromalab.metrics.distribution import FID, FRECHET_LITE0, KID, KID_LITE0
from chromalab.metrics.features import FEATURES, Features, Rows
from chromalab.metrics.fidelity import SSIM

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.metrics.facts import SetValue
    from chromalab.metrics.metric import Metric, SetMetric
    from chromalab.metrics.photo_view import PhotoView

_SSIM_WINDOW_PX = 7


def _absolute(view: PhotoView) -> Tensor:
    return colorfulness(view.exact, absolute=True)


FEATURES.add(
    "colorfulness_absolute",
    Features(name="colorfulness_absolute", dimensions=1, of=lambda view: _absolute(view)[:, None]),
)

_ABSOLUTE = "rg = |R - G|, yb = |(R + G) / 2 - B|"

ABSOLUTE_COLORFULNESS: tuple[Metric, ...] = (
    replace(
        COLORFULNESS,
        formula=f"as Hasler and Süsstrunk's, but {_ABSOLUTE}",
        measure=lambda preds, target: _absolute(preds),  # noqa: ARG005 - the truth has no part in it
    ),
    replace(
        COLORFULNESS_DIFFERENCE,
        formula=f"|CF(prediction) - CF(target)| with {_ABSOLUTE}",
        measure=lambda preds, target: (_absolute(preds) - _absolute(target)).abs(),
    ),
    replace(
        DELTA_COLORFULNESS,
        formula=f"|mean CF(predictions) - mean CF(targets)| with {_ABSOLUTE}",
        features="colorfulness_absolute",
    ),
)
"""Colorfulness as in the code of DDColor and CT2."""


def _ssim_225(preds: PhotoView, target: PhotoView) -> Tensor:
    pairs = zip(_levels(preds), _levels(target), strict=True)
    values = [
        skimage.metrics.structural_similarity(first, second, data_range=225, channel_axis=2) for second, first in pairs
    ]
    return torch.tensor(values, dtype=torch.float64)


def _levels(view: PhotoView) -> list[object]:
    levels = (view.rgb * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return list(levels)


SSIM_225 = replace(
    SSIM,
    formula="scikit-image's SSIM with its default 7x7 window and data_range=225 on values up to 255",
    source="the evaluation code of CT2",
    measure=_ssim_225,
    smallest_side_px=_SSIM_WINDOW_PX,
)


def _halves(metric: SetMetric) -> SetMetric:
    def compare(preds: Rows, target: Rows) -> SetValue:
        middle = len(preds) // 2
        return metric.compare(_part(preds, 0, middle), _part(target, middle, len(target) - middle))

    return replace(
        metric,
        formula=f"{metric.formula}; predictions of the first half, targets of the second",
        note="half as many photos as in the other protocols",
        compare=compare,
        is_paired=True,
    )


def _part(rows: Rows, start: int, count: int) -> Rows:
    """Return some of the rows as rows of their own, a block at a time."""
    part = Rows(rows.dimensions)
    for first in range(start, start + count, 1024):
        part.append(rows.read(first, min(1024, start + count - first)))
    return part


NON_OVERLAPPING: tuple[Metric, ...] = tuple(_halves(metric) for metric in (FRECHET_LITE0, KID_LITE0, FID, KID))
"""Distances of sets that share no photograph, as ColTran's."""
