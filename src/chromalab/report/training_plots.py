"""Plots of the trainings: the loss, its terms, their shares of the gradient, and the critic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from chromalab.report.curves import CRITIC, SHARE, seed_mean
from chromalab.report.numbers import format_significant, plural, space_label
from chromalab.report.style import INK, MUTED, Drawing, canvas, finish, horizontal_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.axes import Axes

    from chromalab.report.curves import RunCurves
    from chromalab.report.style import ObjectiveStyle

PANEL_IN = (2.75, 1.95)
LOG_RATIO = 20.0
"""A curve that spans more than this factor, and stays above zero, is drawn on a logarithmic axis."""

CRITIC_LABELS = {
    "critic.distance": "Wasserstein distance (estimate)",
    "critic.loss": "critic's loss",
    "critic.gradient_norm": "critic's gradient norm",
}
_TERM_COLORS = (INK, MUTED, INK, MUTED)
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), "-.")


def draw_losses(runs: Sequence[RunCurves], styles: Mapping[str, ObjectiveStyle]) -> list[Drawing]:
    """Draw the weighted total of every objective: each seed thin, their mean thick."""
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
    """Draw what the critics logged, all objectives with a critic in one plot for each quantity."""
    columns = sorted({column for run in runs for column in run.columns if column.startswith(CRITIC)})
    known = [column for column in CRITIC_LABELS if column in columns]
    return [
        _draw_critic_column([run for run in runs if column in run.columns], column, styles)
        for column in [*known, *(column for column in columns if column not in known)]
    ]


def draw_shares(runs: Sequence[RunCurves], styles: Mapping[str, ObjectiveStyle]) -> list[Drawing]:
    """Draw which share of the gradient each term has, for the objectives that have more than one term."""
    drawings = []
    for objective, own in _by_objective(runs, styles):
        terms = [term for term in own[0].terms if term + SHARE in own[0].columns]
        if len(terms) > 1:
            drawings.append(_draw_shares_of(objective, own, terms))
    return drawings


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


def _draw_critic_column(runs: Sequence[RunCurves], column: str, styles: Mapping[str, ObjectiveStyle]) -> Drawing:
    title = CRITIC_LABELS.get(column, column)
    with canvas(*PANEL_IN) as figure:
        axes = figure.add_subplot()
        for objective, own in _by_objective(runs, styles):
            _curves(axes, own, column, styles[objective].color, label=objective)
        _finish_axes(axes, title[0].upper() + title[1:], runs, column)
        figure.legend(loc="outside lower center", ncols=2)
        return finish(
            figure, f"critic_{runs[0].name.color_space}_{column.removeprefix(CRITIC)}", _alt(title, runs, column)
        )


def _draw_shares_of(objective: str, runs: Sequence[RunCurves], terms: Sequence[str]) -> Drawing:
    with canvas(*PANEL_IN) as figure:
        axes = figure.add_subplot()
        for index, term in enumerate(terms):
            _curves(axes, runs, term + SHARE, _TERM_COLORS[index % 4], label=term, factor=100, dash=_DASHES[index % 4])
        axes.set_ylim(0, 100)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")
        _finish_axes(axes, objective, runs, None)
        figure.legend(loc="outside lower center", ncols=2)
        alt = f"Shares of the gradient of {objective} by term: {', '.join(terms)}."
        return finish(figure, f"share_{runs[0].name.color_space}_{objective}", alt)


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
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # no powers: math text is off
        axes.yaxis.set_minor_formatter(NullFormatter())
    horizontal_rules(axes)


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
