"""The report of an evaluation in a real browser: error maps, image viewer and layout on a phone."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from skimage.data import astronaut

from tests.evaluation.variants import write_variants

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Chromalab

pytestmark = pytest.mark.slow

LOOK = """<script>
addEventListener("load", () => {
  const told = document.documentElement.dataset;
  const first = () => document.querySelector('td[data-method="sepia"] .zoom:not([hidden]) img').alt;
  told.before = first();
  document.querySelector('[data-variant-button="delta_e"]').click();
  told.map = first();
  document.querySelector('td[data-method="sepia"] .zoom:not([hidden])').click();
  told.open = document.getElementById("lightbox").open;
  document.getElementById("lightbox").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
  told.next = document.getElementById("viewer-image").alt;
  told.overflow = document.documentElement.scrollWidth - innerWidth;
});
</script></body>"""


@pytest.mark.parametrize("width", [1300, 390])
def test_the_viewer_of_error_maps(chromium: str, chromalab: Chromalab, tmp_path: Path, width: int) -> None:
    crops = {f"p{i}": astronaut()[40 * i : 40 * i + 60, 100:180].copy() for i in range(4)}
    write_variants(tmp_path, crops)
    out, methods = tmp_path / "out", [f"--method={name}={tmp_path / name}" for name in ("sepia", "blurred")]
    arguments = ["--target", str(tmp_path / "target"), "--metrics", "mae,delta_e_2000", "--out", str(out)]
    done = chromalab("evaluate", *methods, *arguments, "--threads", "1")
    assert done.code == 0, done.err
    page = out / "report.html"
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", LOOK), encoding="utf-8")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--window-size={width},900"]
    command += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    html = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, check=True, timeout=60).stdout
    told = dict(re.findall(r'data-([a-z]+)="([^"]*)"', html[: html.index("<head>")]))
    assert told["ready"] == "true"
    assert re.fullmatch(r"p\d by sepia", told["before"])
    assert told["map"] == f"{told['before']}: CIEDE2000"
    assert told["open"] == "true"
    assert told["next"] == told["map"].replace("sepia", "blurred")
    assert int(told["overflow"]) <= 0
