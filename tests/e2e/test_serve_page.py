"""The page of `chromalab serve` in a real browser: uploads, settings, known colors, downloads and refusals."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from chromalab.colorization.web.app import STATIC
from chromalab.photo.scan import open_scan
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

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


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """Open the page, and fail where its script has an error or its policy is violated."""
    page = browser.new_page(**{"viewport": {"width": 1366, "height": 900}, **options})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "policy" in message.text.lower() else None)
    page.goto(address)
    expect(page.locator("#status")).not_to_be_empty()
    yield page
    page.close()
    assert not errors


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as page:
        yield page


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    gray = np.asarray(Image.fromarray(picture(200, 300)).convert("L"))
    deep = tmp_path / "deep.tif"
    Image.fromarray(gray.astype(np.uint16) * 257).save(deep)
    return [str(save(tmp_path / "a'b é.jpg", gray)), str(deep)]


def choose(page: Page, photos: list[str]) -> None:
    page.set_input_files("#files", photos)
    expect(page.locator("#photos li")).to_have_count(len(photos))
    wait(page)


def wait(page: Page) -> None:
    """Wait until no photo waits and the viewer shows the result."""
    expect(page.locator("#photos li:not([data-state=done], [data-state=failed])")).to_have_count(0, timeout=SOON_MS)
    expect(page.locator("#viewer[aria-busy=false]")).to_be_visible(timeout=SOON_MS)


def shown(page: Page) -> np.ndarray:
    """Return the result on the screen, without the line and the labels."""
    page.locator("#cut").press("Home")
    pixels = np.asarray(Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB"), dtype=int)
    height, width, _ = pixels.shape
    return pixels[height // 8 : height // 2, width // 4 : 3 * width // 4]


def chroma(pixels: np.ndarray) -> float:
    return float((pixels.max(axis=2) - pixels.min(axis=2)).mean())


def download(page: Page, folder: Path, file_type: str) -> Path:
    page.select_option("#format", file_type)
    with page.expect_download(timeout=SOON_MS) as waiting:
        page.click("#download")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    expect(page.locator("#saving:not([disabled])")).to_be_visible()
    return path


def test_photos_get_colors_known_colors_and_downloads(page: Page, photos: list[str], tmp_path: Path) -> None:
    choose(page, photos)
    expect(page.locator("#counts")).to_have_text("2 of 2 colorized")
    before = shown(page)
    assert chroma(before) > 2
    page.fill("#hint-color", "#1040ff")
    page.click("#viewer", position={"x": 350, "y": 250})
    wait(page)
    assert np.abs(shown(page) - before).max() > 40
    page.get_by_label("Remove color 1").click()
    wait(page)
    assert np.abs(shown(page) - before).max() <= 1
    path = download(page, tmp_path, "image/png")
    assert path.name == "a'b é.colorized.png"
    with Image.open(path) as image:
        assert image.size == (300, 200)
        assert "compositeWithTrainedAlgorithmicMedia" in str(image.info)


def test_a_16_bit_tiff_file_keeps_its_type_and_depth(page: Page, photos: list[str], tmp_path: Path) -> None:
    choose(page, photos[1:])
    expect(page.locator("#stage > canvas")).to_be_visible()  # browsers cannot show the file itself
    path = download(page, tmp_path, "")
    assert path.name == "deep.colorized.tif"
    scan = open_scan(path)
    assert (scan.file_kind, scan.bits) == ("tiff", 16)


def test_the_network_is_a_setting_of_all_photos(page: Page, photos: list[str]) -> None:
    choose(page, photos)
    models = page.evaluate("fetch('/v1/models').then((answer) => answer.json())")
    assert page.locator("#network option").all_text_contents() == [model["name"] for model in models]
    name = next(model["name"] for model in models if model["versions"])
    for select, value in (("#network", name), ("#version", "1")):
        with page.expect_response("**/v1/colorize", timeout=SOON_MS) as response:
            page.select_option(select, value)
        assert json.loads(response.value.headers["x-chromalab"])["model"] == name
        wait(page)
    expect(page.locator("#license")).to_contain_text(name)
    page.select_option("#network", next(model["name"] for model in models if not model["versions"]))
    expect(page.locator("#version")).to_be_disabled()
    wait(page)


def choose_without_colors(page: Page, files: list[str]) -> None:
    choose(page, files)
    page.fill("#saturation", "0")
    wait(page)
    assert chroma(shown(page)) < 2


def test_the_tone_of_a_print_shows_in_the_viewer(page: Page, tmp_path: Path) -> None:
    gray = np.tile(np.linspace(40, 215, 300), (200, 1))[..., None]
    sepia = (gray * np.array([1.0, 0.85, 0.65])).astype(np.uint8)
    choose_without_colors(page, [str(save(tmp_path / "sepia.png", sepia))])
    page.check("#tone")
    wait(page)
    assert chroma(shown(page)) > 10


def test_settings_apply_to_one_photo_or_to_all(page: Page, photos: list[str]) -> None:
    choose_without_colors(page, photos)
    page.click("#next")
    wait(page)
    assert chroma(shown(page)) > 2
    page.click("#previous")
    page.click("#apply-to-all")
    page.click("#next")
    wait(page)
    assert chroma(shown(page)) < 2


def test_outdated_requests_are_stopped(page: Page, photos: list[str]) -> None:
    choose(page, photos[:1])
    held: list[Route] = []
    page.route("**/v1/colorize", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/v1/colorize"):
        page.fill("#saturation", "0.5")
    with page.expect_event("requestfailed"):
        page.fill("#saturation", "0")
    wait(page)
    assert chroma(shown(page)) < 2


def test_a_file_that_is_not_a_photo_is_reported(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no photo")
    page.set_input_files("#files", str(bad))
    expect(page.locator("#problem")).to_contain_text("can't be read", timeout=SOON_MS)
    expect(page.locator("#download")).to_be_disabled()


def test_a_photo_keeps_its_colors_where_its_original_cannot_be_shown(
    page: Page, photos: list[str], tmp_path: Path
) -> None:
    requests: list[Route] = []

    def answer(route: Route) -> None:
        requests.append(route)
        if len(requests) == 2:  # the gray copy, because browsers cannot show TIFF files
            route.fulfill(status=504, json={"detail": "the photo was not finished in time"})
        else:
            route.continue_()

    page.route("**/v1/colorize", answer)
    choose(page, photos[1:])
    expect(page.locator("#status")).to_contain_text("not finished in time")
    expect(page.locator("#photos li[data-state=done]")).to_have_count(1)
    assert download(page, tmp_path, "").name == "deep.colorized.tif"
    assert len(requests) == 3


def test_photos_are_colorized_after_a_failure_has_passed(page: Page, photos: list[str]) -> None:
    choose(page, photos)
    page.fill("#hint-color", "#1040ff")
    page.click("#viewer", position={"x": 350, "y": 250})
    wait(page)
    colored = shown(page)
    page.route("**/v1/colorize", lambda route: route.abort())
    page.fill("#saturation", "0.9")
    expect(page.locator("#photos li[data-state=failed]")).to_have_count(1, timeout=SOON_MS)
    expect(page.locator("#problem")).to_contain_text("cannot be reached")
    page.click("#next")  # renders the other one, too
    expect(page.locator("#photos li[data-state=failed]")).to_have_count(2, timeout=SOON_MS)
    page.unroute("**/v1/colorize")
    page.locator("#photos .photo").first.click()
    expect(page.locator("#photos li[data-state=done]")).to_have_count(1, timeout=SOON_MS)
    expect(page.locator("#hint-list li")).to_have_count(1)
    page.click("#retry")
    expect(page.locator("#retry")).to_be_hidden()
    wait(page)
    expect(page.locator("#photos li[data-state=done]")).to_have_count(2)
    assert np.median(np.abs(shown(page) - colored)) < 10  # a marker may have the focus


def test_a_busy_server_is_asked_again(page: Page, photos: list[str]) -> None:
    asked: list[Route] = []

    def answer(route: Route) -> None:
        asked.append(route)
        if len(asked) > 2:
            route.continue_()
        else:
            route.fulfill(status=503, json={"detail": "4 photos are waiting"}, headers={"Retry-After": "1"})

    page.route("**/v1/colorize", answer)
    choose(page, photos[:1])
    expect(page.locator("#photos li[data-state=done]")).to_have_count(1)
    assert len(asked) == 3


def test_an_answer_that_is_cut_off_stops_no_other_photo_and_is_named(
    page: Page, photos: list[str], tmp_path: Path
) -> None:
    cut: list[Route] = []

    def answer(route: Route) -> None:
        if cut:
            route.continue_()
            return
        cut.append(route)
        facts = json.dumps({"width": 300, "height": 200, "warnings": []})
        route.fulfill(status=200, body=b"half an im", headers={"X-Chromalab": facts})

    page.route("**/v1/colorize", answer)
    third = save(tmp_path / "third.png", picture(40, 60))
    choose(page, [*photos, str(third)])
    expect(page.locator("#photos li[data-state=failed]")).to_have_count(1)
    expect(page.locator("#photos li[data-state=done]")).to_have_count(2)
    with page.expect_download(timeout=SOON_MS) as waiting:
        page.click("#download-all")
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert sorted(archive.namelist()) == ["deep.colorized.tif", "third.colorized.png"]
    expect(page.locator("#status")).to_contain_text("could not be written: a'b é.jpg")


def test_warnings_of_damaged_files_are_shown(page: Page, photos: list[str], tmp_path: Path) -> None:
    data = bytearray(Path(photos[0]).read_bytes())
    place = len(data) * 2 // 3
    data[place : place + 8] = b"\xff\xd5" * 4
    Path(photos[0]).write_bytes(data)
    choose(page, photos)
    warned = page.locator("#photos li", has_text="the file is damaged")
    expect(warned).to_have_count(1)
    expect(warned).to_contain_text("a'b é.jpg")
    download(page, tmp_path, "image/jpeg")
    expect(page.locator("#status")).to_contain_text("the file is damaged")


def test_the_page_speaks_german_with_a_german_browser(browser: Browser, address: str) -> None:
    german = json.loads((STATIC / "messages" / "locales" / "de.json").read_text(encoding="utf-8"))
    with opened(browser, address, locale="de-AT") as page:
        expect(page.locator("html")).to_have_attribute("lang", "de")
        expect(page.locator("h1")).to_have_text(german["title"])
        expect(page.locator("#intro")).to_have_text(german["introServer"])
        page.select_option("#language", "fr")
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "fr")


def test_other_languages_get_english(browser: Browser, address: str) -> None:
    with opened(browser, address, locale="fi-FI") as page:
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.locator("#status")).to_have_text("Ready.")


def test_the_page_on_phones(browser: Browser, address: str, photos: list[str]) -> None:
    with opened(browser, address, viewport={"width": 375, "height": 700}) as page:
        choose(page, photos[:1])
        for language in ("en", "de", "fr", "es", "ja"):
            page.select_option("#language", language)
            assert page.evaluate("document.documentElement.scrollWidth") <= 375
