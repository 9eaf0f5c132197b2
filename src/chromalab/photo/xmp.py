"""XMP packets: damaged ones are repaired, properties edited, and long ones split for JPEG files.

XMP is RDF in XML. Packets in real files have small faults that XML readers refuse, while other programs still show the
title: an ampersand that is not escaped, a control character, Latin-1, UTF-16, the rest of an older packet behind.
"""

from __future__ import annotations

import copy
import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

from chromalab.photo.text import decode_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xml": "http://www.w3.org/XML/1998/namespace",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "chromalab": "https://chromalab.org/ns/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
}
Property = tuple[str, str]
"""Prefix of `NAMESPACES` and local name."""

LARGEST = 16 * 2**20
"""Longer packets are not parsed: as a tree they would fill the memory."""

_DISCLOSURE: tuple[Property, ...] = (("Iptc4xmpExt", "DigitalSourceType"), ("chromalab", "Statement"))
_HEAD = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = b'\n<?xpacket end="w"?>'
_DEEPEST = 100
_SHORTEST_LIMIT = 32
_START = re.compile(r"<((?:[\w.-]+:)?(?:xmpmeta|xapmeta|RDF))[\s/>]")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FORBIDDEN_REFERENCE = re.compile(r"&#(?:0*(?:[0-8]|1[1-2]|1[4-9]|2\d|3[01])|[xX]0*(?:[0-8bcefBCEF]|1[0-9a-fA-F]));")
_BARE_AMPERSAND = re.compile(r"&(?!(?:#\d+|#x[0-9a-fA-F]+|amp|lt|gt|quot|apos);)")
_PREFIX = re.compile(r"[<\s/]([A-Za-z_][\w.-]*):[\w.-]+(?=[\s=/>])")
_DECLARED = re.compile(r"\bxmlns:([\w.-]+)\s*=")
_GAIN_MAP = (
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.google.com/photos/1.0/container/",
)
_MOTION = ("http://ns.google.com/photos/1.0/camera/",)
_MOTION_NAMES = ("MotionPhoto", "MicroVideo")


class XmpError(ValueError):
    """A packet cannot be read, even after repairs."""


class Listed(NamedTuple):
    """The value of a property that is a list: `Bag`, `Seq`, or `Alt` for the languages of a text."""

    kind: str
    items: tuple[str, ...]


def tag(prefix: str, name: str) -> str:
    """Return the name of an element or attribute as ElementTree writes it."""
    return f"{{{NAMESPACES[prefix]}}}{name}"


class Packet:
    """A parsed XMP packet.

    Attributes:
        root: the outermost element.
        rdf: the element that holds the descriptions.
        prefixes: prefix of every namespace, as in the source.
    """

    def __init__(self, root: ET.Element, rdf: ET.Element, prefixes: Mapping[str, str]) -> None:
        self.root, self.rdf, self.prefixes = root, rdf, dict(prefixes)

    @classmethod
    def empty(cls) -> Packet:
        """Return a packet without properties."""
        root = ET.Element(tag("x", "xmpmeta"))
        return cls(root, ET.SubElement(root, tag("rdf", "RDF")), {})

    @classmethod
    def parse(cls, data: bytes) -> Packet:
        """Return the packet in these bytes, repaired where necessary; an empty one if there are no bytes.

        A document type declaration, and with it every entity, is cut off, as is everything behind the first packet.

        Raises:
            XmpError: the bytes are no XMP, damaged beyond repair, nested too deeply, or longer than `LARGEST`.
        """
        if not data.strip(b"\0 \t\r\n"):
            return cls.empty()
        if len(data) > LARGEST:
            raise XmpError(f"it is {len(data) / 2**20:.0f} MB long")
        text = _element(decode_xml(data))
        try:
            root, prefixes = _tree(text)
        except ET.ParseError:
            try:
                root, prefixes = _tree(_repaired(text))
            except ET.ParseError as error:
                raise XmpError(f"it is not well-formed XML ({error})") from error
        rdf = root if root.tag == tag("rdf", "RDF") else root.find(f".//{tag('rdf', 'RDF')}")
        return cls(root, ET.SubElement(root, tag("rdf", "RDF")) if rdf is None else rdf, prefixes)

    def descriptions(self) -> list[ET.Element]:
        """Return the elements that hold the properties."""
        return self.rdf.findall(tag("rdf", "Description"))

    def names(self) -> Iterator[str]:
        """Yield the name of every property, in ElementTree's notation."""
        for description in self.descriptions():
            yield from (key for key in description.attrib if not key.startswith(f"{{{NAMESPACES['rdf']}}}"))
            yield from (child.tag for child in description)

    def text(self, prefix: str, name: str) -> str | None:
        """Return the value of a property that is a plain text, or None."""
        key = tag(prefix, name)
        for description in self.descriptions():
            found = description.get(key) if key in description.attrib else description.findtext(key)
            if found is not None:
                return found
        return None

    def holds(self, key: Property, texts: tuple[str, ...]) -> bool | None:
        """Return whether all of these texts are items of a property; None if there is no such property.

        A text of 32 bytes or more may also be the beginning of an item, because IPTC has limits from there on, at which
        programs cut texts. White space may differ.
        """
        name = tag(*key)
        found = [description.attrib[name] for description in self.descriptions() if name in description.attrib]
        for child in (child for part in self.descriptions() for child in part.findall(name)):
            found += ["".join(item.itertext()) for item in child.findall(f".//{tag('rdf', 'li')}") or [child]]
        items = [" ".join(item.split()) for item in found]
        return all(_among(" ".join(text.split()), items) for text in texts) if items else None

    def remove(self, unwanted: Callable[[str], bool]) -> bool:
        """Remove every property whose name is unwanted, and return whether there was one."""
        removed = False
        for description in self.descriptions():
            for child in [child for child in description if unwanted(child.tag)]:
                description.remove(child)
                removed = True
            for key in [key for key in description.attrib if unwanted(key)]:
                del description.attrib[key]
                removed = True
        return removed

    def add(self, properties: Mapping[Property, str | Listed]) -> None:
        """Add properties in a description of their own."""
        if not properties:
            return
        about = next((found.get(tag("rdf", "about"), "") for found in self.descriptions()), "")
        own = ET.SubElement(self.rdf, tag("rdf", "Description"), {tag("rdf", "about"): about})
        for (prefix, name), value in properties.items():
            element = ET.SubElement(own, tag(prefix, name))
            if isinstance(value, str):
                element.text = _FORBIDDEN.sub("", value)
                continue
            items = ET.SubElement(element, tag("rdf", value.kind))
            language = {tag("xml", "lang"): "x-default"} if value.kind == "Alt" else {}
            for item in value.items:
                ET.SubElement(items, tag("rdf", "li"), language).text = _FORBIDDEN.sub("", item)

    def merge(self, other: Packet) -> None:
        """Take over the descriptions of another packet."""
        self.rdf.extend(other.descriptions())
        self.prefixes = other.prefixes | self.prefixes

    def to_bytes(self, *, wrapped: bool = True) -> bytes:
        """Return the packet as UTF-8, with the prefixes of its source; `wrapped` in processing instructions."""
        root = copy.deepcopy(self.root)
        prefixes = _Prefixes(self.prefixes)
        for element in root.iter():
            element.tag = prefixes.short(element.tag)
            element.attrib = {prefixes.short(key): value for key, value in element.attrib.items()}
        root.attrib |= {f"xmlns:{prefix}": uri for prefix, uri in prefixes.used.items() if prefix != "xml"}
        packet: bytes = ET.tostring(root, encoding="utf-8")
        packet = packet.partition(b"?>\n")[2] if packet.startswith(b"<?xml") else packet
        return _HEAD + packet + _TAIL if wrapped else packet


def _among(text: str, items: list[str]) -> bool:
    cut = len(text.encode()) >= _SHORTEST_LIMIT
    return text in items or (cut and any(item.startswith(text) for item in items))


class _Prefixes:
    """Prefixes for namespaces: those of the source, else the usual ones, else numbered ones."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = {uri: prefix for prefix, uri in NAMESPACES.items()} | dict(known)
        self.used: dict[str, str] = {}

    def short(self, name: str) -> str:
        if not name.startswith("{"):
            return name
        uri, _, local = name[1:].partition("}")
        prefix = self._known.get(uri) or "ns1"
        number = 1
        while self.used.get(prefix, uri) != uri:
            number += 1
            prefix = f"ns{number}"
        self._known[uri] = prefix
        self.used[prefix] = uri
        return f"{prefix}:{local}"


def _element(text: str) -> str:
    """Return the outermost element of a packet, without what stands before and behind it."""
    start = _START.search(text)
    if start is None:
        raise XmpError("it has no RDF")
    end = re.compile(rf"</{re.escape(start[1])}\s*>").search(text, start.start())
    return text[start.start() : end.end() if end else len(text)].rstrip("\0 \t\r\n")


def _tree(text: str) -> tuple[ET.Element, dict[str, str]]:
    """Parse XML without a document type; return the root, and the prefix of every namespace."""
    parser: ET.XMLPullParser[ET.Element] = ET.XMLPullParser(("start-ns", "start", "end"))
    parser.feed(text)
    parser.close()
    prefixes: dict[str, str] = {}
    root: ET.Element | None = None
    depth = 0
    events: Any = parser.read_events()
    for event, value in events:
        if event == "start-ns":
            prefix, uri = value
            if prefix and prefix not in prefixes.values():
                prefixes.setdefault(uri, prefix)
            continue
        depth += 1 if event == "start" else -1
        root = value if root is None else root
        if depth > _DEEPEST:
            raise XmpError(f"its elements are nested over {_DEEPEST} deep")
    if root is None:
        raise XmpError("it is empty")
    return root, prefixes


def _repaired(text: str) -> str:
    """Remove characters that XML does not allow, escape bare ampersands, and declare missing prefixes."""
    text = _BARE_AMPERSAND.sub("&amp;", _FORBIDDEN_REFERENCE.sub("", _FORBIDDEN.sub("", text)))
    missing = set(_PREFIX.findall(text)) - set(_DECLARED.findall(text)) - {"xml", "xmlns"}
    declarations = "".join(f' xmlns:{p}="{NAMESPACES.get(p, f"http://ns.unknown/{p}/")}"' for p in sorted(missing))
    return re.sub(r"^<[^\s/>]+", lambda start: start[0] + declarations, text, count=1)


def without_lost_images(packet: Packet) -> None:
    """Remove what an output cannot keep: gain maps and videos behind the image, and previews inside the packet."""
    packet.remove(
        lambda name: (
            name[1:].startswith(_GAIN_MAP)
            or (name[1:].startswith(_MOTION) and name.partition("}")[2].startswith(_MOTION_NAMES))
            or name == tag("xmp", "Thumbnails")
        )
    )


def match_pixels(packet: Packet, orientation: int) -> None:
    """Make statements about the pixels true for an sRGB image with this EXIF orientation."""
    true = {
        ("tiff", "Orientation"): str(orientation),
        ("exif", "ColorSpace"): "1",
        ("photoshop", "ColorMode"): "3",
        ("photoshop", "ICCProfile"): "sRGB",
    }
    found = {key: value for key, value in true.items() if packet.remove(tag(*key).__eq__)}
    packet.add(found)
    structure = ("PhotometricInterpretation", "SamplesPerPixel", "BitsPerSample", "Compression", "PlanarConfiguration")
    size = {tag("tiff", name) for name in (*structure, "ImageWidth", "ImageLength")}
    packet.remove(lambda name: name in size or name in {tag("exif", f"Pixel{axis}Dimension") for axis in "XY"})


def split_packet(data: bytes, limit: int) -> tuple[bytes, bytes, str]:
    """Split a packet that is longer than a JPEG segment into a main packet and an extended one.

    The largest properties move into the extended packet, never the disclosure.

    Returns:
        The main packet of at most `limit` bytes, the extended packet, and its MD5 hash in capital letters, by which the
        main packet refers to it; the latter two are empty for a packet that fits.
    """
    if len(data) <= limit:
        return data, b"", ""
    packet, rest = Packet.parse(data), Packet.empty()
    rest.prefixes = packet.prefixes
    moved = ET.SubElement(rest.rdf, tag("rdf", "Description"), {tag("rdf", "about"): ""})
    excess = len(data) - limit + 200
    for size, description, key in sorted(_sizes(packet), key=lambda found: -found[0]):
        if excess <= 0:
            break
        if isinstance(key, str):
            ET.SubElement(moved, key).text = description.attrib.pop(key)
        else:
            description.remove(key)
            moved.append(key)
        excess -= size
    if len(packet.to_bytes()) > limit - 100:  # what is left is no property that could be moved
        packet = _disclosed(packet)
    extended = rest.to_bytes(wrapped=False)
    guid = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
    packet.add({("xmpNote", "HasExtendedXMP"): guid})
    return packet.to_bytes(), extended, guid


def _disclosed(packet: Packet) -> Packet:
    """Return a packet of nothing but the disclosure."""
    result = Packet.empty()
    result.add({key: text for key in _DISCLOSURE if (text := packet.text(*key)) is not None})
    return result


def _sizes(packet: Packet) -> Iterator[tuple[int, ET.Element, ET.Element | str]]:
    """Yield the movable properties with a lower bound of their bytes in the packet."""
    stays = {tag(*key) for key in _DISCLOSURE}
    for description in packet.descriptions():
        for child in description:
            if child.tag not in stays:
                yield sum(len(text.encode()) for text in child.itertext()), description, child
        for key, value in description.attrib.items():
            if key not in stays and not key.startswith(f"{{{NAMESPACES['rdf']}}}"):
                yield len(value.encode()), description, key
