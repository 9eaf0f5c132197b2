"""IPTC records (IIM), the captions of press photos, and the Photoshop resources that hold them in JPEG files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from chromalab.photo.text import decode_text
from chromalab.photo.xmp import Listed, Packet, Property

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK = 0x1C
_IPTC_RESOURCE = 0x0404
_DROPPED_RESOURCES = frozenset({0x0409, 0x040C, 0x0424, 0x0425, 0x040F})
"""Thumbnails, the copy of XMP, the hash of the IPTC records, and the profile, all of which describe the source."""

_PLAIN: dict[int, Property] = {
    10: ("photoshop", "Urgency"),
    15: ("photoshop", "Category"),
    40: ("photoshop", "Instructions"),
    65: ("xmp", "CreatorTool"),
    85: ("photoshop", "AuthorsPosition"),
    90: ("photoshop", "City"),
    92: ("Iptc4xmpCore", "Location"),
    95: ("photoshop", "State"),
    100: ("Iptc4xmpCore", "CountryCode"),
    101: ("photoshop", "Country"),
    103: ("photoshop", "TransmissionReference"),
    105: ("photoshop", "Headline"),
    110: ("photoshop", "Credit"),
    115: ("photoshop", "Source"),
    122: ("photoshop", "CaptionWriter"),
}
_LISTED: dict[int, tuple[Property, str]] = {
    5: (("dc", "title"), "Alt"),
    12: (("Iptc4xmpCore", "SubjectCode"), "Bag"),
    20: (("photoshop", "SupplementalCategories"), "Bag"),
    25: (("dc", "subject"), "Bag"),
    80: (("dc", "creator"), "Seq"),
    116: (("dc", "rights"), "Alt"),
    120: (("dc", "description"), "Alt"),
}
_DATES: dict[int, tuple[int, Property]] = {55: (60, ("photoshop", "DateCreated")), 62: (63, ("xmp", "CreateDate"))}
_TECHNICAL = frozenset({0, 60, 63, 70})
"""The version of the records, times that belong to dates, and the version of the program."""


class Resource(NamedTuple):
    """A Photoshop resource: its number, its name as stored, and its content."""

    number: int
    name: bytes
    data: bytes


def resources_of(data: bytes) -> list[Resource]:
    """Return the Photoshop resources of a block; reading stops where it is damaged."""
    found, place = [], 0
    while data[place : place + 4] == b"8BIM" and place + 7 <= len(data):
        length = data[place + 6]
        after = place + 6 + length + 1 + (length + 1) % 2
        if after + 4 > len(data):
            break
        size = int.from_bytes(data[after : after + 4], "big")
        number = int.from_bytes(data[place + 4 : place + 6], "big")
        found.append(Resource(number, data[place + 6 : after], data[after + 4 : after + 4 + size]))
        place = after + 4 + size + size % 2
    return found


def split_resources(data: bytes) -> tuple[bytes, bytes]:
    """Return the IPTC records of a Photoshop block, and the block of the resources that an output can keep."""
    found = resources_of(data)
    iptc = b"".join(resource.data for resource in found if resource.number == _IPTC_RESOURCE)
    kept = [r for r in found if r.number != _IPTC_RESOURCE and r.number not in _DROPPED_RESOURCES]
    return iptc, b"".join(map(_packed, kept))


def photoshop_block(iptc: bytes, resources: bytes) -> bytes:
    """Return the Photoshop resources of a file, with its IPTC records among them."""
    return (_packed(Resource(_IPTC_RESOURCE, b"\0\0", iptc)) if iptc else b"") + resources


def _packed(resource: Resource) -> bytes:
    head = b"8BIM" + struct.pack(">H", resource.number) + resource.name + struct.pack(">I", len(resource.data))
    return head + resource.data + b"\0" * (len(resource.data) % 2)


def native_order(data: bytes) -> bytes:
    """Return IPTC records of a TIFF tag, which some programs store as integers in reversed order."""
    if data[:1] != bytes([_MARK]) and data[3:4] == bytes([_MARK]):
        padded = data + b"\0" * (-len(data) % 4)
        return b"".join(padded[start : start + 4][::-1] for start in range(0, len(padded), 4))
    return data


def _records(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield record, number and content of every dataset; reading stops where it is damaged."""
    place = 0
    while place + 5 <= len(data) and data[place] == _MARK:
        record, number, size = struct.unpack(">BBH", data[place + 1 : place + 5])
        place += 5
        if size & 0x8000:  # a longer size follows, in as many bytes
            digits = size & 0x7FFF
            size = int.from_bytes(data[place : place + digits], "big")
            place += digits
        yield record, number, data[place : place + size]
        place += size


def add_iptc(packet: Packet, iptc: bytes) -> list[int]:
    """Add IPTC records to an XMP packet, for files that have no place for IPTC; properties that it has already stay.

    Returns:
        The numbers of the datasets for which XMP has no property, or another text.
    """
    texts: dict[int, list[str]] = {}
    for record, number, data in _records(iptc):
        if record == 2:
            texts.setdefault(number, []).append(decode_text(data))
    lost = set(texts) - set(_PLAIN) - set(_LISTED) - set(_DATES) - _TECHNICAL
    found: dict[Property, str | Listed] = {}
    for number, values in texts.items():
        if (place := _property(number, values, texts)) is None:
            continue
        key, value = place
        held = packet.holds(key, tuple(values)) or packet.holds(
            key, (value,) if isinstance(value, str) else value.items
        )
        if held is None:
            found[key] = value
        elif not held and number not in _DATES:
            lost.add(number)
    packet.add(found)
    return sorted(lost)


def _property(number: int, values: list[str], texts: dict[int, list[str]]) -> tuple[Property, str | Listed] | None:
    """Return the property of XMP for a dataset, with its value."""
    if number in _PLAIN:
        return _PLAIN[number], "; ".join(values)
    if number in _LISTED:
        key, kind = _LISTED[number]
        return key, Listed(kind, tuple(values) if kind != "Alt" else ("\n".join(values),))
    if number in _DATES:
        time, key = _DATES[number]
        return key, _date(values[0], texts.get(time, [""])[0])
    return None


def _date(day: str, time: str) -> str:
    """Return an ISO date of `CCYYMMDD`, with the time of `HHMMSS±HHMM` where there is one; zeros are unknown parts."""
    parts = [day[:4], day[4:6], day[6:8]]
    date = "-".join(part for part in parts if part.strip("0"))
    if len(date) == 10 and len(time) >= 6:
        date += f"T{time[:2]}:{time[2:4]}:{time[4:6]}"
        date += f"{time[6:9]}:{time[9:11]}" if len(time) == 11 else ""
    return date
