"""Photos to test on may have folders of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from chromalab.color.bins import PriorRecord, load_prior
from chromalab.core.errors import UsageError
from chromalab.data.sources import SAMPLES
from chromalab.photo.writing import write_png
from chromalab.studies.config import DataSettings
from chromalab.studies.photos import keep_prior, kept_prior, open_photos

if TYPE_CHECKING:
    from pathlib import Path


def folder(path: Path, count: int, first: int = 0) -> str:
    """Write colorful photos, each another."""
    for number in range(first, first + count):
        rgb = np.random.default_rng(number).integers(0, 256, size=(40, 50, 3), dtype=np.uint8)
        write_png(path / f"{number}.png", rgb)
    return str(path)


def test_all_other_photos_train_or_validate(tmp_path: Path) -> None:
    train, test = folder(tmp_path / "train", 12), folder(tmp_path / "own", 3, first=100)
    photos = open_photos(DataSettings(source=train, test=[test, "samples"], val_share=0.2), 32, cache_dir=tmp_path)
    assert len(photos.train) + len(photos.val) == 12
    assert len(photos.val) > 0
    assert photos.test.names == ["own/100.png", "own/101.png", "own/102.png", *SAMPLES]
    assert photos.record.test_source == ["own", "samples"]
    assert (photos.record.n_test, photos.record.test_photos) == (3 + len(SAMPLES), photos.test.names)


def test_the_split_by_share_is_as_it_was(tmp_path: Path) -> None:
    photos = open_photos(DataSettings(source=folder(tmp_path / "train", 12)), 32, cache_dir=tmp_path)
    assert len(photos.test) > 0
    assert photos.record.test_source == []


def test_a_limit_holds_for_both(tmp_path: Path) -> None:
    train, test = folder(tmp_path / "train", 12), folder(tmp_path / "own", 6, first=100)
    photos = open_photos(DataSettings(source=train, test=[test], max_photos=4), 32, cache_dir=tmp_path)
    assert (len(photos.train) + len(photos.val), len(photos.test)) == (4, 4)


def test_training_photos_among_test_photos_are_refused(tmp_path: Path) -> None:
    train, test = folder(tmp_path / "train", 12), folder(tmp_path / "own", 3, first=11)
    with pytest.raises(UsageError, match=r"1 of the test photos are also training photos, such as own/11\.png"):
        open_photos(DataSettings(source=train, test=[test]), 32, cache_dir=tmp_path)
    settings = DataSettings(source=train, test=[test], exclude=["11.png"])
    assert len(open_photos(settings, 32, cache_dir=tmp_path).test) == 3


def test_two_test_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    train = folder(tmp_path / "train", 12)
    tests = [folder(tmp_path / part / "own", 3, first=first) for part, first in (("a", 100), ("b", 100))]
    with pytest.raises(UsageError, match=r"named own/100\.png; give each folder of 'test' a different name"):
        open_photos(DataSettings(source=train, test=tests), 32, cache_dir=tmp_path)


def test_only_the_last_given_prior_is_kept(tmp_path: Path) -> None:
    counts = np.arange(1, 314)
    PriorRecord(counts=counts.tolist(), n_photos=1, n_pixels=int(counts.sum()), size_px=64).save(tmp_path / "p.json")
    np.save(tmp_path / "p.npy", np.full(313, 1 / 313))
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("p.json", "p.npy"):
        keep_prior(str(tmp_path / name), kept)
        assert kept_prior(kept, None) == pytest.approx(load_prior(tmp_path / name), abs=0)
    keep_prior(str(kept / "given_prior.npy"), kept)
    assert kept_prior(kept, None) == pytest.approx(load_prior(tmp_path / "p.npy"), abs=0)
    keep_prior(None, kept)
    assert kept_prior(kept, None) is None
