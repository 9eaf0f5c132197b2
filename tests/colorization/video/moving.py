"""Small films made for the tests: moving textures of known motion, hard cuts, and files of any codec."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def texture(seed: int, height: int = 96, width: int = 160, smooth: float = 3.0) -> NDArray[np.uint8]:
    """Return a smooth random texture with levels from about 30 to 220, (height, width)."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), smooth, mode="wrap")
    return np.asarray(np.clip(125 + 45 * noise / noise.std(), 30, 220), dtype=np.uint8)


def panning(seed: int, count: int, step: int = 2) -> list[NDArray[np.uint8]]:
    """Return frames in which a texture moves to the left by `step` pixels a frame."""
    wide = texture(seed)
    return [np.roll(wide, -step * index, axis=1) for index in range(count)]


def write_clip(
    path: Path, lumas: Iterable[NDArray[Any]], *, codec: str = "ffv1", pts: Sequence[int] | None = None
) -> Path:
    """Write frames as a film of neutral gray, 25 frames per second unless `pts` gives their times in 1/1000 s."""
    with av.open(str(path), "w") as container:
        stream: Any = None
        for index, luma in enumerate(lumas):
            if stream is None:
                stream = container.add_stream(codec, rate=25)
                stream.height, stream.width = luma.shape
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, 1000)
                stream.time_base = Fraction(1, 1000)
            frame = av.VideoFrame(luma.shape[1], luma.shape[0], "yuv420p")
            fill(frame, 0, luma)
            for plane in (1, 2):
                fill(frame, plane, np.full((-(-luma.shape[0] // 2), -(-luma.shape[1] // 2)), 128, np.uint8))
            frame.pts, frame.time_base = (40 * index if pts is None else pts[index]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def fill(frame: av.VideoFrame, index: int, values: NDArray[Any]) -> None:
    """Fill in a plane of a frame."""
    plane = frame.planes[index]
    rows: NDArray[Any] = np.frombuffer(memoryview(plane), values.dtype).reshape(plane.height, -1)
    rows[:, : plane.width] = values


def read_planes(path: Path) -> list[list[NDArray[np.uint8]]]:
    """Return the three planes of every frame of an 8-bit film."""
    with av.open(str(path)) as container:
        return [
            [
                np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width].copy()
                for plane in frame.planes
            ]
            for frame in container.decode(video=0)
        ]
