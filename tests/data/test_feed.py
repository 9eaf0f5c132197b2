"""Crops depend only on their coordinates, and feeds on the draw number."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from chromalab.core.errors import ChromalabError, ConfigError
from chromalab.data.feed import AheadFeed, CropFeed, Window, crop_into, crop_window, epoch_order
from chromalab.data.library import FolderShare, open_library
from chromalab.data.photoset import WeightedPhotos
from chromalab.photo.reading import UnreadablePhotoError
from tests.data.photo_folder import make_photos, open_folder
from tests.photo.odd_files import picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chromalab.data.photoset import Photographs, PhotoSet


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    folder = tmp_path_factory.mktemp("feed")
    return open_folder(make_photos(folder / "photos", 7), folder / "caches")


def test_steps_can_be_requested_in_any_order(photos: PhotoSet) -> None:
    feed = CropFeed(photos, crop_px=24, batch_size=4, seed=5)
    forward = [feed.batch(step) for step in range(12)]
    other = CropFeed(photos, crop_px=24, batch_size=4, seed=5)
    for step in (11, 0, 7, 3):
        assert np.array_equal(other.batch(step), forward[step])
    assert forward[0].shape == (4, 24, 24, 3)
    assert forward[0].dtype == np.uint8


def test_batches_follow_from_order_and_windows(photos: PhotoSet) -> None:
    """The expected crops follow the definitions one by one, across the end of two epochs."""
    feed = CropFeed(photos, crop_px=32, batch_size=5, seed=9)
    got = np.concatenate([feed.batch(step) for step in range(4)])
    for number, crop in enumerate(got):
        epoch, position = divmod(number, 7)
        index = int(epoch_order(photos.ids, seed=9, epoch=epoch)[position])
        rgb = photos.photo(index)
        window = crop_window(rgb.shape[0], rgb.shape[1], 32, seed=9, epoch=epoch, photo_id=photos.ids[index])
        expected = rgb[window.top : window.top + 32, window.left : window.left + 32]
        assert np.array_equal(crop, expected[:, ::-1] if window.mirrored else expected)


def test_batch_size_does_not_change_the_crops(photos: PhotoSet) -> None:
    small = CropFeed(photos, crop_px=16, batch_size=3, seed=1)
    large = CropFeed(photos, crop_px=16, batch_size=30, seed=1)
    assert np.array_equal(np.concatenate([small.batch(step) for step in range(10)]), large.batch(0))


def test_every_photo_is_drawn_once_per_epoch(photos: PhotoSet) -> None:
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
def test_invalid_sizes_are_rejected(photos: PhotoSet, crop: int, batch: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CropFeed(photos, crop_px=crop, batch_size=batch, seed=0)


def test_a_feed_requires_photos(photos: PhotoSet) -> None:
    with pytest.raises(ConfigError, match="no photos"):
        CropFeed(photos.subset([]), crop_px=8, batch_size=1, seed=0)


class ListedPhotos:
    """Photos from a list of arrays; None represents an unreadable file."""

    size_px = 64

    def __init__(self, photos: Sequence[NDArray[np.uint8] | None], label: str = "a") -> None:
        self.photos, self.label = list(photos), label
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def names(self) -> list[str]:
        return [f"{self.label}{number}" for number in range(len(self))]

    @property
    def ids(self) -> list[str]:
        return [hashlib.sha256(name.encode()).hexdigest() for name in self.names]

    @property
    def data_sha256(self) -> str:
        return hashlib.sha256(" ".join(self.ids).encode()).hexdigest()

    def photo(self, index: int) -> NDArray[np.uint8]:
        self.asked.append(index)
        rgb = self.photos[index]
        if rgb is None:
            raise UnreadablePhotoError(Path(self.names[index]), "it is cut off")
        return rgb

    def subset(self, indices: Sequence[int]) -> ListedPhotos:
        return ListedPhotos([self.photos[index] for index in indices], self.label)


def flat(value: int, height: int = 20, width: int = 24) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def flat_photos(count: int, first: int = 0, label: str = "a") -> ListedPhotos:
    """Return photos of one value each, so that crops identify their photo."""
    return ListedPhotos([flat(first + number) for number in range(count)], label)


@pytest.fixture
def three() -> list[WeightedPhotos]:
    return [
        WeightedPhotos("many", flat_photos(100, 0, "m"), 1.0),
        WeightedPhotos("often", flat_photos(20, 100, "o"), 3.0),
        WeightedPhotos("rare", flat_photos(10, 120, "r"), 0.002),
    ]


def feed_of(
    photos: Photographs | Sequence[WeightedPhotos], seed: int = 0, scale: tuple[float, float] | None = (0.5, 1.0)
) -> CropFeed:
    return CropFeed(photos, crop_px=16, batch_size=4, seed=seed, scale=scale)


class TestSources:
    def test_shares_are_exact_in_the_long_run(self, three: list[WeightedPhotos]) -> None:
        feed = feed_of(three)
        for count in (1_000, 40_000, 1_000_000, 3_000_000):
            drawn = feed.drawn(count)
            assert sum(drawn.values()) == count
            for part in three:
                expected = count * part.weight * len(part.photos) / 160.02
                assert abs(drawn[part.name] - expected) < (130 if count % 4096 and count < 4096 else 40)

    @pytest.mark.slow
    def test_what_is_drawn_is_what_is_counted(self, three: list[WeightedPhotos]) -> None:
        crops = feed_of(three).crops(0, 9000, 4)
        values = crops[:, 0, 0, 0].astype(int)
        for count in (0, 1, 700, 4096, 5000, 9000):
            found = Counter("many" if value < 100 else "often" if value < 120 else "rare" for value in values[:count])
            assert {name: number for name, number in feed_of(three).drawn(count).items() if number} == found

    def test_each_photo_once_an_epoch_of_its_source(self, three: list[WeightedPhotos]) -> None:
        values = feed_of(three).crops(0, 9000, 4)[:, 0, 0, 0].astype(int)
        for low, high in ((0, 100), (100, 120)):
            here = values[(values >= low) & (values < high)]
            epochs = [here[start : start + high - low] for start in range(0, len(here), high - low)]
            assert all(sorted(epoch) == list(range(low, high)) for epoch in epochs[:-1])
            assert len({tuple(epoch) for epoch in epochs[:-1]}) == len(epochs) - 1

    @pytest.mark.slow
    def test_sources_alternate_within_a_block(self, three: list[WeightedPhotos]) -> None:
        """The draws are shuffled: 128 contain about 80 of the first source, with a standard deviation below 5.5."""
        values = feed_of(three).crops(0, 4096, 4)[:, 0, 0, 0]
        counts = [(values[start : start + 128] < 100).sum() for start in range(0, 4096, 128)]
        assert 55 < min(counts) < max(counts) < 105

    def test_far_draws_take_no_longer(self, three: list[WeightedPhotos]) -> None:
        feed = feed_of(three)
        start = time.process_time()
        feed.crops(3_000_000, 16, 16)
        assert time.process_time() - start < 2

    def test_seeds_differ(self, three: list[WeightedPhotos]) -> None:
        first, second = (feed_of(three, seed).crops(0, 64, 4)[:, 0, 0, 0] for seed in range(2))
        assert not np.array_equal(first, second)


class TestCrops:
    @pytest.mark.parametrize("scale", [None, (0.4, 0.9)])
    def test_pure_in_any_order_and_size(self, photos: PhotoSet, scale: tuple[float, float] | None) -> None:
        both = [WeightedPhotos("a", photos.subset([0, 1, 2, 3])), WeightedPhotos("b", photos.subset([4, 5, 6]), 2.0)]
        whole = feed_of(both, scale=scale).crops(4000, 200, 16)
        resumed = feed_of(both, scale=scale)
        for first, count in ((150, 20), (0, 7), (96, 1)):  # 96: the first draw of a block
            assert np.array_equal(resumed.crops(4000 + first, count, 16), whole[first : first + count])
        assert resumed.crops(4090, 3, 24).shape == (3, 24, 24, 3)
        assert np.array_equal(resumed.batch(1001), whole[4:8])

    def test_a_set_alone_is_fed_as_ever(self, photos: PhotoSet) -> None:
        feed = CropFeed(photos, crop_px=16, batch_size=4, seed=3)
        assert np.array_equal(feed.crops(8, 4, 16), feed.batch(2))
        assert feed.drawn(50) == {"photos": 50}

    def test_the_region_by_pillow(self) -> None:
        """Return a photo with coordinates as colors, so that crops identify their region."""
        rows, columns = np.mgrid[0:100, 0:140]
        ramp = np.stack([rows * 2, columns, np.zeros_like(rows)], axis=2).astype(np.uint8)
        feed = feed_of(ListedPhotos([ramp]), scale=(0.3, 0.8))
        crops = feed.crops(0, 400, 20).astype(float)
        inner = crops[:, 5:15, 5:15]
        sides = (inner[:, 9, 5, 0] - inner[:, 0, 5, 0]) / 2 / 9 * 20
        assert 28 < sides.min() < 34
        assert 76 < sides.max() < 82
        assert abs(sides.mean() - 55) < 2.5  # uniform: mean 55, standard error 0.7
        across = inner[:, 5, 9, 1] - inner[:, 5, 0, 1]
        assert np.allclose(np.abs(across) / 9 * 20, sides, atol=2.5)
        assert 0.42 < (across < 0).mean() < 0.58
        middle = crops[:, 10, 10, 1]
        assert middle.min() < 25
        assert middle.max() > 115

    def test_no_region_is_smaller_than_16_px(self) -> None:
        rng = np.random.default_rng(0)
        noise = rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)
        feed = feed_of(ListedPhotos([noise]), scale=(0.1, 0.2))
        windows = {
            window.tobytes()
            for top in range(9)
            for left in range(5)
            for window in (noise[top : top + 16, left : left + 16], noise[top : top + 16, left : left + 16][:, ::-1])
        }
        assert all(crop.tobytes() in windows for crop in feed.crops(0, 50, 16))

    def test_small_photos_are_enlarged(self) -> None:
        for scale in (None, (1.0, 1.0)):
            crops = feed_of(ListedPhotos([flat(7, 20, 30)]), scale=scale).crops(0, 3, 48)
            assert crops.shape == (3, 48, 48, 3)
            assert (crops == 7).all()

    def test_crops_that_fit_no_photo(self, photos: PhotoSet) -> None:
        with pytest.raises(ConfigError, match="crops of 33 px: expected 1 to 32"):
            CropFeed(photos, crop_px=16, batch_size=4, seed=0).crops(0, 1, 33)
        assert feed_of(photos).crops(0, 1, 33).shape == (1, 33, 33, 3)

    @pytest.mark.parametrize("scale", [(0.0, 1.0), (0.9, 0.5), (0.5, 1.5)])
    def test_senseless_scales(self, photos: PhotoSet, scale: tuple[float, float]) -> None:
        with pytest.raises(ConfigError, match="expected 0 < low <= high <= 1"):
            feed_of(photos, scale=scale)

    def test_senseless_sources(self) -> None:
        for sources in ([], [WeightedPhotos("a", flat_photos(0))]):
            with pytest.raises(ConfigError, match="no photos"):
                feed_of(sources)
        with pytest.raises(ConfigError, match="must be a number above 0"):
            feed_of([WeightedPhotos("a", flat_photos(1), 0.0)])


class TestUnreadable:
    def test_the_next_photo_takes_its_place(self, caplog: pytest.LogCaptureFixture) -> None:
        gone = flat_photos(6)
        gone.photos[2] = None
        sources = [WeightedPhotos("a", gone), WeightedPhotos("b", flat_photos(6, 10, "b"))]
        with caplog.at_level(logging.WARNING, logger="chromalab"):
            crops = feed_of(sources, seed=4).crops(0, 120, 8)
        whole = feed_of([WeightedPhotos("a", flat_photos(6)), sources[1]], seed=4).crops(0, 120, 8)
        values, expected = crops[:, 0, 0, 0], whole[:, 0, 0, 0]
        assert np.array_equal(values[expected != 2], expected[expected != 2])
        assert set(values[expected == 2]) <= {0, 1, 3, 4, 5}
        assert len(set(values[expected == 2])) > 1
        assert [record.message for record in caplog.records] == [
            "cannot read the photo a2: it is cut off; the next photo takes its place"
        ]
        assert np.array_equal(feed_of(sources, seed=4).crops(60, 30, 8), crops[60:90])

    @pytest.mark.slow
    def test_a_folder_that_is_gone_ends_the_run(self) -> None:
        many = ListedPhotos([None] * 1500)
        with pytest.raises(ChromalabError, match=r"1000 photos of far in a row can't be read.*it is cut off"):
            feed_of([WeightedPhotos("far", many)]).crops(0, 1, 8)
        assert len(many.asked) == len(set(many.asked)) == 1000
        with pytest.raises(ChromalabError, match="3 photos of few in a row"):
            feed_of([WeightedPhotos("few", ListedPhotos([None] * 3))]).crops(0, 1, 8)

    @pytest.mark.slow
    def test_files_that_vanish_from_a_library(self, tmp_path: Path) -> None:
        folder = make_photos(tmp_path / "photos", 6)
        library = open_library([FolderShare(folder)], size_px=64, cache_dir=tmp_path / "caches")
        feed = feed_of(library.train)
        before = feed.crops(0, 12, 24)
        (folder / "photo_003.png").unlink()
        after = feed.crops(0, 12, 24)
        same = [np.array_equal(one, other) for one, other in zip(before, after, strict=True)]
        assert same.count(False) == 2


class TestAheadFeed:
    def test_same_crops_whatever_is_asked(self, photos: PhotoSet) -> None:
        feed = feed_of(photos)
        requests = [(0, 4, 16), (4, 4, 16), (8, 4, 16), (100, 4, 16), (104, 4, 16), (104, 4, 16), (0, 4, 16)]
        requests += [(4, 6, 16), (10, 6, 24), (16, 6, 24), (40, 6, 24), (64, 6, 24), (88, 6, 24)]
        ahead = AheadFeed(feed, 3)
        for request in requests:
            assert np.array_equal(ahead.crops(*request), feed.crops(*request))
        ahead.close()

    @pytest.mark.parametrize("stride", [4, 12])
    def test_the_next_batches_are_ready(self, photos: PhotoSet, stride: int) -> None:
        asked: list[tuple[int, int, int]] = []

        class Watched:
            def crops(self, first: int, count: int, crop_px: int) -> NDArray[np.uint8]:
                asked.append((first, count, crop_px))
                return np.zeros((count, crop_px, crop_px, 3), np.uint8)

        ahead = AheadFeed(Watched(), 2)
        for step in range(10):
            ahead.crops(step * stride, 4, 16)
        ahead.close()
        steps = {(step * stride, 4, 16) for step in range(10)}
        assert steps <= set(asked)
        assert len(asked) == len(set(asked))
        assert len(set(asked) - steps) <= 3 + 3  # three batches in advance, and the first guess of the spacing

    def test_errors_come_where_the_batch_is_taken(self) -> None:
        ahead = AheadFeed(feed_of([WeightedPhotos("few", ListedPhotos([None] * 3))]), 2)
        for _ in range(2):
            with pytest.raises(ChromalabError, match="in a row"):
                ahead.crops(0, 2, 8)
        ahead.close()


@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    share=st.floats(0, 1),
    seed=st.integers(0),
    epoch=st.integers(0),
)
def test_windows_are_inside_the_photo(height: int, width: int, share: float, seed: int, epoch: int) -> None:
    side = max(1, round(share * min(height, width)))
    window = crop_window(height, width, side, seed=seed, epoch=epoch, photo_id="a")
    assert 0 <= window.top <= height - side
    assert 0 <= window.left <= width - side
    assert window == crop_window(height, width, side, seed=seed, epoch=epoch, photo_id="a")


def test_positions_and_mirroring_are_uniform_and_independent() -> None:
    windows = Counter(
        crop_window(20, 21, 18, seed=3, epoch=epoch, photo_id=str(photo)) for epoch in range(40) for photo in range(300)
    )
    every = [Window(top, left, mirrored) for top in range(3) for left in range(4) for mirrored in (False, True)]
    assert set(windows) == set(every)
    assert chisquare([windows[window] for window in every]).pvalue > 1e-3


@pytest.mark.parametrize("changed", [{"seed": 1}, {"epoch": 1}, {"photo_id": "b"}])
def test_windows_depend_on_every_coordinate(changed: dict[str, int | str]) -> None:
    plain: dict[str, int | str] = {"seed": 0, "epoch": 0, "photo_id": "a"}
    windows = [crop_window(10_000, 10_000, 8, **coordinates) for coordinates in (plain, plain | changed)]  # type: ignore[arg-type]
    assert windows[0] != windows[1]


@pytest.mark.parametrize("mirrored", [False, True])
def test_crop_is_the_window(mirrored: bool) -> None:
    rgb = picture()
    out = np.empty((24, 24, 3), np.uint8)
    crop_into(out, rgb, Window(5, 17, mirrored))
    expected = rgb[5:29, 17:41]
    assert np.array_equal(out, np.flip(expected, axis=1) if mirrored else expected)


def test_crop_of_a_read_only_photo() -> None:
    rgb = picture(24, 24)
    rgb.flags.writeable = False
    out = np.empty((24, 24, 3), np.uint8)
    crop_into(out, rgb, Window(0, 0, mirrored=False))
    assert np.array_equal(out, rgb)
