"""Color statistics of an image: colorfulness, chroma, hue histogram, gamut share, and accuracy of colors (AuC)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from chromalab.color.bins import nearest_bins
from chromalab.functional.tensors import check_rgb, safe_sqrt

if TYPE_CHECKING:
    from torch import Tensor


def colorfulness(rgb: Tensor, *, absolute: bool = False) -> Tensor:
    """Return Hasler and Süsstrunk's colorfulness M on the scale of 8-bit values.

    Hasler and Süsstrunk: *Measuring Colorfulness in Natural Images*, SPIE 5007, 2003, section 7: with rg = R - G and
    yb = (R + G) / 2 - B, both signed, M = sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2), where m are means and
    s population standard deviations over pixels. The paper's scale: 0 not colorful, 33 averagely, 109 extremely.

    Args:
        rgb: (B, 3, H, W) in [0, 1].
        absolute: take |rg| and |yb| instead, as some published code does, in contrast to the paper.

    Returns:
        (B,), at least 0; exactly 0 with gradient 0 for a gray image.
    """
    check_rgb(rgb)
    red, green, blue = (255 * rgb).unbind(1)
    opponents = torch.stack([red - green, (red + green) / 2 - blue], dim=1).flatten(2)
    if absolute:
        opponents = opponents.abs()
    variances, means = torch.var_mean(opponents, dim=2, correction=0)
    return safe_sqrt(variances.sum(dim=1)) + 0.3 * safe_sqrt(means.square().sum(dim=1))


def chroma(lab: Tensor) -> Tensor:
    """Return C*_ab = sqrt(a*^2 + b*^2) of every pixel.

    Args:
        lab: CIELAB (B, 3, H, W).

    Returns:
        (B, H, W), at least 0. The gradient is 0 at a* = b* = 0.
    """
    return safe_sqrt(lab[:, 1].square() + lab[:, 2].square())


def mean_chroma(lab: Tensor) -> Tensor:
    """Return the mean chroma C*_ab over the pixels of CIELAB images (B, 3, H, W) as (B,)."""
    return chroma(lab).mean(dim=(1, 2))


HUE_BINS = 72
"""Bins of 5 degrees."""

UNIFORM_CHROMA = 1.0
"""Chroma that every pixel adds evenly to all hues, in CIELAB units: about one just-noticeable difference."""


def hue_histogram(lab: Tensor) -> Tensor:
    """Return the distribution of an image's chroma over the hues h_ab.

    Every pixel is weighted by its chroma, and adds one unit of chroma that is spread evenly over all hues. A gray
    image, which has no hue, therefore has the uniform histogram, and the histogram is continuous as colors fade.

    Args:
        lab: CIELAB (B, 3, H, W).

    Returns:
        (B, 72), summing to 1; bin k covers the hues from 5 k to 5 (k + 1) degrees.
    """
    hue = torch.atan2(lab[:, 2], lab[:, 1]).flatten(1)
    places = (hue.remainder(2 * math.pi) * (HUE_BINS / (2 * math.pi))).long().clamp_max(HUE_BINS - 1)
    mass = chroma(lab).flatten(1)
    histogram = torch.zeros(len(lab), HUE_BINS, dtype=lab.dtype, device=lab.device).scatter_add_(1, places, mass)
    histogram += UNIFORM_CHROMA * mass.shape[1] / HUE_BINS
    return histogram / histogram.sum(dim=1, keepdim=True)


def circular_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the earth mover's distance between two histograms on a circle, in degrees.

    Rabin, Delon, Gousseau: *Transportation Distances on the Circle*, J. Mathematical Imaging and Vision 41, 2011: the
    sum over bins of |D - median(D)| times the width of a bin, where D is the difference of the cumulative histograms.

    Args:
        first: (B, K), each row summing to 1.
        second: the same shape.

    Returns:
        (B,), in [0, 180]: the mean distance over which mass is moved.
    """
    steps = (first - second).cumsum(dim=1)
    middle = steps.sort(dim=1).values[:, steps.shape[1] // 2].unsqueeze(1)
    return (steps - middle).abs().sum(dim=1) * (360 / steps.shape[1])


COLORED = 10.0
"""Smallest chroma of a colored pixel, in CIELAB units; blown highlights and deep shadows have less."""


def gamut_share(rgb: Tensor, lab: Tensor) -> Tensor:
    """Return the share of pixels that are colored and lie on the surface of the sRGB cube.

    Storing an image moves colors outside of sRGB to the surface. Saturated colors of true photos lie there, too, so the
    share should be compared with that of the ground truth.

    Args:
        rgb: (B, 3, H, W) in [0, 1]; a pixel lies on the surface if a channel rounds to 0 or 255.
        lab: the same images in CIELAB.

    Returns:
        (B,), in [0, 1].
    """
    levels = (rgb * 255).round()
    at_the_edge = (levels.amin(dim=1) <= 0) | (levels.amax(dim=1) >= 255)
    return (at_the_edge & (chroma(lab) >= COLORED)).to(lab.dtype).mean(dim=(1, 2))


LARGEST_THRESHOLD = 150.0
"""Zhang et al. 2016, section 3.1: thresholds go from 0 to 150 CIELAB units."""


def auc(preds_lab: Tensor, target_lab: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the area under the curve of accuracy over thresholds, divided by that of a perfect image.

    Zhang, Isola, Efros: *Colorful Image Colorization*, ECCV 2016, section 3.1, "raw accuracy (AuC)": a pixel is correct
    at a threshold t if its (a*, b*) is within t of the true one, and the share of correct pixels is integrated over t
    from 0 to 150. A pixel with error e is correct for all t >= e, so the area is exactly the mean of
    max(0, 1 - e / 150).

    Args:
        preds_lab: CIELAB (B, 3, H, W); L* does not matter.
        target_lab: the same shape.
        weights: weight of each pixel, (B, H, W), not negative and not all 0; None weights all pixels equally.

    Returns:
        (B,), in [0, 1]; 1 if all colors are correct.
    """
    error: Tensor = torch.linalg.vector_norm(preds_lab[:, 1:] - target_lab[:, 1:], dim=1)
    accuracy = (1 - error / LARGEST_THRESHOLD).clamp_min(0)
    if weights is None:
        return accuracy.mean(dim=(1, 2))
    return (accuracy * weights).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))


def bin_weights(lab: Tensor, weights: Tensor) -> Tensor:
    """Return for every pixel the weight of the ab bin nearest to its color.

    Args:
        lab: CIELAB (B, 3, H, W).
        weights: weight of each of the 313 bins, (313,).

    Returns:
        (B, H, W), of the type of `weights`.
    """
    bins = nearest_bins(lab[:, 1:].permute(0, 2, 3, 1).cpu().numpy())
    return weights[torch.from_numpy(bins).to(weights.device)]
