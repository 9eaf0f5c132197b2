"""What metrics say of typical faults: measured on sample photographs, drawn, and told on a page.

    python -m docs.metric_faults            measures again: results/benchmarks/metric_faults.json and the picture

The photographs are built-in samples in the public domain or CC0. The page is rendered from the record, for the last
digits of networks' values differ between machines.
"""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.ndimage
import skimage.color
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from chromalab.core.files import write_bytes, write_text
from chromalab.data.samples import sample_path
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PhotoScorer
from chromalab.photo.reading import read_photo
from chromalab.photo.resizing import resize_shortest_side
from chromalab.report.style import INK, canvas
from docs.markdown import page, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Picture = NDArray[np.float64]

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
SHOWN = "coffee"
SIDE_PX = 256
RECORD = Path(__file__).resolve().parents[1] / "results" / "benchmarks" / "metric_faults.json"
PICTURE = Path(__file__).parent / "images" / "metric_faults.jpg"


def _scaled(factor: float) -> Callable[[Picture], Picture]:
    return lambda lab: lab * [1, factor, factor]


def _shifted(lightness: float, a: float, b: float) -> Callable[[Picture], Picture]:
    return lambda lab: lab + np.array([lightness, a, b])


def _hue_turned(lab: Picture) -> Picture:
    angle = np.radians(40)
    a, b = lab[..., 1], lab[..., 2]
    return np.stack(
        [lab[..., 0], a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], axis=-1
    )


def _bled(lab: Picture) -> Picture:
    return np.stack([lab[..., 0], *(scipy.ndimage.gaussian_filter(lab[..., band], 8) for band in (1, 2))], axis=-1)


def _blotched(lab: Picture) -> Picture:
    generator = np.random.default_rng(4)
    wrong = lab.copy()
    rows, columns = np.mgrid[: lab.shape[0], : lab.shape[1]]
    for _ in range(14):
        row, column = generator.integers(lab.shape[0]), generator.integers(lab.shape[1])
        weight = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 9.0**2))[..., None]
        wrong[..., 1:] += weight * generator.normal(0, 35, size=2)
    return wrong


def _swapped(lab: Picture) -> Picture:
    """Give the middle of the picture the opposite hue, as an object of another colour."""
    wrong = lab.copy()
    height, width = lab.shape[:2]
    middle = np.s_[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4, 1:]
    wrong[middle] = -wrong[middle]
    return wrong


def _noisy(lab: Picture) -> Picture:
    noise = np.random.default_rng(5).normal(0, 10, size=(*lab.shape[:2], 2))
    return np.concatenate([lab[..., :1], lab[..., 1:] + noise], axis=-1)


def _moved(lab: Picture) -> Picture:
    return np.concatenate([lab[..., :1], np.roll(lab[..., 1:], 4, axis=1)], axis=-1)


FAULTS: dict[str, Callable[[Picture], Picture]] = {
    "no colour": _scaled(0.0),
    "half the chroma": _scaled(0.5),
    "chroma x 1.4": _scaled(1.4),
    "a warm cast": _shifted(0, 4, 14),
    "hues turned by 40°": _hue_turned,
    "the middle recoloured": _swapped,
    "blotches": _blotched,
    "colours bled": _bled,
    "colours moved by 4 px": _moved,
    "noise in the colours": _noisy,
    "lightness changed": _shifted(4, 0, 0),
}


def faulty(rgb: NDArray[np.uint8], fault: Callable[[Picture], Picture]) -> NDArray[np.uint8]:
    """Return a photograph (H, W, 3) with a fault, clipped to sRGB and rounded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        picture: Picture = skimage.color.lab2rgb(fault(skimage.color.rgb2lab(rgb)))
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def with_jpeg(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a photograph after JPEG of quality 40 with halved colour resolution: no fault of a colorizer."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=40)
    return np.asarray(Image.open(file).convert("RGB"))


def photographs() -> dict[str, NDArray[np.uint8]]:
    """Return the sample photographs at 256 px."""
    return {name: resize_shortest_side(read_photo(sample_path(name)).rgb, SIDE_PX) for name in PHOTOS}


def versions(rgb: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Return a photograph with every fault."""
    return {**{name: faulty(rgb, fault) for name, fault in FAULTS.items()}, "JPEG, quality 40": with_jpeg(rgb)}


def measure() -> dict[str, dict[str, float]]:
    """Return every per-photo metric of every fault, the mean over the photographs, and the photographs' own values."""
    scorer = PhotoScorer([name for name, metric in METRICS.items() if isinstance(metric, PhotoMetric)])
    sums: dict[str, dict[str, float]] = {}
    for rgb in photographs().values():
        target = scorer.view(_tensor(rgb))
        for fault, picture in {**versions(rgb), "truth": rgb}.items():
            row = sums.setdefault(fault, {})
            for name, value in scorer.score(_tensor(picture), target).items():
                row[name] = row.get(name, 0.0) + float(value) / len(PHOTOS)
    return sums


def _tensor(rgb: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255


def faults_page() -> str:
    """Return the page, from the committed record."""
    rows: dict[str, dict[str, float | None]] = json.loads(RECORD.read_text(encoding="utf-8"))
    faults = [name for name in rows if name != "truth"]
    names = [name for name in METRICS if name in rows[faults[0]]]
    picture = (
        "![One photograph with every fault](../images/metric_faults.jpg)\n\n"
        "Made in CIELAB with the lightness kept, but for the last two."
    )
    lead = (
        "Means over four sample photographs of 256 px. Bold: what the metric calls worst. *Struck out*: what it hardly "
        "notices, less than a tenth of its worst. Metrics that are better closer to the photographs' own value are "
        "judged by the distance from it; that value stands in the last column."
    )
    parts = (
        picture,
        lead,
        table(("metric", *faults, "photos' own"), [_row(name, rows, faults) for name in names]),
    )
    return page("What metrics say of typical faults", "", "\n\n".join(parts))


def _row(name: str, rows: dict[str, dict[str, float | None]], faults: list[str]) -> tuple[str, ...]:
    direction = METRICS[name].direction
    truth = rows["truth"][name]
    values = {fault: rows[fault][name] for fault in faults}
    gaps = {fault: _gap(value, truth) for fault, value in values.items()}
    worst = max(gaps.values())
    cells = (_cell(values[fault], gaps[fault], worst) for fault in faults)
    return (f"`{name}`", *cells, _digits(truth) if direction == "closer" else "")


def _gap(value: float | None, truth: float | None) -> float:
    """Return how far a value is from the best, comparably within a metric; decibels are turned to errors first."""
    if value is None:
        return 0.0
    if truth is None:  # PSNR: infinite for the truth
        return float(10 ** (-value / 20))
    return abs(value - truth)


def _cell(value: float | None, gap: float, worst: float) -> str:
    text = _digits(value)
    if gap == worst:
        return f"**{text}**"
    return f"~~{text}~~" if gap < worst / 10 else text


def _digits(value: float | None) -> str:
    return "∞" if value is None else f"{value:.3g}"


def draw() -> None:
    """Draw one photograph with every fault."""
    rgb = photographs()[SHOWN]
    pictures = {"truth": rgb, **versions(rgb)}
    with canvas(8.4, 4.2) as figure:
        places = figure.subplots(3, 5).ravel()
        for axes, (name, picture) in zip(places, pictures.items(), strict=False):
            axes.imshow(picture)
            axes.set_title(name, fontsize=7, fontweight="normal", color=INK, loc="center", pad=3)
        for axes in places:
            axes.set_axis_off()
        FigureCanvasAgg(figure)
        file = io.BytesIO()
        figure.savefig(file, format="jpeg", dpi=130, pil_kwargs={"quality": 86, "optimize": True})
    write_bytes(PICTURE, file.getvalue())


def main() -> None:
    """Measure, write the record, and draw."""
    found: dict[str, dict[str, Any]] = {
        fault: {name: float(f"{value:.5g}") if np.isfinite(value) else None for name, value in row.items()}
        for fault, row in measure().items()
    }
    write_text(RECORD, json.dumps(found, indent=1) + "\n")
    draw()


if __name__ == "__main__":
    main()
