"""Build a release in dist/, check it, and use it as its users will: `make release`.

dist/ gets the source distribution, the wheel with the built app, and RELEASE_NOTES.md from CHANGELOG.md. The wheel is
installed in a clean virtual environment, where it colorizes a photo, runs a small study and a survey over it, and
serves the page. Then the steps of the Dockerfile are performed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.version import __version__
from tools import ROOT, parser_of
from tools.release.container import rehearse_container

if TYPE_CHECKING:
    from collections.abc import Iterator

DIST = ROOT / "dist"
APP = ROOT / "web" / "app" / "dist"
APP_IN_PACKAGE = ROOT / "src" / "chromalab" / "colorization" / "web" / "app"


def release_notes(changelog: str, version: str) -> str:
    """Return the section of a version, or the unreleased one if the version has none yet.

    Raises:
        ValueError: the text has neither.
    """
    sections = dict(
        re.findall(r"^## \[?([^\]\n]+?)\]?(?: - [^\n]*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    )
    for name in (version, "Unreleased"):
        if sections.get(name, "").strip():
            return f"# chromalab {version}\n\n{sections[name].strip()}\n"
    raise ValueError(f"CHANGELOG.md has no section for {version} or Unreleased")


def build() -> Path:
    """Build the source distribution and, from it, the wheel, which is returned.

    Raises:
        FileNotFoundError: the app is not built.
    """
    if not (APP / "index.html").exists():
        raise FileNotFoundError(f"{APP} has no app: run `make app` first")
    shutil.rmtree(DIST, ignore_errors=True)
    shutil.rmtree(APP_IN_PACKAGE, ignore_errors=True)
    # The server gives the app the model and the icon of the package, so the wheel needs no second copies.
    shutil.copytree(APP, APP_IN_PACKAGE, ignore=shutil.ignore_patterns("*.onnx", "icon-*.svg"))
    try:
        run(sys.executable, "-m", "build", "--outdir", DIST, ROOT)
    finally:
        shutil.rmtree(APP_IN_PACKAGE)
    (wheel,) = DIST.glob("*.whl")
    return wheel


def check(wheel: Path) -> None:
    """Check the metadata of both files and the content of the wheel."""
    run(sys.executable, "-m", "twine", "check", "--strict", *(path for path in DIST.iterdir() if path.suffix != ".md"))
    run(sys.executable, "-m", "check_wheel_contents", wheel)


def use(wheel: Path, folder: Path) -> None:
    """Install the wheel into a new virtual environment in a folder, and use its commands there."""
    run(sys.executable, "-m", "venv", folder / "venv")
    python, chromalab = folder / "venv" / "bin" / "python", folder / "venv" / "bin" / "chromalab"
    with step("install the wheel"):
        run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", f"{wheel}[all]")
    sample = "from chromalab.data import sample_path; print(sample_path('coffee'))"
    photo = subprocess.run(
        [python, "-c", sample], check=True, capture_output=True, text=True, cwd=folder
    ).stdout.strip()
    commands = {
        "colorize a photo": ["colorize", photo, "-o", "photo.jpg"],
        "run a study": ["compare", "run", "quick", "--smoke", "--out", "study"],
        "create a survey": [
            "survey",
            "create",
            "preference",
            "--from-compare",
            "study",
            "--no-power",
            "--out",
            "survey",
        ],
        "answer the survey": ["survey", "simulate", "survey", "--people", "6"],
        "analyze the survey": ["survey", "analyze", "survey"],
    }
    for title, arguments in commands.items():
        with step(title):
            run(chromalab, *arguments, cwd=folder)
    with step("open the page and the app"):
        serve(chromalab, folder)


def serve(chromalab: Path, folder: Path) -> None:
    """Start the server, and ask it for the page and for all files that the app stores at the first visit."""
    server = subprocess.Popen([chromalab, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True, cwd=folder)
    try:
        assert server.stderr is not None  # noqa: S101 - it is a pipe
        address = re.search(r"http://\S+", server.stderr.readline())
        if address is None:
            raise RuntimeError("chromalab serve does not start")
        fetch(address[0])
        fetch(f"{address[0]}static/messages/locales/de.json")
        (build,) = re.findall(rb"^const BUILD = (.*);$", fetch(f"{address[0]}app/service_worker.js"), re.MULTILINE)
        for path in json.loads(build)["files"]:
            fetch(f"{address[0]}app/{path}")
    finally:
        server.terminate()
        server.wait()


def fetch(url: str) -> bytes:
    """Return what the server gives for an address."""
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - our own server
        content: bytes = response.read()
        return content


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command, and show its output only if it fails.

    Raises:
        SystemExit: it fails.
    """
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=cwd)
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise SystemExit(f"failed: {' '.join(map(str, command))}")


@contextmanager
def step(title: str) -> Iterator[None]:
    """Name a step, and afterwards its time."""
    started = time.monotonic()
    print(f"{title} ...", end=" ", flush=True)
    yield
    print(f"{time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    """Rehearse the release."""
    parser_of(__doc__).parse_args()
    with step("build the source distribution and the wheel"):
        wheel = build()
    with step("check them"):
        check(wheel)
    notes = release_notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), __version__)
    (DIST / "RELEASE_NOTES.md").write_text(notes, encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="chromalab-release-") as folder:
        use(wheel, Path(folder))
    with step("perform the steps of the Dockerfile"):
        rehearse_container()
    for path in sorted(DIST.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
