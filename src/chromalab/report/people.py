"""The report on metrics against human ratings: a page with scatter plots, and CSV files."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.files import write_text
from chromalab.metrics.registry import METRICS
from chromalab.report.figures.style import INK, MUTED, canvas, finish, objective_styles
from chromalab.report.formatting import csv_text
from chromalab.report.page import environment

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from chromalab.evaluation.people import PeopleRecord, PeopleScores
    from chromalab.report.figures.style import Drawing

COLUMNS = 4


def write_people_report(scores: PeopleScores, out: Path) -> Path:
    """Write `report.html`, `people.json`, `people.csv` and `scores.csv` into a folder, and return the page's path.

    Raises:
        OutputError: the folder can't be written.
    """
    scores.record.save(out / "people.json")
    write_text(out / "people.csv", _table_csv(scores.record))
    write_text(out / "scores.csv", _scores_csv(scores))
    page = environment().get_template("people.html").render(
        record=scores.record,
        ranked=ranked(scores.record),
        labels={name: label_of(name) for name in scores.record.all},
        scenes=objective_styles(list(dict.fromkeys(image.scene for image in scores.ratings.images))),
        scatter=draw_scatter(scores),
    )  # fmt: skip
    write_text(out / "report.html", page)
    return out / "report.html"


def label_of(name: str) -> str:
    """Return a metric's name in tables; parts of `perceptual_lite0` are named by their tap."""
    return METRICS[name].label if name in METRICS else f"Lite0, tap {name[-1]} alone"


def ranked(record: PeopleRecord) -> list[str]:
    """Return the metrics by correlation with people, highest first, metrics without a value last."""
    values = {name: row.srcc for name, row in record.all.items()}
    return sorted(values, key=lambda name: math.inf if (value := values[name]) is None else -value)


def draw_scatter(scores: PeopleScores) -> Drawing:
    """Draw human ratings against every metric: a dot per image, colored by scene; outputs of colorizers are ringed."""
    names = [name for name in ranked(scores.record) if scores.record.all[name].srcc is not None]
    rows = max(1, math.ceil(len(names) / COLUMNS))
    with canvas(9.2, 2.1 * rows) as figure:
        places = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axes, name in zip(places, names, strict=False):
            _scatter(axes, scores, name)
        for axes in places[len(names) :]:
            axes.set_axis_off()
        return finish(figure, "scatter", f"Human ratings of each image against {len(names)} metrics")


def _scatter(axes: Axes, scores: PeopleScores, name: str) -> None:
    images = scores.ratings.images
    x, y = scores.columns[name], np.array([image.score for image in images])
    scenes = np.array([image.scene for image in images])
    real = np.array([image.is_real for image in images])
    for scene, style in objective_styles(list(dict.fromkeys(scenes.tolist()))).items():
        inside = (scenes == scene) & np.isfinite(x)
        axes.plot(x[inside], y[inside], ".", color=style.color, markersize=4, alpha=0.55, markeredgewidth=0)
    ringed = real & np.isfinite(x)
    axes.plot(x[ringed], y[ringed], "o", color="none", markeredgecolor=INK, markersize=4, markeredgewidth=0.5)
    row = scores.record.all[name]
    axes.set_title(f"{label_of(name)}: {row.srcc:.2f}", fontsize=7.5)
    axes.tick_params(labelsize=6, colors=MUTED)
    axes.locator_params(nbins=4)


def _table_csv(record: PeopleRecord) -> str:
    columns = list(next(iter(record.all.values())).model_dump())
    subsets = {"all": record.all, "real": record.real}
    rows = (
        [subset, name, *row.model_dump().values()] for subset, table in subsets.items() for name, row in table.items()
    )
    return csv_text(["subset", "metric", *columns], rows)


def _scores_csv(scores: PeopleScores) -> str:
    rows = (
        [
            image.image,
            image.scene,
            int(image.is_real),
            image.score,
            *(None if math.isnan(value := float(each[place])) else value for each in scores.columns.values()),
        ]
        for place, image in enumerate(scores.ratings.images)
    )
    return csv_text(["image", "scene", "real", "score", *scores.columns], rows)
