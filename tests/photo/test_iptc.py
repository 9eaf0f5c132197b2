"""IPTC records, with the characters of their time, and the resources around them."""

from __future__ import annotations

import struct

import pytest

from chromalab.photo.iptc import add_iptc, native_order, photoshop_block, resources_of, split_resources
from chromalab.photo.xmp import Listed, Packet


def record(number: int, data: bytes, part: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, part, number, len(data)) + data


def resource(number: int, data: bytes, name: bytes = b"\0\0") -> bytes:
    return b"8BIM" + struct.pack(">H", number) + name + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("declared", [False, True])
def test_texts_keep_their_letters(encoding: str, declared: bool) -> None:
    """Programs state UTF-8 and write Windows-1252, and the other way round."""
    head = record(90, b"\x1b%G", part=1) if declared else b""
    packet = Packet.empty()
    assert not add_iptc(packet, head + record(90, "Zürich – “Ost”".encode(encoding)))
    assert packet.text("photoshop", "City") == "Zürich – “Ost”"


def test_lists_dates_and_unknown_datasets() -> None:
    records = record(25, b"boat") + record(25, b"sea") + record(55, b"19360304") + record(60, b"050607+0100")
    packet = Packet.empty()
    packet.add({("dc", "title"): "Other"})
    assert add_iptc(packet, records + record(118, b"door 3") + record(5, b"Title") + record(0, b"\0\4")) == [5, 118]
    assert packet.holds(("dc", "subject"), ("boat", "sea"))
    assert packet.text("photoshop", "DateCreated") == "1936-03-04T05:06:07+01:00"
    assert packet.text("dc", "title") == "Other"


@pytest.mark.parametrize(
    ("day", "date"), [(b"19360300", "1936-03"), (b"19360000", "1936"), (b"19360304", "1936-03-04")]
)
def test_unknown_parts_of_dates(day: bytes, date: str) -> None:
    packet = Packet.empty()
    add_iptc(packet, record(55, day))
    assert packet.text("photoshop", "DateCreated") == date


def test_long_and_damaged_datasets() -> None:
    long = struct.pack(">BBBHI", 0x1C, 2, 120, 0x8004, 40_000) + b"x" * 40_000
    packet = Packet.empty()
    assert not add_iptc(packet, long + b"\x1c\2")
    assert packet.holds(("dc", "description"), ("x" * 40_000,))


def test_parts_of_keywords_are_not_taken_for_keywords() -> None:
    packet = Packet.empty()
    packet.add({("dc", "subject"): Listed("Bag", ("party", "harbor"))})
    assert add_iptc(packet, record(25, b"art") + record(25, b"harbor")) == [25]
    assert add_iptc(packet, record(25, b"party") + record(25, b"harbor")) == []


def test_several_captions_are_recognized_again() -> None:
    packet = Packet.empty()
    captions = record(120, b"At the harbor") + record(120, b"in 1936")
    assert add_iptc(packet, captions) == []
    assert add_iptc(packet, captions) == []


def test_resources_without_thumbnail_and_hash() -> None:
    records = record(120, b"odd")
    path = resource(2000, b"path", b"\4name\0")
    block = resource(0x040C, b"jpeg") + resource(0x0404, records) + path + resource(0x0425, b"0" * 16)
    assert split_resources(block) == (records, path)
    assert [found.number for found in resources_of(photoshop_block(records, path))] == [0x0404, 2000]
    assert split_resources(block + b"8BIM\0") == (records, path)
    assert split_resources(b"rubbish") == (b"", b"")


def test_records_in_reversed_integers() -> None:
    records = record(120, b"abc")
    swapped = b"".join(records[start : start + 4][::-1] for start in range(0, 8, 4))
    assert native_order(swapped) == records
    assert native_order(records) == records
