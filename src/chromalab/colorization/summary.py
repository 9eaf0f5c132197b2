"""The results of a batch: of every photo, and as the lists in which a user looks for what is missing."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chromalab.colorization.plan import count_endings
from chromalab.colorization.records import KEPT
from chromalab.core.files import printable, write_text
from chromalab.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chromalab.colorization.plan import Plan

MESSAGES = "messages.csv"
"""Name of the file beside the journal that lists every failure, every warning and every file left out."""

SHOWN = 10
"""Number of failed photos, and of photos with warnings, that the command line prints."""

_RAW = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw"}
    | {".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".srf", ".srw", ".x3f"}
)
"""Suffixes of the raw files of cameras."""

_VERSION = "its name is that of a version or map beside an earlier output: rename it if it is a photo"


class PhotoResult(Record):
    r"""The result of one photo of a batch; see `Colorized` for the fields without a description.

    In paths, bytes that are not UTF-8 are written as `\xNN`.

    Attributes:
        source: path of the photo, as given; or of a folder that cannot be listed, which counts as failed.
        output: path of the output; empty for a folder.
        status: `done` (by this call), `resumed` (done by an earlier call) or `failed`.
        reason: why the photo failed; None if it did not.
        seconds: time for reading, colorizing and writing.
        warnings: what of the photo is damaged or left out, a sentence each.
    """

    source: str
    output: str
    status: Literal["done", "resumed", "failed"]
    reason: str | None = None
    seconds: float | None = None
    lightness_error: float | None = None
    gamut_share: float | None = None
    mean_chroma: float | None = None
    height: int | None = None
    width: int | None = None
    bits: int | None = None
    pages: int | None = None
    frames: int | None = None
    in_color: bool = False
    is_incomplete: bool = False
    warnings: list[str] = []


class LeftOut(Record):
    """A file in an input folder that was not colorized, because its name is not that of a photo."""

    source: str
    reason: str


class Summary(Record):
    """The results of a batch.

    Attributes:
        model: name of the model.
        model_sha256: hash of the model file.
        photos: the results of all photos, in the order of the plan, and of the folders that cannot be listed.
        left_out: the other files of the input folders, with the reason.
    """

    schema_version: int = 1
    model: str
    model_sha256: str
    photos: list[PhotoResult]
    left_out: list[LeftOut] = []

    def count(self, status: str) -> int:
        """Return how many photos have this status."""
        return sum(photo.status == status for photo in self.photos)

    @property
    def failed(self) -> list[PhotoResult]:
        """The photos that could not be colorized."""
        return [photo for photo in self.photos if photo.status == "failed"]

    @property
    def warned(self) -> list[PhotoResult]:
        """The photos with warnings."""
        return [photo for photo in self.photos if photo.warnings]

    def reasons(self) -> list[tuple[str, int, str]]:
        """Return the reasons of failures, each with its number of photos and the first photo; frequent ones first."""
        return _counted(self.failed)


def _counted(failed: list[PhotoResult]) -> list[tuple[str, int, str]]:
    counts = Counter(photo.reason or "" for photo in failed)
    return [
        (reason, count, next(photo.source for photo in failed if (photo.reason or "") == reason))
        for reason, count in counts.most_common()
    ]


def closed_folders(plan: Plan) -> list[PhotoResult]:
    """Return the folders of a plan that cannot be listed, as failures."""
    return [
        PhotoResult(
            source=printable(folder), output="", status="failed", reason=f"the folder cannot be listed: {reason}"
        )
        for folder, reason in plan.closed
    ]


def left_out_files(plan: Plan) -> list[LeftOut]:
    """Return the files of a plan that are not photos by their names, with the reason."""
    left_out = [LeftOut(source=printable(path), reason=_why_left_out(path)) for path in plan.left_out]
    return left_out + [LeftOut(source=printable(path), reason=_VERSION) for path in plan.versions]


def _why_left_out(path: Path) -> str:
    suffix = printable(path.suffix.lower())
    if suffix in _RAW:
        return "it is a camera's raw file: develop it first"
    return f"files ending in {suffix} are not read as photos" if suffix else "its name has no ending"


def write_messages(folder: Path, summary: Summary) -> None:
    """Write OUT/.chromalab/messages.csv: every failure, every warning and every file left out, a row each.

    Raises:
        OutputError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["status", "photo", "message"])
    writer.writerows(("failed", photo.source, photo.reason) for photo in summary.failed)
    writer.writerows(("warning", photo.source, warning) for photo in summary.warned for warning in photo.warnings)
    writer.writerows(("left out", file.source, file.reason) for file in summary.left_out)
    write_text(folder / KEPT / MESSAGES, text.getvalue())


def message_lines(summary: Summary, folder: Path | None) -> Iterator[str]:
    """Yield the lines of the command line: failures and warnings of up to `SHOWN` photos, and counts of the rest.

    Args:
        summary: the results.
        folder: the output folder; None if one photo became one named file.
    """
    listed = "" if folder is None else f"; all are listed in {printable(folder / KEPT / MESSAGES)}"
    for photo in summary.failed[:SHOWN]:
        yield f"failed: {photo.source}: {photo.reason}"
    if rest := summary.failed[SHOWN:]:
        reasons = "; ".join(f"{count}: {reason}" for reason, count, _ in _counted(rest)[:SHOWN])
        yield f"failed: {len(rest)} more ({reasons}){listed}"
    for photo in summary.warned[:SHOWN]:
        yield f"warning: {photo.source}: {'; '.join(photo.warnings)}"
    if more := summary.warned[SHOWN:]:
        yield f"warning: {len(more)} more photos with warnings{listed}"
    if in_color := sum(photo.in_color for photo in summary.photos):
        yield f"{in_color} of {len(summary.photos)} photos had colors of their own, which are replaced"
    if summary.left_out:
        yield f"{count_endings(Path(file.source) for file in summary.left_out)}{listed}"
