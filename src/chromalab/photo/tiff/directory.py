"""Directories of TIFF files and EXIF blocks: their tags, read with all byte orders, sizes and types, and written.

An EXIF block is a TIFF file without pixels, so one reader and one writer handle both. Values are kept as their bytes,
converted to little-endian order.
"""

from __future__ import annotations

import os
import struct
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ASCII, SHORT, LONG, LONG8, UNDEFINED = 2, 3, 4, 16, 7
PLACES = (273, 324)
"""StripOffsets and TileOffsets: where the parts of the pixels lie."""

SIZES = (279, 325)
"""StripByteCounts and TileByteCounts."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_UNITS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "<u1", 3: "<u2", 4: "<u4", 6: "<i1", 7: "<u1", 8: "<i2", 9: "<i4", 13: "<u4", 16: "<i8", 18: "<i8"}
_LARGEST = 1 << 20
_LARGEST_BLOB = 1 << 28
_BLOBS = {*PLACES, *SIZES, 700, 33723, 34377, 34675}
"""Tags that may be larger than 1 MiB: places and sizes, XMP, IPTC, Photoshop's resources and the ICC profile."""

_MOST_TAGS = 4096


class Value(NamedTuple):
    """A tag's value: the number of its type, the number of values, and their bytes in little-endian order."""

    kind: int
    number: int
    data: bytes

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The values as integers, (n,); empty for texts and fractions."""
        return np.frombuffer(self.data, _INTEGERS.get(self.kind, "V0")).astype(np.int64) if self.integer else _NONE

    @property
    def integer(self) -> bool:
        """Whether the values are integers."""
        return self.kind in _INTEGERS

    @property
    def ratios(self) -> tuple[float, ...]:
        """The values as floating-point numbers, if they are fractions or integers."""
        if self.integer:
            return tuple(map(float, self.numbers))
        if self.kind not in {5, 10}:
            return ()
        pairs = np.frombuffer(self.data, "<u4" if self.kind == 5 else "<i4").astype(float).reshape(-1, 2)
        return tuple(float(above / below) if below else 0.0 for above, below in pairs)


_NONE = np.zeros(0, np.int64)


def integers(numbers: NDArray[np.integer] | list[int], *, big: bool = False) -> Value:
    """Return integers as a value of the type LONG, or LONG8 for a BigTIFF."""
    return Value(LONG8 if big else LONG, len(numbers), np.asarray(numbers).astype("<u8" if big else "<u4").tobytes())


def shorts(*numbers: int) -> Value:
    """Return integers as a value of the type SHORT."""
    return Value(SHORT, len(numbers), np.array(numbers, "<u2").tobytes())


class Directory(NamedTuple):
    """A directory of a TIFF file.

    Attributes:
        place: its position in the file.
        tags: its valid tags.
        following: position of the next directory; 0 for the last one.
        link: position of the bytes that hold `following`.
        lost: its tags whose values cannot be read, or are too large.
    """

    place: int
    tags: dict[int, Value]
    following: int
    link: int
    lost: frozenset[int] = frozenset()


class Reader:
    """Reads the directories of an open file.

    Attributes:
        tiff: the file begins as a TIFF file does.
        order: `<` or `>`, the byte order of the file.
        big: the file is a BigTIFF.
        first: position of the first directory; None if the file ends before it is stated.
        size: length of the file in bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(16)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = self.number("H", head[2:4]) if self.order and len(head) >= 4 else 0
        self.tiff = version in {42, 43}
        self.big = version == 43
        self.word = "Q" if self.big else "I"
        place = head[8:16] if self.big else head[4:8]
        self.first = self.number(self.word, place) if self.tiff and len(place) == (8 if self.big else 4) else None

    def number(self, kind: str, data: bytes) -> int:
        """Return a number in the byte order of the file."""
        value: int = struct.unpack(self.order + kind, data)[0]
        return value

    def directory(self, place: int, *, largest: int = _LARGEST_BLOB) -> Directory | None:
        """Return the directory at `place`; None if it is cut off or has too many entries.

        Args:
            place: its position in the file.
            largest: tags with more bytes are left out, as invalid ones are.
        """
        count_size, entry_size, word_size = self._sizes
        count = self._count(place)
        if count is None:
            return None
        block = self._file.read(count * entry_size + word_size)
        entries = block[: count * entry_size]
        if len(entries) < count * entry_size:
            return None
        end = block[len(entries) :]
        following = self.number(self.word, end) if len(end) == word_size else 0
        parts = [entries[at : at + entry_size] for at in range(0, len(entries), entry_size)]
        found = [self._entry(part, largest) for part in parts]
        # Of equal tags the first one counts.
        tags = {tag: value for tag, value in reversed(found) if value is not None}
        counted = {found[number][0] for number, part in enumerate(parts) if any(part[4 : 4 + word_size])}
        lost = frozenset(counted - set(tags))
        return Directory(place, tags, following, place + count_size + len(entries), lost)

    def reaches_beyond_end(self, place: int) -> bool:
        """Return whether the directory at `place` may be valid, and the file ends before it does."""
        count = self._count(place)
        return count is not None and place + self._sizes[0] + count * self._sizes[1] > self.size

    @property
    def _sizes(self) -> tuple[int, int, int]:
        """Bytes of the number of entries, of an entry, and of a position."""
        return (8, 20, 8) if self.big else (2, 12, 4)

    def _count(self, place: int) -> int | None:
        """Return the number of entries at `place`, and stop behind it; None if it makes no sense."""
        if not 0 < place <= self.size - self._sizes[0]:
            return None
        self._file.seek(place)
        count = self.number("Q" if self.big else "H", self._file.read(self._sizes[0]))
        return count if count <= _MOST_TAGS else None

    def _entry(self, entry: bytes, largest: int) -> tuple[int, Value | None]:
        tag, kind = self.number("H", entry[:2]), self.number("H", entry[2:4])
        count = self.number(self.word, entry[4 : 12 if self.big else 8])
        inline = entry[12:] if self.big else entry[8:]
        size = _SIZES.get(kind, 0) * count
        if not 0 < size <= min(largest, _LARGEST_BLOB if tag in _BLOBS else _LARGEST):
            return tag, None
        data = inline[:size]
        if size > len(inline):
            place = self.number(self.word, inline)
            if place + size > self.size:
                return tag, None
            self._file.seek(place)
            data = self._file.read(size)
        return tag, Value(kind, count, ordered(kind, data, self.order)) if len(data) == size else None


def ordered(kind: int, data: bytes, order: str) -> bytes:
    """Convert the bytes of a value between little-endian order and the given one, in either direction."""
    unit = _UNITS.get(kind, 1)
    return data if order == "<" or unit == 1 else np.frombuffer(data, f"<u{unit}").byteswap().tobytes()


def pack(
    tags: Mapping[int, Value], place: int, *, order: str = "<", big: bool = False, following: int = 0
) -> tuple[bytes, int]:
    """Return a directory followed by its values, and the position of the bytes that hold the next directory's.

    Args:
        tags: the tags.
        place: position in the file at which the directory will be written.
        order: byte order of the file.
        big: whether the file is a BigTIFF.
        following: position of the next directory.
    """
    room, word, head_size = (8, "Q", 8) if big else (4, "I", 2)
    link = place + head_size + len(tags) * (12 + 2 * (room - 4) if big else 12)
    entries, data = b"", []
    behind = link + room
    for tag, value in sorted(tags.items()):
        body = ordered(value.kind, value.data, order)
        inline = body.ljust(room, b"\0")
        if len(body) > room:
            inline = struct.pack(order + word, behind)
            data.append(body + b"\0" * (len(body) % 2))
            behind += len(data[-1])
        entries += struct.pack(order + "HH" + word, tag, value.kind, value.number) + inline
    head = struct.pack(order + ("Q" if big else "H"), len(tags))
    return head + entries + struct.pack(order + word, following) + b"".join(data), link
