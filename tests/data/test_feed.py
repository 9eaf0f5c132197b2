"""The feed is a function of the step, sees every photo once an epoch, and is fast."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from chromalab.core.errors import ConfigError
from chromalab.data.crops import crop_window
from chromalab.data.feed import CropFeed, epoch_order
from tests.data.photo_folder import make_photos, open_folder

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.data.photoset import PhotoSet


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    folder = tmp_path_factory.mktemp("feed")
    return open_folder(make_photos(folder / "photos", 7), folder / "caches")


def test_steps_come_in_any_order(photos: PhotoSet) -> None:
    feed = CropFeed(photos, crop_px=24, batch_size=4, seed=5)
    forward = [feed.batch(step) for step in range(12)]
    other = CropFeed(photos, crop_px=24, batch_size=4, seed=5)
    for step in (11, 0, 7, 3):
        assert np.array_equal(other.batch(step), forward[step])
    assert forward[0].shape == (4, 24, 24, 3)
    assert forward[0].dtype == np.uint8


def test_batches_follow_from_order_and_windows(photos: PhotoSet) -> None:
    """The same crops by the definitions, one by one, across the end of two epochs."""
    feed = CropFeed(photos, crop_px=32, batch_size=5, seed=9)
    got = np.concatenate([feed.batch(step) for step in range(4)])
    for number, crop in enumerate(got):
        epoch, position = divmod(number, 7)
        index = int(epoch_order(photos.ids, seed=9, epoch=epoch)[position])
        rgb = photos.photo(index)
        window = crop_window(rgb.shape[0], rgb.shape[1], 32, seed=9, epoch=epoch, photo_id=photos.ids[index])
        expected = rgb[window.top : window.top + 32, window.left : window.left + 32]
        assert np.array_equal(crop, expected[:, ::-1] if window.mirrored else expected)


def test_batch_size_does_not_change_the_pictures(photos: PhotoSet) -> None:
    small = CropFeed(photos, crop_px=16, batch_size=3, seed=1)
    large = CropFeed(photos, crop_px=16, batch_size=30, seed=1)
    assert np.array_equal(np.concatenate([small.batch(step) for step in range(10)]), large.batch(0))


def test_every_photo_once_an_epoch(photos: PhotoSet) -> None:
    orders = [epoch_order(photos.ids, seed=2, epoch=epoch) for epoch in range(30)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) > 25
    firsts = Counter(int(epoch_order(photos.ids, seed=2, epoch=epoch)[0]) for epoch in range(700))
    assert all(60 < firsts[index] < 145 for index in range(7))  # 100 expected, standard deviation 9


def test_seeds_differ(photos: PhotoSet) -> None:
    first, second = (CropFeed(photos, crop_px=24, batch_size=8, seed=seed).batch(0) for seed in range(2))
    assert not np.array_equal(first, second)


def test_batches_are_new_arrays(photos: PhotoSet) -> None:
    feed = CropFeed(photos, crop_px=24, batch_size=2, seed=0)
    first = feed.batch(0)
    first[:] = 0
    assert feed.batch(0).any()


@pytest.mark.parametrize(
    ("crop", "batch", "message"),
    [(33, 4, "crops of 33 px: expected 1 to 32"), (0, 4, "crops of 0"), (8, 0, "batch size 0")],
)
def test_senseless_sizes(photos: PhotoSet, crop: int, batch: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CropFeed(photos, crop_px=crop, batch_size=batch, seed=0)


def test_no_photos(photos: PhotoSet) -> None:
    with pytest.raises(ConfigError, match="no photos"):
        CropFeed(photos.subset([]), crop_px=8, batch_size=1, seed=0)


def test_fast_enough_for_any_network_on_this_machine(tmp_path: Path) -> None:
    """A network consumes about 100 crops of 96 px a second on two cores, and ten times that is asked for."""
    feed = CropFeed(
        open_folder(make_photos(tmp_path / "photos", 7), tmp_path / "caches", size_px=96),
        crop_px=96,
        batch_size=16,
        seed=0,
    )
    feed.batch(0)
    start = time.process_time()
    for step in range(50):
        feed.batch(step)
    assert 800 / (time.process_time() - start) > 2000
