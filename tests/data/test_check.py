"""The findings of `check_folders` in folders with known faults."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from chromalab.core.errors import UsageError
from chromalab.data import check
from chromalab.data.check import CheckReport, check_folders
from tests.data.photo_folder import make_photos, open_folder
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_CACHE", str(tmp_path / "own_caches"))


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Return two folders: one with faults, and one that shares a mirrored and an identical photo with it."""
    first, second = make_photos(tmp_path / "one", 5), make_photos(tmp_path / "two", 3, first_seed=50)
    (first / "text.jpg").write_text("hello")
    save(first / "tiny.png", picture(8, 8))
    Image.fromarray(picture(seed=300)).convert("L").save(first / "grey.png")
    save(first / "dull.png", np.repeat(picture(seed=301)[..., :1], 3, axis=2))
    (first / "x_copy.png").write_bytes((first / "photo_001.png").read_bytes())
    (second / "same.png").write_bytes((first / "photo_002.png").read_bytes())
    with Image.open(first / "photo_003.png") as image:
        save(second / "turned.jpg", np.asarray(image)[:, ::-1], quality=85)
    return first, second


def test_findings(two: tuple[Path, Path]) -> None:
    first, second = two
    report = check_folders(two)
    one, other = report.folders
    assert (one.folder, one.n_found, one.n_usable) == (first.as_posix(), 10, 5)
    assert one.unusable == {
        "unreadable": 1,
        "too small": 1,
        "gray only": 1,
        "nearly colourless": 1,
        "same content": 1,
    }
    assert (other.n_found, other.n_usable, other.unusable) == (5, 4, {"same content": 1})
    assert {(row.photo.rpartition("/")[2], row.kind) for row in report.unusable} == {
        ("text.jpg", "unreadable"),
        ("tiny.png", "too small"),
        ("grey.png", "gray only"),
        ("dull.png", "nearly colourless"),
    }
    copies = [(copy.first, copy.second, copy.kind, copy.shared, copy.mirrored) for copy in report.copies]
    assert copies == [
        (f"{first}/photo_001.png", f"{first}/x_copy.png", "same content", False, False),
        (f"{first}/photo_002.png", f"{second}/same.png", "same content", True, False),
        (f"{first}/photo_003.png", f"{second}/turned.jpg", "near copy", True, True),
    ]


def test_usable_photos_are_those_of_a_study(two: tuple[Path, Path], tmp_path: Path) -> None:
    photos = open_folder(two[0], tmp_path / "caches")
    report = check_folders(two[:1])
    assert report.folders[0].n_usable == len(photos)
    assert sum(report.folders[0].unusable.values()) == len(photos.skipped)


def test_threshold(two: tuple[Path, Path]) -> None:
    assert check_folders([two[1]], colourless_threshold=250.0).folders[0].n_usable == 0
    assert "nearly colourless" not in check_folders([two[0]], colourless_threshold=0.0).folders[0].unusable


def test_report_is_a_record(two: tuple[Path, Path], tmp_path: Path) -> None:
    report = check_folders(two)
    report.save(tmp_path / "report.json")
    assert CheckReport.load(tmp_path / "report.json") == report


def test_folder_given_twice_missing_or_empty(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the same folder is given twice"):
        check_folders([two[0], two[0] / ".." / "one"])
    with pytest.raises(UsageError, match="there is no folder"):
        check_folders([tmp_path / "missing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no photos"):
        check_folders([tmp_path / "empty"])


def test_nested_photos_belong_to_the_inner_folder(tmp_path: Path) -> None:
    outer = make_photos(tmp_path / "photos", 3)
    inner = make_photos(outer / "scenes", 2, first_seed=50)
    make_photos(outer / "scenes_too", 1, first_seed=80)
    for folders in ([outer, inner], [inner, outer]):
        report = check_folders(folders)
        counts = {folder.folder: (folder.n_found, folder.n_usable) for folder in report.folders}
        assert counts == {outer.as_posix(): (4, 4), inner.as_posix(): (2, 2)}
        assert report.copies == []
    inside_only = check_folders([outer / "scenes", outer / "scenes_too", outer])
    assert [folder.n_found for folder in inside_only.folders] == [2, 1, 3]


@pytest.mark.slow
def test_a_second_check_reads_only_changed_files(two: tuple[Path, Path]) -> None:
    before = check_folders(two)
    assert check_folders(two) == before
    (two[1] / "turned.jpg").unlink()
    save(two[1] / "new.png", picture(seed=400))
    after = check_folders(two)
    assert [copy.kind for copy in after.copies] == ["same content", "same content"]
    assert after.folders[1].n_usable == before.folders[1].n_usable


def test_many_near_copies_are_compared_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_PAIRS_AT_ONCE", 4)
    folder = tmp_path / "photos"
    for quality in range(60, 96, 5):
        save(folder / f"{quality}.jpg", picture(120, 160, seed=3), quality=quality)
    copies = check_folders([folder]).copies
    names = [f"{folder}/{quality}.jpg" for quality in range(60, 96, 5)]
    assert [(copy.first, copy.second) for copy in copies] == list(combinations(names, 2))


@pytest.mark.slow
def test_shared_training_and_test_photos_are_disjoint(shared: Path) -> None:
    """The published development sets have no photo in common."""
    report = check_folders([shared / "data" / "photos" / "catsdogs", shared / "data" / "eval"])
    assert [folder.n_found for folder in report.folders] == [300, 120]
    assert [copy for copy in report.copies if copy.shared] == []
    assert report.unusable == []
