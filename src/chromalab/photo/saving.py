"""Color photographs as files: JPEG, PNG, TIFF, WebP, HEIF and AVIF, with what the source said beside its pixels."""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chromalab.core.errors import OutputError, UsageError
from chromalab.core.files import explain_write_errors, make_folder
from chromalab.photo._vips import VipsError, vips
from chromalab.photo.tiff_tags import add_tags, exif_block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from chromalab.photo.scan import Metadata

SUFFIXES = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
    ".avif": "avif",
    ".heic": "heic",
    ".heif": "heic",
}
"""Endings of files that can be written, and the kind of file that each asks for."""

_FORMATS = {1: "uchar", 2: "ushort"}
_DEEP = frozenset({"png", "tiff"})
_BIG_TIFF_BYTES = 2_000_000_000
QUALITY = 92

TEMPORARY = ".chromalab-"
"""Files whose names begin so are being written; after a kill they are rubbish."""

_STRIP_ROWS = 16
_SPOOL_HEAD = 16


@dataclass(frozen=True)
class Saving:
    """How files are written.

    Attributes:
        quality: of JPEG, WebP, HEIF and AVIF, 1 to 100.
        compression: of TIFF: `deflate`, `lzw` or `none`.
    """

    quality: int = QUALITY
    compression: str = "deflate"


def keeps_16_bits(path: Path) -> bool:
    """Return whether the kind of file that this name asks for holds 16 bits."""
    return file_kind(path) in _DEEP


def holds_alpha(path: Path) -> bool:
    """Return whether the kind of file that this name asks for holds transparency."""
    return file_kind(path) != "jpeg"


def file_kind(path: Path) -> str:
    """Return the kind of file that a name asks for.

    Raises:
        UsageError: no kind that can be written, or one that this libvips was built without.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{path.name}: can't write this kind of file; its name must end in {', '.join(SUFFIXES)}")
    if kind == "heic" and not _writes_heic():
        raise UsageError(f"{path.name}: this libvips writes AVIF, not HEIC (a patented codec): choose .avif")
    return kind


def _writes_heic() -> bool:
    try:
        vips().Image.black(16, 16, bands=3).copy(interpretation="srgb").heifsave_buffer(compression="hevc")
    except VipsError:
        return False
    return True


def from_pixels(rgb: NDArray[np.uint8] | NDArray[np.uint16]) -> Any:
    """Return pixels (H, W, 3) as a libvips image; those that are a view of four channels are not copied first."""
    if rgb.base is not None and rgb.strides[1] == 4 * rgb.itemsize and rgb.strides[0] == rgb.shape[1] * rgb.strides[1]:
        four = np.lib.stride_tricks.as_strided(rgb, (*rgb.shape[:2], 4))
        image = vips().Image.new_from_memory(four.data, rgb.shape[1], rgb.shape[0], 4, _FORMATS[rgb.itemsize])
        return image.extract_band(0, n=3).copy(interpretation="rgb16" if rgb.dtype == np.uint16 else "srgb")
    return vips().Image.new_from_array(
        np.ascontiguousarray(rgb), interpretation="rgb16" if rgb.dtype == np.uint16 else "srgb"
    )


@contextlib.contextmanager
def spooled(folder: Path, height: int, width: int, dtype: type[np.uint8 | np.uint16]) -> Iterator[Spool]:
    """Open a file for the pixels of a large photo, written in strips and read back by libvips; gone after the block.

    Raises:
        OutputError: the folder can't be written, or the disk is full.
    """
    make_folder(folder)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=TEMPORARY, suffix=".spool")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield Spool(path, file, height, width, np.dtype(dtype))
    finally:
        path.unlink(missing_ok=True)


class Spool:
    """Pixels on the disk, RGB from top to bottom: a plain BigTIFF.

    libvips reads it strip by strip. A raw file it would map into memory as a whole, and half of it would stay there.
    """

    def __init__(self, path: Path, file: Any, height: int, width: int, dtype: np.dtype[Any]) -> None:
        self._path, self._file, self._height, self._width, self._dtype = path, file, height, width, dtype
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))

    def add(self, rgb: NDArray[Any]) -> None:
        """Append rows (n, W, 3)."""
        with explain_write_errors(self._path):
            self._file.write(np.ascontiguousarray(rgb, dtype=self._dtype.newbyteorder("<")).data)

    def image(self) -> Any:
        """Return the pixels as a libvips image that is read from top to bottom, once."""
        with explain_write_errors(self._path):
            self._finish()
        source = vips().Source.new_from_descriptor(self._file.fileno())
        image = vips().Image.new_from_source(source, "", access="sequential")
        return image.copy(interpretation="rgb16" if self._dtype == np.uint16 else "srgb")

    def _finish(self) -> None:
        """Write the directory behind the pixels, and say in front where it is."""
        row = 3 * self._width * self._dtype.itemsize
        firsts = range(0, self._height, _STRIP_ROWS)
        offsets = [_SPOOL_HEAD + first * row for first in firsts]
        counts = [min(_STRIP_ROWS, self._height - first) * row for first in firsts]
        places = [self._file.tell() + 8 * len(firsts) * number for number in (0, 1)]
        for numbers in (offsets, counts):
            self._file.write(struct.pack(f"<{len(firsts)}Q", *numbers))
        if len(firsts) == 1:  # one number stands in the directory itself
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


def save(
    pages: Sequence[Any],
    path: Path,
    metadata: Metadata,
    *,
    orientation: int = 1,
    xmp: bytes | None = None,
    saving: Saving | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Write sRGB images as one file, atomically, with an sRGB profile and the metadata of the source.

    Args:
        pages: libvips images of one size, with or without alpha; more than one for TIFF only.
        path: the file; its ending says which kind.
        metadata: of the source.
        orientation: EXIF orientation in which the pixels are.
        xmp: a packet in place of the source's.
        saving: quality and compression.
        ready: called when the file is whole, just before it gets its name.

    Raises:
        UsageError: a kind of file that can't be written.
        OutputError: the file can't be written.
        VipsError: the source, read while writing, is damaged.
    """
    kind = file_kind(path)
    image = pages[0] if len(pages) == 1 else _joined(pages)
    described = _described(image, metadata, orientation, xmp)
    make_folder(path.parent)
    with explain_write_errors(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY, suffix=".part")
    temporary = Path(name)
    try:
        with explain_write_errors(path), os.fdopen(descriptor, "w+b") as file:
            _write(described, kind, file.fileno(), saving or Saving(), path)
            if kind == "tiff":
                add_tags(file, metadata.tags)
            file.flush()
            os.fsync(file.fileno())
        if ready is not None:
            ready()
        with explain_write_errors(path):
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _joined(pages: Sequence[Any]) -> Any:
    """Stack pages of one size, and say where one ends: so libvips writes several."""
    joined = vips().Image.arrayjoin(list(pages), across=1)
    joined = joined.copy()
    joined.set_type(vips().GValue.gint_type, "page-height", pages[0].height)
    return joined


def _described(image: Any, metadata: Metadata, orientation: int, xmp: bytes | None) -> Any:
    image = image.copy(xres=metadata.resolution[0], yres=metadata.resolution[1])
    for name, (kind, value) in metadata.fields.items():
        image.set_type(kind, name, value)
    image.set_type(vips().GValue.gint_type, "orientation", orientation)
    if metadata.tags and "exif-data" not in metadata.fields:
        image.set_type(vips().GValue.blob_type, "exif-data", exif_block(metadata.tags))
    if xmp is not None:
        image.set_type(vips().GValue.blob_type, "xmp-data", xmp)
    return image


def _write(image: Any, kind: str, descriptor: int, saving: Saving, path: Path) -> None:
    target = vips().Target.new_to_descriptor(descriptor)
    try:
        _SAVERS[kind](image, target, saving)
    except VipsError as error:
        if "write" in str(error.detail).lower() and "space" in str(error.detail).lower():
            raise OutputError(
                f"cannot write {path}: the disk is full: free some space and run the command again"
            ) from error
        raise


def _jpeg(image: Any, target: Any, saving: Saving) -> None:
    if image.hasalpha():
        image = image.flatten(background=255)
    image.jpegsave_target(target, Q=saving.quality, profile="srgb", optimize_coding=False)


def _png(image: Any, target: Any, saving: Saving) -> None:  # noqa: ARG001 - one signature for all kinds
    image.pngsave_target(target, profile="srgb", compression=6)


def _tiff(image: Any, target: Any, saving: Saving) -> None:
    size = image.height * image.width * image.bands * (2 if image.format == "ushort" else 1)
    image.tiffsave_target(
        target,
        compression=saving.compression,
        predictor="none" if saving.compression == "none" else "horizontal",
        profile="srgb",
        bigtiff=size > _BIG_TIFF_BYTES,
        resunit="inch",
    )


def _webp(image: Any, target: Any, saving: Saving) -> None:
    image.webpsave_target(target, Q=saving.quality, profile="srgb")


def _avif(image: Any, target: Any, saving: Saving) -> None:
    image.heifsave_target(target, Q=saving.quality, compression="av1", profile="srgb", effort=3)


def _heic(image: Any, target: Any, saving: Saving) -> None:
    image.heifsave_target(target, Q=saving.quality, compression="hevc", profile="srgb")


_SAVERS = {"jpeg": _jpeg, "png": _png, "tiff": _tiff, "webp": _webp, "avif": _avif, "heic": _heic}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
