"""Tags of TIFF files and EXIF blocks, such as author, date and scanner, which libvips does not copy."""

from __future__ import annotations

import io
import shutil
import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

import numpy as np

from chromalab.core.wording import listing
from chromalab.photo.tiff.directory import PLACES, SIZES, Directory, Reader, Value, integers, pack

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

EXIF_IFD, GPS_IFD = 34665, 34853
RESOLUTION = frozenset({282, 283, 296})
"""XResolution, YResolution, ResolutionUnit."""

_INTEROPERABILITY, _MAKER_NOTE = 40965, 37500
_POINTERS = frozenset({EXIF_IFD, GPS_IFD, _INTEROPERABILITY, _MAKER_NOTE, 330, 400})
"""Positions of further directories in the file, and the camera maker's notes, which hold positions of their own."""

_OF_PIXELS = frozenset({
    *range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 300, 301, *range(317, 337),
    *range(338, 343), 346, 347, 351, *range(401, 406), 433, 434, *range(512, 522), *range(529, 533), 559,
    *range(32995, 32999), 33421, 33422, 34675, 37724, 50674,
})  # fmt: skip
"""Tags that describe how the pixels are stored and what their values mean, and the layers of Photoshop."""

_OF_THE_SOURCE = frozenset({33424, *range(33628, 33632), 34412, 50706, 50740, 65426, 65432})
"""Tags that would be wrong in another file: the mark of raw files, and tags of Kodak, MetaMorph, Zeiss, Adobe and
Hamamatsu that hold positions in the file."""

_NARROWER = {16: ("<u8", 4, "<u4"), 17: ("<i8", 9, "<i4")}
"""Types of 64-bit integers, with the type of 32 bits that takes their place."""

_ADDRESSES = frozenset({13, 18})
"""Types of values that are positions of directories in the file."""


@dataclass(frozen=True)
class Tags:
    """The tags of a page or of an EXIF block.

    Attributes:
        image: tags of the image directory.
        exif: tags of the EXIF block.
        gps: tags of the GPS block.
        problems: what was left out, a sentence each.
    """

    image: dict[int, Value] = field(default_factory=dict)
    exif: dict[int, Value] = field(default_factory=dict)
    gps: dict[int, Value] = field(default_factory=dict)
    problems: tuple[str, ...] = field(default=(), compare=False)

    def __bool__(self) -> bool:
        """Whether there are any tags."""
        return bool(self.image or self.exif or self.gps)


def read_tags(file: IO[bytes], place: int | None = None) -> Tags:
    """Return the tags of a TIFF file's page or of an EXIF block without its mark; empty for other content.

    Args:
        file: the file.
        place: position of the page's directory; None selects the first one.
    """
    reader = Reader(file)
    if reader.first is None:
        return Tags()
    page = reader.directory(reader.first if place is None else place)
    return _described(reader, page) if page is not None else Tags()


def _described(reader: Reader, page: Directory) -> Tags:
    """Return the tags of a page that are true in another file with other pixels, too."""
    dropped = {tag for tag, value in page.tags.items() if tag in _OF_THE_SOURCE or value.kind in _ADDRESSES}
    unwanted = {*_POINTERS, *_OF_PIXELS}
    exif, gps = (_pointed(reader, page, tag) for tag in (EXIF_IFD, GPS_IFD))
    lost = {*page.lost, *exif.lost, *gps.lost} - (unwanted - {EXIF_IFD, GPS_IFD})

    def kept(tags: Mapping[int, Value], left_out: Collection[int]) -> dict[int, Value]:
        classic = {tag: _classic(value) for tag, value in tags.items() if tag not in left_out}
        lost.update(tag for tag, value in classic.items() if value is None)
        return {tag: value for tag, value in classic.items() if value is not None}

    image, of_exif, of_gps = kept(page.tags, unwanted | dropped), kept(exif.tags, unwanted), kept(gps.tags, ())
    return Tags(
        image,
        of_exif,
        of_gps,
        (*_left_out(dropped - unwanted, "true only in the original file"), *_left_out(lost, "damaged or too large")),
    )


def _classic(value: Value) -> Value | None:
    """Return a value without the 64-bit types that only BigTIFF has; None if its numbers are too large."""
    if value.kind not in _NARROWER:
        return value
    wide, kind, narrow = _NARROWER[value.kind]
    numbers = np.frombuffer(value.data, wide)
    data = numbers.astype(narrow)
    return Value(kind, value.number, data.tobytes()) if np.array_equal(numbers, data) else None


def _left_out(tags: Collection[int], reason: str) -> tuple[str, ...]:
    """Return a sentence about tags that are left out; none without tags."""
    if not tags:
        return ()
    several = len(tags) > 1
    numbers = listing(map(str, sorted(tags)))
    return (f"its tag{'s' if several else ''} {numbers} {'are' if several else 'is'} left out: {reason}",)


def _pointed(reader: Reader, page: Directory, tag: int) -> Directory:
    """Return the directory at the position that a tag holds: an empty one without the tag, or where it is damaged."""
    value = page.tags.get(tag)
    if value is None:
        return Directory(0, {}, 0, 0)
    valid = value.number == 1 and len(value.data) in (4, 8)
    found = reader.directory(int.from_bytes(value.data, "little")) if valid else None
    return found or Directory(0, {}, 0, 0, frozenset({tag}))


def read_exif(block: bytes) -> Tags:
    """Return the tags of an EXIF block without its mark, except those of its thumbnail, pixels and pointers."""
    reader = Reader(io.BytesIO(block))
    first = reader.directory(reader.first) if reader.first is not None else None
    if first is None:
        return Tags(problems=("its EXIF block is damaged and left out",) if block.strip(b"\0") else ())
    return _described(reader, first)


def exif_block(tags: Tags) -> bytes:
    """Return the tags as an EXIF block, without the mark that precedes it in JPEG files."""
    pointers = {tag: 0 for tag, block in ((EXIF_IFD, tags.exif), (GPS_IFD, tags.gps)) if block}
    # The length does not depend on the pointers: a first directory without them finds where the others will be.
    start = 8 + len(pack(tags.image | _pointers(pointers, big=False), 8)[0])
    behind, pointers = _pointed_blocks(tags, start, big=False)
    first, _ = pack(tags.image | _pointers(pointers, big=False), 8)
    return struct.pack("<2sHI", b"II", 42, 8) + first + behind


def add_tags(file: IO[bytes], tags: Tags) -> int:
    """Add tags to the only page of a newly written little-endian TIFF file; tags that it already has stay.

    The page gets a new directory at the end of the file, which replaces the old one.

    Args:
        file: the TIFF file, open for reading and writing.
        tags: the tags to add.

    Returns:
        The position of the bytes that will hold the position of the next page.
    """
    reader, page = _written_page(file)
    return _add_directory(file, 8 if reader.big else 4, page.tags, tags, big=reader.big)


def append_page(file: IO[bytes], link: int, part: IO[bytes], tags: Tags) -> int:
    """Append the page of a newly written TIFF file to another one, with further tags.

    Args:
        file: the TIFF file that gets the page, open for reading and writing.
        link: position of the bytes that hold the position of the next page.
        part: a little-endian TIFF file of one page; its pixels are copied, its directory is written anew.
        tags: the tags to add; tags that the page already has stay.

    Returns:
        The position of the bytes that will hold the position of the page after this one.
    """
    big = Reader(file).big
    _, page = _written_page(part)
    places, sizes = (next(page.tags[tag].numbers for tag in names if tag in page.tags) for names in (PLACES, SIZES))
    start, end = int(places.min()), int((places + sizes).max())
    shift = _even_end(file) - start
    part.seek(start)
    shutil.copyfileobj(part, file, 1 << 20)
    file.truncate(end + shift)
    own = dict(page.tags)
    for tag in {*PLACES, *SIZES} & set(own):
        own[tag] = integers(own[tag].numbers + (shift if tag in PLACES else 0), big=big)
    return _add_directory(file, link, own, tags, big=big)


def _written_page(file: IO[bytes]) -> tuple[Reader, Directory]:
    """Return the page of a new file without its resolution: libvips writes one for images that have none, too."""
    reader = Reader(file)
    page = reader.directory(reader.first or 0)
    if page is None or reader.order != "<":
        raise ValueError("expected a little-endian TIFF file that has just been written")
    return reader, page._replace(tags={tag: value for tag, value in page.tags.items() if tag not in RESOLUTION})


def _add_directory(file: IO[bytes], link: int, own: Mapping[int, Value], tags: Tags, *, big: bool) -> int:
    """Write the directory of a page behind the end of the file, and its position into the bytes at `link`."""
    behind, pointers = _pointed_blocks(tags, _even_end(file), big=big)
    file.write(behind)
    place = _even_end(file)
    body, following = pack({**tags.image, **_pointers(pointers, big=big), **own}, place, big=big)
    file.write(body)
    file.seek(link)
    file.write(struct.pack("<Q" if big else "<I", place))
    return following


def _pointed_blocks(tags: Tags, start: int, *, big: bool) -> tuple[bytes, dict[int, int]]:
    """Return the directories of the EXIF and GPS blocks, to be written at `start`, and the position of each."""
    body, places = b"", {}
    for tag, block in ((EXIF_IFD, tags.exif), (GPS_IFD, tags.gps)):
        if block:
            places[tag] = start + len(body)
            body += pack(block, places[tag], big=big)[0]
    return body, places


def _pointers(places: Mapping[int, int], *, big: bool) -> dict[int, Value]:
    return {tag: integers([place], big=big) for tag, place in places.items()}


def _even_end(file: IO[bytes]) -> int:
    end = file.seek(0, 2)
    return end + file.write(b"\0") if end % 2 else end
