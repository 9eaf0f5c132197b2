"""Listing finds the photo files of a folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from chromalab.core.errors import UsageError
from chromalab.photo.listing import list_contents, scan_photos
from chromalab.photo.reading import list_photos


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_photos(folder)]


def test_suffixes_subfolders_and_order(tmp_path: Path) -> None:
    touch(
        tmp_path, "b.JPG", "a/z.png", "a.webp", "a/y/x.TIFF", "c.jpeg", "d.tif", "notes.txt", "e.gif", "jpg", "a-b.jpg"
    )
    assert names(tmp_path) == ["a-b.jpg", "a.webp", "a/y/x.TIFF", "a/z.png", "b.JPG", "c.jpeg", "d.tif"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "seen.jpg", ".hidden.jpg", "._seen.jpg", ".thumbs/small.jpg", "a/.b/c.jpg")
    assert names(tmp_path) == ["seen.jpg"]


def test_folder_that_is_itself_hidden(tmp_path: Path) -> None:
    touch(tmp_path, ".photos/seen.jpg")
    assert names(tmp_path / ".photos") == ["seen.jpg"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "photos/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "photos/loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/up").symlink_to("..")
    (tmp_path / "photos/self.jpg").symlink_to("self.jpg")
    assert names(tmp_path / "photos") == ["a.jpg", "self.jpg", "up/elsewhere/b.jpg"]


def test_sizes_and_times(tmp_path: Path) -> None:
    for name, text in (("b.jpg", "12345"), ("a/c.png", "12")):
        touch(tmp_path, name)
        (tmp_path / name).write_text(text)
    (tmp_path / "lost.jpg").symlink_to("nowhere")
    listing = scan_photos(tmp_path)
    assert listing.names == ["a/c.png", "b.jpg", "lost.jpg"]
    assert listing.sizes.tolist() == [2, 5, -1]
    times = [(tmp_path / name).stat().st_mtime_ns for name in ("a/c.png", "b.jpg")]
    assert listing.mtimes_ns.tolist() == [*times, 0]


def test_folder_named_like_a_photo(tmp_path: Path) -> None:
    touch(tmp_path, "album.jpg/a.jpg")
    assert names(tmp_path) == ["album.jpg/a.jpg"]


def test_missing_folder_file_and_empty_folder(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(UsageError, match="there is no folder"):
        list_photos(tmp_path / "missing")
    with pytest.raises(UsageError, match="is not a folder"):
        list_photos(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match=r"holds no photos: expected files ending in \.jpeg"):
        list_photos(tmp_path)


def test_other_files_and_closed_folders(tmp_path: Path, permissions: None) -> None:
    touch(tmp_path, "a.jpg", "notes.txt", "b/c.BMP", "b/.hidden", "closed/d.jpg", "listed/e.jpg")
    (tmp_path / "closed").chmod(0)
    (tmp_path / "listed").chmod(0o444)
    found = list_contents(tmp_path, {".jpg"})
    assert (found.names, found.others) == (["a.jpg", "listed/e.jpg"], ["b/c.BMP", "notes.txt"])
    assert found.closed == [(tmp_path / "closed", "permission denied")]
    with pytest.raises(UsageError, match=r"cannot list the folder .*closed: permission denied"):
        list_photos(tmp_path)
    (tmp_path / "closed").chmod(0o755)
    (tmp_path / "listed").chmod(0o755)


@pytest.mark.slow
def test_folders_deeper_than_the_stack_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    levels = sys.getrecursionlimit() + 100
    for _ in range(levels):
        Path("d").mkdir()
        os.chdir("d")
    Path("deep.jpg").touch()
    os.chdir(tmp_path)
    (photo,) = list_photos(Path("d"))
    assert len(photo.parts) == levels + 1
    os.chdir(photo.parent)
    Path("deep.jpg").unlink()
    for _ in range(levels):  # shutil.rmtree, with which pytest tidies up, would exceed the stack
        os.chdir("..")
        Path("d").rmdir()
