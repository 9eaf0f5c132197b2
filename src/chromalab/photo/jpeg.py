"""The structure of JPEG files: metadata in segments, damage among the pixels, and further images behind the first."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from chromalab.photo import huffman
from chromalab.photo._vips import VipsError, vips
from chromalab.photo.containers import splice
from chromalab.photo.xmp import Packet, split_packet, tag

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOI, _EOI, _SOS, _DRI, _COM = 0xD8, 0xD9, 0xDA, 0xDD, 0xFE
_APP0, _APP1, _APP2, _APP11, _APP13, _APP14 = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_ALONE = frozenset({0x01, *range(0xD0, 0xD8), _SOI})
_EXIF_MARK = b"Exif\0\0"
_XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_MARK = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP_MARK = b"Photoshop 3.0\0"
_LARGEST_SEGMENT = 65_533
_XMP_BYTES = _LARGEST_SEGMENT - len(_XMP_MARK)
_EXTENDED_BYTES = 65_400
_BLOCK, _TRAILER = 2**16, 2**20
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_VIDEO, _VIDEO_MARK_BYTES = re.compile(rb"\0\0\0[\x08-\xff]ftyp", re.DOTALL), 8
_PREVIEWS = frozenset({0x010001, 0x010002})
"""Types of images in a multi-picture file that are reduced copies of the first one."""

_MOST_RESTARTS = 65_535
_MOST_ROWS = 65_500
_STRIP_ROWS = 8


@dataclass
class Jpeg:
    """What a JPEG file holds, found without decoding it.

    Attributes:
        segments: marker and content of every segment before the image data.
        scans: number of scans; 0 if there is no image data.
        body: where the image data of the first scan begins.
        body_end: where the marker behind it begins.
        end: where the file's first image ends; None if the mark of the end is missing.
        images: number of full images in the file.
        video: whether a video follows, as in the motion photos of phones.
    """

    segments: list[tuple[int, bytes]] = field(default_factory=list)
    scans: int = 0
    body: int = 0
    body_end: int = 0
    end: int | None = None
    images: int = 1
    video: bool = False

    def contents(self, marker: int, mark: bytes) -> list[bytes]:
        """Return the contents of segments with a marker, without the mark that they must begin with."""
        return [data[len(mark) :] for kind, data in self.segments if kind == marker and data.startswith(mark)]

    @property
    def frame(self) -> tuple[int, bytes] | None:
        """Kind and content of the segment that describes the image; None if it, or all image data, is missing."""
        found = next((segment for segment in self.segments if segment[0] in _FRAMES), (0, b""))
        content = found[1]
        described = len(content) >= 9 and len(content) == 6 + 3 * content[5]
        return found if described and self.scans and all(value & 15 and value >> 4 for value in content[7::3]) else None

    @property
    def exif(self) -> bytes:
        """The EXIF block, without its mark."""
        return next(iter(self.contents(_APP1, _EXIF_MARK)), b"")

    @property
    def photoshop(self) -> bytes:
        """The Photoshop resources of all segments."""
        return b"".join(self.contents(_APP13, _PHOTOSHOP_MARK))

    @property
    def credentials(self) -> bool:
        """Whether the file has content credentials (C2PA)."""
        return bool(self.contents(_APP11, b"JP"))

    @property
    def comments(self) -> list[bytes]:
        """The comments."""
        return [data.rstrip(b"\0") for kind, data in self.segments if kind == _COM and data.strip(b"\0 ")]

    @property
    def density(self) -> tuple[int, int, int] | None:
        """Horizontal and vertical density of the JFIF segment, and its unit: 0 for none, 1 for inch, 2 for cm."""
        data = next(iter(self.contents(_APP0, b"JFIF\0")), b"")
        if len(data) < 7:
            return None
        unit, across, down = struct.unpack(">BHH", data[2:7])
        return (across, down, unit) if across and down and (across, down, unit) != (1, 1, 0) else None

    def xmp_packets(self) -> tuple[bytes, dict[str, bytes]]:
        """Return the main packet, and the extended ones by the hash that refers to them; incomplete ones are empty."""
        parts: dict[str, list[tuple[int, int, bytes]]] = {}
        for data in self.contents(_APP1, _EXTENDED_MARK):
            if len(data) >= 40:
                size, start = struct.unpack(">II", data[32:40])
                parts.setdefault(data[:32].decode("latin-1"), []).append((start, size, data[40:]))
        main = next(iter(self.contents(_APP1, _XMP_MARK)), b"")
        return main, {guid: _joined(found) for guid, found in parts.items()}


def _joined(parts: list[tuple[int, int, bytes]]) -> bytes:
    whole = b"".join(data for _, _, data in sorted(parts))
    places = [start for start, _, _ in sorted(parts)]
    lengths = [len(data) for _, _, data in sorted(parts)]
    right = places == [sum(lengths[:number]) for number in range(len(parts))] and len(whole) == parts[0][1]
    return whole if right else b""


# ---- reading the structure


def read_jpeg(file: IO[bytes]) -> Jpeg:
    """Return the structure of a JPEG file."""
    found = _image(file, 0)
    if found.end is not None:
        found.images += _further_images(file, found)
        found.video = _video_behind(file, found.end)
    return found


def _image(file: IO[bytes], start: int) -> Jpeg:
    """Return the structure of the image that begins at a place of the file."""
    found = Jpeg()
    marker = _next_marker(file, start + 2)
    while marker is not None and marker[0] != _EOI:
        kind, place = marker
        if kind not in _ALONE:
            file.seek(place)
            size = int.from_bytes(file.read(2), "big")
            if not found.scans:
                found.segments.append((kind, file.read(max(0, size - 2))))
            place += max(2, size)
        marker = _next_marker(file, place)
        if kind == _SOS:
            if not found.scans:
                found.body, found.body_end = place, file.seek(0, 2) if marker is None else marker[1] - 2
            found.scans += 1
    found.end = None if marker is None else marker[1]
    return found


def _next_marker(file: IO[bytes], place: int) -> tuple[int, int] | None:
    """Return the next marker at or behind a place that is neither a restart nor within image data, and its end."""
    file.seek(place)
    block = file.read(64)  # between segments the marker comes at once
    found = _MARKER.search(block)
    while found is None:
        if len(block) < 2:
            return None
        place += len(block) - 1
        file.seek(place)
        block = file.read(_BLOCK)
        found = _MARKER.search(block)
        if found is None and len(block) < _BLOCK:
            return None
    return block[found.start() + 1], place + found.end()


def _further_images(file: IO[bytes], first: Jpeg) -> int:
    """Return the number of images behind the first one that are not reduced copies of it."""
    index = next(iter(first.contents(_APP2, b"MPF\0")), b"")
    kinds = _image_kinds(index)
    if kinds:
        return sum(kind not in _PREVIEWS for kind in kinds[1:])
    count, place = 0, first.end
    while place is not None:
        file.seek(place)
        block = file.read(_TRAILER)
        start = block.find(b"\xff\xd8\xff")
        if start < 0:
            break
        count += 1
        place = _image(file, place + start).end
    return count


def _video_behind(file: IO[bytes], place: int) -> bool:
    """Return whether an MP4 file begins at or behind a place."""
    file.seek(place)
    block = file.read(_BLOCK)
    while _VIDEO.search(block) is None:
        more = file.read(_BLOCK)
        if not more:
            return False
        block = block[-_VIDEO_MARK_BYTES:] + more
    return True


def _image_kinds(index: bytes) -> list[int]:
    """Return the types of the images that a multi-picture index lists."""
    order = {b"II": "<", b"MM": ">"}.get(index[:2])
    try:
        if order is None:
            return []
        (place,) = struct.unpack(order + "I", index[4:8])
        (entries,) = struct.unpack(order + "H", index[place : place + 2])
        for number in range(entries):
            entry = place + 2 + 12 * number
            key, _, size, start = struct.unpack(order + "HHII", index[entry : entry + 12])
            if key == 0xB002:
                rows = range(start, min(start + size, len(index) - 15), 16)
                return [struct.unpack(order + "I", index[row : row + 4])[0] & 0xFFFFFF for row in rows]
    except struct.error:
        pass
    return []


def merged_xmp(found: Jpeg) -> tuple[bytes, list[str]]:
    """Return the XMP of a JPEG file with its extended parts merged, and what was lost, a sentence each.

    Raises:
        XmpError: a packet cannot be read.
    """
    main, extended = found.xmp_packets()
    if not extended and b"HasExtendedXMP" not in main:
        return main, []
    packet = Packet.parse(main)
    guid = packet.text("xmpNote", "HasExtendedXMP")
    packet.remove(tag("xmpNote", "HasExtendedXMP").__eq__)
    part = extended.get(guid or "", b"") or (next(iter(extended.values())) if len(extended) == 1 else b"")
    if not part:
        return packet.to_bytes(), ["its extended XMP is incomplete and left out"] if guid else []
    packet.merge(Packet.parse(part))
    return packet.to_bytes(), []


# ---- decoding without tolerance


class StrictJpeg:
    """A JPEG image whose decoding stops at every fault of the image data.

    libvips reports a fault when it decodes the rows that follow, so it never reports faults in the last rows, or data
    that is left over. The file is therefore decoded with more rows than the image has. Where the size allows, these
    rows are the first ones again, behind a restart marker, because libjpeg checks that the data ends there.

    Attributes:
        height: rows of the image.
        image: the pixels, decoded lazily from top to bottom, with up to seven rows more than the image has.
        complete: the file has the mark of its end.
    """

    def __init__(self, file: IO[bytes], found: Jpeg, frame: tuple[int, bytes]) -> None:
        kind, self._frame = frame
        self.height, width = struct.unpack(">HH", self._frame[1:5])
        self._last_row, self._found, self.complete = 0, found, found.end is not None
        self._gradual = kind not in _SEQUENTIAL or found.scans > 1
        file.seek(found.body)
        self._body = file.read((found.end or 0) - found.body) if self.complete else file.read() + b"\xff\xd9"
        # libjpeg reads several scans up to the end before the first row, so then no more rows are needed.
        self._parts = [_head(found), self._body] if self._gradual else self._extended(_blocks(found, self._frame))
        self._data = b"".join(self._parts)
        self._whole = _from_memory(self._data, "warning")
        # The rows are decoded in strips, so the image can only be cropped exactly when it is in memory.
        rows = min(self._whole.height, -(-self.height // _STRIP_ROWS) * _STRIP_ROWS)
        self.image = self._whole.crop(0, 0, width, rows)

    def _extended(self, blocks: _Blocks) -> list[bytes | memoryview]:
        """Return the parts of the file with more rows, and set the last row that must be decoded."""
        found, rows = self._found, -(-self.height // blocks.rows) * blocks.rows
        if rows + 3 * blocks.rows > _MOST_ROWS:
            return [_head(found), self._body]
        if blocks.number > _MOST_RESTARTS or (blocks.restart and blocks.number % blocks.restart):
            more = _STRIP_ROWS if blocks.rows == _STRIP_ROWS else 0
            self._last_row = rows + more - 1
            return [_head(found, rows + more), self._body]
        self._last_row = rows + 2 * _STRIP_ROWS - 1
        pixels = memoryview(self._body)[: found.body_end - found.body]
        intervals = blocks.number // blocks.restart if blocks.restart else 1
        parts: list[bytes | memoryview] = [
            _head(found, rows + 3 * blocks.rows, 0 if blocks.restart else blocks.number),
            pixels,
        ]
        for first in range(intervals, intervals * (-(-3 * blocks.rows // rows) + 1), intervals):
            again = _renumbered(pixels, first) if blocks.restart else pixels
            parts += [bytes([0xFF, 0xD0 + (first - 1) % 8]), again]
        return [*parts, b"\xff\xd9"]

    def finish(self) -> None:
        """Decode what follows the image's last row.

        Raises:
            VipsError: the last rows are damaged, or image data is left over.
        """
        if self.image.height <= self._last_row < self._whole.height:
            vips().Region.new(self._whole).fetch(0, self._last_row, 1, 1)
        size = self._found.body_end - self._found.body
        if self._gradual or size > huffman.LARGEST_BYTES:
            return
        blocks = _blocks(self._found, self._frame)
        if not huffman.plausible(
            self._found.segments, self._frame, self._body[:size], units=blocks.number, restart=blocks.restart
        ):
            raise VipsError("the coefficients are damaged")

    def lenient(self) -> Any:
        """Return the pixels, decoded lazily as far as they can be: what is damaged becomes gray or shifted."""
        self._data = _head(self._found) + self._body
        return _from_memory(self._data, "error")

    def damage(self) -> str:
        """Return what is damaged, for an image that cannot be decoded strictly."""
        if self._gradual:
            return "the file is damaged: parts of the image may be missing or changed"
        data = b"".join(self._parts)
        region = vips().Region.new(_from_memory(data, "warning"))
        for row in range(0, self.height, _STRIP_ROWS):
            try:
                region.fetch(0, row, 1, 1)
            except VipsError:
                first = max(0, row - 2 * _STRIP_ROWS)
                return f"the file is damaged: from row {first} of {self.height} on, parts may be missing or shifted"
        return "the file is damaged: its data does not fit the image, so parts may be missing or shifted"


def _from_memory(data: bytes, fail_on: str) -> Any:
    """Return an image of bytes, which the caller must keep: unlike `new_from_buffer` this does not copy them."""
    return vips().Image.new_from_source(vips().Source.new_from_memory(data), "", access="sequential", fail_on=fail_on)


@dataclass(frozen=True)
class _Blocks:
    """The units in which an image with one scan is coded: their number, their rows of pixels, the restart interval."""

    number: int
    rows: int
    restart: int


def _blocks(found: Jpeg, frame: bytes) -> _Blocks:
    height, width = struct.unpack(">HH", frame[1:5])
    factors = [(value >> 4, value & 15) for value in frame[7::3]]
    across, down = (1, 1) if len(factors) == 1 else (max(h for h, _ in factors), max(v for _, v in factors))
    number = -(-width // (8 * across)) * -(-height // (8 * down))
    restart = next((int.from_bytes(data[:2], "big") for kind, data in reversed(found.segments) if kind == _DRI), 0)
    return _Blocks(number, 8 * down, restart if restart < number else 0)


def _head(found: Jpeg, rows: int = 0, restart: int = 0) -> bytes:
    """Return the segments that decoding needs, without garbage between them; with other rows or a restart interval."""
    parts = [b"\xff\xd8"]
    for kind, data in found.segments:
        if kind in _FRAMES and rows:
            parts.append(_segment(kind, data[:1] + struct.pack(">H", rows) + data[3:]))
        elif kind == _SOS and restart:
            parts += [_segment(_DRI, struct.pack(">H", restart)), _segment(kind, data)]
        elif not _APP0 <= kind <= 0xEF and kind != _COM:
            parts.append(_segment(kind, data))
        elif kind == _APP0 and data.startswith(b"JFIF\0") and len(data) >= 14:
            parts.append(_segment(kind, data[:5] + b"\1\1" + data[7:12] + b"\0\0"))
        elif (kind, data[:4]) in {(_APP1, b"Exif"), (_APP2, b"ICC_")} or (kind == _APP14 and data.startswith(b"Adobe")):
            parts.append(_segment(kind, data))
    return b"".join(parts)


def _segment(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data


def _renumbered(pixels: memoryview, shift: int) -> bytes | memoryview:
    """Return image data whose restart markers count on from a number."""
    if shift % 8 == 0:
        return pixels
    return _RESTART.sub(lambda mark: bytes([0xFF, 0xD0 + (mark[0][1] - 0xD0 + shift) % 8]), pixels)


# ---- writing


@dataclass(frozen=True)
class Head:
    """The metadata that a written JPEG file begins with.

    Attributes:
        density: horizontal and vertical density, and the unit: 0 for none, 1 for inch, 2 for cm.
        exif: EXIF block, without its mark.
        xmp: XMP packet of any length.
        photoshop: Photoshop resources, with the IPTC records.
        comments: comments, encoded.
    """

    density: tuple[int, int, int] = (1, 1, 0)
    exif: bytes = b""
    xmp: bytes = b""
    photoshop: bytes = b""
    comments: tuple[bytes, ...] = ()


def write_head(file: IO[bytes], head: Head) -> None:
    """Insert metadata at the beginning of a JPEG file, in place of its JFIF segment."""
    across, down, unit = head.density
    parts = [_segment(_APP0, b"JFIF\0" + struct.pack(">BBBHHBB", 1, 1, unit, across, down, 0, 0))]
    if head.exif:
        parts.append(_segment(_APP1, _EXIF_MARK + head.exif))
    parts += _xmp_segments(head.xmp)
    for piece in _pieces(head.photoshop, _LARGEST_SEGMENT - len(_PHOTOSHOP_MARK)):
        parts.append(_segment(_APP13, _PHOTOSHOP_MARK + piece))
    parts += [_segment(_COM, piece) for comment in head.comments for piece in _pieces(comment, _LARGEST_SEGMENT)]
    file.seek(2)
    start = file.read(4)
    stop = 4 + int.from_bytes(start[2:], "big") if start[:2] == b"\xff\xe0" else 2
    splice(file, 2, stop, b"".join(parts))


def _xmp_segments(xmp: bytes) -> list[bytes]:
    """Return the segments of a packet: one, or a main packet and the parts of an extended one."""
    if not xmp:
        return []
    main, extended, guid = split_packet(xmp, _XMP_BYTES)
    head = _EXTENDED_MARK + guid.encode() + struct.pack(">I", len(extended))
    places = range(0, len(extended), _EXTENDED_BYTES)
    parts = [head + struct.pack(">I", place) + extended[place : place + _EXTENDED_BYTES] for place in places]
    return [_segment(_APP1, data) for data in (_XMP_MARK + main, *parts)]


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    stream = io.BytesIO(data)
    return iter(lambda: stream.read(size), b"")
