"""What a request asks for, done in the server's own temporary folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chromalab.colorization.colorizer import Colorized, Job, colorize_file, colorize_levels
from chromalab.photo.resizing import resize_plane, target_size
from chromalab.photo.scan import open_scan
from chromalab.photo.writing import SUFFIXES, Saving, encode_jpeg

if TYPE_CHECKING:
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Options
    from chromalab.colorization.web.queue import Ticket

MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "tiff": "image/tiff",
    "webp": "image/webp",
    "avif": "image/avif",
}
_ENDINGS = {"jpeg": ".jpg", "png": ".png", "tiff": ".tif", "webp": ".webp", "avif": ".avif"}
_OF_UPLOADS = {"jpeg": "jpeg", "png": "png", "tiff": "tiff", "webp": "webp", "heif": "avif"}


class Answer(NamedTuple):
    """A picture and what is said of it."""

    data: bytes
    media_type: str
    suffix: str
    facts: dict[str, str | int | float]


def colorize_upload(
    engine: Engine, upload: Path, options: Options, ticket: Ticket, *, kind: str | None, quality: int, max_pixels: int
) -> Answer:
    """Colorize an uploaded photo at full size.

    Args:
        engine: the network.
        upload: the photo, in the server's temporary folder.
        options: what decides the colors.
        ticket: stops the work where nobody waits any more.
        kind: of the output, see `MEDIA_TYPES`; None takes the upload's own.
        quality: of lossy outputs.
        max_pixels: photos that declare more are refused.

    Raises:
        UnreadablePhotoError: the photo can't be read.
        UsageError: options that don't fit the model or the photo.
    """
    scan = open_scan(upload, max_pixels=max_pixels)
    ticket.check()
    kind = kind or _OF_UPLOADS.get(scan.file_kind, "png")
    job = Job(options, saving=Saving(quality=quality), max_pixels=max_pixels)
    with tempfile.TemporaryDirectory(dir=upload.parent) as folder:
        output = Path(folder) / f"output{_ENDINGS[kind]}"
        result, _ = colorize_file(engine, upload, output, job, ready=lambda result, disclosure: ticket.check())  # noqa: ARG005
        return Answer(output.read_bytes(), MEDIA_TYPES[kind], _ENDINGS[kind], _facts(engine, result))


def _facts(engine: Engine, result: Colorized) -> dict[str, str | int | float]:
    plain = result.model_dump(exclude={"source", "output"})
    return {"model": engine.spec.name, "model_sha256": engine.file.sha256, **plain}


def preview_upload(
    engine: Engine, upload: Path, options: Options, ticket: Ticket, *, side_px: int, max_pixels: int
) -> Answer:
    """Colorize a reduced copy, as JPEG, without metadata: to look at while choosing.

    Args:
        engine: the network.
        upload: the photo.
        options: what decides the colors; hints in percent, since the copy has other pixels.
        ticket: stops the work where nobody waits any more.
        side_px: longest side of the copy.
        max_pixels: photos that declare more are refused.

    Raises:
        UnreadablePhotoError: the photo can't be read.
        UsageError: options that don't fit the model or the photo.
    """
    scan = open_scan(upload, max_pixels=max_pixels)
    ticket.check()
    shortest = min(scan.height, scan.width)
    wanted = max(1, round(side_px * shortest / max(scan.height, scan.width)))
    levels = np.clip(scan.small_levels(min(wanted, shortest)), 0, 255)
    pixels, account = colorize_levels(engine, np.rint(levels).astype(np.uint8), options)
    facts: dict[str, str | int | float] = {
        "model": engine.spec.name,
        "height": scan.height,
        "width": scan.width,
        "gamut_share": round(account.gamut_share, 6),
    }
    return Answer(encode_jpeg(pixels, 90), "image/jpeg", ".jpg", facts)


def known_suffix(name: str) -> str:
    """Return a suffix for a temporary file: of an upload's name nothing but a known ending is used."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix in SUFFIXES else ".upload"


def before_of(upload: Path, *, side_px: int, max_pixels: int) -> bytes:
    """Return the photo without color, reduced, as JPEG: browsers can't show a TIFF."""
    scan = open_scan(upload, max_pixels=max_pixels)
    shortest, longest = sorted((scan.height, scan.width))
    size = target_size(scan.height, scan.width, min(shortest, max(1, round(side_px * shortest / longest))))
    levels = np.clip(resize_plane(scan.small_levels(min(size)), *size), 0, 255)
    grey = np.rint(levels).astype(np.uint8)
    return encode_jpeg(np.repeat(grey[..., None], 3, axis=2), 90)
