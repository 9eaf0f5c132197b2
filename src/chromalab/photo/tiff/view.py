"""Views of TIFF files: the bytes of a file behind another header, with another directory.

A view has one page and only the tags that describe it. libvips, which reads views, then neither walks through all pages
for each of them nor stumbles over unknown tags, and tags can be changed where it would misread the file's own.
"""

from __future__ import annotations

import io
import os
import struct
import weakref
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from chromalab.photo._vips import vips
from chromalab.photo.tiff.directory import ASCII, UNDEFINED, Value, integers, ordered, pack, shorts
from chromalab.photo.tiff.kinds import DEFLATE, NONE, OLD_DEFLATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chromalab.photo.tiff.layout import Parts, TiffLayout, TiffPage

HEAD_BYTES = 16
BLANKABLE = frozenset({NONE, DEFLATE, OLD_DEFLATE})
"""Codecs in which a part that was never written can be replaced by a blank one."""

_COPIED = frozenset({
    256, 257, 258, 259, 262, 266, 274, 277, 278, 282, 283, 284, 292, 293, 296, 317, 320, 322, 323, 332, 338, 339, 347,
    529, 530, 531, 532,
})  # fmt: skip
"""The tags that describe pixels, resolution and orientation."""

_BLOBS = {700: 1, 33723: UNDEFINED, 34377: 1, 34675: UNDEFINED}
"""XMP, IPTC, Photoshop's resources and the ICC profile, with the type that libtiff expects."""


class Handle:
    """A descriptor of a file that stays open as long as the handle exists."""

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, place: int, length: int) -> bytes:
        """Return up to `length` bytes from `place` on."""
        return os.pread(self._descriptor, length, place)


@dataclass(frozen=True)
class PageFile:
    """A page of an open TIFF file, and where its pixels lie."""

    handle: Handle
    layout: TiffLayout
    page: TiffPage
    parts: Parts


class View(io.RawIOBase):
    """A readable file: a header, the bytes of another file, and further bytes."""

    def __init__(self, handle: Handle, size: int, head: bytes, tail: bytes) -> None:
        super().__init__()
        self._handle, self._head, self._tail, self._at = handle, head, tail, 0
        self._behind = len(head) + size

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as bytes of one of the three origins go, and return their number."""
        piece = self._piece(len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _piece(self, length: int) -> bytes:
        at = self._at
        if at < len(self._head):
            return self._head[at : at + length]
        if at < self._behind:
            return self._handle.read(at - len(self._head), min(length, self._behind - at))
        return self._tail[at - self._behind : at - self._behind + length]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._behind + len(self._tail)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def load(self, level: str) -> Any:
        """Return a lazily decoded libvips image that stops at damage of this level."""
        source = vips().SourceCustom()
        source.on_read(self.read)
        source.on_seek(self.seek)
        return vips().Image.new_from_source(source, "", access="sequential", fail_on=level)


def view(file: PageFile, changes: Mapping[int, Value | None] | None = None) -> View:
    """Return a view of a page, as a BigTIFF in the byte order of the file.

    Args:
        file: the page.
        changes: tags that get other values; None removes one.
    """
    layout, page, parts = file.layout, file.page, file.parts
    changes = changes or {}
    end = HEAD_BYTES + layout.size
    padding, blank = bytes(end % 2), b""
    places, sizes = parts.places + HEAD_BYTES, parts.sizes.copy()
    places[parts.unwritten] = sizes[parts.unwritten] = 0
    if parts.unwritten.size and page.compression in BLANKABLE:
        blank = _blank(page)
        places[parts.unwritten], sizes[parts.unwritten] = end + len(padding), len(blank)
    of_places, of_sizes = (324, 325) if page.tiled else (273, 279)
    tags = page_tags(page, layout.order)
    tags |= {of_places: integers(places, big=True), of_sizes: integers(sizes, big=True)}
    tags |= {tag: value for tag, value in changes.items() if value is not None}
    tags = {tag: value for tag, value in tags.items() if changes.get(tag, value) is not None}
    place = end + len(padding) + len(blank)
    body, _ = pack(tags, place, order=layout.order, big=True)
    return View(file.handle, layout.size, head(place, layout.order), padding + blank + body)


def page_tags(page: TiffPage, order: str) -> dict[int, Value]:
    """Return the tags that describe a page's pixels, and its metadata in the types that libtiff expects."""
    tags = {tag: value for tag, value in page.tags.items() if tag in _COPIED}
    tags[262] = shorts(page.photometric)
    for tag in set(_BLOBS) & set(page.tags):
        value = page.tags[tag]
        data = ordered(value.kind, value.data, order)
        tags[tag] = Value(_BLOBS[tag], len(data), data)
    if 270 in page.tags:
        text = page.tags[270].data.split(b"\0")[0] + b"\0"
        tags[270] = Value(ASCII, len(text), text)
    return tags


def head(place: int, order: str = "<") -> bytes:
    """Return the header of a BigTIFF whose first directory is at `place`."""
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HHHQ", 43, 8, 0, place)


def _blank(page: TiffPage) -> bytes:
    """Return a tile or strip of zeros as the file's codec stores it, of even length."""
    zeros = bytes(page.part_bytes)
    packed = zeros if page.compression == NONE else zlib.compress(zeros)
    return packed + bytes(len(packed) % 2)
