"""The logs of a run: train.csv, and the same numbers with the sample pictures for TensorBoard."""

from __future__ import annotations

import csv
import io
import time
from typing import TYPE_CHECKING

from chromalab.core.files import write_bytes, write_text
from chromalab.training.events import encode_events

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, float]

EVENTS = "events.out.tfevents.chromalab"


class Logbook:
    """Keeps the rows of a run and writes them down.

    Rows live in memory and in the checkpoints, and the files are written whole each time: so after a kill they never
    hold a row twice, or one of a step that has to be done again.

    Args:
        folder: the run's folder.
        rows: rows from a checkpoint.
        tensorboard: write an event file, too.
    """

    def __init__(self, folder: Path, rows: list[Row], *, tensorboard: bool) -> None:
        self.rows = list(rows)
        self._times = [time.time()] * len(rows)
        self._folder = folder
        self._tensorboard = tensorboard

    def add(self, row: Row) -> None:
        """Append a row; a term that does not act yet has no columns in it."""
        self.rows.append(row)
        self._times.append(time.time())

    def save(self) -> None:
        """Write train.csv and the event file.

        Raises:
            OutputError: the disk is full or read-only.
        """
        if not self.rows:
            return
        text = io.StringIO()
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self._folder / "train.csv", text.getvalue())
        if self._tensorboard:
            pictures = sorted((self._folder / "samples").glob("step_*.png"))
            write_bytes(self._folder / "tensorboard" / EVENTS, encode_events(self.rows, self._times, pictures))
