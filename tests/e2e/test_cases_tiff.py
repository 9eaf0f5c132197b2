"""TIFF, raw and HEIC files that trip picture software are colorized page by page, or fail for the true reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab

from tests.e2e.conftest import Case
from tests.photo.tiff_files import RATIONAL, SHORT, cases, fax, made, page, saved, scene

pytestmark = pytest.mark.slow

Make = Callable[[str], Case]


def lightness(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return L* of sRGB values, gray or in color, of 8 or 16 bits; an alpha channel is ignored."""
    values = pixels / np.float64(255 if pixels.dtype == np.uint8 else 65535)
    rgb = np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values[..., :3]
    return np.asarray(rgb2lab(rgb)[..., 0])


def pages_of(path: Path) -> list[NDArray[Any]]:
    """Return all pages as tifffile reads them."""
    with tifffile.TiffFile(path) as file:
        return [found.asarray() for found in file.pages]


def assert_pages(path: Path, *expected: NDArray[Any]) -> None:
    """Check number, size, order and lightness of the pages of an output."""
    found = pages_of(path)
    assert [pixels.shape[:2] for pixels in found] == [pixels.shape[:2] for pixels in expected]
    for pixels, source in zip(found, expected, strict=True):
        assert pixels.shape[2] in {3, 4}
        assert np.abs(lightness(pixels) - lightness(source)).max() < 0.5
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == len(expected)
        for number, source in enumerate(expected):
            image.seek(number)
            assert image.size == source.shape[1::-1]


def tags_of(path: Path) -> list[dict[str, Any]]:
    with tifffile.TiffFile(path) as file:
        return [{tag.name: tag.value for tag in found.tags} for found in file.pages]  # type: ignore[union-attr]


def disclosures(path: Path) -> int:
    """Return how many pages disclose the colorization."""
    return sum(b"DigitalSourceType" in found.get("XMP", b"") for found in tags_of(path))


def test_pages_of_three_sizes(case: Make) -> None:
    made_case = case("tiff-pages-of-three-sizes")
    result = made_case.colorize()["front-back-label.tif"]
    assert (result["pages"], result["warnings"]) == (3, [])
    output = made_case.folder / "out" / "front-back-label.tif"
    assert_pages(output, *(scene(*size, number=n) for n, size in enumerate([(48, 64), (40, 30), (32, 32)], 1)))
    assert disclosures(output) == 3


def test_pages_that_do_not_fit_are_named(case: Make) -> None:
    made_case = case("tiff-pages-of-three-sizes")
    (result,) = made_case.colorize("--format", "jpg").values()
    assert result["pages"] == 1
    assert "pages 2 to 3 of 3 are left out" in result["warnings"][0]


def test_pages_aba(case: Make) -> None:
    made_case = case("tiff-pages-aba")
    made_case.colorize()
    expected = [scene(*size, number=n) for n, size in enumerate([(48, 64), (40, 30), (48, 64)], 1)]
    assert_pages(made_case.folder / "out" / "a-b-a.tif", *expected)


def test_second_page_is_turned(case: Make) -> None:
    made_case = case("tiff-second-page-turned")
    made_case.colorize()
    output = made_case.folder / "out" / "second-page-turned.tif"
    upright = np.rot90(scene(48, 64, number=2), -1)
    assert_pages(output, scene(48, 64, number=1), upright)
    assert [found.get("Orientation", 1) for found in tags_of(output)] == [1, 1]


def test_thumbnail_is_not_the_photo(case: Make) -> None:
    made_case = case("tiff-thumbnail-first")
    made_case.colorize()
    assert_pages(made_case.folder / "out" / "thumbnail-first.tif", scene(48, 64))


@pytest.mark.parametrize("kind", ["tile", "strip"])
def test_old_style_jpeg(case: Make, kind: str) -> None:
    made_case = case(f"tiff-old-style-jpeg-{kind}")
    made_case.colorize()
    (found,) = pages_of(made_case.folder / "out" / f"old-jpeg-{kind}.tif")
    difference = np.abs(lightness(found) - lightness(scene(64, 64, channels=3)))
    assert difference.mean() < 0.5  # what JPEG loses comes on top


def test_damaged_tiles_fail(case: Make) -> None:
    results = case("tiff-damaged-tile").colorize()
    for name in ("damaged-tile.tif", "damaged-strip.tif"):
        assert "damaged" in results[name]["reason"]


def test_tiles_that_are_not_there(case: Make) -> None:
    made_case = case("tiff-tile-not-there")
    results = made_case.colorize()
    assert "cut off" in results["beyond-the-end.tif"]["reason"]
    assert "cut off" in results["too-short.tif"]["reason"]
    assert "rows 33 to 64, columns 1 to 32" in results["never-written.tif"]["warnings"][0]
    (found,) = pages_of(made_case.folder / "out" / "never-written.tif")
    expected = scene(64, 64)
    expected[32:, :32] = 0
    expected[32:, 32:] = scene(64, 64)[32:, :32]  # the case stores the third tile in the place of the fourth
    assert np.abs(lightness(found) - lightness(expected)).max() < 0.5


def test_ycbcr(case: Make) -> None:
    made_case = case("tiff-ycbcr-uncompressed")
    made_case.colorize()
    assert_pages(made_case.folder / "out" / "ycbcr.tif", scene(48, 64))


def test_raw_files(case: Make) -> None:
    made_case = case("raw-file-of-a-camera")
    results = made_case.colorize()
    assert "a camera's raw file: develop it first" in results["renamed.tif"]["reason"]
    assert results["photo.jpg"]["status"] == "done"
    done = made_case.chromalab("colorize", "in/raw.dng", "-o", "one/")
    assert "a camera's raw file: develop it first" in done.out + done.err
    assert not list(made_case.folder.glob("one/raw.*"))


def test_12_bits(case: Make) -> None:
    made_case = case("tiff-12-bit")
    results = made_case.colorize()
    for name, channels in (("grey-12.tif", 1), ("rgb-12.tif", 3)):
        assert results[name]["bits"] == 16
        (found,) = pages_of(made_case.folder / "out" / name)
        full = np.rint(scene(48, 64, bits=12, channels=channels) / 4095 * 65535).astype(np.uint16)
        assert np.abs(lightness(found) - lightness(full)).max() < 0.1


def test_heic_is_decoded_or_named(case: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made_case = case("heic-without-decoder")
    assert "damaged" in made_case.colorize()["phone.heic"]["reason"]
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    reason = made_case.colorize()["phone.heic"]["reason"]
    assert "built without a decoder" in reason
    assert "damaged" not in reason


def test_planes_in_tiles(case: Make) -> None:
    made_case = case("tiff-planes-in-tiles")
    made_case.colorize()
    for name in ("planes-tiles.tif", "planes-strips.tif"):
        assert_pages(made_case.folder / "out" / name, scene(64, 64, channels=3))


def test_cielab(case: Make) -> None:
    made_case = case("tiff-cielab")
    made_case.colorize()
    for name, bits in (("lab-8.tif", 8), ("lab-16.tif", 16)):
        (found,) = pages_of(made_case.folder / "out" / name)
        assert np.abs(lightness(found) - scene(48, 64, bits=bits) / (2**bits - 1) * 100).max() < 0.5


def test_pages_of_mixed_kinds(case: Make) -> None:
    made_case = case("tiff-pages-of-mixed-kinds")
    results = made_case.colorize()
    assert all(result["status"] == "done" for result in results.values())
    text = np.where(scene(48, 64, number=1) > 128, 255, 0).astype(np.uint8)
    gray, color = scene(48, 64, number=2), scene(48, 64, number=3, channels=3)
    clear = scene(48, 64, channels=3, number=2)
    out = made_case.folder / "out"
    assert_pages(out / "text-grey-colour.tif", text, gray, color)
    assert_pages(out / "8-and-16-bits.tif", scene(48, 64, number=1), scene(48, 64, bits=16, number=2))
    assert [pixels.dtype for pixels in pages_of(out / "8-and-16-bits.tif")] == [np.uint8, np.uint16]
    for name, expected in {
        "colour-alpha": [color, clear],
        "alpha-colour": [clear, color],
        "text-alpha": [text, clear],
    }.items():
        assert_pages(out / f"{name}.tif", *expected)
        for pixels, source in zip(pages_of(out / f"{name}.tif"), expected, strict=True):
            assert pixels.shape[2] == (4 if source is clear else 3)
            assert source is not clear or (pixels[..., 3] == 128).all()


def test_mask_is_named(case: Make) -> None:
    made_case = case("tiff-mask-page")
    (result,) = made_case.colorize().values()
    assert "1 transparency mask" in result["warnings"][0]
    assert_pages(made_case.folder / "out" / "with-mask.tif", scene(48, 64))


def test_page_that_cannot_be_read(case: Make) -> None:
    made_case = case("tiff-page-that-cannot-be-read")
    results = made_case.colorize()
    assert "page 2 of 2: its pixels are 32-bit floating-point numbers" in results["grey-float.tif"]["reason"]
    assert not (made_case.folder / "out" / "grey-float.tif").exists()
    first, second = pages_of(made_case.folder / "out" / "grey-lab.tif")
    assert np.abs(lightness(first) - lightness(scene(48, 64))).max() < 0.5
    assert np.abs(lightness(second) - scene(48, 64, number=1) / 255 * 100).max() < 0.5


def test_rarer_codecs(case: Make) -> None:
    made_case = case("tiff-of-rarer-codecs")
    made_case.colorize()
    for name in ("jpeg-2000.tif", "lzma.tif"):
        assert_pages(made_case.folder / "out" / name, scene(48, 64))


def test_files_that_are_cut_off(case: Make) -> None:
    results = case("tiff-cut-off").colorize()
    assert "a TIFF that is cut off" in results["directory-lost.tif"]["reason"]
    assert "a TIFF that is cut off" in results["head-only.tif"]["reason"]
    assert "cut off" in results["pixels-lost.tif"]["reason"]
    assert results["whole.tif"]["status"] == "done"


def test_description_of_each_page(case: Make) -> None:
    made_case = case("tiff-description-of-each-page")
    made_case.colorize()
    found = tags_of(made_case.folder / "out" / "two-descriptions.tif")
    texts = ["front of the print", "back of the print, with writing"]
    assert [page_tags["ImageDescription"] for page_tags in found] == texts
    assert [page_tags["PageName"] for page_tags in found] == ["page 1", "page 2"]


def test_resolution_of_each_page(case: Make) -> None:
    made_case = case("tiff-resolution-of-each-page")
    made_case.colorize()
    found = [found["XResolution"] for found in tags_of(made_case.folder / "out" / "300-600.tif")]
    assert [above / below for above, below in found] == pytest.approx([300, 600], rel=1e-3)


def test_fourth_sample_is_no_transparency(case: Make) -> None:
    made_case = case("tiff-fourth-sample-unspecified")
    (result,) = made_case.colorize().values()
    assert "channel 4 is left out" in result["warnings"][0]
    (found,) = pages_of(made_case.folder / "out" / "infrared.tif")
    assert found.shape == (48, 64, 3)


@pytest.fixture
def folder(shared: Path, tmp_path: Path, chromalab: Any, quick_model: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Return an empty case."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    return Case(tmp_path, chromalab, quick_model)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pages_of_everything(folder: Case, order: str, big: bool) -> None:
    """Every page keeps size, kind, depth, orientation, resolution and texts of its own; exiftool sees them, too."""
    sizes = [(48, 64), (31, 57), (64, 64), (5, 90)]
    kinds: list[dict[str, Any]] = [{}, {"bits": 12}, {"tile": 32, "planar": True}, {"compression": 8, "rows": 2}]
    channels, depths = [1, 1, 3, 3], [8, 12, 16, 8]
    pages, expected = [], []
    for number, (size, kind) in enumerate(zip(sizes, kinds, strict=True)):
        pixels = scene(*size, number=number, bits=depths[number], channels=channels[number])
        tags = {
            270: (2, b"text %d\0" % number), 285: (2, b"name %d\0" % number), 297: (SHORT, [number, 4]),
            282: (RATIONAL, [(100 + number, 1)]), 283: (RATIONAL, [(200 + number, 1)]), 296: (SHORT, 2 + number % 2),
            274: (SHORT, [1, 6, 3, 8][number]), 315: (2, b"author %d\0" % number),
        }  # fmt: skip
        pages.append(page(pixels, tags=tags, order=order, **kind))
        full = np.rint(pixels / 4095 * 65535).astype(np.uint16) if depths[number] == 12 else pixels
        expected.append(np.rot90(full, [0, -1, 2, 1][number]))
    made(folder.photo("a.tif"), *pages, order=order, big=big)
    (result,) = folder.colorize().values()
    assert (result["pages"], result["bits"], result["warnings"]) == (4, 16, [])
    output = folder.folder / "out" / "a.tif"
    assert_pages(output, *expected)
    assert disclosures(output) == 4
    found = tags_of(output)
    assert [found_tags["ImageDescription"] for found_tags in found] == [f"text {n}" for n in range(4)]
    assert [found_tags["PageName"] for found_tags in found] == [f"name {n}" for n in range(4)]
    assert [found_tags["PageNumber"] for found_tags in found] == [(n, 4) for n in range(4)]
    assert [found_tags["Artist"] for found_tags in found] == [f"author {n}" for n in range(4)]
    checked = subprocess.run(["exiftool", "-validate", "-error", output], capture_output=True, text=True, check=False)
    assert "Error" not in checked.stdout


def test_resolution_in_centimeters_of_each_page(folder: Case) -> None:
    units = [(2, 300), (3, 100), (2, 72)]
    tags = [{282: (RATIONAL, [(n, 1)]), 283: (RATIONAL, [(n, 1)]), 296: (SHORT, unit)} for unit, n in units]
    made(folder.photo("a.tif"), *(page(scene(20, 20, number=n), tags=tag) for n, tag in enumerate(tags)))
    folder.colorize()
    per_inch = []
    for found in tags_of(folder.folder / "out" / "a.tif"):
        value = found["XResolution"][0] / found["XResolution"][1]
        per_inch.append(value * (2.54 if found["ResolutionUnit"] == 3 else 1))
    assert per_inch == pytest.approx([300, 254, 72], rel=1e-2)


def test_fax_and_palette_pages(folder: Case) -> None:
    fax(folder.photo("fax.tif"), scene(64, 64), "group4")
    colors = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
    saved(folder.photo("palette.tif"), scene(), photometric="palette", colormap=colors)
    assert all(result["warnings"] == [] for result in folder.colorize().values())
    with Image.open(folder.photo("fax.tif")) as image:
        assert_pages(folder.folder / "out" / "fax.tif", np.asarray(image.convert("L")))
    assert_pages(folder.folder / "out" / "palette.tif", (colors >> 8).astype(np.uint8).T[scene()])


def test_damage_of_a_later_page_fails_with_its_number(folder: Case) -> None:
    good = page(scene(64, 64), compression=8, rows=16)
    bad = cases().spoilt(page(scene(64, 64, number=1), compression=8, tile=32), 1)
    made(folder.photo("a.tif"), good, bad)
    (result,) = folder.colorize().values()
    assert result["reason"].startswith("page 2 of 2: it is damaged: the tile of rows 1 to 32, columns 33 to 64")
    assert not (folder.folder / "out" / "a.tif").exists()


def test_heic_photos_are_read_by_pillow_heif(folder: Case) -> None:
    import pillow_heif  # noqa: PLC0415 - part of the extra `scans`

    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "A barn", 1
    pillow_heif.register_heif_opener()
    source = scene(64, 96, channels=3)
    Image.fromarray(source).save(folder.photo("a.heic"), quality=95, exif=exif.tobytes())
    (result,) = folder.colorize("--format", "tif").values()
    assert result["status"] == "done"
    (found,) = pages_of(folder.folder / "out" / "a.tif")
    assert np.abs(lightness(found) - lightness(source)).mean() < 1.5
    assert tags_of(folder.folder / "out" / "a.tif")[0]["ImageDescription"] == "A barn"
