"""Resizing is Pillow's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import chelsea

from chromalab.nets.resizing import center_square, resized_as_pillow


@pytest.mark.parametrize(("height", "width"), [(299, 299), (120, 60), (400, 500)])
def test_floats_come_out_as_pillows(height: int, width: int) -> None:
    rgb = (chelsea() / 255).astype(np.float32)
    ours = resized_as_pillow(torch.from_numpy(rgb).permute(2, 0, 1)[None], height, width)[0]
    for channel in range(3):
        picture = Image.fromarray(rgb[..., channel])
        theirs = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
        assert np.abs(ours[channel].numpy() - theirs).max() < 1e-4


def test_the_square_is_the_middle_of_the_longer_side() -> None:
    rgb = torch.zeros(1, 3, 40, 100)
    rgb[..., 30:70] = 1
    assert (center_square(rgb, 20) == 1).all()
    assert center_square(rgb, 40).shape == (1, 3, 40, 40)
    torch.testing.assert_close(center_square(rgb.mT, 20), torch.ones(1, 3, 20, 20))


@pytest.mark.parametrize("side", [224, 120, 283])
def test_squares_of_8_bit_pictures_come_out_as_pillows(side: int) -> None:
    rgb = chelsea()
    ours = center_square(torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255, side)
    height, width = rgb.shape[:2]
    left = (width - height) // 2
    picture = Image.fromarray(rgb).crop((left, 0, left + height, height))
    theirs = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC)).astype(int)
    levels = (ours[0] * 255).round().int().permute(1, 2, 0).numpy()
    assert np.abs(levels - theirs).max() <= 1
    assert (levels != theirs).mean() < 1e-3
