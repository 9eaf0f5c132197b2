"""What metrics say of typical faults: measured on sample photographs, drawn, and told on a page.

    python -m tools.pages.metric_faults            measures again: results/benchmarks/metric_faults.json and the picture

The photographs are built-in samples in the public domain or CC0. The page is rendered from the record, for the last
digits of networks' values differ between machines, and not every machine has every network.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch

from chromalab.core.files import write_bytes, write_text
from chromalab.data.samples import sample_path
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PhotoScorer
from chromalab.photo.reading import read_photo
from chromalab.photo.resizing import resize_shortest_side
from chromalab.report.style import INK, canvas
from tools import DOCS
from tools.pages.benchmarks import RECORDS
from tools.pages.faults import FAULTS, faulty
from tools.pages.grids import jpeg
from tools.pages.markdown import page, prose, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from chromalab.metrics.metric import Metric

    Values = Mapping[str, float | None]

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
SHOWN = "coffee"
SIDE_PX = 256
TRUTH = "truth"
GREY = "grey"
RECORD = RECORDS / "metric_faults.json"
PICTURE = DOCS / "images" / "metric_faults.jpg"

HARDLY = 0.05
"""What is below this share of the measure of comparison, a metric hardly notices."""


def photographs() -> dict[str, NDArray[np.uint8]]:
    """Return the sample photographs at 256 px."""
    return {name: resize_shortest_side(read_photo(sample_path(name)).rgb, SIDE_PX) for name in PHOTOS}


def measure() -> dict[str, dict[str, float]]:
    """Return every per-photo metric of every fault, the mean over the photographs, and the photographs' own values."""
    scorer = PhotoScorer([name for name, metric in METRICS.items() if isinstance(metric, PhotoMetric)])
    sums: dict[str, dict[str, float]] = {}
    for rgb in photographs().values():
        target = scorer.view(_tensor(rgb))
        pictures = {**{name: faulty(rgb, name) for name in FAULTS}, TRUTH: rgb}
        for fault, picture in pictures.items():
            row = sums.setdefault(fault, {})
            for name, value in scorer.score(_tensor(picture), target).items():
                row[name] = row.get(name, 0.0) + float(value) / len(PHOTOS)
    return sums


def _tensor(rgb: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255


def faults_page() -> str:
    """Return the page, from the committed record."""
    return page("What metrics say of typical faults", "", "\n\n".join(_parts(read_record())))


def read_record() -> dict[str, dict[str, float | None]]:
    """Return the measured values: fault or `truth` -> metric -> value, None where PSNR is infinite."""
    rows: dict[str, dict[str, float | None]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return rows


def _parts(rows: Mapping[str, Values]) -> Iterator[str]:
    measured = [metric for name, metric in METRICS.items() if name in rows[TRUTH]]
    yield (
        f"Thirteen faults were made in CIELAB, put on four sample photographs of {SIDE_PX} px, and every "
        "metric of single photographs was taken of them: what it calls bad, and what it hardly notices, is easier seen "
        "than derived. How to read the metrics themselves is told in [the review](../metrics.md)."
    )
    yield "![One photograph with every fault](../images/metric_faults.jpg)"
    yield table(("fault", "what was done"), [(name, prose(fault.description)) for name, fault in FAULTS.items()])
    yield (
        "Lightness is kept but for the last three, as far as the gamut allows: stronger and turned colors that sRGB "
        "does not hold are clipped, which changes it a little."
    )
    errors = [metric for metric in measured if not _is_property(metric)]
    yield (
        "## Errors, with gray as 1\n\nHow far each fault is from the truth, divided by how far the gray photograph is. "
        "**Bold**: worse than no color at all. A dot: below 0.05. Similarities count as 1 minus their value, decibels "
        "as the root of the error that they stand for."
    )
    yield table(("metric", *FAULTS), [_shares(metric, rows, _gap(metric, rows, GREY)) for metric in errors])
    properties = [metric for metric in measured if _is_property(metric)]
    yield (
        "## Properties and lightness, with the worst as 1\n\nFor these gray is no measure. How far each fault is from "
        "the photographs' own value, divided by how far the farthest is (**bold**)."
    )
    yield table(("metric", *FAULTS), [_shares(metric, rows, _worst(metric, rows)) for metric in properties])
    yield "## In one line each\n\nWorst first; hardly noticed is what is below 0.05 of the metric's worst."
    yield table(("metric", "calls worst", "hardly notices"), [_line(metric, rows) for metric in measured])
    yield "## The values"
    head = ("metric", "better", "truth", *FAULTS)
    yield table(head, [_values(metric, rows) for metric in measured])
    yield _left_out(metric for name, metric in METRICS.items() if name not in rows[TRUTH])


def _is_property(metric: Metric) -> bool:
    """Whether the gray photograph is no bad example: what is measured is no distance of colors from the truth."""
    return metric.direction == "closer" or metric.reference == "lightness"


def _gap(metric: Metric, rows: Mapping[str, Values], fault: str) -> float:
    """Return how far a fault is from the truth; decibels are turned to the errors that they stand for."""
    value, truth = rows[fault][metric.name], rows[TRUTH][metric.name]
    if truth is not None:
        return 0.0 if value is None else abs(value - truth)
    return 0.0 if value is None else float(10 ** (-value / 20))


def _worst(metric: Metric, rows: Mapping[str, Values]) -> float:
    return max(_gap(metric, rows, fault) for fault in FAULTS)


def _shares(metric: Metric, rows: Mapping[str, Values], whole: float) -> tuple[str, ...]:
    """Return a row of gaps as shares of one of them; exactly the whole is bold only where it is the worst."""
    is_worst = whole == _worst(metric, rows)
    return (f"`{metric.name}`", *(_share(_gap(metric, rows, fault) / whole, is_worst=is_worst) for fault in FAULTS))


def _share(share: float, *, is_worst: bool) -> str:
    if share < HARDLY:
        return "·"
    text = f"{share:.1f}" if share >= 9.95 else f"{share:.2f}"
    return f"**{text}**" if share > 1 or (share == 1 and is_worst) else text


def _line(metric: Metric, rows: Mapping[str, Values]) -> tuple[str, str, str]:
    gaps = {fault: _gap(metric, rows, fault) for fault in FAULTS}
    ordered = sorted(gaps, key=gaps.__getitem__, reverse=True)
    unnoticed = [fault for fault in FAULTS if gaps[fault] < HARDLY * gaps[ordered[0]]]
    return f"`{metric.name}`", ", ".join(ordered[:3]), ", ".join(unnoticed) or "–"


def _values(metric: Metric, rows: Mapping[str, Values]) -> tuple[str, ...]:
    better = {"lower": "↓", "higher": "↑", "closer": "≈ truth"}[metric.direction]
    return (f"`{metric.name}`", better, *(_digits(rows[fault][metric.name]) for fault in (TRUTH, *FAULTS)))


def _digits(value: float | None) -> str:
    return "∞" if value is None else f"{value:.3g}"


def _left_out(metrics: Iterable[Metric]) -> str:
    """Say which metrics have no value for four photographs."""
    reasons: dict[str, list[str]] = {}
    for metric in metrics:
        reason = {
            "set": "compare sets of photographs",
            "frames": "looks at the frames of a video",
            "labels": "needs the class of what is to be seen",
        }.get(metric.reference, "looks through a network that the machine of this record had not")
        reasons.setdefault(reason, []).append(f"`{metric.name}`")
    told = "; ".join(f"{', '.join(names)} {reason}" for reason, names in reasons.items())
    return f"Not in the tables: {told}." if told else "Every metric is in the tables."


def draw() -> None:
    """Draw one photograph with every fault."""
    rgb = photographs()[SHOWN]
    pictures = {TRUTH: rgb, **{name: faulty(rgb, name) for name in FAULTS}}
    columns = 5
    lines = -(-len(pictures) // columns)
    with canvas(9.0, 1.37 * lines) as figure:
        places = figure.subplots(lines, columns).ravel()
        for axes, (name, picture) in zip(places, pictures.items(), strict=False):
            axes.imshow(picture, interpolation="lanczos")
            axes.set_title(name, fontsize=8, fontweight="normal", color=INK, loc="center", pad=3)
        for axes in places:
            axes.set_axis_off()
        write_bytes(PICTURE, jpeg(figure, pad=0.02, quality=88))


def main() -> None:
    """Measure, write the record, and draw."""
    found = {
        fault: {name: float(f"{value:.5g}") if np.isfinite(value) else None for name, value in row.items()}
        for fault, row in measure().items()
    }
    write_text(RECORD, json.dumps(found, indent=1) + "\n")
    draw()


if __name__ == "__main__":
    main()
