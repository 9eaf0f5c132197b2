"""Colour differences, and how much colour there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.functional.delta_e import mean_delta_e_2000
from chromalab.metrics.metric import PhotoMetric

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView


def _delta_e_2000(preds: PhotoView, target: PhotoView) -> Tensor:
    return mean_delta_e_2000(preds.lab, target.lab)


def _colorfulness(preds: PhotoView, target: PhotoView) -> Tensor:  # noqa: ARG001 - the truth has no part in it
    return preds.colorfulness


def _colorfulness_difference(preds: PhotoView, target: PhotoView) -> Tensor:
    return (preds.colorfulness - target.colorfulness).abs()


def _chroma(preds: PhotoView, target: PhotoView) -> Tensor:  # noqa: ARG001 - the truth has no part in it
    return preds.chroma


DELTA_E_2000 = PhotoMetric(
    name="delta_e_2000",
    label="CIEDE2000",
    direction="lower",
    role="color",
    formula="mean over pixels of the CIEDE2000 difference under D65, k_L = k_C = k_H = 1",
    source="Sharma, Wu, Dalal 2005, eq. 22",
    measure=_delta_e_2000,
)
COLORFULNESS = PhotoMetric(
    name="colorfulness",
    label="Colorfulness",
    direction="closer",
    role="color",
    formula="sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2), rg = R - G, yb = (R + G) / 2 - B, RGB in 0..255",
    source="Hasler and Süsstrunk 2003",
    note="more is not better: false colours count as colours",
    measure=_colorfulness,
)
COLORFULNESS_DIFFERENCE = PhotoMetric(
    name="colorfulness_difference",
    label="|Colorfulness difference|",
    direction="lower",
    role="color",
    formula="|CF(prediction) - CF(target)|, the mean over photos of each photo's value",
    source="Hasler and Süsstrunk 2003, of each photo",
    note="not the dCF of papers, |mean CF(predictions) - mean CF(targets)|, which is smaller",
    measure=_colorfulness_difference,
)
CHROMA = PhotoMetric(
    name="chroma",
    label="Mean chroma",
    direction="closer",
    role="color",
    formula="mean over pixels of C*_ab = sqrt(a*^2 + b*^2), CIELAB under D65",
    source="CIE 1976 (L*a*b*)",
    note="more is not better: false colours count as colours",
    measure=_chroma,
)
