"""Why the content of a file can't be read."""

from __future__ import annotations

MAX_PIXELS = 500_000_000
"""Larger declared sizes are refused before decoding, so a broken header cannot fill the memory."""

CUT_OFF = "it is cut off or damaged: its pixels can't be read to the end"
"""The reason for a file whose pixels a decoder refuses without saying more."""


class ContentError(Exception):
    """The content of a file can't be read; the text is the reason, without the path."""


def check_size(height: int, width: int, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse a declared size before anything is decoded.

    Raises:
        ContentError: the size is over the limit.
    """
    if height * width > max_pixels:
        limit = f"{max_pixels / 1e6:g} million"
        raise ContentError(f"it declares {width}x{height} px, over the limit of {limit}: scale it down first")
