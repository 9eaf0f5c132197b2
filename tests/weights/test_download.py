"""Adding from a URL, of a server on this machine: good, wrong, cut off, silent, absent, moved, behind a proxy."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save

from chromalab.core.errors import DamagedWeightsError, DownloadError, UnknownWeightsError, UsageError
from chromalab.weights import download as download_module
from chromalab.weights.adding import add_weights
from chromalab.weights.download import TRIES
from chromalab.weights.store import stored_weights
from tests.weights.examples import trunk_state
from tests.weights.site import Site, cut, served, silent, status, unsized

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD = save(trunk_state("squeezenet1_1"))
GOOD_SHA256 = hashlib.sha256(GOOD).hexdigest()


@pytest.fixture
def server(web: None, folder: Path) -> Iterator[Site]:
    """Serve a SqueezeNet."""
    with served(GOOD) as site:
        yield site


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("name", ["good.safetensors", "good.safetensors?download=true", "moved.pth", "unsized.pth"])
def test_a_good_file_is_added_with_its_address(server: Site, folder: Path, name: str) -> None:
    if name == "moved.pth":
        server.answers.append(status(302, Location="/good.safetensors"))
    if name == "unsized.pth":
        server.answers.append(unsized)
    record = add_weights(f"{server.url}/models/{name}", sha256=GOOD_SHA256)
    assert record.name == "squeezenet1_1"
    assert record.source == f"{server.url}/models/{name}"
    assert record.source_sha256 == GOOD_SHA256
    assert names(folder) == sorted([record.file, "squeezenet1_1.json"])


def test_a_published_name_brings_its_hash(server: Site, folder: Path) -> None:
    """What the server sends under that name is not the published file, and is refused."""
    with pytest.raises(DamagedWeightsError, match=f"{GOOD_SHA256}.*b8a52dc049b60e4b"):
        add_weights(f"{server.url}/mirror/squeezenet1_1-b8a52dc0.pth")
    assert names(folder) == []


def test_a_wrong_hash_keeps_nothing(server: Site, folder: Path) -> None:
    with pytest.raises(DamagedWeightsError, match="the download was deleted"):
        add_weights(f"{server.url}/good.safetensors", sha256="0" * 64)
    assert names(folder) == []


def test_a_url_without_a_known_hash_is_not_fetched(server: Site, folder: Path) -> None:
    with pytest.raises(UsageError, match="--sha256"):
        add_weights(f"{server.url}/good.safetensors")
    assert server.asked == []
    assert names(folder) == []


def test_a_download_that_is_cut_off_is_gone_on_with(server: Site, folder: Path) -> None:
    server.answers.extend([cut(1_000_000)] * TRIES)
    with pytest.raises(DownloadError, match=r"connection ended after.*1,000,000 bytes are kept"):
        add_weights(f"{server.url}/good.safetensors", sha256=GOOD_SHA256)
    assert names(folder) == [f"{GOOD_SHA256}.part"]
    assert stored_weights("squeezenet1_1") is None
    record = add_weights(f"{server.url}/good.safetensors", sha256=GOOD_SHA256)
    assert server.ranges[-1] == "bytes=1000000-"
    assert names(folder) == sorted([record.file, "squeezenet1_1.json"])


def test_a_failed_download_leaves_what_was_there(server: Site, folder: Path) -> None:
    before = add_weights(f"{server.url}/good.safetensors", sha256=GOOD_SHA256)
    server.answers.extend([cut(1000)] * TRIES)
    with pytest.raises(DownloadError):
        add_weights(f"{server.url}/good.safetensors", sha256=GOOD_SHA256)
    assert stored_weights("squeezenet1_1") == before


@pytest.mark.slow
def test_a_server_that_falls_silent_is_given_up(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "TIMEOUT_S", 0.1)
    server.answers.extend([silent(0)] * TRIES)
    with pytest.raises(DownloadError, match="timed out"):
        add_weights(f"{server.url}/good.safetensors", sha256=GOOD_SHA256)


def test_an_absent_file_and_an_absent_server(server: Site, folder: Path) -> None:
    server.answers.append(status(404))
    with pytest.raises(DownloadError, match="404"):
        add_weights(f"{server.url}/absent.pth", sha256=GOOD_SHA256)
    with pytest.raises(DownloadError, match="can't be fetched"):
        add_weights("http://127.0.0.1:1/good.safetensors", sha256=GOOD_SHA256)
    assert names(folder) == []


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/good.pth", "file:///etc/hostname", "data://text/plain,x"])
def test_only_http_is_fetched(url: str, folder: Path) -> None:
    with pytest.raises(UsageError, match="only http and https"):
        add_weights(url, sha256=GOOD_SHA256)
    assert names(folder) == []


def test_a_redirection_elsewhere_is_not_followed(server: Site, folder: Path) -> None:
    server.answers.append(status(302, Location="ftp://127.0.0.1/good.safetensors"))
    with pytest.raises(DownloadError, match="unknown url type: ftp"):
        add_weights(f"{server.url}/away.pth", sha256=GOOD_SHA256)
    assert names(folder) == []


def test_a_proxy_is_honored(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    add_weights("http://weights.invalid/good.safetensors", sha256=GOOD_SHA256)
    assert [asked.path for asked in server.asked] == ["http://weights.invalid/good.safetensors"]


def test_a_download_through_a_proxy_goes_on_too(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.answers.append(cut(1_000_000))
    add_weights("http://weights.invalid/good.safetensors", sha256=GOOD_SHA256)
    assert server.ranges == [None, "bytes=1000000-"]


def test_a_proxy_for_https_is_asked_for_a_tunnel(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    with pytest.raises(DownloadError, match="407"):
        add_weights("https://weights.invalid/good.safetensors", sha256=GOOD_SHA256)
    assert server.connected == ["weights.invalid:443"]


def test_hosts_in_no_proxy_are_asked_directly(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "example.org,127.0.0.1")
    add_weights(f"{server.url}/good.safetensors", sha256=GOOD_SHA256)
    assert [asked.path for asked in server.asked] == ["/good.safetensors"]


def test_what_was_fetched_is_judged_like_any_file(server: Site, folder: Path) -> None:
    server.content = save({"layer.weight": torch.zeros(3)})
    with pytest.raises(UnknownWeightsError, match="none of them"):
        add_weights(f"{server.url}/foreign.safetensors", sha256=hashlib.sha256(server.content).hexdigest())
    assert names(folder) == []


def test_a_damaged_file_is_called_by_its_address(server: Site, folder: Path) -> None:
    server.content = b"PK\x03\x04 but no archive"
    with pytest.raises(UnknownWeightsError, match=f"^{server.url}/damaged.pth is damaged"):
        add_weights(f"{server.url}/damaged.pth", sha256=hashlib.sha256(server.content).hexdigest())
    assert names(folder) == []
