"""Plots of values with intervals, for any report that ranks things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.report.figures.style import INK, MUTED, RULE, canvas, finish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.report.figures.style import Drawing


@dataclass(frozen=True)
class IntervalLine:
    """A value with its interval, and a second, fainter one beside it where there is one."""

    label: str
    value: float
    low: float
    high: float
    other: tuple[float, float, float] | None = None


def draw_intervals(
    lines: Sequence[IntervalLine], *, name: str, alt: str, axis: str, reference: float | None = None
) -> Drawing:
    """Draw one line for each value, the first on top.

    Args:
        lines: the values.
        name: of the drawing.
        alt: what it shows, for those who can't see it.
        axis: what the values are.
        reference: a value to draw a rule at.
    """
    with canvas(6.4, 0.55 + 0.32 * len(lines)) as figure:
        axes = figure.subplots()
        if reference is not None:
            axes.axvline(reference, color=MUTED, linewidth=0.7, linestyle=(0, (4, 3)))
        for place, line in enumerate(lines):
            if line.other is not None:
                value, low, high = line.other
                axes.plot([low, high], [place + 0.22] * 2, color=RULE, linewidth=1.4)
                axes.plot([value], [place + 0.22], "o", color="white", markeredgecolor=MUTED, markersize=3.5)
            axes.plot([line.low, line.high], [place, place], color=INK, linewidth=1.6)
            axes.plot([line.value], [place], "o", color=INK, markersize=4.5)
        axes.set_yticks(range(len(lines)), [line.label for line in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.set_xlabel(axis)
        axes.grid(visible=True, axis="x", color=RULE, linewidth=0.4)
        axes.set_axisbelow(True)
        return finish(figure, name, alt)
