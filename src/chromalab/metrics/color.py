"""Color differences, and how much color there is."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from chromalab.color.bins import load_prior
from chromalab.functional.auc import auc, bin_weights
from chromalab.functional.delta_e import mean_delta_e_2000
from chromalab.functional.hue import circular_distance
from chromalab.metrics.metric import PhotoMetric

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView

PRIOR_FILE = Path(__file__).parent / "data" / "prior.json"
"""How often each ab bin occurs in the 6,239 training photographs of results/objectives96."""

RAREST = 1e-4
"""Probability below which a color counts as no rarer: 1e-4 of the pixels that were counted are 7,700."""


def _delta_e_2000(preds: PhotoView, target: PhotoView) -> Tensor:
    return mean_delta_e_2000(preds.lab, target.lab)


def _auc(preds: PhotoView, target: PhotoView) -> Tensor:
    return auc(preds.lab, target.lab)


def _auc_rebalanced(preds: PhotoView, target: PhotoView) -> Tensor:
    return auc(preds.lab, target.lab, bin_weights(target.lab, rarity().to(target.lab.device)))


@cache
def rarity() -> Tensor:
    """Return how much a pixel of each ab bin counts, (313,), float64: the inverse of the bin's smoothed probability."""
    return torch.from_numpy(1 / load_prior(PRIOR_FILE).clip(min=RAREST))


def _hue_distance(preds: PhotoView, target: PhotoView) -> Tensor:
    return circular_distance(preds.hue_histogram, target.hue_histogram)


def _lightness_error(preds: PhotoView, target: PhotoView) -> Tensor:
    return (preds.lab[:, 0] - target.lab[:, 0]).abs().mean(dim=(1, 2))


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
AUC = PhotoMetric(
    name="auc",
    label="AuC",
    direction="higher",
    high=1.0,
    role="color",
    formula="mean over pixels of max(0, 1 - e / 150), e = |(a*, b*) of prediction - target|",
    source="Zhang, Isola, Efros 2016, section 3.1; the exact integral over thresholds from 0 to 150",
    note="most pixels of a photograph are nearly gray, so gray scores high",
    measure=_auc,
)
AUC_REBALANCED = PhotoMetric(
    name="auc_rebalanced",
    label="AuC rebalanced",
    direction="higher",
    high=1.0,
    role="color",
    formula="AuC with pixels weighted by 1 / max(p, 1e-4), p the smoothed frequency of the target's ab bin",
    source="Zhang, Isola, Efros 2016, section 3.1 (eq. 4 with lambda = 0), recalled; prior and its floor are ours",
    note="the prior is this project's, counted on 6,239 photographs, for the published one is no part of it",
    measure=_auc_rebalanced,
)
HUE_DISTANCE = PhotoMetric(
    name="hue_distance",
    label="Hue distance",
    unit="°",
    direction="lower",
    high=180.0,
    role="color",
    formula="earth mover's distance around the circle between histograms of h_ab weighted by C*_ab, 72 bins",
    source="this project; the distance of Rabin, Delon, Gousseau 2011",
    note="blind to where a hue is; a gray picture has all hues alike",
    measure=_hue_distance,
)
LIGHTNESS_ERROR = PhotoMetric(
    name="lightness_error",
    label="Lightness error",
    direction="lower",
    high=100.0,
    role="fidelity",
    formula="mean over pixels of |L*(prediction) - L*(gray photograph)|; without gray photographs the target's L*",
    source="CIE 1976 (L*a*b*)",
    reference="lightness",
    note="what a colorizer should never change; rounding to 8 bits alone gives about 0.1",
    measure=_lightness_error,
)
COLORFULNESS = PhotoMetric(
    name="colorfulness",
    label="Colorfulness",
    direction="closer",
    role="color",
    formula="sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2), rg = R - G, yb = (R + G) / 2 - B, RGB in 0..255",
    source="Hasler and Süsstrunk 2003",
    reference="none",
    note="more is not better: false colors count as colors",
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
    reference="none",
    note="more is not better: false colors count as colors",
    measure=_chroma,
)
