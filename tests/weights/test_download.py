"""Downloads from a server on this machine: good, wrong, cut off, silent, absent, redirected, behind a proxy."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest
import torch
from safetensors.torch import save

from chromalab.core.errors import UsageError
from chromalab.weights import download as download_module
from chromalab.weights.adding import add_weights
from chromalab.weights.errors import DamagedWeightsError, DownloadError, UnknownWeightsError
from chromalab.weights.store import stored_weights
from tests.weights.examples import trunk_state

if TYPE_CHECKING:
    from pathlib import Path

GOOD = save(trunk_state("squeezenet1_1"))
GOOD_SHA256 = hashlib.sha256(GOOD).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    requests: ClassVar[list[str]] = []
    release: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        self.requests.append(self.path)
        name = self.path.rpartition("/")[2].partition("?")[0]
        if name == "absent.pth":
            self.send_error(404)
        elif name == "moved.pth":
            self.answer(302, {"Location": "/good.safetensors"})
        elif name == "away.pth":
            self.answer(302, {"Location": "ftp://127.0.0.1/good.safetensors"})
        elif name == "cut.safetensors":
            self.answer(200, {"Content-Length": str(len(GOOD))}, GOOD[:-1000])
        elif name == "unsized.safetensors":
            self.answer(200, {}, GOOD)
        elif name == "silent.safetensors":
            self.answer(200, {"Content-Length": str(len(GOOD))}, GOOD[:1000])
            self.wfile.flush()
            self.release.wait(10)
        else:
            self.answer(200, {"Content-Length": str(len(GOOD))}, GOOD)

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server of weight files."""
    _Handler.requests.clear()
    _Handler.release.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http_server.server_port}"
        _Handler.release.set()
        http_server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The weights folder; no proxy stands between it and the server."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def nothing_kept(folder: Path) -> bool:
    return not folder.exists() or not any(folder.iterdir())


@pytest.mark.parametrize(
    "name", ["good.safetensors", "good.safetensors?download=true", "moved.pth", "unsized.safetensors"]
)
def test_a_good_file_is_added_with_its_address(server: str, folder: Path, name: str) -> None:
    record = add_weights(f"{server}/models/{name}", sha256=GOOD_SHA256)
    assert record.name == "squeezenet1_1"
    assert record.source == f"{server}/models/{name}"
    assert record.source_sha256 == GOOD_SHA256
    assert sorted(path.name for path in folder.iterdir()) == sorted([record.file, "squeezenet1_1.json"])


def test_a_published_name_brings_its_hash(server: str, folder: Path) -> None:
    """What the server sends under that name is not the published file, and is refused."""
    with pytest.raises(DamagedWeightsError, match=f"{GOOD_SHA256}.*b8a52dc049b60e4b"):
        add_weights(f"{server}/mirror/squeezenet1_1-b8a52dc0.pth")
    assert nothing_kept(folder)


def test_a_wrong_hash_keeps_nothing(server: str, folder: Path) -> None:
    with pytest.raises(DamagedWeightsError, match="nothing of it was kept"):
        add_weights(f"{server}/good.safetensors", sha256="0" * 64)
    assert nothing_kept(folder)


def test_a_url_without_a_known_hash_is_not_fetched(server: str, folder: Path) -> None:
    with pytest.raises(UsageError, match="--sha256"):
        add_weights(f"{server}/good.safetensors")
    assert _Handler.requests == []
    assert nothing_kept(folder)


def test_a_download_that_is_cut_off_keeps_nothing(server: str, folder: Path) -> None:
    with pytest.raises(DownloadError, match="connection ended after"):
        add_weights(f"{server}/cut.safetensors", sha256=GOOD_SHA256)
    assert nothing_kept(folder)


def test_a_failed_download_leaves_what_was_there(server: str, folder: Path) -> None:
    before = add_weights(f"{server}/good.safetensors", sha256=GOOD_SHA256)
    with pytest.raises(DownloadError):
        add_weights(f"{server}/cut.safetensors", sha256=GOOD_SHA256)
    assert stored_weights("squeezenet1_1") == before


def test_a_server_that_falls_silent_is_given_up(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "TIMEOUT_S", 0.2)
    with pytest.raises(DownloadError, match="timed out"):
        add_weights(f"{server}/silent.safetensors", sha256=GOOD_SHA256)
    assert nothing_kept(folder)


def test_an_absent_file_and_an_absent_server(server: str, folder: Path) -> None:
    with pytest.raises(DownloadError, match="404"):
        add_weights(f"{server}/absent.pth", sha256=GOOD_SHA256)
    with pytest.raises(DownloadError, match="can't be fetched"):
        add_weights("http://127.0.0.1:1/good.safetensors", sha256=GOOD_SHA256)
    assert nothing_kept(folder)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/good.pth", "file:///etc/hostname", "data://text/plain,x"])
def test_only_http_is_fetched(url: str, folder: Path) -> None:
    with pytest.raises(UsageError, match="only http and https"):
        add_weights(url, sha256=GOOD_SHA256)
    assert nothing_kept(folder)


def test_a_redirection_elsewhere_is_not_followed(server: str, folder: Path) -> None:
    with pytest.raises(DownloadError, match="unknown url type: ftp"):
        add_weights(f"{server}/away.pth", sha256=GOOD_SHA256)
    assert nothing_kept(folder)


def test_a_proxy_is_honoured(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server)
    monkeypatch.setenv("no_proxy", "")
    add_weights("http://weights.invalid/good.safetensors", sha256=GOOD_SHA256)
    assert _Handler.requests == ["http://weights.invalid/good.safetensors"]


def test_what_was_fetched_is_judged_like_any_file(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = save({"layer.weight": torch.zeros(3)})
    monkeypatch.setattr(_Handler, "do_GET", lambda self: self.answer(200, {"Content-Length": str(len(body))}, body))
    with pytest.raises(UnknownWeightsError, match="none of them"):
        add_weights(f"{server}/foreign.safetensors", sha256=hashlib.sha256(body).hexdigest())
    assert nothing_kept(folder)
