"""The pages of a TIFF file, and where their pixels lie in it.

Which directories are pages of the photo is decided here, in one pass over the file: reduced copies and transparency
masks are not. Parts of the pixels that lie beyond the end of the file are found before anything is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from chromalab.core.wording import plural
from chromalab.photo.content import ContentError
from chromalab.photo.raw import DNG_VERSION, RAW_FILE, RAW_KINDS, has_raw_mark
from chromalab.photo.tiff.directory import PLACES, SIZES, Directory, Reader
from chromalab.photo.tiff.kinds import COLORS, GRAY, MASK, NONE, RGB, YCBCR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from chromalab.photo.tiff.directory import Value

_MOST_PAGES = 100_000
_MOST_SUBDIRECTORIES = 64
_LARGEST_OUTLINE = 4096
"""Larger tags, such as profiles and the places of many tiles, are read only when their page is opened."""

_REDUCED, _MASK_BIT = 1, 4


@dataclass(frozen=True)
class TiffPage:
    """A directory of a TIFF file with pixels.

    Attributes:
        place: position of the directory in the file.
        tags: its tags.
    """

    place: int
    tags: dict[int, Value]

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first integer of a tag, or the default if the tag is missing."""
        numbers = self.numbers(tag)
        return int(numbers[0]) if len(numbers) else default

    def numbers(self, tag: int) -> NDArray[np.int64]:
        """Return the integers of a tag, (n,); empty if it is missing."""
        return self.tags[tag].numbers if tag in self.tags else np.zeros(0, np.int64)

    @cached_property
    def width(self) -> int:
        """Columns."""
        return self.number(256)

    @cached_property
    def height(self) -> int:
        """Rows, as stored."""
        return self.number(257)

    @cached_property
    def samples(self) -> int:
        """Channels, extra ones included."""
        return self.number(277, 1)

    @cached_property
    def bits(self) -> int:
        """Bits per value; 0 if the channels differ."""
        found = set(map(int, self.numbers(258))) or {1}
        return found.pop() if len(found) == 1 else 0

    @cached_property
    def compression(self) -> int:
        """Number of the codec."""
        return self.number(259, NONE)

    @cached_property
    def photometric(self) -> int:
        """Number of the kind of color."""
        return self.number(262, RGB if self.samples >= 3 else GRAY)

    @cached_property
    def planar(self) -> bool:
        """Whether every channel is stored by itself."""
        return self.number(284, 1) == 2 and self.samples > 1

    @cached_property
    def subsampling(self) -> tuple[int, int]:
        """Columns and rows of pixels that share their chroma; only in YCbCr."""
        found = tuple(map(int, self.numbers(530)))
        if self.photometric != YCBCR:
            return 1, 1
        return (found[0], found[1]) if len(found) == 2 and min(found) > 0 else (2, 2)

    @cached_property
    def extra(self) -> tuple[int, ...]:
        """The meaning of every channel beyond those of the color: 1 and 2 are transparency, 0 is not stated."""
        count = self.samples - COLORS.get(self.photometric, self.samples)
        stated = tuple(map(int, self.numbers(338)))
        return (stated + (0,) * count)[:count] if count > 0 else ()

    @cached_property
    def tiled(self) -> bool:
        """Whether the pixels are stored in tiles; otherwise they are in strips."""
        return 322 in self.tags and 323 in self.tags

    @cached_property
    def part_size(self) -> tuple[int, int]:
        """Rows and columns of a tile or strip."""
        if self.tiled:
            return max(1, self.number(323)), max(1, self.number(322))
        return min(self.number(278, self.height) or self.height, self.height), self.width

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Number of tiles from top to bottom and from left to right; of strips, their number and 1."""
        rows, columns = self.part_size
        return -(-self.height // rows), -(-self.width // columns)

    @cached_property
    def reduced(self) -> bool:
        """Whether the directory states that it is a reduced copy."""
        return bool(self.number(254) & _REDUCED) if 254 in self.tags else self.number(255) == 2

    @cached_property
    def mask(self) -> bool:
        """Whether the directory states that it is a transparency mask."""
        return bool(self.number(254) & _MASK_BIT) or self.photometric == MASK

    @property
    def whole(self) -> bool:
        """Whether the directory is a photo, and not a reduced copy or a mask."""
        return not self.reduced and not self.mask

    @cached_property
    def raw(self) -> bool:
        """Whether the directory is that of a camera's raw file."""
        return DNG_VERSION in self.tags or self.photometric in RAW_KINDS

    @property
    def count(self) -> int:
        """Number of tiles or strips."""
        return self.grid[0] * self.grid[1] * (self.samples if self.planar else 1)

    @property
    def part_bytes(self) -> int:
        """Bytes of a decoded tile, or of a strip with all its rows."""
        return int(self._bytes(np.array([self.part_size[0]]))[0])

    @cached_property
    def decoded_sizes(self) -> NDArray[np.int64]:
        """Bytes of every decoded part, (count,); the last strip can be shorter than the others."""
        lines = np.full(self.count, self.part_size[0])
        if not self.tiled:
            firsts = np.arange(self.count) % self.grid[0] * self.part_size[0]
            lines = np.minimum(lines, self.height - firsts)
        return self._bytes(lines)

    def _bytes(self, lines: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bytes of parts with so many rows."""
        columns, (across, down) = self.part_size[1], self.subsampling
        if (across, down) != (1, 1):  # a unit has the brightness of several pixels, and two values of color
            return -(-lines // down) * -(-columns // across) * ((across * down + 2) * self.bits // 8)
        return lines * -(-columns * (1 if self.planar else self.samples) * self.bits // 8)

    def box(self, index: int) -> tuple[int, int, int, int]:
        """Return first row, first column, rows and columns of the pixels of a tile or strip that lie on the page."""
        down, across = divmod(index % (self.grid[0] * self.grid[1]), self.grid[1])
        (rows, columns), top, left = self.part_size, down * self.part_size[0], across * self.part_size[1]
        return top, left, min(rows, self.height - top), min(columns, self.width - left)

    def part_name(self, index: int) -> str:
        """Return the name of a tile or strip by its rows and columns."""
        top, left, rows, columns = self.box(index)
        name = f"rows {top + 1} to {top + rows}"
        return f"the tile of {name}, columns {left + 1} to {left + columns}" if self.tiled else f"the strip of {name}"


class Parts(NamedTuple):
    """The tiles or strips of a page.

    Attributes:
        places: position of each in the file, (n,).
        sizes: bytes of each, (n,).
        unwritten: index of each that was never written, (k,).
    """

    places: NDArray[np.int64]
    sizes: NDArray[np.int64]
    unwritten: NDArray[np.int64]


@dataclass(frozen=True)
class TiffLayout:
    """The structure of a TIFF file.

    Attributes:
        order: `<` or `>`, the byte order.
        big: the file is a BigTIFF.
        size: length of the file in bytes.
        pages: the pages of the photo, without their largest tags.
        warnings: what the file has beside them, a sentence each.
    """

    order: str
    big: bool
    size: int
    pages: tuple[TiffPage, ...]
    warnings: tuple[str, ...] = ()

    def opened(self, file: IO[bytes], number: int) -> TiffPage:
        """Return a page, counted from 0, with all its tags."""
        if not 0 <= number < len(self.pages):
            raise ContentError(f"it has {len(self.pages)} pages, so there is no page {number + 1}")
        directory = Reader(file).directory(self.pages[number].place)
        if directory is None:
            raise ContentError("it has changed while it was read")
        return TiffPage(directory.place, directory.tags)

    def parts(self, page: TiffPage) -> Parts:
        """Return where the pixels of a page lie.

        Raises:
            ContentError: parts of the pixels are missing.
        """
        places = _first(page, PLACES)[: page.count]
        if len(places) < page.count:
            noun = "tiles" if page.tiled else "strips"
            raise ContentError(f"it is damaged: it has only {len(places)} of {page.count} {noun}")
        expected = page.decoded_sizes if page.compression == NONE else None
        sizes = self._sizes(page, places, expected)
        unwritten = (places == 0) | (sizes == 0)
        self._check(page, places, sizes, ~unwritten)
        if expected is not None and (short := np.flatnonzero(~unwritten & (sizes < expected))).size:
            raise ContentError(f"it is cut off or damaged: {page.part_name(int(short[0]))} is too short")
        return Parts(places, sizes, np.flatnonzero(unwritten))

    def _sizes(
        self, page: TiffPage, places: NDArray[np.int64], expected: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """Return the bytes of every part, computed where the file does not state them."""
        stated = _first(page, SIZES)[: len(places)]
        if len(stated) < len(places) or not stated.any():
            behind = np.sort(np.append(places, self.size))
            following = behind[np.searchsorted(behind, places, side="right").clip(max=len(behind) - 1)]
            stated = np.where(places > 0, np.maximum(following - places, 0), 0)
        if expected is not None:  # more than is needed may be stated beyond the end of the file
            stated = np.where(places + stated > self.size, np.minimum(stated, expected), stated)
        return stated

    def _check(
        self, page: TiffPage, places: NDArray[np.int64], sizes: NDArray[np.int64], written: NDArray[np.bool_]
    ) -> None:
        outside = np.flatnonzero(written & ((places < 0) | (sizes < 0) | (places + sizes > self.size)))
        if outside.size:
            raise ContentError(f"it is cut off: {page.part_name(int(outside[0]))} lies beyond the end of the file")


def _first(page: TiffPage, tags: tuple[int, int]) -> NDArray[np.int64]:
    """Return the numbers of the tag for strips or of that for tiles; some programs write one for the other."""
    tags = tags[::-1] if page.tiled else tags
    return next((page.numbers(tag) for tag in tags if tag in page.tags), np.zeros(0, np.int64))


def read_layout(file: IO[bytes]) -> TiffLayout | None:
    """Return the structure of a TIFF file, or None if the content is not a TIFF.

    Raises:
        ContentError: the file is cut off before its first page, is a camera's raw file, or has no page that is a photo.
    """
    if has_raw_mark(file):
        raise ContentError(RAW_FILE)
    reader = Reader(file)
    if not reader.tiff:
        return None
    if reader.first is None or not 0 < reader.first < reader.size or reader.reaches_beyond_end(reader.first):
        raise ContentError("it is a TIFF that is cut off: the file ends before the description of its first page")
    directories, warnings = _directories(reader)
    found = [TiffPage(directory.place, directory.tags) for directory in directories]
    below = _subdirectories(reader, found)
    if any(page.raw for page in (*found, *below)):
        raise ContentError(RAW_FILE)
    pages, further = _pages(found, below)
    return TiffLayout(reader.order, reader.big, reader.size, tuple(pages), (*warnings, *further))


def _pages(found: list[TiffPage], below: list[TiffPage]) -> tuple[list[TiffPage], list[str]]:
    """Return which directories are pages of the photo, and a warning for each kind of those that are lost.

    Args:
        found: the directories of the file.
        below: the directories that these name as parts of themselves.
    """
    pages = [page for page in found if page.whole]
    inside = [page for page in below if page.whole and page.width]
    if not pages and inside:  # some programs store the photo below its thumbnail
        return inside, []
    if not pages and len(found) == 1 and not found[0].mask:
        return found, ["the file states that it is a reduced copy of another one"]
    if not pages:
        raise ContentError("it has only reduced copies or masks of a photo (NewSubfileType), and not the photo itself")
    masks = sum(page.mask for page in found)
    counts = ((masks, "transparency mask"), (len(inside), "further image"))
    return pages, [f"left out: {plural(count, what)}" for count, what in counts if count]


def _directories(reader: Reader) -> tuple[list[Directory], list[str]]:
    """Return the directories of the file in order, and a warning if the chain ends in one that makes no sense."""
    found: list[Directory] = []
    for directory in _chain(reader):
        if directory is not None and {256, 257} <= set(directory.tags):
            found.append(directory)
        elif found:
            return found, [f"the description of page {len(found) + 1} is damaged: this page is left out"]
        else:
            raise ContentError("it is cut off or damaged: the description of its first page can't be read")
    return found, []


def _chain(reader: Reader) -> Iterator[Directory | None]:
    """Yield the directories, each once; None for the one that ends the chain because it can't be read.

    Raises:
        ContentError: a page's directory lies beyond the end of the file, or there are too many.
    """
    place, seen = reader.first or 0, set[int]()
    while place and place not in seen:
        if place >= reader.size or reader.reaches_beyond_end(place):
            raise ContentError(f"it is cut off: the file ends before the description of page {len(seen) + 1}")
        if len(seen) == _MOST_PAGES:
            raise ContentError(f"it has over {_MOST_PAGES} pages: split it first")
        seen.add(place)
        directory = reader.directory(place, largest=_LARGEST_OUTLINE)
        yield directory
        place = directory.following if directory is not None else 0


def _subdirectories(reader: Reader, pages: list[TiffPage]) -> list[TiffPage]:
    """Return the directories that pages name as parts of themselves (SubIFDs)."""
    places = (int(place) for page in pages for place in page.numbers(330)[:_MOST_SUBDIRECTORIES])
    found = (reader.directory(place, largest=_LARGEST_OUTLINE) for place in places)
    return [TiffPage(directory.place, directory.tags) for directory in found if directory is not None]
