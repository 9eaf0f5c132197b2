"""How a metric's values are spread over the photos: one strip for each method."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chromalab.metrics.registry import METRICS
from chromalab.report.numbers import ARROWS
from chromalab.report.style import MUTED, canvas, finish, objective_styles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from chromalab.evaluation.scores import Comparison
    from chromalab.report.style import Drawing

COLUMNS = 3
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def draw_distributions(comparison: Comparison, methods: Sequence[str]) -> Drawing | None:
    """Draw the spread of every per-photo metric: median, middle half and middle nine tenths of the photos.

    Returns:
        One figure, or None where there is no per-photo metric.
    """
    names = [name for name in METRICS if name in comparison.scores[methods[0]].columns]
    names = [name for name in names if any(len(_values(comparison, method, name)) for method in methods)]
    if not names:
        return None
    rows = math.ceil(len(names) / COLUMNS)
    with canvas(9.0, rows * (0.55 + 0.2 * len(methods))) as figure:
        axes = np.atleast_1d(figure.subplots(rows, COLUMNS, squeeze=False)).ravel()
        for place, name in zip(axes, names, strict=False):
            _draw(place, comparison, name, methods)
        for place in axes[len(names) :]:
            place.set_axis_off()
        return finish(figure, "distributions", f"Spread over photos of {len(names)} metrics by method")


def _draw(axes: Axes, comparison: Comparison, name: str, methods: Sequence[str]) -> None:
    styles = objective_styles(methods)
    for row, method in enumerate(methods):
        values = _values(comparison, method, name)
        if not len(values):
            continue
        low, lower, middle, upper, high = np.quantile(values, QUANTILES)
        color = styles[method].color
        axes.plot([low, high], [row, row], color=color, linewidth=0.8, solid_capstyle="butt")
        axes.plot([lower, upper], [row, row], color=color, linewidth=3.2, solid_capstyle="butt")
        axes.plot([middle], [row], marker="o", markersize=4, color="white", markeredgecolor=color)
    metric = METRICS[name]
    unit = f" ({metric.unit})" if metric.unit else ""
    axes.set_title(f"{metric.label}{unit} {ARROWS[metric.direction]}", fontsize=7.5)
    axes.set_yticks(range(len(methods)), methods, fontsize=6.5)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=6.5, colors=MUTED)
    axes.locator_params(axis="x", nbins=4)


def _values(comparison: Comparison, method: str, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    column = comparison.scores[method].columns[name]
    return column[np.isfinite(column)]
