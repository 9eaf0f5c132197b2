"""The built-in samples are there, are what they are said to be, and don't import their packages."""

from __future__ import annotations

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
from chromalab.data import samples
from chromalab.data.cache import open_cache
from chromalab.data.samples import SAMPLES, sample_path
from chromalab.data.sources import sample_sources
from chromalab.data.split import split_photos
from chromalab.photo.reading import read_photo
from tests.photo.odd_files import pillow_rgb, to_srgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRAIN = ["astronaut", "chelsea", "coffee", "motorcycle_left", "china"]
TEST = ["rocket", "flower", "grace_hopper"]


def as_packages_give_it(name: str) -> NDArray[np.uint8]:
    """Return a sample through its package's own function."""
    if name in ("china", "flower"):
        return np.asarray(load_sample_image(f"{name}.jpg"))
    if name == "grace_hopper":
        return pillow_rgb(Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))))
    if name == "motorcycle_left":
        return np.asarray(skimage.data.stereo_motorcycle()[0])
    return np.asarray(getattr(skimage.data, name)())


@pytest.mark.parametrize("name", TRAIN + TEST)
def test_every_sample_is_the_package_s_own(name: str) -> None:
    rgb = read_photo(sample_path(name)).rgb
    expected = as_packages_give_it(name)  # which leaves embedded profiles aside
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


def test_finding_a_sample_imports_no_heavy_package() -> None:
    code = (
        "import sys; from chromalab.data.samples import SAMPLES, sample_path; [sample_path(n) for n in SAMPLES]; "
        "sys.exit(bool({'skimage', 'sklearn', 'matplotlib', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_name_and_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'chelsea'"):
        sample_path("chelsy")
    monkeypatch.setattr(samples, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="scikit-learn, which is not installed: pip install scikit-learn"):
        sample_path("china")
