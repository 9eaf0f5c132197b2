"""Photo files of every usual kind, as 8-bit sRGB arrays."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from chromalab.core.errors import ChromalabError
from chromalab.photo._vips import VipsError, vips, vips_version
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

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
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

MAX_PIXELS = 500_000_000
"""Declared sizes above this are refused before anything is decoded: a broken header must not fill the memory."""

_MAX_VALUE = {"uchar": 255, "ushort": 65535}
_IN_8_BITS = {"rgb16": "srgb", "grey16": "b-w"}


class UnreadablePhotoError(ChromalabError):
    """A file that can't be read as a photograph.

    Attributes:
        path: the file.
        reason: why, in plain words, without the path.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"cannot read the photo {path}: {reason}")


class _UnsupportedError(Exception):
    """The file is whole, but its pixels are of a kind that is no photograph; the text says which."""


@dataclass(frozen=True)
class Photo:
    """A decoded photograph.

    Attributes:
        rgb: shape (H, W, 3), encoded sRGB, upright.
        grey_only: the file holds one channel of light (with or without alpha); all three of `rgb` are equal then.
        name: the file's name.
        source_height_px: height in the file, upright, before anything was cut or scaled.
        source_width_px: width in the file, likewise.
        bits: bits of a value in the file, 8 or 16.
        has_alpha: the file has transparency, which lies on white here.
    """

    rgb: NDArray[np.uint8]
    grey_only: bool
    name: str
    source_height_px: int
    source_width_px: int
    bits: int = 8
    has_alpha: bool = False


def decoder_version() -> str:
    """Return what decides the pixels of a decoded photo beside its file: this room's code and libvips."""
    return f"resampling {RESAMPLING_VERSION}, libvips {vips_version()}"


def read_photo(path: Path, *, shortest_side_px: int | None = None, aspect_limit: float | None = None) -> Photo:
    """Read a photo file as upright 8-bit sRGB.

    The EXIF orientation is applied; an embedded ICC profile is honored (relative colorimetric with black point
    compensation); without one RGB is taken for sRGB, and CMYK for libvips' built-in ink profile; palettes are
    expanded, transparency is laid on white, 16-bit values are scaled by 1/257 and rounded. Of several pages the first
    is read.

    With `shortest_side_px` the file is decoded in strips and never held whole. JPEG files are then decoded at a half,
    quarter or eighth of their size where this leaves at least a factor of four to the Lanczos filter: the mean
    difference to decoding in full is under 0.6 of 255 levels, and an incomplete last block, up to 7 pixels at the
    right and lower edge, is left out.

    Args:
        path: a JPEG, PNG, TIFF or WebP file, known by its content.
        shortest_side_px: scale the shorter side to this; None: as it is.
        aspect_limit: cut the longer side, in the middle, to at most this many times the shorter one; None: keep all.

    Raises:
        UnreadablePhotoError: it is missing, no photo, truncated, damaged, or declares more than `MAX_PIXELS`.
    """
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise UnreadablePhotoError(path, "it is not a file")
        if facts.st_size == 0:
            raise UnreadablePhotoError(path, "it is empty (0 bytes)")
        with path.open("rb") as file:
            image = _load(file, shortest_side_px)
            pixels = _upright(_scale(_to_srgb(_cut(image.light, aspect_limit)), image, shortest_side_px, aspect_limit))
            return Photo(to_numpy(pixels), image.grey_only, path.name, *image.upright_size, image.bits, image.has_alpha)
    except OSError as error:
        raise UnreadablePhotoError(path, os.strerror(error.errno).lower() if error.errno else str(error)) from error
    except _UnsupportedError as error:
        raise UnreadablePhotoError(path, str(error)) from error
    except VipsError as error:
        raise UnreadablePhotoError(path, _plain_words(error)) from error


@dataclass(frozen=True)
class _Opened:
    """A lazily decoded image without alpha, and what its header said."""

    light: Any
    height_px: int
    width_px: int
    has_alpha: bool

    @property
    def bits(self) -> int:
        return 8 if self.light.format == "uchar" else 16

    @property
    def grey_only(self) -> bool:
        return bool(self.light.bands == 1)

    @property
    def upright_size(self) -> tuple[int, int]:
        lying = _orientation(self.light) >= 5
        return (self.width_px, self.height_px) if lying else (self.height_px, self.width_px)


def _load(file: IO[bytes], shortest_side_px: int | None) -> _Opened:
    """Open the image, check what its header declares, and choose the size at which to decode it."""
    image = _open(file)
    height, width = image.height, image.width
    if height * width > MAX_PIXELS:
        raise _UnsupportedError(
            f"it declares {width}x{height} px, over the limit of {MAX_PIXELS // 10**6} million: scale it down first"
        )
    if image.format not in _MAX_VALUE:
        raise _UnsupportedError(f"its pixels are of type {image.format}: save it with 8 or 16 bits per channel")
    shrink = _shrink_on_load(min(height, width), shortest_side_px)
    if shrink > 1 and str(image.get("vips-loader")).startswith("jpeg"):
        image = _open(file, shrink=shrink)
    light = _flatten(image)
    if light.bands not in (1, 3) and light.interpretation != "cmyk":
        raise _UnsupportedError(f"it has {light.bands} channels: save it as RGB")
    return _Opened(light, height, width, bool(image.hasalpha()))


def _open(file: IO[bytes], **options: object) -> Any:
    """Open a file through its descriptor, since libvips takes no name that isn't UTF-8 and reads options into names."""
    file.seek(0)
    source = vips().Source.new_from_descriptor(file.fileno())
    return vips().Image.new_from_source(source, "", access="sequential", fail_on="error", **options)


def _shrink_on_load(side_px: int, target_px: int | None) -> int:
    """Return the largest of libjpeg's reductions that leaves at least `FILTER_GAP` to the Lanczos filter."""
    if target_px is None:
        return 1
    return next((shrink for shrink in (8, 4, 2) if side_px >= FILTER_GAP * shrink * target_px), 1)


def _flatten(image: Any) -> Any:
    """Lay transparent pixels on white paper."""
    if not image.hasalpha():
        return image
    opaque = _MAX_VALUE[image.format]
    white = 0 if image.interpretation == "cmyk" else opaque
    exact = image.cast("float").flatten(background=white, max_alpha=opaque)  # on integers libvips would round down
    return exact.rint().cast(image.format)


def _to_srgb(image: Any) -> Any:
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
                black_point_compensation=True,
                depth=8,
            )
        except VipsError:  # the profile is damaged or made for another kind of pixels: do as viewers do, ignore it
            image = image.copy()
            image.remove("icc-profile-data")
    return image.colourspace("srgb")


def _to_8_bits(image: Any) -> Any:
    """Scale 16-bit values by 1/257, rounded.

    Before the profile is applied, not after: on 16 bits LittleCMS works with a coarse table of the whole conversion,
    which is off by up to 14 of 255 levels at saturated colors; on 8 bits it computes.
    """
    if image.format == "uchar":
        return image
    scaled = (image / (_MAX_VALUE[image.format] / _MAX_VALUE["uchar"])).rint().cast("uchar")
    return scaled.copy(interpretation=_IN_8_BITS.get(image.interpretation, image.interpretation))


def _cut(image: Any, aspect_limit: float | None) -> Any:
    """Cut the longer side, in the middle, to `aspect_limit` times the shorter one."""
    height, width = _cut_size(image.height, image.width, aspect_limit)
    if (height, width) == (image.height, image.width):
        return image
    return image.crop((image.width - width) // 2, (image.height - height) // 2, width, height)


def _cut_size(height_px: int, width_px: int, aspect_limit: float | None) -> tuple[int, int]:
    if aspect_limit is None:
        return height_px, width_px
    longest = max(1, round(aspect_limit * min(height_px, width_px)))
    return min(height_px, longest), min(width_px, longest)


def _scale(image: Any, opened: _Opened, shortest_side_px: int | None, aspect_limit: float | None) -> Any:
    """Scale to the size that the whole file would have, whatever it was decoded at."""
    if shortest_side_px is None:
        return image
    height, width = _cut_size(opened.height_px, opened.width_px, aspect_limit)
    return resize_image(image, *target_size(height, width, shortest_side_px))


def _orientation(image: Any) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where there is none or it makes no sense."""
    value = image.get("orientation") if image.get_typeof("orientation") else 1
    return int(value) if 1 <= value <= 8 else 1


def _upright(image: Any) -> Any:
    """Turn and mirror as the EXIF orientation says; only then must the pixels be in memory first."""
    return image if _orientation(image) == 1 else image.copy_memory().autorot()


def _plain_words(error: VipsError) -> str:
    """Say what went wrong from the step that failed.

    libvips' own explanation is no help: its text buffer is shared by all threads, so with several files being read at
    once it may speak of another one.
    """
    if error.message == "unable to load from source":
        return "its content is not a JPEG, PNG, TIFF or WebP photo"
    if error.message.startswith("unable to call"):
        return "it is cut off or damaged: its header can't be read"
    return "it is cut off or damaged: its pixels can't be read to the end"
