"""A batch with its report: contact sheet, audit, and what the input's size does to the colors."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from chromalab.colorization.audit import FAULTS, Audit, Ranked, audit, rank
from chromalab.colorization.batch import Summary, run_batch
from chromalab.colorization.guided import enlarge
from chromalab.colorization.plan import KEPT, REPORT
from chromalab.colorization.render import exact_colors
from chromalab.colorization.sheet import SheetPhoto, contact_sheet
from chromalab.colorization.small import GUIDE_PX, SmallColors, small_colors
from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import write_bytes, write_text
from chromalab.core.records import Record
from chromalab.photo.resizing import resize_plane, target_size
from chromalab.photo.writing import encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.colorization.batch import Batch, Each
    from chromalab.colorization.colorizer import Colorized
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Options
    from chromalab.colorization.plan import Item, Plan

SHOWN = 1000
"""Photos on the contact sheet: of more, the most suspicious."""

_THUMB_PX = 512


class Stability(Record):
    """Mean change of chroma, in CIELAB units, when a photo comes at half and at twice its size."""

    half: float
    double: float


class Look(Record):
    """What the report keeps of a photo, in OUT/.chromalab/looks: enough to draw it again after an interruption."""

    name: str
    stability: Stability
    audit: Audit


def run_with_report(engine: Engine, plan: Plan, batch: Batch, *, each: Each | None = None) -> Summary:
    """Colorize as `run_batch` does, and write OUT/report: index.html, report.json, audit.csv and thumbnails.

    Raises:
        UsageError: the output is one file; and as `run_batch`.
        OutputError: a file can't be written.
    """
    if plan.folder is None:
        raise UsageError("--report belongs to an output folder: give DIR/ as the output")
    folder = plan.folder
    summary = run_batch(engine, plan, replace(batch, look=keep_looks(engine, folder, batch)), each=each)
    looks = [found for item in plan.items if (found := _kept(folder, item)) is not None]
    write_report(folder, summary, looks)
    return summary


def keep_looks(engine: Engine, folder: Path, batch: Batch) -> Callable[[Item, Colorized, SmallColors], None]:
    """Return what a batch is to tell of every photo that was done, so that the report can be drawn."""

    def look(item: Item, result: Colorized, small: SmallColors) -> None:  # noqa: ARG001 - the batch tells it
        _keep(engine, folder, item, small, batch.job.options)

    return look


def _keep(engine: Engine, folder: Path, item: Item, small: SmallColors, options: Options) -> None:
    stability = measure_stability(engine, small, options)
    before, after = thumbnails(small)
    write_bytes(_thumb(folder, item.name, "before"), encode_jpeg(before))
    write_bytes(_thumb(folder, item.name, "after"), encode_jpeg(after))
    found = audit(small, (stability.half + stability.double) / 2)
    Look(name=item.name, stability=stability, audit=found).save(_look_path(folder, item.name))


def _kept(folder: Path, item: Item) -> Look | None:
    try:
        return Look.load(_look_path(folder, item.name))
    except ConfigError:  # a photo that failed, or was done without a report
        return None


def _look_path(folder: Path, name: str) -> Path:
    return folder / KEPT / "looks" / f"{name}.json"


def _thumb(folder: Path, name: str, which: str) -> Path:
    return folder / REPORT / "thumbs" / f"{name}.{which}.jpg"


def measure_stability(engine: Engine, small: SmallColors, options: Options) -> Stability:
    """Return how much chroma changes when the photo comes at half and at twice its size.

    The small copy stands for the photo, so of photos that are larger than the copy this is more than what really
    happens: their small copies at half and twice the size are nearly the same.
    """
    options = options.model_copy(update={"hints": []})
    height, width = small.levels.shape
    plain = small_colors(engine, small.levels, options, (height, width)).chroma

    def change(factor: float) -> float:
        size = (max(8, round(height * factor)), max(8, round(width * factor)))
        levels = np.clip(resize_plane(small.levels, *size), 0, 255)
        if min(size) > GUIDE_PX:
            levels = np.clip(resize_plane(levels, *target_size(*size, GUIDE_PX)), 0, 255)
        other = enlarge(small_colors(engine, levels, options, levels.shape).chroma, height, width)
        return round(float(np.hypot(*(other - plain)).mean()), 4)

    return Stability(half=change(0.5), double=change(2.0))


def thumbnails(small: SmallColors) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the small copy in gray and in color, (h, w, 3) each."""
    height, width = small.levels.shape
    size = target_size(height, width, min(height, width, _THUMB_PX))
    levels = np.clip(resize_plane(small.levels, *size), 0, 255)
    slope, offset = enlarge(small.coefficients.slope, *size), enlarge(small.coefficients.offset, *size)
    a, b = slope * levels + offset
    rgb, _, _ = exact_colors(levels, a, b)
    grey = np.repeat(np.rint(levels).astype(np.uint8)[..., None], 3, axis=2)
    return grey, np.rint(rgb * 255).astype(np.uint8)


def write_report(folder: Path, summary: Summary, looks: list[Look]) -> None:
    """Write the contact sheet, the audit as CSV, and both as JSON."""
    ranked = rank([(look.name, look.audit) for look in looks])
    stability = {look.name: look.stability for look in looks}
    _write_csv(folder / REPORT / "audit.csv", ranked, stability)
    data = {
        "schema_version": 1,
        "model": summary.model,
        "model_sha256": summary.model_sha256,
        "stability": _mean_stability(looks),
        "photos": [entry.model_dump() | {"stability": stability[entry.name].model_dump()} for entry in ranked],
    }
    write_text(folder / REPORT / "report.json", json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    shown = [SheetPhoto(entry, stability[entry.name].half, stability[entry.name].double) for entry in ranked[:SHOWN]]
    write_text(folder / REPORT / "index.html", contact_sheet(summary, shown, len(ranked), _mean_stability(looks)))


def _mean_stability(looks: list[Look]) -> dict[str, float]:
    if not looks:
        return {}
    return {
        "half": round(float(np.mean([look.stability.half for look in looks])), 4),
        "double": round(float(np.mean([look.stability.double for look in looks])), 4),
    }


def _write_csv(path: Path, ranked: list[Ranked], stability: dict[str, Stability]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["photo", "suspicion", "worst", *FAULTS, "change_at_half", "change_at_double"])
    for entry in ranked:
        found = [getattr(entry.audit, fault) for fault in FAULTS]
        size = stability[entry.name]
        writer.writerow([entry.name, entry.suspicion, entry.worst, *found, size.half, size.double])
    write_text(path, text.getvalue())
