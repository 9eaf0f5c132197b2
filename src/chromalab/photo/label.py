"""A line of text on a picture."""

from __future__ import annotations

from typing import Any

from chromalab.photo._vips import vips

_SHARE = 0.028
_LEAST_PX = 10


def labeled(image: Any, text: str) -> Any:
    """Return a libvips image with a line of white text on a dark band at its lower left; without text the image itself.

    The letters are about 1/36 of the shorter side high, and narrower where the line would not fit.
    """
    if not text:
        return image
    height = max(_LEAST_PX, round(min(image.height, image.width) * _SHARE))
    line = vips().Image.text(text, height=height, width=max(1, round(image.width * 0.9)), font="sans")
    pad = max(2, height // 2)
    line = line.embed(pad, pad, line.width + 2 * pad, line.height + 2 * pad)
    band = (line * 0.8 + 30).cast("uchar")
    top = 65535 / 255 if image.format == "ushort" else 1
    plate = vips().Image.bandjoin(band, [band, band])
    if image.format == "ushort":
        plate = (plate * top).cast("ushort")
    if image.hasalpha():
        plate = plate.bandjoin(65535 if image.format == "ushort" else 255)
    plate = plate.copy(interpretation=image.interpretation)
    return image.insert(plate, 0, max(0, image.height - plate.height))
