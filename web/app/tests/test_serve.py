"""The page of `chromalab serve` beside the app: accessibility. Its other tests need no Node and are in `tests/e2e`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from web.app.tests.test_page import (
    DESKTOP,
    PHONE,
    broken_photo,
    browser,
    choose,
    opened,
    small_controls,
    small_photo,
    violations,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

__all__ = ["browser"]  # a fixture


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of a running server."""
    command = [sys.executable, "-c", "from chromalab.cli.main import run; run()", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        yield server.stderr.readline().split()[3]
        server.terminate()


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_no_violations(browser: Browser, address: str, tmp_path: Path, viewport: dict[str, int]) -> None:
    refused = ["Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"]
    with opened(browser, address, errors := [], viewport=viewport) as page:
        assert violations(page) == []
        choose(page, small_photo(tmp_path / "a.png"), broken_photo(tmp_path / "broken.jpg"))
        expect(page.locator("#server")).to_be_visible()
        page.focus("#hint-add")
        page.keyboard.press("Enter")
        page.click("summary")
        assert violations(page) == []
        assert small_controls(page) == []
        assert errors == refused
        errors.clear()
