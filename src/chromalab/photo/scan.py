"""Photographs opened for colorizing: full-size gray levels, and everything else that the output must keep.

Colorizing uses only a photo's lightness, stored as a *gray level*: the sRGB value, 0 to 255 with fractions, of the
neutral color with the same CIE luminance. For a gray photo without a profile these are the pixel values themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from chromalab.photo._vips import VipsError, vips
from chromalab.photo.containers import read_png
from chromalab.photo.jpeg import Jpeg, StrictJpeg, read_jpeg
from chromalab.photo.luminance import level_image, with_gamma
from chromalab.photo.metadata import Metadata, read_metadata
from chromalab.photo.reading import (
    BITS,
    MAX_PIXELS,
    check_pixels,
    open_image,
    open_photo,
    orientation_of,
    to_srgb,
)
from chromalab.photo.resizing import resize_planes, target_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

WHOLE_PIXELS = 50_000_000
"""Photos with more pixels are read and written in strips; smaller ones are decoded once, into memory."""

STRIP_PIXELS = 4_000_000

_KINDS = ("jpeg", "png", "tiff", "webp", "heif")


@dataclass(frozen=True)
class Scan:
    """A photo file, or one page of it, opened for colorizing.

    Attributes:
        path: the file.
        page: index of the page, from 0.
        pages: number of pages of this size in the file.
        height: rows; upright if the photo is decoded whole, otherwise as stored.
        width: columns; upright if the photo is decoded whole, otherwise as stored.
        bits: bits per value, 8 or 16.
        has_alpha: the photo has transparency, which the output keeps.
        kind: color channels of the file: `grey`, `rgb` or `cmyk`.
        orientation: EXIF orientation of the gray levels; 1 if the photo is decoded whole.
        file_kind: `jpeg`, `png`, `tiff`, `webp` or `heif`.
        metadata: the content of the file beside its pixels.
        warnings: what of the file is damaged or left out, a sentence each, without the path.
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
    warnings: tuple[str, ...] = ()
    _image: Any = None
    _level: Any = None

    @property
    def whole(self) -> bool:
        """Whether the photo is decoded whole, into memory."""
        return self._level is not None

    def levels(self) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Return the gray levels of a whole photo, (H, W): uint8 from 8-bit files, float32 from 16-bit files."""
        if self._level is None:
            raise ValueError(f"{self.path} is read in strips: use strips() in place of levels()")
        levels: NDArray[np.uint8] | NDArray[np.float32] = self._level.numpy()
        return levels

    def strips(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Read the photo from top to bottom, yielding the first row and the gray levels (n, W) of each strip.

        Raises:
            UnreadablePhotoError: the file is cut off or damaged.
        """
        rows = max(1, STRIP_PIXELS // self.width)
        if self._level is not None:
            whole = self.levels()
            for first in range(0, self.height, rows):
                yield first, whole[first : first + rows]
            return
        with open_photo(self.path) as file:
            level = level_image(_without_alpha(_page(file, self.page)), exact=self.bits == 16)
            region = vips().Region.new(level)
            dtype = np.uint8 if self.bits == 8 else np.float32
            for first in range(0, self.height, rows):
                count = min(rows, self.height - first)
                strip = np.frombuffer(region.fetch(0, first, self.width, count), dtype=dtype)
                yield first, strip.reshape(count, self.width)

    def small_levels(self, shortest_side_px: int) -> NDArray[np.float32]:
        """Return the gray levels of a reduced copy, 0 to 255, (h, w), in the orientation of this scan.

        Raises:
            UnreadablePhotoError: the file is cut off or damaged.
        """
        size = self._reduced_size(shortest_side_px)
        if self._level is not None:
            return _reduced(self._level, *size)
        with open_photo(self.path) as file:
            return _reduced(level_image(_without_alpha(_page(file, self.page)), exact=False), *size)

    def small_rgb(self, shortest_side_px: int) -> NDArray[np.float32]:
        """Return a reduced copy with the photo's own colors, such as its tone: sRGB in [0, 1], (h, w, 3).

        Raises:
            UnreadablePhotoError: the file is cut off or damaged.
        """
        size = self._reduced_size(shortest_side_px)
        with open_photo(self.path) as file:
            image = _without_alpha(self._image if self._image is not None else _page(file, self.page))
            rgb = to_srgb(image, black_point_compensation=False)
            small = resize_planes(rgb.cast("float"), *size).numpy() / np.float32(255)
        return np.asarray(small[..., :3], dtype=np.float32)

    def alpha(self) -> Any:
        """Return the alpha channel as a libvips image; for a large photo it is read again from top to bottom."""
        image = self._image if self._image is not None else _page_with_file(self.path, self.page)
        return image.extract_band(image.bands - 1)

    def _reduced_size(self, shortest_side_px: int) -> tuple[int, int]:
        return target_size(self.height, self.width, min(shortest_side_px, self.height, self.width))


def open_scan(path: Path, page: int = 0, *, max_pixels: int = MAX_PIXELS) -> Scan:
    """Open a photo file for colorizing; photos of up to `WHOLE_PIXELS` are decoded at once.

    A photo that is decoded whole is turned upright. A larger one keeps its stored orientation and its EXIF tag.

    Args:
        path: a JPEG, PNG, TIFF, WebP, HEIF or AVIF file, recognized by its content.
        page: index of the page of a TIFF, from 0.
        max_pixels: larger declared sizes are refused before decoding.

    Raises:
        UnreadablePhotoError: the file is missing, not a photo, truncated or damaged, or declares too many pixels.
    """
    with open_photo(path) as file:
        image = _page(file, page)
        check_pixels(path, image, max_pixels)
        pages = _count_pages(file, image)
        kind = _kind(image)
        file_kind = _file_kind(image)
        structure = read_jpeg(file) if file_kind == "jpeg" else None
        metadata = read_metadata(file, file_kind, image, structure)
        whole = image.height * image.width <= WHOLE_PIXELS
        orientation = orientation_of(image)
        size, bits, has_alpha = (image.height, image.width), BITS[image.format], bool(image.hasalpha())
        held, level, warnings = None, None, [*metadata.warnings]
        if structure is not None:
            held, level, damage = _decoded_jpeg(file, structure, whole=whole)
            warnings += damage
        elif whole:
            held, level = _decoded(image, image.height)
        height, width = size if level is None else (level.height, level.width)
        return Scan(
            path=path,
            page=page,
            pages=pages,
            height=height,
            width=width,
            bits=bits,
            has_alpha=has_alpha,
            kind=kind,
            orientation=1 if whole else orientation,
            file_kind=file_kind,
            metadata=metadata,
            warnings=tuple(warnings),
            _image=held,
            _level=level,
        )


def _decoded(image: Any, height: int) -> tuple[Any, Any]:
    """Return a decoded image of `height` rows, upright, if its pixels are needed again, and its gray levels."""
    held = orientation_of(image) != 1 or bool(image.hasalpha())
    if held:  # these pixels are read more than once, or not from top to bottom
        image = image.copy_memory().crop(0, 0, image.width, height).autorot()
    level = level_image(_without_alpha(image), exact=BITS[image.format] == 16).copy_memory()
    return (image, level) if held else (None, level.crop(0, 0, level.width, height))


def _decoded_jpeg(file: IO[bytes], structure: Jpeg, *, whole: bool) -> tuple[Any, Any, list[str]]:
    """Return what `_decoded` returns, if the photo is decoded whole, and what is damaged, a sentence each.

    Raises:
        VipsError: the file is cut off.
    """
    if not whole:
        try:
            open_image(file, fail_on="warning", shrink=8).copy_memory()
        except VipsError:
            return None, None, ["the file is damaged: parts of the image may be missing, shifted or changed"]
        return None, None, []
    if structure.frame is None:
        image = open_image(file, fail_on="warning")
        return *_decoded(image, image.height), []
    strict = StrictJpeg(file, structure, structure.frame)
    try:
        held, level = _decoded(strict.image, strict.height)
        strict.finish()
    except VipsError:
        if not strict.complete:
            raise
        return *_decoded(strict.lenient(), strict.height), [strict.damage()]
    return held, level, [] if strict.complete else ["the mark of the file's end is missing, but every pixel is there"]


def _page(file: IO[bytes], page: int) -> Any:
    """Return one page as a lazily decoded image; unlabeled one-channel pixels are read as gray."""
    image = open_image(file, page=page) if page else open_image(file)
    if str(image.get("vips-loader")).startswith("png") and (gamma := read_png(file).gamma):
        image = with_gamma(image, gamma)
    if image.interpretation == "multiband" and image.bands in (1, 2) and image.format == "uchar":
        return image.copy(interpretation="b-w")
    return image


def _page_with_file(path: Path, page: int) -> Any:
    """Return one page whose file stays open as long as the image exists."""
    file = path.open("rb", buffering=0)
    image = _page(file, page)
    image._chromalab_file = file  # noqa: SLF001 - without this reference the file would be closed before it is read
    return image


def _count_pages(file: IO[bytes], image: Any) -> int:
    """Return how many pages have this page's size; the reduced copies of a pyramid do not count."""
    count = int(image.get("n-pages")) if image.get_typeof("n-pages") else 1
    if count == 1 or _file_kind(image) != "tiff":
        return 1
    sizes = [(page.width, page.height) for page in (_page(file, number) for number in range(count))]
    return sum(size == (image.width, image.height) for size in sizes)


def _kind(image: Any) -> str:
    if image.interpretation == "cmyk":
        return "cmyk"
    return "grey" if image.bands - bool(image.hasalpha()) == 1 else "rgb"


def _file_kind(image: Any) -> str:
    loader = str(image.get("vips-loader"))
    return next((kind for kind in _KINDS if loader.startswith(kind)), loader)


def _without_alpha(image: Any) -> Any:
    return image.extract_band(0, n=image.bands - 1) if image.hasalpha() else image


def _reduced(level: Any, height: int, width: int) -> NDArray[np.float32]:
    shrink = max(1, min(level.height // (2 * height), level.width // (2 * width)))
    if shrink > 1:  # averaging blocks of pixels is fast; at least a factor of two is left to the Lanczos filter
        level = level.shrink(shrink, shrink)
    small: NDArray[np.float32] = resize_planes(level.cast("float"), height, width).numpy()
    return np.clip(small.reshape(height, width), 0, 255)
