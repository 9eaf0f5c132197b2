"""Three-color plates as an evaluation set with ground truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from skimage.data import coffee
from skimage.io import imread, imsave

from chromalab.core.errors import UsageError
from chromalab.data.plates import PhotoSetRecord, make_plate_set
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.data.plates import GreySource


def color(top: int = 0) -> np.ndarray:
    rgb: np.ndarray = coffee()[top : top + 40, 100:160].copy()
    return rgb


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return two plates, the second without a stack."""
    plates = tmp_path / "plates"
    for name, top in (("001", 0), ("002", 100)):
        for band, letter in enumerate("rgb"):
            path = plates / f"{name}_{letter}.png"
            path.parent.mkdir(exist_ok=True)
            imsave(path, color(top)[..., band], check_contrast=False)
    write_png(plates / "001_rgb.png", color())
    return plates


def test_the_gray_image_is_luma_and_the_truth_is_the_stack(folder: Path, tmp_path: Path) -> None:
    record = make_plate_set(folder, tmp_path / "set")
    assert record == PhotoSetRecord.load(tmp_path / "set" / "set.json")
    assert (record.photos, record.grey, len(record.files_sha256)) == (["001", "002"], "luma", 7)
    for name, top in (("001", 0), ("002", 100)):
        assert np.array_equal(imread(tmp_path / "set" / "truth" / f"{name}.png"), color(top))
        red, green, blue = (color(top)[..., band].astype(float) for band in range(3))
        expected = np.rint(0.299 * red + 0.587 * green + 0.114 * blue)
        grey = imread(tmp_path / "set" / "grey" / f"{name}.png")
        assert all(np.array_equal(grey[..., band], expected) for band in range(3))


@pytest.mark.slow
@pytest.mark.parametrize(("source", "band"), [("red", 0), ("green", 1), ("blue", 2)])
def test_an_exposure_can_be_the_gray_image(folder: Path, tmp_path: Path, source: GreySource, band: int) -> None:
    make_plate_set(folder, tmp_path / "set", grey=source)
    grey = imread(tmp_path / "set" / "grey" / "002.png")
    assert np.array_equal(grey, np.repeat(color(100)[..., band : band + 1], 3, axis=-1))


def test_missing_exposures_are_reported(folder: Path, tmp_path: Path) -> None:
    (folder / "002_b.png").unlink()
    with pytest.raises(UsageError, match=r"plate 002 has neither a stack .* nor its blue exposure"):
        make_plate_set(folder, tmp_path / "set")
    (folder / "001_g.png").unlink()
    (folder / "002_r.png").unlink()
    (folder / "002_g.png").unlink()
    make_plate_set(folder, tmp_path / "luma")
    with pytest.raises(UsageError, match="plate 001 has no green exposure"):
        make_plate_set(folder, tmp_path / "set", grey="green")
    with pytest.raises(UsageError, match="already contains a set"):
        make_plate_set(folder, tmp_path / "luma")


@pytest.mark.slow
def test_other_folders_and_sizes_are_rejected(folder: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "photos" / "a.png", color())
    with pytest.raises(UsageError, match="contains no plates"):
        make_plate_set(tmp_path / "photos", tmp_path / "set")
    imsave(folder / "002_g.png", color(100)[:39, :, 1], check_contrast=False)
    with pytest.raises(UsageError, match="differ in size"):
        make_plate_set(folder, tmp_path / "set")


def test_shared_plates(shared: Path, tmp_path: Path) -> None:
    record = make_plate_set(shared / "data" / "archive" / "prokudin", tmp_path / "set", grey="green")
    assert len(record.photos) == 8
    assert record.caveats
