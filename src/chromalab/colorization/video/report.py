"""The report of a film: its shots before and after, its flicker over time, and a clip with both side by side."""

from __future__ import annotations

import csv
import io
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

import av
import numpy as np

from chromalab.colorization.page import rendered
from chromalab.colorization.video.source import Damage, frames, probe
from chromalab.core.files import make_folder, write_bytes, write_text
from chromalab.photo.writing import encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.colorization.records import FilmRecord, ShotRecord

THUMB_PX = 216
"""Rows of a frame on the contact sheet."""

CLIP_PX, CLIP_S = 360, 60.0
"""Rows of the clip with gray and color side by side, and its longest duration in seconds."""

MOST_SHOTS = 300
"""Shots on the contact sheet; of more, it shows every second or third and so on."""

_CHART_POINTS = 900


def write_film_report(record: FilmRecord, source: Path, output: Path, folder: Path) -> Path:
    """Write index.html, frames.csv, the thumbnails and the clip of a film's report.

    Args:
        record: the film.
        source: the gray film.
        output: the colorized film.
        folder: folder to write.

    Returns:
        The page.

    Raises:
        OutputError: a file cannot be written.
    """
    make_folder(folder / "shots")
    step = -(-len(record.shots) // MOST_SHOTS)
    shown = record.shots[::step]
    middles = {shot.first + shot.frames // 2: number for number, shot in enumerate(shown)}
    with _SideBySide(folder / "side_by_side.mp4", record) as clip:
        pairs = zip(_pictures(source), _pictures(output), strict=False)
        for index, (before, after) in enumerate(pairs):
            if index in middles:
                name = folder / "shots" / f"{middles[index]:04}"
                write_bytes(name.with_suffix(".before.jpg"), encode_jpeg(_scaled(before, THUMB_PX, gray=True)))
                write_bytes(name.with_suffix(".after.jpg"), encode_jpeg(_scaled(after, THUMB_PX)))
            clip.add(index, before, after)
            if index >= max(middles, default=0) and clip.is_full:
                break
    _write_frames(folder / "frames.csv", record)
    page = folder / "index.html"
    write_text(page, _page(record, shown))
    return page


def _pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a film or an image sequence in sRGB, upright, (H, W, 3)."""
    film = probe(path, max_pixels=sys.maxsize)  # the film has been accepted before
    for frame in frames(film, Damage()):  # the result warns of damage
        yield np.rot90(frame.picture.to_ndarray(format="rgb24"), film.rotation // 90)


def _scaled(rgb: NDArray[np.uint8], rows: int, *, gray: bool = False) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    rows = min(rows, height) // 2 * 2 or height
    columns = max(2, round(width * rows / height / 2) * 2)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    small = frame.reformat(columns, rows, format="gray" if gray else "rgb24", interpolation="AREA")
    result = np.asarray(small.to_ndarray(), dtype=np.uint8)
    return result if result.ndim == 3 else np.repeat(result[..., None], 3, axis=2)


class _SideBySide:
    """Writes a clip with the gray film on the left and the colorized one on the right."""

    def __init__(self, path: Path, record: FilmRecord) -> None:
        self._record = record
        self._container = av.open(str(path), "w", container_options={"movflags": "+faststart"})
        self._stream: Any = None
        self.is_full = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def add(self, index: int, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
        """Append a frame unless the clip has its length."""
        time_s = self._record.times_s[index] if index < len(self._record.times_s) else CLIP_S
        self.is_full = self.is_full or time_s >= CLIP_S
        if self.is_full:
            return
        both = np.concatenate([_scaled(before, CLIP_PX, gray=True), _scaled(after, CLIP_PX)], axis=1)
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=25, options={"crf": "20", "preset": "fast"})
            self._stream.height, self._stream.width = both.shape[:2]
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = self._stream.time_base = Fraction(1, 1000)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(both), format="rgb24")
        frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
        self._container.mux(self._stream.encode(frame))


def _write_frames(path: Path, record: FilmRecord) -> None:
    """Write a row for every frame."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["frame", "time_s", "shot", "mean_chroma", "flicker_before", "flicker_after"])
    shots = [number for number, shot in enumerate(record.shots, 1) for _ in range(shot.frames)]
    for index, measure in enumerate(record.measures):
        writer.writerow(
            [index, f"{record.times_s[index]:.4f}", shots[index], measure["chroma"]]
            + [measure.get(which, "") for which in ("before", "after")]
        )
    write_text(path, text.getvalue())


def _page(record: FilmRecord, shown: Sequence[ShotRecord]) -> str:
    shots = [
        {
            "number": record.shots.index(shot) + 1,
            "begin": _clock(record.times_s[shot.first]),
            "frames": shot.frames,
            "file": f"shots/{number:04}",
        }
        for number, shot in enumerate(shown)
    ]
    return rendered(
        "film.html",
        result=record.result,
        shots=shots,
        total=len(record.shots),
        before=record.flicker("before"),
        after=record.flicker("after"),
        lines=_lines(record),
        end=_clock(record.times_s[-1]),
    )


def _clock(seconds: float) -> str:
    """Return a time as minutes and seconds.

    >>> _clock(75.24)
    '1:15.2'
    """
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _lines(record: FilmRecord) -> dict[str, Any]:
    """Return the two lines of the chart as SVG points in a box of 1000 x 200, and the largest value."""
    end = max(record.times_s[-1], 1e-9)
    blocks = max(1, -(-len(record.measures) // _CHART_POINTS))
    lines: dict[str, Any] = {}
    series = {}
    for which in ("before", "after"):
        points = []
        for first in range(0, len(record.measures), blocks):
            values = [item[which] for item in record.measures[first : first + blocks] if which in item]
            if values:
                points.append((record.times_s[first] / end, float(np.mean(values))))
        series[which] = points
    top = max((value for points in series.values() for _, value in points), default=1.0) or 1.0
    for which, points in series.items():
        lines[which] = " ".join(f"{1000 * place:.1f},{200 - 190 * value / top:.1f}" for place, value in points)
    return lines | {"top": top}
