"""The documentation site: strict links, nothing from other hosts, short ways, search, dark mode, phones, the app."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser

if os.environ.get("CI") != "true":  # .ci/run installs it
    pytest.importorskip("mkdocs", reason="run `make site-check`, which installs the extra [docs]")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LOADING = {"src", "srcset", "poster", "data"}
"""Attributes whose address a browser loads by itself; `href` of a `link` is another."""


def build(config: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(config), "--site-dir", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built site; a broken link or a page outside the navigation fails the build."""
    return build(ROOT / "mkdocs.yml", tmp_path_factory.mktemp("site"))


class Links(HTMLParser):
    """Addresses in a page.

    Attributes:
        loaded: what a browser loads to show the page.
        article: where the links of the text lead.
    """

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.article: list[str] = []
        self._inside = False
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside |= tag == "article"
        for name, value in attrs:
            if name in LOADING or (tag, name) == ("link", "href"):
                self.loaded.append(value or "")
            if self._inside and (tag, name) == ("a", "href"):
                self.article.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._inside &= tag != "article"


def test_pages_and_styles_load_nothing_from_other_hosts(site: Path) -> None:
    loaded = [address for page in site.rglob("*.html") for address in Links(page).loaded]
    for sheet in site.rglob("*.css"):
        loaded += re.findall(r"(?:url\(|@import )\s*['\"]?([^'\")]+)", sheet.read_text(encoding="utf-8"))
    assert len(loaded) > 100
    assert [address for address in loaded if re.match(r"([a-z]+:)?//", address)] == []


def test_links_of_the_text_lead_everywhere_in_three_clicks(site: Path) -> None:
    pages = {page for page in site.rglob("*.html") if page.name != "404.html" and page.parent != site / "app"}
    reached = {site / "index.html"}
    for _ in range(3):
        addresses = [(page, address.partition("#")[0]) for page in reached for address in Links(page).article]
        reached |= {(page.parent / address).resolve() for page, address in addresses if address} & pages
    assert reached == pages


def test_every_name_of_the_api_leads_to_its_docstring(site: Path) -> None:
    index = (site / "reference" / "api.html").read_text(encoding="utf-8")
    cells = re.findall(r"<tr>\s*<td>(<\w+)", index)
    assert len(cells) > 80
    assert set(cells) == {"<a"}
    color = (site / "reference" / "chromalab.color.html").read_text(encoding="utf-8")
    assert "L* in [0, 100], a* and b* in CIELAB units" in color
    losses = (site / "reference" / "chromalab.losses.html").read_text(encoding="utf-8")
    assert '<span class="gp">&gt;&gt;&gt; </span>' in losses


class Handler(SimpleHTTPRequestHandler):
    """A plain static server that prints nothing."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=site)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_reader_searches_in_the_dark(browser: Browser, address: str) -> None:
    page = browser.new_page(color_scheme="dark")
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{address}/index.html")
    assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
    # The search reads its box when a key is released; `fill` would press none.
    page.get_by_role("textbox", name="Search").press_sequentially("CIEDE2000")
    page.locator(".md-search-result__link").first.click()
    page.locator("article mark", has_text="CIEDE2000").first.wait_for(state="attached")
    page.close()
    assert [url for url in requested if not url.startswith((address, "data:", "blob:"))] == []


@pytest.mark.parametrize("name", ["reference/losses", "reference/objective", "reference/chromalab.training"])
def test_a_page_is_no_wider_than_a_phone(browser: Browser, address: str, name: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(f"{address}/{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.close()


def test_the_built_app_is_part_of_the_site(tmp_path: Path) -> None:
    files = {
        "mkdocs.yml": f"site_name: small\nstrict: true\nhooks: [{ROOT / 'tools/pages/website.py'}]\ntheme: material\n",
        "CHANGELOG.md": "# Changes\n\nSee [the start](docs/index.md).\n",
        "CONTRIBUTING.md": "# Contributing\n",
        "docs/index.md": "# Start\n\n[Changes](../CHANGELOG.md)\n\n| code |\n| --- |\n| `a \\| b` |\n",
        "docs/reference/api.md": "# API\n",
        "web/app/dist/index.html": "the app",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    out = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    start = (out / "index.html").read_text(encoding="utf-8")
    assert (out / "app" / "index.html").read_text(encoding="utf-8") == "the app"
    assert 'href="app/index.html"' in start
    assert 'href="CHANGELOG/"' in start
    assert "<code>a | b</code>" in start
    assert 'href=".."' in (out / "CHANGELOG" / "index.html").read_text(encoding="utf-8")
