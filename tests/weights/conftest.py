"""What the tests of weights share: a folder, no proxy, no mirror, and no time to lose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chromalab.weights import download
from chromalab.weights.manifest import MANIFEST, TrunkWeights
from tests.weights.examples import tiny_entry, tiny_file
from tests.weights.site import Site, served


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take proxies and mirrors away, and the pauses between two tries."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for spelled in (name, name.upper()):
            monkeypatch.delenv(spelled, raising=False)
    monkeypatch.delenv("CHROMALAB_MIRROR", raising=False)
    monkeypatch.setattr(download, "PAUSE_S", 0.0)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the weights folder, not created yet."""
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def site(web: None) -> Iterator[Site]:
    """Serve `tiny_file`."""
    with served(tiny_file()) as site:
        yield site


@pytest.fixture
def tiny(site: Site, monkeypatch: pytest.MonkeyPatch) -> TrunkWeights:
    """Put the file of the site into the manifest as `tiny`, as if it were published there."""
    entry = tiny_entry(f"{site.url}/published/tiny.pth")
    monkeypatch.setitem(MANIFEST._entries, entry.name, entry)
    return entry
