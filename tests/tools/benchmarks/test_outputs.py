"""The second decoder finds planted faults of outputs, and none in those of chromalab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from chromalab.colorization.colorizer import colorize
from tests.photo.odd_files import picture, save
from tools.benchmarks.outputs import UNREAD, faults_of, measure, read_pages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    photo = save(tmp_path / "a.png", picture()[..., 0])
    return photo, tmp_path / colorize(photo, out=tmp_path / "out.png").output


def test_planted_faults_are_found(pair: tuple[Path, Path], tmp_path: Path) -> None:
    photo, output = pair
    assert faults_of(photo, output) == []
    with Image.open(output) as image:
        pixels, xmp = np.asarray(image), image.info["XML:com.adobe.xmp"].encode()
    brighter = pixels.copy()
    brighter[7, 9] += 3
    for changed, words in ((brighter, "lightness is off by up to"), (pixels[:-1], "sizes [(59, 90)]")):
        Image.fromarray(changed).save(tmp_path / "b.tif", tiffinfo={700: xmp})
        assert words in " ".join(faults_of(photo, tmp_path / "b.tif"))
    Image.fromarray(pixels).save(tmp_path / "c.png")
    assert faults_of(photo, tmp_path / "c.png") == ["the output has no disclosure"]
    output.write_bytes(output.read_bytes()[:-400])
    assert "cannot be decoded" in faults_of(photo, output)[0]
    photo.write_bytes(b"")
    (fault,) = faults_of(photo, tmp_path / "b.tif")
    assert fault.startswith(UNREAD)


def test_pages_are_compared(tmp_path: Path) -> None:
    first, second = (Image.fromarray(picture(seed=seed)) for seed in (1, 2))
    first.save(tmp_path / "two.tif", save_all=True, append_images=[second])
    output = tmp_path / colorize(tmp_path / "two.tif", out=tmp_path / "out.tif").output
    assert faults_of(tmp_path / "two.tif", output) == []
    first.save(tmp_path / "one.tif")
    assert "in place of" in faults_of(tmp_path / "two.tif", tmp_path / "one.tif")[1]


@pytest.mark.parametrize(("mode", "white"), [("1", True), ("L", 255), ("I;16", 65535)])
def test_depths_are_scaled(tmp_path: Path, mode: str, white: int) -> None:
    for suffix in (".tif", ".png"):
        image = Image.new(mode, (4, 3), white)
        image.save(tmp_path / f"a{suffix}")
        (page,) = read_pages(tmp_path / f"a{suffix}", is_output=False)
        assert page.rgb is not None
        assert (page.rgb.min(), page.rgb.shape, page.is_gray) == (1, (3, 4, 3), True)


@pytest.mark.slow
def test_outputs_of_mixed_photographs_have_no_fault(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "photos" / f"{number}.jpg", picture(seed=number), quality=95)
    record = measure(tmp_path / "photos", None, 15, 0, tmp_path)
    assert (record["exit_code"], record["verified"], record["failed"]) == (0, 15, {})
    assert record["faults"] == record["done_without_warning_though_unread"] == {}
