"""Logs of a run: train.csv, sample images, and TensorBoard event files.

TensorBoard's own writer fills its file from a thread. On a full disk that thread dies with a traceback, and a resumed
run appends steps that the file already holds. Here every file is written whole.
"""

from __future__ import annotations

import csv
import io
import re
import time
from typing import TYPE_CHECKING

import torch
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from chromalab.core.files import write_bytes, write_text
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.nets.unet import Colorizer


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


def encode_events(rows: Sequence[Mapping[str, float]], times: Sequence[float], pictures: Iterable[Path]) -> bytes:
    """Return an event file with a scalar for every column of `rows` but `step`, and the sample pictures.

    Args:
        rows: logged rows, each with its `step`.
        times: when each row was logged, seconds since 1970.
        pictures: PNG files named `step_NNNNNN.png`.
    """
    file = io.BytesIO()
    writer = RecordWriter(file)
    start = times[0] if times else 0.0
    writer.write(Event(wall_time=start, file_version="brain.Event:2").SerializeToString())
    for row, moment in zip(rows, times, strict=True):
        summary = Summary(value=list(_scalars(row)))
        writer.write(Event(wall_time=moment, step=int(row["step"]), summary=summary).SerializeToString())
    for path in pictures:
        step = int(re.sub(r"\D", "", path.stem))
        image = Summary.Image(colorspace=3, encoded_image_string=path.read_bytes())
        summary = Summary(value=[Summary.Value(tag="samples", image=image)])
        writer.write(Event(wall_time=path.stat().st_mtime, step=step, summary=summary).SerializeToString())
    return file.getvalue()


def _scalars(row: Mapping[str, float]) -> Iterator[Summary.Value]:
    for name, value in row.items():
        if name != "step":
            yield Summary.Value(tag=name.replace(".", "/"), simple_value=value)


def draw_samples(colorizer: Colorizer, photos: NDArray[np.uint8], folder: Path, step: int) -> None:
    """Colorize `photos` (K, H, W, 3), write a sheet with a row for each (gray, truth, output)."""
    device = next(colorizer.parameters()).device
    rgb = torch.tensor(photos).to(device).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        lightness, _ = colorizer.space.encode(rgb)
        grey = colorizer.space.decode(lightness, colorizer.space.grey(lightness)).clamp(0, 1)
        output = colorizer.colorize(rgb)
    sheet = torch.cat([torch.cat(list(column), dim=1) for column in (grey, rgb, output)], dim=2)
    write_png(folder / f"step_{step:06d}.png", (sheet * 255).round().byte().permute(1, 2, 0).cpu().numpy())
