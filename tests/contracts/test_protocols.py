"""What every evaluation protocol must satisfy."""

from __future__ import annotations

import pytest
from skimage.data import coffee

from chromalab.evaluation.protocols import PROTOCOLS, fit
from chromalab.metrics.registry import METRICS


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_a_protocol_is_documented_and_brings_photos_to_its_size(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol.name == name
    assert protocol.title
    assert protocol.source
    assert all(variant.name in METRICS for variant in protocol.variants)
    height, width = fit(coffee(), protocol).shape[:2]
    if protocol.resize == "none":
        assert (height, width) == coffee().shape[:2]
    elif protocol.crop or protocol.resize == "both sides":
        assert (height, width) == (protocol.side_px, protocol.side_px)
    else:
        assert min(height, width) == protocol.side_px


def test_no_two_protocols_have_the_same_rules() -> None:
    assert len({protocol.sha256 for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)
