"""The logs of a run: rows for train.csv, the same numbers for TensorBoard, sample pictures."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from chromalab.core.files import explain_write_errors, write_text

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Row = dict[str, float]


class Logbook:
    """Keeps the rows of a run and writes them down.

    Rows live in memory and in the checkpoints, and train.csv is written whole each time: so after a kill it never
    holds a row twice, or one of a step that has to be done again.

    Args:
        folder: the run's folder.
        rows: rows from a checkpoint.
        tensorboard: write event files, too.
        first_step: events of later steps are those of a lost part of the run, and are hidden.
    """

    def __init__(self, folder: Path, rows: list[Row], *, tensorboard: bool, first_step: int) -> None:
        self.rows = list(rows)
        self._path = folder / "train.csv"
        self._events: Any = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - two seconds to import

            with explain_write_errors(folder):
                self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step or None)

    def add(self, row: Row) -> None:
        """Append a row; every row of a run has the same columns."""
        self.rows.append(row)
        if self._events is not None:
            for name, value in row.items():
                if name != "step":
                    self._events.add_scalar(name.replace(".", "/"), value, int(row["step"]))

    def picture(self, step: int, image: NDArray[np.uint8]) -> None:
        """Log a sample picture, (H, W, 3)."""
        if self._events is not None:
            self._events.add_image("samples", image, step, dataformats="HWC")

    def save(self) -> None:
        """Write train.csv."""
        if not self.rows:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self._path, text.getvalue())

    def close(self) -> None:
        """Write everything and close the event file."""
        self.save()
        if self._events is not None:
            self._events.close()
