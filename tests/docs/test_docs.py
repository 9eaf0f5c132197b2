"""The documentation says what the code does, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import FOLDER, PAGES

ROOT = Path(__file__).resolve().parents[2]
PROSE = sorted(path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if path.name != "LICENSE")


@pytest.mark.parametrize("name", list(PAGES))
def test_reference_pages_are_current(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target


def test_every_command_of_the_readme_exists() -> None:
    commands = set(re.findall(r"^## `(chromalab [a-z ]+)`", PAGES["commands.md"](), flags=re.MULTILINE))
    for line in re.findall(r"^chromalab ((?:[a-z]+ ?)+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE):
        words = line.split()
        assert any(f"chromalab {' '.join(words[:count])}" in commands for count in (1, 2)), line
