"""Kinds of TIFF pixels that are refused, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.wording import plural
from chromalab.photo.content import ContentError, check_size
from chromalab.photo.tiff.kinds import CMYK, CODECS, COLORS, JPEG, KINDS, MASK, NONE

if TYPE_CHECKING:
    from chromalab.photo.tiff.layout import TiffPage

_MOST_TILE_BYTES = 1 << 30
_MOST_CHANNELS = 64
_FORMATS = {2: "signed integers", 3: "floating-point numbers", 5: "complex integers", 6: "complex numbers"}


def describe(page: TiffPage) -> str:
    """Return the kind of a page's pixels in words, such as `12-bit RGB, compressed with LZW`."""
    kind = KINDS.get(page.photometric, f"kind of color {page.photometric}")
    text = f"{page.bits or 'mixed'}-bit {kind}"
    if page.extra:
        text += f" with {plural(len(page.extra), 'further channel')}"
    if page.planar and page.tiled:
        text += " in tiles of one channel"
    if page.compression != NONE:
        text += f", compressed with {CODECS.get(page.compression, f'codec {page.compression}')}"
    return text


def refuse(page: TiffPage, max_pixels: int) -> None:
    """Refuse pixels that no reader here converts to a photo's lightness.

    Raises:
        ContentError: the reason, with the kind of the pixels.
    """
    if page.width <= 0 or page.height <= 0:
        raise ContentError(f"it is damaged: it declares {page.width}x{page.height} px")
    check_size(page.height, page.width, max_pixels)
    _refuse_channels(page)
    numbers = _FORMATS.get(page.number(339, 1))
    if numbers:
        raise ContentError(f"its pixels are {page.bits}-bit {numbers}: save it with 8 or 16 bits per channel")
    if not 0 < page.bits <= 16:
        raise ContentError(f"its pixels are {describe(page)}: save it with 8 or 16 bits per channel")
    if page.planar and page.compression != JPEG and page.subsampling != (1, 1):
        raise ContentError("its pixels are YCbCr with subsampled colors, stored by channel: save it as gray or RGB")
    if page.tiled and page.part_bytes > _MOST_TILE_BYTES:
        raise ContentError(f"it is damaged: its tiles have {page.part_size[1]}x{page.part_size[0]} px")


def _refuse_channels(page: TiffPage) -> None:
    """Refuse kinds of color without a known lightness, and numbers of channels that do not fit them."""
    if page.samples > _MOST_CHANNELS:
        raise ContentError(f"it has {page.samples} channels: save it as gray or RGB")
    if page.photometric not in COLORS or page.photometric == MASK:
        raise ContentError(f"its pixels are {describe(page)}: save it as gray or RGB")
    if page.samples < COLORS[page.photometric]:
        raise ContentError(f"it is damaged: it has {page.samples} channels for {KINDS[page.photometric]}")
    if COLORS[page.photometric] == 1 and page.extra.count(0) > 1:  # which of them is the photo?
        raise ContentError(f"it has {page.samples} channels: save it as gray or RGB")
    if page.photometric == CMYK and page.number(332, 1) != 1:
        raise ContentError("its inks are not CMYK: save it as gray or RGB")
