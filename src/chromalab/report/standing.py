"""The overview figure: where every objective stands between no colour at all and the best objective."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from matplotlib.ticker import MultipleLocator

from chromalab.report.numbers import ARROWS, space_label
from chromalab.report.style import INK, MUTED, RULE, ZONE, Drawing, canvas, finish
from chromalab.report.tables import summary_lookup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from chromalab.compare.records import Analysis, Direction, MetricFacts, SummaryRow
    from chromalab.report.style import ObjectiveStyle

LEAST_PERCENT = -100.0
"""Objectives further on the wrong side of grey are drawn at this edge, with their value beside the mark."""


@dataclasses.dataclass(frozen=True)
class Standing:
    """One objective under one metric, in percent of the way from the grey baseline (0) to the best objective (100)."""

    metric: MetricFacts
    objective: str
    percent: float
    seed_percents: tuple[float, ...]


def gain(value: float, grey: float, truth: float | None, direction: Direction) -> float:
    """Return by how much `value` is better than the grey baseline, in the metric's unit.

    >>> gain(0.08, 0.10, 0.0, "lower") > 0, gain(22.0, 23.0, None, "higher"), gain(50.0, 0.0, 45.0, "closer")
    (True, -1.0, 40.0)
    """
    if direction == "closer":
        return math.nan if truth is None else abs(grey - truth) - abs(value - truth)
    return grey - value if direction == "lower" else value - grey


def standings(analysis: Analysis, color_space: str) -> list[Standing]:
    """Return every objective's standing under every metric that has a grey baseline."""
    lookup = summary_lookup(analysis, color_space)
    found: list[Standing] = []
    for metric in analysis.metrics:
        rows = [lookup[name, metric.name] for name in analysis.objectives if (name, metric.name) in lookup]
        found += _metric_standings(metric, rows, lookup)
    return found


def _metric_standings(
    metric: MetricFacts, rows: Sequence[SummaryRow], lookup: Mapping[tuple[str, str], SummaryRow]
) -> list[Standing]:
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
        Standing(metric, row.objective, 100 * gains / span, tuple(100 * gained(mean) / span for mean in row.seed_means))
        for row, gains in known
    ]


def _value(row: SummaryRow | None) -> float | None:
    return row.mean if row is not None and row.mean is not None and math.isfinite(row.mean) else None


def draw_standings(analysis: Analysis, color_space: str, styles: Mapping[str, ObjectiveStyle]) -> Drawing | None:
    """Draw a row for each metric and a mark for each objective, with its single seeds as small dots."""
    found = standings(analysis, color_space)
    metrics = list(dict.fromkeys(standing.metric.name for standing in found))
    if not found:
        return None
    with canvas(7.4, 0.8 + 0.33 * len(metrics)) as figure:
        axes = figure.add_subplot()
        _frame(axes, [next(s.metric for s in found if s.metric.name == name) for name in metrics])
        names = [name for name in analysis.objectives if any(s.objective == name for s in found)]
        for standing in found:
            offset = _dodge(names.index(standing.objective), len(names))
            _mark(axes, standing, metrics.index(standing.metric.name) + offset, styles[standing.objective])
        axes.set_xlim(_left_edge(found), 108)
        for name in names:
            style = styles[name]
            axes.plot([], [], style.marker, color=style.color, markersize=5.5, label=name)
        figure.legend(loc="outside upper center", ncols=min(len(names), 8), handletextpad=0.1, columnspacing=1.4)
        return finish(figure, f"standing_{color_space}", _alt(analysis, color_space, found))


def _dodge(index: int, count: int) -> float:
    return 0.0 if count == 1 else 0.56 * (index / (count - 1) - 0.5)


def _left_edge(found: Sequence[Standing]) -> float:
    least = min(min((s.percent, *s.seed_percents)) for s in found)
    return max(least, LEAST_PERCENT) - 6 if least < 0 else -6


def _frame(axes: Axes, metrics: Sequence[MetricFacts]) -> None:
    axes.set_yticks(range(len(metrics)), [f"{metric.label} {ARROWS[metric.direction]}" for metric in metrics])
    axes.set_ylim(len(metrics) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    for index in range(0, len(metrics), 2):
        axes.axhspan(index - 0.5, index + 0.5, color=ZONE, alpha=0.6, linewidth=0, zorder=0)
    for percent in (0, 100):
        axes.axvline(percent, color=INK, linewidth=0.8, zorder=1)
    axes.grid(visible=True, axis="x", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MultipleLocator(25))
    axes.set_xlabel("way from the grey baseline (0 %) to the best objective (100 %)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} %".replace("-", "\N{MINUS SIGN}"))


def _mark(axes: Axes, standing: Standing, y: float, style: ObjectiveStyle) -> None:
    inside = [percent for percent in standing.seed_percents if percent >= LEAST_PERCENT]
    axes.plot(inside, [y] * len(inside), ".", color=style.color, alpha=0.5, markersize=4.5, markeredgewidth=0, zorder=2)
    x = max(standing.percent, LEAST_PERCENT)
    axes.plot([x], [y], style.marker, color=style.color, markersize=5.5, markeredgecolor="white", zorder=3,
              markeredgewidth=0.5)  # fmt: skip
    if standing.percent < LEAST_PERCENT:
        text = f"\N{LEFTWARDS ARROW} {standing.percent:.0f} %".replace("-", "\N{MINUS SIGN}")
        axes.annotate(text, (x, y), (5, 0), textcoords="offset points", va="center", fontsize=6.5, color=MUTED)


def _alt(analysis: Analysis, color_space: str, found: Sequence[Standing]) -> str:
    best = {standing.metric.label: standing.objective for standing in sorted(found, key=lambda one: one.percent)}
    leaders = "; ".join(f"{label}: {objective}" for label, objective in best.items())
    return (
        f"Dot plot, training space {space_label(color_space)}: the means of {len(analysis.objectives)} objectives "
        f"between the grey baseline and the best objective. Best under each metric: {leaders}."
    )
