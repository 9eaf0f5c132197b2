"""Photographs to be colorized: their light alone, at full size and depth, and everything else that must not be lost.

What of a photo is needed is its lightness. It is kept as a *gray level*: the sRGB value, 0 to 255 with fractions, of
the neutral that has the same CIE luminance. A gray photo without a profile is that already.
"""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from chromalab.photo._vips import VipsError, vips
from chromalab.photo.luminance import level_image
from chromalab.photo.reading import MAX_PIXELS, UnreadablePhotoError
from chromalab.photo.resizing import resize_planes, target_size
from chromalab.photo.tiff_tags import Tags, read_tags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

WHOLE_PIXELS = 50_000_000
"""Photos of more pixels than this are read and written in strips; smaller ones are decoded once, into memory."""

STRIP_PIXELS = 4_000_000

_KINDS = {"jpeg": ".jpg", "png": ".png", "tiff": ".tif", "webp": ".webp", "heif": ".heif"}
_KEPT = ("exif-", "png-comment-")
_KEPT_WHOLE = frozenset(
    {"exif-data", "xmp-data", "iptc-data", "photoshop-data", "image-description", "resolution-unit"}
)
_EXIF_MARK = b"Exif\0\0"
_FORMATS = {"uchar": 8, "ushort": 16}


@dataclass(frozen=True)
class Metadata:
    """What a file says beside its pixels.

    Attributes:
        fields: libvips' fields by name, each with its type.
        resolution: pixels per millimeter.
        tags: what a TIFF's directories or an EXIF block say of the scan.
    """

    fields: dict[str, tuple[int, Any]]
    resolution: tuple[float, float]
    tags: Tags = field(default_factory=Tags)

    @property
    def xmp(self) -> bytes:
        """The XMP packet, empty where there is none."""
        return bytes(self.fields["xmp-data"][1]) if "xmp-data" in self.fields else b""


@dataclass(frozen=True)
class Scan:
    """A photo file, or a page of one, opened for colorizing.

    Attributes:
        path: the file.
        page: the page, from 0.
        pages: how many pages of this size the file has.
        height: rows, upright where the photo is decoded whole, else as stored.
        width: columns, likewise.
        bits: bits of a value, 8 or 16.
        has_alpha: there is transparency, which is kept.
        kind: `grey`, `rgb` or `cmyk`: what the file holds.
        orientation: EXIF orientation in which the pixels come from here: 1 where the photo is decoded whole.
        file_kind: `jpeg`, `png`, `tiff`, `webp` or `heif`.
        metadata: what else the file says.
    """

    path: Path
    page: int
    pages: int
    height: int
    width: int
    bits: int
    has_alpha: bool
    kind: str
    orientation: int
    file_kind: str
    metadata: Metadata
    _image: Any = None
    _level: Any = None

    @property
    def pixels(self) -> int:
        """How many pixels it has."""
        return self.height * self.width

    @property
    def whole(self) -> bool:
        """Whether it is decoded whole, into memory."""
        return self._level is not None

    def levels(self) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Return the gray levels of a photo that was decoded whole, (H, W): whole numbers where it has 8 bits."""
        if self._level is None:
            raise ValueError("this photo is read in strips")
        levels: NDArray[np.uint8] | NDArray[np.float32] = self._level.numpy()
        return levels

    def strips(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Read the file from top to bottom, and give first rows and gray levels of strips, (n, W) each.

        Raises:
            UnreadablePhotoError: the file is cut off or damaged.
        """
        rows = max(1, STRIP_PIXELS // self.width)
        if self._level is not None:
            whole = self.levels()
            for first in range(0, self.height, rows):
                yield first, whole[first : first + rows]
            return
        with reading(self.path) as file:
            level = level_image(_without_alpha(_opened(file, self.page)), exact=self.bits == 16)
            region = vips().Region.new(level)
            dtype = np.uint8 if self.bits == 8 else np.float32
            for first in range(0, self.height, rows):
                count = min(rows, self.height - first)
                strip = np.frombuffer(region.fetch(0, first, self.width, count), dtype=dtype)
                yield first, strip.reshape(count, self.width)

    def small_levels(self, shortest_side_px: int) -> NDArray[np.float32]:
        """Return the gray levels of a reduced copy, in the file's orientation, (h, w), 0 to 255.

        Raises:
            UnreadablePhotoError: the file is cut off or damaged.
        """
        size = target_size(self.height, self.width, min(shortest_side_px, self.height, self.width))
        if self._level is not None:
            return _reduced(self._level, *size)
        with reading(self.path) as file:
            return _reduced(level_image(_without_alpha(_opened(file, self.page)), exact=False), *size)

    def small_rgb(self, shortest_side_px: int) -> NDArray[np.float32]:
        """Return a reduced copy with the photo's own colors, sRGB in 0 to 1, (h, w, 3): its tone, if it has one.

        Raises:
            UnreadablePhotoError: the file is cut off or damaged.
        """
        size = target_size(self.height, self.width, min(shortest_side_px, self.height, self.width))
        with reading(self.path) as file:
            image = _without_alpha(self._image if self._image is not None else _opened(file, self.page))
            rgb = _srgb(image)
            small = resize_planes(rgb.cast("float"), *size).numpy() / np.float32(255)
        return np.asarray(small[..., :3], dtype=np.float32)

    def alpha(self) -> Any:
        """Return the alpha channel as a libvips image, read anew from top to bottom where the photo is large."""
        image = self._image if self._image is not None else _opened_for_good(self.path, self.page)
        return image.extract_band(image.bands - 1)


class reading:  # noqa: N801 - a context manager that reads as a verb
    """Open a photo file, and say in plain words what is wrong with it when reading fails inside the block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> IO[bytes]:
        try:
            facts = self._path.stat()
            if not stat.S_ISREG(facts.st_mode):
                raise UnreadablePhotoError(self._path, "it is not a file")
            if facts.st_size == 0:
                raise UnreadablePhotoError(self._path, "it is empty (0 bytes)")
            self._file = self._path.open("rb")
        except OSError as error:
            raise UnreadablePhotoError(self._path, os.strerror(error.errno or 0).lower()) from error
        return self._file

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._file is not None:
            self._file.close()
        if isinstance(error, VipsError):
            raise UnreadablePhotoError(self._path, plain_words(error)) from error


def open_scan(path: Path, page: int = 0, *, max_pixels: int = MAX_PIXELS) -> Scan:
    """Open a photo file for colorizing; one of up to `WHOLE_PIXELS` is decoded here.

    A whole photo is turned upright. A larger one keeps its stored orientation, and its EXIF says so as before.

    Args:
        path: a JPEG, PNG, TIFF, WebP or HEIF/AVIF file, known by its content.
        page: which page of a TIFF, from 0.
        max_pixels: declared sizes above this are refused before anything is decoded.

    Raises:
        UnreadablePhotoError: it is missing, no photo, truncated, damaged, or declares too many pixels.
    """
    with reading(path) as file:
        image = _opened(file, page)
        _check(path, image, max_pixels)
        pages = _pages(file, image)
        kind = _kind(image)
        whole = image.height * image.width <= WHOLE_PIXELS
        orientation = _orientation(image)
        level = None
        held = whole and (orientation != 1 or bool(image.hasalpha()))
        if held:  # these pixels are asked for more than once, or not from top to bottom
            image = image.copy_memory().autorot()
        if whole:
            level = level_image(_without_alpha(image), exact=_FORMATS[image.format] == 16).copy_memory()
        return Scan(
            path=path,
            page=page,
            pages=pages,
            height=image.height,
            width=image.width,
            bits=_FORMATS[image.format],
            has_alpha=bool(image.hasalpha()),
            kind=kind,
            orientation=1 if whole else orientation,
            file_kind=_file_kind(image),
            metadata=_metadata(image, file),
            _image=image if held else None,
            _level=level,
        )


def _opened(file: IO[bytes], page: int) -> Any:
    """Open a page through the file's descriptor: it takes no name that isn't UTF-8, and reads options into names."""
    file.seek(0)
    source = vips().Source.new_from_descriptor(file.fileno())
    return _one_or_three(_paged(source, page))


def _paged(source: Any, page: int) -> Any:
    options = {"page": page} if page else {}
    return vips().Image.new_from_source(source, "", access="sequential", fail_on="error", **options)


def _opened_for_good(path: Path, page: int) -> Any:
    """Open a page with a descriptor that lives as long as the image."""
    file = path.open("rb")
    image = _opened(file, page)
    image._chromalab_file = file  # noqa: SLF001 - held, so that it is not closed before the image is read
    return image


def _one_or_three(image: Any) -> Any:
    """Bring rarer kinds of pixels to 8 or 16 bits: 1-bit scans come as 8 bits, 32-bit and complex ones don't come."""
    if image.interpretation == "multiband" and image.bands in (1, 2) and image.format == "uchar":
        return image.copy(interpretation="b-w")
    return image


def _check(path: Path, image: Any, max_pixels: int) -> None:
    height, width = image.height, image.width
    if height * width > max_pixels:
        raise UnreadablePhotoError(
            path,
            f"it declares {width}x{height} px, over the limit of {max_pixels / 1e6:g} million: scale it down first",
        )
    if image.format not in _FORMATS:
        raise UnreadablePhotoError(
            path, f"its pixels are of type {image.format}: save it with 8 or 16 bits per channel"
        )
    colors = image.bands - bool(image.hasalpha())
    if colors not in (1, 3) and image.interpretation != "cmyk":
        raise UnreadablePhotoError(path, f"it has {image.bands} channels: save it as gray or RGB")


def _pages(file: IO[bytes], image: Any) -> int:
    """Return how many pages are of this page's size; the reduced copies of a pyramid are no pages."""
    count = int(image.get("n-pages")) if image.get_typeof("n-pages") else 1
    if count == 1 or _file_kind(image) != "tiff":
        return 1
    sizes = [(page.width, page.height) for page in (_opened(file, number) for number in range(count))]
    return sum(size == (image.width, image.height) for size in sizes)


def _kind(image: Any) -> str:
    if image.interpretation == "cmyk":
        return "cmyk"
    return "grey" if image.bands - bool(image.hasalpha()) == 1 else "rgb"


def _file_kind(image: Any) -> str:
    loader = str(image.get("vips-loader"))
    return next((kind for kind in _KINDS if loader.startswith(kind)), loader)


def _orientation(image: Any) -> int:
    value = image.get("orientation") if image.get_typeof("orientation") else 1
    return int(value) if 1 <= value <= 8 else 1


def _without_alpha(image: Any) -> Any:
    return image.extract_band(0, n=image.bands - 1) if image.hasalpha() else image


def _reduced(level: Any, height: int, width: int) -> NDArray[np.float32]:
    shrink = max(1, min(level.height // (2 * height), level.width // (2 * width)))
    if shrink > 1:  # whole pixels first, which is quick; at least a factor of two is left to the filter
        level = level.shrink(shrink, shrink)
    small: NDArray[np.float32] = resize_planes(level.cast("float"), height, width).numpy()
    return np.clip(small.reshape(height, width), 0, 255)


def _srgb(image: Any) -> Any:
    """Return an 8-bit sRGB image of three bands."""
    if image.format == "ushort":
        image = (
            (image / 257)
            .rint()
            .cast("uchar")
            .copy(interpretation={"rgb16": "srgb", "grey16": "b-w"}.get(image.interpretation, image.interpretation))
        )
    if image.interpretation == "cmyk" or (image.get_typeof("icc-profile-data") and image.bands == 3):
        try:
            return image.icc_transform(
                "srgb",
                embedded=True,
                input_profile="cmyk" if image.interpretation == "cmyk" else "srgb",
                intent="relative",
            )
        except VipsError:
            image = image.copy()
            image.remove("icc-profile-data")
    return image.colourspace("srgb")


def _metadata(image: Any, file: IO[bytes]) -> Metadata:
    kept = [name for name in image.get_fields() if name in _KEPT_WHOLE or name.startswith(_KEPT)]
    fields = {name: (image.get_typeof(name), image.get(name)) for name in kept}
    if _file_kind(image) == "tiff":
        return Metadata(fields, (image.xres, image.yres), read_tags(file))
    block = bytes(fields["exif-data"][1]).removeprefix(_EXIF_MARK) if "exif-data" in fields else b""
    return Metadata(fields, (image.xres, image.yres), read_tags(io.BytesIO(block)))


def plain_words(error: VipsError) -> str:
    """Say what went wrong from the step that failed, see `photo.reading`."""
    if error.message == "unable to load from source":
        return "its content is not a JPEG, PNG, TIFF, WebP or HEIF photo"
    if error.message.startswith("unable to call"):
        return "it is cut off or damaged: its header can't be read"
    return "it is cut off or damaged: its pixels can't be read to the end"
