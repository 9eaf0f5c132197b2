"""Small films for tests, written with PyAV, and what a film holds."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

av = pytest.importorskip("av", reason="films need the extra [video]")
pytest.importorskip("cv2", reason="films need the extra [video]")

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BITS = {"yuv420p10le": 10, "yuv422p10le": 10, "yuv444p10le": 10, "gray10le": 10, "yuv420p12le": 12, "gray16le": 16}
"""Bits of the planar formats with more than 8."""


def lumas(count: int, width: int = 64, height: int = 48, bits: int = 8) -> list[NDArray[Any]]:
    """Return luma planes of a smooth pattern that moves by a pixel per frame, with all codes of the limited range."""
    rows, columns = np.mgrid[:height, : width + count]
    wave = 0.5 + 0.25 * np.sin(columns / 5) + 0.25 * np.cos(rows / 4)
    low, high = 16 * 2 ** (bits - 8), 235 * 2 ** (bits - 8)
    codes = np.rint(low + wave * (high - low)).astype(np.uint8 if bits == 8 else np.uint16)
    return [np.ascontiguousarray(codes[:, number : number + width]) for number in range(count)]


def frame_of(luma: NDArray[Any], planar: str = "yuv420p", layout: str | None = None) -> Any:
    """Return a gray frame with a luma plane, in a planar format or repacked into another one."""
    frame = av.VideoFrame(luma.shape[1], luma.shape[0], planar)
    for index, plane in enumerate(frame.planes):
        values = np.frombuffer(memoryview(plane), luma.dtype).reshape(plane.height, -1)
        values[...] = 1 << (BITS.get(planar, 8) - 1)
        if index == 0:
            values[:, : plane.width] = luma
    return frame if layout in (None, planar) else frame.reformat(format=layout)


def write_clip(
    path: Path,
    frames: list[Any],
    codec: str = "ffv1",
    *,
    times: list[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    **settings: Any,
) -> Path:
    """Write a film of frames.

    Args:
        path: the file, whose suffix selects the file type.
        frames: the frames.
        codec: FFmpeg's name of the encoder.
        times: time of each frame in units of the time base; None for one unit each.
        time_base: unit of the times.
        options: options of the encoder.
        container: options of the file type.
        **settings: attributes of the encoder, such as `color_range`, or of the stream, with the prefix `stream_`.
    """
    with av.open(str(path), "w", container_options=container or {}) as file:
        stream = file.add_stream(codec, rate=25, options=options or {})
        context = stream.codec_context
        context.width, context.height = frames[0].width, frames[0].height
        context.pix_fmt, context.time_base = frames[0].format.name, time_base
        stream.time_base = time_base
        for name, value in settings.items():
            setattr(stream if name.startswith("stream_") else context, name.removeprefix("stream_"), value)
        for frame, time in zip(frames, times or range(len(frames)), strict=True):
            frame.pts, frame.time_base = time, time_base
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def gray_clip(path: Path, count: int = 6, codec: str = "ffv1", **settings: Any) -> Path:
    """Write a gray film of 64x48 px with 25 frames per second."""
    return write_clip(path, [frame_of(luma) for luma in lumas(count)], codec, **settings)


def decoded(path: Path) -> list[Any]:
    """Return the frames of a film."""
    with av.open(str(path)) as file:
        return list(file.decode(file.streams.video[0]))


def plane(frame: Any, index: int = 0) -> NDArray[Any]:
    """Return the values of a plane of a frame."""
    values = np.frombuffer(memoryview(frame.planes[index]), np.uint8 if frame.format.components[0].bits == 8 else "<u2")
    return values.reshape(frame.planes[index].height, -1)[:, : frame.planes[index].width]


def seconds(path: Path) -> list[float]:
    """Return the times of a film's frames in seconds."""
    return [float(frame.pts * frame.time_base) for frame in decoded(path)]
