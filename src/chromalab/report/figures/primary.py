"""The primary comparisons of a study in one figure: each difference with its interval and the margin that matters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from chromalab.report.figures.style import INK, MUTED, RULE, ZONE, Drawing, canvas, finish
from chromalab.report.formatting import MINUS, decimals_for, format_interval, format_number, space_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from chromalab.studies.records import Finding, MetricFacts, PrimaryRow

WIDEST_MARGINS = 6.0
"""Intervals are cut at this many margins from zero and marked with an arrow head, so that the others stay readable."""

COLORS: dict[Finding, str] = {
    "differs by more than matters": "#B23A00",
    "differs": "#B07D00",
    "differs by less than matters": "#0072B2",
    "practically equal": "#0072B2",
    "open": MUTED,
}
MARKERS: dict[Finding, str] = {
    "differs by more than matters": "D",
    "differs": "D",
    "differs by less than matters": "s",
    "practically equal": "s",
    "open": "o",
}
WORDS: dict[Finding, str] = {"differs": "differs, size undecided", "open": "undecided"}
"""Words of the figure for findings whose name in records says less."""
FILLED: frozenset[Finding] = frozenset({"differs by more than matters", "practically equal"})


def draw_primary(
    rows: Sequence[PrimaryRow], metrics: Sequence[MetricFacts], color_space: str, name: str = "primary"
) -> Drawing | None:
    """Draw one line per contrast and metric, in units of the metric's margin, or return None without a difference.

    The side on which the first objective of a contrast scores better is on the right. Metrics without a better side
    increase to the right.

    Args:
        rows: the primary comparisons of one color space.
        metrics: the metrics, for labels, units and directions.
        color_space: the color space.
        name: start of the name of the file.
    """
    facts = {metric.name: metric for metric in metrics}
    known = [row for row in rows if row.mean is not None and row.margin and row.metric in facts]
    if not known:
        return None
    contrasts = list(dict.fromkeys((row.first, row.second) for row in known))
    lines = len(known) + 1.3 * len(contrasts)
    with canvas(8.4, 0.93 + 0.185 * lines) as figure:
        axes = figure.add_subplot()
        edge = _edge(known)
        axes.axvspan(-1, 1, color=ZONE, linewidth=0, zorder=0)
        axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
        labels: list[tuple[float, str]] = []
        y = 0.0
        for first, second in contrasts:
            axes.text(-edge, y, f"{first} {MINUS} {second}", fontsize=8.5, fontweight="bold", va="center")
            for row in (row for row in known if (row.first, row.second) == (first, second)):
                y += 1
                metric = facts[row.metric]
                _draw(axes, y, row, metric, edge)
                labels.append((y, _label(metric)))
            y += 1.3
        _finish_axes(axes, edge, y, labels)
        _legend(figure)
        return finish(figure, f"{name}_{color_space}", alt_text(known, color_space))


def _label(metric: MetricFacts) -> str:
    return metric.label if metric.direction != "closer" else f"{metric.label} (right = more, not better)"


def _edge(rows: Sequence[PrimaryRow]) -> float:
    ends = [abs(end) / (row.margin or 1) for row in rows for end in (row.ci_low, row.ci_high) if end is not None]
    return 1.06 * min(max([1.5, *ends]), WIDEST_MARGINS)


def _draw(axes: Axes, y: float, row: PrimaryRow, metric: MetricFacts, edge: float) -> None:
    sign = -1.0 if metric.direction == "lower" else 1.0
    scale = sign / (row.margin or 1)
    mean = scale * (row.mean or 0.0)
    color = COLORS[row.finding]
    if row.ci_low is not None and row.ci_high is not None:
        low, high = sorted((scale * row.ci_low, scale * row.ci_high))
        axes.plot([max(low, -edge), min(high, edge)], [y, y], color=color, linewidth=1.4, zorder=2)
        for end, beyond, head in ((-edge, low < -edge, "<"), (edge, high > edge, ">")):
            if beyond:
                axes.plot([end], [y], head, color=color, markersize=4, clip_on=False, zorder=3)
    if abs(mean) <= edge:
        face = color if row.finding in FILLED else "white"
        axes.plot([mean], [y], MARKERS[row.finding], color=color, markerfacecolor=face, markersize=4.8, zorder=3)
    axes.annotate(_value(row, metric), (1.015, y), xycoords=("axes fraction", "data"), va="center", fontsize=7.5)


def _value(row: PrimaryRow, metric: MetricFacts) -> str:
    """Return the difference as measured, with its interval."""
    ends = [end for end in (row.ci_low, row.ci_high) if end is not None]
    decimals = decimals_for([(ends[1] - ends[0]) / 2] if len(ends) == 2 else [], [row.mean or 0.0])
    interval = format_interval(row.ci_low, row.ci_high, decimals)
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{format_number(row.mean, decimals, signed=True)}{unit}  {interval}"


def _finish_axes(axes: Axes, edge: float, height: float, labels: Sequence[tuple[float, str]]) -> None:
    axes.set_xlim(-edge, edge)
    axes.set_ylim(height - 0.6, -0.8)
    axes.set_yticks([y for y, _ in labels], [text for _, text in labels])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    ticks = range(-math.floor(edge), math.floor(edge) + 1)
    axes.set_xticks(list(ticks), [f"{abs(tick)}" if tick else "0" for tick in ticks])
    axes.set_xlabel("size of the difference, in margins")
    for side, text in (
        (0.0, "\N{LEFTWARDS ARROW} second scores better"),
        (1.0, "first scores better \N{RIGHTWARDS ARROW}"),
    ):
        axes.annotate(text, (side, 0), (0, -17), xycoords="axes fraction", textcoords="offset points", va="top",
                      ha="left" if side == 0 else "right", fontsize=7.5, color=MUTED)  # fmt: skip


def _legend(figure: Figure) -> None:
    def marker(finding: Finding) -> Line2D:
        color = COLORS[finding]
        face = color if finding in FILLED else "white"
        label = WORDS.get(finding, finding)
        return Line2D([], [], color=color, marker=MARKERS[finding], markerfacecolor=face, linewidth=1.4, label=label)

    zone = Patch(facecolor=ZONE, edgecolor=RULE, label="within the margin")
    # Phones show only the left part of a figure, so the key is narrow and starts at the left.
    figure.legend(handles=[*map(marker, COLORS), zone], loc="outside lower left", ncols=2)


def alt_text(rows: Sequence[PrimaryRow], color_space: str) -> str:
    """Return the text alternative of the figure."""
    counts = {finding: sum(row.finding == finding for row in rows) for finding in COLORS}
    parts = ", ".join(f"{count} {WORDS.get(finding, finding)}" for finding, count in counts.items() if count)
    return f"{len(rows)} primary comparisons, training space {space_label(color_space)}: {parts}."
