"""Color differences: Delta E*ab of 1976, which is a distance in CIELAB, and CIEDE2000.

Sharma, Wu, Dalal: *The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary Test Data, and
Mathematical Observations*, Color Research and Application 30(1), 2005. Equation numbers below are theirs; the
parametric factors k_L, k_C and k_H are 1. Angles are in radians.

The formula is discontinuous for opposite hues, where the mean hue changes sides. In float32, rounding decides on which
side such a pair falls. Gradients are finite everywhere.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chromalab.functional.tensors import safe_sqrt

_TURN = 2 * math.pi
_BAND_PIXELS = 2**14


class _Color(NamedTuple):
    """L*, a', b', C' and h' (eq. 5-7) of one color in every pixel, (B, H, W) each."""

    lightness: Tensor
    a: Tensor
    b: Tensor
    chroma: Tensor
    hue: Tensor


def delta_e_76(lab_1: Tensor, lab_2: Tensor) -> Tensor:
    """Return Delta E*ab = sqrt(dL*^2 + da*^2 + db*^2) of every pixel (CIE 1976).

    Args:
        lab_1: CIELAB (B, 3, H, W), L* in [0, 100].
        lab_2: the same shape; the difference is symmetric.

    Returns:
        (B, H, W), at least 0; 0 with gradient 0 for equal colors.
    """
    return safe_sqrt((lab_1 - lab_2).square().sum(dim=1))


def mean_delta_e_2000(lab_1: Tensor, lab_2: Tensor) -> Tensor:
    """Return the mean CIEDE2000 difference over the pixels of CIELAB images (B, 3, H, W) as (B,).

    The images are processed in bands of rows, because there are about forty intermediate values per pixel.
    """
    batch, _, height, width = lab_1.shape
    rows = max(1, _BAND_PIXELS // (batch * width))
    bands = zip(lab_1.split(rows, dim=2), lab_2.split(rows, dim=2), strict=True)
    sums = [delta_e_2000(*band).sum(dim=(1, 2)) for band in bands]
    return torch.stack(sums).sum(dim=0) / (height * width)


def delta_e_2000(lab_1: Tensor, lab_2: Tensor) -> Tensor:
    """Return the CIEDE2000 difference of every pixel (eq. 22).

    Args:
        lab_1: CIELAB (B, 3, H, W), L* in [0, 100].
        lab_2: the same shape; the difference is symmetric.

    Returns:
        (B, H, W), at least 0; 0 with gradient 0 for equal colors. About 1 is just noticeable; black to white is 100.
    """
    first, second = _adapted_colors(lab_1, lab_2)
    hue_step, mean_hue = _hue_step_and_mean(first, second)
    mean_lightness = (first.lightness + second.lightness) / 2
    mean_chroma = (first.chroma + second.chroma) / 2

    delta_chroma = second.chroma - first.chroma
    # Eq. 11 is 2 sqrt(C1 C2) sin(step / 2). Its square equals the squared chord minus the squared chroma difference.
    # Near the neutral axis the gradient of this form stays small, unlike that of the sine. Only the rotation term for
    # blue needs the root.
    chord_squared = (second.a - first.a).square() + (second.b - first.b).square()
    delta_hue_squared = (chord_squared - delta_chroma.square()).clamp_min(0)

    lightness_term = (second.lightness - first.lightness) / _lightness_weight(mean_lightness)
    chroma_term = delta_chroma / (1 + 0.045 * mean_chroma)  # eq. 19
    hue_weight = 1 + 0.015 * mean_chroma * _hue_factor(mean_hue)  # eq. 20
    hue_term = hue_step.sign() * safe_sqrt(delta_hue_squared) / hue_weight
    rotation = _rotation(mean_chroma, mean_hue)
    return safe_sqrt(
        lightness_term.square()
        + chroma_term.square()
        + delta_hue_squared / hue_weight.square()
        + rotation * chroma_term * hue_term
    )


def _adapted_colors(lab_1: Tensor, lab_2: Tensor) -> tuple[_Color, _Color]:
    """Stretch a* of both colors by their mean chroma (eq. 2-7)."""
    l1, a1, b1 = lab_1.unbind(1)
    l2, a2, b2 = lab_2.unbind(1)
    mean_chroma = (safe_sqrt(a1.square() + b1.square()) + safe_sqrt(a2.square() + b2.square())) / 2
    stretch = 1 + 0.5 * (1 - _saturation(mean_chroma))
    return _color(l1, stretch * a1, b1), _color(l2, stretch * a2, b2)


def _color(lightness: Tensor, a: Tensor, b: Tensor) -> _Color:
    chroma = safe_sqrt(a.square() + b.square())
    neutral = chroma == 0
    angle = torch.atan2(torch.where(neutral, 0.0, b), torch.where(neutral, 1.0, a))
    return _Color(lightness, a, b, chroma, torch.where(angle < 0, angle + _TURN, angle))


def _hue_step_and_mean(first: _Color, second: _Color) -> tuple[Tensor, Tensor]:
    """Return the signed step from the first hue to the second (eq. 10), and their mean (eq. 14)."""
    step = second.hue - first.hue
    total = first.hue + second.hue
    far = step.abs() > math.pi
    mean = torch.where(far, torch.where(total < _TURN, total + _TURN, total - _TURN), total) / 2
    step = torch.where(far, step - _TURN * step.sign(), step)
    neutral = (first.chroma == 0) | (second.chroma == 0)
    return torch.where(neutral, 0.0, step), torch.where(neutral, total, mean)


def _lightness_weight(mean_lightness: Tensor) -> Tensor:
    """S_L (eq. 18)."""
    squared = (mean_lightness - 50).square()
    return 1 + 0.015 * squared / (20 + squared).sqrt()


def _hue_factor(mean_hue: Tensor) -> Tensor:
    """T (eq. 15)."""
    return (
        1
        - 0.17 * torch.cos(mean_hue - math.radians(30))
        + 0.24 * torch.cos(2 * mean_hue)
        + 0.32 * torch.cos(3 * mean_hue + math.radians(6))
        - 0.20 * torch.cos(4 * mean_hue - math.radians(63))
    )


def _rotation(mean_chroma: Tensor, mean_hue: Tensor) -> Tensor:
    """R_T, which rotates the tolerance ellipses of blue colors (eq. 16, 17 and 21)."""
    offset = (mean_hue - math.radians(275)) / math.radians(25)
    angle = math.radians(30) * torch.exp(-offset.square())
    return -torch.sin(2 * angle) * 2 * _saturation(mean_chroma)


def _saturation(chroma: Tensor) -> Tensor:
    """sqrt(C^7 / (C^7 + 25^7)), in [0, 1)."""
    ratio = chroma / 25
    seventh = ratio.square().square() * ratio.square() * ratio
    return safe_sqrt(seventh / (1 + seventh))
