"""The values of every photo as a CSV file."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from chromalab.core.files import write_text
from chromalab.metrics.registry import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chromalab.evaluate.records import PhotoScores


def write_photo_scores(path: Path, photos: Sequence[PhotoScores]) -> None:
    """Write a row for each photo: its name, its size, and a column for each metric.

    A cell is empty where a photo is too small for a metric, and `inf` for the PSNR of identical pictures.

    Raises:
        OutputError: the file can't be written.
    """
    names = [name for name in METRICS if any(name in photo.values for photo in photos)]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["photo", "width_px", "height_px", *names])
    for photo in photos:
        table.writerow([photo.photo, photo.width_px, photo.height_px, *(photo.values.get(name, "") for name in names)])
    write_text(path, text.getvalue())
