"""The report in a real browser: script, image viewer and layout on a phone."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from chromalab.report.study.report import write_report
from tests.report.synthetic_study import SyntheticStudy, make_analysis, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PRESS_KEYS = """<script>
addEventListener("load", () => {
  const viewer = document.getElementById("lightbox");
  const press = (key) => viewer.dispatchEvent(new KeyboardEvent("keydown", {key}));
  const seen = [];
  const note = () => seen.push(document.getElementById("viewer-image").alt);
  document.querySelector('[data-variant-button="lab-s1"]').click();
  document.querySelector('td[data-method="wgan_perceptual"] .zoom:not([hidden])').click();
  note();
  for (const key of ["ArrowRight", "ArrowLeft", "ArrowDown"]) { press(key); note(); }
  document.documentElement.dataset.open = viewer.open;
  document.getElementById("viewer-close").click();
  document.documentElement.dataset.closed = !viewer.open;
  document.documentElement.dataset.seen = seen.join("|");
  document.documentElement.dataset.overflow = document.documentElement.scrollWidth - innerWidth;
});
</script></body>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a small made-up study."""
    folder = tmp_path_factory.mktemp("browser")
    made = SyntheticStudy(seeds=(0, 1), n_pictured=2)
    study = write_study(folder, made)
    analysis = make_analysis(folder, study)
    return write_report(folder, analysis.model_copy(update={"metrics": analysis.metrics[:6]}), study).html


def browse(chromium: str, page: Path, profile: Path, *options: str) -> str:
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--virtual-time-budget=4000", f"--user-data-dir={profile}", *options, page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def root_data(dom: str) -> dict[str, str]:
    root = re.search(r"<html[^>]*>", dom)
    assert root is not None, dom[:500]
    return dict(re.findall(r'data-([a-z]+)="([^"]*)"', root.group()))


@pytest.mark.parametrize("width", [1400, 420])
def test_a_reader_browses_the_images(chromium: str, page: Path, tmp_path: Path, width: int) -> None:
    used = tmp_path / "used.html"
    used.write_text(page.read_text(encoding="utf-8").replace("</body>", PRESS_KEYS), encoding="utf-8")
    dom = browse(chromium, used, tmp_path / "profile", "--dump-dom", f"--window-size={width},1000")
    data = root_data(dom)
    assert data["ready"] == "true"
    assert data["pictures"] == str(2 * (2 + 5))
    assert data["seen"].split("|") == [
        "holiday/photo_00.jpg colorized by wgan_perceptual (Lab, seed 1)",
        "holiday/photo_00.jpg, gray",
        "holiday/photo_00.jpg colorized by wgan_perceptual (Lab, seed 1)",
        "holiday/photo_01.jpg colorized by wgan_perceptual (Lab, seed 1)",
    ]
    assert (data["open"], data["closed"]) == ("true", "true")
    assert int(data["overflow"]) <= 0, "the page is wider than the screen"


def test_wide_tables_scroll_by_themselves_on_a_phone(browser: Browser, page: Path) -> None:
    shown = browser.new_page(viewport={"width": 360, "height": 740})
    shown.goto(page.as_uri())
    shown.evaluate("document.querySelector('.results th:last-child').innerHTML += '<sup>a</sup>'")  # a note
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360
    assert shown.evaluate("[...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth)")
    shown.close()


def test_hidden_columns_are_hinted_at_and_figures_are_readable_on_a_phone(browser: Browser, page: Path) -> None:
    shown = browser.new_page(viewport={"width": 390, "height": 740})
    shown.goto(page.as_uri())
    area = shown.locator(".wide .scroll").first
    hint = "e => getComputedStyle(e, '::before').content + getComputedStyle(e).maskImage"
    assert area.get_attribute("data-more") == "right"
    assert "Scroll sideways" in area.evaluate(hint)
    assert "linear-gradient" in area.evaluate(hint)
    area.evaluate("e => e.scrollTo(e.scrollWidth, 0)")
    shown.wait_for_function("document.querySelector('.wide .scroll').dataset.more === 'left'")
    for figure in shown.locator(".wide svg, .forests svg").all():
        pixels_per_point = figure.evaluate("e => e.getBoundingClientRect().width / e.viewBox.baseVal.width")
        assert pixels_per_point >= 1.19
    shown.set_viewport_size({"width": 1366, "height": 900})
    shown.wait_for_function("document.querySelector('.wide .scroll').dataset.more === ''")
    assert "Scroll sideways" not in area.evaluate(hint)
    shown.close()


def test_long_lists_of_evidence_stay_closed_in_print(browser: Browser, page: Path) -> None:
    shown = browser.new_page(viewport={"width": 1366, "height": 900})
    shown.goto(page.as_uri())
    shown.pdf()
    shown.emulate_media(media="print")
    assert shown.locator(".card details[open]").count() == 0
    card = shown.locator(".card:has(details)").first
    half = card.evaluate("e => e.clientWidth")
    card.locator("details").evaluate("e => { e.open = true; }")
    assert card.evaluate("e => e.clientWidth") > 1.8 * half, "a list that a reader opened has the full width"
    assert card.locator("details ul").evaluate("e => getComputedStyle(e).columnCount") == "2"
    shown.close()


def test_the_page_is_rendered(chromium: str, page: Path, tmp_path: Path) -> None:
    shot = tmp_path / "page.png"
    browse(chromium, page, tmp_path / "profile", f"--screenshot={shot}", "--window-size=1000,2400", "--hide-scrollbars")
    with Image.open(shot) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    assert pixels.shape == (2400, 1000, 3)
    assert (pixels == 255).all(axis=2).mean() > 0.5, "the page is white"
    assert (pixels.max(axis=2) < 100).mean() > 0.005, "its text is dark"
    for color in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)):
        assert (pixels == color).all(axis=2).any(), "every objective has its color"
