"""Paired differences between objectives: forest plots, and a win matrix for studies with many objectives."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from chromalab.report.figures.style import INK, MUTED, RULE, ZONE, Drawing, canvas, finish
from chromalab.report.formatting import ARROWS, MINUS, format_significant, space_label
from chromalab.studies.analysis.differences import MARGIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from chromalab.report.figures.style import ObjectiveStyle
    from chromalab.studies.records import Analysis, DifferenceRow, MetricFacts

EQUIVALENCE_PERCENT = 100 * MARGIN
"""Half width of the zone of no practical difference, in percent of the span from gray to the best objective."""

WIDEST_PERCENT = 250.0
"""Intervals are cut at this distance from zero and marked with an arrow head, so that the others stay readable."""

WIDEST_MEANS = 3.0
"""On an axis in the unit of the metric, intervals are cut at this multiple of the largest difference."""


@dataclasses.dataclass(frozen=True)
class ForestLine:
    """The difference of one pair with its interval, in percent of the span or in the unit of the metric."""

    pair: str
    mean: float
    low: float | None
    high: float | None
    winner: str | None
    equivalent: bool


@dataclasses.dataclass(frozen=True)
class Forest:
    """All pairs under one metric and color space.

    Attributes:
        metric: the metric.
        lines: the pairs.
        span: |gray baseline - best objective| in the unit of the metric; None if there is none.
        in_percent: whether the lines are in percent of the span. They have the unit of the metric if the span is not
            clear beside its noise, because a percentage would then mean nothing.
    """

    metric: MetricFacts
    lines: tuple[ForestLine, ...]
    span: float | None
    in_percent: bool

    @property
    def scaled_span(self) -> float | None:
        """The span on the plot's axis."""
        return 100.0 if self.in_percent else self.span


def forest(metric: MetricFacts, rows: Sequence[DifferenceRow]) -> Forest | None:
    """Return the forest plot of the rows that have a difference, or None if no row has one."""
    known = [row for row in rows if row.mean is not None and math.isfinite(row.mean)]
    if not known:
        return None
    span = known[0].span
    if span is None or not math.isfinite(span) or span <= 0:
        span = None
    in_percent = span is not None and known[0].is_span_clear
    scale = 100.0 / span if span is not None and in_percent else 1.0
    return Forest(metric, tuple(_line(row, scale) for row in known), span, in_percent)


def _line(row: DifferenceRow, scale: float) -> ForestLine:
    low, high = (None if end is None else end * scale for end in (row.ci_low, row.ci_high))
    mean = math.nan if row.mean is None else row.mean * scale
    return ForestLine(
        pair=f"{row.first} {MINUS} {row.second}",
        mean=mean,
        low=low,
        high=high,
        winner=row.winner,
        equivalent=row.equivalent == "supported",
    )


def forests(analysis: Analysis, color_space: str) -> list[Forest]:
    """Return a forest plot for every metric with differences in this color space."""
    found = []
    for metric in analysis.metrics:
        rows = [row for row in analysis.differences if row.metric == metric.name and row.color_space == color_space]
        plot = forest(metric, rows)
        if plot is not None:
            found.append(plot)
    return found


def draw_forest(plot: Forest, color_space: str, styles: Mapping[str, ObjectiveStyle]) -> Drawing:
    """Draw one metric's forest as a figure of its own."""
    with canvas(5.6, 0.95 + 0.215 * len(plot.lines)) as figure:
        _panel(figure.add_subplot(), plot, styles)
        name = f"forest_{color_space}_{plot.metric.name}"
        return finish(figure, name, alt_text(plot, color_space))


def draw_forests(plots: Sequence[Forest], color_space: str, styles: Mapping[str, ObjectiveStyle]) -> Drawing:
    """Draw the forest plots of all metrics as one figure, with the names of the pairs once per row of panels."""
    columns = min(3, len(plots))
    rows = math.ceil(len(plots) / columns)
    height = max(len(plot.lines) for plot in plots)
    with canvas(1.4 + 3.0 * columns, 0.5 + rows * (0.95 + 0.19 * height)) as figure:
        figure.set_layout_engine("constrained", h_pad=0.1)
        for index, plot in enumerate(plots):
            axes = figure.add_subplot(rows, columns, index + 1)
            _panel(axes, plot, styles)
            if index % columns and [line.pair for line in plot.lines] == [line.pair for line in plots[index - 1].lines]:
                axes.set_yticklabels([])
        _legend(figure)
        alt = f"Forest plots of {len(plots)} metrics, training space {space_label(color_space)}."
        return finish(figure, f"forest_{color_space}", alt)


def _legend(figure: Figure) -> None:
    def marker(shape: str, face: str, label: str) -> Line2D:
        return Line2D([], [], color=MUTED, marker=shape, markerfacecolor=face, linewidth=1.2, label=label)

    zone = Patch(facecolor=ZONE, edgecolor=RULE, label=f"within ±{EQUIVALENCE_PERCENT:.0f} % of the span")
    handles = [
        marker("o", MUTED, "better after Holm's correction (in its color)"),
        marker("s", MUTED, "practically equal"),
        marker("o", "white", "no verdict"),
        zone,
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)


def _panel(axes: Axes, plot: Forest, styles: Mapping[str, ObjectiveStyle]) -> None:
    edge = _edge(plot)
    span = plot.scaled_span
    if span is not None:
        axes.axvspan(-MARGIN * span, MARGIN * span, color=ZONE, linewidth=0, zorder=0)
        for side in (-span, span):
            if abs(side) < edge:
                axes.axvline(side, color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    for index, line in enumerate(plot.lines):
        _draw_line(axes, index, line, edge, styles)
    axes.set_xlim(-edge, edge)
    axes.set_ylim(len(plot.lines) - 0.4, -0.6)
    axes.set_yticks(range(len(plot.lines)), [line.pair for line in plot.lines])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="y", color=RULE, linewidth=0.3, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    _captions(axes, plot)


def _captions(axes: Axes, plot: Forest) -> None:
    unit = f" {plot.metric.unit}" if plot.metric.unit else ""
    axes.set_title(f"{plot.metric.label} {ARROWS[plot.metric.direction]}")
    if plot.span is not None:
        scale = f"{'100 %' if plot.in_percent else 'span'} = {format_significant(plot.span)}{unit}"
        axes.set_title(scale, loc="right", fontsize=7.5, fontweight="normal", color=MUTED)
    axes.set_xlabel("% of the span" if plot.in_percent else f"difference{f' ({plot.metric.unit})' if unit else ''}")
    first_side = {"lower": 0.0, "higher": 1.0}.get(plot.metric.direction)
    if first_side is not None:
        _side_label(axes, first_side, "first better")
        _side_label(axes, 1.0 - first_side, "second better")


def _side_label(axes: Axes, side: float, text: str) -> None:
    """Label the side of zero on which an objective is better, next to the axis label."""
    words = f"\N{LEFTWARDS ARROW} {text}" if side == 0 else f"{text} \N{RIGHTWARDS ARROW}"
    axes.annotate(words, (side, 0), (0, -17), xycoords="axes fraction", textcoords="offset points", va="top",
                  ha="left" if side == 0 else "right", fontsize=7.5, color=MUTED)  # fmt: skip


def _edge(plot: Forest) -> float:
    """Return the distance from zero to the ends of the axis, within which at least half of the marks lie."""
    ends = [abs(end) for line in plot.lines for end in (line.low, line.mean, line.high) if end is not None]
    widest = max(end for end in ends if math.isfinite(end))
    means = [abs(line.mean) for line in plot.lines]
    if plot.in_percent:
        return 1.08 * min(max(widest, 1.5 * EQUIVALENCE_PERCENT), max(WIDEST_PERCENT, 1.5 * statistics.median(means)))
    return 1.08 * min(widest, WIDEST_MEANS * max(means) or widest) or 1.0


def _draw_line(axes: Axes, y: int, line: ForestLine, edge: float, styles: Mapping[str, ObjectiveStyle]) -> None:
    style = styles.get(line.winner) if line.winner else None
    color = style.color if style else MUTED
    if line.low is not None and line.high is not None:
        axes.plot([max(line.low, -edge), min(line.high, edge)], [y, y], color=color, linewidth=1.3, zorder=2)
        for end, beyond, head in ((-edge, line.low < -edge, "<"), (edge, line.high > edge, ">")):
            if beyond:
                axes.plot([end], [y], head, color=color, markersize=4, clip_on=False, zorder=3)
    if abs(line.mean) <= edge:
        shape = "s" if line.equivalent and not style else "o"
        face = color if style or line.equivalent else "white"
        axes.plot([line.mean], [y], shape, color=color, markerfacecolor=face, markersize=4.5, zorder=3)


def alt_text(plot: Forest, color_space: str) -> str:
    """Return the text alternative of a forest plot."""
    decided = sum(line.winner is not None for line in plot.lines)
    same = sum(line.equivalent for line in plot.lines)
    return (
        f"Forest plot of {plot.metric.label}, training space {space_label(color_space)}: {len(plot.lines)} pairs, "
        f"{decided} differ after correction, {same} are practically equal."
    )


MOST_PAIRS = 15
"""Largest number of pairs for which forest plots suffice: those of six objectives."""

_COLUMNS = 4
_CELL_IN, _LABEL_IN, _GAP_IN = 0.17, 1.25, 0.42


def draw_win_matrix(analysis: Analysis, color_space: str, styles: Mapping[str, ObjectiveStyle]) -> Drawing | None:
    """Draw a matrix of all objectives against all others for each metric, or return None if forest plots suffice."""
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
        return finish(figure, f"wins_{color_space}", _matrix_alt(metrics, rows, color_space))


def _square(
    axes: Axes,
    metric: MetricFacts,
    rows: Sequence[DifferenceRow],
    names: Sequence[str],
    styles: Mapping[str, ObjectiveStyle],
) -> None:
    place = {name: index for index, name in enumerate(names)}
    for row in rows:
        _pair_cells(axes, row, place, styles)
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


def _pair_cells(
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


def _matrix_alt(metrics: Sequence[MetricFacts], rows: Mapping[str, Sequence[DifferenceRow]], color_space: str) -> str:
    decided = sum(row.winner is not None for found in rows.values() for row in found)
    return (
        f"Wins and losses under {len(metrics)} metrics, training space {space_label(color_space)}: of "
        f"{sum(map(len, rows.values()))} paired comparisons {decided} have a winner after correction."
    )
