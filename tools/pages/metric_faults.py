"""How every metric responds to typical faults of colorized photographs, measured on sample photographs.

    python -m tools.pages.metric_faults            # writes results/benchmarks/metric_faults.json and the image

The photographs are built-in samples in the public domain or CC0. The page is rendered from the record, because the last
digits of networks' values differ between machines, and not every machine has every network.
"""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.ndimage
import skimage.color
import torch
from numpy.typing import NDArray
from PIL import Image

from chromalab.core.files import write_bytes
from chromalab.data.sources import sample_path
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PhotoScorer
from chromalab.photo.reading import read_photo
from chromalab.photo.resizing import resize_shortest_side
from chromalab.report.figures.style import INK, canvas
from tools import DOCS, write_record
from tools.pages.benchmarks import RECORDS
from tools.pages.grids import jpeg
from tools.pages.markdown import page, prose, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from chromalab.metrics.metric import Metric

    Values = Mapping[str, float | None]

LabImage = NDArray[np.float64]
Photo = NDArray[np.uint8]


@dataclass(frozen=True)
class Fault:
    """A fault of a colorized photograph, made in CIELAB.

    Attributes:
        description: description of the change.
        apply: maps CIELAB (H, W, 3) to the same image with the fault; None compresses the photo as JPEG.
    """

    description: str
    apply: Callable[[LabImage], LabImage] | None = None


def faulty(rgb: Photo, name: str) -> Photo:
    """Return a photograph (H, W, 3) with a fault, clipped to sRGB and rounded."""
    apply = FAULTS[name].apply
    return _compressed(rgb) if apply is None else _to_rgb(apply(skimage.color.rgb2lab(rgb)))


def _to_rgb(lab: LabImage) -> Photo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # colors outside sRGB
        image: LabImage = skimage.color.lab2rgb(lab)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _compressed(rgb: Photo) -> Photo:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=50)
    decoded: Photo = np.asarray(Image.open(file).convert("RGB"))
    return decoded


def _scaled(factor: float) -> Callable[[LabImage], LabImage]:
    return lambda lab: lab * np.array([1.0, factor, factor])


def _cast(lab: LabImage) -> LabImage:
    return _with_color(lab, lab[..., 1:] + [4.0, 14.0])


def _with_color(lab: LabImage, color: LabImage) -> LabImage:
    return np.concatenate([lab[..., :1], color], axis=-1)


def _turned(color: LabImage, degrees: float) -> LabImage:
    """Turn (a*, b*) around gray."""
    angle = np.radians(degrees)
    a, b = color[..., 0], color[..., 1]
    return np.stack([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], axis=-1)


def _hue_turned(lab: LabImage) -> LabImage:
    return _with_color(lab, _turned(lab[..., 1:], 30))


def _recolored(lab: LabImage) -> LabImage:
    """Turn the hue of the most colorful 20% of the pixels with soft edges, as if an object had another color."""
    chroma = scipy.ndimage.gaussian_filter(np.hypot(lab[..., 1], lab[..., 2]), 3)
    inside = (chroma > np.quantile(chroma, 0.8)).astype(np.float64)
    share = scipy.ndimage.gaussian_filter(inside, 1.5)[..., None]
    return _with_color(lab, (1 - share) * lab[..., 1:] + share * _turned(lab[..., 1:], 150))


def _blotched(lab: LabImage) -> LabImage:
    generator = np.random.default_rng(4)
    color = lab[..., 1:].copy()
    rows, columns = np.mgrid[: lab.shape[0], : lab.shape[1]]
    for _ in range(14):
        row, column = generator.integers(lab.shape[0]), generator.integers(lab.shape[1])
        weight = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 9.0**2))[..., None]
        color += weight * generator.normal(0, 35, size=2)
    return _with_color(lab, color)


def _bled(lab: LabImage) -> LabImage:
    return _with_color(lab, scipy.ndimage.gaussian_filter(lab[..., 1:], (8, 8, 0)))


def _moved(lab: LabImage) -> LabImage:
    return _with_color(lab, np.concatenate([lab[:, :1, 1:], lab[:, :-1, 1:]], axis=1))


def _noisy(lab: LabImage) -> LabImage:
    return _with_color(lab, lab[..., 1:] + np.random.default_rng(5).normal(0, 10, size=(*lab.shape[:2], 2)))


def _brightened(lab: LabImage) -> LabImage:
    return np.concatenate([100 * (lab[..., :1] / 100) ** 0.9, lab[..., 1:]], axis=-1)


def _rounded(lab: LabImage) -> LabImage:
    return np.concatenate([np.rint(lab[..., :1] * 2.55) / 2.55, np.rint(lab[..., 1:])], axis=-1)


GREY = "grey"

FAULTS: dict[str, Fault] = {
    GREY: Fault("no chroma at all", _scaled(0.0)),
    "pale": Fault("half the chroma", _scaled(0.5)),
    "gaudy": Fault("1.5 times the chroma", _scaled(1.5)),
    "cast": Fault("a warm cast: a* + 4, b* + 14 everywhere", _cast),
    "turned": Fault("all hues turned by 30°", _hue_turned),
    "recoloured": Fault("the hue of the most colorful fifth of the pixels turned by 150°", _recolored),
    "blotches": Fault("fourteen spots of random color, Gaussians of 9 px", _blotched),
    "bled": Fault("the chroma blurred by a Gaussian of 8 px", _bled),
    "moved": Fault("the chroma moved by one pixel", _moved),
    "noise": Fault("noise in every pixel's a* and b*, standard deviation 10", _noisy),
    "brighter": Fault("lightness L* to 100 (L* / 100)^0.9", _brightened),
    "8-bit Lab": Fault("L* rounded to 256 steps, a* and b* to whole numbers, as 8-bit Lab files do", _rounded),
    "JPEG": Fault("JPEG of quality 50 with halved color resolution, which no colorizer causes"),
}
"""The faults by their names in the tables, in order."""

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
SHOWN = "coffee"
SIDE_PX = 256
TRUTH = "truth"
RECORD = RECORDS / "metric_faults.json"
FIGURE = DOCS / "images" / "metric_faults.jpg"

HARDLY = 0.05
"""Share of the reference below which a metric counts as insensitive to a fault."""


def photographs() -> dict[str, NDArray[np.uint8]]:
    """Return the sample photographs at 256 px."""
    return {name: resize_shortest_side(read_photo(sample_path(name)).rgb, SIDE_PX) for name in PHOTOS}


def measure() -> dict[str, dict[str, float]]:
    """Return every per-photo metric of every fault, the mean over the photographs, and the photographs' own values."""
    scorer = PhotoScorer([name for name, metric in METRICS.items() if isinstance(metric, PhotoMetric)])
    sums: dict[str, dict[str, float]] = {}
    for rgb in photographs().values():
        target = scorer.view(_tensor(rgb))
        images = {**{name: faulty(rgb, name) for name in FAULTS}, TRUTH: rgb}
        for fault, image in images.items():
            row = sums.setdefault(fault, {})
            for name, value in scorer.score(_tensor(image), target).items():
                row[name] = row.get(name, 0.0) + float(value) / len(PHOTOS)
    return sums


def _tensor(rgb: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255


def faults_page() -> str:
    """Return the page, from the committed record."""
    return page("How metrics respond to typical faults", "", "\n\n".join(_parts(read_record())))


def read_record() -> dict[str, dict[str, float | None]]:
    """Return the measured values: fault or `truth` -> metric -> value, None where PSNR is infinite."""
    rows: dict[str, dict[str, float | None]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return rows


def _parts(rows: Mapping[str, Values]) -> Iterator[str]:
    measured = [metric for name, metric in METRICS.items() if name in rows[TRUTH]]
    yield (
        f"Each of {len(FAULTS)} faults was applied to {len(PHOTOS)} sample photographs of {SIDE_PX} px, and every "
        "metric of single photographs was computed. [The guide to metrics](../metrics.md) describes the metrics."
    )
    yield "![One photograph with every fault](../images/metric_faults.jpg)"
    yield table(("fault", "what was done"), [(name, prose(fault.description)) for name, fault in FAULTS.items()])
    yield (
        "All but the last three keep the lightness, as far as the gamut allows: colors outside sRGB are clipped, which "
        "changes it a little."
    )
    errors = [metric for metric in measured if not _is_property(metric)]
    yield (
        "## Errors relative to gray\n\nDistance of each fault from the ground truth, divided by that of the gray "
        "photograph. **Bold**: worse than no color. A dot: below 0.05. Similarities count as 1 minus their value, "
        "decibels as the corresponding root mean squared error."
    )
    yield table(("metric", *FAULTS), [_shares(metric, rows, _gap(metric, rows, GREY)) for metric in errors])
    properties = [metric for metric in measured if _is_property(metric)]
    yield (
        "## Properties and lightness relative to the worst fault\n\nGray is no reference for these. Distance of each "
        "fault from the photographs' own value, divided by the largest distance (**bold**)."
    )
    yield table(("metric", *FAULTS), [_shares(metric, rows, _worst(metric, rows)) for metric in properties])
    yield "## Summary by metric\n\nThe three faults with the largest distance, and those below 0.05 of the largest."
    yield table(("metric", "most sensitive to", "hardly notices"), [_line(metric, rows) for metric in measured])
    yield "## The values"
    head = ("metric", "better", "truth", *FAULTS)
    yield table(head, [_values(metric, rows) for metric in measured])
    yield _left_out(metric for name, metric in METRICS.items() if name not in rows[TRUTH])


def _is_property(metric: Metric) -> bool:
    """Return whether a metric measures no distance from the ground truth, so that gray is no reference."""
    return metric.direction == "closer" or metric.reference == "lightness"


def _gap(metric: Metric, rows: Mapping[str, Values], fault: str) -> float:
    """Return the distance of a fault from the truth; decibels are converted to errors."""
    value, truth = rows[fault][metric.name], rows[TRUTH][metric.name]
    if truth is not None:
        return 0.0 if value is None else abs(value - truth)
    return 0.0 if value is None else float(10 ** (-value / 20))


def _worst(metric: Metric, rows: Mapping[str, Values]) -> float:
    return max(_gap(metric, rows, fault) for fault in FAULTS)


def _shares(metric: Metric, rows: Mapping[str, Values], whole: float) -> tuple[str, ...]:
    """Return a row of gaps as shares of one of them; a share of exactly 1 is bold only for the worst fault."""
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
    """Return a sentence on the metrics without a value for these photographs, with reasons."""
    reasons: dict[str, list[str]] = {}
    for metric in metrics:
        reason = {
            "set": "compare sets of photographs",
            "frames": "needs the frames of a video",
            "film": "needs films",
            "labels": "needs the class of each photo",
        }.get(metric.reference, "needs a network that was missing on the machine of this record")
        reasons.setdefault(reason, []).append(f"`{metric.name}`")
    listed = "; ".join(f"{', '.join(names)} {reason}" for reason, names in reasons.items())
    return f"Not in the tables: {listed}." if listed else "Every metric is in the tables."


def draw() -> None:
    """Draw one photograph with every fault."""
    rgb = photographs()[SHOWN]
    images = {TRUTH: rgb, **{name: faulty(rgb, name) for name in FAULTS}}
    columns = 5
    lines = -(-len(images) // columns)
    with canvas(9.0, 1.37 * lines) as figure:
        places = figure.subplots(lines, columns).ravel()
        for axes, (name, image) in zip(places, images.items(), strict=False):
            axes.imshow(image, interpolation="lanczos")
            axes.set_title(name, fontsize=8, fontweight="normal", color=INK, loc="center", pad=3)
        for axes in places:
            axes.set_axis_off()
        write_bytes(FIGURE, jpeg(figure, pad=0.02, quality=88))


def main() -> None:
    """Measure, write the record, and draw the image."""
    found = {
        fault: {name: float(f"{value:.5g}") if np.isfinite(value) else None for name, value in row.items()}
        for fault, row in measure().items()
    }
    write_record(RECORD, found)
    draw()


if __name__ == "__main__":
    main()
