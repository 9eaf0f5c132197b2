"""The disclosure that colors are inferred, in an image's XMP packet and in the record beside it.

The IPTC vocabulary `DigitalSourceType` has a term for it. Inferred colors are more than an enhancement of what the
camera recorded, so the default is `compositeWithTrainedAlgorithmicMedia`; `algorithmicallyEnhanced` is the alternative.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from chromalab.colorization.options import SourceType
from chromalab.core.records import Record
from chromalab.photo.xmp import NAMESPACES, Packet, Property, XmpError, tag
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Options
    from chromalab.colorization.reference import Reference

STATEMENT = "The colors of this image are inferred by a neural network; no camera recorded them."

FILM_STATEMENT = "The colors of this film are inferred by a neural network; no camera recorded them."

_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class Disclosure(Record):
    """The disclosure of a colorized image.

    Attributes:
        statement: sentence that states that the colors are inferred.
        digital_source_type: term of the IPTC vocabulary.
        model: name of the model.
        model_sha256: hash of the model file.
        chromalab_version: version of this package.
        parameters: options that differ from the defaults, and the names and hashes of references.
    """

    statement: str = STATEMENT
    digital_source_type: SourceType = "compositeWithTrainedAlgorithmicMedia"
    model: str
    model_sha256: str
    chromalab_version: str = __version__
    parameters: dict[str, object] = {}


def disclose(
    engine: Engine, options: Options, source_type: SourceType, references: Sequence[Reference] = ()
) -> Disclosure:
    """Return the disclosure of images that `engine` colorizes with `options` and references."""
    named = {"references": [reference.described() for reference in references]} if references else {}
    return Disclosure(
        digital_source_type=source_type,
        model=engine.spec.name,
        model_sha256=engine.file.sha256,
        parameters=options.described() | named,
    )


def with_disclosure(xmp: bytes, disclosure: Disclosure) -> bytes:
    """Return an XMP packet with the disclosure and with all other properties of the given packet.

    Args:
        xmp: the source's packet; an empty one, or one that cannot be read, is replaced by a new packet.
        disclosure: the disclosure; it replaces earlier values of the same properties.
    """
    try:
        packet = Packet.parse(xmp)
    except XmpError:
        packet = Packet.empty()
    names = {tag("Iptc4xmpExt", name) for name in ("DigitalSourceType", "AISystemUsed", "AISystemVersionUsed")}
    packet.remove(lambda name: name in names or name.startswith(f"{{{NAMESPACES['chromalab']}}}"))
    packet.add(_properties(disclosure))
    return packet.to_bytes()


def _properties(disclosure: Disclosure) -> dict[Property, str]:
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
