"""Decoders for what libvips does not read in TIFF files, and checks of what it reads too leniently.

Decoded pixels are written part by part into an uncompressed file in the system's temporary folder, which libvips reads
like any other TIFF. So memory stays flat, and palettes, inverted grays and transparency are treated in one place.
"""

from __future__ import annotations

import io
import math
import os
import tempfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from chromalab.photo._vips import VipsError, vips
from chromalab.photo.content import CUT_OFF, ContentError
from chromalab.photo.tiff.directory import Value, integers, pack, shorts
from chromalab.photo.tiff.kinds import (
    CMYK,
    DEFLATE,
    GRAY,
    JPEG,
    NONE,
    OLD_DEFLATE,
    PACKBITS,
    PALETTE,
    RGB,
    YCBCR,
)
from chromalab.photo.tiff.layout import TiffLayout, TiffPage
from chromalab.photo.tiff.refusals import describe
from chromalab.photo.tiff.view import HEAD_BYTES, Handle, PageFile, head, page_tags, view

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_OF_CODEC = frozenset({266, 292, 293, 317, 322, 323, 339, 347, 531})
"""The tags that have no meaning for uncompressed strips of unsigned integers."""

_JPEGS = frozenset({JPEG, 33007, 34892})
_LENIENT = frozenset({22610, 34934})
"""JPEG XR, whose decoder returns an image for streams that are cut off."""

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_HINT = "save it with 8 or 16 bits and with LZW, Deflate or no compression"
_ROWS = 16
_PIECE = 1 << 16


def check_parts(file: PageFile) -> None:
    """Decode parts by themselves where libvips passes over damage.

    It ignores the warnings of its JPEG decoder and of PackBits in tiles, and the checksums of Deflate.

    Raises:
        ContentError: a part is damaged.
    """
    check = _CHECKS.get(file.page.compression)
    if check is None or (check is _check_packbits and not file.page.tiled):
        return
    parts = file.parts
    for index in np.setdiff1d(np.arange(len(parts.places)), parts.unwritten):
        try:
            check(file, int(index), int(parts.places[index]), int(parts.sizes[index]))
        except (VipsError, zlib.error) as error:
            raise ContentError(f"it is damaged: {file.page.part_name(int(index))} can't be decoded") from error


def _check_jpeg(file: PageFile, index: int, place: int, size: int) -> None:
    tables = file.page.tags[347].data if 347 in file.page.tags else b""
    image = _load_jpeg(file.handle.read(place, size), tables).copy_memory()
    _, _, rows, columns = file.page.box(index)
    if image.height < rows or image.width < columns:
        raise VipsError("JPEG smaller than its part")


def _check_deflate(file: PageFile, index: int, place: int, size: int) -> None:
    inflater, length = zlib.decompressobj(), 0
    for start in range(place, place + size, _PIECE):
        length += len(inflater.decompress(file.handle.read(start, min(_PIECE, place + size - start))))
    if not inflater.eof and length not in {file.page.part_bytes, file.page.decoded_sizes[index]}:
        raise zlib.error("Deflate without an end")


def _check_packbits(file: PageFile, index: int, place: int, size: int) -> None:
    data, at, length = file.handle.read(place, size), 0, 0
    while at < len(data):
        count = data[at]
        if count < 128:
            length, at = length + count + 1, at + count + 2
        else:
            length, at = length + (257 - count if count > 128 else 0), at + (2 if count > 128 else 1)
    if length > file.page.decoded_sizes[index] + 1:  # some programs pad it to an even length
        raise zlib.error("PackBits with too many bytes")


_CHECKS = {JPEG: _check_jpeg, DEFLATE: _check_deflate, OLD_DEFLATE: _check_deflate, PACKBITS: _check_packbits}


def _load_jpeg(data: bytes, tables: bytes = b"") -> Any:
    """Return a JPEG stream as an image; its tables may be stored apart, and its end may be unmarked."""
    if tables[:2] == _JPEG_START and data[:2] == _JPEG_START:
        data = tables.removesuffix(_JPEG_END) + data[2:]
    if _JPEG_END not in data[-16:]:
        data += _JPEG_END
    return vips().Image.jpegload_buffer(data, fail_on="warning")


def decode_old_jpeg(handle: Handle, layout: TiffLayout, page: TiffPage) -> PageFile:
    """Decode old-style JPEG, if it is a whole JPEG stream, as in nearly all files that have it.

    Raises:
        ContentError: the stream is cut off, damaged, or in several parts.
    """
    data = _old_jpeg_stream(handle, layout, page)
    unsupported = "it is old-style JPEG inside TIFF in several parts, which is not supported: " + _HINT
    if data[:2] != _JPEG_START:
        raise ContentError(unsupported)
    try:
        image = _load_jpeg(data)
        if image.height < page.height or image.width < page.width or image.bands not in {1, 3, 4}:
            raise ContentError(unsupported)
        pixels = image.crop(0, 0, page.width, page.height).numpy()
    except VipsError as error:
        raise ContentError(CUT_OFF) from error
    kinds = {1: GRAY, 3: RGB, 4: CMYK}
    tags = {**page.tags, 262: shorts(kinds[image.bands]), 277: shorts(image.bands), 258: shorts(8)}
    tags.pop(338, None)
    decoded = pixels.reshape(page.height, page.width, image.bands)
    return _rewritten(layout, TiffPage(page.place, tags), [(0, 0, 0, decoded)])


def _old_jpeg_stream(handle: Handle, layout: TiffLayout, page: TiffPage) -> bytes:
    place, size = page.number(513), page.number(514)
    if not place:
        parts = layout.parts(page)
        place, size = int(parts.places[0]), int(parts.sizes[0])
    if place + size > layout.size:
        raise ContentError("it is cut off: its JPEG stream reaches beyond the end of the file")
    return handle.read(place, size or layout.size - place)


def decode(file: PageFile) -> PageFile:
    """Decode a page with tifffile and imagecodecs.

    Raises:
        ContentError: they are not installed, or do not read this kind of pixels, or the pixels are damaged.
    """
    page = file.page
    try:
        import imagecodecs  # noqa: F401, PLC0415 - the extra `scans` may not be installed
        import tifffile  # noqa: PLC0415
    except ModuleNotFoundError as error:
        needed = f"its pixels are {describe(page)}, which libvips does not read here"
        raise ContentError(f"{needed}: install chromalab[scans], or {_HINT}") from error
    unsupported = f"its pixels are {describe(page)}, which is not supported: {_HINT}"
    known = page.compression in tifffile.TIFF.DECOMPRESSORS and page.compression not in _LENIENT
    if not known or (page.bits > 8 and page.photometric == PALETTE):
        raise ContentError(unsupported)
    written = page
    if page.photometric == YCBCR and page.compression in _JPEGS:  # their decoder returns RGB
        written = TiffPage(page.place, {**page.tags, 262: shorts(RGB)})
    try:
        with tifffile.TiffFile(io.BufferedReader(view(file))) as tiff:
            return _rewritten(file.layout, written, _segments(file, tiff.pages[0]))
    except NotImplementedError as error:
        raise ContentError(unsupported) from error
    except OSError:
        raise
    except Exception as error:  # every codec has errors of its own
        raise ContentError(CUT_OFF) from error


Decoded = tuple[int, int, int, "NDArray[Any]"]
"""First row, first column, first channel, and the pixels (rows, columns, channels)."""


def _segments(file: PageFile, tiff_page: Any) -> Iterator[Decoded]:
    """Decode the parts of a page one by one."""
    page, parts = file.page, file.parts
    tables = {"jpegtables": page.tags[347].data} if 347 in page.tags else {}
    for index in np.setdiff1d(np.arange(page.count), parts.unwritten):
        data = file.handle.read(int(parts.places[index]), int(parts.sizes[index]))
        decoded, (plane, _, row, column, _), _ = tiff_page.decode(
            _without_padding(data, page, int(index)), int(index), **tables
        )
        yield row, column, plane, _full_range(decoded[0], page)


def _without_padding(data: bytes, page: TiffPage, index: int) -> bytes:
    """Return uncompressed rows of 12 bits without padding to whole pairs of values, which some programs write."""
    values = page.part_size[1] * (1 if page.planar else page.samples)
    needed, pairs = -(-values * page.bits // 8), -(-values // 2) * 2 * page.bits // 8
    rows = page.decoded_sizes[index] // needed
    if page.bits != 12 or page.compression != NONE or needed == pairs or len(data) != rows * pairs:
        return data
    return np.frombuffer(data, np.uint8).reshape(-1, pairs)[:, :needed].tobytes()


def _full_range(pixels: NDArray[Any], page: TiffPage) -> NDArray[Any]:
    """Spread values of an unusual depth over 8 or 16 bits."""
    if page.bits in {8, 16} or page.photometric == PALETTE:
        return pixels
    top = 255 if page.bits < 8 else 65535
    return np.asarray(np.rint(pixels * (top / (2**page.bits - 1))), np.uint8 if page.bits < 8 else np.uint16)


def _rewritten(layout: TiffLayout, page: TiffPage, parts: Iterable[Decoded]) -> PageFile:
    """Write decoded pixels into an uncompressed temporary file."""
    item = 1 if page.bits <= 8 else 2
    shape = (page.height, page.width, page.samples)
    with tempfile.TemporaryFile(prefix="chromalab-") as file:
        file.truncate(HEAD_BYTES + item * math.prod(shape))
        pixels = np.memmap(file, dtype=f"<u{item}", mode="r+", offset=HEAD_BYTES, shape=shape)
        for row, column, channel, values in parts:
            height, width = page.height - row, page.width - column
            target = pixels[row:, column:, channel:][: values.shape[0], : values.shape[1], : values.shape[2]]
            target[:] = values[:height, :width]
        pixels.flush()
        tags = _plain_tags(page, layout.order, item)
        place = file.seek(0, os.SEEK_END)
        size = place + file.write(pack(tags, place, big=True)[0])
        file.seek(0)
        file.write(head(place))
        file.flush()
        plain = TiffPage(place, tags)
        written = TiffLayout("<", big=True, size=size, pages=(plain,))
        return PageFile(Handle(file), written, plain, written.parts(plain))


def _plain_tags(page: TiffPage, order: str, item: int) -> dict[int, Value]:
    """Return the tags of a page for pixels that are stored plainly, in strips of a few rows."""
    tags = {tag: value for tag, value in page_tags(page, order).items() if tag not in _OF_CODEC}
    firsts = np.arange(0, page.height, _ROWS)
    row = item * page.width * page.samples
    tags |= {258: shorts(*[8 * item] * page.samples), 259: shorts(NONE), 277: shorts(page.samples), 284: shorts(1)}
    tags |= {273: integers(HEAD_BYTES + firsts * row, big=True), 278: integers([_ROWS]), 530: shorts(1, 1)}
    tags[279] = integers(np.minimum(_ROWS, page.height - firsts) * row, big=True)
    if page.photometric == PALETTE and page.bits < 8 and 320 in tags:
        colors = tags[320].numbers.reshape(3, -1)
        tags[320] = shorts(*np.pad(colors, ((0, 0), (0, 256 - colors.shape[1]))).ravel())
    return tags
