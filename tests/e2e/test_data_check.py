"""`chromalab data check`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from chromalab.cli.data import SHOWN, app
from chromalab.core.errors import OutputError, UsageError
from tests.data.photo_folder import make_photos
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_CACHE", str(tmp_path / "own_caches"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos", 4)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *(str(argument) for argument in arguments)], env={"COLUMNS": "80"})


def counts(output: str) -> dict[str, list[int]]:
    """Return the printed table: the numbers of every row by its heading."""
    rows = [line.rsplit(maxsplit=1) for line in output.split("\n\n", maxsplit=1)[0].splitlines() if line[-1:].isdigit()]
    return {row[0].strip(): [int(row[1])] for row in rows if len(row) == 2}  # the path above may be wrapped


def test_a_clean_folder(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0
    assert counts(result.stdout) == {
        "photos found": [4],
        "usable": [4],
        "unreadable": [0],
        "too small": [0],
        "gray only": [0],
        "nearly colourless": [0],
        "same content": [0],
    }
    assert "Left out: none" in result.stdout
    assert "Copies inside a folder: none" in result.stdout
    assert "Shared" not in result.stdout


def test_findings_are_printed_and_are_not_errors(folder: Path, tmp_path: Path) -> None:
    (folder / "[bold]text.jpg").write_text("hello")
    other = make_photos(tmp_path / "other", 1, first_seed=70)
    (other / "copy.png").write_bytes((folder / "photo_000.png").read_bytes())
    result = run(folder, other, "--json", tmp_path / "found.json")
    assert result.exit_code == 0
    text = f"  {folder}/[bold]text.jpg: unreadable: its content is not a JPEG, PNG, TIFF, WebP or HEIF photo"
    assert text in result.stdout.splitlines()
    assert f"  {folder}/photo_000.png = {other}/copy.png: same content" in result.stdout.splitlines()
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row["n_found"] for row in found["folders"]] == [5, 2]
    assert found["copies"][0]["shared"] is True


def test_long_lists_are_truncated_except_in_the_file(folder: Path, tmp_path: Path) -> None:
    for number in range(SHOWN + 5):
        (folder / f"text_{number:02d}.jpg").write_text(f"hello {number}")
    result = run(folder, "--json", tmp_path / "found.json")
    assert f"Left out: {SHOWN + 5}" in result.stdout
    assert "and 5 more; --json FILE lists all of them" in result.stdout
    assert len(json.loads((tmp_path / "found.json").read_text())["unusable"]) == SHOWN + 5


def test_threshold(folder: Path) -> None:
    save(folder / "dull.png", np.repeat(picture()[..., :1], 3, axis=2))
    assert counts(run(folder).stdout)["nearly colourless"] == [1]
    assert counts(run(folder, "--colourless-threshold", 0).stdout)["nearly colourless"] == [0]


def test_a_wrong_folder_and_an_existing_output(folder: Path, tmp_path: Path) -> None:
    missing = run(tmp_path / "missing").exception
    assert isinstance(missing, UsageError)
    assert missing.exit_code == 2
    blocked = run(folder, "--json", folder / "photo_000.png" / "found.json").exception
    assert isinstance(blocked, OutputError)
    assert blocked.exit_code == 1


def test_a_missing_argument_and_help() -> None:
    assert run().exit_code == 2
    assert "Folders of photos" in run("--help").stdout
