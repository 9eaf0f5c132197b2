"""Fast reading of small photographs: plain JPEG files with Pillow, all other files with libvips.

libvips takes about twice as long as Pillow to decode a 192 px JPEG file, and ten times as long to scale a region of it,
because it sets up a pipeline for each image. A JPEG file is plain if it has three channels, no ICC profile and no
orientation: Pillow then gives the pixels that `read_photo` gives. Pillow comes with the extra `lab`. Without it,
libvips reads all files.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from chromalab.photo.reading import MAX_PIXELS, Photo, read_photo
from chromalab.photo.resizing import FILTER_GAP, resize, target_size

try:
    from PIL import Image
    from PIL.JpegImagePlugin import JpegImageFile
except ModuleNotFoundError:  # pragma: no cover - the extra `lab` is not installed
    PILLOW = False
else:
    PILLOW = True

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_JPEG_START = b"\xff\xd8\xff"
_MAX_BYTES = 64 * 2**20
"""Larger files are not held in memory: libvips reads them in strips."""

_SHRINKS = (8, 4, 2)
_ORIENTATION_TAG = 0x0112


def read_bytes(path: Path) -> bytes | None:
    """Return the bytes of a file, or None if it is too large to hold in memory.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    return data if len(data) <= _MAX_BYTES else None


def read_thumbnail(path: Path, data: bytes | None, *, side_px: int, aspect_limit: float) -> Photo:
    """Read a photo as a square thumbnail, without keeping its aspect ratio.

    JPEG files are decoded at a half, a quarter or an eighth of their size if this leaves at least `side_px`.

    Args:
        path: the file.
        data: the file's bytes if they are already in memory, which saves reading it again.
        side_px: height and width of the thumbnail.
        aspect_limit: largest aspect ratio; the longer side is first cropped to it around the center.

    Raises:
        UnreadablePhotoError: in the same cases as `read_photo`.
    """
    image = _plain_jpeg(data) if data is not None else None
    if image is not None:
        width, height = image.size
        rgb = _squeezed(image, side_px, aspect_limit)
        if rgb is not None:
            return Photo(rgb, grey_only=False, name=path.name, source_height_px=height, source_width_px=width)
    photo = read_photo(path, shortest_side_px=side_px, aspect_limit=aspect_limit)
    return replace(photo, rgb=resize(photo.rgb, side_px, side_px))


def read_at_most(path: Path, size_px: int) -> NDArray[np.uint8]:
    """Read a photo as `read_photo` does, with the shorter side reduced to at most `size_px`; it is never enlarged.

    Args:
        path: the file.
        size_px: the largest length of the shorter side.

    Returns:
        Upright encoded sRGB, shape (H, W, 3).

    Raises:
        UnreadablePhotoError: in the same cases as `read_photo`.
    """
    try:
        data = read_bytes(path)
    except OSError:  # `read_photo` raises the error that explains it
        data = None
    image = _plain_jpeg(data) if data is not None else None
    if image is not None:
        rgb = _reduced(image, size_px)
        if rgb is not None:
            return rgb
    photo = read_photo(path)
    if min(photo.rgb.shape[:2]) <= size_px:
        return photo.rgb
    return read_photo(path, shortest_side_px=size_px).rgb


def resize_region(rgb: NDArray[np.uint8], top: int, left: int, side_px: int, size_px: int) -> NDArray[np.uint8]:
    """Scale a square region of a photo: Lanczos (a = 3) with antialiasing down, Catmull-Rom up.

    Args:
        rgb: shape (H, W, 3), encoded sRGB values.
        top: first row of the region.
        left: first column of the region.
        side_px: side of the region, which lies inside the photo.
        size_px: side of the result.

    Returns:
        Shape (size_px, size_px, 3).
    """
    region = rgb[top : top + side_px, left : left + side_px]
    if side_px == size_px:
        return region
    if not PILLOW:
        return resize(region, size_px, size_px)
    kernel = Image.Resampling.LANCZOS if size_px < side_px else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(region).resize((size_px, size_px), kernel))


def _plain_jpeg(data: bytes) -> JpegImageFile | None:
    """Return the opened file if it is a JPEG whose pixels need neither a profile nor a rotation, else None."""
    if not PILLOW or not data.startswith(_JPEG_START):
        return None
    try:
        image = JpegImageFile(BytesIO(data))
        plain = image.mode == "RGB" and "icc_profile" not in image.info and _upright(image)
    except Exception:  # Pillow raises many types; libvips then reads the file and raises the error that explains it
        return None
    return image if plain and image.width * image.height <= MAX_PIXELS else None


def _upright(image: JpegImageFile) -> bool:
    if "exif" not in image.info:
        return True
    exif = Image.Exif()
    exif.load(image.info["exif"])
    return bool(exif.get(_ORIENTATION_TAG, 1) == 1)


def _squeezed(image: JpegImageFile, side_px: int, aspect_limit: float) -> NDArray[np.uint8] | None:
    """Return the square thumbnail, or None if the pixels cannot be decoded to the end."""
    shrink = next((shrink for shrink in _SHRINKS if min(image.size) >= shrink * side_px), 1)
    if not _decode(image, shrink):
        return None
    width, height = image.size
    longest = max(1, round(aspect_limit * min(width, height)))
    across, down = min(width, longest), min(height, longest)
    left, top = (width - across) // 2, (height - down) // 2
    box = (left, top, left + across, top + down)
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.LANCZOS, box))


def _reduced(image: JpegImageFile, size_px: int) -> NDArray[np.uint8] | None:
    """Return the pixels with a shorter side of at most `size_px`, or None if they cannot be decoded to the end."""
    width, height = image.size
    shortest = min(width, height)
    shrink = next((shrink for shrink in _SHRINKS if shortest >= FILTER_GAP * shrink * size_px), 1)
    if not _decode(image, shrink):
        return None
    if shortest <= size_px:
        return np.asarray(image)
    down, across = target_size(height, width, size_px)
    box = (0, 0, width // shrink, height // shrink)  # omits incomplete last blocks, as libvips does
    return np.asarray(image.resize((across, down), Image.Resampling.LANCZOS, box, reducing_gap=FILTER_GAP))


def _decode(image: JpegImageFile, shrink: int) -> bool:
    """Decode at a fraction of the size, and return whether the file had all pixels."""
    try:
        if shrink > 1:
            image.draft("RGB", (image.width // shrink, image.height // shrink))
        image.load()
    except Exception:  # see _plain_jpeg
        return False
    return True
