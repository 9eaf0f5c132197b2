"""The work folder of a film: finished segments, from which an interrupted film is resumed.

A segment is a run of frames, encoded on its own. Its packets and its record are complete on disk before the next one
begins, so after a stop at any moment the film continues behind the last segment, and its packets are the same as
without the stop.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np

from chromalab.colorization.records import ShotRecord
from chromalab.colorization.video.analysis import State
from chromalab.colorization.video.source import Damage
from chromalab.colorization.video.stabilize import Average, Known
from chromalab.core.files import LONGEST_NAME, atomic_writer, explain_write_errors, make_folder
from chromalab.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_FOLDER_ENDING = ".chromalab-film"
_JOB = "job.json"


class EncodedPacket(NamedTuple):
    """A packet of the encoded film.

    Attributes:
        pts: time of its frame, in units of the film's time base.
        is_key: decoding can begin with it.
        data: its bytes.
    """

    pts: int
    is_key: bool
    data: bytes


class SegmentRecord(Record):
    """A finished segment.

    Attributes:
        first: index of its first frame in the film.
        frames: time and duration of every frame, in units of the film's time base.
        packets: time, key flag and size in bytes of every packet, in the order of decoding.
        shots: its shots.
        measures: mean chroma and flicker of every frame, and own colors of some.
        active: indices of the references that decide the colors of the shot that continues.
        is_last: the film ends with it.
        damage: what was damaged up to its end.
    """

    first: int
    frames: list[tuple[int, int]]
    packets: list[tuple[int, bool, int]] = []
    shots: list[ShotRecord]
    measures: list[dict[str, float]] = []
    active: list[int] = []
    is_last: bool
    damage: Damage = Damage()


class WorkFolder:
    """The work folder of one film.

    Args:
        output: the film's output, beside which the folder lies.
        job: what determines the output; a folder of another job is deleted.

    Attributes:
        records: the finished segments, in order.
    """

    def __init__(self, output: Path, job: dict[str, Any]) -> None:
        self.path = work_folder(output)
        self.records: list[SegmentRecord] = []
        text = json.dumps(job, sort_keys=True, indent=1)
        if self._read_job() != text:
            self.delete()
            make_folder(self.path)
            with atomic_writer(self.path / _JOB) as file:
                file.write(text.encode())
        self._load()

    def _read_job(self) -> str | None:
        try:
            return (self.path / _JOB).read_text()
        except OSError:
            return None

    def _load(self) -> None:
        while True:
            number = len(self.records)
            try:
                record = SegmentRecord.model_validate_json((self.path / f"{number:05}.json").read_bytes())
                size = (self.path / f"{number:05}.packets").stat().st_size
            except (OSError, ValueError):
                return
            if size != sum(packet[2] for packet in record.packets):
                return
            self.records.append(record)

    @property
    def done_frames(self) -> int:
        """Number of frames in the finished segments."""
        return sum(len(record.frames) for record in self.records)

    @property
    def measures(self) -> list[dict[str, float]]:
        """The measures of all frames in the finished segments."""
        return [measure for record in self.records for measure in record.measures]

    @property
    def damage(self) -> Damage:
        """What was damaged up to the end of the last finished segment."""
        return self.records[-1].damage

    @property
    def is_complete(self) -> bool:
        """Whether the last segment of the film is finished."""
        return bool(self.records) and self.records[-1].is_last

    def add(self, record: SegmentRecord, packets: Iterable[EncodedPacket], carry: Average | None) -> None:
        """Write a segment while it is encoded.

        Args:
            record: its record, without the packets.
            packets: its packets, in the order of decoding.
            carry: the average with which the next segment continues the shot; None if a shot begins there.

        Raises:
            OutputError: the folder cannot be written, or the disk is full.
        """
        stem = f"{len(self.records):05}"
        facts = []
        with atomic_writer(self.path / f"{stem}.packets") as file:
            for packet in packets:
                file.write(packet.data)
                facts.append((packet.pts, packet.is_key, len(packet.data)))
        record = record.model_copy(update={"packets": facts})
        with atomic_writer(self.path / f"{stem}.npz") as file:
            file.write(_packed(carry))
        with atomic_writer(self.path / f"{stem}.json") as file:
            file.write(record.model_dump_json().encode())
        self.records.append(record)

    def state(self) -> State:
        """Return what the next segment needs to continue the shot."""
        if not self.records:
            return State()
        return State(self.done_frames, self._carry(), tuple(self.records[-1].active))

    def _carry(self) -> Average | None:
        with np.load(self.path / f"{len(self.records) - 1:05}.npz") as arrays:
            if "chroma" not in arrays:
                return None
            known = Known(arrays["known"], arrays["strength"]) if "known" in arrays else None
            return Average(arrays["chroma"], arrays["weight"], known)

    def packets(self) -> Iterator[EncodedPacket]:
        """Yield the packets of all segments in the order of decoding."""
        for number, record in enumerate(self.records):
            with (self.path / f"{number:05}.packets").open("rb") as file:
                for pts, is_key, size in record.packets:
                    yield EncodedPacket(pts, is_key, file.read(size))

    def delete(self) -> None:
        """Delete the folder."""
        with explain_write_errors(self.path):
            if self.path.is_dir():
                shutil.rmtree(self.path)


def work_folder(output: Path) -> Path:
    """Return the work folder of an output."""
    name = os.fsencode(output.name)[: LONGEST_NAME - len(_FOLDER_ENDING) - 1].decode(errors="ignore")
    return output.with_name(f".{name}{_FOLDER_ENDING}")


def _packed(carry: Average | None) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, NDArray[np.float32]] = {}
    if carry is not None:
        arrays |= {"chroma": carry.chroma, "weight": carry.weight}
        if carry.known is not None:
            arrays |= {"known": carry.known.chroma, "strength": carry.known.strength}
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def timed(records: list[SegmentRecord], packets: Iterable[EncodedPacket]) -> Iterator[av.Packet[Any]]:
    """Yield packets with decoding times and durations, in the order of decoding.

    The decoding times are the sorted frame times, moved back far enough that no frame is decoded after it is shown. A
    frame lasts until the next one, because the durations that decoders give are those of frames in decoding order.
    """
    times = sorted(time for record in records for time in record.frames)
    order = [pts for pts, _ in times]
    durations = {pts: later - pts for pts, later in pairwise(order)} | dict(times[-1:])
    delay = _reordering(records)
    step = max(1, order[1] - order[0]) if len(order) > 1 else 1
    for number, packet in enumerate(packets):
        result = av.Packet(packet.data)
        result.pts = packet.pts
        result.dts = order[number - delay] if number >= delay else order[0] - (delay - number) * step
        result.duration = durations.get(packet.pts, 0)
        result.is_keyframe = packet.is_key
        yield result


def _reordering(records: list[SegmentRecord]) -> int:
    """Return by how many frames a packet comes at most before the packets of frames that are shown earlier."""
    most = 0
    for record in records:
        place = {pts: number for number, (pts, _) in enumerate(sorted(record.frames))}
        for number, (pts, _, _) in enumerate(record.packets):
            most = max(most, number - place[pts])
    return most
