"""The built app in Chromium, served by a plain static server, compared with the Python tool.

`make app-check` builds the app and runs these tests; they are not part of `make test`, which needs no Node.
"""

from __future__ import annotations

import functools
import html
import json
import re
import shutil
import threading
import zipfile
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from skimage.color import deltaE_ciede2000

import chromalab
from chromalab.color.lab import rgb_to_lab
from chromalab.colorization.disclosure import STATEMENT
from chromalab.colorization.hints import Hint
from chromalab.data import sample_path
from chromalab.photo.scan import open_scan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from playwright.sync_api import Browser, FloatRect, Locator, Page

APP = Path(__file__).parents[1]
DIST = APP / "dist"
AXE = APP / "node_modules" / "axe-core" / "axe.min.js"
LANGUAGES = ("en", "de", "fr", "es", "ja")
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1366, "height": 768}
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
TARGET_PX = 24
DESCRIPTION, ORIENTATION = 0x010E, 0x0112
TIMEOUT_MS = 120_000


class Handler(SimpleHTTPRequestHandler):
    """Serves the built app and notes the requests.

    Attributes:
        requested: the paths, in the order of the requests to all servers.
    """

    requested: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        """Note the path, and write nothing."""
        self.requested.append(self.path)


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


@contextmanager
def served(folder: Path, handler: type[Handler] = Isolated) -> Iterator[str]:
    """Serve a folder and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the address of the app on a server with isolation, or with the handler that the test names."""
    with served(DIST, getattr(request, "param", Isolated)) as found:
        yield found


@contextmanager
def opened(browser: Browser, address: str, errors: list[str] | None = None, **options: Any) -> Iterator[Page]:
    """Open the app; it fails if the page logs an error, such as a violation of its policy."""
    context = browser.new_context(**{"viewport": PHONE, "service_workers": "block", **options})
    context.set_default_timeout(TIMEOUT_MS)
    logged: list[str] = [] if errors is None else errors
    page = context.new_page()
    page.on("console", lambda message: logged.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: logged.append(str(error)))
    page.goto(address)
    expect(page.locator("#status")).not_to_have_text(re.compile("^$|Loading"), timeout=TIMEOUT_MS)
    yield page
    context.close()
    assert logged == []


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Yield the app on a phone, without the service worker."""
    with opened(browser, address) as found:
        expect(found.locator("#status")).to_contain_text("Ready")
        yield found


@pytest.fixture
def desktop(browser: Browser, address: str) -> Iterator[Page]:
    """Yield the app in a large window, without the service worker."""
    with opened(browser, address, viewport=DESKTOP) as found:
        yield found


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a gray JPEG that is stored rotated, with a description."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[DESCRIPTION] = 6, "A cup"
    path = tmp_path / "cup.jpg"
    gray_sample("coffee").save(path, exif=exif, quality=95)
    return path


def small_photo(path: Path, name: str = "astronaut") -> Path:
    """Write a small gray photo."""
    path.parent.mkdir(exist_ok=True)
    gray_sample(name).resize((160, 120)).save(path)
    return path


def gray_sample(name: str) -> Image.Image:
    """Return a sample in gray, without its profile, which is one of colors."""
    gray = Image.open(sample_path(name)).convert("L")
    gray.info.clear()
    return gray


def broken_photo(path: Path) -> Path:
    """Write a file that is no photo."""
    path.write_bytes(b"\xff\xd8 no photo")
    return path


def choose(page: Page, *paths: Path) -> None:
    """Choose photos, and wait until the queue is empty and the colors of the first one are in the viewer."""
    page.set_input_files("#files", paths)
    wait(page)


def wait(page: Page) -> None:
    """Wait until no photo waits and the viewer shows the result with all pixels that it needs."""
    expect(page.locator("#photos li:not([data-state=done], [data-state=failed])")).to_have_count(0, timeout=TIMEOUT_MS)
    expect(page.locator("#viewer[aria-busy=false]")).to_be_visible(timeout=TIMEOUT_MS)


def download(page: Page, file_type: str, folder: Path, button: str = "#download") -> Path:
    """Download the result."""
    page.select_option("#format", file_type)
    with page.expect_download() as waiting:
        page.click(button)
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    page.wait_for_selector("#saving:not([disabled])")
    return path


def pixels(path: Path) -> NDArray[np.int64]:
    """Read a file as RGB."""
    return np.asarray(Image.open(path).convert("RGB"), dtype=int)


def set_range(page: Page, selector: str, value: str) -> None:
    """Set a slider, and wait for the result."""
    page.fill(selector, value)
    wait(page)


def assert_same_colors(ours: Path, theirs: NDArray[Any]) -> None:
    """Compare with the Python tool."""
    found = pixels(ours)
    assert found.shape == theirs.shape
    difference = deltaE_ciede2000(rgb_to_lab(found / 255), rgb_to_lab(theirs / 255))
    assert difference.mean() <= 0.3
    assert np.quantile(difference, 0.99) <= 1


@pytest.mark.parametrize("address", [Handler, Isolated], indirect=True)
def test_colors_equal_those_of_the_python_tool_and_nothing_is_requested(
    page: Page, photo: Path, tmp_path: Path
) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    Handler.requested.clear()
    choose(page, photo)
    assert_same_colors(download(page, "image/png", tmp_path), chromalab.colorize(photo))
    assert [url for url in requests if not url.startswith("blob:")] == []
    assert Handler.requested == []


@pytest.mark.parametrize("file_type", ["image/jpeg", "image/png", "image/webp"])
def test_downloads_carry_the_metadata_and_the_notice(page: Page, photo: Path, tmp_path: Path, file_type: str) -> None:
    choose(page, photo)
    path = download(page, file_type, tmp_path)
    with Image.open(path) as image:
        exif = image.getexif()
        assert image.format is not None
        assert image.format.lower() == file_type.removeprefix("image/")
    assert (exif[ORIENTATION], exif[DESCRIPTION]) == (1, "A cup")
    scan = open_scan(path)
    assert scan.warnings == ()
    assert b"compositeWithTrainedAlgorithmicMedia" in scan.metadata.xmp
    assert STATEMENT.encode() in scan.metadata.xmp


def test_every_photo_keeps_its_own_settings(page: Page, tmp_path: Path) -> None:
    choose(page, small_photo(tmp_path / "a.png"), small_photo(tmp_path / "b.png", "coffee"))
    set_range(page, "#saturation", "0")
    gray = pixels(download(page, "image/png", tmp_path))
    page.click("#next")
    wait(page)
    assert page.input_value("#saturation") == "1"
    colored = pixels(download(page, "image/png", tmp_path))
    assert np.ptp(gray, axis=2).max() == 0
    assert np.ptp(colored, axis=2).max() > 20
    page.click("#previous")
    assert page.input_value("#saturation") == "0"
    page.click("#apply-to-all")
    page.click("#next")
    wait(page)
    assert np.ptp(pixels(download(page, "image/png", tmp_path)), axis=2).max() == 0


def test_broken_files_get_a_message_in_their_rows_and_the_queue_goes_on(page: Page, tmp_path: Path) -> None:
    paths = [small_photo(tmp_path / f"{number}.png") for number in range(4)]
    choose(page, paths[0], broken_photo(tmp_path / "broken.jpg"), *paths[1:])
    expect(page.locator("#photos li")).to_have_count(5)
    expect(page.locator("#photos li[data-state=failed]")).to_have_count(1)
    expect(page.locator("#photos li[data-state=failed]")).to_contain_text("cannot read broken.jpg")
    expect(page.locator("#counts")).to_have_text("4 of 5 colorized")
    expect(page.locator("#photos img[src]")).to_have_count(4)
    page.get_by_label("Remove broken.jpg").click()
    expect(page.locator("#counts")).to_have_text("4 of 4 colorized")
    assert page.evaluate("document.activeElement.ariaLabel") == "Remove 1.png"
    page.click("#clear")
    expect(page.locator("#viewer")).to_be_hidden()
    choose(page, paths[0])


def test_a_broken_file_alone_shows_its_message_in_the_viewer(page: Page, tmp_path: Path) -> None:
    page.set_input_files("#files", broken_photo(tmp_path / "broken.jpg"))
    expect(page.locator("#problem")).to_contain_text("cannot read broken.jpg")
    expect(page.locator("#status.bad")).to_contain_text("cannot read broken.jpg")
    assert page.is_disabled("#download")


def test_photos_can_be_dropped_and_pasted(page: Page, tmp_path: Path) -> None:
    data = small_photo(tmp_path / "a.png").read_bytes()
    for number, event in enumerate(("drop", "paste"), start=1):
        page.evaluate(
            """([bytes, name]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
                const options = { bubbles: true, cancelable: true, dataTransfer: transfer, clipboardData: transfer };
                const Type = name === "drop" ? DragEvent : ClipboardEvent;
                document.body.dispatchEvent(new Type(name, options));
            }""",
            [list(data), event],
        )
        wait(page)
        expect(page.locator("#counts")).to_have_text(f"{number} of {number} colorized")


def test_all_photos_are_saved_in_a_zip_file_under_different_names(page: Page, tmp_path: Path) -> None:
    paths = [small_photo(tmp_path / name / "a.png") for name in ("one", "two")]
    choose(page, *paths, broken_photo(tmp_path / "broken.jpg"))
    set_range(page, "#saturation", "0")
    archive = download(page, "image/png", tmp_path, "#download-all")
    expect(page.locator("#status")).to_contain_text("Saved 2 photos")
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        assert file.namelist() == ["a.colorized.png", "a.colorized (2).png"]
        file.extractall(tmp_path)
    spans = [np.ptp(pixels(tmp_path / name), axis=2).max() for name in ("a.colorized.png", "a.colorized (2).png")]
    assert spans[0] == 0
    assert spans[1] > 20


def test_a_zip_file_can_be_canceled(page: Page, tmp_path: Path) -> None:
    choose(page, *[small_photo(tmp_path / f"{number}.png") for number in range(6)])
    page.focus("#download-all")
    page.keyboard.press("Enter")
    expect(page.locator("#cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#download-all")).to_be_focused()
    expect(page.locator("#status")).to_have_text("The ZIP file was canceled.")
    expect(page.locator("#archive")).to_be_hidden()
    download(page, "image/jpeg", tmp_path)


def box(locator: Locator) -> FloatRect:
    """Return the position and size of an element."""
    found = locator.bounding_box()
    assert found is not None
    return found


def scale(page: Page) -> int:
    """Return the zoom that the page shows, in percent."""
    return int(page.inner_text("#scale").split()[0])


def test_the_viewer_zooms_and_pans(desktop: Page, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    gray_sample("coffee").resize((3600, 2400)).save(path)
    choose(desktop, path)
    fit = scale(desktop)
    assert fit < 40
    expect(desktop.locator("#after canvas")).to_have_count(1)
    desktop.focus("#viewer")
    desktop.keyboard.press("1")
    assert scale(desktop) == 100
    expect(desktop.locator("#after canvas")).to_have_count(4)  # all pixels, in tiles
    stage = desktop.locator("#stage")
    before = box(stage)
    desktop.keyboard.press("ArrowRight")
    after_key = box(stage)
    assert after_key["x"] < before["x"]
    frame = box(desktop.locator("#viewer"))
    x, y = frame["x"] + frame["width"] / 4, frame["y"] + frame["height"] / 4
    desktop.mouse.move(x, y)
    desktop.mouse.down()
    desktop.mouse.move(x + 60, y + 30, steps=3)
    desktop.mouse.up()
    dragged = box(stage)
    assert (dragged["x"] - after_key["x"], dragged["y"] - after_key["y"]) == pytest.approx((60, 30), abs=1)
    desktop.mouse.wheel(0, -200)
    expect(desktop.locator("#scale")).not_to_have_text("100 %")
    desktop.keyboard.press("0")
    assert scale(desktop) == fit
    desktop.click("#zoom-in")
    assert scale(desktop) == pytest.approx(1.5 * fit, abs=1)


def test_a_file_that_only_the_worker_can_read_is_shown_in_gray(page: Page, tmp_path: Path) -> None:
    choose(page, small_photo(tmp_path / "a.png"))
    page.dispatch_event("#before", "error")
    expect(page.locator("#stage > canvas")).to_have_count(1)
    page.click("#clear")
    expect(page.locator("#stage > canvas")).to_have_count(0)


def test_keys_move_the_line_between_original_and_result(page: Page, tmp_path: Path) -> None:
    choose(page, small_photo(tmp_path / "a.png"))
    line = page.locator("#cut")
    line.focus()
    page.keyboard.press("ArrowRight")
    expect(line).to_have_attribute("aria-valuenow", "52")
    page.keyboard.press("Home")
    expect(line).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("ArrowLeft")
    expect(line).to_have_attribute("aria-valuenow", "0")


def test_touch_screens_offer_the_camera_and_two_fingers_zoom(browser: Browser, address: str, tmp_path: Path) -> None:
    with opened(browser, address, has_touch=True) as page:
        expect(page.locator(".camera")).to_be_visible()
        expect(page.locator("#camera")).to_have_attribute("capture", "environment")
        choose(page, small_photo(tmp_path / "a.png"))
        page.get_by_label("Sky").click()
        expect(page.locator("#viewer")).to_be_in_viewport(ratio=0.99)  # on a phone it is far from the swatches
        page.keyboard.press("Escape")
        before = scale(page)
        frame = box(page.locator("#viewer"))
        x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 3
        session = page.context.new_cdp_session(page)
        for kind, distance in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60), ("touchEnd", 0)):
            points = [{"x": x - distance, "y": y, "id": 0}, {"x": x + distance, "y": y, "id": 1}] if distance else []
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        expect(page.locator("#viewer")).to_have_class(re.compile("zoomed"))
        assert scale(page) == pytest.approx(3 * before, rel=0.1)


def test_known_colors_equal_those_of_the_python_tool(desktop: Page, photo: Path, tmp_path: Path) -> None:
    choose(desktop, photo)
    desktop.get_by_label("Sky").click()
    frame = box(desktop.locator("#viewer"))
    desktop.mouse.click(frame["x"] + 0.6 * frame["width"], frame["y"] + 0.4 * frame["height"])
    wait(desktop)
    path = download(desktop, "image/png", tmp_path)
    found = re.search(rb"<chromalab:Parameters>(.*?)</", open_scan(path).metadata.xmp)
    assert found is not None
    [hint] = json.loads(html.unescape(found[1].decode()))["hints"]
    assert hint["color"] == "#7fa9d6"
    assert hint["x"] > 55  # the photo is narrower than its frame
    assert hint["y"] == pytest.approx(40, abs=1)
    assert_same_colors(path, chromalab.colorize(photo, hints=[Hint(**hint)]))


def test_a_known_color_can_be_dragged(desktop: Page, tmp_path: Path) -> None:
    choose(desktop, small_photo(tmp_path / "a.png"))
    desktop.get_by_label("Grass").click()
    frame = box(desktop.locator("#viewer"))
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    desktop.mouse.click(x, y)
    marker = desktop.locator(".marker")
    expect(marker).to_have_attribute("aria-label", re.compile("50 % from the left, 50 % from the top"))
    desktop.mouse.move(x, y)
    desktop.mouse.down()
    desktop.mouse.move(x, y - frame["height"] / 4, steps=4)
    desktop.mouse.up()
    expect(marker).to_have_attribute("aria-label", re.compile("50 % from the left, 2[3-7] % from the top"))
    wait(desktop)


def test_known_colors_can_be_placed_moved_and_removed_by_keys(page: Page, tmp_path: Path) -> None:
    choose(page, small_photo(tmp_path / "a.png"))
    plain = pixels(download(page, "image/png", tmp_path))
    page.fill("#hint-color", "#2060ff")
    page.focus("#hint-add")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Move it with the arrow keys")
    marker = page.locator(".marker")
    expect(marker).to_be_focused()
    expect(marker).to_have_attribute("aria-label", re.compile("50 % from the left"))
    page.keyboard.press("Shift+ArrowLeft")
    expect(marker).to_have_attribute("aria-label", re.compile("45 % from the left"))
    wait(page)
    hinted = pixels(download(page, "image/png", tmp_path))
    middle = (slice(55, 65), slice(67, 77))
    blue = (hinted - plain)[middle].mean(axis=(0, 1))
    assert blue[2] > 10 > blue[0]
    page.get_by_label("Remove color 1").press("Enter")
    expect(marker).to_have_count(0)
    expect(page.locator("#hint-add")).to_be_focused()
    wait(page)
    assert (pixels(download(page, "image/png", tmp_path)) == plain).all()


def test_the_stored_page_colorizes_without_a_network(browser: Browser, photo: Path, tmp_path: Path) -> None:
    with served(DIST, Handler) as address, opened(browser, address, service_workers="allow") as page:
        expect(page.locator("#status")).to_contain_text("one processor core")
        expect(page.locator("#offline")).to_be_visible(timeout=TIMEOUT_MS)
        Handler.requested.clear()
        page.context.set_offline(True)
        page.reload()
        expect(page.locator("#status")).to_have_text("Ready.", timeout=TIMEOUT_MS)
        assert page.evaluate("crossOriginIsolated")  # the service worker adds the headers that the server lacks
        choose(page, photo)
        assert_same_colors(download(page, "image/png", tmp_path), chromalab.colorize(photo))
        # The browser itself looks for a new build, past the emulated lack of a network.
        assert set(Handler.requested) <= {"/service_worker.js"}


def test_a_new_build_waits_until_the_reader_asks_for_it(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    shutil.copytree(DIST, folder)
    with served(folder) as address, opened(browser, address, service_workers="allow") as page:
        expect(page.locator("#offline")).to_be_visible(timeout=TIMEOUT_MS)
        replace(folder / "index.html", "</body>", "<p id='new'>new</p></body>")
        replace(folder / "service_worker.js", '"version":"', '"version":"next-')
        page.reload()
        expect(page.locator("#update")).to_be_visible(timeout=TIMEOUT_MS)
        expect(page.locator("#new")).to_have_count(0)
        page.click("#reload")
        expect(page.locator("#new")).to_be_visible(timeout=TIMEOUT_MS)
        assert [name.startswith("chromalab-app-next-") for name in page.evaluate("caches.keys()")] == [True]


def replace(path: Path, old: str, new: str) -> None:
    """Replace a text in a file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_page_can_be_installed() -> None:
    manifest = json.loads((DIST / "manifest.webmanifest").read_text(encoding="utf-8"))
    for icon in manifest["icons"]:
        with Image.open(DIST / icon["src"]) as image:
            assert f"{image.width}x{image.height}" == icon["sizes"]
    assert {icon.get("purpose") for icon in manifest["icons"]} == {None, "maskable"}


def test_the_language_follows_the_browser_and_can_be_changed(browser: Browser, address: str, tmp_path: Path) -> None:
    with opened(browser, address, locale="fr-CH") as page:
        expect(page.locator("html")).to_have_attribute("lang", "fr")
        expect(page.locator("#status")).to_have_text("Prêt.", timeout=TIMEOUT_MS)
        choose(page, small_photo(tmp_path / "a.png"))
        page.select_option("#language", "ja")
        expect(page.locator("#photos li")).to_contain_text("カラー化済み")
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "ja")
        expect(page.locator("h1")).to_have_text("写真をカラー化")


def test_no_language_needs_sideways_scrolling_on_a_phone(page: Page, tmp_path: Path) -> None:
    choose(page, small_photo(tmp_path / "a.png"), small_photo(tmp_path / f"{'long' * 20}.png"))
    for language in LANGUAGES:
        page.select_option("#language", language)
        expect(page.locator("html")).to_have_attribute("lang", language)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def violations(page: Page) -> list[str]:
    """Return what axe-core finds, in the light and the dark colors."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        result = page.evaluate("rules => axe.run({ runOnly: rules })", list(RULES))
        found += [f"{scheme} {item['id']}: {node['html']}" for item in result["violations"] for node in item["nodes"]]
    return found


def small_controls(page: Page) -> list[Any]:
    """Return the controls that are too small for fingers, with their sizes."""
    sizes = page.locator("button:visible, input:visible:not(.quiet), select:visible, summary").evaluate_all(
        "all => all.map(one => [one.id || one.outerHTML, one.offsetWidth, one.offsetHeight])"
    )
    return [entry for entry in sizes if min(entry[1:]) < TARGET_PX]


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_no_violations(browser: Browser, address: str, tmp_path: Path, viewport: dict[str, int]) -> None:
    with opened(browser, address, viewport=viewport) as page:
        assert violations(page) == []
        choose(page, small_photo(tmp_path / "a.png"), broken_photo(tmp_path / "broken.jpg"))
        page.focus("#hint-add")
        page.keyboard.press("Enter")
        page.click("summary")
        wait(page)
        assert violations(page) == []
        assert small_controls(page) == []


def test_the_tab_key_follows_the_order_of_the_page_and_its_focus_is_visible(desktop: Page, tmp_path: Path) -> None:
    choose(desktop, small_photo(tmp_path / "a.png"))
    desktop.focus("#language")
    order = []
    for _ in range(12):
        desktop.keyboard.press("Tab")
        order.append(desktop.evaluate("document.activeElement.id || document.activeElement.className"))
        outlined = "(document.activeElement.closest('.drop') ?? document.activeElement)"
        assert desktop.evaluate(f"getComputedStyle({outlined}).outlineStyle") == "solid"
    expected = "files clear photo remove viewer cut zoom-out zoom-in fit actual format download"
    assert order == expected.split()
