"""What decoders other than chromalab's find in a file: whether all pixels can be decoded, the size, and the disclosure.

Only refusals that concern the pixels of the photo count. Decoders that refuse a file for its metadata, or because they
do not support its kind, are no evidence of damage, so a second decoder or a copy without metadata decides.
"""

from __future__ import annotations

import contextlib
import io
import logging
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import pyvips
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin

from tests.fuzz.mutations import Part, join_jpeg, join_riff, split_jpeg, split_png, split_riff

REDUCED, MASK = 1, 4
_DISCLOSURE = b"compositeWithTrainedAlgorithmicMedia"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, column step and row step of the passes of an interlaced PNG file."""

_JPEG_METADATA = frozenset({b"\xff\xfe", *(bytes((0xFF, code)) for code in range(0xE0, 0xF0) if code != 0xEE)})
"""Comments and application segments, without Adobe's, which states the color transform."""

_RESTARTS = [bytes((0xFF, code)) for code in range(0xD0, 0xD8)]

Size = tuple[int, int]


def configure() -> None:
    """Make the decoders strict and silent, in a process of their own."""
    warnings.simplefilter("error")
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    Image.MAX_IMAGE_PIXELS = None
    assert TiffImagePlugin.READ_LIBTIFF is False


def refusal(data: bytes) -> str | None:
    """Return why a strict decoder cannot decode all pixels of a photo, or None if it can."""
    check = next((check for mark, check in _CHECKS.items() if data.startswith(mark)), _refused_by_pillow)
    return check(data)


def upright_sizes(data: bytes) -> set[Size]:
    """Return the width and height of a photo, upright, as other decoders read it; they may differ, or all refuse."""
    found: set[Size] = set()
    for measure in (_pillow_size, _tiff_size):
        with contextlib.suppress(Exception):  # decoders of damaged files raise errors of all kinds
            found.add(measure(data))
    return found


def same_pixels(one: bytes, other: bytes) -> bool:
    """Return whether two outputs have pages of the same sizes whose values differ by less than 1% in the mean."""
    pages, others = _pixels(one), _pixels(other)
    return len(pages) == len(others) and all(
        page.shape == other_page.shape and np.abs(page - other_page).mean() < 0.01
        for page, other_page in zip(pages, others, strict=True)
    )


def _pixels(data: bytes) -> list[NDArray[np.float64]]:
    """Return the pixels of every page, 0 to 1."""
    if _is_tiff(data):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            pages = [page.asarray() for page in file.pages]
    elif data.startswith(b"\x89PNG"):
        pages = [imagecodecs.png_decode(data)]
    else:
        with Image.open(io.BytesIO(data)) as image:
            pages = [np.asarray(image)]
    return [page / np.float64(np.iinfo(page.dtype).max) for page in pages]


def page_count(data: bytes) -> int:
    """Return the number of pages of a file that are photos; 1 for other files than TIFF."""
    if not _is_tiff(data):
        return 1
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return len(_photos(file))


def discloses(data: bytes) -> bool:
    """Return whether a file has the disclosure, also where it is compressed, as in PNG."""
    parts = split_png(data) if data.startswith(b"\x89PNG") else []
    texts = [part for part in parts if part.name in {b"iTXt", b"zTXt"}]
    return _DISCLOSURE in data or any(_DISCLOSURE in _unpacked(text) for text in texts)


def _unpacked(chunk: Part) -> bytes:
    """Return the compressed text of a chunk, which stands behind keyword and method, in iTXt also behind languages."""
    _, _, text = chunk.body.partition(b"\0")
    try:
        return zlib.decompress(text[1:] if chunk.name == b"zTXt" else text[2:].split(b"\0", 2)[-1])
    except zlib.error:
        return b""


def _is_tiff(data: bytes) -> bool:
    return data[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


def _error(decode: Callable[[bytes], Any], data: bytes) -> str | None:
    try:
        decode(data)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _pillow(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.load()


def _pillow_size(data: bytes) -> Size:
    with Image.open(io.BytesIO(data)) as image:
        return ImageOps.exif_transpose(image).size


def _tiff_size(data: bytes) -> Size:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = _photos(file)[0]
        turned = 274 in page.tags and int(page.tags[274].value) >= 5
        return (page.imagelength, page.imagewidth) if turned else (page.imagewidth, page.imagelength)


def _refused_by_pillow(data: bytes) -> str | None:
    return _error(_pillow, data)


def _refused_png(data: bytes) -> str | None:
    """Check checksums, the length of the pixel data and the filters, with zlib alone."""
    parts = split_png(data)
    critical = [part for part in parts if part.name in {b"IHDR", b"PLTE", b"IDAT"}]
    damaged = [part.name for part in critical if part.stored != zlib.crc32(part.name + part.body)]
    if damaged:
        return f"checksum of {damaged[0].decode()}"
    rows = _png_rows(next(part for part in parts if part.name == b"IHDR"))
    stream = zlib.decompressobj()
    try:
        values = stream.decompress(b"".join(part.body for part in parts if part.name == b"IDAT"))
    except zlib.error as error:
        return str(error)
    if len(values) < sum(rows):
        return f"{len(values)} of {sum(rows)} bytes of pixels"
    place = 0
    for row in rows:
        if values[place] > 4:
            return f"unknown filter {values[place]}"
        place += row
    return None


def _png_rows(header: Part) -> list[int]:
    """Return the bytes of every filtered row."""
    width, height, bits, color, _, _, interlaced = struct.unpack(">IIBBBBB", header.body[:13])
    rows: list[int] = []
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, count = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and count > 0:
            rows += [1 + -(-columns * bits * _PNG_CHANNELS[color] // 8)] * count
    return rows


def _refused_jpeg(data: bytes) -> str | None:
    """Decode with Pillow, and a second time without metadata, check restart intervals, and heed libjpeg's warnings."""
    kept = [part for part in split_jpeg(data) if part.name not in _JPEG_METADATA]
    scan = next((index for index, part in enumerate(kept) if part.name == b"\xff\xda"), 0)
    kept = [part for part in kept[:scan] if part.name] + kept[scan:]  # bytes between segments do no harm
    reason = _refused_by_pillow(data) and _refused_by_pillow(join_jpeg(kept))
    return reason or _lost_intervals(kept) or _error(_without_warnings, join_jpeg(kept))


def _without_warnings(data: bytes) -> None:
    """Decode with libjpeg, which only warns of damaged entropy-coded data."""
    pyvips.Image.jpegload_buffer(data, fail_on="warning").copy_memory()


def _lost_intervals(parts: list[Part]) -> str | None:
    """Return why the restart intervals of a sequential file with a single scan cannot be whole."""
    frames = [part.body for part in parts if part.name in {b"\xff\xc0", b"\xff\xc1"}]
    scans = [index for index, part in enumerate(parts) if part.name == b"\xff\xda"]
    interval = next((int.from_bytes(part.body[:2], "big") for part in parts if part.name == b"\xff\xdd"), 0)
    if len(frames) != 1 or len(scans) != 1 or not interval:
        return None
    height, width = struct.unpack(">HH", frames[0][1:5])
    sampling = frames[0][7::3] if frames[0][5] > 1 else b"\x11"
    mcu_width, mcu_height = 8 * max(value >> 4 for value in sampling), 8 * max(value & 15 for value in sampling)
    expected = -(-(-(-width // mcu_width) * -(-height // mcu_height)) // interval) - 1
    marks = [
        part.name[1] & 7 for part in parts[scans[0] :] if part.name[:1] == b"\xff" and 0xD0 <= part.name[1] <= 0xD7
    ]
    if marks != [number % 8 for number in range(expected)]:
        return f"restart markers {marks} in place of {expected} in order"
    return None


def _refused_webp(data: bytes) -> str | None:
    kept = [part for part in split_riff(data) if part.name not in {b"EXIF", b"XMP ", b"ICCP"}]
    return _refused_by_pillow(data) and _refused_by_pillow(join_riff(kept))


def _refused_heif(data: bytes) -> str | None:
    """Decode AVIF with libavif and HEIC with libheif; libavif also refuses boxes that are odd but harmless."""
    try:
        image = Image.open(io.BytesIO(data))
    except Exception:
        return _error(_libheif, data) if b"hvc1" in data else None
    with image:
        return _error(lambda _: image.load(), data)


def _libheif(data: bytes) -> None:
    pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False).to_pillow().load()


def _photos(file: tifffile.TiffFile) -> list[Any]:
    """Return the pages that are neither reduced copies nor masks; directories may point to earlier ones."""
    pages: dict[int, Any] = {}
    for page in file.pages:
        if page.offset in pages:
            break
        pages[page.offset] = page
    photos = [page for page in pages.values() if not page.subfiletype & (REDUCED | MASK)]
    return photos or [file.pages[0]]


def _tifffile(data: bytes) -> None:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        for page in _photos(file):
            page.asarray()


def _refused_tiff(data: bytes) -> str | None:
    """Decode with tifffile, and if it refuses, with two other readers; check that uncompressed pixels are complete."""
    refused = _error(_tifffile, data)
    if refused is not None:
        return _refused_by_pillow(data) and _error(imagecodecs.tiff_decode, data) and refused
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        found = (_missing_part(page, len(data)) for page in _photos(file))
        return next(filter(None, found), None)


def _missing_part(page: Any, size: int) -> str | None:
    """Return which strip or tile of a page does not lie inside a file of `size` bytes, or None."""
    for index, offset in enumerate(page.dataoffsets):
        needed = _bytes_of_part(page, index) if page.compression == 1 else 1
        if offset == 0 or offset + needed > size:
            return f"part {index} at {offset} needs {needed} bytes, but the file ends at {size}"
    return None


def _bytes_of_part(page: Any, index: int) -> int:
    """Return how many bytes an uncompressed strip or tile has."""
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    rows, columns = page.tilelength, page.tilewidth
    if not page.is_tiled:
        strip, columns = min(page.rowsperstrip, page.imagelength), page.imagewidth
        rows = min(strip, page.imagelength - index % -(-page.imagelength // strip) * strip)
    return int(rows * -(-columns * samples * page.bitspersample // 8))


_CHECKS: dict[bytes, Callable[[bytes], str | None]] = {
    b"\x89PNG": _refused_png,
    b"\xff\xd8": _refused_jpeg,
    b"RIFF": _refused_webp,
    b"II": _refused_tiff,
    b"MM": _refused_tiff,
    b"\0\0\0": _refused_heif,
}
