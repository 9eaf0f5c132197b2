"""Every group of tags goes from every file type into every other; exiftool writes the sources and reads the outputs."""

from __future__ import annotations

import itertools
import shutil
import struct
import zlib
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from chromalab.photo.metadata import Metadata, Resolution, prepare
from chromalab.photo.scan import open_scan
from chromalab.photo.tiff.directory import Value
from chromalab.photo.tiff.tags import Tags
from chromalab.photo.writing import from_pixels, save

if TYPE_CHECKING:
    from pathlib import Path

    from tests.photo.conftest import Exiftool

KINDS = ("jpg", "png", "tif", "webp", "avif")
PAIRS = list(itertools.product(KINDS, KINDS))
WRITTEN = """
-EXIF:ImageDescription=Hafen im M\u00f6rgen
-EXIF:Artist=Dorothea L\u00e4nge
-EXIF:Copyright=\u00a9 Archive
-EXIF:Make=Scanner Co
-EXIF:Model=Flat 1
-EXIF:Software=scan 1.2
-EXIF:ModifyDate=1999:01:02 03:04:05
-EXIF:XPTitle=Hafen
-EXIF:Rating=4
-EXIF:DateTimeOriginal=1936:03:04 05:06:07
-EXIF:ISO=200
-EXIF:FNumber=5.6
-EXIF:ExposureTime=1/60
-EXIF:LensModel=Lens A
-EXIF:UserComment=from box 7
-EXIF:XResolution=299.7
-EXIF:YResolution=299.7
-EXIF:ResolutionUnit=inches
-GPSLatitude=10.5
-GPSLatitudeRef=N
-GPSLongitude=20.25
-GPSLongitudeRef=W
-GPSAltitude=123.4
-GPSAltitudeRef=0
-XMP-dc:Title=Hafen
-XMP-dc:Description=English
-XMP-dc:Description-de=Deutsch
-XMP-dc:Subject=boat
-XMP-dc:Subject=water
-XMP-xmp:Rating=4
-XMP-iptcExt:PersonInImage=Ada
-XMP-mwg-rs:RegionInfo={AppliedToDimensions={W=64,H=48,Unit=pixel},RegionList=[{Area={X=0.5,Y=0.5},Name=Ada}]}
-IPTC:CodedCharacterSet=UTF8
-IPTC:Caption-Abstract=Hafen im M\u00f6rgen
-IPTC:By-line=Dorothea L\u00e4nge
-IPTC:City=L\u00fcbeck
-IPTC:Province-State=SH
-IPTC:Country-PrimaryLocationName=Germany
-IPTC:Headline=Head
-IPTC:Credit=C
-IPTC:Source=S
-IPTC:DateCreated=1936:03:04
-IPTC:CopyrightNotice=\u00a9 Archive
-IPTC:Contact=door 3
""".strip()
IPTC_IN_XMP = {
    "By-line": ("XMP-dc:Creator", ["Dorothea L\u00e4nge"]),
    "City": ("XMP-photoshop:City", "L\u00fcbeck"),
    "Province-State": ("XMP-photoshop:State", "SH"),
    "Country-PrimaryLocationName": ("XMP-photoshop:Country", "Germany"),
    "Headline": ("XMP-photoshop:Headline", "Head"),
    "Credit": ("XMP-photoshop:Credit", "C"),
    "Source": ("XMP-photoshop:Source", "S"),
    "DateCreated": ("XMP-photoshop:DateCreated", "1936:03:04"),
    "CopyrightNotice": ("XMP-dc:Rights", "\u00a9 Archive"),
}
OF_PIXELS = {
    "ImageWidth", "ImageHeight", "BitsPerSample", "Compression", "PhotometricInterpretation", "StripOffsets",
    "SamplesPerPixel", "RowsPerStrip", "StripByteCounts", "PlanarConfiguration", "YCbCrPositioning",
}  # fmt: skip
RGB = np.repeat(np.tile(np.arange(64, dtype=np.uint8) * 3, (48, 1))[..., None], 3, axis=2)


class Matrix(NamedTuple):
    """Tags of the sources by file type, of the outputs by both file types, and what saving reported as lost."""

    sources: dict[str, dict[str, Any]]
    outputs: dict[tuple[str, str], dict[str, Any]]
    losses: dict[tuple[str, str], list[str]]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory, exiftool: Exiftool) -> Matrix:
    """Return what exiftool reads from sources of every file type and from the outputs made of them."""
    folder = tmp_path_factory.mktemp("matrix")
    for kind in KINDS:
        Image.fromarray(RGB).save(folder / f"source.{kind}")
    (folder / "written").write_text(f"{WRITTEN}\n-overwrite_original\n-charset\niptc=utf8\n", encoding="utf-8")
    exiftool(folder, [f"source.{kind}" for kind in KINDS], "-@", "written")
    exiftool(folder, ["source.jpg"], "-overwrite_original", "-Comment=Box 12")
    texts = ("-PNG:Comment=Box 12", "-PNG:Author=\u00c4nne", "-PNG:Disclaimer=none")
    exiftool(folder, ["source.png"], "-overwrite_original", *texts)
    losses: dict[tuple[str, str], list[str]] = {pair: [] for pair in PAIRS}
    for source, output in PAIRS:
        metadata = open_scan(folder / f"source.{source}").metadata
        path = folder / f"{source}.{output}"
        save([from_pixels(RGB)], path, metadata, ready=partial(keep, losses[source, output]))
    names = [f"source.{kind}" for kind in KINDS] + [f"{source}.{output}" for source, output in PAIRS]
    tags = exiftool(folder, names)
    shutil.rmtree(folder)
    outputs = {(source, output): tags[f"{source}.{output}"] for source, output in PAIRS}
    return Matrix({kind: tags[f"source.{kind}"] for kind in KINDS}, outputs, losses)


def group(tags: dict[str, Any], *prefixes: str) -> dict[str, Any]:
    """Return the tags of some groups that are not about pixels."""
    return {
        key: value
        for key, value in tags.items()
        if key.startswith(prefixes) and key.partition(":")[2] not in OF_PIXELS | {"ColorSpace"}
    }


@pytest.mark.parametrize(("source", "output"), PAIRS)
@pytest.mark.parametrize("prefixes", [("IFD0:", "ExifIFD:"), ("GPS:",), ("XMP-",)])
def test_exif_gps_and_xmp_are_kept(matrix: Matrix, source: str, output: str, prefixes: tuple[str, ...]) -> None:
    before = group(matrix.sources[source], *prefixes)
    after = matrix.outputs[source, output]
    assert len(before) >= 6
    assert {key: after.get(key) for key in before} == before
    assert "ExifTool:Warning" not in after


@pytest.mark.parametrize(("source", "output"), PAIRS)
def test_iptc_is_kept_or_mapped(matrix: Matrix, source: str, output: str) -> None:
    before, after = matrix.sources[source], matrix.outputs[source, output]
    if source in {"webp", "avif"}:
        assert not group(before, "IPTC:")
        return
    if output in {"jpg", "tif"}:
        assert group(after, "IPTC:") == group(before, "IPTC:")
        return
    assert {key: after.get(key) for key, _ in IPTC_IN_XMP.values()} == dict(IPTC_IN_XMP.values())
    assert ["2:118" in loss for loss in matrix.losses[source, output]].count(True) == 1


@pytest.mark.parametrize(("source", "output"), PAIRS)
def test_comments_and_texts_are_kept_or_mapped(matrix: Matrix, source: str, output: str) -> None:
    after = matrix.outputs[source, output]
    place = {"jpg": "File:Comment", "png": "PNG:Comment"}.get(output, "XMP-exif:UserComment")
    assert after.get(place) == ("Box 12" if source in {"jpg", "png"} else None)
    if source != "png":
        return
    author = after.get("PNG:Author") or after["XMP-dc:Creator"]
    by_iptc = output in {"webp", "avif"}  # the name in the IPTC records came first
    assert author == {"png": "\u00c4nne"}.get(output, ["Dorothea L\u00e4nge" if by_iptc else "\u00c4nne"])
    lost = " ".join(loss for loss in matrix.losses[source, output] if loss.startswith("texts"))
    assert [word in lost for word in ("Author", "Disclaimer")] == [by_iptc, output != "png"]


@pytest.mark.parametrize(("source", "output"), PAIRS)
def test_resolution_and_profile(matrix: Matrix, source: str, output: str) -> None:
    after = matrix.outputs[source, output]
    assert after["IFD0:XResolution"] == pytest.approx(299.7)
    assert after["IFD0:ResolutionUnit"] == "inches"
    assert after.get("JFIF:XResolution") == (300 if output == "jpg" else None)
    assert after.get("PNG-pHYs:PixelsPerUnitX") == (11799 if output == "png" else None)
    assert after["ICC_Profile:ProfileDescription"] == "sRGB"
    assert after["ExifIFD:ColorSpace"] == "sRGB" or source == "tif"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_invented(tmp_path: Path, exiftool: Exiftool, kind: str) -> None:
    """A photo without metadata gives an output without metadata."""
    save([from_pixels(RGB)], tmp_path / f"o.{kind}", Metadata())
    tags = exiftool(tmp_path, [f"o.{kind}"])[f"o.{kind}"]
    assert not group(tags, "ExifIFD:", "GPS:", "XMP-", "IPTC:", "PNG-pHYs:")
    assert tags.get("JFIF:ResolutionUnit", "None") == "None"
    assert "IFD0:XResolution" not in tags


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["cm", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_other_units(tmp_path: Path, exiftool: Exiftool, kind: str, unit: str) -> None:
    """A shape of pixels gets no unit, and centimeters stay centimeters."""
    path = tmp_path / f"o.{kind}"
    resolution = Resolution(Fraction(118), Fraction(59), unit)
    save([from_pixels(RGB)], path, Metadata(resolution=resolution))
    tags = exiftool(tmp_path, [path.name])[path.name]
    if kind == "jpg":
        assert tags["JFIF:ResolutionUnit"] == ("None" if unit == "none" else unit)
        assert tags["JFIF:XResolution"] == 2 * tags["JFIF:YResolution"]
    elif kind == "png":
        assert tags["PNG-pHYs:PixelUnits"] == ("Unknown" if unit == "none" else "meters")
        assert tags["PNG-pHYs:PixelsPerUnitX"] == 2 * tags["PNG-pHYs:PixelsPerUnitY"]
    else:
        assert (tags["IFD0:XResolution"], tags["IFD0:YResolution"]) == (118, 59)
        assert tags["IFD0:ResolutionUnit"] == ("None" if unit == "none" else unit)
    back = open_scan(path).metadata.resolution
    assert back is not None
    assert (back.x / back.y, back.unit) == (Fraction(2), unit)


def keep(losses: list[str], lost: tuple[str, ...], _file: Path) -> None:
    losses.extend(lost)


def test_exif_that_is_too_long_for_jpeg_loses_its_longest_tag(tmp_path: Path) -> None:
    tags = Tags({315: Value(2, 5, b"Lange")}, {37510: Value(7, 70_000, b"x" * 70_000)}, {})
    losses: list[str] = []
    save([from_pixels(RGB)], tmp_path / "o.jpg", Metadata(tags), ready=partial(keep, losses))
    assert losses == ["the tag 37510 is too long for a JPEG file and left out"]
    assert open_scan(tmp_path / "o.jpg").metadata.tags == Tags({315: Value(2, 5, b"Lange")}, {}, {})
    save([from_pixels(RGB)], tmp_path / "o.png", Metadata(tags))
    assert open_scan(tmp_path / "o.png").metadata.tags == tags


def test_xmp_matches_the_pixels() -> None:
    packet = (
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        b"<rdf:Description xmlns:tiff='http://ns.adobe.com/tiff/1.0/' xmlns:exif='http://ns.adobe.com/exif/1.0/' "
        b"xmlns:photoshop='http://ns.adobe.com/photoshop/1.0/' tiff:Orientation='6' exif:PixelXDimension='64' "
        b"exif:ColorSpace='65535' photoshop:ICCProfile='Dot Gain 20%' photoshop:City='Rome'/></rdf:RDF></x:xmpmeta>"
    )
    xmp = prepare("jpeg", Metadata(xmp=packet), 1, None, (48, 64)).xmp
    for kept in (b"Orientation>1<", b"ColorSpace>1<", b"ICCProfile>sRGB<", b"Rome"):
        assert kept in xmp
    assert b"PixelXDimension" not in xmp


def test_a_warning_of_xmp_that_cannot_be_read_is_true_without_a_record(tmp_path: Path) -> None:
    body = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><a></b></x:xmpmeta>"
    Image.fromarray(RGB).save(tmp_path / "s.jpg")
    data = (tmp_path / "s.jpg").read_bytes()
    (tmp_path / "s.jpg").write_bytes(data[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(body) + 2) + body + data[2:])
    metadata = open_scan(tmp_path / "s.jpg").metadata
    (warning,) = metadata.warnings
    assert warning.startswith("its XMP cannot be read: ")
    assert warning.endswith("; it is left out, and only a record beside the output (--sidecar) keeps it")
    assert set(metadata.kept_aside) == {"xmp"}


def test_frames_of_avif_are_counted(tmp_path: Path) -> None:
    """libvips does not recognize AVIF animations, and reads them all the same."""
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB), Image.fromarray(RGB)]
    path = tmp_path / "a.avif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    scan = open_scan(path)
    assert scan.warnings == ("1 of 3 frames of the file is colorized, and the others are left out",)
    assert np.abs(scan.levels().astype(int) - RGB[..., 0]).mean() < 3


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_content_credentials_are_reported(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"c.{kind}"
    Image.fromarray(RGB).save(path)
    data = path.read_bytes()
    body = b"JP\0\1" + bytes(20)
    if kind == "jpg":
        data = data[:2] + struct.pack(">BBH", 0xFF, 0xEB, len(body) + 2) + body + data[2:]
    elif kind == "png":
        chunk = b"caBX" + body
        data = data[:33] + struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    else:
        data += struct.pack("<4sI", b"C2PA", len(body)) + body
        data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    path.write_bytes(data)
    (warning,) = open_scan(path).warnings
    assert "C2PA" in warning
