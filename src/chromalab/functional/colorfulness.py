"""How much color a picture has: Hasler and Süsstrunk's colorfulness, and mean chroma."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.functional.pairs import check_rgb, safe_sqrt

if TYPE_CHECKING:
    from torch import Tensor


def colorfulness(rgb: Tensor, *, absolute: bool = False) -> Tensor:
    """Return Hasler and Süsstrunk's colorfulness M on the scale of 8-bit values.

    Hasler and Süsstrunk: *Measuring Colorfulness in Natural Images*, SPIE 5007, 2003, section 7: with rg = R - G and
    yb = (R + G) / 2 - B, both signed, M = sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2), where m are means and
    s population standard deviations over pixels. The paper's scale: 0 not colorful, 33 averagely, 109 extremely.

    Args:
        rgb: (B, 3, H, W) in [0, 1].
        absolute: take |rg| and |yb| instead, as some published code does; it is not the paper's measure.

    Returns:
        (B,), at least 0; exactly 0 for a gray picture, where the gradient is 0.
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
        (B, H, W), at least 0. Where a* = b* = 0 the gradient is 0.
    """
    return safe_sqrt(lab[:, 1].square() + lab[:, 2].square())


def mean_chroma(lab: Tensor) -> Tensor:
    """Return the mean chroma C*_ab over the pixels of CIELAB pictures (B, 3, H, W) as (B,)."""
    return chroma(lab).mean(dim=(1, 2))
