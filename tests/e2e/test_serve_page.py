"""The page of `chromalab serve` in a real browser: uploads, slider, hints, downloads and refusals."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SHOWN = ".card .after:not([hidden])"
SOON_MS = 60_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Start the server on a free port."""
    command = [sys.executable, "-c", "from chromalab.cli.main import run; run()", "serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "http://127.0.0.1:" in line, line
    yield line.split()[3]
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Return the page, and fail where its script has an error."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    yield page
    page.close()
    assert not errors


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    grey = np.asarray(Image.fromarray(picture(200, 300)).convert("L"))
    return [str(save(tmp_path / name, grey)) for name in ("a'b é.jpg", "deep.tif")]


def pixels(page: Page, card: int) -> np.ndarray:
    page.locator(".card input[type=range]").nth(card).fill("0")
    shot = page.locator(".card .slider").nth(card).screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), dtype=int)


def test_photos_get_colors_hints_and_downloads(page: Page, photos: list[str]) -> None:
    page.set_input_files("#files", photos)
    expect(page.locator(SHOWN)).to_have_count(2, timeout=SOON_MS)
    expect(page.locator(".state").first).to_have_text("300 × 200")
    before = pixels(page, 0)
    assert (before.max(axis=2) - before.min(axis=2)).mean() > 2
    page.check("#hinting")
    page.fill("#color", "#1040ff")
    with page.expect_response("**/v1/colorize"):
        page.locator(".card .dots").first.click(position={"x": 120, "y": 90})
    expect(page.locator(".dot")).to_have_count(1)
    page.wait_for_timeout(500)
    hinted = pixels(page, 0)
    assert np.abs(hinted - before).max() > 40
    with page.expect_response("**/v1/colorize"):
        page.locator(".dot").click()
    page.uncheck("#hinting")
    page.select_option("#format", "png")
    with page.expect_download(timeout=SOON_MS) as download:
        page.locator(".download").first.click()
    assert download.value.suggested_filename == "a'b é-colorized.png"
    with Image.open(download.value.path()) as image:
        assert image.size == (300, 200)
        assert "compositeWithTrainedAlgorithmicMedia" in str(image.info)


def test_settings_apply_to_all_photos(page: Page, photos: list[str]) -> None:
    page.set_input_files("#files", photos)
    expect(page.locator(SHOWN)).to_have_count(2, timeout=SOON_MS)
    with page.expect_response("**/v1/colorize"):
        page.locator("#saturation").fill("0")
    page.wait_for_timeout(1500)
    for card in (0, 1):
        shown = pixels(page, card)[20:-20, 20:-20]
        assert (shown.max(axis=2) - shown.min(axis=2)).mean() < 2
    expect(page.locator("#saturation-is")).to_have_text("0.0")
    page.locator(".remove").first.click()
    expect(page.locator(".card")).to_have_count(1)


def test_a_file_that_is_not_a_photo_is_reported(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no photo")
    page.set_input_files("#files", [str(bad)])
    expect(page.locator(".card.failed .state")).to_contain_text("can't be read", timeout=SOON_MS)
    expect(page.locator(".download")).to_be_disabled()


def test_the_page_on_phones(page: Page, photos: list[str]) -> None:
    page.set_viewport_size({"width": 375, "height": 700})
    page.set_input_files("#files", photos[:1])
    expect(page.locator(SHOWN)).to_have_count(1, timeout=SOON_MS)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 375
