"""Tags of TIFF files and EXIF blocks, such as author, date and scanner, which libvips does not copy."""

from __future__ import annotations

import io
import shutil
import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from chromalab.photo.tiff.directory import PLACES, SIZES, Directory, Reader, Value, integers, pack

if TYPE_CHECKING:
    from collections.abc import Mapping

EXIF_IFD, GPS_IFD = 34665, 34853
PACKETS = frozenset({700, 33723, 34377})
"""XMP, IPTC records, Photoshop resources."""

RESOLUTION = frozenset({282, 283, 296})
"""XResolution, YResolution, ResolutionUnit."""

WINDOWS = frozenset({18246, 18249, *range(40091, 40096)})
"""Rating, RatingPercent, XPTitle, XPComment, XPAuthor, XPKeywords, XPSubject."""

_TEXTS = frozenset({269, 270, 271, 272, 285, 286, 287, 297, 305, 306, 315, 316, 33432})
KEPT = _TEXTS | PACKETS | RESOLUTION | WINDOWS
"""DocumentName, ImageDescription, Make, Model, PageName, XPosition, YPosition, PageNumber, Software, DateTime, Artist,
HostComputer, Copyright, and the above."""

_INTEROPERABILITY, _MAKER_NOTE = 40965, 37500
_OF_PIXELS = frozenset({*range(254, 260), 262, 273, 277, 278, 279, 284, 513, 514, 529, 530, 531, 532, 34675})


@dataclass(frozen=True)
class Tags:
    """The tags of a page or of an EXIF block: of the image directory, of the EXIF block, and of the GPS block."""

    image: dict[int, Value] = field(default_factory=dict)
    exif: dict[int, Value] = field(default_factory=dict)
    gps: dict[int, Value] = field(default_factory=dict)

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
    image = page.tags if page is not None else {}
    exif = _pointed(reader, image, EXIF_IFD)
    # Maker notes have addresses into their own file, which would be wrong in any other file.
    exif = {tag: value for tag, value in exif.items() if tag not in {_INTEROPERABILITY, _MAKER_NOTE}}
    kept = {tag: value for tag, value in image.items() if tag in KEPT}
    return Tags(kept, exif, _pointed(reader, image, GPS_IFD))


def _pointed(reader: Reader, tags: Mapping[int, Value], tag: int) -> dict[int, Value]:
    value = tags.get(tag)
    if value is None or value.number != 1 or len(value.data) not in (4, 8):
        return {}
    directory = reader.directory(int.from_bytes(value.data, "little"))
    return directory.tags if directory is not None else {}


def read_exif(block: bytes) -> Tags:
    """Return the tags of an EXIF block without its mark, except those of its thumbnail, pixels and pointers."""
    reader = Reader(io.BytesIO(block))
    first = reader.directory(reader.first) if reader.first is not None else None
    if first is None:
        return Tags()
    unwanted = {EXIF_IFD, GPS_IFD, _INTEROPERABILITY, _MAKER_NOTE, *_OF_PIXELS}
    return Tags(
        {tag: value for tag, value in first.tags.items() if tag not in unwanted},
        {tag: value for tag, value in _pointed(reader, first.tags, EXIF_IFD).items() if tag not in unwanted},
        _pointed(reader, first.tags, GPS_IFD),
    )


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
