"""A griffe extension for `make site`: doctests of docstrings become sections of examples."""

from __future__ import annotations

import re
from textwrap import indent
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from griffe import Object

_DOCTEST = re.compile(r"^>>> .*(?:\n.+|\n\n>>> .*)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Put the doctests of each docstring below the heading that the Google style has for them."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring:
            obj.docstring.value = _DOCTEST.sub(_examples, obj.docstring.value)


def _examples(doctest: re.Match[str]) -> str:
    return "Examples:\n" + indent(doctest[0], "    ")
