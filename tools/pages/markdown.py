"""Markdown of generated pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GENERATED = "<!-- Written by tools/pages/generate.py from the code: run `make docs`, don't edit. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def prose(text: str) -> str:
    """Return text in which L*, a* and b* keep their stars."""
    return text.replace("*", "\\*")


def page(title: str, lead: str, body: str) -> str:
    """Return a whole page."""
    parts = [f"# {title}", GENERATED, lead, body]
    return "\n\n".join(part for part in parts if part) + "\n"
