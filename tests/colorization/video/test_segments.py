"""The work folder holds finished segments, belongs to one job, and resumes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chromalab.colorization.options import Options
from chromalab.colorization.records import ShotRecord
from chromalab.colorization.video import analysis
from chromalab.colorization.video import film as film_module
from chromalab.colorization.video.segments import (
    EncodedPacket,
    SegmentRecord,
    WorkFolder,
    timed,
    work_folder,
)
from chromalab.colorization.video.stabilize import Average
from tests.colorization.video.clips import frame_of, lumas, write_clip

if TYPE_CHECKING:
    from pathlib import Path

    from tests.colorization.video.conftest import Colorize


def _record(first: int, times: list[int], *, is_last: bool = False) -> SegmentRecord:
    return SegmentRecord(
        first=first,
        frames=[(time, 1) for time in times],
        shots=[ShotRecord(first=first, frames=len(times), begins=first == 0)],
        is_last=is_last,
    )


def test_segments_are_found_again_by_the_same_job_only(tmp_path: Path) -> None:
    packets = [EncodedPacket(0, is_key=True, data=b"abc"), EncodedPacket(1, is_key=False, data=b"d")]
    average = Average(np.ones((2, 3, 2), np.float32), np.full((2, 3), 4, np.float32), None)
    work = WorkFolder(tmp_path / "a.mp4", {"crf": 18})
    work.add(_record(0, [0, 1]), packets, average)
    again = WorkFolder(tmp_path / "a.mp4", {"crf": 18})
    assert (again.done_frames, again.is_complete) == (2, False)
    assert list(again.packets()) == packets
    carried = again.state().carry
    assert carried is not None
    assert np.array_equal(carried.weight, average.weight)
    assert WorkFolder(tmp_path / "a.mp4", {"crf": 20}).done_frames == 0


def test_an_incomplete_segment_is_made_again(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "a.mp4", {})
    for first in (0, 1):
        work.add(_record(first, [first]), [EncodedPacket(first, is_key=True, data=b"abc")], None)
    (work.path / "00001.packets").write_bytes(b"ab")
    assert WorkFolder(tmp_path / "a.mp4", {}).done_frames == 1


def test_frames_are_decoded_before_they_are_shown() -> None:
    record = _record(0, [0, 10, 20, 30])
    packets = [EncodedPacket(time, is_key=time == 0, data=b"x") for time in (0, 30, 10, 20)]
    record = record.model_copy(update={"packets": [(p.pts, p.is_key, 1) for p in packets]})
    found = list(timed([record], packets))
    assert [packet.pts for packet in found] == [0, 30, 10, 20]
    times = [(packet.dts or 0, packet.pts or 0) for packet in found]
    assert all(decoding <= shown for decoding, shown in times)
    assert [decoding for decoding, _ in times] == sorted({decoding for decoding, _ in times})
    assert [packet.duration for packet in found] == [10, 1, 10, 10]


class _StopError(Exception):
    """A stop in the middle."""


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [1, 2])
@pytest.mark.parametrize(("codec", "joined"), [("h264", False), ("ffv1", False), ("h264", True)])
def test_a_stopped_film_ends_up_the_same(
    tmp_path: Path, colorize: Colorize, monkeypatch: pytest.MonkeyPatch, stop_after: int, codec: str, joined: bool
) -> None:
    for name, value in (("SHORTEST", 8), ("LONGEST", 10), ("AHEAD", 4)):
        monkeypatch.setattr(analysis, name, value)
    clip = [frame_of(luma) for luma in [*lumas(20), *(255 - luma for luma in lumas(16))]]
    source = write_clip(tmp_path / "a.mkv", clip)
    if joined:
        source = write_clip(tmp_path / "a.ts", clip[:18], "libx264")
        source.write_bytes(source.read_bytes() * 2)
    colorize(source, tmp_path / "whole.mkv", codec=codec)
    real, calls = WorkFolder.add, []

    def stopping(self: WorkFolder, *arguments: Any) -> None:
        calls.append(1)
        if len(calls) > stop_after:
            raise _StopError
        real(self, *arguments)

    monkeypatch.setattr(WorkFolder, "add", stopping)
    with pytest.raises(_StopError):
        colorize(source, tmp_path / "b.mkv", codec=codec)
    assert work_folder(tmp_path / "b.mkv").is_dir()
    assert not (tmp_path / "b.mkv").exists()
    monkeypatch.setattr(WorkFolder, "add", real)
    colorize(source, tmp_path / "b.mkv", codec=codec)
    assert (tmp_path / "b.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()
    assert not work_folder(tmp_path / "b.mkv").exists()


def test_other_settings_start_anew(tmp_path: Path, colorize: Colorize, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_clip(tmp_path / "a.mkv", [frame_of(luma) for luma in lumas(6)])
    monkeypatch.setattr(film_module, "write_film", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        colorize(source, tmp_path / "b.mkv")
    monkeypatch.undo()
    colorize(source, tmp_path / "gray.mkv", codec="ffv1", options=Options(saturation=0))
    colorize(source, tmp_path / "b.mkv", codec="ffv1", options=Options(saturation=0))
    assert (tmp_path / "b.mkv").read_bytes() == (tmp_path / "gray.mkv").read_bytes()


def test_long_names_leave_room_for_the_folder(tmp_path: Path) -> None:
    assert len(work_folder(tmp_path / ("é" * 120 + ".mkv")).name.encode()) <= 255
