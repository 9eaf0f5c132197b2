"""Colorizing uploads: at full size, as a preview, or merely converted to gray for display."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chromalab.colorization.colorizer import colorize_file, colorize_levels, kept_tone
from chromalab.colorization.options import Job
from chromalab.colorization.small import rotate_upright
from chromalab.photo.resizing import resize_plane, within
from chromalab.photo.scan import open_scan
from chromalab.photo.writing import SUFFIXES, Saving, encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Options
    from chromalab.colorization.web.queue import Ticket
    from chromalab.photo.scan import Scan

_SUFFIXES = {"jpeg": ".jpg", "png": ".png", "tiff": ".tif", "webp": ".webp", "avif": ".avif"}
_MOST_WARNINGS = 10
_KINDS_OF_UPLOADS = {"jpeg": "jpeg", "png": "png", "tiff": "tiff", "webp": "webp", "heif": "avif"}


class Result(NamedTuple):
    """An encoded image with facts about it."""

    data: bytes
    media_type: str
    suffix: str
    facts: dict[str, object]


def colorize_upload(
    engine: Engine, upload: Path, options: Options, ticket: Ticket, *, kind: str | None, quality: int, max_pixels: int
) -> Result:
    """Colorize an uploaded photo at full size.

    Args:
        engine: the network.
        upload: the photo, in the server's temporary folder.
        options: settings of the colors.
        ticket: checked between the steps.
        kind: file type of the output: `jpeg`, `png`, `tiff`, `webp` or `avif`; None keeps the type of the upload.
        quality: quality of lossy file types, 1 to 100.
        max_pixels: photos with larger declared sizes are refused.

    Raises:
        UnreadablePhotoError: the photo cannot be read.
        UsageError: the options do not fit the model or the photo.
    """
    scan = open_scan(upload, max_pixels=max_pixels)
    ticket.check()
    kind = kind or _KINDS_OF_UPLOADS.get(scan.file_kind, "png")
    job = Job(options, saving=Saving(quality=quality), max_pixels=max_pixels)
    with tempfile.TemporaryDirectory(dir=upload.parent) as folder:
        output = Path(folder) / f"output{_SUFFIXES[kind]}"
        result, _ = colorize_file(engine, upload, output, job, ready=lambda *_: ticket.check())
        measured = {name: value for name, value in result.model_dump().items() if isinstance(value, int | float)}
        facts: dict[str, object] = {"model": engine.spec.name, "model_sha256": engine.file.sha256, **measured}
        facts["warnings"] = shown_warnings(result.warnings)
        return Result(output.read_bytes(), f"image/{kind}", _SUFFIXES[kind], facts)


def preview_upload(
    engine: Engine, upload: Path, options: Options, ticket: Ticket, *, side_px: int, max_pixels: int
) -> Result:
    """Colorize a reduced copy of an uploaded photo as a JPEG without metadata, for display.

    Args:
        engine: the network.
        upload: the photo.
        options: settings of the colors; pixels of hints are those of the photo, not of the copy.
        ticket: checked between the steps.
        side_px: longest side of the copy.
        max_pixels: photos with larger declared sizes are refused.

    Raises:
        UnreadablePhotoError: the photo cannot be read.
        UsageError: the options do not fit the model or the photo.
    """
    scan = open_scan(upload, max_pixels=max_pixels)
    ticket.check()
    height, width = scan.shown_size
    options = options.model_copy(update={"hints": [hint.in_percent(height, width) for hint in options.hints]})
    pixels, stats = colorize_levels(engine, _small_gray(scan, side_px), options, tone=kept_tone(scan, options))
    facts: dict[str, object] = {
        "model": engine.spec.name,
        "height": height,
        "width": width,
        "gamut_share": round(stats.gamut_share, 6),
        "warnings": shown_warnings(scan.warnings),
    }
    return Result(encode_jpeg(pixels, 90), "image/jpeg", ".jpg", facts)


def gray_upload(upload: Path, ticket: Ticket, *, side_px: int, max_pixels: int) -> Result:
    """Return a reduced gray copy of an uploaded photo as a JPEG, for browsers that cannot display its file type."""
    ticket.check()
    gray = _small_gray(open_scan(upload, max_pixels=max_pixels), side_px)
    return Result(encode_jpeg(np.repeat(gray[..., None], 3, axis=2), 90), "image/jpeg", ".jpg", {})


def _small_gray(scan: Scan, side_px: int) -> NDArray[np.uint8]:
    """Return the gray levels of an upright copy with a longer side of at most `side_px`."""
    height, width = within(*scan.shown_size, side_px)
    levels = resize_plane(rotate_upright(scan.small_levels(min(height, width)), scan.orientation), height, width)
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def shown_warnings(warnings: Sequence[str]) -> list[str]:
    """Return warnings for a header: at most ten, the last of which counts the others."""
    if len(warnings) <= _MOST_WARNINGS:
        return list(warnings)
    return [*warnings[: _MOST_WARNINGS - 1], f"{len(warnings) - _MOST_WARNINGS + 1} more warnings"]


def known_suffix(name: str) -> str:
    """Return the suffix for an upload's temporary file; nothing else of the upload's name is used."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix in SUFFIXES else ".upload"
