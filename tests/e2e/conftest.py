"""Commands as people run them, in this process: importing PyTorch anew for each would cost ten seconds a test."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
from playwright.sync_api import Browser, sync_playwright

from chromalab.cli.main import run


class Done(NamedTuple):
    """What a command left: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


class Chromalab(Protocol):
    """Runs `chromalab` with arguments."""

    def __call__(self, *arguments: str | Path) -> Done:
        """Return what the command left."""


@pytest.fixture
def chromalab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Chromalab:
    """Return a runner of the command line; an exception that would be a traceback fails the test."""

    def call(*arguments: str | Path) -> Done:
        trains = arguments[:2] == ("compare", "run") or (arguments[:1] == ("train",) and "--out" in arguments)
        threads = ["--threads", "1"] if trains else []
        monkeypatch.setattr(sys, "argv", ["chromalab", *map(str, arguments), *threads])
        with pytest.raises(SystemExit) as stop:
            run()
        captured = capsys.readouterr()
        return Done(stop.value.code if isinstance(stop.value.code, int) else 0, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a browser, or skip where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no chromium, and CI must have it")
        pytest.skip("install chromium")
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Give a running browser; it ends with its file, for its event loop would be in the way of other tests' own."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield found
        found.close()
