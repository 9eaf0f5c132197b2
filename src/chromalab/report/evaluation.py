"""`write_evaluation_report`: what an evaluation has to say, as a page, a table for a paper, and CSV files."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chromalab.core.files import write_text
from chromalab.evaluation.differences import unbeaten
from chromalab.evaluation.examples import chosen_photos, extremes, read_shown
from chromalab.metrics.registry import METRICS
from chromalab.report import numbers
from chromalab.report.error_maps import MAPS, data_uri, draw_map
from chromalab.report.evaluation_plots import draw_distributions
from chromalab.report.evaluation_table import differences_csv, latex_table, summary_csv, table_lines
from chromalab.report.gallery import Gallery, GridRow, Picture, Variant
from chromalab.report.page import environment
from chromalab.report.style import objective_styles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.evaluation.examples import Extremes, ShownPhoto
    from chromalab.evaluation.records import ComparisonRecord, PairedDifference
    from chromalab.evaluation.scores import Comparison

__all__ = ["latex_table", "write_evaluation_report"]

MAX_PICTURES = 180
"""Pictures and maps on a page: about eight million bytes."""

PICTURE = "picture"


def write_evaluation_report(comparison: Comparison, out: Path) -> Path:
    """Write `report.html`, `table.tex`, `summary.csv` and `differences.csv` into a folder, and return the page's path.

    The page opens offline and stays small, however many photos there are: it shows those that some metric calls the
    best or the worst.

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
    shown = list(read_shown(comparison, chosen_photos(found, max(4, MAX_PICTURES // per_photo))))
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
    """Say in a few sentences who leads under how many metrics, and what is open."""
    methods = [method.name for method in record.methods if not method.is_bound]
    if len(methods) == 1:
        return [f"{numbers.plural(record.n_photos, 'photo')} of {methods[0]} under the protocol {record.protocol}."]
    tested = list(dict.fromkeys(row.metric for row in record.differences if row.p is not None))
    alone = {name: [metric for metric in tested if _leads(record, metric, name, methods)] for name in methods}
    sentences = [
        f"{name} is significantly better than every other method under {len(led)} of "
        f"{numbers.plural(len(tested), 'metric')}: {_labels(led)}."
        for name, led in alone.items()
        if led
    ]
    open_ones = [metric for metric in tested if metric not in unbeaten(record)]
    if open_ones:
        sentences.append(f"Under {_labels(open_ones)} no method significantly beats another.")
    return sentences or ["No comparison of two methods could be tested."]


def _labels(names: Sequence[str]) -> str:
    return numbers.listing(METRICS[name].label for name in names)


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
    """Return why metrics have no value, without those that nobody asked for."""
    first = next(method for method in record.methods if not method.is_bound)
    asked = {facts.name for facts in record.metrics}
    return {
        METRICS[name].label: summary.reason
        for name, summary in first.metrics.items()
        if summary.mean is None and summary.reason and (name in asked or summary.reason != "not asked for")
    }


def _gallery(shown: Sequence[ShownPhoto], methods: Sequence[str]) -> Gallery:
    """Return the grid: gray and truth, then every method as a picture or as one of the maps."""
    beside = {"grey": "grey", "truth": "target"}
    columns = [name for name, role in beside.items() if any(role in photo.pictures for photo in shown)]
    has_truth = "truth" in columns
    kinds = [kind for kind in MAPS if has_truth or kind.key == "lightness"] if columns else []
    variants = (Variant(PICTURE, "pictures"), *(Variant(kind.key, kind.label) for kind in kinds))
    rows = tuple(
        GridRow(
            photo.name,
            *_size(photo),
            (
                *(_reference(photo, name, beside[name]) for name in columns),
                *(tuple(_pictures(photo, method, [kind.key for kind in kinds])) for method in methods),
            ),
        )
        for photo in shown
    )
    return Gallery((*columns, *methods), variants, rows, jpeg=True, n_left_out=0)


def _size(photo: ShownPhoto) -> tuple[int, int]:
    height, width = next(iter(photo.pictures.values())).shape[:2]
    return width, height


def _reference(photo: ShownPhoto, name: str, role: str) -> tuple[Picture, ...]:
    if role not in photo.pictures:
        return ()
    return (Picture(data_uri(photo.pictures[role]), "", f"{photo.name}, {name}"),)


def _pictures(photo: ShownPhoto, method: str, kinds: Sequence[str]) -> Iterator[Picture]:
    own = photo.pictures.get(method)
    if own is None:
        return
    yield Picture(data_uri(own), PICTURE, f"{photo.name} by {method}")
    for kind in MAPS:
        beside = _compared_with(kind.key, photo.pictures)
        if kind.key in kinds and beside is not None:
            yield Picture(draw_map(kind, own, beside), kind.key, f"{photo.name} by {method}: {kind.label}")


def _compared_with(kind: str, pictures: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8] | None:
    return pictures.get("grey", pictures.get("target")) if kind == "lightness" else pictures.get("target")


def _number(value: float) -> str:
    return numbers.format_significant(value, 3) if math.isfinite(value) else numbers.INFINITY
