"""Gray levels of photos of all file types agree with Pillow, tifffile and scikit-image."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms
from skimage.color import rgb2lab

from chromalab.color.lab import level_of
from chromalab.photo import scan as scans
from chromalab.photo.metadata import Resolution
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.scan import Scan, open_scan
from tests.photo.odd_files import picture, png_that_declares, save
from tests.photo.test_reading import profile

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RGB = picture()
GREY = np.asarray(Image.fromarray(RGB).convert("L"))


def levels_of(rgb: NDArray[Any]) -> NDArray[np.floating]:
    """Return the gray levels computed from scikit-image's L*."""
    return np.asarray(level_of(rgb2lab(rgb)[..., 0]))


@pytest.fixture
def in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read every photo in strips of a few rows, like a large one."""
    monkeypatch.setattr(scans, "WHOLE_PIXELS", 0)
    monkeypatch.setattr(scans, "STRIP_PIXELS", 700)


def whole(scan: Scan) -> NDArray[Any]:
    return np.concatenate([strip for _, strip in scan.strips()])


def test_gray_photos_are_unchanged(tmp_path: Path) -> None:
    path = save(tmp_path / "grey.png", GREY)
    scan = open_scan(path)
    assert (scan.kind, scan.bits, scan.height, scan.width, scan.file_kind) == ("grey", 8, 60, 90, "png")
    assert np.array_equal(scan.levels(), GREY)


@pytest.mark.parametrize("kind", ["png", "tif", "webp"])
def test_color_photos_are_reduced_to_luminance(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path / f"c.{kind}", RGB, **({"lossless": True} if kind == "webp" else {}))
    assert np.abs(open_scan(path).levels() - levels_of(RGB)).max() <= 0.55


def test_16_bits_keep_their_fractions(tmp_path: Path) -> None:
    deep = RGB.astype(np.uint16) * 257 + np.random.default_rng(1).integers(-60, 60, RGB.shape).astype(np.uint16)
    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, np.clip(deep, 0, 65535).astype(np.uint16), photometric="rgb")
    scan = open_scan(path)
    assert scan.bits == 16
    assert scan.levels().dtype == np.float32
    assert np.abs(scan.levels() - levels_of(deep / 65535)).max() < 0.02
    grey = tmp_path / "grey.tif"
    tifffile.imwrite(grey, deep[..., 0])
    assert open_scan(grey).levels() == pytest.approx(deep[..., 0] / 257, abs=1e-4)


@pytest.mark.usefixtures("in_strips")
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_strips_equal_the_whole(tmp_path: Path, tile: tuple[int, int] | None) -> None:
    path = tmp_path / "tiled.tif"
    tifffile.imwrite(path, RGB, photometric="rgb", tile=tile, compression="deflate" if tile else None)
    scan = open_scan(path)
    assert not scan.whole
    assert np.abs(whole(scan) - levels_of(RGB)).max() <= 0.55
    reduced = np.asarray(Image.fromarray(levels_of(RGB).astype(np.float32)).resize((45, 30), Image.Resampling.LANCZOS))
    assert np.abs(scan.small_levels(30) - reduced).max() < 3


@pytest.mark.parametrize(("name", "limit"), [("p3", 1.1), ("srgb", 0.6)])
@pytest.mark.parametrize("bits", [8, 16])
def test_profiles_are_applied(tmp_path: Path, name: str, limit: float, bits: int) -> None:
    """Colors under a profile have the lightness that LittleCMS computes through Pillow."""
    icc = profile(name)
    values = RGB if bits == 8 else RGB.astype(np.uint16) * 257
    path = tmp_path / "profiled.tif"
    tifffile.imwrite(path, values, photometric="rgb", iccprofile=icc)
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    lab = ImageCms.createProfile("LAB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    transform = ImageCms.buildTransform(source, lab, "RGB", "LAB", renderingIntent=intent)
    converted = ImageCms.applyTransform(Image.fromarray(RGB), transform)
    assert converted is not None
    lightness = np.asarray(converted)[..., 0] / 255 * 100
    assert np.abs(open_scan(path).levels() - level_of(lightness)).max() < limit + 1  # 8-bit L* has steps of .4


def test_profile_for_other_pixels_is_ignored(tmp_path: Path) -> None:
    """A gray photo with an RGB profile keeps its values."""
    path = tmp_path / "g.tif"
    tifffile.imwrite(path, GREY, iccprofile=profile("srgb"))
    assert np.abs(open_scan(path).levels().astype(int) - GREY).max() <= 1


def test_cmyk_is_converted_by_the_color_engine(tmp_path: Path) -> None:
    path = tmp_path / "inks.jpg"
    image = pyvips.Image.new_from_array(np.ascontiguousarray(RGB), interpretation="srgb")
    image.icc_transform("cmyk", input_profile="srgb", intent="relative", black_point_compensation=True).jpegsave(
        str(path), Q=98
    )
    scan = open_scan(path)
    assert scan.kind == "cmyk"
    assert np.corrcoef(scan.levels().reshape(-1), levels_of(RGB).reshape(-1))[0, 1] > 0.95


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_rotated_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    Image.fromarray(GREY).save(path, quality=100, exif=exif)
    from PIL import ImageOps  # noqa: PLC0415

    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    scan = open_scan(path)
    assert scan.orientation == 1
    assert (scan.height, scan.width) == upright.shape
    assert np.abs(scan.levels().astype(int) - upright).max() <= 2


@pytest.mark.usefixtures("in_strips")
def test_large_photos_keep_their_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(GREY).save(path, exif=exif)
    scan = open_scan(path)
    assert (scan.orientation, scan.height, scan.width) == (6, 60, 90)


def test_transparency_does_not_change_levels(tmp_path: Path) -> None:
    alpha = np.tile(np.arange(90, dtype=np.uint8), (60, 1))
    path = save(tmp_path / "a.png", np.dstack([RGB, alpha]))
    scan = open_scan(path)
    assert scan.has_alpha
    assert np.abs(scan.levels() - levels_of(RGB)).max() <= 0.55
    assert np.array_equal(scan.alpha().numpy().reshape(60, 90), alpha)


def test_pages_are_counted_and_pyramids_are_not(tmp_path: Path) -> None:
    pages = tmp_path / "pages.tif"
    tifffile.imwrite(pages, np.stack([RGB, RGB[::-1], RGB[:, ::-1]]), photometric="rgb")
    assert open_scan(pages).pages == 3
    assert np.abs(open_scan(pages, 1).levels() - levels_of(RGB[::-1])).max() <= 0.55
    pyramid = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(pyramid) as file:
        file.write(RGB, photometric="rgb")
        file.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)
    assert open_scan(pyramid).pages == 1


def test_one_bit_scans(tmp_path: Path) -> None:
    path = tmp_path / "fax.tif"
    Image.fromarray(GREY).convert("1").save(path)
    assert set(np.unique(open_scan(path).levels())) == {0, 255}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes"),
        (b"no photo at all", "its content is not"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "cut off or damaged"),
    ],
)
def test_unreadable_files_have_a_reason(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadablePhotoError, match=words):
        open_scan(path)


def test_huge_declared_sizes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_declares(60000, 60000))
    with pytest.raises(UnreadablePhotoError, match="60000x60000 px, over the limit"):
        open_scan(path)
    with pytest.raises(UnreadablePhotoError, match=r"over the limit of 0\.001 million"):
        open_scan(save(tmp_path / "small.png", RGB), max_pixels=1000)


@pytest.mark.usefixtures("in_strips")
def test_truncated_large_photos(tmp_path: Path) -> None:
    path = save(tmp_path / "whole.png", picture(200, 300))
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(UnreadablePhotoError, match="cut off or damaged"):
        whole(open_scan(path))


def test_broken_links_and_folders(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    for name in ("loop.jpg", "gone.jpg"):
        with pytest.raises(UnreadablePhotoError):
            open_scan(tmp_path / name)
    with pytest.raises(UnreadablePhotoError, match="not a file"):
        open_scan(tmp_path)


def test_metadata_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.jpg"
    exif = Image.Exif()
    exif[0x010E] = "A barn"
    Image.fromarray(RGB).save(path, exif=exif, dpi=(300, 300), xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    metadata = open_scan(path).metadata
    assert metadata.tags.image[0x010E].data == b"A barn\0"
    assert b"xmpmeta" in metadata.xmp
    assert metadata.resolution == Resolution(Fraction(300), Fraction(300), "inch")


def test_small_rgb_has_the_photos_colors(tmp_path: Path) -> None:
    sepia = np.clip(GREY[..., None] * np.array([1.0, 0.85, 0.65]), 0, 255).astype(np.uint8)
    rgb = open_scan(save(tmp_path / "sepia.png", sepia)).small_rgb(30)
    assert rgb.shape == (30, 45, 3)
    assert rgb[..., 0].mean() > rgb[..., 2].mean() * 1.2


def test_avif(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    pyvips.Image.new_from_array(RGB, interpretation="srgb").heifsave(str(path), compression="av1", Q=100)
    scan = open_scan(path)
    assert scan.file_kind == "heif"
    assert np.abs(scan.levels() - levels_of(RGB)).mean() < 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp", "avif"])
def test_damaged_bytes_give_a_photo_or_a_reason(tmp_path: Path, kind: str) -> None:
    """Flipped, removed and inserted random bytes never cause a crash or another type of error."""
    whole = tmp_path / f"whole.{kind}"
    image = pyvips.Image.new_from_array(RGB, interpretation="srgb")
    image.write_to_file(str(whole), **({"compression": "deflate"} if kind == "tif" else {}))
    data = whole.read_bytes()
    generator = np.random.default_rng(0)
    reasons: list[str] = []
    for number in range(120):
        damaged = bytearray(data)
        start = int(generator.integers(0, len(damaged)))
        match number % 4:
            case 0:
                damaged[start] ^= int(generator.integers(1, 256))
            case 1:
                del damaged[start : start + int(generator.integers(1, 200))]
            case 2:
                damaged[start:start] = generator.bytes(int(generator.integers(1, 100)))
            case _:
                damaged[: int(generator.integers(1, 64))] = generator.bytes(8)
        path = tmp_path / f"{number}.{kind}"
        path.write_bytes(damaged)
        try:
            scan = open_scan(path, max_pixels=4_000_000)
            assert scan.levels().shape == (scan.height, scan.width)
        except UnreadablePhotoError as error:
            reasons.append(error.reason)
    assert len(reasons) > 20
    assert all(reasons)
