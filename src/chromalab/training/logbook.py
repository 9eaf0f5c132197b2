"""Logs of a run: train.csv, sample images, and TensorBoard event files.

TensorBoard's own writer is unsuitable: it writes from a thread, which fails with a traceback on a full disk, and it
repeats steps after a run is resumed. Here every file is rewritten as a whole.
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
    """The log of a run.

    Rows are kept in memory and in the checkpoints, and the files are rewritten as a whole. So after an interruption, no
    step is logged twice.

    Args:
        folder: the run's folder.
        rows: rows from a checkpoint.
        tensorboard: also write an event file.
    """

    def __init__(self, folder: Path, rows: list[Row], *, tensorboard: bool) -> None:
        self.rows = list(rows)
        self._times = [time.time()] * len(rows)
        self._folder = folder
        self._tensorboard = tensorboard

    def add(self, row: Row) -> None:
        """Append a row, which has no columns for terms that do not act yet."""
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
            images = sorted((self._folder / "samples").glob("step_*.png"))
            write_bytes(self._folder / "tensorboard" / EVENTS, encode_events(self.rows, self._times, images))


def encode_events(rows: Sequence[Mapping[str, float]], times: Sequence[float], images: Iterable[Path]) -> bytes:
    """Return an event file with a scalar for every column of `rows` except `step`, and the sample images.

    Args:
        rows: logged rows, each with its `step`.
        times: time at which each row was logged, in seconds since 1970.
        images: PNG files named `step_NNNNNN.png`.
    """
    file = io.BytesIO()
    writer = RecordWriter(file)
    start = times[0] if times else 0.0
    writer.write(Event(wall_time=start, file_version="brain.Event:2").SerializeToString())
    for row, moment in zip(rows, times, strict=True):
        summary = Summary(value=list(_scalars(row)))
        writer.write(Event(wall_time=moment, step=int(row["step"]), summary=summary).SerializeToString())
    for path in images:
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
    """Colorize `photos` (K, H, W, 3) and write an image with a row per photo: gray, ground truth, output."""
    device = next(colorizer.parameters()).device
    rgb = torch.tensor(photos).to(device).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        lightness, _ = colorizer.space.encode(rgb)
        grey = colorizer.space.decode(lightness, colorizer.space.grey(lightness)).clamp(0, 1)
        output = colorizer.colorize(rgb)
    sheet = torch.cat([torch.cat(list(column), dim=1) for column in (grey, rgb, output)], dim=2)
    write_png(folder / f"step_{step:06d}.png", (sheet * 255).round().byte().permute(1, 2, 0).cpu().numpy())
