"""Draw the figures of the page *Does the objective matter?* from its records: `make results`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D

from chromalab.core.files import write_text
from chromalab.metrics.registry import METRICS
from chromalab.report.figures.differences import draw_forests, forests
from chromalab.report.figures.primary import draw_primary
from chromalab.report.figures.style import MUTED, canvas, finish, horizontal_rules, objective_styles
from chromalab.report.formatting import ARROWS
from tools import DOCS, read_record
from tools.pages.exploration import MAIN
from tools.pages.objective import SHOWN, checkpoints
from tools.pages.studies import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from chromalab.report.figures.style import ObjectiveStyle

IMAGES = DOCS / "images"
ERRORS = ("delta_e_2000", "lpips_alex")
ON_THE_WAY = ("psnr", "delta_e_2000", "lpips_alex", "color_perceptual")


def main() -> None:
    """Draw every figure."""
    for name, svg in drawings().items():
        write_text(IMAGES / f"{name}.svg", svg)


def drawings() -> dict[str, str]:
    """Return the figures that are the same bytes for the same records, as SVG by name."""
    results = Results.load(MAIN)
    return {
        "objective_primary": primary_figure(results),
        "objective_forest": forest_figure(results),
        "objective_tradeoff": tradeoff_figure(results),
        "objective_learning": learning_figure(results),
        "models_saturation": saturation_figure(),
    }


def primary_figure(results: Results) -> str:
    """Draw the primary comparisons."""
    drawing = draw_primary(results.analysis.primary, results.analysis.metrics, "lab")
    return "" if drawing is None else drawing.svg


def forest_figure(results: Results) -> str:
    """Draw the paired differences under the metrics of the page."""
    plots = [plot for plot in forests(results.analysis, "lab") if plot.metric.name in SHOWN]
    return draw_forests(plots, "lab", objective_styles(results.analysis.objectives)).svg


def tradeoff_figure(results: Results) -> str:
    """Draw chroma against error, a mark for each run."""
    styles = objective_styles(results.analysis.objectives)
    with canvas(7.2, 3.1) as figure:
        for place, metric in enumerate(ERRORS):
            axes = figure.add_subplot(1, len(ERRORS), place + 1)
            _tradeoff(axes, results, metric, styles)
        _legend(figure, styles, lines=False)
        return finish(figure, "objective_tradeoff", "Chroma against error, a mark for each run.").svg


def _tradeoff(axes: Axes, results: Results, metric: str, styles: dict[str, ObjectiveStyle]) -> None:
    truth, grey = results.cell("chroma", "truth"), results.cell(metric, "grey")
    for name, style in styles.items():
        chroma, error = results.cell("chroma", name), results.cell(metric, name)
        if chroma is None or error is None or truth is None or not truth.mean:
            continue
        shares = 100 * np.array(chroma.seed_means) / truth.mean
        axes.plot(shares, error.seed_means, style.marker, color=style.color, markersize=5)
    if grey is not None and grey.mean is not None:
        axes.axhline(grey.mean, color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
        axes.annotate("no color", (0, grey.mean), (2, 2), textcoords="offset points", color=MUTED, fontsize=7.5)
    _finish(axes, metric, "mean chroma, % of the photographs'")
    axes.set_xlim(0, 110)


def _finish(axes: Axes, metric: str, label: str) -> None:
    axes.axvline(100, color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set_xlabel(label)
    axes.set_title(f"{METRICS[metric].label} {ARROWS[METRICS[metric].direction]}")
    horizontal_rules(axes)


def saturation_figure() -> str:
    """Draw colorfulness against error for every shipped model at several saturations."""
    record = read_record("models/saturation.json")
    styles = objective_styles(list(record["models"]))
    with canvas(7.2, 3.1) as figure:
        for place, metric in enumerate(ERRORS):
            axes = figure.add_subplot(1, len(ERRORS), place + 1)
            for name, curve in record["models"].items():
                shares = 100 * np.array(curve["colorfulness"]) / record["truth"]["colorfulness"]
                axes.plot(shares, curve[metric], "-", color=styles[name].color, linewidth=1)
                own = curve["saturations"].index(1.0)
                axes.plot(shares[own], curve[metric][own], styles[name].marker, color=styles[name].color, markersize=5)
            _finish(axes, metric, "mean colorfulness, % of the photographs'")
            axes.set_xlim(left=0)
        _legend(figure, styles, lines=True)
        return finish(figure, "models_saturation", "Colorfulness against error at several saturations.").svg


def learning_figure(results: Results) -> str:
    """Draw the means of a few metrics on the way, and each seed's."""
    styles = objective_styles(results.analysis.objectives)
    with canvas(7.2, 4.6) as figure:
        for place, metric in enumerate(ON_THE_WAY):
            axes = figure.add_subplot(2, 2, place + 1)
            _learning(axes, metric, styles)
            if place >= len(ON_THE_WAY) - 2:
                axes.set_xlabel("crops seen")
        _legend(figure, styles, lines=True)
        return finish(figure, "objective_learning", "Means of four metrics after parts of the training.").svg


def _learning(axes: Axes, metric: str, styles: dict[str, ObjectiveStyle]) -> None:
    for name, style in styles.items():
        found = [
            (each.crops, row.seed_means)
            for each in checkpoints()
            for row in each.analysis.summary
            if (row.metric, row.objective) == (metric, name) and row.seed_means
        ]
        if found:
            axes.plot([crops for crops, _ in found], [np.mean(means) for _, means in found], "-", color=style.color)
            for crops, means in found:
                axes.plot([crops] * len(means), means, style.marker, color=style.color, markersize=3.5)
    axes.set_xlim(left=0)
    axes.set_xticks([each.crops for each in checkpoints()])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_title(f"{METRICS[metric].label} {ARROWS[METRICS[metric].direction]}")
    horizontal_rules(axes)


def _legend(figure: Figure, styles: dict[str, ObjectiveStyle], *, lines: bool) -> None:
    handles = [
        Line2D(
            [], [], color=style.color, marker=style.marker, markersize=4.5, linestyle="-" if lines else "", label=name
        )
        for name, style in styles.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


if __name__ == "__main__":
    main()
