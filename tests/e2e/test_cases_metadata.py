"""Files whose metadata or damage trip picture software, from `shared/cases`."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pyvips
from PIL import Image

from chromalab.photo.scan import open_scan
from tests.photo.conftest import exiftool  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Case
    from tests.photo.conftest import Exiftool

    Make = Callable[[str], Case]

pytestmark = pytest.mark.slow

TERM = b"compositeWithTrainedAlgorithmicMedia"
IPTC_IN_XMP = {"XMP-dc:Description": "Harbour at dawn", "XMP-photoshop:City": "Townsville"}


def lightness(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return L* of a photo as Pillow decodes it."""
    from skimage.color import rgb2lab  # noqa: PLC0415

    with Image.open(path) as image:
        return np.asarray(rgb2lab(np.asarray(image.convert("RGB")))[..., 0])


def xmp_of(path: Path) -> bytes:
    return open_scan(path).metadata.xmp


@pytest.mark.parametrize("name", ["jpeg-xmp-fills-its-segment", "jpeg-xmp-in-parts"])
def test_long_xmp_keeps_everything(case: Make, exiftool: Exiftool, name: str) -> None:  # noqa: F811
    found = case(name)
    (photo,) = found.colorize()
    tags = exiftool(found.folder / "out", [photo])[photo]
    assert tags["XMP-dc:Source"].count("archive box, ") >= 4900
    assert TERM in str(tags["XMP-iptcExt:DigitalSourceType"]).encode()
    assert "ExifTool:Warning" not in tags
    data = (found.folder / "out" / photo).read_bytes()
    assert (b"HasExtendedXMP" in data) == (b"http://ns.adobe.com/xmp/extension/\0" in data)


def test_long_xmp_of_a_tiff_into_jpeg(case: Make, exiftool: Exiftool) -> None:  # noqa: F811
    found = case("long-xmp-into-jpeg")
    assert found.colorize("--format", "jpg")["xmp-90k.tif"]["status"] == "done"
    tags = exiftool(found.folder / "out", ["xmp-90k.jpg"])["xmp-90k.jpg"]
    assert tags["XMP-dc:Source"].count("archive box, ") >= 6900
    assert TERM in str(tags["XMP-iptcExt:DigitalSourceType"]).encode()


def test_damage_inside_jpeg_is_reported(case: Make) -> None:
    found = case("jpeg-damaged-inside")
    results = found.colorize()
    assert len(results) == 4
    for name, photo in results.items():
        (warning,) = photo["warnings"]
        assert "damaged" in warning
        record = json.loads((found.folder / "out" / f"{name}.json").read_text(encoding="utf-8"))
        assert record["warnings"] == [warning]


def test_jpeg_without_its_end(case: Make) -> None:
    results = case("jpeg-without-its-end").colorize()
    assert len(results) == 2
    for photo in results.values():
        assert photo["status"] == "done"
        assert photo["warnings"] == ["the mark of the file's end is missing, but every pixel is there"]


def test_xmp_with_small_mistakes(case: Make) -> None:
    found = case("xmp-that-xml-readers-refuse")
    results = found.colorize()
    assert len(results) == 7
    for name, photo in results.items():
        packet = xmp_of(found.folder / "out" / name)
        assert b"Harbour" in packet
        assert TERM in packet
        assert photo["warnings"] == []
    assert b"Harbour &amp; town" in xmp_of(found.folder / "out" / "bare-ampersand.jpg")
    assert "café".encode() in xmp_of(found.folder / "out" / "latin-1.jpg")


def test_xmp_beyond_repair_is_kept_in_the_record(case: Make) -> None:
    found = case("xmp-that-xml-readers-refuse")
    broken = found.photo("as-it-should-be.jpg")
    broken.write_bytes(broken.read_bytes().replace(b"</dc:title>", b"</dc:other>"))
    results = found.colorize()
    assert "its XMP cannot be read" in results[broken.name]["warnings"][0]
    record = json.loads((found.folder / "out" / f"{broken.name}.json").read_text(encoding="utf-8"))
    assert set(record["kept_aside"]) == {"xmp"}
    assert TERM in xmp_of(found.folder / "out" / broken.name)


def test_texts_of_png_in_any_encoding(case: Make, exiftool: Exiftool) -> None:  # noqa: F811
    found = case("png-text-not-utf8")
    assert {photo["status"] for photo in found.colorize().values()} == {"done"}
    with Image.open(found.folder / "out" / "text.png") as image:
        assert image.info["Comment"] == "Straße, café"
    with Image.open(found.folder / "out" / "keyword.png") as image:
        assert image.info["Bemerküng"] == "plain"
    assert exiftool(found.folder / "out", ["itxt.png"])["itxt.png"]["PNG:Comment-de"] == "café"


def test_texts_in_latin_1(case: Make, exiftool: Exiftool) -> None:  # noqa: F811
    found = case("latin-1-texts")
    found.colorize()
    for tags in exiftool(found.folder / "out", ["latin-1.jpg", "latin-1.tif"]).values():
        assert tags["IFD0:ImageDescription"] == "Münchner Straße, café"
        assert tags["IFD0:Artist"] == "André"
        assert tags.get("IPTC:City", "Zürich") == "Zürich"


def test_previews_in_exif_are_removed(case: Make, exiftool: Exiftool) -> None:  # noqa: F811
    found = case("exif-thumbnail")
    results = found.colorize()
    for tags in exiftool(found.folder / "out", list(results)).values():
        assert tags["IFD0:Make"] == "Scanner"
        assert tags["IFD0:Orientation"] == "Horizontal (normal)"
        assert not [key for key in tags if key.startswith("IFD1:") or "Thumbnail" in key]


@pytest.mark.parametrize("kind", ["jpg", "tif", "png", "webp", "avif"])
def test_iptc_into_other_kinds(case: Make, exiftool: Exiftool, kind: str) -> None:  # noqa: F811
    found = case("iptc-into-other-kinds")
    found.colorize("--format", kind)
    for tags in exiftool(found.folder / "out", [f"caption-1.{kind}", f"caption-2.{kind}"]).values():
        if kind in {"jpg", "tif"}:
            assert (tags["IPTC:Caption-Abstract"], tags["IPTC:City"]) == ("Harbour at dawn", "Townsville")
        else:
            assert {key: tags[key] for key in IPTC_IN_XMP} == IPTC_IN_XMP


def test_resolution_is_not_invented(case: Make, exiftool: Exiftool) -> None:  # noqa: F811
    found = case("photo-without-resolution")
    results = found.colorize()
    tags = exiftool(found.folder / "out", list(results))
    assert tags["none.jpg"]["JFIF:ResolutionUnit"] == "None"
    for name, read in tags.items():
        assert "IFD0:XResolution" not in read or (name, read["IFD0:ResolutionUnit"]) == ("shape-only.png", "None")
        if name == "shape-only.png":
            units = ("PNG-pHYs:PixelsPerUnitX", "PNG-pHYs:PixelsPerUnitY", "PNG-pHYs:PixelUnits")
            assert [read[key] for key in units] == [2, 1, "Unknown"]
        else:
            assert "PNG-pHYs:PixelsPerUnitX" not in read


def test_orientation_in_xmp_matches_the_pixels(case: Make, exiftool: Exiftool) -> None:  # noqa: F811
    found = case("xmp-orientation-left-behind")
    (photo,) = found.colorize()
    tags = exiftool(found.folder / "out", [photo])[photo]
    assert tags["XMP-tiff:Orientation"] == tags["IFD0:Orientation"] == "Horizontal (normal)"
    assert (tags["File:ImageWidth"], tags["File:ImageHeight"]) == (48, 64)


def test_gray_profiles_count(case: Make) -> None:
    """The control: all three files have the lightness of the profile."""
    found = case("png-grey-profile")
    found.colorize()
    png, tif, jpg = (lightness(found.folder / "out" / f"dot-gain.{kind}") for kind in ("png", "tif", "jpg"))
    assert np.abs(png - tif).max() == 0
    assert np.abs(png - jpg).mean() < 1
    assert png.mean() > lightness(found.photo("dot-gain.png")).mean() + 5


def test_gain_maps_are_announced_no_longer(case: Make) -> None:
    found = case("jpeg-gain-map")
    (photo,) = found.colorize().values()
    data = (found.folder / "out" / "gain-map.jpg").read_bytes()
    assert not any(word in data for word in (b"hdrgm", b"hdr-gain-map", b"GainMap", b"Directory"))
    assert photo["warnings"] == ["1 of 2 images of the file is colorized, and the others are left out"]


def test_frames_and_images_that_are_left_out(case: Make) -> None:
    for name, count in (("animations", "3 frames"), ("jpeg-of-two-pictures", "2 images")):
        for photo in case(name).colorize().values():
            assert photo["warnings"] == [f"1 of {count} of the file is colorized, and the others are left out"]


def test_comments_of_jpeg_are_kept(case: Make) -> None:
    found = case("jpeg-comment")
    found.colorize()
    with Image.open(found.folder / "out" / "comment.jpg") as image:
        assert image.info["comment"] == b"Box 12, folder 3, plate 7"


def test_gamma_of_png_counts(case: Make) -> None:
    """The lightness of both files is that of the sRGB file, in RGB as well as in gray, in 8 bits as well as in 16."""
    found = case("png-gamma")
    data = found.photo("linear.png").read_bytes()
    gamma = data[33:49]
    gray = np.linspace(0, 1, 256)
    rgb = np.rint(np.tile(gray**2.2, (4, 1))[..., None].repeat(3, 2) * 255).astype(np.uint8)
    Image.fromarray(rgb).save(found.photo("plain.png"))
    plain = found.photo("plain.png").read_bytes()
    found.photo("rgb.png").write_bytes(plain[:33] + gamma + plain[33:])
    found.colorize()
    out = found.folder / "out"
    assert np.abs(lightness(out / "linear.png") - lightness(out / "srgb.png")).max() < 0.5
    linear = rgb[..., 0].astype(float) / 255
    expected = np.where(linear > 216 / 24389, 116 * np.cbrt(linear) - 16, 24389 / 27 * linear)
    assert np.abs(lightness(out / "rgb.png") - expected).max() < 0.5
    assert gamma[4:8] == b"gAMA"
    assert pyvips.Image.new_from_file(str(out / "linear.png")).format == "ushort"


def test_damage_beside_the_pixels_of_png(case: Make) -> None:
    """A checksum that is wrong, and an end that is missing: every pixel is there."""
    found = case("png-text-not-utf8")
    data = found.photo("text.png").read_bytes()
    place = data.index(b"tEXt")
    found.photo("text.png").write_bytes(data[: place + 10] + b"?" + data[place + 11 :])
    found.photo("keyword.png").write_bytes(data[:-12])
    results = found.colorize()
    assert results["text.png"]["warnings"] == ["its chunk tEXt has a wrong checksum and may be damaged"]
    assert results["keyword.png"]["warnings"] == ["its end is missing, but every pixel is there"]
    pixels = bytearray(data)
    size = struct.unpack(">I", data[data.index(b"IDAT") - 4 : data.index(b"IDAT")])[0]
    pixels[data.index(b"IDAT") + 4 + size // 2] ^= 1
    found.photo("text.png").write_bytes(pixels)
    assert found.colorize("--overwrite")["text.png"]["status"] == "failed"
