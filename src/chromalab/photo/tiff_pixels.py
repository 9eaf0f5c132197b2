"""The pixels of a TIFF page as libvips images, strictly decoded: damage is an error and never a black rectangle.

libvips reads each page through a *view* of the file: the file's own bytes behind a header of one directory, which has
only the tags that describe this page. libvips then neither walks through all pages for each of them, nor stumbles over
unknown tags, and it can be given pixels in a form that it reads right where it would misread the file's own:

- CIELab and plain YCbCr are read as three channels without a meaning and converted here.
- Channels that are stored one by one, in tiles, are read one by one.
- Parts that were never written are replaced by blank ones.

Kinds that libvips cannot read, such as 12 bits and rarer codecs, are decoded by tifffile and imagecodecs (the extra
`scans`) part by part into an uncompressed temporary file, which is then read in the same way. Memory stays flat.
"""

from __future__ import annotations

import io
import math
import os
import struct
import tempfile
import weakref
import zlib
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from chromalab.color.lab import level_of
from chromalab.photo._vips import ContentError, VipsError, vips
from chromalab.photo.tiff_directory import ASCII, UNDEFINED, Value, integers, ordered, pack, shorts
from chromalab.photo.tiff_layout import (
    CIELAB,
    CMYK,
    COLORS,
    GRAY,
    GRAY_0_WHITE,
    ICCLAB,
    JPEG,
    MASK,
    NONE,
    OLD_JPEG,
    PALETTE,
    RGB,
    YCBCR,
    Parts,
    TiffLayout,
    TiffPage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

DEFLATE, OLD_DEFLATE, PACKBITS, WEBP = 8, 32946, 32773, 50001
_FAX = frozenset({2, 3, 4})
_OF_LIBVIPS = frozenset({NONE, *_FAX, 5, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS, WEBP})
_KINDS = {
    GRAY_0_WHITE: "gray", GRAY: "gray", RGB: "RGB", PALETTE: "palette", MASK: "a mask", CMYK: "CMYK", YCBCR: "YCbCr",
    CIELAB: "CIELab", ICCLAB: "ICCLab", 10: "ITULab", 32844: "LogL", 32845: "LogLuv",
}  # fmt: skip
_CODECS = {
    2: "CCITT modified Huffman", 3: "CCITT Group 3", 4: "CCITT Group 4", 5: "LZW", 6: "old-style JPEG", 7: "JPEG",
    8: "Deflate", 9: "JBIG", 10: "JBIG", 22610: "JPEG XR", 32766: "NeXT 2-bit", 32773: "PackBits", 32809: "ThunderScan",
    32908: "Pixar film", 32909: "Pixar log", 32946: "Deflate", 33003: "JPEG 2000", 33004: "JPEG 2000",
    33005: "JPEG 2000", 33007: "JPEG", 34661: "JBIG", 34676: "SGI log", 34677: "SGI log", 34712: "JPEG 2000",
    34887: "LERC", 34892: "lossy JPEG", 34925: "LZMA", 34926: "Zstandard", 34927: "WebP", 34933: "PNG",
    34934: "JPEG XR", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_FORMATS = {2: "signed integers", 3: "floating-point numbers", 5: "complex integers", 6: "complex numbers"}
_COPIED = frozenset({
    256, 257, 258, 259, 262, 266, 274, 277, 278, 282, 283, 284, 292, 293, 296, 317, 320, 322, 323, 332, 338, 339, 347,
    529, 530, 531, 532,
})  # fmt: skip
"""The tags that describe pixels, resolution and orientation."""

_OF_CODEC = (266, 292, 293, 317, 322, 323, 339, 347, 530, 531)
"""The tags that have no meaning for uncompressed strips of unsigned integers."""

_BLOBS = {700: 1, 33723: UNDEFINED, 34377: 1, 34675: UNDEFINED}
"""XMP, IPTC, Photoshop's resources and the ICC profile, with the type that libtiff expects."""

_MEANINGLESS: dict[int, Value | None] = {262: shorts(RGB), 529: None, 530: None, 531: None, 532: None}
"""Changes of tags with which libvips reads three channels as they are."""

_TRANSPARENCY = {1, 2}
_JPEGS = {JPEG, 33007, 34892}
_BLANKABLE = {NONE, DEFLATE, OLD_DEFLATE}
_HEADER = 16
_ROWS = 16
_PIECE = 1 << 16
_ICC_WHITE = 0xFF00
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_DAMAGED = "it is cut off or damaged: its pixels can't be read to the end"


@dataclass(frozen=True)
class TiffImage:
    """A page of a TIFF file, ready to be decoded.

    Attributes:
        image: returns a lazily decoded libvips image of the page; each can be read once, from top to bottom.
        warnings: what of the page is damaged or left out, a sentence each.
    """

    image: Callable[[], Any]
    warnings: tuple[str, ...] = ()


def open_page(file: IO[bytes], layout: TiffLayout, number: int) -> TiffImage:
    """Open a page of a TIFF file; the result keeps the file open for itself.

    Args:
        file: the file.
        layout: its structure.
        number: index of the page, from 0.

    Raises:
        ContentError: parts of the pixels are missing or damaged, or they are of a kind that can't be read.
    """
    page = layout.opened(file, number)
    _refuse(page)
    handle = _Handle(file)
    if page.compression == OLD_JPEG:
        opened = _rewritten(layout, *_old_jpeg(handle, layout, page))
    else:
        parts = layout.parts(page)
        opened = _decoded(handle, layout, page, parts)
        opened = replace(opened, warnings=(*opened.warnings, *_unwritten(page, parts)))
    return replace(opened, warnings=(*opened.warnings, *_lost_channels(page)))


def check_page(file: IO[bytes], layout: TiffLayout, number: int) -> None:
    """Check what can be known of a page without decoding it.

    Raises:
        ContentError: parts of the pixels are missing, or they are of a kind that can't be read.
    """
    page = layout.opened(file, number)
    _refuse(page)
    if page.compression != OLD_JPEG:
        layout.parts(page)


def describe(page: TiffPage) -> str:
    """Return the kind of a page's pixels in words, such as `12-bit RGB, compressed with LZW`."""
    kind = _KINDS.get(page.photometric, f"kind of color {page.photometric}")
    text = f"{page.bits or 'mixed'}-bit {kind}"
    if page.planar and page.tiled:
        text += " in tiles of one channel"
    if page.extra:
        text += f" with {len(page.extra)} further channel{'s' if len(page.extra) > 1 else ''}"
    if page.compression != NONE:
        text += f", compressed with {_CODECS.get(page.compression, f'codec {page.compression}')}"
    return text


def _refuse(page: TiffPage) -> None:
    """Refuse pixels that no reader here converts to a photo's lightness.

    Raises:
        ContentError: the reason, with the kind of the pixels.
    """
    if page.width <= 0 or page.height <= 0:
        raise ContentError(f"it is damaged: it declares {page.width}x{page.height} px")
    numbers = _FORMATS.get(page.number(339, 1))
    if numbers:
        raise ContentError(f"its pixels are {page.bits}-bit {numbers}: save it with 8 or 16 bits per channel")
    if page.photometric not in COLORS or page.photometric == MASK:
        raise ContentError(f"its pixels are {describe(page)}: save it as gray or RGB")
    if not 0 < page.bits <= 16:
        raise ContentError(f"its pixels are {describe(page)}: save it with 8 or 16 bits per channel")
    if page.samples < COLORS[page.photometric]:
        raise ContentError(f"it is damaged: it has {page.samples} channels for {_KINDS[page.photometric]}")
    if COLORS[page.photometric] == 1 and page.extra.count(0) > 1:  # which of them is the photo?
        raise ContentError(f"it has {page.samples} channels: save it as gray or RGB")
    if page.photometric == CMYK and page.number(332, 1) != 1:
        raise ContentError("its inks are not CMYK: save it as gray or RGB")


def _unwritten(page: TiffPage, parts: Parts) -> list[str]:
    count = len(parts.unwritten)
    if not count:
        return []
    noun = "tile" if page.tiled else "strip"
    where = page.part_name(int(parts.unwritten[0]))
    return [f"{count} of {len(parts.places)} {noun}s were never written and are blank, the first at {where}"]


def _lost_channels(page: TiffPage) -> list[str]:
    alpha = _alpha(page)
    lost = [COLORS[page.photometric] + index + 1 for index in range(len(page.extra)) if index != alpha]
    if not lost:
        return []
    if len(lost) == 1:
        return [f"channel {lost[0]} is left out: the file does not state that it is transparency"]
    return [f"channels {', '.join(map(str, lost))} are left out: the file does not state that they are transparency"]


def _alpha(page: TiffPage) -> int | None:
    """Return which of the extra channels is the transparency."""
    return next((index for index, meaning in enumerate(page.extra) if meaning in _TRANSPARENCY), None)


# ------------------------------------------------------------------------------------------------ views of a file


class _Handle:
    """A descriptor of an open file, closed with the last view."""

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, place: int, length: int) -> bytes:
        """Return up to `length` bytes from `place` on."""
        return os.pread(self._descriptor, length, place)


class _View(io.RawIOBase):
    """A readable file: the bytes of another one behind a header of its own, with further bytes behind the end."""

    def __init__(self, handle: _Handle, size: int, head: bytes, tail: bytes) -> None:
        super().__init__()
        self._handle, self._size, self._head, self._tail, self._at = handle, size, head, tail, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the bytes go that lie together, and return their number."""
        piece = self._piece(len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _piece(self, length: int) -> bytes:
        at = self._at
        if at < len(self._head):
            return self._head[at : at + length]
        if at < self._size:
            return self._handle.read(at, min(length, self._size - at))
        return self._tail[at - self._size : at - self._size + length]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size + len(self._tail)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def load(self, level: str) -> Any:
        """Return a libvips image that stops at damage of this level."""
        source = vips().SourceCustom()
        source.on_read(self.read)
        source.on_seek(self.seek)
        return vips().Image.new_from_source(source, "", access="sequential", fail_on=level)


def _view(
    handle: _Handle, layout: TiffLayout, page: TiffPage, parts: Parts, changes: Mapping[int, Value | None]
) -> _View:
    """Return a view of a page with changed tags; None removes one."""
    start = layout.size + layout.size % 2
    padding, blank, places, sizes = bytes(start - layout.size), b"", parts.places.copy(), parts.sizes.copy()
    if parts.unwritten.size and page.compression in _BLANKABLE:
        blank = _blank(page)
        places[parts.unwritten], sizes[parts.unwritten] = start, len(blank)
    of_places, of_sizes = (324, 325) if page.tiled else (273, 279)
    tags = _described_tags(page, layout.order)
    tags |= {of_places: integers(places, big=layout.big), of_sizes: integers(sizes, big=layout.big)}
    tags |= {tag: value for tag, value in changes.items() if value is not None}
    tags = {tag: value for tag, value in tags.items() if changes.get(tag, value) is not None}
    place = start + len(blank)
    body, _ = pack(tags, place, order=layout.order, big=layout.big)
    return _View(handle, layout.size, _head(place, layout.order, big=layout.big), padding + blank + body)


def _described_tags(page: TiffPage, order: str) -> dict[int, Value]:
    """Return the tags of a page that describe its pixels, and its metadata in the types that libtiff expects."""
    tags = {tag: value for tag, value in page.tags.items() if tag in _COPIED}
    tags[262] = shorts(page.photometric)
    for tag in set(_BLOBS) & set(page.tags):
        value = page.tags[tag]
        data = ordered(value.kind, value.data, order)
        tags[tag] = Value(_BLOBS[tag], len(data), data)
    if 270 in page.tags:
        text = page.tags[270].data.split(b"\0")[0] + b"\0"
        tags[270] = Value(ASCII, len(text), text)
    return tags


def _head(place: int, order: str, *, big: bool) -> bytes:
    """Return the first bytes of a TIFF file whose first directory is at `place`."""
    mark = b"II" if order == "<" else b"MM"
    if big:
        return mark + struct.pack(order + "HHHQ", 43, 8, 0, place)
    return mark + struct.pack(order + "HI", 42, place)


def _blank(page: TiffPage) -> bytes:
    """Return a tile or strip of zeros as the file's codec stores it, of even length."""
    rows, columns = page.part_size
    samples = 1 if page.planar else page.samples
    zeros = bytes(rows * -(-columns * samples * page.bits // 8))
    packed = zeros if page.compression == NONE else zlib.compress(zeros)
    return packed + bytes(len(packed) % 2)


# ------------------------------------------------------------------------------------------------------- decoding


def _decoded(handle: _Handle, layout: TiffLayout, page: TiffPage, parts: Parts) -> TiffImage:
    """Return a page as libvips reads it, or else as tifffile does."""
    _check_parts(handle, page, parts)
    blankable = not parts.unwritten.size or page.compression in _BLANKABLE
    if page.compression in _OF_LIBVIPS and page.bits in {1, 2, 4, 8, 16} and blankable:
        opened = _viewed(handle, layout, page, parts)
        try:
            opened.image()
        except VipsError:
            return _transcoded(handle, layout, page, parts)
        return opened
    return _transcoded(handle, layout, page, parts)


def _viewed(handle: _Handle, layout: TiffLayout, page: TiffPage, parts: Parts) -> TiffImage:
    """Return a page that libvips reads through views of the file."""
    # libtiff's warnings about strips are mostly harmless, and its errors about tiles reach libvips as warnings.
    level = "warning" if page.tiled or page.compression == PACKBITS else "error"
    changes = _MEANINGLESS if _converted_here(page) else {}
    if page.planar and page.tiled:
        return TiffImage(lambda: _converted(_planes(handle, layout, page, parts), page))

    def image(level: str = level) -> Any:
        return _converted(_view(handle, layout, page, parts, changes).load(level), page)

    if page.compression in _FAX and not page.tiled and _fails(image("warning")):
        return TiffImage(image, ("the file is damaged: its decoder reports wrong rows in this fax",))
    return TiffImage(image)


def _fails(image: Any) -> bool:
    try:
        image.avg()
    except VipsError:
        return True
    return False


def _planes(handle: _Handle, layout: TiffLayout, page: TiffPage, parts: Parts) -> Any:
    """Return channels that are stored one by one as one image."""
    changes = {258: shorts(page.bits), 262: shorts(GRAY), 277: shorts(1), 284: shorts(1), 338: None, 339: None}
    count = page.grid[0] * page.grid[1]
    images = []
    for start in range(0, page.samples * count, count):
        chosen = (parts.unwritten >= start) & (parts.unwritten < start + count)
        plane = Parts(
            parts.places[start : start + count],
            parts.sizes[start : start + count],
            parts.unwritten[chosen] - start,
        )
        images.append(_view(handle, layout, page, plane, changes).load("warning"))
    joined = images[0].bandjoin(images[1:])
    return joined.copy(interpretation=_interpretation(page.samples - len(page.extra), joined.format))


def _interpretation(bands: int, form: str) -> str:
    names = {1: ("b-w", "grey16"), 3: ("srgb", "rgb16"), 4: ("cmyk", "cmyk")}
    return names[bands][form == "ushort"]


def _converted_here(page: TiffPage) -> bool:
    """Return whether the color of a page is converted here, from channels that libvips reads as RGB."""
    plain = page.compression != JPEG and page.subsampling == (1, 1)
    return page.photometric in {CIELAB, ICCLAB} or (page.photometric == YCBCR and plain)


def _converted(image: Any, page: TiffPage) -> Any:
    """Convert the colors that libvips did not, and leave out channels that are neither color nor transparency."""
    if page.compression != JPEG and page.subsampling != (1, 1):  # libtiff has converted it to RGBA
        return image.extract_band(0, n=3).copy(interpretation="srgb")
    count = len(page.extra)
    color = image.extract_band(0, n=image.bands - count) if count else image
    if page.photometric in {CIELAB, ICCLAB}:
        color = _gray_of_lab(color, page)
    elif _converted_here(page):
        color = _rgb_of_ycbcr(color, page)
    if not count:
        return color
    interpretation, alpha = _interpretation(color.bands, color.format), _alpha(page)
    if alpha is not None:
        color = color.bandjoin(image.extract_band(image.bands - count + alpha))
    return color.copy(interpretation=interpretation)


def _gray_of_lab(image: Any, page: TiffPage) -> Any:
    """Return the gray levels with the L* of CIELab; a* and b* have no influence on them."""
    deep = image.format == "ushort"
    top = (_ICC_WHITE if page.photometric == ICCLAB else 65535) if deep else 255
    lightness = np.clip(np.arange(65536 if deep else 256) / top, 0, 1) * 100
    level = np.rint(np.clip(level_of(lightness), 0, 255) * (257 if deep else 1))
    table = level.astype(np.uint16 if deep else np.uint8)[None, :, None]
    gray = image.extract_band(0).maplut(vips().Image.new_from_array(table))
    gray = gray.copy(interpretation=_interpretation(1, image.format))
    gray.remove("icc-profile-data")
    return gray


def _rgb_of_ycbcr(image: Any, page: TiffPage) -> Any:
    """Convert YCbCr as the TIFF 6.0 specification does (section 21), with the file's coefficients and range."""
    deep = image.format == "ushort"
    top, middle = (65535, 32768) if deep else (255, 128)
    weights = _ratios(page, 529, 3) or (0.299, 0.587, 0.114)
    low = _ratios(page, 532, 6) or (0, top, middle, top, middle, top)
    scales = [top, top - middle, top - middle]
    factors = [scale / ((low[2 * i + 1] - low[2 * i]) or 1) for i, scale in enumerate(scales)]
    full = image.linear(factors, [-low[2 * i] * factors[i] for i in range(3)])
    red, green, blue = weights
    to_rgb = [
        [1, 0, 2 - 2 * red],
        [1, -blue * (2 - 2 * blue) / green, -red * (2 - 2 * red) / green],
        [1, 2 - 2 * blue, 0],
    ]
    rgb = full.recomb(to_rgb).rint().cast(image.format)
    return rgb.copy(interpretation=_interpretation(3, image.format))


def _ratios(page: TiffPage, tag: int, count: int) -> tuple[float, ...]:
    """Return the numbers of a tag, or nothing if they are not as many as expected or a weight of 0."""
    found = page.tags[tag].ratios if tag in page.tags else ()
    return found if len(found) == count and found[1] else ()


def _check_parts(handle: _Handle, page: TiffPage, parts: Parts) -> None:
    """Decode parts by themselves where libvips passes over damage.

    It ignores the warnings of its JPEG decoder and of PackBits in tiles, and the checksums of Deflate.

    Raises:
        ContentError: a part is damaged.
    """
    check = _CHECKS.get(page.compression)
    if check is None or (check is _check_packbits and not page.tiled):
        return
    for index in np.setdiff1d(np.arange(len(parts.places)), parts.unwritten):
        try:
            check(handle, page, int(parts.places[index]), int(parts.sizes[index]))
        except (VipsError, zlib.error) as error:
            noun = "tile" if page.tiled else "strip"
            reason = f"it is damaged: the {noun} of {page.part_name(int(index))} can't be decoded"
            raise ContentError(reason) from error


def _check_jpeg(handle: _Handle, page: TiffPage, place: int, size: int) -> None:
    tables = page.tags[347].data if 347 in page.tags else b""
    _load_jpeg(handle.read(place, size), tables).copy_memory()


def _check_deflate(handle: _Handle, page: TiffPage, place: int, size: int) -> None:  # noqa: ARG001 - one signature
    inflater = zlib.decompressobj()
    for start in range(place, place + size, _PIECE):
        inflater.decompress(handle.read(start, min(_PIECE, place + size - start)))


def _check_packbits(handle: _Handle, page: TiffPage, place: int, size: int) -> None:
    data, at, length = handle.read(place, size), 0, 0
    while at < len(data):
        count = data[at]
        if count < 128:
            length, at = length + count + 1, at + count + 2
        else:
            length, at = length + (257 - count if count > 128 else 0), at + (2 if count > 128 else 1)
    rows, columns = page.part_size
    samples = 1 if page.planar else page.samples
    if length > rows * -(-columns * samples * page.bits // 8) + 1:  # some programs pad it to an even length
        raise zlib.error("PackBits with too many bytes")


_CHECKS = {JPEG: _check_jpeg, DEFLATE: _check_deflate, OLD_DEFLATE: _check_deflate, PACKBITS: _check_packbits}


def _load_jpeg(data: bytes, tables: bytes = b"") -> Any:
    """Return a JPEG stream as an image; its tables may be stored apart, and its end may be unmarked."""
    if tables[:2] == _JPEG_START and data[:2] == _JPEG_START:
        data = tables.removesuffix(_JPEG_END) + data[2:]
    if _JPEG_END not in data[-16:]:
        data += _JPEG_END
    return vips().Image.jpegload_buffer(data, fail_on="warning")


# ------------------------------------------------------------------------------------ what libvips does not decode

Decoded = tuple[int, int, int, "NDArray[Any]"]
"""First row, first column, first channel, and the pixels (rows, columns, channels)."""


def _old_jpeg(handle: _Handle, layout: TiffLayout, page: TiffPage) -> tuple[TiffPage, list[Decoded]]:
    """Decode old-style JPEG, if it is a whole JPEG stream, as nearly all such files have it."""
    place, size = page.number(513), page.number(514)
    if not place:
        parts = layout.parts(page)
        place, size = int(parts.places[0]), int(parts.sizes[0])
    elif place + size > layout.size:
        raise ContentError("it is cut off: its JPEG stream reaches beyond the end of the file")
    data = handle.read(place, size or layout.size - place)
    unsupported = "it is old-style JPEG inside TIFF in parts, which is not supported: save it with LZW or Deflate"
    if data[:2] != _JPEG_START:
        raise ContentError(unsupported)
    try:
        image = _load_jpeg(data)
        if image.height < page.height or image.width < page.width or image.bands not in {1, 3, 4}:
            raise ContentError(unsupported)
        pixels = image.crop(0, 0, page.width, page.height).numpy()
    except VipsError as error:
        raise ContentError(_DAMAGED) from error
    kinds = {1: GRAY, 3: RGB, 4: CMYK}
    tags = {**page.tags, 262: shorts(kinds[image.bands]), 277: shorts(image.bands), 258: shorts(*[8] * image.bands)}
    tags.pop(338, None)
    return TiffPage(page.place, tags), [(0, 0, 0, pixels.reshape(page.height, page.width, image.bands))]


def _transcoded(handle: _Handle, layout: TiffLayout, page: TiffPage, parts: Parts) -> TiffImage:
    """Decode a page with tifffile and imagecodecs."""
    try:
        import imagecodecs  # noqa: F401, PLC0415 - the extra `scans` may not be installed
        import tifffile  # noqa: PLC0415
    except ModuleNotFoundError as error:
        hint = "install chromalab[scans], or save it with 8 or 16 bits and with LZW, Deflate or no compression"
        raise ContentError(f"it is {describe(page)}, which libvips does not read here: {hint}") from error
    kind = f"its pixels are {describe(page)}, which is not supported"
    hint = "save it with 8 or 16 bits and with LZW, Deflate or no compression"
    if (page.bits > 8 and page.photometric == PALETTE) or page.compression not in tifffile.TIFF.DECOMPRESSORS:
        raise ContentError(f"{kind}: {hint}")
    decoded = page
    if page.photometric == YCBCR and page.compression in _JPEGS:  # their decoder returns RGB
        decoded = TiffPage(page.place, {**page.tags, 262: shorts(RGB)})
    try:
        with tifffile.TiffFile(io.BufferedReader(_view(handle, layout, page, parts, {}))) as tiff:
            return _rewritten(layout, decoded, _segments(tiff.pages[0], page))
    except NotImplementedError as error:
        raise ContentError(f"{kind}: {hint}") from error
    except OSError:
        raise
    except Exception as error:  # every codec has errors of its own
        raise ContentError(_DAMAGED) from error


def _segments(tiff_page: Any, page: TiffPage) -> Iterator[Decoded]:
    """Decode the parts of a page one by one."""
    for data, (plane, _, row, column, _), _ in tiff_page.segments():
        if data is not None:
            yield row, column, plane, _full_range(data[0], page)


def _full_range(pixels: NDArray[Any], page: TiffPage) -> NDArray[Any]:
    """Spread values of an unusual depth over 8 or 16 bits."""
    if page.bits in {8, 16} or page.photometric == PALETTE:
        return pixels
    top = 255 if page.bits < 8 else 65535
    return np.asarray(np.rint(pixels * (top / (2**page.bits - 1))), np.uint8 if page.bits < 8 else np.uint16)


def _rewritten(layout: TiffLayout, page: TiffPage, parts: Iterable[Decoded]) -> TiffImage:
    """Write decoded pixels into an uncompressed temporary file, and return its page."""
    item = 1 if page.bits <= 8 else 2
    shape = (page.height, page.width, page.samples)
    with tempfile.TemporaryFile(prefix="chromalab-") as file:
        file.truncate(_HEADER + item * math.prod(shape))
        pixels = np.memmap(file, dtype=f"<u{item}", mode="r+", offset=_HEADER, shape=shape)
        for row, column, channel, values in parts:
            height, width = page.height - row, page.width - column
            target = pixels[row:, column:, channel:][: values.shape[0], : values.shape[1], : values.shape[2]]
            target[:] = values[:height, :width]
        pixels.flush()
        tags = _uncompressed(page, layout.order, item)
        place = file.seek(0, os.SEEK_END)
        file.write(pack(tags, place, big=True)[0])
        file.seek(0)
        file.write(_head(place, "<", big=True))
        file.flush()
        written = TiffLayout("<", big=True, size=file.seek(0, os.SEEK_END), pages=(TiffPage(place, tags),))
        plain = written.opened(file, 0)
        return _viewed(_Handle(file), written, plain, written.parts(plain))


def _uncompressed(page: TiffPage, order: str, item: int) -> dict[int, Value]:
    """Return the tags of a page for pixels that are stored plainly, in strips of a few rows."""
    tags = {tag: value for tag, value in _described_tags(page, order).items() if tag not in _OF_CODEC}
    firsts = np.arange(0, page.height, _ROWS)
    row = item * page.width * page.samples
    tags |= {258: shorts(*[8 * item] * page.samples), 259: shorts(NONE), 277: shorts(page.samples), 284: shorts(1)}
    tags |= {273: integers(_HEADER + firsts * row, big=True), 278: integers([_ROWS])}
    tags[279] = integers(np.minimum(_ROWS, page.height - firsts) * row, big=True)
    if page.photometric == YCBCR:
        tags[530] = shorts(1, 1)
    if page.photometric == PALETTE and page.bits < 8 and 320 in tags:
        colors = tags[320].numbers.reshape(3, -1)
        tags[320] = shorts(*np.pad(colors, ((0, 0), (0, 256 - colors.shape[1]))).ravel())
    return tags
