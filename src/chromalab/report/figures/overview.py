"""The overview figure: every objective between the gray baseline (0 %) and the best objective (100 %)."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from chromalab.report.figures.style import INK, MUTED, RULE, ZONE, Drawing, canvas, finish
from chromalab.report.formatting import ARROWS, MINUS, space_label
from chromalab.report.study.tables import summary_lookup

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from chromalab.report.figures.style import ObjectiveStyle
    from chromalab.studies.records import Analysis, Direction, MetricFacts, SummaryRow

LEAST_PERCENT = -100.0
"""Objectives below this value are listed with their values in a lane at the left edge."""

_WIDTH_IN, _ROW_IN, _MORE_ROW_IN = 7.4, 0.33, 0.04
_LINE_IN = 0.125
"""Height of a line in the lane, in inches."""

_SLOT_IN, _SLOT_PERCENT = 0.56, 24.0
"""Width of a mark with its value in the lane: in inches, and in units of the axis."""


@dataclasses.dataclass(frozen=True)
class RelativeScore:
    """One objective under one metric, scaled from the gray baseline (0 %) to the best objective (100 %).

    `clear` is whether that span is large enough beside its noise for the percentage to be given as a number.
    """

    metric: MetricFacts
    objective: str
    percent: float
    seed_percents: tuple[float, ...]
    clear: bool = True


def gain(value: float, grey: float, truth: float | None, direction: Direction) -> float:
    """Return how much better `value` is than the gray baseline, in the unit of the metric.

    >>> gain(0.08, 0.10, 0.0, "lower") > 0, gain(22.0, 23.0, None, "higher"), gain(50.0, 0.0, 45.0, "closer")
    (True, -1.0, 40.0)
    """
    if direction == "closer":
        return math.nan if truth is None else abs(grey - truth) - abs(value - truth)
    return grey - value if direction == "lower" else value - grey


def relative_scores(analysis: Analysis, color_space: str) -> list[RelativeScore]:
    """Return every objective's score under every metric that has a gray baseline."""
    lookup = summary_lookup(analysis, color_space)
    found: list[RelativeScore] = []
    for metric in analysis.metrics:
        rows = [lookup[name, metric.name] for name in analysis.objectives if (name, metric.name) in lookup]
        clear = all(
            row.is_span_clear
            for row in analysis.differences
            if (row.metric, row.color_space) == (metric.name, color_space) and row.span
        )
        found += [dataclasses.replace(score, clear=clear) for score in _metric_scores(metric, rows, lookup)]
    return found


def _metric_scores(
    metric: MetricFacts, rows: Sequence[SummaryRow], lookup: Mapping[tuple[str, str], SummaryRow]
) -> list[RelativeScore]:
    grey, truth = _value(lookup.get(("grey", metric.name))), _value(lookup.get(("truth", metric.name)))
    if grey is None:
        return []

    def gained(value: float) -> float:
        return gain(value, grey, truth, metric.direction)

    known = [(row, gained(row.mean)) for row in rows if row.mean is not None and math.isfinite(gained(row.mean))]
    span = abs(max((gains for _, gains in known), default=0.0))
    if span == 0:
        return []
    return [
        RelativeScore(
            metric, row.objective, 100 * gains / span, tuple(100 * gained(mean) / span for mean in row.seed_means)
        )
        for row, gains in known
    ]


def _value(row: SummaryRow | None) -> float | None:
    return row.mean if row is not None and row.mean is not None and math.isfinite(row.mean) else None


def draw_overview(analysis: Analysis, color_space: str, styles: Mapping[str, ObjectiveStyle]) -> Drawing | None:
    """Draw a row for each metric and a mark for each objective, with a small dot for each seed."""
    found = relative_scores(analysis, color_space)
    if not found:
        return None
    names = [name for name in analysis.objectives if any(s.objective == name for s in found)]
    rows = list({score.metric.name: score.metric for score in found}.values())
    row_in = _ROW_IN + _MORE_ROW_IN * max(0, len(names) - 5)
    lane = Lane.of(found, row_in)
    legend_rows = math.ceil(len(names) / _legend_columns(names))
    size = _WIDTH_IN + _SLOT_IN * lane.columns, 0.65 + 0.15 * legend_rows + row_in * len(rows)
    with canvas(*size) as figure:
        axes = figure.add_subplot()
        left = _left_edge(found)
        _frame(axes, rows, left, {score.metric.name for score in found if not score.clear})
        for y, metric in enumerate(rows):
            own = [score for score in found if score.metric.name == metric.name]
            for score in own:
                _mark(axes, score, y + _dodge(names.index(score.objective), len(names)), styles)
            _list_beyond(axes, lane, own, y, styles)
        axes.set_xlim(left - _SLOT_PERCENT * lane.columns, 108)
        if lane.columns:
            _name_lane(axes, left, lane)
        _legend(figure, names, styles)
        return finish(figure, f"overview_{color_space}", _alt(analysis, color_space, found))


@dataclasses.dataclass(frozen=True)
class Lane:
    """The area left of the axis for objectives far worse than gray: a grid of slots in every row.

    Attributes:
        lines: number of slots on top of each other in a row.
        columns: number of slots side by side; 0 if no objective is below `LEAST_PERCENT`.
        line_rows: height of a line relative to that of a row.
    """

    lines: int
    columns: int
    line_rows: float

    @classmethod
    def of(cls, found: Sequence[RelativeScore], row_in: float) -> Lane:
        """Return a lane large enough for the row with the most such objectives."""
        counts = Counter(score.metric.name for score in found if _is_beyond(score))
        lines = int(row_in / _LINE_IN)
        return cls(lines, math.ceil(max(counts.values(), default=0) / lines), _LINE_IN / row_in)

    def slots(self, count: int) -> list[tuple[int, float]]:
        """Return column and vertical offset of each of `count` marks, the first next to the axis.

        >>> Lane(2, 2, 0.4).slots(3)
        [(0, -0.2), (0, 0.2), (1, 0.0)]
        """
        found = []
        for column in range(math.ceil(count / self.lines)):
            filled = min(self.lines, count - column * self.lines)
            found += [(column, self.line_rows * (line - (filled - 1) / 2)) for line in range(filled)]
        return found


def _is_beyond(score: RelativeScore) -> bool:
    return score.percent < LEAST_PERCENT


def _dodge(index: int, count: int) -> float:
    return 0.0 if count == 1 else min(0.76, 0.14 * (count - 1)) * (index / (count - 1) - 0.5)


def _left_edge(found: Sequence[RelativeScore]) -> float:
    least = min(min((s.percent, *s.seed_percents)) for s in found)
    return max(least, LEAST_PERCENT) - 6 if least < 0 else -6


def _frame(axes: Axes, metrics: Sequence[MetricFacts], left: float, unclear: Collection[str]) -> None:
    labels = [f"{metric.label} {ARROWS[metric.direction]}{'*' * (metric.name in unclear)}" for metric in metrics]
    axes.set_yticks(range(len(metrics)), labels)
    axes.set_ylim(len(metrics) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    for index in range(0, len(metrics), 2):
        axes.axhspan(index - 0.5, index + 0.5, color=ZONE, alpha=0.6, linewidth=0, zorder=0)
    for percent in (0, 100):
        axes.axvline(percent, color=INK, linewidth=0.8, zorder=1)
    axes.grid(visible=True, axis="x", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.set_xticks([percent for percent in range(-100, 101, 25) if percent >= left])
    axes.set_xlabel("score from the gray baseline (0 %) to the best objective (100 %)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} %".replace("-", MINUS))


def _legend(figure: Figure, names: Sequence[str], styles: Mapping[str, ObjectiveStyle]) -> None:
    handles = [
        Line2D([], [], color=styles[name].color, marker=styles[name].marker, linestyle="", markersize=5.5, label=name)
        for name in names
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=_legend_columns(names), handletextpad=0.1, columnspacing=1.4
    )


def _legend_columns(names: Sequence[str]) -> int:
    """Return how many names fit side by side in rows of equal length."""
    fit = max(1, int(_WIDTH_IN / (0.35 + 0.065 * max(map(len, names)))))
    return math.ceil(len(names) / math.ceil(len(names) / fit))


def _mark(axes: Axes, score: RelativeScore, y: float, styles: Mapping[str, ObjectiveStyle]) -> None:
    style = styles[score.objective]
    inside = [percent for percent in score.seed_percents if percent >= LEAST_PERCENT]
    axes.plot(inside, [y] * len(inside), ".", color=style.color, alpha=0.5, markersize=4.5, markeredgewidth=0, zorder=2)
    if not _is_beyond(score):
        _point(axes, score.percent, y, style)


def _point(axes: Axes, x: float, y: float, style: ObjectiveStyle) -> None:
    axes.plot([x], [y], style.marker, color=style.color, markersize=5.5, markeredgecolor="white", zorder=3,
              markeredgewidth=0.5)  # fmt: skip


def _list_beyond(
    axes: Axes, lane: Lane, own: Sequence[RelativeScore], y: int, styles: Mapping[str, ObjectiveStyle]
) -> None:
    """List the objectives far worse than gray in their row, the best of them next to the axis."""
    beyond = sorted((one for one in own if _is_beyond(one)), key=lambda one: -one.percent)
    for score, (column, offset) in zip(beyond, lane.slots(len(beyond)), strict=True):
        x = LEAST_PERCENT - 6 - _SLOT_PERCENT * (column + 0.85)
        _point(axes, x, y + offset, styles[score.objective])
        text = f"{score.percent:.0f} %".replace("-", MINUS) if score.clear else ""
        axes.annotate(text, (x, y + offset), (5, 0), textcoords="offset points", va="center", fontsize=6.5, color=MUTED)


def _name_lane(axes: Axes, left: float, lane: Lane) -> None:
    axes.axvline(left, color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    middle = left - _SLOT_PERCENT * lane.columns / 2
    axes.annotate("below −100 %", (middle, 0), (0, -7), xycoords=("data", "axes fraction"),
                  textcoords="offset points", ha="center", va="top", fontsize=7.5, color=INK)  # fmt: skip


def _alt(analysis: Analysis, color_space: str, found: Sequence[RelativeScore]) -> str:
    best = {score.metric.label: score.objective for score in sorted(found, key=lambda one: one.percent)}
    leaders = "; ".join(f"{label}: {objective}" for label, objective in best.items())
    return (
        f"Dot plot, training space {space_label(color_space)}: the means of {len(analysis.objectives)} objectives "
        f"between the gray baseline and the best objective. Best under each metric: {leaders}."
    )
