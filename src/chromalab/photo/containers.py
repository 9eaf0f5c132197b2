"""Metadata of PNG, WebP and HEIF files, read from and written into their chunks and boxes without decoding an image."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, NamedTuple

from chromalab.photo.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Iterator

XMP_KEYWORD = "XML:com.adobe.xmp"
NO_CREDENTIALS = "its content credentials (C2PA) are left out, because they hold only for the unchanged file"
_RAW_PROFILE = "Raw profile type "
_PNG_HEAD_BYTES = 33
_LARGEST_CHUNK = 64 * 2**20
_BLOCK = 2**20
_XMP_FLAG, _EXIF_FLAG = 4, 8


class Text(NamedTuple):
    """A text of a PNG file, with its keyword, its language, and the keyword in that language."""

    keyword: str
    text: str
    language: str = ""
    translated: str = ""


@dataclass
class Chunks:
    """The metadata of a PNG, WebP or HEIF file.

    Attributes:
        exif: EXIF block, without its mark.
        xmp: XMP packet.
        photoshop: Photoshop resources, or IPTC records without a resource around them.
        texts: texts of a PNG file.
        density: pixels per unit, horizontally and vertically, and whether the unit is the meter.
        gamma: exponent of a PNG file's encoding, if neither a profile nor sRGB is declared.
        frames: number of frames of an animation.
        problems: damage beside the pixels, a sentence each.
    """

    exif: bytes = b""
    xmp: bytes = b""
    photoshop: bytes = b""
    texts: list[Text] = field(default_factory=list)
    density: tuple[int, int, bool] | None = None
    gamma: float | None = None
    frames: int = 1
    problems: list[str] = field(default_factory=list)


def splice(file: IO[bytes], start: int, stop: int, new: bytes) -> None:
    """Replace a part of a file by bytes of any length, moving what follows in blocks."""
    end = file.seek(0, 2)
    shift = len(new) - (stop - start)
    places = range(stop, end, _BLOCK)
    for place in places if shift < 0 else reversed(places) if shift else ():
        file.seek(place)
        block = file.read(min(_BLOCK, end - place))
        file.seek(place + shift)
        file.write(block)
    file.truncate(end + shift)
    file.seek(start)
    file.write(new)


# ---- PNG


def read_png(file: IO[bytes]) -> Chunks:
    """Return the metadata of a PNG file, with the damage that decoders tolerate."""
    found, kinds, gamma = Chunks(), set(), None
    for kind, data, whole in _png_chunks(file):
        kinds.add(kind)
        if not whole and kind != b"IDAT":
            name = kind.decode() if kind.isalpha() else kind.hex(" ")
            found.problems.append(f"its chunk {name} has a wrong checksum and may be damaged")
        if kind == b"eXIf":
            found.exif = data.removeprefix(b"Exif\0\0")
        elif kind in {b"tEXt", b"zTXt", b"iTXt"} and (text := _png_text(kind, data)):
            _add_text(found, text)
        elif kind == b"pHYs" and len(data) == 9:
            across, down, unit = struct.unpack(">IIB", data)
            found.density = (across, down, unit == 1) if across and down else None
        elif kind == b"gAMA" and len(data) == 4:
            gamma = int.from_bytes(data, "big") / 100_000
        elif kind == b"acTL" and len(data) == 8:
            found.frames = max(1, int.from_bytes(data[:4], "big"))
        elif kind == b"caBX":
            found.problems.append(NO_CREDENTIALS)
    found.gamma = gamma if not kinds & {b"iCCP", b"sRGB", b"cICP"} else None
    if b"IEND" not in kinds:
        found.problems.append("its end is missing, but every pixel is there")
    return found


def _png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield the type and content of every chunk, without those of pixels, and whether its checksum is right."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in {b"IDAT", b"fdAT"} or size > _LARGEST_CHUNK:
            file.seek(size + 4, 1)
            yield kind, b"", True
            continue
        data, checksum = file.read(size), file.read(4)
        if kind == b"IEND" and len(checksum) < 4:
            return
        yield kind, data, checksum == struct.pack(">I", zlib.crc32(kind + data))
        if kind == b"IEND":
            return


def pixels_match_checksum(file: IO[bytes]) -> bool:
    """Return whether the pixels of a PNG file have the checksum that their stream ends with.

    libvips checks each chunk by itself, so it misses a pixel stream that was put together wrongly.
    """
    stream = zlib.decompressobj()
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IDAT":
            try:
                _run_through(stream, file.read(size))
            except zlib.error:
                return False
            size = 0
        file.seek(size + 4, 1)
    stream.flush()
    return stream.eof


def _run_through(stream: zlib._Decompress, data: bytes) -> None:
    """Inflate data in blocks, so that memory stays bounded."""
    while data:
        stream.decompress(data, _BLOCK)
        data = stream.unconsumed_tail


def _png_text(kind: bytes, data: bytes) -> Text | None:
    """Return the text of a chunk. Latin-1 and UTF-8 are prescribed, but programs do not always heed this."""
    keyword, _, rest = data.partition(b"\0")
    if kind == b"tEXt":
        return Text(keyword.decode("latin-1"), decode_text(rest))
    if kind == b"zTXt":
        return Text(keyword.decode("latin-1"), decode_text(_inflated(rest[1:])))
    language, _, translated = rest[2:].partition(b"\0")
    translated, _, text = translated.partition(b"\0")
    text = _inflated(text) if rest[:1] == b"\1" else text
    return Text(keyword.decode("latin-1"), decode_text(text), language.decode("latin-1"), decode_text(translated))


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _LARGEST_CHUNK)
    except zlib.error:
        return b""


def _add_text(found: Chunks, text: Text) -> None:
    """Add a text; metadata that older programs stored as texts go where they belong."""
    if text.keyword == XMP_KEYWORD:
        found.xmp = found.xmp or text.text.encode()
        return
    kind = text.keyword.removeprefix(_RAW_PROFILE)
    if kind == text.keyword:
        found.texts.append(text)
        return
    data = _raw_profile(text.text)
    if data.startswith(b"Exif\0\0"):
        found.exif = found.exif or data[6:]
    elif kind == "xmp" or data.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        found.xmp = found.xmp or data.removeprefix(b"http://ns.adobe.com/xap/1.0/\0")
    elif kind in {"iptc", "8bim"}:
        found.photoshop = found.photoshop or data.removeprefix(b"Photoshop 3.0\0")


def _raw_profile(text: str) -> bytes:
    """Return the content of ImageMagick's texts: a name, a length, and hexadecimal digits."""
    lines = text.strip().split("\n", 2)
    digits = re.sub(r"\s", "", lines[2]) if len(lines) == 3 else ""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""


def write_png(file: IO[bytes], content: Chunks) -> None:
    """Insert metadata before the pixels of a PNG file; the resolution that libvips wrote is replaced or removed."""
    head, place = b"", 8
    file.seek(place)
    while (name := file.read(8))[4:] != b"IDAT":
        chunk = name + file.read(int.from_bytes(name[:4], "big") + 4)
        place += len(chunk)
        head += b"" if name[4:] == b"pHYs" else chunk
    parts = []
    if content.density:
        parts.append(_chunk(b"pHYs", struct.pack(">IIB", *content.density)))
    if content.exif:
        parts.append(_chunk(b"eXIf", content.exif))
    if content.xmp:
        parts.append(_chunk(b"iTXt", XMP_KEYWORD.encode() + b"\0\0\0\0\0" + content.xmp))
    splice(file, 8, place, head + b"".join([*parts, *map(_text_chunk, content.texts)]))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _text_chunk(text: Text) -> bytes:
    keyword = text.keyword.encode("latin-1", "replace")[:79] or b"Comment"
    body = text.text.replace("\0", " ")
    try:
        latin = body.encode("latin-1")
    except UnicodeEncodeError:
        latin = None
    if latin is None or text.language or text.translated:
        head = keyword + b"\0\0\0" + text.language.encode("latin-1") + b"\0" + text.translated.encode() + b"\0"
        return _chunk(b"iTXt", head + body.encode())
    return _chunk(b"tEXt", keyword + b"\0" + latin)


# ---- WebP


def read_webp(file: IO[bytes]) -> Chunks:
    """Return the metadata of a WebP file, and its number of frames."""
    found, frames = Chunks(), 0
    for kind, start, size in _riff(file):
        if kind in {b"EXIF", b"XMP "} and size <= _LARGEST_CHUNK:
            file.seek(start)
            data = file.read(size)
            if kind == b"EXIF":
                found.exif = data.removeprefix(b"Exif\0\0")
            else:
                found.xmp = data
        if kind == b"C2PA":
            found.problems.append(NO_CREDENTIALS)
        frames += kind == b"ANMF"
    found.frames = max(1, frames)
    return found


def _riff(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, place and size of every chunk of a WebP file."""
    end, place = file.seek(0, 2), 12
    while place + 8 <= end:
        file.seek(place)
        kind, size = struct.unpack("<4sI", file.read(8))
        yield kind, place + 8, size
        place += 8 + size + size % 2


def write_webp(file: IO[bytes], content: Chunks) -> None:
    """Append metadata to a WebP file, whose header must be of the extended kind."""
    end = file.seek(0, 2)
    flags = 0
    for kind, flag, data in ((b"EXIF", _EXIF_FLAG, content.exif), (b"XMP ", _XMP_FLAG, content.xmp)):
        if data:
            flags |= flag
            end += file.write(struct.pack("<4sI", kind, len(data)) + data + b"\0" * (len(data) % 2))
    file.seek(4)
    file.write(struct.pack("<I", end - 8))
    file.seek(20)
    flags |= file.read(1)[0]
    file.seek(20)
    file.write(bytes([flags]))


# ---- HEIF


def heif_frames(file: IO[bytes]) -> int:
    """Return the number of frames of an AVIF animation; 1 for other files."""
    file.seek(0)
    head = file.read(_BLOCK)
    sizes = head.find(b"stsz") if head[8:12] == b"avis" else -1
    return max(1, int.from_bytes(head[sizes + 12 : sizes + 16], "big")) if sizes > 0 else 1


def write_heif_exif(file: IO[bytes], exif: bytes) -> None:
    """Replace the EXIF block of a HEIF file, which libvips changes, by one that is appended to the file.

    A file whose item locations are stored in another way than libheif stores them today is left as it is.
    """
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(min(end, _BLOCK))
    place = _exif_location(head)
    if place is None:
        return
    data = struct.pack(">I", 6) + b"Exif\0\0" + exif
    file.seek(end)
    file.write(struct.pack(">I4s", 8 + len(data), b"mdat") + data)
    file.seek(place)
    file.write(struct.pack(">IHII", end + 8, 1, 0, len(data)))


def _exif_location(head: bytes) -> int | None:
    """Return where the location of the EXIF block is stored: its place, the number of parts, and the first part."""
    start, stop = _box(head, b"meta", 0, len(head))
    (first, last), (locations, _) = (_box(head, kind, start + 4, stop) for kind in (b"iinf", b"iloc"))
    items = [begin for _, begin, _ in _boxes(head, first + 6, last)]
    kinds = {head[begin + 4 : begin + 6]: head[begin + 8 : begin + 12] for begin in items}
    if head[locations] != 0 or head[locations + 4 : locations + 6] != b"\x44\x40":
        return None
    place = locations + 8
    for _ in range(int.from_bytes(head[locations + 6 : locations + 8], "big")):
        parts = int.from_bytes(head[place + 8 : place + 10], "big")
        if kinds.get(head[place : place + 2]) == b"Exif" and parts == 1:
            return place + 4
        place += 10 + 8 * parts
    return None


def _box(data: bytes, kind: bytes, start: int, stop: int) -> tuple[int, int]:
    """Return where the content of a box begins and ends; an empty range if there is no such box."""
    return next(((begin, end) for found, begin, end in _boxes(data, start, stop) if found == kind), (stop, stop))


def _boxes(data: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= min(stop, len(data)):
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        yield kind, start + 8, start + size
        start += max(size, 8)
