"""An index equals the facts from reading every file, but only new files are read."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from chromalab.core.errors import OutputError, UsageError
from chromalab.data import index as index_module
from chromalab.data.duplicates import signature_of
from chromalab.data.index import index_path, open_index, read_facts
from chromalab.data.photoset import NameTable
from chromalab.data.usable import COLOR_FIGURE_PX, SKIP_KINDS, color_figure
from chromalab.photo.reading import read_photo, resize
from tests.data.photo_folder import make_photos
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = make_photos(tmp_path / "photos", 5)
    save(folder / "deep" / "large.jpg", picture(300, 420, seed=90), quality=90)
    return folder


@pytest.fixture
def caches(tmp_path: Path) -> Path:
    return tmp_path / "caches"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the names of read files are appended."""
    names: list[str] = []

    def read(path: Path) -> index_module.PhotoFacts:
        names.append(path.name)
        return read_facts(path)

    monkeypatch.setattr(index_module, "read_facts", read)
    return names


def test_rows_describe_the_files(folder: Path, caches: Path) -> None:
    index = open_index(folder, cache_dir=caches)
    assert [index.names.shown(row) for row in range(len(index))] == [
        "deep/large.jpg",
        *(f"photo_00{number}.png" for number in range(5)),
    ]
    for row in range(len(index)):
        path, facts = index.path(row), index.facts[row]
        assert index.id(row) == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (facts["size"], facts["mtime_ns"]) == (path.stat().st_size, path.stat().st_mtime_ns)
        with Image.open(path) as image:
            assert (facts["width"], facts["height"]) == image.size
        thumbnail = resize(read_photo(path).rgb, COLOR_FIGURE_PX, COLOR_FIGURE_PX)
        assert facts["color"] == pytest.approx(color_figure(thumbnail), rel=0.05)
        signature = signature_of(thumbnail)
        assert (int(facts["straight"]) ^ signature.straight).bit_count() <= 3
        assert (int(facts["mirrored"]) ^ signature.mirrored).bit_count() <= 3
    assert (index.kinds(10.0) == -1).all()
    assert index.has_hashes.all()


def test_unusable_photos(folder: Path, caches: Path) -> None:
    (folder / "text.jpg").write_text("hello")
    save(folder / "tiny.png", picture(8, 9))
    Image.fromarray(picture(seed=300)).convert("L").save(folder / "grey.jpg")
    save(folder / "dull.png", np.repeat(picture(seed=301)[..., :1], 3, axis=2))
    (folder / "lost.png").symlink_to(folder / "nowhere")
    index = open_index(folder, cache_dir=caches)
    names = [index.names.shown(row) for row in range(len(index))]
    skipped = {name: index.skipped(row, 10.0) for row, name in enumerate(names)}
    kinds = {name: kind for name, kind in zip(names, index.kinds(10.0), strict=True) if kind >= 0}
    assert {name: found.reason for name, found in skipped.items() if found is not None} == {
        "text.jpg": "unreadable: its content is not a JPEG, PNG, TIFF, WebP or HEIF photo",
        "tiny.png": "too small (9x8 px; at least 16 needed)",
        "grey.jpg": "gray only",
        "dull.png": "nearly colourless (0.0 < 10)",
        "lost.png": "unreadable: no such file or directory",
    }
    assert {name: SKIP_KINDS[kind] for name, kind in kinds.items()} == {
        name: found.kind for name, found in skipped.items() if found is not None
    }
    assert not index.has_hashes[[names.index(name) for name in ("text.jpg", "tiny.png", "lost.png")]].any()
    assert index.id(names.index("lost.png")) is None
    assert read_facts(folder / "lost.png").signature is None


def test_only_new_and_changed_files_are_read(folder: Path, caches: Path, reads: list[str]) -> None:
    first = open_index(folder, cache_dir=caches)
    assert len(reads) == 6
    reads.clear()
    again = open_index(folder, cache_dir=caches)
    assert reads == []
    assert np.array_equal(again.facts, first.facts)
    assert again.names.block == first.names.block

    save(folder / "aaa.png", picture(seed=77))
    (folder / "photo_001.png").unlink()
    save(folder / "photo_003.png", picture(seed=78))
    os.utime(folder / "photo_003.png", ns=(1, 1))
    changed = open_index(folder, cache_dir=caches)
    assert sorted(reads) == ["aaa.png", "photo_003.png"]
    fresh = open_index(folder, cache_dir=caches / "fresh")
    assert np.array_equal(changed.facts, fresh.facts)
    reads.clear()
    open_index(folder, cache_dir=caches)
    assert reads == []


def test_a_removed_photo_is_removed_from_the_index(folder: Path, caches: Path, reads: list[str]) -> None:
    open_index(folder, cache_dir=caches)
    (folder / "photo_001.png").unlink()
    reads.clear()
    for _ in range(2):
        assert len(open_index(folder, cache_dir=caches)) == 5
    assert reads == []


def test_unreadable_files_are_read_again(folder: Path, caches: Path, reads: list[str]) -> None:
    (folder / "link.png").symlink_to(folder / "nowhere")
    open_index(folder, cache_dir=caches)
    reads.clear()
    open_index(folder, cache_dir=caches)
    assert reads == ["link.png"]


@pytest.mark.parametrize("damage", ["cut", "flip", "format", "empty", "text"])
def test_a_damaged_index_is_rebuilt(folder: Path, caches: Path, reads: list[str], damage: str) -> None:
    first = open_index(folder, cache_dir=caches)
    path = index_path(folder, caches)
    data = path.read_bytes()
    path.write_bytes(
        {
            "cut": data[:-10],
            "flip": data[:-1] + bytes([data[-1] ^ 1]),
            "format": data.replace(b'"format": 1', b'"format": 0', 1),
            "empty": b"",
            "text": b"[1, 2]\nhello",
        }[damage]
    )
    reads.clear()
    again = open_index(folder, cache_dir=caches)
    assert len(reads) == 6
    assert np.array_equal(again.facts, first.facts)


@pytest.mark.slow
def test_facts_read_before_an_interruption_are_kept(
    tmp_path: Path, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends after some files, and the next one reads the others."""
    folder = make_photos(tmp_path / "many", 40)
    names: list[str] = []

    def read(path: Path) -> index_module.PhotoFacts:
        names.append(path.name)
        if path.name == "photo_030.png" and len(names) < 40:
            raise SystemError("killed")
        return read_facts(path)

    monkeypatch.setattr(index_module, "read_facts", read)
    monkeypatch.setattr(index_module, "_SAVE_EVERY_S", -1.0)
    monkeypatch.setattr(index_module, "_FILES_AT_ONCE", 4)
    with pytest.raises(SystemError, match="killed"):
        open_index(folder, cache_dir=caches)
    first = set(names)
    names.clear()
    names.extend(["-"] * 40)
    index = open_index(folder, cache_dir=caches)
    second = set(names) - {"-"}
    assert {f"photo_{number:03d}.png" for number in range(28, 40)} <= second
    assert len(second) <= 16
    assert len(first | second) == 40
    assert np.array_equal(index.facts, open_index(folder, cache_dir=caches / "fresh").facts)


def test_names_that_are_not_utf_8(tmp_path: Path, caches: Path) -> None:
    folder = make_photos(tmp_path / "photos", 1)
    strange = os.fsdecode(b"na\xefve.png")
    (folder / "photo_000.png").rename(folder / strange)
    for _ in range(2):
        index = open_index(folder, cache_dir=caches)
        assert index.names.shown(0) == r"na\xefve.png"
        assert index.path(0) == folder / strange
        assert index.kinds(10.0).tolist() == [-1]


def test_name_table() -> None:
    table = NameTable.of([name.encode() for name in ("a", "", "käse/b", "c")])
    assert [table.path(row) for row in range(len(table))] == ["a", "", "käse/b", "c"]
    assert [table.take(np.array([2, 0])).shown(row) for row in range(2)] == ["käse/b", "a"]


def test_each_folder_has_an_index_of_its_own(tmp_path: Path, caches: Path) -> None:
    one, other = make_photos(tmp_path / "one" / "x", 1), make_photos(tmp_path / "two" / "x", 2)
    assert len(open_index(one, cache_dir=caches)) == 1
    assert len(open_index(other, cache_dir=caches)) == 2
    assert index_path(one, caches) == index_path(one / ".." / "x", caches) != index_path(other, caches)


def test_missing_and_unwritable_folders_are_reported(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        open_index(tmp_path / "missing", cache_dir=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="CHROMALAB_CACHE"):
        open_index(folder, cache_dir=tmp_path / "file" / "caches")
