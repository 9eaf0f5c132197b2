"""The recipes of CONTRIBUTING.md, followed literally in a copy of the repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_SECTION = re.compile(r"^## (How to add .*)$", re.MULTILINE)
_FILE = re.compile(r"^ *(Append to|Write) `([^`]+)`:\n\n( *)```\w+\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)

_RUN = """
import json, shlex, sys
import pytest
from chromalab.cli.main import run
codes = []
for line in json.loads(sys.argv[1]):
    program, *sys.argv[1:] = shlex.split(line)
    print("$", line, flush=True)
    if program == "pytest":
        codes.append(int(pytest.main([*sys.argv[1:], "-q", "-rs", "-n", "0", "-p", "no:cacheprovider"])))
        continue
    try:
        run()
        codes.append(0)
    except SystemExit as end:
        codes.append(int(end.code or 0))
print(json.dumps(codes))
"""
"""Runs command lines one after the other in one process, because importing PyTorch takes seconds."""


def recipes() -> dict[str, str]:
    """Return the text of every recipe by its title."""
    parts = _SECTION.split((ROOT / "CONTRIBUTING.md").read_text())[1:]
    return {title: body.split("\n## ")[0] for title, body in zip(parts[::2], parts[1::2], strict=True)}


def apply_files(recipe: str, repository: Path) -> int:
    """Write every file of a recipe, or append to it; return how many."""
    found = _FILE.findall(recipe)
    for verb, name, _, code in found:
        file = repository / name
        assert file.exists() == (verb == "Append to"), name
        before = file.read_text() + "\n\n" if file.exists() else ""
        file.write_text(before + textwrap.dedent(code))
    return len(found)


def commands() -> list[str]:
    """Return the command lines of all recipes."""
    blocks = [block for recipe in recipes().values() for block in _COMMANDS.findall(recipe)]
    return [line.strip() for block in blocks for line in block.split("\n") if line.strip()]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a copy of the repository's sources and tests."""
    copy = tmp_path / "repository"
    copy.mkdir()
    shutil.copy(ROOT / "pyproject.toml", copy)
    for folder in ("src", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def run(lines: list[str], repository: Path) -> tuple[list[int], str]:
    """Run command lines in the repository; return their exit codes and what they printed."""
    environment = os.environ | {"PYTHONPATH": str(repository / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _RUN, json.dumps(lines)]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stdout


def test_there_is_a_recipe_for_every_kind_of_extension() -> None:
    assert {title.split()[-1] for title in recipes()} == {"loss", "metric", "encoder", "protocol", "method"}
    assert sum(line.startswith("pytest ") for line in commands()) == len(recipes())


@pytest.mark.slow
def test_following_the_recipes_literally_works(repository: Path) -> None:
    checks = [line for line in commands() if line.startswith("pytest ")]
    before, _ = run(checks, repository)
    assert before == [pytest.ExitCode.NO_TESTS_COLLECTED] * len(checks)
    for recipe in recipes().values():
        assert apply_files(recipe, repository) == 1
    after, printed = run(commands(), repository)
    assert after == [0] * len(commands()), printed
    assert "SKIPPED" not in printed
