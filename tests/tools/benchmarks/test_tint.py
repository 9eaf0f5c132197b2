"""The constant tint, a baseline of every colorizer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab
from skimage.data import astronaut

from tools.benchmarks.tint import fit_delta_e, tinted

PHOTO = torch.from_numpy(astronaut()[::8, ::8].copy()).permute(2, 0, 1)[None].float() / 255


def test_a_tint_keeps_the_lightness() -> None:
    found = rgb2lab(tinted(PHOTO, (2.0, 5.0))[0].permute(1, 2, 0).numpy())
    before = rgb2lab(PHOTO[0].permute(1, 2, 0).numpy())
    inside = (before[..., 0] > 10) & (before[..., 0] < 90)
    assert np.allclose(
        found[inside], np.stack([before[..., 0], 0 * found[..., 1] + 2, 0 * found[..., 2] + 5], -1)[inside], atol=0.1
    )


@pytest.mark.slow
def test_the_tint_of_a_tinted_photo_is_found() -> None:
    (a, b), error = fit_delta_e(tinted(PHOTO, (4.0, -7.0)))
    assert abs(a - 4) < 0.2
    assert abs(b + 7) < 0.2
    assert error < 0.2


@pytest.mark.slow
def test_no_tint_of_a_grid_is_better() -> None:
    tint, error = fit_delta_e(PHOTO)
    lab = rgb2lab(PHOTO[0].permute(1, 2, 0).numpy())

    def of(a: float, b: float) -> float:
        other = lab.copy()
        other[..., 1:] = a, b
        return float(deltaE_ciede2000(rgb2lab(lab2rgb(other)), lab).mean())

    assert abs(of(*tint) - error) < 0.02
    steps = (-6.0, -3.0, -1.0, 1.0, 3.0, 6.0)
    assert all(of(tint[0] + da, tint[1] + db) > error - 0.02 for da in steps for db in steps)
