"""Tags of TIFF files and EXIF blocks: who made a scan, when and with what. libvips leaves them behind.

An EXIF block is a TIFF file without pictures, so one reader and one writer serve both. Values are kept as the bytes
that they were, in the byte order of what is written.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

EXIF_IFD, GPS_IFD = 34665, 34853
KEPT = frozenset({269, 270, 271, 272, 285, 305, 306, 315, 316, 33432})
"""DocumentName, ImageDescription, Make, Model, PageName, Software, DateTime, Artist, HostComputer, Copyright."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_UNITS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_LONG, _LONG8 = 4, 16
_INTEROPERABILITY = 40965
_LARGEST = 1 << 20
_MOST_TAGS = 512


class Value(NamedTuple):
    """A tag's value: its type's number, how many there are, and the bytes in little-endian order."""

    kind: int
    number: int
    data: bytes


@dataclass(frozen=True)
class Tags:
    """What a file says of itself: tags of the picture, of the EXIF block, and of the place."""

    picture: dict[int, Value] = field(default_factory=dict)
    exif: dict[int, Value] = field(default_factory=dict)
    gps: dict[int, Value] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.picture or self.exif or self.gps)


class _Reader:
    """Reads directories of tags; anything that makes no sense is left out."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        head = file.read(16)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        self.ok = bool(self.order) and len(head) >= 8
        if not self.ok:
            return
        version = struct.unpack(self.order + "H", head[2:4])[0]
        self.big = version == 43
        self.ok = version in (42, 43) and (not self.big or len(head) == 16)
        if self.ok:
            self.first = struct.unpack(self.order + ("Q" if self.big else "I"), head[8:16] if self.big else head[4:8])[
                0
            ]

    def directory(self, place: int) -> dict[int, Value]:
        self._file.seek(place)
        count_format, entry_size = ("Q", 20) if self.big else ("H", 12)
        head = self._file.read(struct.calcsize("<" + count_format))
        if len(head) < struct.calcsize("<" + count_format):
            return {}
        count = struct.unpack(self.order + count_format, head)[0]
        if count > _MOST_TAGS:
            return {}
        block = self._file.read(count * entry_size)
        entries = [block[start : start + entry_size] for start in range(0, len(block), entry_size)]
        found = {}
        for entry in entries:
            if len(entry) == entry_size and (value := self._value(entry)) is not None:
                found[struct.unpack(self.order + "H", entry[:2])[0]] = value
        return found

    def _value(self, entry: bytes) -> Value | None:
        kind = struct.unpack(self.order + "H", entry[2:4])[0]
        count = struct.unpack(self.order + ("Q" if self.big else "I"), entry[4 : 12 if self.big else 8])[0]
        inline = entry[12:] if self.big else entry[8:]
        size = _SIZES.get(kind, 0) * count
        if not 0 < size <= _LARGEST:
            return None
        data = inline[:size]
        if size > len(inline):
            self._file.seek(struct.unpack(self.order + ("Q" if self.big else "I"), inline)[0])
            data = self._file.read(size)
        return Value(kind, count, self._little(kind, data)) if len(data) == size else None

    def _little(self, kind: int, data: bytes) -> bytes:
        unit = _UNITS.get(kind, 1)
        return data if self.order == "<" or unit == 1 else swapped(data, unit)

    def pointed(self, tags: Mapping[int, Value], tag: int) -> dict[int, Value]:
        value = tags.get(tag)
        if value is None or value.number != 1 or len(value.data) not in (4, 8):
            return {}
        return self.directory(int.from_bytes(value.data, "little"))


def swapped(data: bytes, unit: int) -> bytes:
    """Return bytes with every group of `unit` reversed."""
    return b"".join(data[start : start + unit][::-1] for start in range(0, len(data), unit))


def read_tags(file: IO[bytes]) -> Tags:
    """Return the tags of a TIFF file's first page, or of an EXIF block without its mark; none of anything else."""
    file.seek(0)
    reader = _Reader(file)
    if not reader.ok:
        return Tags()
    picture = reader.directory(reader.first)
    exif = reader.pointed(picture, EXIF_IFD)
    # What the maker of a camera put there points to places in its own file; nothing of it would be right elsewhere.
    exif = {tag: value for tag, value in exif.items() if tag not in {_INTEROPERABILITY, 37500}}
    kept = {tag: value for tag, value in picture.items() if tag in KEPT}
    return Tags(kept, exif, reader.pointed(picture, GPS_IFD))


def exif_block(tags: Tags) -> bytes:
    """Return the tags as an EXIF block, `Exif` mark included, as JPEG, PNG and WebP keep it."""
    head = struct.pack("<2sHI", b"II", 42, 8)
    body, _ = _directories(tags, {}, 8, big=False)
    return b"Exif\0\0" + head + body


def add_tags(file: IO[bytes], tags: Tags) -> None:
    """Add tags to the first page of a little-endian TIFF file that was just written; those that it has stay.

    The page gets a new directory at the end of the file, and the old one is no longer pointed to.

    Args:
        file: open for reading and writing.
        tags: what to add.
    """
    file.seek(0)
    reader = _Reader(file)
    if not tags or not reader.ok or reader.order != "<":
        return
    own, following = _raw_directory(file, reader)
    end = file.seek(0, 2)
    if end % 2:
        end += file.write(b"\0")
    body, start = _directories(tags, own, end, big=reader.big, following=following)
    file.write(body)
    file.seek(8 if reader.big else 4)
    file.write(struct.pack("<Q" if reader.big else "<I", start))


def _raw_directory(file: IO[bytes], reader: _Reader) -> tuple[dict[int, bytes], int]:
    """Return the entries of the first page as they stand, by tag, and where the next page is."""
    file.seek(reader.first)
    count = struct.unpack("<Q", file.read(8))[0] if reader.big else struct.unpack("<H", file.read(2))[0]
    size = 20 if reader.big else 12
    block = file.read(count * size)
    entries = [block[start : start + size] for start in range(0, len(block), size)]
    following = file.read(8 if reader.big else 4)
    return {struct.unpack("<H", entry[:2])[0]: entry for entry in entries}, int.from_bytes(following, "little")


def _directories(
    tags: Tags, own: Mapping[int, bytes], start: int, *, big: bool, following: int = 0
) -> tuple[bytes, int]:
    """Return the directories of EXIF and place, then the page's, from `start` on, and where the page's begins.

    An EXIF block has its first directory in front, so there the pages' comes first.
    """
    if not own:
        # Lengths don't depend on places: a first pass with places of 0 tells where the others will lie.
        length = len(_directory(tags.picture, {}, dict.fromkeys(_pointers(tags), 0), start, big=big))
        exif = _directory(tags.exif, {}, {}, start + length, big=big) if tags.exif else b""
        gps = _directory(tags.gps, {}, {}, start + length + len(exif), big=big) if tags.gps else b""
        places = _placed(tags, start + length, start + length + len(exif))
        return _directory(tags.picture, {}, places, start, big=big) + exif + gps, start
    exif = _directory(tags.exif, {}, {}, start, big=big) if tags.exif else b""
    gps = _directory(tags.gps, {}, {}, start + len(exif), big=big) if tags.gps else b""
    places = _placed(tags, start, start + len(exif))
    first = start + len(exif) + len(gps)
    return exif + gps + _directory(tags.picture, own, places, first, big=big, following=following), first


def _pointers(tags: Tags) -> list[int]:
    return [tag for tag, block in ((EXIF_IFD, tags.exif), (GPS_IFD, tags.gps)) if block]


def _placed(tags: Tags, exif: int, gps: int) -> dict[int, int]:
    return {tag: place for tag, place in ((EXIF_IFD, exif), (GPS_IFD, gps)) if tag in _pointers(tags)}


def _directory(
    values: Mapping[int, Value],
    own: Mapping[int, bytes],
    pointers: Mapping[int, int],
    start: int,
    *,
    big: bool,
    following: int = 0,
) -> bytes:
    """Return a directory with its values behind it, of even length."""
    room, word = (8, "Q") if big else (4, "I")
    added = {tag: value for tag, value in values.items() if tag not in own}
    added |= {
        tag: Value(_LONG8 if big else _LONG, 1, struct.pack("<" + word, place)) for tag, place in pointers.items()
    }
    entries = dict(own)
    count = len(set(own) | set(added))
    behind = start + (8 if big else 2) + count * (20 if big else 12) + room
    data = b""
    for tag, value in sorted(added.items()):
        inline = value.data.ljust(room, b"\0")
        if len(value.data) > room:
            inline = struct.pack("<" + word, behind + len(data))
            data += value.data + b"\0" * (len(value.data) % 2)
        entries[tag] = struct.pack("<HH" + word, tag, value.kind, value.number) + inline
    head = struct.pack("<Q" if big else "<H", count)
    return head + b"".join(entry for _, entry in sorted(entries.items())) + struct.pack("<" + word, following) + data
