"""Tags of TIFF files and EXIF blocks, such as author, date and scanner, which libvips does not copy.

An EXIF block is a TIFF file without pixels, so one reader and one writer handle both. Values are kept as their bytes,
converted to the little-endian order of the output.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

EXIF_IFD, GPS_IFD = 34665, 34853
PACKETS = frozenset({700, 33723, 34377})
"""XMP, IPTC records, Photoshop resources."""

RESOLUTION = frozenset({282, 283, 296})
"""XResolution, YResolution, ResolutionUnit."""

WINDOWS = frozenset({18246, 18249, *range(40091, 40096)})
"""Rating, RatingPercent, XPTitle, XPComment, XPAuthor, XPKeywords, XPSubject."""

KEPT = frozenset({269, 270, 271, 272, 285, 305, 306, 315, 316, 33432}) | PACKETS | RESOLUTION | WINDOWS
"""DocumentName, ImageDescription, Make, Model, PageName, Software, DateTime, Artist, HostComputer, Copyright, and the
above."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_UNITS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_LONG, _LONG8 = 4, 16
_INTEROPERABILITY, _MAKER_NOTE = 40965, 37500
_LARGEST = 1 << 20
_LARGEST_PACKET = 1 << 28
_OF_PIXELS = frozenset({*range(254, 260), 262, 273, 277, 278, 279, 284, 513, 514, 529, 530, 531, 532, 34675})
_MOST_TAGS = 512


class Value(NamedTuple):
    """A tag's value: the number of its type, the number of values, and their bytes in little-endian order."""

    kind: int
    number: int
    data: bytes


@dataclass(frozen=True)
class Tags:
    """The tags of a file: of the image directory, of the EXIF block, and of the GPS block."""

    image: dict[int, Value] = field(default_factory=dict)
    exif: dict[int, Value] = field(default_factory=dict)
    gps: dict[int, Value] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there are any tags."""
        return bool(self.image or self.exif or self.gps)


class _Reader:
    """Reads tag directories; invalid entries are skipped."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        head = file.read(16)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        self.ok = bool(self.order) and len(head) >= 8
        if not self.ok:
            return
        version = self.number("H", head[2:4])
        self.big = version == 43
        self.word = "Q" if self.big else "I"
        self.ok = version in (42, 43) and (not self.big or len(head) == 16)
        if self.ok:
            self.first = self.number(self.word, head[8:16] if self.big else head[4:8])

    def number(self, kind: str, data: bytes) -> int:
        value: int = struct.unpack(self.order + kind, data)[0]
        return value

    def entries(self, place: int) -> list[bytes]:
        """Return the raw entries of the directory at `place`; none if it is cut off or has too many."""
        self._file.seek(place)
        count_kind, count_size, entry_size = ("Q", 8, 20) if self.big else ("H", 2, 12)
        head = self._file.read(count_size)
        if len(head) < count_size or (count := self.number(count_kind, head)) > _MOST_TAGS:
            return []
        block = self._file.read(count * entry_size)
        return [block[start : start + entry_size] for start in range(0, len(block) - entry_size + 1, entry_size)]

    def directory(self, place: int) -> dict[int, Value]:
        found = ((self.number("H", entry[:2]), self._value(entry)) for entry in self.entries(place))
        return {tag: value for tag, value in found if value is not None}

    def _value(self, entry: bytes) -> Value | None:
        kind = self.number("H", entry[2:4])
        count = self.number(self.word, entry[4 : 12 if self.big else 8])
        inline = entry[12:] if self.big else entry[8:]
        size = _SIZES.get(kind, 0) * count
        if not 0 < size <= (_LARGEST_PACKET if self.number("H", entry[:2]) in PACKETS else _LARGEST):
            return None
        data = inline[:size]
        if size > len(inline):
            self._file.seek(self.number(self.word, inline))
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
    """Return the tags of a TIFF file's first page or of an EXIF block without its mark; empty for other content."""
    file.seek(0)
    reader = _Reader(file)
    if not reader.ok:
        return Tags()
    image = reader.directory(reader.first)
    exif = reader.pointed(image, EXIF_IFD)
    # Maker notes have addresses into their own file, which would be wrong in any other file.
    exif = {tag: value for tag, value in exif.items() if tag not in {_INTEROPERABILITY, _MAKER_NOTE}}
    kept = {tag: value for tag, value in image.items() if tag in KEPT}
    return Tags(kept, exif, reader.pointed(image, GPS_IFD))


def read_exif(block: bytes) -> Tags:
    """Return the tags of an EXIF block without its mark, except those of its thumbnail, pixels and pointers."""
    reader = _Reader(io.BytesIO(block))
    if not reader.ok:
        return Tags()
    image = reader.directory(reader.first)
    exif = reader.pointed(image, EXIF_IFD)
    unwanted = {EXIF_IFD, GPS_IFD, _INTEROPERABILITY, _MAKER_NOTE, *_OF_PIXELS}
    return Tags(
        {tag: value for tag, value in image.items() if tag not in unwanted},
        {tag: value for tag, value in exif.items() if tag not in unwanted},
        reader.pointed(image, GPS_IFD),
    )


def exif_block(tags: Tags) -> bytes:
    """Return the tags as an EXIF block with the `Exif` mark, as stored in JPEG, PNG and WebP files."""
    head = struct.pack("<2sHI", b"II", 42, 8)
    body, _ = _directories(tags, {}, 8, big=False)
    return b"Exif\0\0" + head + body


def add_tags(file: IO[bytes], tags: Tags) -> None:
    """Add tags to the first page of a newly written little-endian TIFF file; tags that it already has stay.

    Its resolution is removed, because libvips writes one for images without a resolution, too.

    The page gets a new directory at the end of the file, which replaces the old one.

    Args:
        file: the TIFF file, open for reading and writing.
        tags: the tags to add.
    """
    file.seek(0)
    reader = _Reader(file)
    if not reader.ok or reader.order != "<":
        return
    own, following = _raw_directory(file, reader)
    own = {tag: entry for tag, entry in own.items() if tag not in RESOLUTION}
    end = file.seek(0, 2)
    if end % 2:
        end += file.write(b"\0")
    body, start = _directories(tags, own, end, big=reader.big, following=following)
    file.write(body)
    file.seek(8 if reader.big else 4)
    file.write(struct.pack("<Q" if reader.big else "<I", start))


def _raw_directory(file: IO[bytes], reader: _Reader) -> tuple[dict[int, bytes], int]:
    """Return the raw entries of the first page by tag, and the position of the next page."""
    entries = {reader.number("H", entry[:2]): entry for entry in reader.entries(reader.first)}
    following = file.read(8 if reader.big else 4)
    return entries, int.from_bytes(following, "little")


def _directories(
    tags: Tags, own: Mapping[int, bytes], start: int, *, big: bool, following: int = 0
) -> tuple[bytes, int]:
    """Return the EXIF, GPS and page directories, to be written at `start`, and the position of the page's.

    Without entries of its `own`, as in an EXIF block, the page's directory comes first.
    """
    if not own:
        # Lengths do not depend on positions: a first pass with positions of 0 finds where the others will be.
        length = len(_directory(tags.image, {}, dict.fromkeys(_pointers(tags), 0), start, big=big))
        exif = _directory(tags.exif, {}, {}, start + length, big=big) if tags.exif else b""
        gps = _directory(tags.gps, {}, {}, start + length + len(exif), big=big) if tags.gps else b""
        places = _placed(tags, start + length, start + length + len(exif))
        return _directory(tags.image, {}, places, start, big=big) + exif + gps, start
    exif = _directory(tags.exif, {}, {}, start, big=big) if tags.exif else b""
    gps = _directory(tags.gps, {}, {}, start + len(exif), big=big) if tags.gps else b""
    places = _placed(tags, start, start + len(exif))
    first = start + len(exif) + len(gps)
    return exif + gps + _directory(tags.image, own, places, first, big=big, following=following), first


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
    """Return a directory followed by its values, of even length."""
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
