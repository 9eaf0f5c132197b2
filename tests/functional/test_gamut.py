"""The share of colors on the surface of sRGB."""

from __future__ import annotations

import torch

from chromalab.color.spaces import rgb_to_lab
from chromalab.functional.gamut import gamut_share


def share(*colors: tuple[float, float, float]) -> float:
    rgb = torch.tensor(colors, dtype=torch.float64).T[None, :, None]
    return float(gamut_share(rgb, rgb_to_lab(rgb)))


def test_only_colored_pixels_at_the_surface_count() -> None:
    assert share((1, 0, 0), (1, 0.4, 0.3), (0.5, 0.0, 0.2), (0.5, 0.6, 0.2)) == 0.75
    assert share((0, 0, 0), (1, 1, 1), (1, 1, 0.98), (0.5, 0.5, 0.5)) == 0


def test_a_channel_counts_as_it_is_stored() -> None:
    assert share((0.999, 0.2, 0.2)) == 1  # 254.7 is stored as 255
    assert share((0.997, 0.2, 0.2)) == 0  # 254.2 as 254
    assert share((0.6, 0.0019, 0.2)) == 1
    assert share((0.6, 0.0021, 0.2)) == 0
