"""The disclosure that colors are inferred, in an image's XMP packet and in the record beside it.

The IPTC vocabulary `DigitalSourceType` has a term for it. Inferred colors are more than an enhancement of what the
camera recorded, so the default is `compositeWithTrainedAlgorithmicMedia`; `algorithmicallyEnhanced` is the alternative.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from chromalab.colorization.options import SourceType
from chromalab.core.records import Record
from chromalab.version import __version__

if TYPE_CHECKING:
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Options

STATEMENT = "The colors of this picture are inferred by a neural network; the original photograph has none."

_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "chromalab": "https://chromalab.org/ns/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
}
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")
_HEAD = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = b'\n<?xpacket end="w"?>'


class Disclosure(Record):
    """The disclosure of a colorized image.

    Attributes:
        statement: sentence that states that the colors are inferred.
        digital_source_type: term of the IPTC vocabulary.
        model: name of the model.
        model_sha256: hash of the model file.
        chromalab_version: version of this package.
        parameters: options that differ from the defaults.
    """

    statement: str = STATEMENT
    digital_source_type: SourceType = "compositeWithTrainedAlgorithmicMedia"
    model: str
    model_sha256: str
    chromalab_version: str = __version__
    parameters: dict[str, object] = {}


def disclose(engine: Engine, options: Options, source_type: SourceType) -> Disclosure:
    """Return the disclosure of images that `engine` colorizes with `options`."""
    return Disclosure(
        digital_source_type=source_type,
        model=engine.spec.name,
        model_sha256=engine.file.sha256,
        parameters=options.described(),
    )


def with_disclosure(xmp: bytes, disclosure: Disclosure) -> bytes:
    """Return an XMP packet with the disclosure and with all other properties of the given packet.

    Args:
        xmp: the source's packet; an empty or damaged one is replaced by a new packet.
        disclosure: the disclosure; it replaces earlier values of the same properties.
    """
    for prefix, uri in _NAMESPACES.items():
        ET.register_namespace(prefix, uri)
    root, rdf = _parsed(xmp)
    for description in rdf.findall(_name("rdf", "Description")):
        _remove_disclosure(description)
    own = ET.SubElement(rdf, _name("rdf", "Description"), {_name("rdf", "about"): ""})
    for (prefix, name), value in _properties(disclosure).items():
        ET.SubElement(own, _name(prefix, name)).text = value
    packet: bytes = ET.tostring(root, encoding="utf-8")
    return _HEAD + packet + _TAIL


def _properties(disclosure: Disclosure) -> dict[tuple[str, str], str]:
    return {
        ("Iptc4xmpExt", "DigitalSourceType"): _VOCABULARY + disclosure.digital_source_type,
        ("Iptc4xmpExt", "AISystemUsed"): "chromalab",
        ("Iptc4xmpExt", "AISystemVersionUsed"): f"{disclosure.chromalab_version}, model {disclosure.model}",
        ("chromalab", "Statement"): disclosure.statement,
        ("chromalab", "Model"): disclosure.model,
        ("chromalab", "ModelSHA256"): disclosure.model_sha256,
        ("chromalab", "Version"): disclosure.chromalab_version,
        ("chromalab", "Parameters"): json.dumps(disclosure.parameters, sort_keys=True),
    }


def _parsed(xmp: bytes) -> tuple[ET.Element, ET.Element]:
    """Return the packet's root and RDF elements; a packet that is damaged or has declarations is replaced."""
    if xmp and not any(mark in xmp for mark in _DECLARATIONS):
        try:
            root = ET.fromstring(xmp.strip(b"\0 \t\r\n"))  # noqa: S314 - a packet with declarations was refused above
        except ET.ParseError:
            pass
        else:
            rdf = root if root.tag == _name("rdf", "RDF") else root.find(f".//{_name('rdf', 'RDF')}")
            if rdf is not None:
                return root, rdf
    root = ET.Element(_name("x", "xmpmeta"))
    return root, ET.SubElement(root, _name("rdf", "RDF"))


def _remove_disclosure(description: ET.Element) -> None:
    """Remove the properties of an earlier disclosure, whether they are elements or attributes."""
    names = {_name("Iptc4xmpExt", name) for name in ("DigitalSourceType", "AISystemUsed", "AISystemVersionUsed")}
    own = f"{{{_NAMESPACES['chromalab']}}}"
    for child in list(description):
        if child.tag in names or child.tag.startswith(own):
            description.remove(child)
    for key in [key for key in description.attrib if key in names or key.startswith(own)]:
        del description.attrib[key]


def _name(prefix: str, name: str) -> str:
    return f"{{{_NAMESPACES[prefix]}}}{name}"
