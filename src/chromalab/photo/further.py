"""BMP, JPEG 2000, PPM and TGA photos, for which libvips has no reader; Pillow (extras `lab` and `scans`) reads them."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

from chromalab.photo._vips import vips
from chromalab.photo.content import CUT_OFF, ContentError, check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

SUFFIXES = frozenset({".bmp", ".jp2", ".pgm", ".ppm", ".tga"})
"""Suffixes of these files."""

_MARKS = {
    "BMP": (b"BM",),
    "JPEG2000": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "PPM": tuple(b"P%d%c" % (number, space) for number in range(1, 7) for space in b" \t\r\n"),
}
_TGA_FOOTER = b"TRUEVISION-XFILE.\0"
_TGA_IMAGES = tuple(bytes([kind]) for kind in (1, 2, 3, 9, 10, 11))
_NAMES = {"JPEG2000": "JPEG 2000"}
_AS = {"1": "L", "P": "RGBA", "PA": "RGBA"}
_8_BITS = {"L": "b-w", "LA": "b-w", "RGB": "srgb", "RGBA": "srgb"}
_16_BITS = frozenset({"I", "I;16", "I;16B"})
_MM_PER_INCH = 25.4


def further_kind(file: IO[bytes]) -> str | None:
    """Return Pillow's name of a file's type, or None for all other types."""
    file.seek(0)
    head = file.read(12)
    for kind, marks in _MARKS.items():
        if head.startswith(marks):
            return kind
    if head[2:3] not in _TGA_IMAGES:
        return None
    file.seek(max(0, file.seek(0, 2) - len(_TGA_FOOTER)))
    return "TGA" if file.read() == _TGA_FOOTER else None


def open_further(file: IO[bytes], kind: str) -> Any:
    """Return a decoded file as a libvips image with its profile, resolution, EXIF and XMP.

    Raises:
        ContentError: Pillow is missing, the file is damaged, or its pixels are of a kind that Pillow would spoil.
    """
    name = _NAMES.get(kind, kind)
    try:
        from PIL import Image  # noqa: PLC0415 - the extras may not be installed
    except ModuleNotFoundError as error:
        raise ContentError(
            f"it is {name}, which libvips does not read: install chromalab[scans], or save it as PNG or TIFF"
        ) from error
    if _deep_color(file, kind):
        raise ContentError(f"it is {name} with over 8 bits per color channel: save it as PNG or TIFF")
    file.seek(0)
    try:
        with Image.open(file, formats=[kind]) as image:
            check_size(image.height, image.width)
            return _converted(image, kind)
    except (ContentError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise ContentError(f"it is {name} and declares too many pixels: save it as TIFF") from error
    except Exception as error:  # Pillow's readers raise errors of many types
        raise ContentError(CUT_OFF) from error


def _deep_color(file: IO[bytes], kind: str) -> bool:
    """Return whether the file has color in more than 8 bits, which Pillow reduces to 8 bits."""
    file.seek(0)
    head = file.read(4096)
    if kind == "PPM":
        words = b" ".join(line.partition(b"#")[0] for line in head.splitlines()).split()
        return words[:1] in ([b"P3"], [b"P6"]) and len(words) > 3 and words[3].isdigit() and int(words[3]) > 255
    place = head.find(b"\xff\x4f\xff\x51")  # the sizes at the beginning of the image data
    if kind != "JPEG2000" or place < 0:
        return False
    sizes = head[place + 40 : place + 43]
    return int.from_bytes(sizes[:2], "big") >= 3 and (sizes[2] & 0x7F) + 1 > 8


def _converted(image: Image, kind: str) -> Any:
    if image.mode in _16_BITS:
        result = _from_array(np.asarray(image).astype(np.uint16), "grey16")
    else:
        plain = image if image.mode in _8_BITS else image.convert(_AS[image.mode])
        result = _from_array(np.asarray(plain), _8_BITS[plain.mode])
    result.set_type(vips().GValue.gstr_type, "vips-loader", f"pillow-{kind.lower()}")
    for name, key in (("icc-profile-data", "icc_profile"), ("exif-data", "exif"), ("xmp-data", "xmp")):
        if image.info.get(key):
            result.set_type(vips().GValue.blob_type, name, bytes(image.info[key]))
    if image.info.get("dpi"):
        x, y = (float(value) / _MM_PER_INCH for value in image.info["dpi"])
        result = result.copy(xres=x, yres=y)
        result.set_type(vips().GValue.gstr_type, "resolution-unit", "in")
    return result


def _from_array(pixels: NDArray[Any], interpretation: str) -> Any:
    return vips().Image.new_from_array(np.ascontiguousarray(pixels), interpretation=interpretation).copy()
