"""Photo files of folders and built-in samples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
from PIL import Image
from sklearn.datasets import load_sample_image

from chromalab.core.errors import UnknownNameError, UsageError
from chromalab.data import sources
from chromalab.data.cache import open_cache
from chromalab.data.sources import SAMPLES, folder_sources, sample_path, sample_sources
from chromalab.data.split import split_photos
from chromalab.photo.reading import read_photo
from tests.photo.odd_files import pillow_rgb, to_srgb

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/1.jpg", "a/2.jpg", "b/1.png", "b/c/3.jpg", "d [x].jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def names(folder: Path, *exclude: str) -> list[str]:
    return [item.name for item in folder_sources(folder, exclude=exclude)]


def test_names_are_relative_and_sorted(folder: Path) -> None:
    assert names(folder) == ["a/1.jpg", "a/2.jpg", "b/1.png", "b/c/3.jpg", "d [x].jpg"]
    assert all(item.path == folder / item.name for item in folder_sources(folder))


@pytest.mark.parametrize(
    ("exclude", "kept"),
    [
        (["a/*"], ["b/1.png", "b/c/3.jpg", "d [x].jpg"]),
        (["*/1.*"], ["a/2.jpg", "b/c/3.jpg", "d [x].jpg"]),
        (["b/*", "a/2.jpg"], ["a/1.jpg", "d [x].jpg"]),
        (["d [x].jpg"], ["a/1.jpg", "a/2.jpg", "b/1.png", "b/c/3.jpg"]),
        (["[!d]*"], ["d [x].jpg"]),
    ],
)
def test_exclusions(folder: Path, exclude: list[str], kept: list[str]) -> None:
    assert names(folder, *exclude) == kept


def test_exclusions_from_a_file(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "held back.txt"
    listed.write_text("a/1.jpg\n\n b/* \nnot/there.jpg\n", encoding="utf-8")
    assert names(folder, f"@{listed}") == ["a/2.jpg", "d [x].jpg"]


def test_exclusions_that_match_nothing_are_rejected(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing matches the exclusion 'A/1\.jpg'"):
        names(folder, "A/1.jpg")
    with pytest.raises(UsageError, match=r"all 5 photos of .* are excluded"):
        names(folder, "*")
    with pytest.raises(UsageError, match="cannot read the list of exclusions"):
        names(folder, f"@{tmp_path / 'missing.txt'}")


def test_bytes_that_are_not_unicode_are_escaped_in_names(tmp_path: Path) -> None:
    try:
        os.close(os.open(os.fsencode(tmp_path) + b"/\xff.jpg", os.O_CREAT))
    except OSError:
        pytest.skip("this file system allows only Unicode names")
    assert names(tmp_path) == ["\\xff.jpg"]


TRAIN = ["astronaut", "chelsea", "coffee", "motorcycle_left", "china"]
TEST = ["rocket", "flower", "grace_hopper"]


def package_sample(name: str) -> NDArray[np.uint8]:
    """Return a sample through its package's own function."""
    if name in ("china", "flower"):
        return np.asarray(load_sample_image(f"{name}.jpg"))
    if name == "grace_hopper":
        return pillow_rgb(Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))))
    if name == "motorcycle_left":
        return np.asarray(skimage.data.stereo_motorcycle()[0])
    return np.asarray(getattr(skimage.data, name)())


@pytest.mark.parametrize("name", TRAIN + TEST)
def test_samples_equal_those_of_their_packages(name: str) -> None:
    rgb = read_photo(sample_path(name)).rgb
    expected = package_sample(name)  # without applying embedded profiles
    with Image.open(sample_path(name)) as image:
        icc = image.info.get("icc_profile")
    if icc:
        expected = to_srgb(Image.fromarray(expected), icc)
    assert rgb.shape == expected.shape
    assert np.abs(rgb.astype(int) - expected).max() <= 2


def test_split_is_fixed_by_name(tmp_path: Path) -> None:
    photos = open_cache(sample_sources(), size_px=32, cache_dir=tmp_path)
    split = split_photos(photos)
    assert (split.train.names, split.val.names, split.test.names) == (TRAIN, [], TEST)
    assert not photos.skipped
    assert all(sample.credit for _, sample in SAMPLES.items())


@pytest.mark.slow
def test_finding_a_sample_imports_no_heavy_package() -> None:
    code = (
        "import sys; from chromalab.data.sources import SAMPLES, sample_path; [sample_path(n) for n in SAMPLES]; "
        "sys.exit(bool({'skimage', 'sklearn', 'matplotlib', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_name_and_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'chelsea'"):
        sample_path("chelsy")
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="scikit-learn, which is not installed: pip install scikit-learn"):
        sample_path("china")
