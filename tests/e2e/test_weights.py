"""`chromalab weights add` and `list` as people run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from safetensors.torch import save_file

from tests.weights.examples import trunk_state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "weights"


def weights(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from chromalab.cli.main import run; run()", "weights", *arguments],
        env={**os.environ, "CHROMALAB_WEIGHTS": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def assert_refused(done: subprocess.CompletedProcess[str], folder: Path, *, saying: str) -> None:
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert saying in done.stderr
    assert not folder.exists() or not any(folder.iterdir())


def test_add_then_list(folder: Path, tmp_path: Path) -> None:
    save_file(trunk_state("squeezenet1_1"), tmp_path / "mine.safetensors")
    added = weights(folder, "add", str(tmp_path / "mine.safetensors"))
    assert added.returncode == 0, added.stderr
    assert "added squeezenet1_1 from mine.safetensors" in added.stdout
    rows = {row["name"]: row for row in json.loads(weights(folder, "list", "--json", "-").stdout)}
    assert rows["squeezenet1_1"]["present"]
    assert rows["squeezenet1_1"]["path"].startswith(str(folder))
    assert not rows["vgg16"]["present"]
    assert {"what", "licence", "trained_on", "sha256"} <= rows["vgg16"].keys()


def test_list_for_people_names_the_next_command(folder: Path, tmp_path: Path) -> None:
    listed = weights(folder, "list", "--json", str(tmp_path / "weights.json"))
    assert listed.returncode == 0, listed.stderr
    assert "chromalab weights add https://download.pytorch.org/models/vgg16-397923af.pth" in listed.stdout
    assert len(json.loads((tmp_path / "weights.json").read_text())) == 7


def test_several_files_of_which_one_is_bad(folder: Path, tmp_path: Path) -> None:
    save_file(trunk_state("squeezenet1_1"), tmp_path / "good.safetensors")
    (tmp_path / "bad.pth").write_text("no weights")
    done = weights(folder, "add", str(tmp_path / "bad.pth"), str(tmp_path / "good.safetensors"))
    assert done.returncode == 1
    assert "added squeezenet1_1" in done.stdout
    assert "bad.pth is no weight file" in done.stderr


def test_bad_input_is_one_line_and_exit_code_2(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_text("no weights")
    assert_refused(weights(folder, "add", str(tmp_path / "bad.pth")), folder, saying="no weight file")
    twice = weights(folder, "add", "a.pth", "b.pth", "--sha256", "0" * 64)
    assert_refused(twice, folder, saying="--sha256 belongs to one file")
