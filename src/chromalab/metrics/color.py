"""Color metrics: color differences, amounts of color, colors at the edge of the gamut, and blotches."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from chromalab.color.bins import load_prior
from chromalab.functional.color import auc, bin_weights, circular_distance
from chromalab.functional.delta_e import mean_delta_e_2000
from chromalab.metrics.distribution import compare_means
from chromalab.metrics.metric import Metric, PhotoMetric, SetMetric

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
    note="blind to where a hue is; a gray image has all hues alike",
    measure=_hue_distance,
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
DELTA_COLORFULNESS = SetMetric(
    name="delta_colorfulness",
    label="Difference of mean colorfulness",
    direction="lower",
    role="color",
    formula="|mean CF(predictions) - mean CF(targets)|, the dCF of papers",
    source="Hasler and Süsstrunk 2003, of two sets, as papers print it",
    note="0 where pale and gaudy images cancel; `colorfulness_difference` looks at each photo",
    features="colorfulness",
    compare=compare_means,
)

ENTRIES: tuple[Metric, ...] = (
    DELTA_E_2000,
    AUC,
    AUC_REBALANCED,
    HUE_DISTANCE,
    COLORFULNESS,
    COLORFULNESS_DIFFERENCE,
    DELTA_COLORFULNESS,
    CHROMA,
    GAMUT_SHARE,
    BLOTCHES,
)
