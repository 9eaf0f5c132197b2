"""Frames of known motion for tests, and films of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

from tests.colorization.video.clips import decoded, frame_of, plane, write_clip

if TYPE_CHECKING:
    from collections.abc import Iterable
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


def write_pan(path: Path, lumas: Iterable[NDArray[np.uint8]]) -> Path:
    """Write frames as a film of neutral gray, without loss, 25 frames per second."""
    return write_clip(path, [frame_of(luma) for luma in lumas])


def read_planes(path: Path) -> list[list[NDArray[Any]]]:
    """Return the three planes of every frame of a film."""
    return [[plane(frame, index).copy() for index in range(3)] for frame in decoded(path)]
