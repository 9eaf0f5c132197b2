"""Photographs opened for colorizing: full-size gray levels, and everything else that the output must keep.

Colorizing uses only a photo's lightness, stored as a *gray level*: the sRGB value, 0 to 255 with fractions, of the
neutral color with the same CIE luminance. For a gray photo without a profile these are the pixel values themselves.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from chromalab.photo._vips import VipsError, vips
from chromalab.photo.containers import pixels_match_checksum, read_png
from chromalab.photo.jpeg import Jpeg, StrictJpeg, read_jpeg
from chromalab.photo.luminance import level_image, with_gamma
from chromalab.photo.metadata import Metadata, read_metadata
from chromalab.photo.reading import (
    BITS,
    MAX_PIXELS,
    UnreadablePhotoError,
    check_pixels,
    open_image,
    open_photo,
    orientation_of,
    shrink_on_load,
    to_srgb,
    vips_reason,
)
from chromalab.photo.resizing import resize_planes, target_size
from chromalab.photo.tiff.layout import TiffLayout, read_layout
from chromalab.photo.tiff.pixels import OpenedPage, check_page, open_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
        pages: number of pages of the file.
        height: rows; upright if the photo is decoded whole, otherwise as stored.
        width: columns; upright if the photo is decoded whole, otherwise as stored.
        bits: bits per value, 8 or 16.
        has_alpha: the photo has transparency, which the output keeps.
        kind: color channels of the file: `grey`, `rgb` or `cmyk`.
        orientation: EXIF orientation of the gray levels; 1 if the photo is decoded whole.
        file_kind: `jpeg`, `png`, `tiff`, `webp`, `heif`, or `pillow-` with the type of a file that Pillow reads.
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
    _fresh: Callable[[], Any] | None = None
    _layout: TiffLayout | None = None

    @property
    def whole(self) -> bool:
        """Whether the photo is decoded whole, into memory."""
        return self._level is not None

    @property
    def shown_size(self) -> tuple[int, int]:
        """Height and width of the upright photo."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)

    def levels(self) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Return the gray levels of a whole photo, (H, W): uint8 from 8-bit files, float32 from 16-bit files."""
        if self._level is None:
            raise ValueError(f"{self.path} is read in strips: use strips() in place of levels()")
        levels: NDArray[np.uint8] | NDArray[np.float32] = self._level.numpy()
        return levels.reshape(self.height, self.width)  # pyvips returns the value of a single pixel as a scalar

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
        with self._errors():
            level = level_image(_without_alpha(self._source()), exact=self.bits == 16)
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
        with self._errors():
            return _reduced(level_image(_without_alpha(self._source()), exact=False), *size)

    def small_rgb(self, shortest_side_px: int) -> NDArray[np.float32]:
        """Return a reduced copy with the photo's own colors, such as its tone: sRGB in [0, 1], (h, w, 3).

        Raises:
            UnreadablePhotoError: the file is cut off or damaged.
        """
        size = self._reduced_size(shortest_side_px)
        with self._errors() as file:
            shrink = shrink_on_load(min(self.height, self.width), shortest_side_px)
            reduced = shrink > 1 and self.file_kind == "jpeg" and self._image is None
            source = open_image(file, shrink=shrink) if reduced else self._source()
            rgb = to_srgb(_without_alpha(source), black_point_compensation=False)
            small = resize_planes(rgb.cast("float"), *size).numpy() / np.float32(255)
        # Resampling overshoots at edges.
        return np.asarray(np.clip(small[..., :3], 0, 1), dtype=np.float32)

    def alpha(self) -> Any:
        """Return the alpha channel as a libvips image; for a large photo it is read again from top to bottom."""
        image = self._source()
        return image.extract_band(image.bands - 1)

    def other_page(self, page: int, *, max_pixels: int = MAX_PIXELS) -> Scan:
        """Open another page of the file, without reading the list of its pages again.

        Raises:
            UnreadablePhotoError: in the same cases as `open_scan`.
        """
        return _scan(self.path, self._layout, page, max_pixels)

    def check_other_pages(self, *, max_pixels: int = MAX_PIXELS) -> None:
        """Check of all other pages what can be known without decoding them.

        Raises:
            UnreadablePhotoError: a page can't be read.
        """
        for page in set(range(self.pages)) - {self.page}:
            with _errors_of(self.path, self._layout, page) as file:
                if self._layout is not None:
                    check_page(file, self._layout, page, max_pixels)

    @property
    def pixels_of_all_pages(self) -> int:
        """Number of pixels of all pages together."""
        if self._layout is None:
            return self.height * self.width
        return sum(page.height * page.width for page in self._layout.pages)

    def unreadable(self, error: VipsError) -> UnreadablePhotoError:
        """Return the error for this page that explains an error of libvips."""
        return UnreadablePhotoError(self.path, _of_page(vips_reason(error), self._layout, self.page))

    def _errors(self) -> contextlib.AbstractContextManager[IO[bytes]]:
        return _errors_of(self.path, self._layout, self.page)

    def _source(self) -> Any:
        """Return the decoded image if it is held, otherwise a lazily decoded one."""
        if self._image is not None or self._fresh is None:
            return self._image
        return _labeled(self._fresh())

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
        layout = read_layout(file)
    return _scan(path, layout, page, max_pixels)


def _scan(path: Path, layout: TiffLayout | None, page: int, max_pixels: int) -> Scan:
    with _errors_of(path, layout, page) as file:
        opened = (
            open_page(file, layout, page, max_pixels) if layout is not None else OpenedPage(lambda: _reopened(path))
        )
        image = _labeled(opened.image())
        check_pixels(path, image, max_pixels)
        file_kind = _file_kind(image)
        structure = read_jpeg(file) if file_kind == "jpeg" else None
        place = layout.pages[page].place if layout is not None else None
        metadata = read_metadata(file, file_kind, image, place=place, structure=structure)
        of_file = layout.warnings if layout is not None and page == 0 else ()
        scan = Scan(
            path=path,
            page=page,
            pages=len(layout.pages) if layout is not None else 1,
            height=image.height,
            width=image.width,
            bits=BITS[image.format],
            has_alpha=bool(image.hasalpha()),
            kind=_kind(image),
            orientation=orientation_of(image),
            file_kind=file_kind,
            metadata=metadata,
            warnings=(*of_file, *opened.warnings, *metadata.warnings),
            _fresh=opened.image,
            _layout=layout,
        )
        whole = image.height * image.width <= WHOLE_PIXELS
        if file_kind == "png" and not pixels_match_checksum(file):
            scan = _warned(scan, "its pixels do not match their checksum, so parts may be changed or shifted")
        if structure is not None:
            return _decoded_jpeg(scan, file, structure) if whole else _checked_jpeg(scan, file)
        return _decoded(scan, image, image.height) if whole else scan


def _decoded_jpeg(scan: Scan, file: IO[bytes], structure: Jpeg) -> Scan:
    """Return a scan of a JPEG whose pixels are in memory, with a warning if they are damaged.

    Raises:
        VipsError: the file is cut off.
    """
    if structure.frame is None:
        image = open_image(file, fail_on="warning")
        return _decoded(scan, image, image.height)
    strict = StrictJpeg(file, structure, structure.frame)
    try:
        decoded = _decoded(scan, strict.image, strict.height)
        strict.finish()
    except VipsError:
        if not strict.complete:
            raise
        return _warned(_decoded(scan, strict.lenient(), strict.height), strict.damage())
    if strict.complete:
        return decoded
    return _warned(decoded, "the mark of the file's end is missing, but every pixel is there")


def _checked_jpeg(scan: Scan, file: IO[bytes]) -> Scan:
    """Return a scan of a large JPEG with a warning if its pixels, which are read later in strips, are damaged."""
    try:
        open_image(file, fail_on="warning", shrink=8).copy_memory()
    except VipsError:
        return _warned(scan, "the file is damaged: parts of the image may be missing, shifted or changed")
    return scan


def _warned(scan: Scan, warning: str) -> Scan:
    return replace(scan, warnings=(*scan.warnings, warning))


def _decoded(scan: Scan, image: Any, height: int) -> Scan:
    """Return a scan whose photo, the first `height` rows of an image, is in memory, upright."""
    held = scan.orientation != 1 or scan.has_alpha
    if held:  # these pixels are read more than once, or not from top to bottom
        image = image.copy_memory().crop(0, 0, image.width, height).autorot()
    level = level_image(_without_alpha(image), exact=scan.bits == 16).copy_memory()
    level = level if held else level.crop(0, 0, level.width, height)
    return replace(
        scan, height=level.height, width=level.width, orientation=1, _image=image if held else None, _level=level
    )


@contextlib.contextmanager
def _errors_of(path: Path, layout: TiffLayout | None, page: int) -> Iterator[IO[bytes]]:
    """Open a file for reading a page of it; errors inside the block become errors that name the page."""
    try:
        with open_photo(path) as file:
            yield file
    except UnreadablePhotoError as error:
        raise UnreadablePhotoError(path, _of_page(error.reason, layout, page)) from error


def _of_page(reason: str, layout: TiffLayout | None, page: int) -> str:
    pages = len(layout.pages) if layout is not None else 1
    return reason if pages == 1 else f"page {page + 1} of {pages}: {reason}"


def _reopened(path: Path) -> Any:
    with path.open("rb", buffering=0) as file:  # libvips duplicates the descriptor
        image = open_image(file)
        gamma = read_png(file).gamma if _file_kind(image) == "png" else None
        return with_gamma(image, gamma) if gamma else image


def _labeled(image: Any) -> Any:
    """Return an image whose one or two channels without a label are read as gray."""
    if image.interpretation == "multiband" and image.bands in (1, 2) and image.format == "uchar":
        return image.copy(interpretation="b-w")
    return image


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
