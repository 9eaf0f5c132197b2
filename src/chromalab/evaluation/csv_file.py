"""The values of every photo as a CSV file."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

from chromalab.core.files import atomic_writer
from chromalab.metrics.registry import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from chromalab.evaluation.score_table import ScoreTable


def write_photo_scores(path: Path, scores: Mapping[str, ScoreTable], *, name_methods: bool) -> None:
    """Write a row for each photo: its name, its size, and a column for each metric.

    A cell is empty where a photo is too small for a metric, and `inf` for the PSNR of identical pictures.

    Args:
        path: the file.
        scores: the values, by method.
        name_methods: begin every row with the method's name.

    Raises:
        OutputError: the file can't be written.
    """
    names = [name for name in METRICS if any(name in table.columns for table in scores.values())]
    with atomic_writer(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow([*(["method"] if name_methods else []), "photo", "width_px", "height_px", *names])
        for method, table in scores.items():
            for index, photo in enumerate(table.photos):
                values = (float(table.columns[name][index]) for name in names)
                cells = ("" if math.isnan(value) else repr(value) for value in values)
                size = table.width_px[index], table.height_px[index]
                rows.writerow([*([method] if name_methods else []), photo, *size, *cells])
        text.detach()
