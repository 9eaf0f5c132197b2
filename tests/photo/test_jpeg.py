"""Damage among the pixels of JPEG files is noticed, sound files raise no alarm, and long metadata find their place."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from chromalab.photo import scan as scans
from chromalab.photo.jpeg import Head, read_jpeg, write_head
from chromalab.photo.metadata import Metadata
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.scan import Scan, open_scan
from chromalab.photo.writing import from_pixels, save
from chromalab.photo.xmp import Packet
from tests.photo.odd_files import picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ENCODINGS: list[dict[str, Any]] = [
    {},
    {"subsampling": 0},
    {"subsampling": 1},
    {"optimize": True},
    {"progressive": True},
    {"restart_marker_rows": 1},
    {"restart_marker_blocks": 3},
    {"restart_marker_blocks": 7, "subsampling": 0},
]
SIZES = [(48, 64), (61, 83), (8, 8), (1, 1), (5, 300), (300, 5), (241, 160)]


def encoded(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", **{"quality": 92} | options)
    return out.getvalue()


def opened(path: Path, data: bytes) -> Scan:
    path.write_bytes(data)
    return open_scan(path)


def body(data: bytes | bytearray) -> int:
    """Return where the image data of the first scan begins."""
    place = data.index(b"\xff\xda")
    return place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")


@pytest.mark.parametrize("options", ENCODINGS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("gray", [False, True])
def test_sound_files_raise_no_alarm(tmp_path: Path, size: tuple[int, int], gray: bool, options: dict[str, Any]) -> None:
    rgb = picture(*size)
    data = encoded(rgb[..., 1] if gray else rgb, **options)
    for content in (data, data[:-2], data[:-1]):
        scan = opened(tmp_path / "p.jpg", content)
        assert (scan.height, scan.width) == size
        end = () if content == data else ("the mark of the file's end is missing, but every pixel is there",)
        assert scan.warnings == end
        with Image.open(io.BytesIO(data)) as image:
            difference = scan.levels().astype(int).reshape(size) - np.asarray(image.convert("L"))
        assert not gray or np.abs(difference).max() <= 1


def without_third(data: bytes) -> bytes:
    start = body(data)
    third = (len(data) - start) // 3
    return data[: start + third] + data[start + 2 * third :]


def cut_and_closed(data: bytes) -> bytes:
    return data[: (len(data) + body(data)) // 2] + b"\xff\xd9"


def longer(data: bytes) -> bytes:
    return data[:-2] + b"\x12\x34\x56\x78\x12\x34\x56\x78" + data[-2:]


@pytest.mark.parametrize("damage", [without_third, cut_and_closed, longer])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("size", [(48, 64), (241, 160), (200, 300)])
def test_damage_is_reported(tmp_path: Path, size: tuple[int, int], options: dict[str, Any], damage: Any) -> None:
    rgb = picture(*size)
    for pixels in (rgb, rgb[..., 1]):
        data = damage(encoded(pixels, **options))
        if read_jpeg(io.BytesIO(data)).end is None:  # by chance the bytes form a marker whose segment has no end
            with pytest.raises(UnreadablePhotoError, match="cut off or damaged"):
                opened(tmp_path / "p.jpg", data)
            continue
        scan = opened(tmp_path / "p.jpg", data)
        (warning,) = scan.warnings
        assert warning.startswith("the file is damaged: ")
        assert scan.levels().shape == size


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"optimize": True}, {"restart_marker_rows": 1}])
def test_changed_bytes_that_stay_readable(tmp_path: Path, options: dict[str, Any]) -> None:
    """libjpeg alone misses up to half of these damages, which make other valid codes of the bytes."""
    missed, visible = 0, 0
    for seed in range(30):
        pixels = picture(48, 64, seed=seed)
        data = bytearray(encoded(pixels if seed % 2 else pixels[..., 1], **options))
        before = opened(tmp_path / "p.jpg", bytes(data)).levels().astype(int)
        start = body(data) + (len(data) - body(data)) // 3
        for place in range(start, start + 30):
            data[place] = (data[place] * 7 + 13) % 250
        if read_jpeg(io.BytesIO(data)).end is None:  # the file is refused
            continue
        scan = opened(tmp_path / "p.jpg", bytes(data))
        changed = np.abs(scan.levels().astype(int) - before).max() > 2
        visible += changed
        missed += changed and not scan.warnings
    assert visible > 20
    assert missed * 6 <= visible


def test_the_first_damaged_row_is_named(tmp_path: Path) -> None:
    data = encoded(picture(800, 300))
    (warning,) = opened(tmp_path / "p.jpg", cut_and_closed(data)).warnings
    row = int(warning.split("from row ")[1].split()[0])
    assert 300 < row < 500
    assert "of 800 on" in warning


def test_a_restart_interval_that_is_missing(tmp_path: Path) -> None:
    data = encoded(picture(160, 240), restart_marker_rows=1)
    first, second = (data.index(mark) for mark in (b"\xff\xd2", b"\xff\xd3"))
    (warning,) = opened(tmp_path / "p.jpg", data[:first] + data[second:]).warnings
    assert "damaged" in warning


def test_files_that_are_cut_off_are_refused(tmp_path: Path) -> None:
    data = encoded(picture(200, 300))
    for share in (0.5, 0.9, 0.99):
        with pytest.raises(UnreadablePhotoError, match="cut off or damaged"):
            opened(tmp_path / "p.jpg", data[: int(len(data) * share)])


def test_large_photos_are_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos that are read in strips are done with the same warning."""
    monkeypatch.setattr(scans, "WHOLE_PIXELS", 0)
    data = encoded(picture(400, 300))
    assert opened(tmp_path / "p.jpg", data).warnings == ()
    scan = opened(tmp_path / "p.jpg", without_third(data))
    (warning,) = scan.warnings
    assert "damaged" in warning
    assert sum(len(strip) for _, strip in scan.strips()) == 400


def test_garbage_between_segments_and_odd_headers_are_no_damage(tmp_path: Path) -> None:
    """Headers that libjpeg complains of: bytes between segments, fill bytes, and an unknown version of JFIF."""
    data = encoded(picture())
    jfif = data.index(b"JFIF")
    odd = data[: jfif + 5] + b"\2" + data[jfif + 6 :]
    table = odd.index(b"\xff\xdb")
    scan = opened(tmp_path / "p.jpg", odd[:table] + b"garbage\xff\xff" + odd[table:])
    assert scan.warnings == ()
    assert np.array_equal(scan.levels(), opened(tmp_path / "q.jpg", data).levels())


def test_images_behind_the_first(tmp_path: Path) -> None:
    data = encoded(picture())
    for content, count in ((data + data, 2), (data + bytes(500) + data + b"x" + data, 3), (data + b"trailer", 1)):
        found = read_jpeg(io.BytesIO(content))
        assert found.images == count
        warnings = opened(tmp_path / "p.jpg", content).warnings
        assert bool(warnings) == (count > 1)


@pytest.mark.parametrize("between", [0, 2**16 - 5, 100_000])
def test_videos_behind_the_photo_are_reported(tmp_path: Path, between: int) -> None:
    video = struct.pack(">I", 24) + b"ftypmp42" + bytes(12) + b"\x11" * 5000
    scan = opened(tmp_path / "p.jpg", encoded(picture()) + bytes(between) + video)
    assert scan.warnings == ("the video behind the photo (a motion photo) is left out",)
    assert opened(tmp_path / "p.jpg", encoded(picture()) + bytes(between) + b"ftyp").warnings == ()


@pytest.mark.parametrize(("kind", "count"), [(0x010002, 1), (0x020002, 2)])
def test_previews_of_multi_picture_files_do_not_count(kind: int, count: int) -> None:
    """Cameras store a reduced copy as a second image (`Large Thumbnail`); stereo cameras a second view."""
    entries = b"".join(struct.pack("<IIIHH", flags, 0, 0, 0, 0) for flags in (0x030000, kind))
    index = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0xB002, 7, len(entries), 26) + bytes(4) + entries
    body = b"MPF\0" + index
    data = encoded(picture())
    segment = struct.pack(">BBH", 0xFF, 0xE2, len(body) + 2) + body
    assert read_jpeg(io.BytesIO(data[:2] + segment + data[2:] + data)).images == count


def test_metadata_of_any_length(tmp_path: Path) -> None:
    """Long XMP, IPTC and comments are spread over segments, and read together again."""
    xmp = Packet.empty()
    xmp.add({("dc", "source"): "archive box, " * 20_000, ("dc", "rights"): "ours"})
    metadata = Metadata(xmp=xmp.to_bytes(), iptc=b"\x1c\x02\x78\x80\x04\0\1\x86\xa0" + b"x" * 100_000)
    save([from_pixels(picture())], tmp_path / "o.jpg", metadata)
    back = open_scan(tmp_path / "o.jpg").metadata
    assert Packet.parse(back.xmp).text("dc", "source") == "archive box, " * 20_000
    assert Packet.parse(back.xmp).text("dc", "rights") == "ours"
    assert b"HasExtendedXMP" not in back.xmp
    assert back.iptc == metadata.iptc
    assert back.warnings == ()


def test_extended_xmp_that_is_incomplete_is_reported(tmp_path: Path) -> None:
    xmp = Packet.empty()
    xmp.add({("dc", "source"): "archive box, " * 20_000, ("dc", "rights"): "ours"})
    save([from_pixels(picture())], tmp_path / "o.jpg", Metadata(xmp=xmp.to_bytes()))
    data = (tmp_path / "o.jpg").read_bytes()
    second = data.rindex(b"http://ns.adobe.com/xmp/extension/\0") - 4
    size = int.from_bytes(data[second + 2 : second + 4], "big")
    scan = opened(tmp_path / "p.jpg", data[:second] + data[second + 2 + size :])
    assert scan.warnings == ("its extended XMP is incomplete and left out",)
    assert Packet.parse(scan.metadata.xmp).text("dc", "rights") == "ours"
    assert b"HasExtendedXMP" not in scan.metadata.xmp


def test_comments_over_64_kilobytes(tmp_path: Path) -> None:
    path = tmp_path / "o.jpg"
    path.write_bytes(encoded(picture()))
    with path.open("r+b") as file:
        write_head(file, Head(comments=(b"a" * 70_000, b"b")))
    found = read_jpeg(io.BytesIO(path.read_bytes()))
    assert b"".join(found.comments) == b"a" * 70_000 + b"b"
    with Image.open(path) as image:
        assert image.size == (90, 60)
