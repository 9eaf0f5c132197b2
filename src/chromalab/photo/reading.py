"""Photo files of all common types, read as 8-bit sRGB arrays."""

from __future__ import annotations

import contextlib
import stat
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from chromalab.core.errors import ChromalabError
from chromalab.core.files import read_fault
from chromalab.photo._vips import VipsError, vips, vips_version
from chromalab.photo.content import CUT_OFF, MAX_PIXELS, ContentError, check_size
from chromalab.photo.further import further_kind, open_further
from chromalab.photo.heic import is_heic, open_heic
from chromalab.photo.listing import PHOTO_SUFFIXES, list_photos
from chromalab.photo.resizing import (
    FILTER_GAP,
    RESAMPLING_VERSION,
    resize,
    resize_image,
    resize_shortest_side,
    target_size,
    to_numpy,
)
from chromalab.photo.tiff.layout import read_layout
from chromalab.photo.tiff.pixels import open_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "MAX_PIXELS",
    "PHOTO_SUFFIXES",
    "Photo",
    "UnreadablePhotoError",
    "decoder_version",
    "list_photos",
    "read_photo",
    "resize",
    "resize_shortest_side",
]

BITS = {"uchar": 8, "ushort": 16}
"""The pixel types that can be read, with their bits per value."""

_MAX_VALUE = {"uchar": 255, "ushort": 65535}
_IN_8_BITS = {"rgb16": "srgb", "grey16": "b-w"}


class UnreadablePhotoError(ChromalabError):
    """A file cannot be read as a photograph.

    Attributes:
        path: the file.
        reason: why, in plain words, without the path.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"cannot read the photo {path}: {reason}")


@dataclass(frozen=True)
class Photo:
    """A decoded photograph.

    Attributes:
        rgb: shape (H, W, 3), encoded sRGB, upright.
        grey_only: the file has one channel (with or without alpha), so the three channels of `rgb` are equal.
        name: file name.
        source_height_px: height of the upright file, before cropping or scaling.
        source_width_px: width of the upright file, before cropping or scaling.
        bits: bits per value in the file, 8 or 16.
        has_alpha: the file has transparency; `rgb` shows it on white.
    """

    rgb: NDArray[np.uint8]
    grey_only: bool
    name: str
    source_height_px: int
    source_width_px: int
    bits: int = 8
    has_alpha: bool = False


def decoder_version() -> str:
    """Return the versions that determine a file's decoded pixels: of the resampling code and of libvips."""
    return f"resampling {RESAMPLING_VERSION}, libvips {vips_version()}"


def read_photo(path: Path, *, shortest_side_px: int | None = None, aspect_limit: float | None = None) -> Photo:
    """Read a photo file as upright 8-bit sRGB.

    The EXIF orientation is applied. An embedded ICC profile is applied with relative colorimetric intent and black
    point compensation. Without a profile, RGB is read as sRGB and CMYK under libvips' built-in ink profile. Palettes
    are expanded, transparency is shown on white, and 16-bit values are divided by 257 and rounded. Only the first page
    is read.

    With `shortest_side_px` the file is decoded in strips and never held in memory as a whole. JPEG files are then
    decoded at a half, a quarter or an eighth of their size if this leaves at least a factor of four to the Lanczos
    filter. The mean difference from full decoding is under 0.6 of 255 levels, and an incomplete last block, up to
    7 pixels at the right and lower edge, is dropped.

    Args:
        path: a JPEG, PNG, TIFF or WebP file, recognized by its content.
        shortest_side_px: length to which the shorter side is scaled; None keeps the size.
        aspect_limit: largest aspect ratio; the longer side is cropped to it around the center. None keeps all.

    Raises:
        UnreadablePhotoError: the file is missing, not a photo, truncated or damaged, or declares over `MAX_PIXELS`.
    """
    with open_photo(path) as file:
        image = _load(file, path, shortest_side_px)
        pixels = _upright(_scale(to_srgb(_crop(image.opaque, aspect_limit)), image, shortest_side_px, aspect_limit))
        return Photo(to_numpy(pixels), image.grey_only, path.name, *image.upright_size, image.bits, image.has_alpha)


def read_rgba(path: Path) -> NDArray[np.uint8]:
    """Read an image with transparency as 8-bit sRGB and alpha, (H, W, 4).

    Raises:
        UnreadablePhotoError: the file is not an image or has no transparency.
    """
    with open_photo(path) as file:
        image = vips().Image.new_from_source(vips().Source.new_from_descriptor(file.fileno()), "", access="sequential")
        if not image.hasalpha():
            raise UnreadablePhotoError(path, "it has no transparency: paint the known colors on a transparent image")
        return np.asarray(image.colourspace("srgb").cast("uchar").numpy(), dtype=np.uint8)


@contextlib.contextmanager
def open_photo(path: Path) -> Iterator[IO[bytes]]:
    """Open a photo file; errors of the system and of libvips inside the block become an `UnreadablePhotoError`."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise UnreadablePhotoError(path, "it is not a file")
        if facts.st_size == 0:
            raise UnreadablePhotoError(path, "it is empty (0 bytes)")
        with path.open("rb", buffering=0) as file:  # libvips moves its position, which a buffer would not notice
            yield file
    except OSError as error:
        raise UnreadablePhotoError(path, read_fault(error)) from error
    except ContentError as error:
        raise UnreadablePhotoError(path, str(error)) from error
    except VipsError as error:
        raise UnreadablePhotoError(path, vips_reason(error)) from error


def open_image(file: IO[bytes], *, fail_on: str = "error", **options: object) -> Any:
    """Return a lazily decoded libvips image of an open file; of a TIFF, its first page.

    The file is passed by its descriptor, because libvips rejects names that are not UTF-8 and parses options in names.

    Raises:
        ContentError: the file is a camera's raw file, or a TIFF, HEIC or file for Pillow that can't be read.
        VipsError: another file can't be read.
    """
    layout = read_layout(file)
    if layout is not None:
        return open_page(file, layout, 0).image()
    if is_heic(file):
        return open_heic(file, lambda: _load_any(file))
    kind = further_kind(file)
    if kind is not None:
        return open_further(file, kind)
    return _load_any(file, fail_on=fail_on, **options)


def _load_any(file: IO[bytes], *, fail_on: str = "error", **options: object) -> Any:
    file.seek(0)
    animation = file.read(12)[4:] == b"ftypavis"
    file.seek(0)
    source = vips().Source.new_from_descriptor(file.fileno())
    if animation:  # libvips reads the first image of such AVIF files, but does not recognize them
        return vips().Image.heifload_source(source, access="sequential", fail_on=fail_on, **options)
    return vips().Image.new_from_source(source, "", access="sequential", fail_on=fail_on, **options)


def check_pixels(path: Path, image: Any, max_pixels: int) -> None:
    """Refuse an image whose declared size or pixel type cannot be processed.

    Raises:
        UnreadablePhotoError: the image has over `max_pixels`, not 8 or 16 bits, or is not gray, RGB or CMYK.
    """
    try:
        check_size(image.height, image.width, max_pixels)
    except ContentError as error:
        raise UnreadablePhotoError(path, str(error)) from error
    if image.format not in BITS:
        reason = f"its pixels are of type {image.format}: save it with 8 or 16 bits per channel"
        raise UnreadablePhotoError(path, reason)
    if image.bands - bool(image.hasalpha()) not in (1, 3) and image.interpretation != "cmyk":
        raise UnreadablePhotoError(path, f"it has {image.bands} channels: save it as gray or RGB")


@dataclass(frozen=True)
class _Opened:
    """A lazily decoded image without alpha, and facts from its header."""

    opaque: Any
    height_px: int
    width_px: int
    has_alpha: bool

    @property
    def bits(self) -> int:
        return BITS[self.opaque.format]

    @property
    def grey_only(self) -> bool:
        return bool(self.opaque.bands == 1)

    @property
    def upright_size(self) -> tuple[int, int]:
        rotated = orientation_of(self.opaque) >= 5
        return (self.width_px, self.height_px) if rotated else (self.height_px, self.width_px)


def _load(file: IO[bytes], path: Path, shortest_side_px: int | None) -> _Opened:
    """Open the image, check its declared size, and choose the size at which to decode it."""
    image = open_image(file)
    height, width = image.height, image.width
    check_pixels(path, image, MAX_PIXELS)
    shrink = shrink_on_load(min(height, width), shortest_side_px)
    if shrink > 1 and str(image.get("vips-loader")).startswith("jpeg"):
        image = open_image(file, shrink=shrink)
    return _Opened(_flatten(image), height, width, bool(image.hasalpha()))


def shrink_on_load(side_px: int, target_px: int | None) -> int:
    """Return the largest of libjpeg's reductions that leaves at least `FILTER_GAP` to the Lanczos filter."""
    if target_px is None:
        return 1
    return next((shrink for shrink in (8, 4, 2) if side_px >= FILTER_GAP * shrink * target_px), 1)


def _flatten(image: Any) -> Any:
    """Blend transparent pixels with white."""
    if not image.hasalpha():
        return image
    opaque = _MAX_VALUE[image.format]
    white = 0 if image.interpretation == "cmyk" else opaque
    exact = image.cast("float").flatten(background=white, max_alpha=opaque)  # on integers libvips would round down
    return exact.rint().cast(image.format)


def to_srgb(image: Any, *, black_point_compensation: bool = True) -> Any:
    """Return an 8-bit, three-band sRGB image."""
    image = _to_8_bits(image)
    cmyk = image.interpretation == "cmyk"
    if cmyk or image.get_typeof("icc-profile-data"):
        try:
            return image.icc_transform(
                "srgb",
                embedded=True,
                input_profile="cmyk" if cmyk else "srgb",
                intent="relative",
                black_point_compensation=black_point_compensation,
                depth=8,
            )
        except VipsError:  # the profile is damaged or made for another type of pixels: ignore it, as viewers do
            image = image.copy()
            image.remove("icc-profile-data")
    return image.colourspace("srgb")


def _to_8_bits(image: Any) -> Any:
    """Divide 16-bit values by 257 and round them.

    This comes before the profile is applied, not after: on 16 bits LittleCMS uses a coarse table of the whole
    conversion, which is off by up to 14 of 255 levels at saturated colors. On 8 bits it computes exactly.
    """
    if image.format == "uchar":
        return image
    scaled = (image / (_MAX_VALUE[image.format] / _MAX_VALUE["uchar"])).rint().cast("uchar")
    return scaled.copy(interpretation=_IN_8_BITS.get(image.interpretation, image.interpretation))


def _crop(image: Any, aspect_limit: float | None) -> Any:
    """Crop the longer side around the center to `aspect_limit` times the shorter one."""
    height, width = _cropped_size(image.height, image.width, aspect_limit)
    if (height, width) == (image.height, image.width):
        return image
    return image.crop((image.width - width) // 2, (image.height - height) // 2, width, height)


def _cropped_size(height_px: int, width_px: int, aspect_limit: float | None) -> tuple[int, int]:
    if aspect_limit is None:
        return height_px, width_px
    longest = max(1, round(aspect_limit * min(height_px, width_px)))
    return min(height_px, longest), min(width_px, longest)


def _scale(image: Any, opened: _Opened, shortest_side_px: int | None, aspect_limit: float | None) -> Any:
    """Scale to the size that follows from the whole file, independent of the size at which it was decoded."""
    if shortest_side_px is None:
        return image
    height, width = _cropped_size(opened.height_px, opened.width_px, aspect_limit)
    return resize_image(image, *target_size(height, width, shortest_side_px))


def orientation_of(image: Any) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if it is missing or invalid."""
    value = image.get("orientation") if image.get_typeof("orientation") else 1
    return int(value) if 1 <= value <= 8 else 1


def _upright(image: Any) -> Any:
    """Apply the EXIF orientation; only rotated or mirrored pixels must be in memory first."""
    return image if orientation_of(image) == 1 else image.copy_memory().autorot()


def vips_reason(error: VipsError) -> str:
    """Return what went wrong, deduced from the step that failed.

    libvips' own explanation is unusable: all threads share its text buffer, so it may refer to another file.
    """
    if error.message == "unable to load from source":
        return "its content is not a JPEG, PNG, TIFF, WebP or HEIF photo"
    if error.message.startswith("unable to call"):
        return "it is cut off or damaged: its header can't be read"
    return CUT_OFF
