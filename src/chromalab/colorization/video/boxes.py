"""The XMP packet of MP4 and QuickTime files: a box of its own behind all others (XMP specification, part 3)."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_LARGEST_PACKET = 16 << 20


class _Box(NamedTuple):
    kind: bytes
    start: int
    size: int
    header: int


def _boxes(file: IO[bytes]) -> Iterator[_Box]:
    """Yield the outermost boxes of a file, up to the first that is malformed."""
    end = file.seek(0, os.SEEK_END)
    place = 0
    while place + 8 <= end:
        file.seek(place)
        head = file.read(16)
        size, kind, header = int.from_bytes(head[:4]), head[4:8], 8
        if size == 1 and len(head) == 16:
            size, header = int.from_bytes(head[8:]), 16
        elif size == 0:
            size = end - place
        if size < header or place + size > end or not all(32 <= byte < 127 for byte in kind):
            return
        yield _Box(kind, place, size, header)
        place += size


def read_xmp(path: Path) -> bytes:
    """Return the XMP packet of an MP4 or QuickTime file; empty if it has none or is of another type."""
    if not path.is_file():  # an image sequence
        return b""
    with path.open("rb") as file:
        for box in _boxes(file):
            if box.kind == b"uuid" and box.size <= _LARGEST_PACKET:
                file.seek(box.start + box.header)
                if file.read(16) == _XMP_UUID:
                    return file.read(box.size - box.header - 16)
    return b""


def append_xmp(path: Path, packet: bytes) -> None:
    """Append an XMP packet to an MP4 or QuickTime file that has none."""
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 24 + len(packet), b"uuid") + _XMP_UUID + packet)
