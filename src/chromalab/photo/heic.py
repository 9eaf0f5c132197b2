"""HEIC photos, whose codec (HEVC) most builds of libvips lack, read by pillow-heif from the extra `scans`."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

from chromalab.photo._vips import VipsError, vips
from chromalab.photo.content import CUT_OFF, ContentError, check_size

if TYPE_CHECKING:
    from collections.abc import Callable

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_NO_DECODER = (
    "it is HEIC, and this libvips was built without a decoder for it (HEVC): install chromalab[scans], "
    "or convert it to JPEG or TIFF first"
)


def is_heic(file: IO[bytes]) -> bool:
    """Return whether a file is a HEIF whose brands name the codec HEVC."""
    file.seek(0)
    head = file.read(512)
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return bool(_BRANDS & {head[8:12], *(head[start : start + 4] for start in range(16, end, 4))})


def open_heic(file: IO[bytes], load: Callable[[], Any]) -> Any:
    """Return a decoded HEIC as a libvips image with its metadata, upright.

    Args:
        file: the file.
        load: reads it with libvips; its pixels are used only without pillow-heif.

    Raises:
        ContentError: there is no decoder, or the file is damaged.
        VipsError: the header is damaged.
    """
    try:
        import pillow_heif  # noqa: PLC0415 - the extra `scans` may not be installed
    except ModuleNotFoundError:
        try:
            load().crop(0, 0, 1, 1).avg()
        except VipsError as error:
            raise ContentError(_NO_DECODER) from error
        return load()
    header = load()
    check_size(header.height, header.width)
    file.seek(0)
    try:
        pixels = np.asarray(pillow_heif.open_heif(file, convert_hdr_to_8bit=False))
    except Exception as error:  # pillow-heif raises types of its own
        raise ContentError(CUT_OFF) from error
    return _like(header, pixels)


def _like(header: Any, pixels: Any) -> Any:
    """Return pixels as a libvips image with the metadata of another one."""
    deep = pixels.dtype == np.uint16
    bands = 1 if pixels.ndim == 2 else pixels.shape[2]
    names = ("b-w", "grey16") if bands < 3 else ("srgb", "rgb16")
    image = vips().Image.new_from_array(np.ascontiguousarray(pixels), interpretation=names[deep])
    image = image.copy(xres=header.xres, yres=header.yres)
    for name in set(header.get_fields()) - set(image.get_fields()):
        image.set_type(header.get_typeof(name), name, header.get(name))
    return image
