"""Markdown of generated pages: tables, whole pages, and templates that are filled with what records hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GENERATED = "<!-- Written by tools/pages/generate.py: run `make docs`, don't edit. -->"
TEMPLATES = Path(__file__).parent / "templates"


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


def render(template: str, **values: object) -> str:
    """Return the page of a template in `templates/`; a missing value is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, from our own records
    )
    return environment.get_template(template).render(generated=GENERATED, **values)
