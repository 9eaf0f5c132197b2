"""Names and exclusions of the photos of a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from chromalab.core.errors import UsageError
from chromalab.data.sources import folder_sources

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/1.jpg", "a/2.jpg", "b/1.png", "b/c/3.jpg", "d [x].jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def names(folder: Path, *exclude: str) -> list[str]:
    return [source.name for source in folder_sources(folder, exclude=exclude)]


def test_names_are_relative_and_sorted(folder: Path) -> None:
    assert names(folder) == ["a/1.jpg", "a/2.jpg", "b/1.png", "b/c/3.jpg", "d [x].jpg"]
    assert all(source.path == folder / source.name for source in folder_sources(folder))


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


def test_slips_are_heard_of(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing matches the exclusion 'A/1\.jpg'"):
        names(folder, "A/1.jpg")
    with pytest.raises(UsageError, match="all 5 are excluded"):
        names(folder, "*")
    with pytest.raises(UsageError, match="cannot read the list of exclusions"):
        names(folder, f"@{tmp_path / 'missing.txt'}")


def test_name_that_is_no_unicode_is_written_so_that_it_can_be_printed(tmp_path: Path) -> None:
    try:
        os.close(os.open(os.fsencode(tmp_path) + b"/\xff.jpg", os.O_CREAT))
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    assert names(tmp_path) == ["\\xff.jpg"]
