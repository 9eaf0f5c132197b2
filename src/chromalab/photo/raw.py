"""Raw files of cameras, recognized by their content.

They are refused and not developed: white balance, exposure and tone curve are decisions of whoever develops a photo,
and colorizing promises to keep the lightness of what it is given. Most of them are TIFF files whose first page is a
thumbnail, so without this check the thumbnail would pass for the photo.
"""

from __future__ import annotations

from typing import IO

RAW_FILE = "it is a camera's raw file: develop it first, and save it as TIFF or JPEG"
"""The reason why a raw file is not read."""

RAW_KINDS = frozenset({32803, 34892})
"""Photometric interpretations in TIFF: a mosaic of color filters, and linear sensor values."""

DNG_VERSION = 50706
"""The tag that every DNG file has."""

_MARKS = {
    0: (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM"),
    4: (b"ftypcrx ",),
    6: (b"HEAPCCDR",),
    8: (b"CR\2\0",),
}
"""Marks by their position: RAF, ORF, RW2, X3F and MRW; CR3; CRW; CR2."""


def has_raw_mark(file: IO[bytes]) -> bool:
    """Return whether a file begins as a raw file of a camera does; raw files that are plain TIFF files do not."""
    file.seek(0)
    head = file.read(16)
    return any(head[place:].startswith(mark) for place, marks in _MARKS.items() for mark in marks)
