"""Damaged packets are repaired without losing a letter, and long ones are split as Adobe's specification says."""

from __future__ import annotations

import hashlib
from xml.etree import ElementTree as ET

import pytest

from chromalab.photo.xmp import LARGEST, Listed, Packet, XmpError, split_packet, tag, without_lost_images

HEAD = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
TAIL = "</rdf:RDF></x:xmpmeta>"


def packet(body: str, attributes: str = "") -> str:
    """Return a packet with a description."""
    start = f'{HEAD}<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" {attributes}>'
    return f"{start}{body}</rdf:Description>{TAIL}"


def title(data: bytes) -> str | None:
    """Return the title of a packet after writing and reading it."""
    written = Packet.parse(data).to_bytes()
    return ET.fromstring(written).findtext(f".//{tag('dc', 'title')}")  # noqa: S314 - written by the code under test


GOOD = packet("<dc:title>Straße &amp; café</dc:title>")


@pytest.mark.parametrize(
    "data",
    [
        GOOD.encode(),
        GOOD.encode("utf-16"),
        GOOD.encode("utf-16-le"),
        GOOD.encode("utf-16-be"),
        GOOD.encode("utf-32"),
        GOOD.encode("utf-8-sig"),
        GOOD.encode("cp1252"),
        GOOD.replace("&amp;", "&").encode(),
        GOOD.replace("Stra", "\x0bStra\x00").encode(),
        GOOD.replace("Stra", "&#11;Stra&#x1F;").encode(),
        f'<!DOCTYPE x [<!ENTITY a "b">]>{GOOD}'.encode(),
        f'{GOOD}<?xpacket end="w"?></rdf:RDF></x:xmpmeta>'.encode(),
        f'{GOOD}<?xpacket end="w"?>{GOOD.replace("Stra", "Old")}'.encode(),
        f'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>{GOOD}{" " * 2000}<?xpacket end="w"?>\0\0'.encode(),
        GOOD.replace(' xmlns:dc="http://purl.org/dc/elements/1.1/"', "").encode(),
        GOOD.replace(HEAD, HEAD[HEAD.index("<rdf") :]).replace("</x:xmpmeta>", "").encode(),
    ],
)
def test_titles_survive_repairs(data: bytes) -> None:
    assert title(data) == "Straße & café"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no XML at all", "no RDF"),
        (GOOD.replace("</dc:title>", "").encode(), "not well-formed"),
        (f"{HEAD}{'<a>' * 200}{'</a>' * 200}{TAIL}".encode(), "nested over 100 deep"),
        (b"<x:xmpmeta>" + b" " * LARGEST, "16 MB long"),
    ],
)
def test_packets_beyond_repair_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(XmpError, match=words):
        Packet.parse(data)


def test_prefixes_of_the_source_stay() -> None:
    body = '<mine:a xmlns:mine="http://mine.example/">1</mine:a>'
    other = '<mine:b xmlns:mine="http://other.example/">2</mine:b>'
    written = Packet.parse(packet(body + other).encode()).to_bytes()
    assert b"<mine:a>1</mine:a>" in written
    root = ET.fromstring(written)  # noqa: S314 - written by the code under test
    assert root.findtext(".//{http://other.example/}b") == "2"


def test_values_of_all_types_are_added() -> None:
    changed = Packet.parse(GOOD.encode())
    changed.add({("dc", "source"): "a\x01b", ("dc", "creator"): Listed("Seq", ("A", "B"))})
    again = Packet.parse(changed.to_bytes())
    assert again.text("dc", "source") == "ab"
    assert again.holds(("dc", "creator"), ("A", "B"))
    assert again.holds(("dc", "creator"), ("C",)) is False
    assert again.holds(("dc", "rights"), ("C",)) is None
    assert again.remove(tag("dc", "creator").__eq__)
    assert not again.remove(tag("dc", "creator").__eq__)


def test_texts_are_compared_with_whole_items() -> None:
    found = Packet.empty()
    long = "Dorothea Lange of the Farm Security Administration"
    found.add(
        {("dc", "subject"): Listed("Bag", ("party", "Essen-Steele", "two\nlines", long)), ("dc", "source"): "a box"}
    )
    for texts, held in (
        (("party", "two lines", long[:32]), True),
        (("art",), False),
        (("Essen",), False),
        (("party", "Essen"), False),
    ):
        assert found.holds(("dc", "subject"), texts) is held, texts
    assert found.holds(("dc", "source"), ("a box",)) is True
    assert found.holds(("dc", "source"), ("box",)) is False


def test_announcements_of_lost_images_are_removed() -> None:
    attributes = (
        'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" '
        'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" GCamera:Other="2"'
    )
    directory = '<c:Directory xmlns:c="http://ns.google.com/photos/1.0/container/"><rdf:Seq/></c:Directory>'
    preview = '<xmp:Thumbnails xmlns:xmp="http://ns.adobe.com/xap/1.0/"/>'
    changed = Packet.parse(packet(directory + preview + "<dc:title>T</dc:title>", attributes).encode())
    without_lost_images(changed)
    written = changed.to_bytes()
    assert not any(word in written for word in (b"hdrgm", b"Directory", b"Thumbnails", b"MotionPhoto"))
    assert b"Other" in written
    assert b"<dc:title>T</dc:title>" in written


@pytest.mark.parametrize("as_attribute", [False, True])
def test_long_packets_are_split(as_attribute: bool) -> None:
    """The largest property goes into the extended packet, under its MD5 hash; the disclosure stays."""
    text = "archive box, " * 7000
    value = ("", f'dc:source="{text}"') if as_attribute else (f"<dc:source>{text}</dc:source>", "")
    whole = Packet.parse(packet(f"{value[0]}<dc:title>T</dc:title>", value[1]).encode())
    whole.add({("Iptc4xmpExt", "DigitalSourceType"): "term" * 5})
    main, extended, guid = split_packet(whole.to_bytes(), 65_000)
    assert len(main) <= 65_000
    assert guid == hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
    first, rest = Packet.parse(main), Packet.parse(extended)
    assert first.text("xmpNote", "HasExtendedXMP") == guid
    assert first.text("dc", "title") == "T"
    assert first.text("Iptc4xmpExt", "DigitalSourceType") == "term" * 5
    assert first.text("dc", "source") is None
    assert rest.text("dc", "source") == text
    assert split_packet(GOOD.encode(), 65_000) == (GOOD.encode(), b"", "")
