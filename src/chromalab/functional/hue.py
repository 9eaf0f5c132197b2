"""Which hues a picture has: histograms of hue, and the distance between two of them around the circle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from chromalab.functional.colorfulness import chroma

if TYPE_CHECKING:
    from torch import Tensor

HUE_BINS = 72
"""Bins of 5 degrees."""

UNIFORM_CHROMA = 1.0
"""Chroma that every pixel adds to all hues alike, in CIELAB units: about what is just noticed."""


def hue_histogram(lab: Tensor) -> Tensor:
    """Return how a picture's chroma is spread over the hues h_ab.

    Every pixel counts with its chroma. To that comes one unit of chroma for every pixel, spread over all hues: so a
    gray picture, which has no hue, has the uniform histogram, and nothing jumps where the last color fades away.

    Args:
        lab: CIELAB (B, 3, H, W).

    Returns:
        (B, 72), summing to 1; bin k holds the hues from 5 k to 5 (k + 1) degrees.
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
    sum over bins of |D - median(D)|, D the difference of the cumulative histograms, times the width of a bin.

    Args:
        first: (B, K), each row summing to 1.
        second: the same shape.

    Returns:
        (B,), in [0, 180]: how far the mass has to go on average.
    """
    steps = (first - second).cumsum(dim=1)
    middle = steps.sort(dim=1).values[:, steps.shape[1] // 2].unsqueeze(1)
    return (steps - middle).abs().sum(dim=1) * (360 / steps.shape[1])
