"""Fixtures that every test may use, the cases that `make check` runs, and the rule that CI skips nothing."""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from matplotlib.figure import Figure
from playwright.sync_api import Browser, sync_playwright

from chromalab.training.hardware import keep_freed_memory

# Tests run side by side, a process on each core, and start processes of their own: threads of PyTorch would only get
# into each other's way.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

# Tests use large arrays again and again. Getting them from the system each time takes a tenth of the tests' time.
keep_freed_memory()

# Collection imports large libraries and discards little: the garbage collector would take a third of its time.
gc.disable()

# A busy machine is no fault of the code: nothing here is a timed test.
settings.register_profile("chromalab", deadline=None)
settings.load_profile("chromalab")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.hookimpl(tryfirst=True)  # before `-m "not slow"` is applied
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all but the first and the last case of each test as slow, unless it is marked `every_case`."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        if not (item.get_closest_marker("slow") or item.get_closest_marker("every_case")):
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for cases in tests.values():
        quick = {0, len(cases) - 1}
        for number, case in enumerate(cases):
            if number not in quick:
                case.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Exclude from garbage collection what exists now, because it stays until the end."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of photos and weights for development tests, or skip where it is not there."""
    if not (SHARED / "data").is_dir():
        message = f"development photos and weights are not at {SHARED}"
        if os.environ.get("CI") == "true":
            pytest.fail(message + ", and CI must have them")
        pytest.skip(message)
    return SHARED


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Return to one thread after a test that trained with another number."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures of reports empty, because drawing them takes most of the time of a small study."""
    monkeypatch.setattr(Figure, "draw", lambda _figure, _renderer: None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a browser, or skip the test without one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing; CI must install it")
        pytest.skip("install chromium")
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Yield a running browser for one file, because its event loop would interfere with those of other tests."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield found
        found.close()


_CAPABILITIES_V3 = 0x20080522
_READS_AND_WRITES_EVERYTHING = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


@pytest.fixture
def permissions() -> Iterator[None]:
    """Make permissions of files apply to this thread and those it starts, also if the superuser runs the tests."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    held = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice
    if libc.capget(header, held) != 0:
        pytest.skip("this system has no capabilities, and the superuser may read everything")
    fewer = (ctypes.c_uint32 * 6)(*held)
    fewer[0] &= ~_READS_AND_WRITES_EVERYTHING
    assert libc.capset(header, fewer) == 0
    yield
    assert libc.capset(header, held) == 0
