"""A library contains every usable photo once, and separates validation from training."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chromalab.core.errors import UsageError
from chromalab.data.index import open_index
from chromalab.data.library import FolderShare, Library, LibraryRecord, open_library
from chromalab.photo.reading import UnreadablePhotoError, read_photo
from tests.data.photo_folder import make_photos
from tests.photo.odd_files import picture, save


def opened(tmp_path: Path, *folders: Path | FolderShare, validation: int = 0, size_px: int = 64) -> Library:
    shares = [share if isinstance(share, FolderShare) else FolderShare(share) for share in folders]
    return open_library(shares, validation=validation, size_px=size_px, cache_dir=tmp_path / "caches")


def small_photos(folder: Path, count: int, first_seed: int = 0) -> Path:
    for seed in range(first_seed, first_seed + count):
        save(folder / f"p{seed:04d}.jpg", picture(24, 32, seed=seed), quality=95)
    return folder


class TestFolderShare:
    def test_with_and_without_a_weight(self) -> None:
        assert FolderShare.parse("photos") == FolderShare(Path("photos"), 1.0)
        assert FolderShare.parse("a/b=0.25") == FolderShare(Path("a/b"), 0.25)
        assert FolderShare.parse("a=b=3") == FolderShare(Path("a=b"), 3.0)

    def test_a_folder_with_an_equals_sign(self, tmp_path: Path) -> None:
        (tmp_path / "x=2").mkdir()
        assert FolderShare.parse(f"{tmp_path}/x=2") == FolderShare(tmp_path / "x=2", 1.0)
        assert FolderShare.parse(f"{tmp_path}/x=2=0.5") == FolderShare(tmp_path / "x=2", 0.5)
        assert FolderShare.parse(f"{tmp_path}/y=2") == FolderShare(tmp_path / "y", 2.0)

    @pytest.mark.parametrize("text", ["a=0", "a=-1", "a=nan", "a=inf", "a=many", "a="])
    def test_senseless_weights(self, text: str) -> None:
        with pytest.raises(UsageError, match="expected a number above 0"):
            FolderShare.parse(text)


def test_photos_are_decoded_as_by_the_reader(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    save(folder / "a.jpg", picture(50, 70, seed=1))
    save(folder / "b.png", picture(90, 120, seed=2))
    save(folder / "sub" / "c.jpg", picture(200, 300, seed=3))
    (part,) = opened(tmp_path, folder).train
    photos = part.photos
    assert photos.names == ["a.jpg", "b.png", "sub/c.jpg"]
    assert [photos.photo(index).shape for index in range(3)] == [(50, 70, 3), (64, 85, 3), (64, 96, 3)]
    assert np.array_equal(photos.photo(0), read_photo(folder / "a.jpg").rgb)
    assert np.array_equal(photos.photo(1), read_photo(folder / "b.png", shortest_side_px=64).rgb)
    index = open_index(folder, cache_dir=tmp_path / "caches")
    assert photos.ids == [index.id(row) for row in range(3)]


def test_subset_and_pickle(tmp_path: Path) -> None:
    (part,) = opened(tmp_path, make_photos(tmp_path / "photos", 5)).train
    subset = part.photos.subset([3, 1])
    assert subset.names == ["photo_003.png", "photo_001.png"]
    assert subset.ids == [part.photos.ids[3], part.photos.ids[1]]
    copy = pickle.loads(pickle.dumps(subset))  # noqa: S301 - own data
    assert copy.names == subset.names
    assert np.array_equal(copy.photo(0), part.photos.photo(3))
    assert copy.data_sha256 == subset.data_sha256 != part.photos.data_sha256
    assert len(part.photos.subset([])) == 0


def test_damaged_and_missing_files_are_reported(tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 3)
    (part,) = opened(tmp_path, folder).train
    (folder / "photo_000.png").unlink()
    (folder / "photo_001.png").write_bytes(b"damaged")
    for index in (0, 1):
        with pytest.raises(UnreadablePhotoError):
            part.photos.photo(index)
    assert part.photos.photo(2).shape[2] == 3


def test_unusable_photos_are_skipped_and_counted(tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 4)
    (folder / "text.jpg").write_text("hello")
    Image.fromarray(picture(seed=300)).convert("L").save(folder / "grey.png")
    shutil.copy(folder / "photo_001.png", folder / "zz.png")
    library = opened(tmp_path, folder)
    (row,) = library.record.folders
    assert (row.name, row.n_found, row.n_usable, row.n_train) == ("photos", 7, 4, 4)
    assert row.skipped == {"unreadable": 1, "gray only": 1, "same content": 1}
    assert {(item.name, item.kind) for item in library.skipped} == {
        ("text.jpg", "unreadable"),
        ("grey.png", "gray only"),
        ("zz.png", "same content"),
    }
    library.record.save(tmp_path / "record.json")
    assert LibraryRecord.load(tmp_path / "record.json") == library.record


def test_copies_count_once_over_all_folders(tmp_path: Path) -> None:
    one, two = make_photos(tmp_path / "one", 4), make_photos(tmp_path / "two", 3, first_seed=50)
    shutil.copy(one / "photo_002.png", two / "copy.png")
    library = opened(tmp_path, one, two)
    assert [(part.name, len(part.photos)) for part in library.train] == [("one", 4), ("two", 3)]
    assert [item.name for item in library.skipped] == ["two/copy.png"]
    assert library.train[1].photos.names == [f"two/photo_05{number}.png" for number in range(3)]
    turned = opened(tmp_path, two, one)
    assert [(part.name, len(part.photos)) for part in turned.train] == [("two", 4), ("one", 3)]


def test_photos_belong_to_the_innermost_folder(tmp_path: Path) -> None:
    outer = make_photos(tmp_path / "more", 2)
    make_photos(outer / "scenes", 3, first_seed=10)
    make_photos(outer / "scenes" / "night", 4, first_seed=20)
    make_photos(outer / "scenes2", 1, first_seed=30)
    shares = [
        FolderShare(outer),
        FolderShare(outer / "scenes" / "night", 2.0),
        FolderShare(outer / "scenes", 0.5),
    ]
    library = opened(tmp_path, *shares)
    assert [(part.name, part.weight, len(part.photos)) for part in library.train] == [
        ("more", 1.0, 3),
        ("night", 2.0, 4),
        ("scenes", 0.5, 3),
    ]
    assert all(name.startswith("scenes/photo") for name in library.train[2].photos.names)
    reversed_order = opened(tmp_path, *reversed(shares))
    assert {part.name: part.photos.data_sha256 for part in reversed_order.train} == {
        part.name: part.photos.data_sha256 for part in library.train
    }


def test_folders_of_the_same_name(tmp_path: Path) -> None:
    one, two = make_photos(tmp_path / "a" / "x", 2), make_photos(tmp_path / "b" / "x", 2, first_seed=9)
    assert [part.name for part in opened(tmp_path, one, two).train] == ["a/x", "b/x"]


def test_exclusions(tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 4)
    library = open_library(
        [FolderShare(folder)], size_px=32, exclude=["photo_001.png", "*3.png"], cache_dir=tmp_path / "caches"
    )
    assert library.train[0].photos.names == ["photo_000.png", "photo_002.png"]
    assert (library.record.n_excluded, library.record.folders[0].n_found) == (2, 2)
    with pytest.raises(UsageError, match="nothing matches the exclusion"):
        open_library([FolderShare(folder)], size_px=32, exclude=["no*"], cache_dir=tmp_path / "caches")
    for validation in (0, 2):
        with pytest.raises(UsageError, match="all 4 photos are excluded"):
            open_library(
                [FolderShare(folder)],
                validation=validation,
                size_px=32,
                exclude=["*"],
                cache_dir=tmp_path / "caches",
            )


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a large and a small source, and photos directly in it."""
    folder = tmp_path_factory.mktemp("sources") / "photos"
    small_photos(folder / "large", 120)
    small_photos(folder / "small", 20, 200)
    small_photos(folder, 40, 300)
    return folder


def test_each_source_has_the_same_number_of_validation_photos_up_to_a_tenth(sources: Path, tmp_path: Path) -> None:
    library = opened(tmp_path, sources, validation=14)
    names = library.val.names
    found = [sum(name.startswith(f"{source}/") for name in names) for source in ("large", "small")]
    assert [*found, sum("/" not in name for name in names)] == [8, 2, 4]
    assert set(names).isdisjoint(library.train[0].photos.names)
    row = library.record.folders[0]
    assert (row.n_val, library.record.n_val, library.record.n_train) == (14, 14, 180 - 14 - row.n_near_val)
    assert len(opened(tmp_path, sources, validation=1000).val) == 12 + 2 + 4
    assert len(opened(tmp_path, sources).val) == 0


def test_validation_photos_depend_on_content(sources: Path, tmp_path: Path) -> None:
    before = opened(tmp_path, sources, validation=9)
    copied = tmp_path / "renamed"
    shutil.copytree(sources, copied)
    for path in (copied / "large").iterdir():
        path.rename(path.with_name(f"q{path.name[::-1]}.jpg"))
    assert set(opened(tmp_path, copied, validation=9).val.ids) == set(before.val.ids)
    small_photos(copied / "large", 10, 500)
    grown = set(opened(tmp_path, copied, validation=9).val.ids)
    assert len(grown & set(before.val.ids)) >= 8


def test_near_copies_of_validation_photos_are_not_trained_on(sources: Path, tmp_path: Path) -> None:
    plain = opened(tmp_path, sources, validation=14)
    folder = tmp_path / "copies"
    for number, index in enumerate(range(5)):
        rgb = plain.val.photo(index)
        save(folder / f"mirrored_{number}.png", rgb[:, ::-1])
        save(folder / f"saved_{number}.jpg", rgb, quality=70)
    small_photos(folder, 9, 700)
    library = opened(tmp_path, sources, folder, validation=14)
    copies = library.record.folders[1]
    trained = [name for part in library.train for name in part.photos.names]
    held_back = {identity for identity in library.val.ids if identity in plain.val.ids}
    assert len(held_back) >= 9
    for number in range(5):
        if plain.val.ids[number] in held_back:
            assert f"copies/mirrored_{number}.png" not in trained
            assert f"copies/saved_{number}.jpg" not in trained
    assert copies.n_near_val >= 6
    assert copies.n_train + copies.n_val + copies.n_near_val == copies.n_usable == 19


def test_near_copies_equal_brute_force(sources: Path, tmp_path: Path) -> None:
    library = opened(tmp_path, sources, validation=14)
    index = open_index(sources, cache_dir=tmp_path / "caches")
    hashes = {
        index.id(row): (int(index.facts["straight"][row]), int(index.facts["mirrored"][row]))
        for row in range(len(index))
    }
    val = [hashes[identity] for identity in library.val.ids]
    for part in library.train:
        for identity in part.photos.ids:
            straight = hashes[identity][0]
            assert all((straight ^ other).bit_count() > 3 for pair in val for other in pair)


def test_the_hash_of_a_library(sources: Path, tmp_path: Path) -> None:
    hashes = {
        opened(tmp_path, sources).record.sha256,
        opened(tmp_path, sources, validation=5).record.sha256,
        opened(tmp_path, FolderShare(sources, 0.5)).record.sha256,
        opened(tmp_path, sources, size_px=32).record.sha256,
    }
    assert len(hashes) == 4
    assert opened(tmp_path, sources).record.sha256 in hashes


def test_invalid_libraries_are_rejected(tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 5)
    with pytest.raises(UsageError, match="no photo folder is given"):
        opened(tmp_path)
    with pytest.raises(UsageError, match="given twice"):
        opened(tmp_path, folder, folder / ".." / "photos")
    with pytest.raises(UsageError, match="there is no folder"):
        opened(tmp_path, folder, tmp_path / "missing")
    with pytest.raises(UsageError, match="too small for a validation set"):
        opened(tmp_path, folder, validation=2)
    grey = save(tmp_path / "grey" / "a.png", np.full((20, 20, 3), 90, np.uint8)).parent
    with pytest.raises(UsageError, match="1 nearly colourless"):
        opened(tmp_path, grey)
