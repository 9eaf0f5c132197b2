"""What is said in XMP: read back with an independent parser of RDF, and nothing of the source's own is lost."""

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
SAID = Disclosure(model="m", model_sha256="ab", parameters={"saturation": 1.2})
SOURCE = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/negativeFilm">
<dc:creator><rdf:Seq><rdf:li>Dorothea Lange</rdf:li></rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def properties(xmp: bytes) -> dict[str, list[str]]:
    """Return every property of a packet, whether element or attribute."""
    found: dict[str, list[str]] = {}
    for description in ET.fromstring(xmp).iter(f"{RDF}Description"):  # noqa: S314 - our own
        for name, value in description.attrib.items():
            found.setdefault(name, []).append(value)
        for child in description:
            found.setdefault(child.tag, []).append("".join(child.itertext()).strip())
    return found


@pytest.mark.parametrize("xmp", [b"", b"no XML", SOURCE, b"<x/>", with_disclosure(SOURCE, SAID)])
def test_it_is_said_once(xmp: bytes) -> None:
    packet = with_disclosure(xmp, SAID)
    found = properties(packet)
    source_type = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
    assert found[f"{EXT}DigitalSourceType"] == [source_type]
    assert found[f"{OWN}Model"] == ["m"]
    assert found[f"{OWN}ModelSHA256"] == ["ab"]
    assert found[f"{OWN}Statement"] == [STATEMENT]
    assert found[f"{OWN}Parameters"] == ['{"saturation": 1.2}']
    assert packet.startswith(b"<?xpacket begin=")
    assert packet.rstrip().endswith(b'<?xpacket end="w"?>')


def test_the_sources_own_words_stay() -> None:
    assert properties(with_disclosure(SOURCE, SAID))["{http://purl.org/dc/elements/1.1/}creator"] == ["Dorothea Lange"]


def test_bombs_of_entities_are_not_read() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    assert b"aaaa" not in with_disclosure(bomb, SAID)


def test_what_is_disclosed() -> None:
    engine = Engine(find_colorizer())
    said = disclose(engine, Options(warmth=3), "algorithmicallyEnhanced")
    assert said.model_sha256 == engine.file.sha256
    assert said.parameters == {"warmth": 3.0}
    assert said.digital_source_type == "algorithmicallyEnhanced"
