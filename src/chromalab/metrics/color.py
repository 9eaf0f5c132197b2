"""Color metrics: color differences, amounts of color, colors at the edge of the gamut, and blotches."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from chromalab.color.bins import load_prior
from chromalab.functional.color import auc, bin_weights, circular_distance
from chromalab.functional.delta_e import delta_e_76, mean_delta_e_2000
from chromalab.functional.spatial_color import hyab
from chromalab.metrics.distribution import compare_means
from chromalab.metrics.metric import Metric, PhotoMetric, SetMetric

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView


PRIOR_FILE = Path(__file__).parent / "data" / "prior.json"
"""How often each ab bin occurs in the 6,239 training photos of results/objectives96."""

RAREST = 1e-4
"""Smallest probability of a color in the weights: 1e-4 of the counted pixels are 7,700."""


@cache
def rarity() -> Tensor:
    """Return the weight of a pixel in each ab bin, (313,), float64: the inverse of the bin's smoothed probability."""
    return torch.from_numpy(1 / load_prior(PRIOR_FILE).clip(min=RAREST))


def _auc_rebalanced(preds: PhotoView, target: PhotoView) -> Tensor:
    return auc(preds.lab, target.lab, bin_weights(target.lab, rarity().to(target.lab.device)))


_difference = partial(PhotoMetric, role="color", direction="lower")
_accuracy = partial(PhotoMetric, role="color", direction="higher", high=1.0)
_amount = partial(PhotoMetric, role="color", direction="closer", reference="none")

DELTA_E_2000 = _difference(
    name="delta_e_2000",
    label="CIEDE2000",
    formula="mean over pixels of the CIEDE2000 difference under D65, k_L = k_C = k_H = 1",
    source="Sharma, Wu, Dalal 2005, eq. 22",
    measure=lambda preds, target: mean_delta_e_2000(preds.lab, target.lab),
)
HYAB = _difference(
    name="hyab",
    label="HyAB",
    formula="mean over pixels of |dL*| + sqrt(da*^2 + db*^2), CIELAB under D65",
    source="Abasi, Amani Tehran, Fairchild 2020",
    note="made for large differences; it has no unit of just noticeable differences",
    measure=lambda preds, target: hyab(preds.lab, target.lab).mean(dim=(1, 2)),
)
S_CIELAB = _difference(
    name="s_cielab",
    label="S-CIELAB",
    formula="mean over pixels of Delta E*ab after the eye's blur in opponent channels, 67 pixels per degree",
    source="Zhang and Wandell 1996, 1997; matrix of the authors' code",
    note="depends on the viewing distance: fine patterns of colors are blurred away",
    measure=lambda preds, target: delta_e_76(preds.seen_lab, target.seen_lab).mean(dim=(1, 2)),
)
AUC = _accuracy(
    name="auc",
    label="AuC",
    formula="mean over pixels of max(0, 1 - e / 150), e = |(a*, b*) of prediction - target|",
    source="Zhang, Isola, Efros 2016, section 3.1; the exact integral over thresholds from 0 to 150",
    note="most pixels of a photo are nearly gray, so gray scores high",
    measure=lambda preds, target: auc(preds.lab, target.lab),
)
AUC_REBALANCED = _accuracy(
    name="auc_rebalanced",
    label="AuC rebalanced",
    formula="AuC with pixels weighted by 1 / max(p, 1e-4), p the smoothed frequency of the target's ab bin",
    source="Zhang, Isola, Efros 2016, section 3.1 (eq. 4 with lambda = 0), recalled; prior and its floor are ours",
    note="the prior was counted on 6,239 photos of this project; the published prior is not included",
    measure=_auc_rebalanced,
)
HUE_DISTANCE = _difference(
    name="hue_distance",
    label="Hue distance",
    unit="°",
    high=180.0,
    formula="earth mover's distance around the circle between histograms of h_ab weighted by C*_ab, 72 bins",
    source="this project; the distance of Rabin, Delon, Gousseau 2011",
    note="blind to where a hue is; a gray image has all hues alike",
    measure=lambda preds, target: circular_distance(preds.hue_histogram, target.hue_histogram),
)
COLORFULNESS = _amount(
    name="colorfulness",
    label="Colorfulness",
    formula="sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2), rg = R - G, yb = (R + G) / 2 - B, RGB in 0..255",
    source="Hasler and Süsstrunk 2003",
    note="more is not better: false colors count as colors",
    measure=lambda preds, _: preds.colorfulness,
)
COLORFULNESS_DIFFERENCE = _difference(
    name="colorfulness_difference",
    label="|Colorfulness difference|",
    formula="|CF(prediction) - CF(target)|, the mean over photos of each photo's value",
    source="Hasler and Süsstrunk 2003, of each photo",
    note="not the dCF of papers, |mean CF(predictions) - mean CF(targets)|, which is smaller",
    measure=lambda preds, target: (preds.colorfulness - target.colorfulness).abs(),
)
CHROMA = _amount(
    name="chroma",
    label="Mean chroma",
    formula="mean over pixels of C*_ab = sqrt(a*^2 + b*^2), CIELAB under D65",
    source="CIE 1976 (L*a*b*)",
    note="more is not better: false colors count as colors",
    measure=lambda preds, _: preds.chroma,
)
GAMUT_SHARE = _amount(
    name="gamut_share",
    label="Share at the gamut's edge",
    high=1.0,
    formula="share of pixels with C*_ab of 10 or more and a channel at 0 or 255",
    source="this project",
    note="true photos have such pixels, too, on saturated objects",
    measure=lambda preds, _: preds.gamut_share,
)
BLOTCHES = _amount(
    name="blotches",
    label="Blotches",
    high=1.0,
    formula="share of pixels with |C*_ab - its 31x31 median| > 15 and |L* - its 31x31 median| <= 3",
    source="this project",
    note="edges of colored objects count, so true photos have some",
    measure=lambda preds, _: preds.blotches,
)
DELTA_COLORFULNESS = SetMetric(
    name="delta_colorfulness",
    label="Difference of mean colorfulness",
    direction="lower",
    role="color",
    formula="|mean CF(predictions) - mean CF(targets)|, the dCF of papers",
    source="Hasler and Süsstrunk 2003, of two sets, as papers print it",
    note="0 if pale and gaudy images cancel; `colorfulness_difference` compares each photo",
    features="colorfulness",
    compare=compare_means,
)

ENTRIES: tuple[Metric, ...] = (
    DELTA_E_2000,
    HYAB,
    S_CIELAB,
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
