"""Who beats whom, for studies with more objectives than forests of all pairs can bear: a square for each metric."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from chromalab.report.numbers import ARROWS, space_label
from chromalab.report.style import MUTED, RULE, ZONE, Drawing, canvas, finish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from chromalab.report.style import ObjectiveStyle
    from chromalab.studies.records import Analysis, DifferenceRow, MetricFacts

MOST_PAIRS = 15
"""Pairs up to which forests alone are easy to read: those of six objectives."""

_COLUMNS = 4
_CELL_IN, _LABEL_IN, _GAP_IN = 0.17, 1.25, 0.42


def draw_duels(analysis: Analysis, color_space: str, styles: Mapping[str, ObjectiveStyle]) -> Drawing | None:
    """Draw a square of all objectives against all others for each metric, or nothing where forests can be read."""
    rows = {
        metric.name: [row for row in analysis.differences if row.metric == metric.name
                      and row.color_space == color_space and row.mean is not None]
        for metric in analysis.metrics
    }  # fmt: skip
    metrics = [metric for metric in analysis.metrics if rows[metric.name]]
    if not metrics or max(map(len, rows.values())) <= MOST_PAIRS:
        return None
    names = [name for name in analysis.objectives if any(name in {r.first, r.second} for m in rows.values() for r in m)]
    columns = min(_COLUMNS, len(metrics))
    side, lines = _CELL_IN * len(names), math.ceil(len(metrics) / columns)
    with canvas(_LABEL_IN + columns * (side + 0.2), lines * (side + _GAP_IN)) as figure:
        for index, metric in enumerate(metrics):
            axes = figure.add_subplot(lines, columns, index + 1)
            _square(axes, metric, rows[metric.name], names, styles)
            if index % columns:
                axes.set_yticklabels([])
        return finish(figure, f"duels_{color_space}", _alt(metrics, rows, color_space))


def _square(
    axes: Axes,
    metric: MetricFacts,
    rows: Sequence[DifferenceRow],
    names: Sequence[str],
    styles: Mapping[str, ObjectiveStyle],
) -> None:
    place = {name: index for index, name in enumerate(names)}
    for row in rows:
        _duel(axes, row, place, styles)
    for index, name in enumerate(names):
        axes.add_patch(_cell(index, index, ZONE))
        axes.plot([index], [-0.95], styles[name].marker, color=styles[name].color, markersize=4, clip_on=False)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    for edge in range(len(names) + 1):
        axes.plot([-0.5, len(names) - 0.5], [edge - 0.5] * 2, color=RULE, linewidth=0.4, zorder=1)
        axes.plot([edge - 0.5] * 2, [-0.5, len(names) - 0.5], color=RULE, linewidth=0.4, zorder=1)
    axes.set_title(f"{metric.label} {ARROWS[metric.direction]}", pad=11, fontsize=8)


def _duel(
    axes: Axes, row: DifferenceRow, place: Mapping[str, int], styles: Mapping[str, ObjectiveStyle]
) -> None:  # fmt: skip
    first, second = place[row.first], place[row.second]
    if row.winner is not None:
        winner, loser = (first, second) if row.winner == row.first else (second, first)
        axes.add_patch(_cell(winner, loser, styles[row.winner].color))
        return
    same = row.equivalent == "supported"
    for y, x in ((first, second), (second, first)):
        axes.plot([x], [y], "s" if same else "o", color=MUTED, markersize=4 if same else 2.5, markeredgewidth=0.6,
                  markerfacecolor=MUTED if same else "white")  # fmt: skip


def _cell(y: int, x: int, color: str) -> Rectangle:
    return Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, linewidth=0, zorder=0)


def _alt(metrics: Sequence[MetricFacts], rows: Mapping[str, Sequence[DifferenceRow]], color_space: str) -> str:
    decided = sum(row.winner is not None for found in rows.values() for row in found)
    return (
        f"Who beats whom under {len(metrics)} metrics, training space {space_label(color_space)}: of "
        f"{sum(map(len, rows.values()))} paired comparisons {decided} have a winner after correction."
    )
