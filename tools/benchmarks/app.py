"""Speed of the app in the browser, beside that of the Python tool.

    python -m tools.benchmarks.app [--rounds N] [--json FILE]

Needs the built app (`make app`) and Chromium. In every round the Python tool and the app colorize the same photo of 12
megapixels, JPEG to JPEG, one after the other: the Python tool in this process with its model loaded, the app from the
choice of the photo to the finished download, in a page that is open. Then the page is opened anew with an empty cache,
and the photo is chosen at once: the time from the address to the result on the screen, with the model.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect, sync_playwright

from chromalab.colorization.colorizer import colorize_file
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Job, Options
from chromalab.core.parallel import cpu_count
from chromalab.weights.colorizers import find_colorizer
from tools import parser_of, write_record
from tools.benchmarks.colorize import LARGE, make_photos
from tools.benchmarks.reference import reference_speeds
from web.app.tests.test_page import DIST, choose, download, served

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

ROUNDS = 7


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(browser: Browser, address: str, photo: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of the Python tool and of the app in alternating rounds; the first round is left out."""
    engine = Engine(find_colorizer(), threads=cpu_count())
    page = browser.new_page()
    page.goto(address)
    expect(page.locator("#status")).to_contain_text("Ready", timeout=60_000)
    found: dict[str, list[float]] = {"python_s": [], "app_s": []}
    for number in range(rounds + 1):
        python_s = seconds_of(lambda: colorize_file(engine, photo, photo.with_suffix(".out.jpg"), Job(Options())))
        app_s = seconds_of(lambda: saved(page, photo))
        if number:
            found["python_s"].append(round(python_s, 4))
            found["app_s"].append(round(app_s, 4))
    page.close()
    return found


def saved(page: Page, photo: Path) -> None:
    choose(page, photo)
    download(page, "image/jpeg", photo.parent)


def cold(browser: Browser, address: str, photo: Path) -> float:
    """Return the seconds from opening the page with an empty cache to the first result."""
    context = browser.new_context()
    page = context.new_page()

    def first() -> None:
        page.goto(address, wait_until="domcontentloaded")
        choose(page, photo)

    try:
        return seconds_of(first)
    finally:
        context.close()


def main() -> None:
    """Measure, print and save."""
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="number of measured rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record to FILE")
    args = parser.parse_args()
    reference = reference_speeds()
    with tempfile.TemporaryDirectory() as folder, served(DIST) as address, sync_playwright() as playwright:
        photo = make_photos(Path(folder) / "photos", None, LARGE, 1, bands=3)[0]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        seconds: dict[str, Any] = compare(browser, address, photo, args.rounds)
        seconds["cold_s"] = [round(cold(browser, address, photo), 4) for _ in range(args.rounds)]
        version = browser.version
        browser.close()
    medians = {name: round(statistics.median(values), 3) for name, values in seconds.items()}
    ratio = round(medians["app_s"] / medians["python_s"], 2)
    print(f"Python {medians['python_s']} s, app {medians['app_s']} s ({ratio} times), cold {medians['cold_s']} s")
    record = {"reference": reference, "load": os.getloadavg()[0], "processors": cpu_count(), "chromium": version}
    write_record(args.json, record | {"pixels": LARGE, "ratio": ratio, "medians": medians} | seconds)


if __name__ == "__main__":
    main()
