"""Training curves: loss, terms, gradient shares and cosines, weights, and the critic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from chromalab.core.wording import plural
from chromalab.report.figures.style import INK, MUTED, Drawing, canvas, finish, horizontal_rules
from chromalab.report.formatting import format_significant, space_label
from chromalab.report.study.training_logs import CRITIC, SHARE, WEIGHT, seed_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from chromalab.report.figures.style import ObjectiveStyle
    from chromalab.report.study.training_logs import RunCurves

PANEL_IN = (2.75, 1.95)
LOG_RATIO = 20.0
"""Positive curves that span more than this factor are drawn on a logarithmic axis."""

_COLORS = (INK, MUTED)
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), "-.")
_MOST_LINES = 8
"""Largest number of curves in a plot that colors and dashes keep distinguishable."""

_LEGEND_ROW_IN = 0.15
_WIDE_LABEL = 17
"""Longest label, in characters, that leaves room for a second legend column."""


@dataclass(frozen=True)
class CriticPlot:
    """A plot of one logged quantity of all critics.

    Attributes:
        column: column of the training log.
        title: title of the plot.
        name: part of the file name.
        wasserstein: whether to draw Wasserstein critics only (True), other critics only (False), or all (None).
    """

    column: str
    title: str
    name: str
    wasserstein: bool | None = None

    def shows(self, run: RunCurves) -> bool:
        """Return whether to draw `run`."""
        return self.column in run.columns and self.wasserstein in {None, run.wasserstein}


CRITIC_PLOTS = (
    CriticPlot("critic.accuracy", "Critic's accuracy", "accuracy"),
    CriticPlot("critic.distance", "Wasserstein estimate", "distance", wasserstein=True),
    CriticPlot("critic.distance", "Score difference", "score_difference", wasserstein=False),
    CriticPlot("critic.loss", "Critic's loss", "loss"),
    CriticPlot("critic.gradient_norm", "Critic's gradient norm", "gradient_norm"),
)


def draw_losses(runs: Sequence[RunCurves], styles: Mapping[str, ObjectiveStyle]) -> list[Drawing]:
    """Draw the weighted total loss of every objective: a thin line for each seed, a thick one for their mean."""
    return [
        _draw_column(own, "loss", objective, f"loss_{own[0].name.color_space}_{objective}", styles)
        for objective, own in _by_objective(runs, styles)
        if "loss" in own[0].columns
    ]


def draw_terms(runs: Sequence[RunCurves], styles: Mapping[str, ObjectiveStyle]) -> list[Drawing]:
    """Draw each unweighted term of the objectives that have more than one."""
    return [
        _draw_column(own, term, f"{objective}: {term}", f"term_{own[0].name.color_space}_{objective}_{term}", styles)
        for objective, own in _by_objective(runs, styles)
        if len(own[0].terms) > 1
        for term in own[0].terms
    ]


def draw_critic(runs: Sequence[RunCurves], styles: Mapping[str, ObjectiveStyle]) -> list[Drawing]:
    """Draw one plot for each quantity that the critics logged, with all objectives that have a critic."""
    columns = dict.fromkeys(column for run in runs for column in run.columns if column.startswith(CRITIC))
    known = {plot.column for plot in CRITIC_PLOTS}
    others = (CriticPlot(name, name, name.removeprefix(CRITIC)) for name in columns if name not in known)
    drawn = ((plot, [run for run in runs if plot.shows(run)]) for plot in (*CRITIC_PLOTS, *others))
    return [_draw_critic(own, plot, styles) for plot, own in drawn if own]


def draw_shares(runs: Sequence[RunCurves], styles: Mapping[str, ObjectiveStyle]) -> list[Drawing]:
    """Draw the gradient share of each term, for objectives with more than one term."""
    drawings = []
    for _, own in _by_objective(runs, styles):
        labels = {term + SHARE: term for term in own[0].terms if term + SHARE in own[0].columns}
        if len(labels) > 1:
            drawings.append(_draw_lines(own, labels, f"share_{_place(own)}", "Shares of the gradient", _percent_axis))
    return drawings


def draw_cosines(runs: Sequence[RunCurves], styles: Mapping[str, ObjectiveStyle]) -> list[Drawing]:
    """Draw the logged cosines between the gradients of each pair of terms."""
    drawings = []
    for _, own in _by_objective(runs, styles):
        labels = {column: f"{first} vs {second}" for column, (first, second) in own[0].pairs.items()}
        for start in range(0, len(labels), _MOST_LINES):
            part = dict(list(labels.items())[start : start + _MOST_LINES])
            name = f"cosine_{_place(own)}" + (f"_{start // _MOST_LINES + 1}" if len(labels) > _MOST_LINES else "")
            drawings.append(_draw_lines(own, part, name, "Cosines between the terms' gradients", _cosine_axis))
    return drawings


def draw_weights(runs: Sequence[RunCurves], styles: Mapping[str, ObjectiveStyle]) -> list[Drawing]:
    """Draw the weights of terms that were balanced during training."""
    drawings = []
    for _, own in _by_objective(runs, styles):
        labels = {term + WEIGHT: term for term in own[0].terms if term + WEIGHT in own[0].columns}
        if labels:
            drawings.append(_draw_lines(own, labels, f"weight_{_place(own)}", "Weights", _decades_axis))
    return drawings


def _place(runs: Sequence[RunCurves]) -> str:
    return f"{runs[0].name.color_space}_{runs[0].name.objective}"


def _by_objective(
    runs: Sequence[RunCurves], styles: Mapping[str, ObjectiveStyle]
) -> Iterable[tuple[str, list[RunCurves]]]:
    for objective in styles:
        own = [run for run in runs if run.name.objective == objective]
        if own:
            yield objective, own


def _draw_column(
    runs: Sequence[RunCurves], column: str, title: str, name: str, styles: Mapping[str, ObjectiveStyle]
) -> Drawing:
    with canvas(*PANEL_IN) as figure:
        axes = figure.add_subplot()
        _curves(axes, runs, column, styles[runs[0].name.objective].color)
        _finish_axes(axes, title, runs, column)
        return finish(figure, name, _alt(title, runs, column))


def _draw_critic(runs: Sequence[RunCurves], plot: CriticPlot, styles: Mapping[str, ObjectiveStyle]) -> Drawing:
    listed = list(_by_objective(runs, styles))
    with _legend_canvas([objective for objective, _ in listed]) as figure:
        axes = figure.add_subplot()
        accuracy = plot.column == "critic.accuracy"
        for objective, own in listed:
            _curves(axes, own, plot.column, styles[objective].color, label=objective, factor=100 if accuracy else 1)
        if accuracy:
            _percent_axis(axes)
            axes.axhline(50, color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
        _finish_axes(axes, plot.title, runs, None if accuracy else plot.column)
        _legend(figure, [objective for objective, _ in listed])
        name = f"critic_{runs[0].name.color_space}_{plot.name}"
        return finish(figure, name, _alt(plot.title, runs, plot.column))


def _draw_lines(
    runs: Sequence[RunCurves], labels: Mapping[str, str], name: str, what: str, set_axis: Callable[[Axes], None]
) -> Drawing:
    """Draw several columns of one objective in one plot, each with its own dash pattern."""
    objective = runs[0].name.objective
    with _legend_canvas(list(labels.values())) as figure:
        axes = figure.add_subplot()
        factor = 100 if set_axis is _percent_axis else 1
        for index, (column, label) in enumerate(labels.items()):
            color, dash = _COLORS[index % 2], _DASHES[(index + index // 4) % 4]
            _curves(axes, runs, column, color, label=label, factor=factor, dash=dash)
        set_axis(axes)
        _finish_axes(axes, objective, runs, None)
        _legend(figure, list(labels.values()))
        return finish(figure, name, f"{what} of {objective}: {', '.join(labels.values())}.")


def _legend_canvas(labels: Sequence[str]) -> AbstractContextManager[Figure]:
    """Return a canvas whose height grows with the rows of its legend, so that all plots have the same size."""
    rows = math.ceil(len(labels) / _legend_columns(labels))
    return canvas(PANEL_IN[0], PANEL_IN[1] + _LEGEND_ROW_IN * rows)


def _legend_columns(labels: Sequence[str]) -> int:
    return 1 if max(map(len, labels)) > _WIDE_LABEL else 2


def _legend(figure: Figure, labels: Sequence[str]) -> None:
    figure.legend(
        loc="outside lower center", ncols=_legend_columns(labels), handlelength=2.2, columnspacing=1.2,
        labelspacing=0.25, borderpad=0.1,
    )  # fmt: skip


def _percent_axis(axes: Axes) -> None:
    axes.set_ylim(0, 100)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")


def _cosine_axis(axes: Axes) -> None:
    axes.set_ylim(-1, 1)
    axes.set_yticks([-1, -0.5, 0, 0.5, 1])
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1)


def _decades_axis(axes: Axes) -> None:
    """Set a logarithmic axis over whole decades, because shorter axes have no labels."""
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines])
    values = values[np.isfinite(values) & (values > 0)]
    if len(values):
        low, high = math.floor(math.log10(values.min())), math.ceil(math.log10(values.max()))
        axes.set_ylim(10.0**low, 10.0 ** max(high, low + 1))
        _log_axis(axes)


def _curves(
    axes: Axes,
    runs: Iterable[RunCurves],
    column: str,
    color: str,
    *,
    label: str | None = None,
    factor: float = 1.0,
    dash: str | tuple[int, tuple[float, ...]] = "-",
) -> None:
    listed = [run for run in runs if column in run.columns]
    mean = seed_mean(listed, column)
    width, alpha = (1.4, 1.0) if mean is None else (0.6, 0.45)
    for run in listed:
        name = label if mean is None and run is listed[0] else None
        values = factor * run.columns[column]
        axes.plot(run.steps, values, color=color, linestyle=dash, label=name, linewidth=width, alpha=alpha)
    if mean is not None:
        axes.plot(mean[0], factor * mean[1], color=color, linestyle=dash, label=label)


def _finish_axes(axes: Axes, title: str, runs: Sequence[RunCurves], column: str | None) -> None:
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    if column is not None and _spans_decades(runs, column):
        _log_axis(axes)
    horizontal_rules(axes)


def _log_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # math text is off
    axes.yaxis.set_minor_formatter(NullFormatter())


def _spans_decades(runs: Sequence[RunCurves], column: str) -> bool:
    values = np.concatenate([run.columns[column] for run in runs if column in run.columns])
    values = values[np.isfinite(values)]
    return bool(len(values) and values.min() > 0 and values.max() / values.min() > LOG_RATIO)


def _alt(title: str, runs: Sequence[RunCurves], column: str) -> str:
    values = [run.columns[column] for run in runs if column in run.columns]
    first, last = (float(np.mean([series[end] for series in values])) for end in (0, -1))
    seeds = len({run.name.seed for run in runs})
    return (
        f"{title} over the training steps, training space {space_label(runs[0].name.color_space)}, "
        f"{plural(seeds, 'seed')}: from {format_significant(first)} to {format_significant(last)}."
    )
