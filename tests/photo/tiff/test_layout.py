"""Pages, reduced copies, masks and raw files are told apart, and files that are cut off are recognized."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.photo.content import ContentError
from chromalab.photo.reading import UnreadablePhotoError, read_photo
from chromalab.photo.scan import open_scan
from chromalab.photo.tiff.layout import TiffLayout, read_layout
from tests.photo.tiff_files import LONG, SHORT, cases, made, page, scene

REDUCED, MASK = {254: (LONG, 1)}, {254: (LONG, 4)}


def layout_of(path: Path) -> TiffLayout:
    with path.open("rb") as file:
        layout = read_layout(file)
    assert layout is not None
    return layout


def sizes_of(path: Path) -> list[tuple[int, int]]:
    return [(found.height, found.width) for found in layout_of(path).pages]


def reason_of(path: Path, number: int = 0) -> str:
    with pytest.raises(UnreadablePhotoError) as caught:
        open_scan(path, number)
    return caught.value.reason


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("loop", [False, True])
def test_pages_of_all_sizes(tmp_path: Path, loop: bool, big: bool, order: str) -> None:
    sizes = [(48, 64), (40, 30), (48, 64), (7, 5)]
    pages = [page(scene(*size, number=number), order=order) for number, size in enumerate(sizes)]
    path = made(tmp_path / "a.tif", *pages, order=order, big=big, loop=loop)
    assert sizes_of(path) == sizes
    for number, size in enumerate(sizes):
        scan = open_scan(path, number)
        assert scan.pages == 4
        assert np.array_equal(scan.levels(), scene(*size, number=number))
    assert "there is no page 5" in reason_of(path, 4)


@pytest.mark.parametrize("bit", [{254: (LONG, 1)}, {254: (SHORT, 1)}, {255: (SHORT, 2)}, {254: (LONG, 3)}])
@pytest.mark.parametrize("first", [False, True])
def test_reduced_copies_are_not_pages(tmp_path: Path, first: bool, bit: dict[int, Any]) -> None:
    pages = [page(scene(12, 16), tags=bit), page(scene())]
    path = made(tmp_path / "a.tif", *(pages if first else pages[::-1]))
    assert sizes_of(path) == [(61, 83)]
    assert np.array_equal(open_scan(path).levels(), scene())
    assert read_photo(path).rgb.shape == (61, 83, 3)
    assert open_scan(path).warnings == ()


def test_half_sized_pages_without_the_bit_are_pages(tmp_path: Path) -> None:
    """Only what states to be a reduced copy is one; a page lost would be worse than a copy colorized."""
    path = made(tmp_path / "a.tif", page(scene(64, 64), tile=32), page(scene(32, 32, number=1), tile=32))
    assert sizes_of(path) == [(64, 64), (32, 32)]


def test_photo_below_its_thumbnail(tmp_path: Path) -> None:
    thumbnail = page(scene(12, 16), tags=REDUCED, subs=[page(scene())])
    assert np.array_equal(open_scan(made(tmp_path / "a.tif", thumbnail)).levels(), scene())


def test_files_of_reduced_copies_only(tmp_path: Path) -> None:
    alone = open_scan(made(tmp_path / "a.tif", page(scene(), tags=REDUCED)))
    assert "reduced copy" in alone.warnings[0]
    two = made(tmp_path / "b.tif", page(scene(), tags=REDUCED), page(scene(9, 9), tags=REDUCED))
    assert "only reduced copies" in reason_of(two)


def test_masks_and_further_images_are_named(tmp_path: Path) -> None:
    mask = page((scene() > 128).astype(np.uint8), bits=1, photometric=4, tags=MASK)
    masked = open_scan(made(tmp_path / "a.tif", page(scene()), mask))
    assert (masked.pages, masked.warnings) == (1, ("left out: 1 transparency mask",))
    inside = [page(scene(9, 9)), page(scene(5, 5), tags=REDUCED)]
    below = open_scan(made(tmp_path / "b.tif", page(scene(), subs=inside)))
    assert (below.pages, below.warnings) == (1, ("left out: 1 further image",))


@pytest.mark.parametrize("order", ["<", ">"])
def test_raw_files_are_refused(tmp_path: Path, order: str) -> None:
    raw = page(scene(64, 64, bits=16), photometric=32803, order=order)
    thumbnail = scene(12, 16, channels=3)
    files = {
        "dng": page(thumbnail, tags=REDUCED | {50706: (1, [1, 4, 0, 0])}, subs=[raw]),
        "nef": page(thumbnail, tags=REDUCED, subs=[raw]),
        "flagless": page(thumbnail, subs=[raw]),
        "first": raw,
    }
    for name, first in files.items():
        assert "a camera's raw file" in reason_of(made(tmp_path / f"{name}.tif", first, order=order)), name


@pytest.mark.parametrize(
    "head", [b"FUJIFILMCCD-RAW 0201", b"IIRO\x08\0\0\0", b"IIU\0\x18\0\0\0", b"\0\0\0\x18ftypcrx \0\0"]
)
def test_raw_files_of_other_formats(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(head + bytes(100))
    assert "a camera's raw file" in reason_of(tmp_path / "a.tif")


@pytest.mark.parametrize("big", [False, True])
def test_files_that_end_before_their_directory(tmp_path: Path, big: bool) -> None:
    data = cases().tiff([page(scene())], big=big)
    for end in (4, 7, 8, 12, 16, 100, len(data) // 2, len(data) - 200, len(data) - 20):
        (tmp_path / "a.tif").write_bytes(data[:end])
        assert "a TIFF that is cut off" in reason_of(tmp_path / "a.tif"), end


def test_lost_directory_of_a_later_page(tmp_path: Path) -> None:
    data = cases().tiff([page(scene(9, 9)), page(scene())])
    for lost in (300, 20):  # the whole directory, and its end
        (tmp_path / "a.tif").write_bytes(data[:-lost])
        assert "before the description of page 2" in reason_of(tmp_path / "a.tif")


def test_directory_without_a_meaning_ends_the_file_with_a_warning(tmp_path: Path) -> None:
    whole = cases().tiff([page(scene())])
    place = int.from_bytes(whole[4:8], "little")
    following = place + 2 + 12 * int.from_bytes(whole[place : place + 2], "little")
    (tmp_path / "a.tif").write_bytes(whole[:following] + (16).to_bytes(4, "little") + whole[following + 4 :])
    scan = open_scan(tmp_path / "a.tif")
    assert np.array_equal(scan.levels(), scene())
    assert "description of page 2 is damaged" in scan.warnings[0]


def test_reasons_name_the_page(tmp_path: Path) -> None:
    numbers = page(scene().astype(np.float32), bits=32, sample_format=3)
    path = made(tmp_path / "a.tif", page(scene()), numbers)
    first = open_scan(path)
    for attempt in (lambda: first.other_page(1), first.check_other_pages):
        with pytest.raises(UnreadablePhotoError, match="page 2 of 2: its pixels are 32-bit floating-point numbers"):
            attempt()


HEADS = [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10" + bytes(7)]


@given(st.binary(max_size=400), st.sampled_from(HEADS))
def test_random_directories_give_pages_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.tif"
    path.write_bytes(head + data)
    with path.open("rb") as file, contextlib.suppress(ContentError):
        layout = read_layout(file)
        assert layout is not None
        assert layout.pages
