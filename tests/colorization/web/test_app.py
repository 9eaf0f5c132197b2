"""The HTTP API: results, refusals, limits and cleanup."""

from __future__ import annotations

import io
import json
import re
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient
from PIL import Image

from chromalab.colorization import colorizer
from chromalab.colorization.web import app as apps
from chromalab.colorization.web import uploads
from chromalab.colorization.web.app import PREVIEW_PX, STATIC, create_app
from chromalab.colorization.web.settings import ServerSettings
from chromalab.colorization.web.uploads import Result
from chromalab.core.errors import UsageError
from chromalab.photo.scan import open_scan
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import constant_ab
from tests.photo.odd_files import picture, png_that_declares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chromalab.colorization.web.queue import Ticket


@pytest.fixture(scope="module")
def brown(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(constant_ab(tmp_path_factory.mktemp("m") / "brown.onnx", 12, 20))


@pytest.fixture
def client(brown: str) -> Iterator[TestClient]:
    settings = ServerSettings(models=[brown, "flagship"], workers=2, queue=2, max_bytes=300_000, max_pixels=1_000_000)
    with TestClient(create_app(settings)) as client:
        yield client


def photo(kind: str = "JPEG", pixels: Any = None, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture() if pixels is None else pixels).save(file, kind, **options)
    return file.getvalue()


def post(client: TestClient, data: bytes, name: str = "a.jpg", path: str = "/v1/colorize", **form: Any) -> Any:
    return client.post(path, files={"file": (name, data)}, data=form)


def test_colorized_photo_has_facts_and_disclosure(client: TestClient) -> None:
    answer = post(client, photo(xmp=b""), model="brown")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    facts = json.loads(answer.headers["x-chromalab"])
    assert (facts["model"], facts["height"], facts["width"], facts["bits"]) == ("brown", 60, 90, 8)
    assert b"compositeWithTrainedAlgorithmicMedia" in answer.content
    assert not list(client.app.state.folder.iterdir())  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "media"), [("png", "image/png"), ("tiff", "image/tiff"), ("webp", "image/webp")])
def test_file_types(client: TestClient, kind: str, media: str) -> None:
    answer = post(client, photo(), format=kind)
    assert answer.headers["content-type"] == media
    assert Image.open(io.BytesIO(answer.content)).size == (90, 60)


def test_options_reach_the_colors(client: TestClient) -> None:
    plain, grey, hinted = (
        np.asarray(Image.open(io.BytesIO(post(client, photo("PNG"), format="png", **form).content)), dtype=int)
        for form in (
            {"model": "brown"},
            {"model": "brown", "saturation": 0},
            {"model": "brown", "hints": '[{"x": 50, "y": 50, "unit": "percent", "color": "#0000ff"}]'},
        )
    )
    assert np.abs(grey.max(axis=2) - grey.min(axis=2)).max() <= 2
    assert np.abs(plain - hinted).max() > 40
    version = post(client, photo(), sample=1)
    # The first model, brown, has no versions.
    assert json.loads(version.headers["x-chromalab"])["model"] == "flagship"
    refused = post(client, photo(), model="brown", sample=1)
    assert refused.status_code == 422
    assert "no distribution" in refused.json()["detail"]


def test_previews_and_gray_copies(client: TestClient) -> None:
    large = photo("PNG", pixels=np.full((200, 2 * PREVIEW_PX, 3), 90, np.uint8))
    for path, form in (("/v1/colorize", {"preview": "true"}), ("/v1/grey", {})):
        answer = post(client, large, path=path, **form)
        assert answer.status_code == 200, answer.text
        assert Image.open(io.BytesIO(answer.content)).size == (PREVIEW_PX, 100)


def test_a_print_keeps_its_tone_in_previews_as_in_files(client: TestClient) -> None:
    ramp = np.tile(np.linspace(0, 255, 90), (60, 1))[..., None] * np.array([1.0, 0.85, 0.65])
    sepia = photo("PNG", pixels=ramp.astype(np.uint8))
    colors = {}
    for form in ({}, {"keep_tone": "true"}, {"preview": "true"}, {"keep_tone": "true", "preview": "true"}):
        answer = post(client, sepia, model="brown", format="jpeg", **form)
        colors[len(form), "preview" in form] = np.asarray(Image.open(io.BytesIO(answer.content)), int)[:, 30:60]
    toned, toned_preview = (colors[key].mean(axis=(0, 1)) for key in ((1, False), (2, True)))
    assert np.abs(toned - toned_preview).max() < 2
    assert np.abs(toned_preview - colors[1, True].mean(axis=(0, 1))).max() > 10


@pytest.mark.slow
def test_hints_in_pixels_of_the_photo_show_at_the_same_place_in_a_preview(client: TestClient) -> None:
    large = photo("PNG", pixels=np.full((40, 2 * PREVIEW_PX, 3), 90, np.uint8))
    x = 2 * PREVIEW_PX - 200
    boxes = {"px": (x, 0, 200, 40), "percent": (100 * x / (2 * PREVIEW_PX), 0, 100 * 200 / (2 * PREVIEW_PX), 100)}
    answers = [
        post(client, large, preview="true", model="brown", hints=json.dumps([
            {"unit": unit, "color": "#0000ff", **dict(zip(("x", "y", "width", "height"), box, strict=True))}
        ]))
        for unit, box in boxes.items()
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    in_px, in_percent = (np.asarray(Image.open(io.BytesIO(answer.content)), int) for answer in answers)
    assert np.abs(in_px - in_percent).max() <= 2
    assert in_px[10, -20, 2] > in_px[10, -20, 0] + 50


@pytest.mark.parametrize("orientation", [3, 6])
def test_previews_of_large_photos_are_upright(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = photo("PNG", exif=exif)
    hint = '[{"x": 0, "y": 0, "width": 100, "height": 20, "unit": "percent", "color": "#ff0000"}]'
    for path, form in (("/v1/colorize", {"preview": "true", "model": "brown", "hints": hint}), ("/v1/grey", {})):
        whole = post(client, data, path=path, **form)
        assert whole.status_code == 200, whole.text
        with monkeypatch.context() as patch:
            patch.setattr("chromalab.photo.scan.WHOLE_PIXELS", 0)
            large = post(client, data, path=path, **form)
        expected, found = (np.asarray(Image.open(io.BytesIO(answer.content)), int) for answer in (whole, large))
        assert found.shape == expected.shape == ((60, 90, 3) if orientation == 3 else (90, 60, 3))
        assert np.abs(found - expected).mean() < 2
        assert large.headers.get("x-chromalab") == whole.headers.get("x-chromalab")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1), (2, 2), (2, 70_000)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_smallest_and_longest_photos(client: TestClient, kind: str, size: tuple[int, int]) -> None:
    data = photo(kind, pixels=np.full(size, 90, np.uint8))
    for path, form in (("/v1/colorize", {}), ("/v1/colorize", {"preview": "true"}), ("/v1/grey", {})):
        answer = post(client, data, path=path, **form)
        assert answer.status_code == 200, answer.text
        width, height = Image.open(io.BytesIO(answer.content)).size
        reduced = form or path == "/v1/grey"
        assert (height, width) == (
            size if not reduced else (size[0] if size[1] < PREVIEW_PX else 1, min(size[1], PREVIEW_PX))
        )


@pytest.mark.slow
def test_too_long_for_the_file_type(client: TestClient) -> None:
    long = photo("PNG", pixels=np.full((2, 16_385), 90, np.uint8))
    for kind in ("webp", "avif"):
        answer = post(client, long, format=kind)
        assert (answer.status_code, "choose png, jpeg or tif" in answer.text) == (422, True)


@pytest.mark.slow
def test_warnings_are_among_the_facts(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [f"page {number} is damaged" for number in range(1, 31)]

    def damaged(path: Any, *arguments: Any, **options: Any) -> Any:
        return replace(open_scan(path, *arguments, **options), warnings=tuple(found))

    monkeypatch.setattr(colorizer, "open_scan", damaged)
    monkeypatch.setattr(uploads, "open_scan", damaged)
    for form in ({}, {"preview": "true"}):
        facts = json.loads(post(client, photo(), **form).headers["x-chromalab"])
        assert facts["warnings"] == [*found[:9], "21 more warnings"]
    found = found[:1]
    assert json.loads(post(client, photo()).headers["x-chromalab"])["warnings"] == found


def test_information_and_page(client: TestClient) -> None:
    assert [model["name"] for model in client.get("/v1/models").json()] == ["brown", "flagship"]
    assert client.get("/v1/health").json()["status"] == "ok"
    post(client, photo())
    assert 'chromalab_photos_total{result="done"} 1' in client.get("/v1/metrics").text
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/colorize", "/v1/health", "/v1/metrics", "/v1/models", "/v1/grey"} == set(paths)
    page = client.get("/")
    assert "/static/server.js" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name, kind in (
        ("server.js", "text/javascript"),
        ("messages/en.json", "text/javascript"),
        ("page.css", "text/css"),
    ):
        assert client.get(f"/static/{name}").headers["content-type"] == f"{kind}; charset=utf-8"
    assert client.get("/static/messages/en.json").text.startswith('export default {\n  "title"')
    assert client.get("/static/types.ts").status_code == 404
    assert client.get("/static/..%2fapp.py").status_code in {404, 422}
    assert client.get("/docs").status_code == 404


@pytest.mark.parametrize(
    ("data", "form", "status", "words"),
    [
        (b"", {}, 422, "0 bytes"),
        (b"no photo", {}, 422, "content is not"),
        (photo()[:600], {}, 422, "cut off"),
        (png_that_declares(60000, 60000), {}, 422, "over the limit of 1 million"),
        (bytes(350_000), {}, 413, "larger than"),
        (bytes(900_000), {}, 413, "larger than"),
        (photo(), {"model": "/etc/passwd"}, 422, "unknown model"),
        (photo(), {"hints": "nonsense"}, 422, "not JSON"),
        (photo(), {"hints": 50_000 * "["}, 422, "not JSON"),
        (photo(), {"hints": '[{"x": -1, "y": 0, "color": "#ff0000"}]'}, 422, "hint 1"),
        (photo(), {"hints": '[{"x": 9999, "y": 0, "color": "#ff0000"}]'}, 422, "outside the photo"),
        (photo(), {"hints": "{}"}, 422, "list"),
        (photo(), {"model": "brown", "sample": 1}, 422, "no distribution"),
        (photo(), {"saturation": 99}, 422, "saturation: input should be less than or equal to 4"),
        (photo(), {"format": "exe", "quality": 0}, 422, "format: input should be 'jpeg', "),
    ],
)
def test_invalid_requests_are_refused(
    client: TestClient, data: bytes, form: dict[str, Any], status: int, words: str
) -> None:
    answer = post(client, data, **form)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert not list(client.app.state.folder.iterdir())  # type: ignore[attr-defined]


def test_names_of_uploads_are_not_used_as_paths(client: TestClient) -> None:
    for name in ("../../etc/x.jpg", "/root/x.jpg", "a\0b.jpg", "con.exe", "x" * 400 + ".png"):
        assert post(client, photo(), name=name).status_code in {200, 400, 422}
    assert not list(client.app.state.folder.iterdir())  # type: ignore[attr-defined]


def test_other_hosts_and_sites_are_refused(client: TestClient) -> None:
    assert client.get("/v1/health", headers={"Host": "evil.example"}).status_code == 400
    answer = client.post("/v1/colorize", files={"file": ("a.jpg", photo())}, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    answer = client.post("/v1/colorize", files={"file": ("a.jpg", photo())}, headers={"Origin": "http://["})
    assert answer.status_code == 403
    same = client.post("/v1/colorize", files={"file": ("a.jpg", photo())}, headers={"Origin": "http://testserver"})
    assert same.status_code == 200


def test_undeclared_length_is_limited(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        yield b"--x\r\nContent-Disposition: form-data; name=file; filename=a.jpg\r\n\r\n"
        for _ in range(50):
            yield bytes(20_000)

    answer = client.post("/v1/colorize", content=endless(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 413


class Slow:
    """Replaces the work and waits until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.checked: list[str] = []

    def __call__(self, engine: Any, upload: Any, options: Any, ticket: Ticket, **limits: Any) -> Any:
        self.released.wait(20)
        try:
            ticket.check()
        except Exception as error:
            self.checked.append(type(error).__name__)
            raise
        return Result(b"x", "image/jpeg", ".jpg", {})


@pytest.mark.slow
def test_full_queue_refuses_requests(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(apps, "colorize_upload", slow)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(post(client, photo()).status_code)) for _ in range(7)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while len(answers) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    refused = list(answers)
    slow.released.set()
    for thread in threads:
        thread.join()
    assert refused == [503] * 3
    assert sorted(answers) == [200] * 4 + [503] * 3
    assert client.get("/v1/health").json()["inside"] == 0


def test_timeout(brown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(apps, "colorize_upload", slow)
    settings = ServerSettings(models=[brown], workers=1, timeout_s=0.3)
    with TestClient(create_app(settings)) as client:
        answer = post(client, photo())
        slow.released.set()
    assert answer.status_code == 504
    assert "within 0.3 s" in answer.text
    assert slow.checked == ["OutOfTimeError"]


def test_unknown_and_duplicate_models_are_refused(brown: str) -> None:
    with pytest.raises(UsageError, match="unknown model"):
        create_app(ServerSettings(models=["nobody"]))
    with pytest.raises(UsageError, match="two models are named brown"):
        create_app(ServerSettings(models=[brown, brown]))


@pytest.mark.slow
def test_many_clients_at_once(client: TestClient) -> None:
    """Each of many concurrent clients gets its own photo or status 503, and no file is left."""
    results: list[tuple[int, int]] = []

    def ask(number: int) -> None:
        pixels = np.full((40 + number, 50, 3), 90, np.uint8)
        answer = post(client, photo("PNG", pixels=pixels), model="brown")
        height = Image.open(io.BytesIO(answer.content)).height if answer.status_code == 200 else 0
        results.append((answer.status_code, height - 40 - number))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 40
    assert {status for status, _ in results} <= {200, 503}
    assert all(off == 0 for status, off in results if status == 200)
    assert sum(status == 200 for status, _ in results) >= 4
    assert not list(client.app.state.folder.iterdir())  # type: ignore[attr-defined]


@pytest.mark.slow
def test_disconnected_clients_leave_the_queue(brown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real connection is closed while its photo is processed."""
    slow = Slow()
    monkeypatch.setattr(apps, "colorize_upload", slow)
    server = uvicorn.Server(uvicorn.Config(create_app(ServerSettings(models=[brown], workers=1)), log_level="error"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        body = b"--x\r\nContent-Disposition: form-data; name=file; filename=a.jpg\r\n\r\n" + photo() + b"\r\n--x--\r\n"
        head = f"POST /v1/colorize HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        while not server.started:
            time.sleep(0.02)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(head.encode() + body)
            assert until(lambda: inside(port) == 1)
        time.sleep(0.5)
        slow.released.set()
        assert until(lambda: inside(port) == 0)
        counts = httpx2.get(f"http://localhost:{port}/v1/metrics").text
        server.should_exit = True
        thread.join(20)
    assert 'result="cancelled"} 1' in counts
    assert slow.checked == ["CancelledError"]


def inside(port: int) -> int:
    return int(httpx2.get(f"http://localhost:{port}/v1/health").json()["inside"])


def until(condition: Callable[[], bool]) -> bool:
    """Wait at most twenty seconds for a condition."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def keys(messages: dict[str, Any], prefix: str = "") -> list[tuple[str, list[str]]]:
    """Return every key with the sorted placeholders of its sentence."""
    found = []
    for key, value in messages.items():
        if isinstance(value, dict):
            found += keys(value, f"{prefix}{key}.")
        else:
            assert value.strip(), f"{prefix}{key} is empty"
            found.append((f"{prefix}{key}", sorted(re.findall(r"{\w+}", value))))
    return found


def test_every_message_exists_in_every_language() -> None:
    folder = STATIC / "messages"
    english = keys(json.loads((folder / "en.json").read_text(encoding="utf-8")))
    assert len(english) > 80
    translations = sorted((folder / "locales").glob("*.json"))
    assert [path.stem for path in translations] == ["de", "es", "fr", "ja"]
    for path in translations:
        assert keys(json.loads(path.read_text(encoding="utf-8"))) == english


def test_the_page_names_no_app_that_is_not_there(client: TestClient) -> None:
    assert '<p class="app-link" hidden>' in client.get("/").text


def test_the_app_gets_the_models_and_the_icon_of_the_package(
    brown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "index.html").write_text("the app")
    monkeypatch.setattr(apps, "BROWSER_APP", tmp_path / "app")
    with TestClient(create_app(ServerSettings(models=[brown]))) as client:
        page, model = client.get("/app/"), client.get("/app/assets/perceptual-Ab_-12.onnx")
        icon = client.get("/app/assets/icon-GExVwIsB.svg")
        assert page.text == "the app"
        assert '<p class="app-link">' in client.get("/").text
        assert "'wasm-unsafe-eval'" in page.headers["Content-Security-Policy"]
        assert page.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert model.content == find_colorizer("perceptual").path.read_bytes()
        assert icon.content == (apps.STATIC / "icon.svg").read_bytes()
        assert icon.headers["Content-Type"].startswith("image/svg+xml")
        assert client.get("/app/assets/other-Ab_-12.onnx").status_code == 404
        assert client.get("/app/../app.py").status_code == 404


def test_the_photo_of_work_that_runs_on_is_deleted_only_when_it_ends(
    brown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, there = threading.Event(), list[bool]()

    def slow(engine: Any, upload: Path, *_: Any, **limits: Any) -> Any:
        released.wait(20)
        there.append(upload.exists())
        return Result(b"x", "image/jpeg", ".jpg", {})

    monkeypatch.setattr(apps, "colorize_upload", slow)
    with TestClient(create_app(ServerSettings(models=[brown], workers=1, timeout_s=0.3))) as client:
        assert post(client, photo()).status_code == 504
        released.set()
        while client.get("/v1/health").json()["inside"]:
            time.sleep(0.01)
        time.sleep(0.2)
        assert not list(client.app.state.folder.iterdir())  # type: ignore[attr-defined]
    assert there == [True]


def test_a_wrong_host_name_is_refused_before_the_start(brown: str) -> None:
    with pytest.raises(UsageError, match="'http://nas:80' is not a host name"):
        create_app(ServerSettings(models=[brown], hosts=["http://nas:80"]))
