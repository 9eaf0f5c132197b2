"""Faults that show in a picture by itself: colors driven out of the gamut, and blotches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.metrics.metric import PhotoMetric

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView


def _gamut_share(preds: PhotoView, target: PhotoView) -> Tensor:  # noqa: ARG001 - the truth has no part in it
    return preds.gamut_share


def _blotches(preds: PhotoView, target: PhotoView) -> Tensor:  # noqa: ARG001 - the truth has no part in it
    return preds.blotches


GAMUT_SHARE = PhotoMetric(
    name="gamut_share",
    label="Share at the gamut's edge",
    direction="closer",
    high=1.0,
    role="color",
    formula="share of pixels with C*_ab of 10 or more and a channel at 0 or 255",
    source="this project",
    reference="none",
    note="saturated things of true photographs lie there, too",
    measure=_gamut_share,
)
BLOTCHES = PhotoMetric(
    name="blotches",
    label="Blotches",
    direction="closer",
    high=1.0,
    role="color",
    formula="share of pixels with |C*_ab - its 31x31 median| > 15 and |L* - its 31x31 median| <= 3",
    source="this project",
    reference="none",
    note="edges of colored things count, so true photographs have some",
    measure=_blotches,
)
