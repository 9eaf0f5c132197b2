"""Chunks of PNG and WebP files, read and written; Pillow reads what is written."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from chromalab.photo.containers import (
    Chunks,
    Text,
    pixels_match_checksum,
    read_png,
    read_webp,
    splice,
    write_png,
    write_webp,
)
from chromalab.photo.scan import open_scan
from tests.photo.odd_files import picture

if TYPE_CHECKING:
    from pathlib import Path

EXIF = b"II*\0\x08\0\0\0\1\0\x0f\1\2\0\4\0\0\0Cam\0\0\0\0\0"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes, behind: bytes = b"") -> io.BytesIO:
    """Return a PNG file with chunks before its pixels."""
    out = io.BytesIO()
    Image.fromarray(picture()).save(out, "PNG")
    data = out.getvalue()
    return io.BytesIO(data[:33] + b"".join(chunks) + data[33:-12] + behind + data[-12:])


@pytest.mark.parametrize("size", [0, 5, 100, 3_000_000])
def test_parts_of_files_are_replaced(tmp_path: Path, size: int) -> None:
    old = np.random.default_rng(0).bytes(3_500_000)
    new = b"n" * size
    path = tmp_path / "file"
    path.write_bytes(old)
    with path.open("r+b") as file:
        splice(file, 40, 60, new)
    assert path.read_bytes() == old[:40] + new + old[60:]


@pytest.mark.parametrize(("kind", "name"), [(b"abCd", "abCd"), (b"\0IEN", "00 49 45 4e")])
def test_wrong_checksums_are_reported_in_printable_words(kind: bytes, name: str) -> None:
    damaged = chunk(kind, b"data")[:-1] + b"?"
    assert read_png(png(damaged)).problems == [f"its chunk {name} has a wrong checksum and may be damaged"]


@pytest.mark.parametrize("size", [(1, 1), (60, 90), (3000, 700)])
def test_pixels_are_compared_with_their_checksum(tmp_path: Path, size: tuple[int, int]) -> None:
    """A row stands twice in a stream that has the checksum of the sound one; the chunks have right checksums."""
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, size, np.uint8)).save(out, "PNG")
    sound = out.getvalue()
    head, pixels, end = sound[:33], b"", sound[-12:]
    place = 33
    while sound[place + 4 : place + 8] == b"IDAT":
        length = int.from_bytes(sound[place : place + 4], "big")
        pixels += sound[place + 8 : place + 8 + length]
        place += 12 + length
    rows = zlib.decompress(pixels)
    wrong = zlib.compress(rows[: size[1] + 1] + rows)[:-4] + pixels[-4:]
    for data, right in ((pixels, True), (wrong, False)):
        path = tmp_path / f"{right}.png"
        path.write_bytes(head + chunk(b"IDAT", data[:40]) + chunk(b"IDAT", data[40:]) + end)
        with path.open("rb") as file:
            assert pixels_match_checksum(file) is right
        warned = any("checksum" in warning for warning in open_scan(path).warnings)
        assert warned is not right


def test_texts_of_all_chunks() -> None:
    texts = [
        chunk(b"tEXt", b"Title\0caf\xe9"),
        chunk(b"tEXt", "Author\0Änne".encode()),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"Stra\xdfe")),
        chunk(b"iTXt", b"Source\0\1\0de\0Quelle\0" + zlib.compress("Kästchen".encode())),
    ]
    found = read_png(png(*texts, behind=chunk(b"tEXt", b"Last\0behind the pixels")))
    assert found.texts == [
        Text("Title", "café"),
        Text("Author", "Änne"),
        Text("Comment", "Straße"),
        Text("Source", "Kästchen", "de", "Quelle"),
        Text("Last", "behind the pixels"),
    ]
    assert not found.problems


def test_metadata_that_older_programs_store_as_texts() -> None:
    def raw(kind: str, data: bytes) -> bytes:
        body = f"\n{kind} profile\n{len(data):8}\n{data.hex()}\n".encode()
        return chunk(b"zTXt", f"Raw profile type {kind}\0\0".encode() + zlib.compress(body))

    found = read_png(
        png(raw("exif", b"Exif\0\0" + EXIF), raw("iptc", b"8BIM..."), raw("xmp", b"<x/>"), raw("icm", b"p"))
    )
    assert (found.exif, found.photoshop, found.xmp, found.texts) == (EXIF, b"8BIM...", b"<x/>", [])


@pytest.mark.parametrize("declared", [b"", chunk(b"sRGB", b"\0"), chunk(b"iCCP", b"p\0\0")])
def test_gamma_counts_only_alone(declared: bytes) -> None:
    found = read_png(png(chunk(b"gAMA", struct.pack(">I", 100_000)), declared))
    assert found.gamma == (None if declared else 1.0)


@pytest.mark.slow
def test_texts_that_inflate_to_gigabytes() -> None:
    bomb = zlib.compressobj(9)
    packed = b"".join(bomb.compress(bytes(2**20)) for _ in range(200)) + bomb.flush()
    file = png(chunk(b"zTXt", b"Comment\0\0" + packed))
    tracemalloc.start()
    (text,) = read_png(file).texts
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(text.text) == 64 * 2**20
    assert peak < 500 * 2**20


def test_written_png_files(tmp_path: Path) -> None:
    path = tmp_path / "o.png"
    path.write_bytes(png(chunk(b"pHYs", struct.pack(">IIB", 1, 1, 1))).getvalue())
    texts = [Text("Title", "café"), Text("Name", "写真"), Text("Source", "box", "en", "Source")]
    with path.open("r+b") as file:
        write_png(file, Chunks(EXIF, b"<x/>", texts=texts, density=(11811, 11811, True)))
        written = read_png(file)
    assert (written.exif, written.xmp, written.texts, written.density) == (EXIF, b"<x/>", texts, (11811, 11811, True))
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), picture())
        assert {key: image.info[key] for key in ("Title", "Name", "Source")} == {text[0]: text[1] for text in texts}
        assert image.getexif()[0x010F] == "Cam"
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_written_webp_files(tmp_path: Path) -> None:
    path = tmp_path / "o.webp"
    Image.fromarray(picture()).save(path, icc_profile=b"p" * 9, lossless=True)
    with path.open("r+b") as file:
        write_webp(file, Chunks(EXIF, b"<x>1</x>"))
        written = read_webp(file)
    assert (written.exif, written.xmp, written.frames) == (EXIF, b"<x>1</x>", 1)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), picture())
        assert image.getexif()[0x010F] == "Cam"
        assert image.info["xmp"] == b"<x>1</x>"
