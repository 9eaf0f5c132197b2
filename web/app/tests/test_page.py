"""The built app in Chromium, served by a plain static server, compared with the Python tool.

`make app-check` builds the app and runs these tests; they are not part of `make test`, which needs no Node.
"""

from __future__ import annotations

import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from skimage.color import deltaE_ciede2000

import chromalab
from chromalab.color.lab import rgb_to_lab
from chromalab.data import sample_path
from chromalab.photo.scan import open_scan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

DIST = Path(__file__).parents[1] / "dist"
DESCRIPTION, ORIENTATION = 0x010E, 0x0112
TIMEOUT_MS = 120_000


class Handler(SimpleHTTPRequestHandler):
    """Serves the built app without writing a log."""

    def log_message(self, *_: object) -> None:
        """Write nothing."""


class Isolated(Handler):
    """Serves it with the headers that allow several threads."""

    def end_headers(self) -> None:
        """Add the headers."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a running browser."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the address of the app on a server with isolation, or with the handler that the test names."""
    handler = functools.partial(getattr(request, "param", Isolated), directory=str(DIST))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Yield the loaded app; the test fails if the page logs an error, such as a violation of its policy."""
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.set_default_timeout(TIMEOUT_MS)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    expect(page.locator("#status")).to_contain_text("Ready", timeout=TIMEOUT_MS)
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a gray JPEG that is stored rotated, with a description."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[DESCRIPTION] = 6, "A cup"
    path = tmp_path / "cup.jpg"
    Image.open(sample_path("coffee")).convert("L").save(path, exif=exif, quality=95)
    return path


def choose(page: Page, path: Path) -> None:
    """Choose a photo and wait for its colors."""
    page.set_input_files("#files", path)
    page.wait_for_selector("#slider:not([hidden])")


def download(page: Page, file_type: str, folder: Path) -> Path:
    """Download the result."""
    page.select_option("#format", file_type)
    with page.expect_download() as waiting:
        page.click("#download")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    page.wait_for_selector("#saving:not([disabled])")
    return path


@pytest.mark.parametrize("address", [Handler, Isolated], indirect=True)
def test_colors_equal_those_of_the_python_tool(page: Page, photo: Path, tmp_path: Path) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    choose(page, photo)
    path = download(page, "image/png", tmp_path)
    ours, theirs = np.asarray(Image.open(path).convert("RGB")), chromalab.colorize(photo)
    assert ours.shape == theirs.shape
    difference = deltaE_ciede2000(rgb_to_lab(ours / 255), rgb_to_lab(theirs / 255))
    assert difference.mean() <= 0.3
    assert np.quantile(difference, 0.99) <= 1
    assert [url for url in requests if not url.startswith("blob:")] == []


@pytest.mark.parametrize("file_type", ["image/jpeg", "image/png"])
def test_downloads_carry_the_metadata_and_the_notice(page: Page, photo: Path, tmp_path: Path, file_type: str) -> None:
    choose(page, photo)
    path = download(page, file_type, tmp_path)
    with Image.open(path) as image:
        exif = image.getexif()
    assert (exif[ORIENTATION], exif[DESCRIPTION]) == (1, "A cup")
    scan = open_scan(path)
    assert scan.warnings == ()
    assert b"compositeWithTrainedAlgorithmicMedia" in scan.metadata.xmp


def test_settings_change_the_colors(page: Page, photo: Path, tmp_path: Path) -> None:
    choose(page, photo)
    page.fill("#saturation", "0")
    pixels = np.asarray(Image.open(download(page, "image/png", tmp_path)).convert("RGB"), dtype=int)
    assert np.ptp(pixels, axis=2).max() == 0


def test_an_unreadable_file_gets_a_message_and_the_next_photo_is_colorized(
    page: Page, photo: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 no photo")
    page.set_input_files("#files", [broken])
    page.wait_for_selector("#status.bad")
    assert "cannot read broken.jpg" in page.inner_text("#status")
    choose(page, photo)


def test_a_narrow_phone_needs_no_sideways_scrolling(page: Page, photo: Path) -> None:
    choose(page, photo)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
