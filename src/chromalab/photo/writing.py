"""Writing images: colorized photos with the metadata of their source, and plain PNG and JPEG files."""

from __future__ import annotations

import contextlib
import errno
import html
import itertools
import os
import struct
import tempfile
import time
import unicodedata
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chromalab.core.errors import UsageError
from chromalab.core.files import explain_write_errors, make_folder, partial_file, put_in_place, write_bytes
from chromalab.photo._vips import VipsError, vips
from chromalab.photo.metadata import exif_of, page_tags, prepare, write_metadata
from chromalab.photo.tiff.tags import add_tags, append_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.photo.metadata import Metadata, Written

SUFFIXES = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jfif": "jpeg",
    ".jpe": "jpeg",
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
    ".avif": "avif",
    ".heic": "heic",
    ".heif": "heic",
}
"""File name suffixes that can be written, with the file type of each."""

LONGEST_SIDES = {"jpeg": 65_500, "webp": 16_383, "avif": 16_384, "heic": 16_384}
"""Pixels in the longest side that libvips writes, by file type; PNG and TIFF files have no such limit."""

QUALITY = 92

TEMPORARY = ".chromalab-"
"""Name prefix of files that are being written; after a crash they can be deleted."""

_NAMES = {"jpeg": "JPEG", "webp": "WebP", "avif": "AVIF", "heic": "HEIC"}
_FORMATS = {1: "uchar", 2: "ushort"}
_16_BIT_KINDS = frozenset({"png", "tiff"})
BIG_TIFF_BYTES = 2_000_000_000
"""TIFF files with more bytes of pixels are written as BigTIFF."""

_STRIP_ROWS = 16
_SPOOL_HEADER_BYTES = 16
_PROBE_BYTES = 2**20
_LABEL_SHARE = 0.028
_SMALLEST_LABEL_PX = 10
_LOWER_LEFT_AT_RIGHT, _LOWER_LEFT_ON_TOP = frozenset({2, 3, 5, 6}), frozenset({3, 4, 5, 8})
"""EXIF orientations by where the lower left corner of the upright image is stored."""


def encode_png(rgb: NDArray[np.uint8]) -> bytes:
    """Return an image as the bytes of an 8-bit RGB PNG file without metadata; equal images give equal bytes.

    Args:
        rgb: shape (H, W, 3), encoded sRGB values.

    Raises:
        ValueError: the array has another shape or type.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        raise ValueError(f"expected a uint8 image of shape (H, W, 3), got {rgb.dtype} {rgb.shape}")
    return bytes(_image(rgb).pngsave_buffer(keep="none"))


def write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write an image as a PNG file, atomically.

    Args:
        path: the file; missing folders are created.
        rgb: shape (H, W, 3), encoded sRGB values.

    Raises:
        OutputError: the file cannot be written.
        ValueError: the array has another shape or type.
    """
    write_bytes(path, encode_png(rgb))


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 85) -> bytes:
    """Return an image (H, W, 3) as the bytes of a JPEG file without metadata."""
    return bytes(_image(rgb).jpegsave_buffer(Q=quality, optimize_coding=True, keep="none"))


def _image(rgb: NDArray[Any], interpretation: str = "srgb") -> Any:
    return vips().Image.new_from_array(np.ascontiguousarray(rgb), interpretation=interpretation)


@dataclass(frozen=True)
class Saving:
    """How photo files are encoded.

    Attributes:
        quality: quality of JPEG, WebP, HEIF and AVIF files, 1 to 100.
        compression: compression of TIFF files: `deflate`, `lzw` or `none`.
    """

    quality: int = QUALITY
    compression: str = "deflate"


def file_kind(path: Path) -> str:
    """Return the file type that a file name's suffix selects.

    Raises:
        UsageError: this type cannot be written, or not by the installed libvips.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{path.name}: can't write this file type; the name must end in {', '.join(SUFFIXES)}")
    if kind == "heic" and not _writes_heic():
        raise UsageError(f"{path.name}: this libvips writes AVIF but not HEIC (a patented codec): choose .avif")
    return kind


class TooLargeError(UsageError):
    """A photo is longer than the file type of its output allows."""


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse a size that the file type of this name cannot have.

    Raises:
        TooLargeError: a side is too long; the message names the file types that have room for it.
    """
    side, limit = max(height, width), LONGEST_SIDES.get(file_kind(path))
    if limit is None or side <= limit:
        return
    others = [kind for kind, longest in LONGEST_SIDES.items() if longest >= side and kind != "heic"]
    raise TooLargeError(
        f"it has {width}x{height} px, and the sides of {_NAMES[file_kind(path)]} files end at {limit:,} px: choose "
        f"{', '.join(['png', *others])} or tif as the file type"
    )


def keeps_16_bits(path: Path) -> bool:
    """Return whether the file type of this name can have 16 bits per value."""
    return file_kind(path) in _16_BIT_KINDS


def holds_alpha(path: Path) -> bool:
    """Return whether the file type of this name can have transparency."""
    return file_kind(path) != "jpeg"


def holds_pages(path: Path) -> bool:
    """Return whether the file type of this name can have several pages."""
    return file_kind(path) == "tiff"


def _writes_heic() -> bool:
    try:
        vips().Image.black(16, 16, bands=3).copy(interpretation="srgb").heifsave_buffer(compression="hevc")
    except VipsError:
        return False
    return True


def from_pixels(rgb: NDArray[np.uint8] | NDArray[np.uint16]) -> Any:
    """Return pixels (H, W, 3) as a libvips image; a view of a contiguous four-channel array is not copied."""
    interpretation = "rgb16" if rgb.dtype == np.uint16 else "srgb"
    if rgb.base is not None and rgb.strides[1] == 4 * rgb.itemsize and rgb.strides[0] == rgb.shape[1] * rgb.strides[1]:
        four = np.lib.stride_tricks.as_strided(rgb, (*rgb.shape[:2], 4))
        image = vips().Image.new_from_memory(four.data, rgb.shape[1], rgb.shape[0], 4, _FORMATS[rgb.itemsize])
        return image.extract_band(0, n=3).copy(interpretation=interpretation)
    return _image(rgb, interpretation)


def is_visible(text: str) -> bool:
    """Return whether a label has a letter to draw, and not only spaces and control characters."""
    return any(unicodedata.category(letter)[0] not in "ZC" for letter in text)


def labeled(image: Any, text: str, orientation: int = 1) -> Any:
    """Return a libvips image with a line of white text on a dark band at its lower left; without letters, the image.

    The letters are about 1/36 of the shorter side high, and smaller if the line would not fit.

    Args:
        image: the image.
        text: the line of text.
        orientation: EXIF orientation of the pixels; the line is at the lower left of the upright image.
    """
    if not is_visible(text):
        return image
    literal = html.escape(text, quote=False)  # libvips reads markup
    shown_width = image.height if orientation >= 5 else image.width
    height = max(_SMALLEST_LABEL_PX, round(min(image.height, image.width) * _LABEL_SHARE))
    line = vips().Image.text(literal, height=height, width=max(1, round(shown_width * 0.9)), font="sans")
    pad = max(2, height // 2)
    line = line.embed(pad, pad, line.width + 2 * pad, line.height + 2 * pad)
    gray = (line * 0.8 + 30).cast("uchar")
    band = vips().Image.bandjoin(gray, [gray, gray])
    if image.format == "ushort":
        band = (band * (65535 / 255)).cast("ushort")
    if image.hasalpha():
        band = band.bandjoin(65535 if image.format == "ushort" else 255)
    band = _stored(band.copy(interpretation=image.interpretation), orientation)
    left = max(0, image.width - band.width) if orientation in _LOWER_LEFT_AT_RIGHT else 0
    top = 0 if orientation in _LOWER_LEFT_ON_TOP else max(0, image.height - band.height)
    return image.insert(band, left, top)


def _stored(upright: Any, orientation: int) -> Any:
    """Return an upright image as it is stored with an EXIF orientation."""
    image = upright.copy_memory()  # libvips turns lazily, but an image of text is made from top to bottom
    image.set_type(vips().GValue.gint_type, "orientation", {6: 8, 8: 6}.get(orientation, orientation))
    return image.autorot()


@contextlib.contextmanager
def spooled(folder: Path, height: int, width: int, dtype: type[np.uint8 | np.uint16]) -> Iterator[Spool]:
    """Open a temporary file for the pixels of a large photo; it is deleted after the block.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    make_folder(folder)
    with contextlib.ExitStack() as stack:
        with explain_write_errors(folder):
            descriptor, path = stack.enter_context(partial_file(folder, TEMPORARY, ".spool"))
        file = os.fdopen(descriptor, "w+b")
        try:
            yield Spool(path, file, height, width, np.dtype(dtype))
        finally:
            with contextlib.suppress(OSError):  # what could not be written before fails again
                file.close()


class Spool:
    """RGB pixels on disk, appended from top to bottom in the form of an uncompressed BigTIFF.

    libvips reads a TIFF strip by strip, whereas it would map a raw file into memory as a whole.
    """

    def __init__(self, path: Path, file: Any, height: int, width: int, dtype: np.dtype[Any]) -> None:
        self._path, self._file, self._height, self._width, self._dtype = path, file, height, width, dtype
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))

    def add(self, rgb: NDArray[Any]) -> None:
        """Append rows (n, W, 3)."""
        with explain_write_errors(self._path):
            self._file.write(np.ascontiguousarray(rgb, dtype=self._dtype.newbyteorder("<")).data)

    def image(self) -> Any:
        """Return the pixels as a libvips image that can be read once, from top to bottom."""
        with explain_write_errors(self._path):
            self._finish()
        source = vips().Source.new_from_descriptor(self._file.fileno())
        image = vips().Image.new_from_source(source, "", access="sequential")
        return image.copy(interpretation="rgb16" if self._dtype == np.uint16 else "srgb")

    def _finish(self) -> None:
        """Write the TIFF directory after the pixels, and its address into the header."""
        row = 3 * self._width * self._dtype.itemsize
        firsts = range(0, self._height, _STRIP_ROWS)
        offsets = [_SPOOL_HEADER_BYTES + first * row for first in firsts]
        counts = [min(_STRIP_ROWS, self._height - first) * row for first in firsts]
        places = [self._file.tell() + 8 * len(firsts) * number for number in (0, 1)]
        for numbers in (offsets, counts):
            self._file.write(struct.pack(f"<{len(firsts)}Q", *numbers))
        if len(firsts) == 1:  # a single number is stored in the directory itself
            places = [offsets[0], counts[0]]
        bits = 8 * self._dtype.itemsize
        tags = [
            (256, 4, 1, self._width), (257, 4, 1, self._height), (258, 3, 3, bits | bits << 16 | bits << 32),
            (259, 3, 1, 1), (262, 3, 1, 2), (273, 16, len(firsts), places[0]),
            (277, 3, 1, 3), (278, 4, 1, _STRIP_ROWS),
            (279, 16, len(firsts), places[1]), (284, 3, 1, 1),
        ]  # fmt: skip
        directory = self._file.tell()
        self._file.write(struct.pack("<Q", len(tags)))
        self._file.write(b"".join(struct.pack("<HHQQ", *tag) for tag in tags))
        self._file.write(struct.pack("<Q", 0))
        self._file.seek(8)
        self._file.write(struct.pack("<Q", directory))
        self._file.flush()
        self._file.seek(0)


class Page(NamedTuple):
    """A page to be written, with metadata of its own.

    Attributes:
        image: libvips image in sRGB, with or without alpha.
        metadata: metadata of the source's page.
        orientation: EXIF orientation of the pixels.
        xmp: packet that replaces the source's; None keeps that.
    """

    image: Any
    metadata: Metadata
    orientation: int = 1
    xmp: bytes | None = None


def save(
    pages: Sequence[Any],
    path: Path,
    metadata: Metadata,
    *,
    orientation: int = 1,
    xmp: bytes | None = None,
    further: Iterable[Page] = (),
    big: bool = False,
    saving: Saving | None = None,
    mtime_ns: int | None = None,
    ready: Callable[[tuple[str, ...], Path], None] | None = None,
) -> None:
    """Write sRGB images as one file, atomically, with an sRGB profile and the metadata of the source.

    Args:
        pages: libvips images with the same metadata, with or without alpha; several only for TIFF.
        path: the file; its suffix selects the file type.
        metadata: metadata of the source.
        orientation: EXIF orientation of the pixels.
        xmp: packet that replaces the source's; None keeps that.
        further: pages behind `pages`, each with its own size, kind and metadata; only for TIFF. They are written one
            by one, so only one of them has to be in memory.
        big: write a BigTIFF, which can be larger than 4 GB; it is used anyway if the first page alone needs it.
        saving: quality and compression.
        mtime_ns: time of the last change that the file gets, in nanoseconds; None keeps that of the writing.
        ready: called when the file is complete, just before it is renamed to `path`, with what of the source it does
            not hold, a sentence each, and with its present path.

    Raises:
        UsageError: this file type cannot be written.
        OutputError: the file cannot be written.
        VipsError: the source, which is decoded during the writing, is damaged.
    """
    kind = file_kind(path)
    chosen = saving or Saving()
    first = Page(pages[0], metadata, orientation, xmp)
    written = _prepared(kind, first)
    make_folder(path.parent)
    with contextlib.ExitStack() as stack:
        with explain_write_errors(path):
            descriptor, temporary = stack.enter_context(partial_file(path.parent, TEMPORARY, ".part"))
        with explain_write_errors(path), os.fdopen(descriptor, "w+b") as file:
            _write(_described(first.image, written), kind, file.fileno(), chosen, big=big)
            if kind == "tiff":
                same = (Page(image, metadata, orientation, xmp) for image in pages[1:])
                losses = _finish_tiff(file, written, itertools.chain(same, further), chosen, path)
            else:
                losses = write_metadata(file, written)
            file.flush()
            os.fsync(file.fileno())
        with explain_write_errors(path):  # a time that is set stays; some network disks change others on closing
            now_ns = time.time_ns() if mtime_ns is None else mtime_ns
            os.utime(temporary, ns=(now_ns, now_ns))
        if ready is not None:
            ready(losses, temporary)
        with explain_write_errors(path):
            put_in_place(temporary, path)


def _prepared(kind: str, page: Page) -> Written:
    return prepare(kind, page.metadata, page.orientation, page.xmp, (page.image.width, page.image.height))


def _finish_tiff(
    file: IO[bytes], first: Written, further: Iterable[Page], saving: Saving, path: Path
) -> tuple[str, ...]:
    """Add the tags of the first page, which is written already, append the further pages, and return what is lost.

    libvips writes only pages of one size and kind into a file. Every further page is therefore written as a file of its
    own, and its pixels are copied from there.
    """
    link, losses = add_tags(file, page_tags(first)), list(first.losses)
    for number, page in enumerate(further, start=2):
        written = _prepared("tiff", page)
        losses += [f"page {number}: {loss}" for loss in written.losses]
        with tempfile.TemporaryFile(dir=path.parent) as part:
            _write(_described(page.image, written), "tiff", part.fileno(), saving)
            link = append_page(file, link, part, page_tags(written))
    return tuple(losses)


def _described(image: Any, written: Written) -> Any:
    """Return the image with the metadata that libvips must write: all others are put into the finished file."""
    image = image.copy()
    image.set_type(vips().GValue.gint_type, "orientation", written.orientation)
    if written.kind in {"avif", "heic"}:
        exif = exif_of(written)[0]
        for name, blob in (("exif-data", b"Exif\0\0" + exif if exif else b""), ("xmp-data", written.xmp)):
            if blob:
                image.set_type(vips().GValue.blob_type, name, blob)
    return image


def _write(image: Any, kind: str, descriptor: int, saving: Saving, *, big: bool = False) -> None:
    target = vips().Target.new_to_descriptor(descriptor)
    try:
        if big and kind == "tiff":
            _tiff(image, target, saving, big=True)
        else:
            _SAVERS[kind](image, target, saving)
    except VipsError as error:
        # libvips says why writing failed in a text only, in the language of the system. If a block can be written now,
        # the source is at fault, which is decoded during the writing.
        _probe(descriptor)
        detail = str(error.detail).lower()
        if "write" in detail and "space" in detail:  # some has become free since
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise


def _probe(descriptor: int) -> None:
    """Write a block behind the end of an open file.

    Raises:
        OSError: the file cannot be written.
    """
    os.lseek(descriptor, 0, os.SEEK_END)
    left = _PROBE_BYTES
    while left:
        left -= os.write(descriptor, bytes(left))
    os.fsync(descriptor)


def _jpeg(image: Any, target: Any, saving: Saving) -> None:
    if image.hasalpha():
        image = image.flatten(background=255)
    image.jpegsave_target(target, Q=saving.quality, profile="srgb", optimize_coding=False, keep="icc")


def _png(image: Any, target: Any, saving: Saving) -> None:  # noqa: ARG001 - all savers have one signature
    image.pngsave_target(target, profile="srgb", compression=6, keep="icc")


def _tiff(image: Any, target: Any, saving: Saving, *, big: bool = False) -> None:
    size = image.height * image.width * image.bands * (2 if image.format == "ushort" else 1)
    image.tiffsave_target(
        target,
        compression=saving.compression,
        predictor="none" if saving.compression == "none" else "horizontal",
        profile="srgb",
        keep="icc",
        bigtiff=big or size > BIG_TIFF_BYTES,
        resunit="inch",
    )


def _webp(image: Any, target: Any, saving: Saving) -> None:
    image.webpsave_target(target, Q=saving.quality, profile="srgb", keep="icc")


def _avif(image: Any, target: Any, saving: Saving) -> None:
    kept = "icc|exif|xmp" if image.get_typeof("exif-data") else "icc|xmp"
    image.heifsave_target(target, Q=saving.quality, compression="av1", profile="srgb", effort=3, keep=kept)


def _heic(image: Any, target: Any, saving: Saving) -> None:
    kept = "icc|exif|xmp" if image.get_typeof("exif-data") else "icc|xmp"
    image.heifsave_target(target, Q=saving.quality, compression="hevc", profile="srgb", keep=kept)


_SAVERS = {"jpeg": _jpeg, "png": _png, "tiff": _tiff, "webp": _webp, "avif": _avif, "heic": _heic}
