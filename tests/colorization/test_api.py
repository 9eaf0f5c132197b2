"""`chromalab.colorize` for arrays, Pillow images and paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.color import rgb2lab

import chromalab
from chromalab.colorization.hints import Hint
from chromalab.core.errors import ConfigError, UsageError
from tests.photo.odd_files import picture, save

RGB = picture()
GREY = np.asarray(Image.fromarray(RGB).convert("L"))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("shape", ["grey", "grey1", "rgb"])
def test_arrays(dtype: str, shape: str) -> None:
    image: np.ndarray = {"grey": GREY, "grey1": GREY[..., None], "rgb": RGB}[shape]
    largest = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    given = (image / 255 * largest).astype(dtype)
    result = chromalab.colorize(given)
    assert (result.shape, result.dtype) == ((60, 90, 3), given.dtype)
    three = given if shape == "rgb" else np.repeat(given.reshape(60, 90, 1), 3, axis=2)
    error = np.abs(rgb2lab(result / largest)[..., 0] - rgb2lab(three / largest)[..., 0]).max()
    assert error < (0.5 if dtype == "uint8" else 0.05)


def test_colors_of_the_photo_are_not_looked_at() -> None:
    level = np.full((64, 64), 128, np.uint8)
    assert np.array_equal(chromalab.colorize(level), chromalab.colorize(np.repeat(level[..., None], 3, axis=2)))


def test_paths_and_pillow_images(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB)
    expected = chromalab.colorize(RGB)
    # A file's luminance comes out of tables, an array's is computed: where it lies between two levels they may differ,
    # and the network answers to half a level here and there.
    from_path = chromalab.colorize(path)
    difference = np.abs(from_path.astype(int) - expected)
    assert np.quantile(difference, 0.99) <= 2
    assert difference.max() <= 8
    assert np.array_equal(chromalab.colorize(str(path)), from_path)
    with Image.open(path) as image:
        result = chromalab.colorize(image)
    assert isinstance(result, Image.Image)
    assert np.array_equal(np.asarray(result), expected)
    tifffile.imwrite(tmp_path / "deep.tif", RGB.astype(np.uint16) * 257, photometric="rgb")
    assert chromalab.colorize(tmp_path / "deep.tif").dtype == np.uint16


def test_options() -> None:
    grey = chromalab.colorize(RGB, saturation=0)
    assert np.abs(rgb2lab(grey)[..., 1:]).max() < 1.5
    warm, cool = (chromalab.colorize(RGB, warmth=warmth) for warmth in (20, -20))
    assert (rgb2lab(warm)[..., 2] - rgb2lab(cool)[..., 2]).mean() > 10
    hinted = chromalab.colorize(np.full((80, 80), 120, np.uint8), hints=["40,40=#8a2b2b"])
    same = chromalab.colorize(np.full((80, 80), 120, np.uint8), hints=[Hint(x=40, y=40, color="#8a2b2b")])
    assert np.array_equal(hinted, same)
    assert rgb2lab(hinted)[40, 40, 1] > 25
    first, second = (chromalab.colorize(RGB, sample=number) for number in (0, 1))
    assert not np.array_equal(first, second)
    scaled = chromalab.colorize(RGB, scales=[0.75, 1, 1.5])
    assert not np.array_equal(scaled, chromalab.colorize(RGB))


@pytest.mark.parametrize(
    "image", [np.zeros((3, 4, 5)), np.zeros((0, 4)), np.zeros((4, 4), int), np.full((4, 4), 2.0), [[1]]]
)
def test_what_is_no_picture(image: Any) -> None:
    with pytest.raises(UsageError, match="expected"):
        chromalab.colorize(image)


def test_wrong_options() -> None:
    with pytest.raises(ConfigError, match="did you mean 'saturation'"):
        chromalab.colorize(RGB, saturaton=1)
    with pytest.raises(ConfigError, match="saturation"):
        chromalab.colorize(RGB, saturation=9)
    with pytest.raises(UsageError, match="unknown model"):
        chromalab.colorize(RGB, model="nobody")
    with pytest.raises(AttributeError, match="colorise"):
        chromalab.colorise  # noqa: B018


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (17, 3)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    assert chromalab.colorize(np.full(size, 100, np.uint8)).shape == (*size, 3)
