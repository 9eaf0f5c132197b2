"""The contact sheet: every photo before and after, the most suspicious first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from chromalab.colorization.audit import FAULTS

if TYPE_CHECKING:
    from jinja2 import Template

    from chromalab.colorization.audit import Ranked
    from chromalab.colorization.batch import Summary

FAULT_WORDS = {
    "blotches": "blotches",
    "grey_objects": "gray places",
    "bleeding": "color across edges",
    "cast": "one hue over all",
    "instability": "changes with the size",
}

_SUSPICIOUS = 0.9
_PERCENT = frozenset({"blotches", "grey_objects", "bleeding", "cast"})


@dataclass(frozen=True)
class SheetPhoto:
    """A photo on the sheet; `half` and `double` are its change of chroma at half and twice its size."""

    ranked: Ranked
    half: float
    double: float

    @property
    def name(self) -> str:
        """The output's path relative to the output folder."""
        return self.ranked.name

    @property
    def address(self) -> str:
        """The name as a part of an address."""
        return quote(self.ranked.name)

    @property
    def suspicious(self) -> bool:
        """Whether it is in the tenth of photos that a fault shows most in."""
        return self.ranked.suspicion >= _SUSPICIOUS

    @property
    def reason(self) -> str:
        """Its worst fault, in words and with its size."""
        worst = self.ranked.worst
        return f"{FAULT_WORDS[worst]}: {shown(worst, getattr(self.ranked.audit, worst))}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """All faults, in words and with their sizes."""
        return [(FAULT_WORDS[fault], shown(fault, getattr(self.ranked.audit, fault))) for fault in FAULTS]


def shown(fault: str, value: float) -> str:
    """Return the size of a fault as people read it.

    >>> shown("cast", 0.5), shown("instability", 3.21)
    ('50%', '3.2 units')
    """
    return f"{value:.1%}".replace(".0%", "%") if fault in _PERCENT else f"{value:.1f} units"


def contact_sheet(summary: Summary, photos: list[SheetPhoto], total: int, stability: dict[str, float]) -> str:
    """Return the page.

    Args:
        summary: of the batch.
        photos: those to show, in their order.
        total: how many there are.
        stability: mean changes of chroma at half and twice the size.
    """
    return _template("sheet.html").render(
        summary=summary, photos=photos, total=total, stability=stability, failures=summary.reasons()
    )


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("chromalab.colorization"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
