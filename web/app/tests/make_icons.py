"""Draw the icons of the manifest from the page's `icon.svg` with Chromium: `python web/app/tests/make_icons.py`."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from chromalab.colorization.web.app import STATIC

APP = Path(__file__).parents[1]
ICONS = {
    "icon-192": (192, 1.0, "transparent"),
    "icon-512": (512, 1.0, "transparent"),
    "icon-maskable-512": (512, 0.7, "#fff"),
}
"""Name -> side in pixels, share of the side that the drawing takes, and background."""
COLORS = 64


def main() -> None:
    """Write the icons to `public/`."""
    drawing = (STATIC / "icon.svg").read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (side, share, background) in ICONS.items():
            page = browser.new_page(viewport={"width": side, "height": side})
            style = f"margin:0;height:100vh;display:grid;place-items:center;background:{background}"
            page.set_content(
                f'<body style="{style}"><div style="width:{share:.0%};line-height:0">{drawing}</div></body>'
            )
            image = Image.open(io.BytesIO(page.screenshot(omit_background=True)))
            image.quantize(COLORS, Image.Quantize.FASTOCTREE).save(APP / "public" / f"{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
