"""Written files, read back by Pillow and tifffile."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from chromalab.core.errors import OutputError, UsageError
from chromalab.photo.metadata import Metadata, Resolution
from chromalab.photo.reading import read_photo
from chromalab.photo.scan import open_scan
from chromalab.photo.tiff.directory import Value
from chromalab.photo.tiff.tags import Tags
from chromalab.photo.writing import (
    SUFFIXES,
    Page,
    Saving,
    encode_png,
    file_kind,
    from_pixels,
    holds_alpha,
    holds_pages,
    keeps_16_bits,
    labeled,
    save,
    spooled,
    write_png,
)
from tests.photo.odd_files import picture, pillow_rgb
from tests.photo.odd_files import save as save_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

RGB = picture()
DEEP = (RGB.astype(np.uint16) * 257 + 3).astype(np.uint16)
NOTHING = Metadata()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/></x:xmpmeta>"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_every_file_type_can_be_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    save([from_pixels(RGB)], path, NOTHING, xmp=XMP)
    back = pyvips.Image.new_from_file(str(path))
    assert (back.width, back.height, back.bands) == (90, 60, 3)
    assert back.get_typeof("icc-profile-data")
    assert b"xmpmeta" in back.get("xmp-data")
    assert np.abs(back.numpy().astype(int) - RGB).mean() < 6


def test_16_bits_stay_16_bits(tmp_path: Path) -> None:
    save([from_pixels(DEEP)], tmp_path / "out.tif", NOTHING)
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), DEEP)
    save([from_pixels(DEEP)], tmp_path / "out.png", NOTHING)
    assert pyvips.Image.new_from_file(str(tmp_path / "out.png")).format == "ushort"


def test_metadata_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "A barn", 6
    source = save_source(tmp_path / "s.jpg", RGB, exif=exif, xmp=XMP)
    metadata = open_scan(source).metadata
    for suffix in (".jpg", ".png", ".tif", ".webp"):
        path = tmp_path / f"out{suffix}"
        save([from_pixels(RGB)], path, metadata)
        with Image.open(path) as back:
            assert back.getexif()[0x010E] == "A barn"
            assert back.getexif().get(0x0112, 1) == 1  # the pixels are upright now
            assert 0x011A not in back.getexif()  # the source has no resolution


def test_pages(tmp_path: Path) -> None:
    save([from_pixels(RGB), from_pixels(RGB[::-1].copy())], tmp_path / "out.tif", NOTHING)
    pages = tifffile.imread(tmp_path / "out.tif")
    assert pages.shape == (2, 60, 90, 3)
    assert np.array_equal(pages[1], RGB[::-1])


@pytest.mark.parametrize("compression", ["deflate", "lzw", "none"])
@pytest.mark.parametrize("big", [False, True])
def test_pages_of_different_kinds(tmp_path: Path, big: bool, compression: str) -> None:
    """Further pages are made one by one, in order, each with its own size, depth, alpha, resolution and texts."""
    clear = np.dstack([RGB, np.full(RGB.shape[:2], 99, np.uint8)])
    pixels: list[NDArray[Any]] = [RGB, DEEP[:50, :41], clear[:7], RGB[:1, :1]]
    texts = [f"page {number}{'x' * number}" for number in range(4)]
    begun: list[int] = []

    def metadata(number: int) -> Metadata:
        value = Value(2, len(texts[number]) + 1, texts[number].encode() + b"\0")
        dpi = Fraction(100 * (number + 1))
        tags = Tags({285: value}, exif={33434: Value(5, 1, bytes(8))})
        return Metadata(tags=tags, resolution=Resolution(dpi, dpi, "inch"))

    def titled(number: int) -> bytes:
        about = "<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/' dc:source='title %d'/></rdf:RDF>"
        return XMP.replace(b"/></x:", b"></rdf:RDF></x:").replace(b"</rdf:RDF>", (about % number).encode())

    def further() -> Iterator[Page]:
        for number in (1, 2, 3):
            begun.append(number)
            image = from_pixels(pixels[number][..., :3].copy())
            alpha = pixels[number].shape[2] == 4
            yield Page(image.bandjoin(99) if alpha else image, metadata(number), xmp=titled(number))

    path = tmp_path / "out.tif"
    saving = Saving(compression=compression)
    save([from_pixels(RGB)], path, metadata(0), xmp=titled(0), further=further(), big=big, saving=saving)
    assert begun == [1, 2, 3]
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff is big
        for number, page in enumerate(file.pages):
            assert isinstance(page, tifffile.TiffPage)
            assert np.array_equal(page.asarray(), pixels[number])
            assert page.tags["PageName"].value == texts[number]
            assert page.tags["ExifTag"].value
            assert f"title {number}".encode() in page.tags["XMP"].value
            assert page.tags["XResolution"].value[0] / page.tags["XResolution"].value[1] == pytest.approx(
                100 * (number + 1), rel=1e-3
            )


def test_nothing_is_left_of_pages_that_fail(tmp_path: Path) -> None:
    def further() -> Iterator[Page]:
        yield Page(from_pixels(RGB), NOTHING)
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        save([from_pixels(RGB)], tmp_path / "out.tif", NOTHING, further=further())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_spooled_pixels(tmp_path: Path, dtype: type[np.uint8 | np.uint16]) -> None:
    pixels = RGB if dtype is np.uint8 else DEEP
    with spooled(tmp_path, 60, 90, dtype) as spool:
        for first in range(0, 60, 7):
            spool.add(pixels[first : first + 7])
        save([spool.image()], tmp_path / "out.tif", NOTHING)
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), pixels)
    assert [path.name for path in tmp_path.iterdir()] == ["out.tif"]


def test_alpha_is_kept_except_in_jpeg(tmp_path: Path) -> None:
    image = from_pixels(RGB).bandjoin(100)
    for suffix in (".png", ".tif", ".webp", ".jpg"):
        save([image], tmp_path / f"out{suffix}", NOTHING)
        assert pyvips.Image.new_from_file(str(tmp_path / f"out{suffix}")).bands == (3 if suffix == ".jpg" else 4)
    assert holds_alpha(tmp_path / "x.webp")
    assert not holds_alpha(tmp_path / "x.jpeg")


def test_no_partial_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"what was there")

    def fail(losses: tuple[str, ...], file: Path) -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        save([from_pixels(RGB)], path, NOTHING, ready=fail)
    assert path.read_bytes() == b"what was there"
    assert len(list(tmp_path.iterdir())) == 1


def test_unwritable_folder_of_a_photo(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        save([from_pixels(RGB)], tmp_path / "file" / "out.png", NOTHING)


@contextlib.contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Let every write behind a place of a file fail."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.every_case
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_files_that_are_too_large_for_the_disk(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    with files_end_at(9000), pytest.raises(OutputError, match="the file is too large for this disk") as caught:
        save([from_pixels(noise)], tmp_path / f"out{suffix}", NOTHING)
    assert caught.value.one_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "quota is used up"), (errno.EIO, "the disk reports an error")],
)
def test_disks_that_fail_during_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def fail(descriptor: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", fail)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    with files_end_at(9000), pytest.raises(OutputError, match=words) as caught:
        save([from_pixels(noise)], tmp_path / "out.png", NOTHING)
    assert not caught.value.one_path


def test_large_photos_on_a_disk_that_fails(tmp_path: Path) -> None:
    """Closing the file of the pixels fails as well, but must not hide the reason."""

    def write() -> None:
        with spooled(tmp_path, 60, 90, np.uint8) as spool:
            for first in range(60):
                spool.add(RGB[first : first + 1])

    with files_end_at(9000), pytest.raises(OutputError, match="the file is too large for this disk"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_damaged_sources_are_no_errors_of_the_disk(tmp_path: Path) -> None:
    source = save_source(tmp_path / "s.png", RGB)
    source.write_bytes(source.read_bytes()[:-2000])
    image = pyvips.Image.new_from_file(str(source), access="sequential", fail_on="error")
    with pytest.raises(pyvips.Error):
        save([image], tmp_path / "out.jpg", NOTHING)
    assert list(tmp_path.iterdir()) == [source]


def test_file_types() -> None:
    from pathlib import Path  # noqa: PLC0415

    assert {file_kind(Path("x" + suffix)) for suffix in SUFFIXES if suffix not in {".heic", ".heif"}} == {
        "jpeg", "png", "tiff", "webp", "avif",
    }  # fmt: skip
    assert keeps_16_bits(Path("a.TIFF"))
    assert not keeps_16_bits(Path("a.jpg"))
    assert holds_pages(Path("a.TIFF"))
    assert not holds_pages(Path("a.png"))
    with pytest.raises(UsageError, match="must end in"):
        file_kind(Path("a.bmp"))


def test_quality_changes_the_file_size(tmp_path: Path) -> None:
    for quality in (30, 95):
        save([from_pixels(RGB)], tmp_path / f"{quality}.jpg", NOTHING, saving=Saving(quality=quality))
    assert (tmp_path / "30.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size


@pytest.mark.parametrize("deep", [False, True])
def test_label_is_visible(deep: bool) -> None:
    pixels = np.full((200, 300, 3), 30000 if deep else 120, dtype=np.uint16 if deep else np.uint8)
    image = labeled(from_pixels(pixels), "Colors inferred")
    result = image.numpy()
    assert result.shape == pixels.shape
    assert np.array_equal(result[:150], pixels[:150])
    band = result[-15:, :60]
    assert band.max() > pixels[0, 0, 0] * 1.3
    assert band.min() < pixels[0, 0, 0] * 0.5


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u00a0\u200b"])
def test_a_label_without_letters_is_none(text: str) -> None:
    image = from_pixels(RGB)
    assert labeled(image, text) is image


@pytest.mark.parametrize("text", ["Miller & Sons", "<b>1 < 2</b>", "&amp;"])
def test_a_label_is_drawn_literally(text: str) -> None:
    image = from_pixels(np.full((200, 900, 3), 120, dtype=np.uint8))
    result, shorter = (labeled(image, label).numpy() for label in (text, text[:-2]))
    assert result[-15:].max() > 150
    assert not np.array_equal(result, shorter)


def test_png_has_the_same_pixels(tmp_path: Path) -> None:
    rgb = picture()
    write_png(tmp_path / "new" / "photo.png", rgb)
    assert np.array_equal(pillow_rgb(tmp_path / "new" / "photo.png"), rgb)
    assert np.array_equal(read_photo(tmp_path / "new" / "photo.png").rgb, rgb)
    with Image.open(io.BytesIO(encode_png(rgb[:, ::-1]))) as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), rgb[:, ::-1])


def test_equal_images_give_equal_bytes() -> None:
    assert encode_png(picture()) == encode_png(picture().copy())


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_invalid_arrays_are_refused(wrong: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"expected a uint8 image of shape \(H, W, 3\)"):
        encode_png(wrong)


def test_unwritable_folder_of_a_png(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_png(tmp_path / "file" / "photo.png", picture())
