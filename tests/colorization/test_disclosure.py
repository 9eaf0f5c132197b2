"""The disclosure in XMP is read back with an independent parser, and properties of the source are kept."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from chromalab.colorization.disclosure import STATEMENT, Disclosure, disclose, with_disclosure
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Options
from chromalab.weights.colorizers import find_colorizer

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
EXT = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
OWN = "{https://chromalab.org/ns/1.0/}"
DISCLOSURE = Disclosure(model="m", model_sha256="ab", parameters={"saturation": 1.2})
SOURCE = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/negativeFilm">
<dc:creator><rdf:Seq><rdf:li>Dorothea Lange</rdf:li></rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def properties(xmp: bytes) -> dict[str, list[str]]:
    """Return all properties of a packet, both elements and attributes."""
    found: dict[str, list[str]] = {}
    for description in ET.fromstring(xmp).iter(f"{RDF}Description"):  # noqa: S314 - our own
        for name, value in description.attrib.items():
            found.setdefault(name, []).append(value)
        for child in description:
            found.setdefault(child.tag, []).append("".join(child.itertext()).strip())
    return found


@pytest.mark.parametrize("xmp", [b"", b"no XML", SOURCE, b"<x/>", with_disclosure(SOURCE, DISCLOSURE)])
def test_disclosure_appears_once(xmp: bytes) -> None:
    packet = with_disclosure(xmp, DISCLOSURE)
    found = properties(packet)
    source_type = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
    assert found[f"{EXT}DigitalSourceType"] == [source_type]
    assert found[f"{OWN}Model"] == ["m"]
    assert found[f"{OWN}ModelSHA256"] == ["ab"]
    assert found[f"{OWN}Statement"] == [STATEMENT]
    assert found[f"{OWN}Parameters"] == ['{"saturation": 1.2}']
    assert packet.startswith(b"<?xpacket begin=")
    assert packet.rstrip().endswith(b'<?xpacket end="w"?>')


def test_properties_of_the_source_stay() -> None:
    assert properties(with_disclosure(SOURCE, DISCLOSURE))["{http://purl.org/dc/elements/1.1/}creator"] == [
        "Dorothea Lange"
    ]


def test_entity_declarations_are_not_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    assert b"aaaa" not in with_disclosure(bomb, DISCLOSURE)


def test_disclosure_has_model_and_options() -> None:
    engine = Engine(find_colorizer())
    disclosure = disclose(engine, Options(warmth=3), "algorithmicallyEnhanced")
    assert disclosure.model_sha256 == engine.file.sha256
    assert disclosure.parameters == {"warmth": 3.0}
    assert disclosure.digital_source_type == "algorithmicallyEnhanced"
