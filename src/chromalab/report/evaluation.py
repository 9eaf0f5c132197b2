"""The report of an evaluation: an HTML page, a LaTeX table and CSV files."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.files import write_text
from chromalab.core.wording import listing, plural
from chromalab.evaluation.examples import chosen_photos, extremes, read_shown
from chromalab.evaluation.paired_tests import unbeaten
from chromalab.metrics.registry import METRICS
from chromalab.report import formatting
from chromalab.report.figures.style import MUTED, canvas, finish, objective_styles
from chromalab.report.formatting import ARROWS, LATEX_ARROWS, escape_latex
from chromalab.report.gallery import MAPS, Gallery, GridImage, GridRow, Variant, data_uri, draw_map
from chromalab.report.page import environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from chromalab.evaluation.examples import Extremes, ShownPhoto
    from chromalab.evaluation.records import ComparisonRecord, MetricSummary, PairedDifference
    from chromalab.evaluation.scores import Comparison
    from chromalab.metrics.facts import MetricFacts
    from chromalab.report.figures.style import Drawing

__all__ = ["latex_table", "write_evaluation_report"]

MAX_IMAGES = 180
"""Images and error maps on a page, which then has about 8 MB."""

IMAGE = "image"


def write_evaluation_report(comparison: Comparison, out: Path) -> Path:
    """Write `report.html`, `table.tex`, `summary.csv` and `differences.csv` into a folder, and return the page's path.

    The page opens offline. Its size does not grow with the number of photos, because it shows only photos that are the
    best or the worst under some metric.

    Raises:
        OutputError: the folder can't be written.
    """
    record = comparison.record
    write_text(out / "table.tex", latex_table(record))
    write_text(out / "summary.csv", summary_csv(record))
    write_text(out / "differences.csv", differences_csv(record))
    write_text(out / "report.html", _render(comparison))
    return out / "report.html"


def _render(comparison: Comparison) -> str:
    record = comparison.record
    methods = [method.name for method in record.methods if not method.is_bound]
    found = extremes(comparison)
    per_photo = len(MAPS) * len(methods) + len(methods) + 2
    shown = list(read_shown(comparison, chosen_photos(found, max(4, MAX_IMAGES // per_photo))))
    places = {photo.name: index for index, photo in enumerate(shown, start=1)}
    return environment().get_template("evaluation.html").render(
        record=record,
        protocol=comparison.protocol,
        methods=methods,
        styles=objective_styles(methods),
        lines=table_lines(record),
        headline=headline(record),
        differences=_differences(record),
        extremes=_by_metric(found),
        places=places,
        gallery=_gallery(shown, methods),
        maps=MAPS if record.target or record.grey else (),
        distributions=draw_distributions(comparison, methods),
        labels={name: metric.label for name, metric in METRICS.items()},
        facts={facts.name: facts for facts in record.metrics},
        unavailable=_unavailable(record),
        number=_number,
    )  # fmt: skip


def headline(record: ComparisonRecord) -> list[str]:
    """Return sentences on which methods lead under how many metrics, and which metrics separate no methods."""
    methods = [method.name for method in record.methods if not method.is_bound]
    if len(methods) == 1:
        return [f"{plural(record.n_photos, 'photo')} of {methods[0]} under the protocol {record.protocol}."]
    tested = list(dict.fromkeys(row.metric for row in record.differences if row.p is not None))
    alone = {name: [metric for metric in tested if _leads(record, metric, name, methods)] for name in methods}
    sentences = [
        f"{name} is significantly better than every other method under {len(led)} of "
        f"{plural(len(tested), 'metric')}: {_labels(led)}."
        for name, led in alone.items()
        if led
    ]
    open_ones = [metric for metric in tested if metric not in unbeaten(record)]
    if open_ones:
        sentences.append(f"Under {_labels(open_ones)} no method significantly beats another.")
    return sentences or ["No comparison of two methods could be tested."]


def _labels(names: Sequence[str]) -> str:
    return listing(METRICS[name].label for name in names)


def _leads(record: ComparisonRecord, metric: str, name: str, methods: Sequence[str]) -> bool:
    rows = [row for row in record.differences if row.metric == metric and name in (row.first, row.second)]
    return len(rows) == len(methods) - 1 and all(row.winner == name for row in rows)


def _differences(record: ComparisonRecord) -> dict[str, list[PairedDifference]]:
    found: dict[str, list[PairedDifference]] = {}
    for row in record.differences:
        found.setdefault(row.metric, []).append(row)
    return found


def _by_metric(found: Sequence[Extremes]) -> dict[str, list[Extremes]]:
    rows: dict[str, list[Extremes]] = {}
    for each in found:
        rows.setdefault(each.metric, []).append(each)
    return rows


def _unavailable(record: ComparisonRecord) -> dict[str, str]:
    """Return why requested metrics have no value."""
    first = next(method for method in record.methods if not method.is_bound)
    asked = {facts.name for facts in record.metrics}
    return {
        METRICS[name].label: summary.reason
        for name, summary in first.metrics.items()
        if summary.mean is None and summary.reason and (name in asked or summary.reason != "not asked for")
    }


def _gallery(shown: Sequence[ShownPhoto], methods: Sequence[str]) -> Gallery:
    """Return the grid: gray and ground truth, then every method as an image or as an error map."""
    beside = {"grey": "grey", "truth": "target"}
    columns = [name for name, role in beside.items() if any(role in photo.images for photo in shown)]
    has_truth = "truth" in columns
    kinds = [kind for kind in MAPS if has_truth or kind.key == "lightness"] if columns else []
    variants = (Variant(IMAGE, "images"), *(Variant(kind.key, kind.label) for kind in kinds))
    rows = tuple(
        GridRow(
            photo.name,
            *_size(photo),
            (
                *(_reference(photo, name, beside[name]) for name in columns),
                *(tuple(_images(photo, method, [kind.key for kind in kinds])) for method in methods),
            ),
        )
        for photo in shown
    )
    return Gallery((*columns, *methods), variants, rows, jpeg=True, n_left_out=0)


def _size(photo: ShownPhoto) -> tuple[int, int]:
    height, width = next(iter(photo.images.values())).shape[:2]
    return width, height


def _reference(photo: ShownPhoto, name: str, role: str) -> tuple[GridImage, ...]:
    if role not in photo.images:
        return ()
    return (GridImage(data_uri(photo.images[role]), "", f"{photo.name}, {name}"),)


def _images(photo: ShownPhoto, method: str, kinds: Sequence[str]) -> Iterator[GridImage]:
    own = photo.images.get(method)
    if own is None:
        return
    yield GridImage(data_uri(own), IMAGE, f"{photo.name} by {method}")
    for kind in MAPS:
        beside = _compared_with(kind.key, photo.images)
        if kind.key in kinds and beside is not None:
            yield GridImage(draw_map(kind, own, beside), kind.key, f"{photo.name} by {method}: {kind.label}")


def _compared_with(kind: str, images: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8] | None:
    return images.get("grey", images.get("target")) if kind == "lightness" else images.get("target")


def _number(value: float) -> str:
    return formatting.format_significant(value, 3) if math.isfinite(value) else formatting.INFINITY


ROLES = {
    "fidelity": "Fidelity",
    "color": "Color",
    "perceptual": "Perceptual distances",
    "distribution": "Sets of photographs",
    "semantic": "Recognition",
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One method under one metric, formatted; `best` means unbeaten while some other method is beaten."""

    value: str
    interval: str
    best: bool
    reason: str | None


@dataclasses.dataclass(frozen=True)
class Line:
    """The table row of one metric."""

    metric: MetricFacts
    cells: tuple[Cell, ...]
    truth: str


def table_lines(record: ComparisonRecord) -> dict[str, list[Line]]:
    """Return the rows of the table by role, without metrics that have no value for any method."""
    best = unbeaten(record)
    lines: dict[str, list[Line]] = {}
    for role, heading in ROLES.items():
        found = [_line(record, facts, best.get(facts.name, ())) for facts in record.metrics if facts.role == role]
        kept = [line for line in found if any(cell.value != formatting.NOTHING for cell in line.cells)]
        if kept:
            lines[heading] = kept
    return lines


def _line(record: ComparisonRecord, facts: MetricFacts, best: Sequence[str]) -> Line:
    summaries = [method.metrics[facts.name] for method in record.methods]
    decimals = _decimals([each for each, method in zip(summaries, record.methods, strict=True) if not method.is_bound])
    cells = tuple(
        Cell(
            formatting.format_number(summary.mean, decimals),
            "" if method.is_bound else formatting.format_interval(summary.ci_low, summary.ci_high, decimals),
            method.name in best,
            summary.reason,
        )
        for method, summary in zip(record.methods, summaries, strict=True)
    )
    truth = next((summary.truth for summary in summaries if summary.truth is not None), None)
    return Line(facts, cells, formatting.format_number(truth, decimals) if truth is not None else "")


def _decimals(summaries: Sequence[MetricSummary]) -> int:
    return formatting.column_decimals((each.mean, each.ci_low, each.ci_high) for each in summaries)


def summary_csv(record: ComparisonRecord) -> str:
    """Return CSV text with a row for each method or bound and metric, in full precision."""
    columns = ["method", "metric", "direction", "mean", "ci_low", "ci_high", "truth", "n", "reason", "protocol"]
    found = ((method.name, facts, method.metrics[facts.name]) for method in record.methods for facts in record.metrics)
    rows = (
        [
            name,
            facts.name,
            facts.direction,
            one.mean,
            one.ci_low,
            one.ci_high,
            one.truth,
            one.n,
            one.reason,
            record.protocol,
        ]
        for name, facts, one in found
    )  # fmt: skip
    return formatting.csv_text(columns, rows)


def differences_csv(record: ComparisonRecord) -> str:
    """Return CSV text with a row for each pair of methods and metric, in full precision."""
    columns = ["metric", "first", "second", "mean", "ci_low", "ci_high", "p", "p_holm", "winner", "n", "reason"]
    return formatting.csv_text(columns, ([getattr(row, name) for name in columns] for row in record.differences))


def latex_table(record: ComparisonRecord) -> str:
    """Return a LaTeX table with booktabs: mean and half width of the 95% interval, the best in bold."""
    names = [(escape_latex(method.name), method.is_bound) for method in record.methods]
    heads = " & ".join(rf"\textit{{{name}}}" if is_bound else name for name, is_bound in names)
    lines = [rf"\begin{{tabular}}{{@{{}}l{'r' * len(record.methods)}@{{}}}}", r"\toprule", rf" & {heads} \\"]
    best = unbeaten(record)
    for group in table_lines(record).values():
        lines.append(r"\midrule")
        lines += [_latex_row(record, line.metric, best.get(line.metric.name, ())) for line in group]
    return formatting.latex_table("\n".join([*lines, r"\bottomrule", r"\end{tabular}"]), _caption(record))


def _caption(record: ComparisonRecord) -> str:
    return (
        f"{record.n_photos} photos under the protocol {escape_latex(record.protocol)}: mean and half width of the "
        "95\\% interval over photos. Bold: not significantly worse than any other method (paired $t$ tests, Holm). "
        r"$\downarrow$ lower, $\uparrow$ higher, $\rightarrow$ closer to the true photographs is better."
    )


def _latex_row(record: ComparisonRecord, facts: MetricFacts, best: Sequence[str]) -> str:
    summaries = [method.metrics[facts.name] for method in record.methods]
    decimals = _decimals(summaries)
    cells = []
    for method, summary in zip(record.methods, summaries, strict=True):
        if summary.mean is None:
            cells.append("---")
            continue
        number = f"{summary.mean:.{decimals}f}"
        number = rf"\mathbf{{{number}}}" if method.name in best else number
        spread = _spread(summary, decimals) if not method.is_bound else ""
        cells.append(f"${number}{spread}$")
    unit = f" ({escape_latex(facts.unit)})" if facts.unit else ""
    return " & ".join([f"{escape_latex(facts.label)}{unit} {LATEX_ARROWS[facts.direction]}", *cells]) + r" \\"


def _spread(summary: MetricSummary, decimals: int) -> str:
    half = formatting.half_width(summary.ci_low, summary.ci_high)
    return rf" \pm {half:.{decimals}f}" if half else ""


COLUMNS = 3
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def draw_distributions(comparison: Comparison, methods: Sequence[str]) -> Drawing | None:
    """Draw the spread of every per-photo metric: median, middle 50% and middle 90% of the photos.

    Returns:
        One figure, or None if there is no per-photo metric.
    """
    names = [name for name in METRICS if name in comparison.scores[methods[0]].columns]
    names = [name for name in names if any(len(_finite_values(comparison, method, name)) for method in methods)]
    if not names:
        return None
    rows = math.ceil(len(names) / COLUMNS)
    with canvas(9.0, rows * (0.55 + 0.2 * len(methods))) as figure:
        axes = np.atleast_1d(figure.subplots(rows, COLUMNS, squeeze=False)).ravel()
        for place, name in zip(axes, names, strict=False):
            _draw_spread(place, comparison, name, methods)
        for place in axes[len(names) :]:
            place.set_axis_off()
        return finish(figure, "distributions", f"Spread over photos of {len(names)} metrics by method")


def _draw_spread(axes: Axes, comparison: Comparison, name: str, methods: Sequence[str]) -> None:
    styles = objective_styles(methods)
    for row, method in enumerate(methods):
        values = _finite_values(comparison, method, name)
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


def _finite_values(comparison: Comparison, method: str, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    column = comparison.scores[method].columns[name]
    return column[np.isfinite(column)]
