"""Tags of TIFF directories and EXIF blocks are kept; Pillow and tifffile read them back."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from chromalab.photo.scan import open_scan
from chromalab.photo.tiff.tags import Tags, add_tags, exif_block, read_exif, read_tags
from chromalab.photo.writing import from_pixels, save
from tests.photo.odd_files import picture

if TYPE_CHECKING:
    from pathlib import Path

RGB = picture()
TAGS = {"Artist": "Dorothea Lange", "Copyright": "public domain", "DocumentName": "LC-USF34", "Make": "Epson"}


def described(path: Path, byteorder: str = "<", *, bigtiff: bool = False) -> Path:
    """Write a TIFF with descriptive tags."""

    tifffile.imwrite(
        path,
        RGB,
        photometric="rgb",
        byteorder=byteorder,  # type: ignore[arg-type]
        bigtiff=bigtiff,
        extratags=[(tifffile.TIFF.TAGS[name], "s", 0, text, True) for name, text in TAGS.items()],
        metadata=None,
    )
    return path


def tags_of(path: Path) -> dict[str, object]:
    with tifffile.TiffFile(path) as file:
        return {tag.name: tag.value for tag in file.pages[0].tags}  # type: ignore[union-attr]


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_from_tiff_to_tiff(tmp_path: Path, byteorder: str, bigtiff: bool) -> None:
    metadata = open_scan(described(tmp_path / "s.tif", byteorder, bigtiff=bigtiff)).metadata
    save([from_pixels(RGB), from_pixels(RGB)], tmp_path / "o.tif", metadata)
    found = tags_of(tmp_path / "o.tif")
    assert {name: found[name] for name in TAGS} == TAGS
    pages = tifffile.imread(tmp_path / "o.tif")
    assert np.array_equal(pages, np.stack([RGB, RGB]))


def test_from_tiff_to_jpeg(tmp_path: Path) -> None:
    metadata = open_scan(described(tmp_path / "s.tif")).metadata
    for suffix in (".jpg", ".png", ".webp"):
        save([from_pixels(RGB)], tmp_path / f"o{suffix}", metadata)
        with Image.open(tmp_path / f"o{suffix}") as back:
            exif = back.getexif()
        assert {name: exif[ExifTags.Base[name]] for name in TAGS} == TAGS, suffix


def test_from_jpeg_to_tiff(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Jack Delano"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.008
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    Image.fromarray(RGB).save(tmp_path / "s.jpg", exif=exif)
    save([from_pixels(RGB)], tmp_path / "o.tif", open_scan(tmp_path / "s.jpg").metadata)
    with Image.open(tmp_path / "o.tif") as back:
        found = back.getexif()
        assert found[ExifTags.Base.Artist] == "Jack Delano"
        assert float(found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime]) == pytest.approx(0.008)
        assert found.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
        assert np.array_equal(np.asarray(back), RGB)


def test_tags_of_maps_archives_and_scanners_are_kept(tmp_path: Path) -> None:
    kept: dict[int, tuple[str, Any]] = {
        33550: ("d", (0.5, 0.5, 0.0)),
        33922: ("d", (0.0, 0.0, 0.0, 500_000.0, 5_800_000.0, 0.0)),
        34735: ("H", (1, 1, 0, 1, 1024, 0, 1, 1)),
        34736: ("d", (6_378_137.0, 298.25)),
        34737: ("s", "WGS 84|"),
        42112: ("s", '<GDALMetadata><Item name="flight">RAF 1944</Item></GDALMetadata>'),
        42113: ("s", "0"),
        32781: ("s", "Archive 4711"),
        36867: ("s", "1944:06:06 10:00:00"),
        65001: ("s", "note of the scanner"),
    }
    dropped: dict[int, tuple[str, Any]] = {340: ("H", (7,)), 50740: ("B", b"private"), 65002: ("IFD", (8,))}
    tags = [
        (number, {"IFD": 13}.get(kind, kind), 0 if kind == "s" else len(value), value, True)
        for number, (kind, value) in (kept | dropped).items()
    ]
    tifffile.imwrite(tmp_path / "s.tif", RGB, photometric="rgb", extratags=tags, metadata=None)
    scan = open_scan(tmp_path / "s.tif")
    assert scan.warnings == ("its tags 50740 and 65002 are left out: true only in the original file",)
    save([from_pixels(RGB)], tmp_path / "o.tif", scan.metadata)
    with tifffile.TiffFile(tmp_path / "o.tif") as file:
        found = {tag.code: tag.value for tag in file.pages[0].tags}  # type: ignore[union-attr]
    assert {number: found.get(number) for number in kept} == {number: value for number, (_, value) in kept.items()}
    assert not set(dropped) & set(found)
    assert np.array_equal(tifffile.imread(tmp_path / "o.tif"), RGB)
    assert open_scan(tmp_path / "o.tif").warnings == ()


@pytest.mark.parametrize(
    ("length", "warning"),
    [
        (None, ()),
        (20, ("its EXIF block is damaged and left out",)),
        (60, ("its tags 270, 315 and 33432 are left out: damaged or too large",)),
    ],
)
def test_damaged_exif_is_reported(tmp_path: Path, length: int | None, warning: tuple[str, ...]) -> None:
    exif = Image.Exif()
    exif[270], exif[315], exif[33432] = "A description that is long enough", "Dorothea Lange", "public domain"
    Image.fromarray(RGB).save(tmp_path / "s.jpg", exif=exif.tobytes()[:length])
    assert open_scan(tmp_path / "s.jpg").warnings == warning


@pytest.mark.parametrize("pointer", [34665, 34853])
def test_blocks_that_are_not_where_they_should_be_are_reported(pointer: int) -> None:
    entry = struct.pack("<HHII", pointer, 4, 1, 5000)
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4)
    assert read_exif(block).problems == (f"its tag {pointer} is left out: damaged or too large",)


def test_64_bit_numbers_of_a_big_tiff_get_32_bits(tmp_path: Path) -> None:
    tags = [(65001, 16, 2, (5, 2**32 - 1), True), (65002, 16, 1, (2**32,), True), (65003, 17, 1, (-7,), True)]
    tifffile.imwrite(tmp_path / "s.tif", RGB, photometric="rgb", bigtiff=True, extratags=tags, metadata=None)
    scan = open_scan(tmp_path / "s.tif")
    assert scan.warnings == ("its tag 65002 is left out: damaged or too large",)
    save([from_pixels(RGB)], tmp_path / "o.tif", scan.metadata)
    with tifffile.TiffFile(tmp_path / "o.tif") as file:
        found = {tag.code: (int(tag.dtype), tag.value) for tag in file.pages[0].tags}  # type: ignore[union-attr]
    assert (found.get(65001), found.get(65003)) == ((4, (5, 2**32 - 1)), (9, -7))


def test_existing_tags_stay(tmp_path: Path) -> None:
    path = described(tmp_path / "s.tif")
    other = described(tmp_path / "o.tif")
    with tifffile.TiffFile(other, mode="r+") as file:
        file.pages[0].tags["Artist"].overwrite("Walker Evans")  # type: ignore[union-attr]
    with path.open("rb") as source, other.open("r+b") as target:
        add_tags(target, read_tags(source))
    assert tags_of(other)["Artist"] == "Walker Evans"


def test_of_equal_tags_the_first_one_counts() -> None:
    entries = [struct.pack("<HHI4s", 271, 2, 4, name) for name in (b"One\0", b"Two\0")]
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 2) + b"".join(entries) + bytes(4)
    assert read_tags(io.BytesIO(block)).image[271].data == b"One\0"


@given(st.binary(max_size=300))
def test_invalid_data_gives_no_or_valid_tags(data: bytes) -> None:
    for head in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"):
        found = read_tags(io.BytesIO(head + data))
        assert read_tags(io.BytesIO(exif_block(found))) == found or not found


def test_blocks_round_trip(tmp_path: Path) -> None:
    with described(tmp_path / "s.tif", ">").open("rb") as file:
        tags = read_tags(file)
    assert len(tags.image) >= len(TAGS)
    assert read_tags(io.BytesIO(exif_block(tags))) == tags
    assert not Tags()
