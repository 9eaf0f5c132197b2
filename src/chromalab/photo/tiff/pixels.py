"""The pixels of a TIFF page as libvips images, strictly decoded: damage is an error and never a black rectangle.

libvips reads most kinds, through views of the file. Some of them need help:

- CIELab and plain YCbCr are read as three channels without a meaning and converted here.
- Channels that are stored one by one are read one by one: libvips refuses them in tiles, and mixes up gray and
  transparency in strips.
- Parts that were never written are replaced by blank ones.

Kinds that libvips does not read, such as 12 bits and rarer codecs, are decoded by tifffile and imagecodecs (the extra
`scans`). tifffile reads nearly every kind, but whole parts at a time and more slowly; hence libvips comes first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from chromalab.color.lab import level_of
from chromalab.photo._vips import VipsError, vips
from chromalab.photo.content import MAX_PIXELS
from chromalab.photo.tiff.decoders import check_parts, decode, decode_old_jpeg
from chromalab.photo.tiff.directory import Value, shorts
from chromalab.photo.tiff.kinds import (
    CIELAB,
    COLORS,
    DEFLATE,
    FAX,
    GRAY,
    ICCLAB,
    JPEG,
    NONE,
    OLD_DEFLATE,
    OLD_JPEG,
    PACKBITS,
    RGB,
    YCBCR,
)
from chromalab.photo.tiff.layout import Parts, TiffLayout, TiffPage
from chromalab.photo.tiff.refusals import refuse
from chromalab.photo.tiff.view import BLANKABLE, Handle, PageFile, view

if TYPE_CHECKING:
    from collections.abc import Callable

_OF_LIBVIPS = frozenset({NONE, *FAX, 5, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS, 50001})
_MEANINGLESS: dict[int, Value | None] = {262: shorts(RGB), 529: None, 530: None, 531: None, 532: None}
"""Changes of tags with which libvips reads three channels as they are."""

_TRANSPARENCY = {1, 2}
_LAYERS = 37724
_ICC_WHITE = 0xFF00


@dataclass(frozen=True)
class OpenedPage:
    """A page of a file, ready to be decoded.

    Attributes:
        image: returns a lazily decoded libvips image of the page; each can be read once, from top to bottom.
        warnings: what of the page is damaged or left out, a sentence each.
    """

    image: Callable[[], Any]
    warnings: tuple[str, ...] = ()


def open_page(file: IO[bytes], layout: TiffLayout, number: int, max_pixels: int = MAX_PIXELS) -> OpenedPage:
    """Open a page of a TIFF file; the result keeps the file open for itself.

    Args:
        file: the file.
        layout: its structure.
        number: index of the page, from 0.
        max_pixels: larger declared sizes are refused before decoding.

    Raises:
        ContentError: parts of the pixels are missing or damaged, or they are of a kind that can't be read.
    """
    page = layout.opened(file, number)
    refuse(page, max_pixels)
    if page.compression == OLD_JPEG:
        opened = _viewed(decode_old_jpeg(Handle(file), layout, page))
    else:
        parts = layout.parts(page)
        opened = _decoded(PageFile(Handle(file), layout, page, parts))
        opened = replace(opened, warnings=(*opened.warnings, *_unwritten(page, parts)))
    return replace(opened, warnings=(*opened.warnings, *_losses(page)))


def check_page(file: IO[bytes], layout: TiffLayout, number: int, max_pixels: int) -> None:
    """Check what can be known of a page without decoding it.

    Raises:
        ContentError: parts of the pixels are missing, or they are of a kind that can't be read.
    """
    page = layout.opened(file, number)
    refuse(page, max_pixels)
    if page.compression != OLD_JPEG:
        layout.parts(page)


def _unwritten(page: TiffPage, parts: Parts) -> list[str]:
    count = len(parts.unwritten)
    if not count:
        return []
    noun = "tiles" if page.tiled else "strips"
    first = page.part_name(int(parts.unwritten[0]))
    total = len(parts.places)
    if count == 1:
        return [f"1 of {total} {noun} was never written and is blank: {first}"]
    return [f"{count} of {total} {noun} were never written and are blank, the first one is {first}"]


def _losses(page: TiffPage) -> list[str]:
    """Return what of a page the output does not hold."""
    alpha = _alpha(page)
    lost = [str(COLORS[page.photometric] + index + 1) for index in range(len(page.extra)) if index != alpha]
    found = [
        f"channel {channel} is left out: the file does not state that it is transparency"
        if page.extra[int(channel) - COLORS[page.photometric] - 1] not in _TRANSPARENCY
        else f"channel {channel}, a second transparency, is left out"
        for channel in lost
    ]
    return [*found, *(["the layers of Photoshop are left out"] if _LAYERS in page.tags else [])]


def _alpha(page: TiffPage) -> int | None:
    """Return which of the extra channels is the transparency."""
    return next((index for index, meaning in enumerate(page.extra) if meaning in _TRANSPARENCY), None)


def _decoded(file: PageFile) -> OpenedPage:
    """Return a page as libvips reads it, or else as tifffile does."""
    check_parts(file)
    page, written = file.page, not file.parts.unwritten.size
    if page.compression in _OF_LIBVIPS and page.bits in {1, 2, 4, 8, 16} and (written or page.compression in BLANKABLE):
        opened = _viewed(file)
        try:
            opened.image()
        except VipsError:
            return _viewed(decode(file))
        return opened
    return _viewed(decode(file))


def _viewed(file: PageFile) -> OpenedPage:
    """Return a page that libvips reads through views of the file."""
    page = file.page
    changes = _MEANINGLESS if _converted_here(page) else {}
    if page.planar:
        return OpenedPage(lambda: _converted(_joined_planes(file), page))

    def image(level: str = _level(page)) -> Any:
        return _converted(view(file, changes).load(level), page)

    if page.compression in FAX and not page.tiled and _fails(image("warning")):
        return OpenedPage(image, ("it is damaged: the fax decoder reports wrong rows",))
    return OpenedPage(image)


def _level(page: TiffPage) -> str:
    """Return the level of damage at which libvips stops.

    libtiff's warnings about strips are mostly harmless, and its errors about tiles reach libvips as warnings.
    """
    return "warning" if page.tiled or page.compression == PACKBITS else "error"


def _fails(image: Any) -> bool:
    try:
        image.avg()
    except VipsError:
        return True
    return False


def _joined_planes(file: PageFile) -> Any:
    """Return channels that are stored one by one as one image."""
    page, parts = file.page, file.parts
    changes = {258: shorts(page.bits), 277: shorts(1), 284: shorts(1), 338: None, 339: None}
    count, single = page.grid[0] * page.grid[1], COLORS[page.photometric] == 1
    images = []
    for start in range(0, page.samples * count, count):
        own = slice(start, start + count)
        unwritten = parts.unwritten[(parts.unwritten >= start) & (parts.unwritten < start + count)] - start
        plane = replace(file, parts=Parts(parts.places[own], parts.sizes[own], unwritten))
        kind = page.photometric if single and start == 0 else GRAY  # grays may be inverted, palettes have colors
        images.append(view(plane, {**changes, 262: shorts(kind)}).load(_level(page)))
    joined = images[0].bandjoin(images[1:])
    if 1 in page.extra:  # the colors are multiplied by this transparency
        alpha = joined.bands - len(page.extra) + page.extra.index(1)
        top = 255 if joined.format == "uchar" else 65535
        joined = joined.unpremultiply(alpha_band=alpha, max_alpha=top).rint().cast(joined.format)
    return joined.copy(interpretation=_interpretation(joined.bands - len(page.extra), joined.format))


def _interpretation(bands: int, form: str) -> str:
    names = {1: ("b-w", "grey16"), 3: ("srgb", "rgb16"), 4: ("cmyk", "cmyk")}
    return names[bands][form == "ushort"]


def _converted_here(page: TiffPage) -> bool:
    """Return whether the color of a page is converted here, from channels that libvips reads as RGB."""
    plain = page.compression != JPEG and page.subsampling == (1, 1)
    return page.photometric in {CIELAB, ICCLAB} or (page.photometric == YCBCR and plain)


def _converted(image: Any, page: TiffPage) -> Any:
    """Convert the colors that libvips did not, and leave out channels that are neither color nor transparency."""
    if page.compression != JPEG and page.subsampling != (1, 1):  # libtiff has converted it to RGBA
        return image.extract_band(0, n=3).copy(interpretation="srgb")
    count = len(page.extra)
    color = image.extract_band(0, n=image.bands - count) if count else image
    if page.photometric in {CIELAB, ICCLAB}:
        color = _gray_of_lab(color, page)
    elif _converted_here(page):
        color = _rgb_of_ycbcr(color, page)
    if not count:
        return color
    interpretation, alpha = _interpretation(color.bands, color.format), _alpha(page)
    if alpha is not None:
        color = color.bandjoin(image.extract_band(image.bands - count + alpha))
    return color.copy(interpretation=interpretation)


def _gray_of_lab(image: Any, page: TiffPage) -> Any:
    """Return the gray levels with the L* of CIELab; a* and b* have no influence on them."""
    deep = image.format == "ushort"
    top = (_ICC_WHITE if page.photometric == ICCLAB else 65535) if deep else 255
    lightness = np.clip(np.arange(65536 if deep else 256) / top, 0, 1) * 100
    level = np.rint(np.clip(level_of(lightness), 0, 255) * (257 if deep else 1))
    table = level.astype(np.uint16 if deep else np.uint8)[None, :, None]
    gray = image.extract_band(0).maplut(vips().Image.new_from_array(table))
    gray = gray.copy(interpretation=_interpretation(1, image.format))
    gray.remove("icc-profile-data")
    return gray


def _rgb_of_ycbcr(image: Any, page: TiffPage) -> Any:
    """Convert YCbCr as the TIFF 6.0 specification does (section 21), with the file's coefficients and range."""
    deep = image.format == "ushort"
    top, middle = (65535, 32768) if deep else (255, 128)
    red, green, blue = _ratios(page, 529, 3) or (0.299, 0.587, 0.114)
    limits = _ratios(page, 532, 6) or (0, top, middle, top, middle, top)
    ranges = (top, top - middle, top - middle)
    factors = [full / ((limits[2 * i + 1] - limits[2 * i]) or 1) for i, full in enumerate(ranges)]
    full = image.linear(factors, [-limits[2 * i] * factors[i] for i in range(3)])
    to_rgb = [
        [1, 0, 2 - 2 * red],
        [1, -blue * (2 - 2 * blue) / green, -red * (2 - 2 * red) / green],
        [1, 2 - 2 * blue, 0],
    ]
    rgb = full.recomb(to_rgb).rint().cast(image.format)
    return rgb.copy(interpretation=_interpretation(3, image.format))


def _ratios(page: TiffPage, tag: int, count: int) -> tuple[float, ...]:
    """Return the numbers of a tag; nothing if there are more or fewer, or the second one is 0."""
    found = page.tags[tag].ratios if tag in page.tags else ()
    return found if len(found) == count and found[1] else ()
