"""TensorBoard's event files, made in memory.

TensorBoard's own writer fills its file from a thread of its own: on a full disk that thread dies with a traceback, and
a run that goes on from a checkpoint appends steps that are in the file already. Here the whole file is one value.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


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
