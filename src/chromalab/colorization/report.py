"""The report of a batch: contact sheet, audit, and the stability of the colors under the input's size."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from chromalab.colorization.audit import FAULTS, Audit, Ranked, audit, rank
from chromalab.colorization.batch import no_entry, run_batch, settings_sha256
from chromalab.colorization.colorizer import small_copy
from chromalab.colorization.guided import enlarge
from chromalab.colorization.journal import Identity, identity
from chromalab.colorization.page import rendered
from chromalab.colorization.plan import count_endings
from chromalab.colorization.records import KEPT, REPORT, FilmRecord
from chromalab.colorization.render import exact_colors
from chromalab.colorization.small import GUIDE_PX, SmallColors, small_colors
from chromalab.colorization.video.codecs import is_film
from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import with_ending, write_bytes, write_text
from chromalab.core.progress import progress
from chromalab.core.records import Record
from chromalab.core.wording import plural
from chromalab.photo.resizing import resize_plane, target_size, within
from chromalab.photo.writing import encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from chromalab.colorization.batch import Batch, Each
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Options
    from chromalab.colorization.plan import Plan
    from chromalab.colorization.records import Colorized, Item
    from chromalab.colorization.summary import PhotoResult, Summary

FAULT_WORDS = {
    "blotches": "blotches",
    "grey_objects": "gray places",
    "bleeding": "color across edges",
    "cast": "one hue over all",
    "instability": "changes with the size",
}
"""Words for the faults, as docs/colorize.md uses them."""

_SUSPICIOUS = 0.9
_PERCENT = frozenset({"blotches", "grey_objects", "bleeding", "cast"})

SHOWN = 1000
"""Largest number of photos on the contact sheet; of more, it shows the most suspicious."""

_THUMB_PX = 512
_LONGEST_THUMB_PX = 4096


class Stability(Record):
    """Mean change of chroma, in CIELAB units, at half and at twice the photo's size."""

    half: float
    double: float


class Entry(Record):
    """A photo's entry in the report, saved in OUT/.chromalab/looks, so that an interrupted batch can resume.

    Attributes:
        name: path of the output relative to the output folder, as valid text.
        stability: change of chroma at half and at twice the photo's size.
        audit: measured faults.
        settings: hash of the settings of the output, as in its line of the journal; None in earlier versions' entries.
        source: identity of the photo, as in that line.
    """

    name: str
    stability: Stability
    audit: Audit
    settings: str | None = None
    source: Identity | None = None


def run_with_report(engine: Engine, plan: Plan, batch: Batch, *, each: Each | None = None) -> Summary:
    """Colorize as `run_batch` does, and write OUT/report: index.html, report.json, audit.csv and thumbnails.

    Every film has a report of its own, in OUT/report/films; that of a film which is written to one file NAME.mp4 is in
    NAME.report.

    Raises:
        UsageError: the output is one photo, or in the same cases as `run_batch`.
        OutputError: a file cannot be written.
    """
    if plan.folder is None:
        if not is_film(plan.items[0].output):
            raise UsageError("--report needs an output folder: give DIR/ as the output")
        return run_batch(engine, plan, replace(batch, on_done=save_entries(engine, None, batch)), each=each)
    folder = plan.folder
    summary = run_batch(engine, plan, replace(batch, on_done=save_entries(engine, folder, batch)), each=each)
    summary, entries = _with_entries(engine, plan, folder, batch, summary)
    write_report(plan, folder, summary, entries)
    return summary


def _entry_of(folder: Path, item: Item, settings: str) -> Entry | None:
    """Return the entry of a photo; None if it is missing or describes an output of other settings or another photo."""
    try:
        entry = Entry.load(_entry_path(folder, item.key))
    except ConfigError:
        return None
    return entry if entry.settings == settings and entry.source == identity(item.source) else None


def _with_entries(
    engine: Engine, plan: Plan, folder: Path, batch: Batch, summary: Summary
) -> tuple[Summary, dict[str, Entry]]:
    """Return the entries of the photos by name; finished ones whose entry is missing or outdated are measured again.

    An entry is missing if the batch ran without a report, or was killed just before it was saved. Where measuring
    fails, the returned summary has a warning.
    """
    settings = settings_sha256(engine, batch)
    done = [(number, item) for number, item in enumerate(plan.items) if summary.photos[number].status != "failed"]
    entries = {item.key: entry for _, item in done if (entry := _entry_of(folder, item, settings)) is not None}
    photos = list(summary.photos)
    missing = [
        (number, item)
        for number, item in done
        if photos[number].status == "resumed" and not is_film(item.output) and item.key not in entries
    ]
    if not missing:
        return summary, entries
    with progress("measuring for the report", len(missing)) as advance:
        for number, item in missing:
            try:  # the same settings give the photo the same colors again, without the losses of a JPEG file
                small = small_copy(engine, item.source, batch.job, batch.overlay)
                entries[item.key] = _save_entry(engine, folder, batch, settings, item, small)
            except Exception as error:
                warnings = [*photos[number].warnings, no_entry(error)]
                photos[number] = photos[number].model_copy(update={"warnings": warnings})
            advance()
    return summary.model_copy(update={"photos": photos}), entries


def save_entries(
    engine: Engine, folder: Path | None, batch: Batch
) -> Callable[[Item, Colorized, SmallColors | FilmRecord], None]:
    """Return the `on_done` of a batch that saves thumbnails and report entry of every photo, and every film's report.

    Args:
        engine: the network.
        folder: the output folder; None for one film that becomes one named file.
        batch: settings of the batch.
    """
    settings = settings_sha256(engine, batch)

    def on_done(item: Item, result: Colorized, small: SmallColors | FilmRecord) -> None:  # noqa: ARG001 - signature
        if isinstance(small, FilmRecord):
            from chromalab.colorization.video.report import write_film_report  # noqa: PLC0415 - needs [video]

            write_film_report(small, item.source, item.output, film_report(item, folder))
            return
        assert folder is not None  # noqa: S101 - only a film is reported without a folder
        _save_entry(engine, folder, batch, settings, item, small)

    return on_done


def _save_entry(engine: Engine, folder: Path, batch: Batch, settings: str, item: Item, small: SmallColors) -> Entry:
    stability = measure_stability(engine, small, batch.job.options)
    before, after = thumbnails(small)
    write_bytes(_thumb(folder, item.key, "before"), encode_jpeg(before))
    write_bytes(_thumb(folder, item.key, "after"), encode_jpeg(after))
    faults = audit(small, (stability.half + stability.double) / 2)
    entry = Entry(name=item.key, stability=stability, audit=faults, settings=settings, source=identity(item.source))
    entry.save(_entry_path(folder, item.key))
    return entry


def film_report(item: Item, folder: Path | None) -> Path:
    """Return the folder of a film's report."""
    if folder is None:
        return item.output.with_suffix(".report")
    return with_ending(folder / REPORT / "films" / item.key, "")


def _entry_path(folder: Path, name: str) -> Path:
    return with_ending(folder / KEPT / "looks" / name, ".json")


def _thumb(folder: Path, name: str, which: str) -> Path:
    return with_ending(folder / REPORT / "thumbs" / name, f".{which}.jpg")


def measure_stability(engine: Engine, small: SmallColors, options: Options) -> Stability:
    """Return the change of chroma at half and at twice the photo's size.

    It is measured on the small copy. For photos larger than the copy it is therefore an upper bound: their small copies
    at half and at twice the size are nearly the same.
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
    """Return the small copy in gray and in color as 8-bit sRGB, (h, w, 3) each."""
    height, width = small.levels.shape
    size = within(*target_size(height, width, min(height, width, _THUMB_PX)), _LONGEST_THUMB_PX)
    levels = np.clip(resize_plane(small.levels, *size), 0, 255)
    slope, offset = enlarge(small.coefficients.slope, *size), enlarge(small.coefficients.offset, *size)
    a, b = slope * levels + offset
    rgb, _, _ = exact_colors(levels, a, b)
    gray = np.repeat(np.rint(levels).astype(np.uint8)[..., None], 3, axis=2)
    return gray, np.rint(rgb * 255).astype(np.uint8)


def write_report(plan: Plan, folder: Path, summary: Summary, entries: Mapping[str, Entry]) -> None:
    """Write the contact sheet, the audit as CSV, and both as JSON; all of them also list the failures.

    Args:
        plan: photos and outputs.
        folder: the output folder.
        summary: results of the batch.
        entries: the entries of the photos that were measured, by name.
    """
    photos, others = _measured(plan, summary, entries)
    mean = _mean_stability(photos)
    _write_csv(folder / REPORT / "audit.csv", photos, others, summary)
    data = {
        "schema_version": 1,
        "model": summary.model,
        "model_sha256": summary.model_sha256,
        "stability": mean,
        "photos": [
            photo.ranked.model_dump() | {"stability": photo.stability.model_dump(), "warnings": photo.result.warnings}
            for photo in photos
        ],
        "failed": [photo.model_dump(include={"source", "output", "reason"}) for photo in summary.failed],
        "left_out": [file.model_dump() for file in summary.left_out],
    }
    write_text(folder / REPORT / "report.json", json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    write_text(
        folder / REPORT / "index.html",
        contact_sheet(summary, photos[:SHOWN], len(photos), mean, _film_links(plan, folder)),
    )


def _measured(
    plan: Plan, summary: Summary, entries: Mapping[str, Entry]
) -> tuple[list[SheetPhoto], list[tuple[str, PhotoResult]]]:
    """Return the photos that have an entry, ranked, and the results of the others with their names."""
    results, others = {}, []
    for item, result in zip(plan.items, summary.photos, strict=False):  # closed folders come after the photos
        if item.key in entries:
            results[item.key] = (item, result)
        else:
            others.append((item.key, result))
    others += [(result.source, result) for result in summary.photos[len(plan.items) :]]
    photos = [
        SheetPhoto(ranked, entries[ranked.name].stability, results[ranked.name][1], results[ranked.name][0].name)
        for ranked in rank([(name, entries[name].audit) for name in results])
    ]
    return photos, others


def _mean_stability(photos: list[SheetPhoto]) -> dict[str, float]:
    if not photos:
        return {}
    return {
        "half": round(float(np.mean([photo.stability.half for photo in photos])), 4),
        "double": round(float(np.mean([photo.stability.double for photo in photos])), 4),
    }


def _write_csv(path: Path, photos: list[SheetPhoto], others: list[tuple[str, PhotoResult]], summary: Summary) -> None:
    """Write a row for every photo, ranked; then those without an entry, such as failures, and the files left out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measured = ["suspicion", "worst", *FAULTS, "change_at_half", "change_at_double"]
    writer.writerow(["photo", *measured, "status", "source", "message"])
    for photo in photos:
        ranked, stability = photo.ranked, photo.stability
        values = [getattr(ranked.audit, fault) for fault in FAULTS]
        row = [ranked.name, ranked.suspicion, ranked.worst, *values, stability.half, stability.double]
        writer.writerow([*row, "done", photo.result.source, "; ".join(photo.result.warnings)])
    empty = [""] * len(measured)
    for name, result in others:
        status = "failed" if result.status == "failed" else "done"
        writer.writerow([name, *empty, status, result.source, result.reason or "; ".join(result.warnings)])
    writer.writerows(["", *empty, "left out", file.source, file.reason] for file in summary.left_out)
    write_text(path, text.getvalue())


@dataclass(frozen=True)
class SheetPhoto:
    """A photo on the contact sheet.

    Attributes:
        ranked: its measured faults and its rank.
        stability: its change of chroma at half and at twice its size.
        result: the result of colorizing it.
        output: path of the output relative to the output folder.
    """

    ranked: Ranked
    stability: Stability
    result: PhotoResult
    output: str

    @property
    def name(self) -> str:
        """Path of the output relative to the output folder, as valid text."""
        return self.ranked.name

    @property
    def address(self) -> str:
        """URL of the output, from the page."""
        return "../" + quote(os.fsencode(self.output))

    def thumb(self, which: str) -> str:
        """URL of the small copy `before` or `after`, from the page."""
        return quote(_thumb(Path(), self.name, which).relative_to(REPORT).as_posix())

    @property
    def suspicious(self) -> bool:
        """Whether the photo is among the tenth of photos with the largest values of a fault."""
        return self.ranked.suspicion >= _SUSPICIOUS

    @property
    def reason(self) -> str:
        """The worst fault, in words and with its value."""
        worst = self.ranked.worst
        return f"{FAULT_WORDS[worst]}: {shown(worst, getattr(self.ranked.audit, worst))}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """All faults, in words and with their values."""
        return [(FAULT_WORDS[fault], shown(fault, getattr(self.ranked.audit, fault))) for fault in FAULTS]


def shown(fault: str, value: float) -> str:
    """Return the value of a fault as text.

    >>> shown("cast", 0.5), shown("instability", 3.21)
    ('50%', '3.2 units')
    """
    return f"{value:.1%}".replace(".0%", "%") if fault in _PERCENT else f"{value:.1f} units"


def _film_links(plan: Plan, folder: Path) -> list[tuple[str, str]]:
    """Return the names of the films that have a report, each with the address of its page."""
    pages = [(item.key, film_report(item, folder) / "index.html") for item in plan.items if is_film(item.output)]
    return [(name, quote(page.relative_to(folder / REPORT).as_posix())) for name, page in pages if page.is_file()]


def contact_sheet(
    summary: Summary,
    photos: list[SheetPhoto],
    total: int,
    stability: dict[str, float],
    films: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the HTML page of the contact sheet.

    Args:
        summary: results of the batch.
        photos: the photos to show, in order.
        total: number of colorized photos.
        stability: mean changes of chroma at half and at twice the size.
        films: names of films, each with the address of its report.
    """
    return rendered(
        "sheet.html",
        summary=summary,
        photos=photos,
        films=films,
        total=total,
        stability=stability,
        kinds=count_endings(Path(file.source) for file in summary.left_out),
        plural=plural,
    )
