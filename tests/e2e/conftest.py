"""Run commands in this process, because importing PyTorch for each would cost ten seconds per test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from chromalab.cli.main import run
from tests.colorization.models import write_model

COMPUTING = {("compare", "run"), ("compare", "tune"), ("compare", "score")}


class Done(NamedTuple):
    """Exit code, standard output and standard error of a command."""

    code: int
    out: str
    err: str


class Chromalab(Protocol):
    """Runs `chromalab` with arguments."""

    def __call__(self, *arguments: str | Path) -> Done:
        """Run the command and return its result."""


@pytest.fixture
def chromalab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Chromalab:
    """Return a runner of the command line; an exception that would be a traceback fails the test."""

    def call(*arguments: str | Path) -> Done:
        trains = arguments[:2] in COMPUTING or (arguments[:1] == ("train",) and "--out" in arguments)
        threads = ["--threads", "1"] if trains else []
        monkeypatch.setattr(sys, "argv", ["chromalab", *map(str, arguments), *threads])
        with pytest.raises(SystemExit) as stop:
            run()
        captured = capsys.readouterr()
        return Done(stop.value.code if isinstance(stop.value.code, int) else 0, captured.out, captured.err)

    return call


@pytest.fixture
def blank_figures(blank_figures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures of reports empty, and leave out those of single differences: there are dozens."""
    monkeypatch.setattr("chromalab.report.study.report.forests", lambda _analysis, _space: [])


class Case(NamedTuple):
    """A folder of small files that trip picture software, with the command to run in it."""

    folder: Path
    chromalab: Chromalab
    quick_model: Path

    def photo(self, name: str) -> Path:
        """Return a file of `in`."""
        return self.folder / "in" / name

    def colorize(self, *options: str, source: str = "in", out: str = "out/") -> dict[str, dict[str, Any]]:
        """Colorize inside the folder; return the results of `--json` by the name of the photo below `in`.

        A model of one layer does it, because a network would take most of the time, unless the options need another.
        """
        model = () if {"--model", "--samples"} & set(options) else ("--model", self.quick_model)
        done = self.chromalab("colorize", source, "-o", out, "--json", "out.json", *model, *options)
        assert done.code in (0, 1), done.err
        photos = self.summary()["photos"]
        return {photo["source"].removeprefix("in/"): photo for photo in photos}

    def summary(self) -> dict[str, Any]:
        """Return what `colorize` wrote to the file of `--json`."""
        summary: dict[str, Any] = json.loads((self.folder / "out.json").read_text(encoding="utf-8"))
        return summary


@pytest.fixture(scope="session")
def quick_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a colorizer whose chroma is a linear function of lightness."""
    return write_model(tmp_path_factory.mktemp("model") / "quick.onnx", [[0.4], [-0.3]], [5, 10], {})


@pytest.fixture
def case(
    shared: Path, tmp_path: Path, chromalab: Chromalab, quick_model: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Case]:
    """Return a function that makes a case of `shared/cases` and enters its folder."""

    def make(name: str) -> Case:
        script = shared / "cases" / "make_cases.py"
        subprocess.run([sys.executable, script, tmp_path, name], check=True, capture_output=True)
        monkeypatch.chdir(tmp_path / name)
        return Case(tmp_path / name, chromalab, quick_model)

    return make
