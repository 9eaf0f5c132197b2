"""Mutations of photo files that respect their structure: segments, chunks, boxes, and directories of tags.

A file is split into parts. A mutation deletes, repeats, moves, renames or damages a part, or damages bytes anywhere.
Lengths and checksums are then either corrected, so that the fault reaches the decoder behind them, or left alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.fuzz.files import files

ODD_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 255, 256, 16383, 32767, 65500, 65535, 2**24, 2**31 - 1, 2**32 - 1)
_WAYS = ("damage", "damage", "damage", "number", "number", "number", "delete", "repeat", "move", "rename", "length")
_CONTAINERS = frozenset({b"meta", b"iprp", b"ipco", b"iinf", b"iref", b"dinf", b"grpl"})
_FULL = {b"meta": 4, b"iinf": 6, b"iref": 4}
"""Bytes before the first box inside those containers that have a version, and for `iinf` a count."""


@dataclass(frozen=True)
class Mutant:
    """A mutated file.

    Attributes:
        source: name of the valid file.
        steps: the mutations, in words.
        data: the bytes.
        valid: the bytes of the valid file.
    """

    source: str
    steps: tuple[str, ...]
    data: bytes
    valid: bytes

    @property
    def suffix(self) -> str:
        """The suffix of the file's name."""
        return "." + self.source.rpartition(".")[2]

    def __repr__(self) -> str:
        """Return what was done to which file."""
        return f"{self.source}: {', then '.join(self.steps)}; {self.data.hex()}"


@dataclass(frozen=True)
class Part:
    """A segment, chunk or box.

    Attributes:
        name: marker, type or tag.
        body: content.
        stored: length or checksum as stored in the file; None if it is to be computed.
        parts: for a box, the boxes inside it, behind the body.
    """

    name: bytes
    body: bytes
    stored: int | None = None
    parts: tuple[Part, ...] = ()


@st.composite
def mutants(draw: st.DrawFn, family: str) -> Mutant:
    """Draw a file of a family and up to three mutations."""
    known = files(family)
    name = draw(st.sampled_from(sorted(known)))
    data, steps = known[name], []
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        structured = _STRUCTURES[family] if draw(st.integers(0, 3)) else _damaged
        data, step = structured(draw, data)
        steps.append(step)
    return Mutant(name, tuple(steps), data, known[name])


def _damaged(draw: st.DrawFn, data: bytes) -> tuple[bytes, str]:
    """Damage bytes without regard to structure."""
    place = _place(draw, len(data))
    count = draw(st.sampled_from((1, 1, 2, 4, 16, 64, 300)))
    way = draw(st.sampled_from(("flip", "flip", "zero", "fill", "delete", "repeat", "insert", "cut off")))
    head, block, tail = data[:place], data[place : place + count], data[place + count :]
    changed = {
        "cut off": head,
        "zero": head + bytes(len(block)) + tail,
        "fill": head + b"\xff" * len(block) + tail,
        "flip": head + bytes(value ^ 1 << (index + place) % 8 for index, value in enumerate(block)) + tail,
        "delete": head + tail,
        "repeat": head + block + block + tail,
        "insert": head + bytes(range(256))[:count] + block + tail,
    }[way]
    return changed, f"{way} at {place}" + ("" if way == "cut off" else f" ({count} bytes)")


def _place(draw: st.DrawFn, length: int) -> int:
    """Return a position, each about equally likely: plain integers of hypothesis are most often near zero."""
    return draw(st.integers(0, 65535)) * 40503 % 65536 * length // 65536


def _of_parts(
    split: Callable[[bytes], list[Part]], join: Callable[[list[Part]], bytes]
) -> Callable[[st.DrawFn, bytes], tuple[bytes, str]]:
    """Return the mutation of files of a structure; a file without any part is damaged as bytes."""

    def mutate(draw: st.DrawFn, data: bytes) -> tuple[bytes, str]:
        parts = split(data)
        if not parts:
            return _damaged(draw, data)
        changed, step = _changed(draw, parts)
        return join(changed), step

    return mutate


def _changed(draw: st.DrawFn, parts: list[Part]) -> tuple[list[Part], str]:
    """Change one of several parts, or a part inside it."""
    index = draw(st.integers(0, len(parts) - 1))
    part = parts[index]
    before, after = parts[:index], parts[index + 1 :]
    if bool(part.parts) and draw(st.integers(0, 5)):
        inner, step = _changed(draw, list(part.parts))
        return [*before, replace(part, parts=tuple(inner)), *after], f"{_text(part)} > {step}"
    way = draw(
        st.sampled_from(("damage", "damage", "number", "number", "delete", "repeat", "move", "rename", "length"))
    )
    other = draw(st.integers(0, len(parts) - 1))
    if way in {"damage", "number"}:
        body, step = _damaged(draw, part.body) if way == "damage" else _numbered(draw, part.body)
        stale = draw(st.booleans())  # a checksum or length that fits no longer
        return [*before, replace(part, body=body, stored=part.stored if stale else None), *after], (
            f"{_text(part)} > {step}" + (", nothing corrected" if stale else "")
        )
    if way == "length":
        number = draw(st.sampled_from(ODD_NUMBERS))
        return [*before, replace(part, stored=number), *after], f"{_text(part)}: length or checksum {number}"
    if way == "move":
        rest = before + after
        return [*rest[:other], part, *rest[other:]], f"{_text(part)} moved to {other}"
    if way == "rename":
        return [*before, replace(part, name=parts[other].name, stored=None), *after], (
            f"{_text(part)} renamed {_text(parts[other])}"
        )
    return [*before, *([part, part] if way == "repeat" else []), *after], f"{way} {_text(part)}"


def _text(part: Part) -> str:
    return part.name.decode("ascii") if part.name.isalnum() else part.name.hex()


def _numbered(draw: st.DrawFn, body: bytes) -> tuple[bytes, str]:
    """Write an odd number over a field, most often one near the beginning."""
    size = draw(st.sampled_from((1, 2, 4)))
    place = draw(st.integers(0, max(0, min(len(body), 24) - size)))
    number = draw(st.sampled_from(ODD_NUMBERS)) % 256**size
    order = draw(st.sampled_from(("big", "little")))
    field = number.to_bytes(size, "big" if order == "big" else "little")
    return body[:place] + field + body[place + size :], f"{number} at {place} ({size} bytes, {order})"


_PNG_MARK = b"\x89PNG\r\n\x1a\n"


def split_png(data: bytes) -> list[Part]:
    """Return the chunks of a PNG file with their checksums; what follows a cut is left out."""
    parts, place = [], len(_PNG_MARK)
    while place + 12 <= len(data):
        size, name = struct.unpack(">I4s", data[place : place + 8])
        body, rest = data[place + 8 : place + 8 + size], data[place + 8 + size : place + 12 + size]
        parts.append(Part(name, body, int.from_bytes(rest.ljust(4, b"\0"), "big")))
        place += 12 + size
    return parts


def join_png(parts: list[Part]) -> bytes:
    """Return a PNG file of chunks."""
    return _PNG_MARK + b"".join(
        struct.pack(">I4s", len(part.body), part.name)
        + part.body
        + struct.pack(">I", (zlib.crc32(part.name + part.body) if part.stored is None else part.stored) % 2**32)
        for part in parts
    )


def _png(draw: st.DrawFn, data: bytes) -> tuple[bytes, str]:
    """Change a chunk, or the filtered rows inside the compressed data."""
    if draw(st.integers(0, 3)):
        return _of_parts(split_png, join_png)(draw, data)
    parts = split_png(data)
    try:
        rows = zlib.decompress(b"".join(part.body for part in parts if part.name == b"IDAT"))
    except zlib.error:
        return _damaged(draw, data)
    rows, step = _damaged(draw, rows)
    packed = [Part(b"IDAT", zlib.compress(rows))]
    place = next((index for index, part in enumerate(parts) if part.name == b"IDAT"), 0)
    rest = [part for part in parts if part.name != b"IDAT"]
    return join_png(rest[:place] + packed + rest[place:]), f"rows > {step}"


_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})
"""JPEG markers without a length: TEM, RST0 to RST7, SOI and EOI."""


def split_jpeg(data: bytes) -> list[Part]:
    """Return the segments of a JPEG file, and between them the entropy-coded intervals with an empty name."""
    parts, place = [], 0
    while place + 2 <= len(data):
        code = data[place + 1]
        if data[place] != 0xFF or code in {0x00, 0xFF}:
            end = _entropy_end(data, place + 2)
            parts.append(Part(b"", data[place:end]))
        elif code in _ALONE:
            end = place + 2
            parts.append(Part(data[place:end], b""))
        else:
            length = int.from_bytes(data[place + 2 : place + 4].ljust(2, b"\0"), "big")
            end = max(place + 4, place + 2 + length)
            parts.append(Part(data[place : place + 2], data[place + 4 : end], length))
        place = end
    return parts


def _entropy_end(data: bytes, place: int) -> int:
    while (place := data.find(b"\xff", place)) >= 0:
        if place + 1 < len(data) and data[place + 1] not in {0x00, 0xFF}:
            return place
        place += 2
    return len(data)


def join_jpeg(parts: list[Part]) -> bytes:
    """Return a JPEG file of segments."""
    return b"".join(
        part.name + (b"" if not part.name or part.name[-1] in _ALONE else _length(part)) + part.body for part in parts
    )


def _length(part: Part) -> bytes:
    length = len(part.body) + 2 if part.stored is None else part.stored
    return (length % 65536).to_bytes(2, "big")


def split_riff(data: bytes) -> list[Part]:
    """Return the chunks of a WebP file with their lengths."""
    parts, place = [], 12
    while place + 8 <= len(data):
        name, size = struct.unpack("<4sI", data[place : place + 8])
        parts.append(Part(name, data[place + 8 : place + 8 + size], size))
        place += 8 + size + size % 2
    return parts


def join_riff(parts: list[Part]) -> bytes:
    """Return a WebP file of chunks."""
    body = b"".join(
        part.name
        + struct.pack("<I", len(part.body) if part.stored is None else part.stored)
        + part.body
        + bytes(len(part.body) % 2)
        for part in parts
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def split_boxes(data: bytes) -> list[Part]:
    """Return the boxes of an AVIF or HEIF file with their lengths."""
    parts, place = [], 0
    while place + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[place : place + 8])
        end = place + size if size >= 8 else len(data)
        body = data[place + 8 : end]
        kept = _FULL.get(name, 0)
        inner = split_boxes(body[kept:]) if name in _CONTAINERS else []
        parts.append(Part(name, body[:kept] if inner else body, size, tuple(inner)))
        place = end
    return parts


def join_boxes(parts: list[Part]) -> bytes:
    """Return an AVIF or HEIF file of boxes."""
    found = []
    for part in parts:
        body = part.body + join_boxes(list(part.parts))
        size = len(body) + 8 if part.stored is None or part.parts else part.stored
        found.append(struct.pack(">I4s", size % 2**32, part.name) + body)
    return b"".join(found)


class Layout:
    """Where the directories of a TIFF file lie, and their fields.

    Attributes:
        order: `<` or `>`.
        big: whether the file is a BigTIFF.
        entries: positions of the entries of all directories.
        links: positions of the numbers that point to directories.
    """

    def __init__(self, data: bytes) -> None:
        self.order = ">" if data[:2] == b"MM" else "<"
        self.big = data[2:4] in {b"\0\x2b", b"\x2b\0"}
        self.word, self.width = ("Q", 8) if self.big else ("I", 4)
        self.entries: list[int] = []
        self.links = [8 if self.big else 4]
        self._follow(data)

    def number(self, data: bytes, place: int, kind: str) -> int:
        """Return a number of the file; 0 where the file ends before it."""
        size = struct.calcsize(kind)
        value: int = struct.unpack(self.order + kind, data[place : place + size].ljust(size, b"\0"))[0]
        return value

    def _follow(self, data: bytes) -> None:
        seen: set[int] = set()
        while (place := self.number(data, self.links[-1], self.word)) and place not in seen:
            seen.add(place)
            head, size = (8, 20) if self.big else (2, 12)
            count = min(self.number(data, place, "Q" if self.big else "H"), (len(data) - place) // size)
            if count <= 0:
                return
            self.entries += [place + head + size * index for index in range(count)]
            self.links.append(place + head + size * count)


_FIELDS = {"tag": (0, "H"), "type": (2, "H"), "count": (4, ""), "value": (0, "")}
_TIFF_TAGS = (254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 296, 317, 320, 322, 323, 330, 338, 339)
_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34712, 34925, 50000, 50001)


def _tiff(draw: st.DrawFn, data: bytes) -> tuple[bytes, str]:
    """Change a field of an entry, or a link between directories."""
    layout = Layout(data)
    if not layout.entries:
        return _damaged(draw, data)
    if not draw(st.integers(0, 9)):
        place = draw(st.sampled_from(layout.links))
        target = draw(st.sampled_from((*ODD_NUMBERS, *(entry - 2 for entry in layout.entries))))
        return _put(layout, data, place, layout.word, target), f"link at {place} to {target}"
    entry = draw(st.sampled_from(layout.entries))
    tag = layout.number(data, entry, "H")
    name = draw(st.sampled_from(("value", "value", "value", "count", "type", "tag")))
    offset, kind = _FIELDS[name]
    if name == "value":
        numbers = ODD_NUMBERS + (_COMPRESSIONS if tag == 259 else (len(data), len(data) - 1, len(data) // 2))
        offset = 12 if layout.big else 8
        kind = {1: "B", 3: "H"}.get(layout.number(data, entry + 2, "H"), layout.word)
    else:
        numbers = {"tag": _TIFF_TAGS, "type": tuple(range(20)), "count": ODD_NUMBERS}[name]
        kind = kind or layout.word
    number = draw(st.sampled_from(numbers))
    return _put(layout, data, entry + offset, kind, number), f"{name} of tag {tag} = {number}"


def _put(layout: Layout, data: bytes, place: int, kind: str, number: int) -> bytes:
    field = struct.pack(layout.order + kind, number % 256 ** struct.calcsize(kind))
    return data[:place] + field + data[place + len(field) :]


_STRUCTURES = {
    "jpeg": _of_parts(split_jpeg, join_jpeg),
    "png": _png,
    "tiff": _tiff,
    "webp": _of_parts(split_riff, join_riff),
    "heif": _of_parts(split_boxes, join_boxes),
    "further": _damaged,
}
