"""Motion between neighboring frames: dense optical flow, and how far each pixel's correspondence can be trusted.

The flow is OpenCV's DIS (Kroeger et al., *Fast Optical Flow using Dense Inverse Search*, 2016, arXiv:1603.03590). A
correspondence is trusted where following the flow there and back returns to the start (Sundaram, Brox, Keutzer: *Dense
Point Trajectories by GPU-Accelerated Large Displacement Optical Flow*, 2010, Eq. 5, with wider bounds), and where both
pixels have the same gray level apart from a change of exposure.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESIDUAL = 10.0
"""Difference in gray level (of 255) between corresponding pixels at which the trust has fallen to 1 / e."""

TRUSTED = 128
"""Trust, of 255, from which a pixel counts when flicker is measured."""

_LEAST_PX = 32
"""Shortest side for which DIS has enough levels; for shorter ones it fails, or crashes if the other side is long."""

_LARGEST_GAIN = 2.0
_ROUND_TRIP_SHARE = 0.02
_ROUND_TRIP_PX2 = 2.0


class Motion(NamedTuple):
    """Correspondence of every pixel of a frame with a pixel of a neighboring frame.

    Attributes:
        flow: displacement of the corresponding pixel, across and down, in pixels, (h, w, 2).
        trust: trust in the correspondence, 0 (occluded or changed) to 255, (h, w).
    """

    flow: NDArray[np.float16]
    trust: NDArray[np.uint8]


class FlowEstimator:
    """Computes optical flow; its state is reused from call to call, so each thread needs its own.

    Args:
        preset: balance of speed and accuracy, one of OpenCV's `DISOPTICAL_FLOW_PRESET_*`.
    """

    def __init__(self, preset: int = cv2.DISOPTICAL_FLOW_PRESET_FAST) -> None:
        self._dis = cv2.DISOpticalFlow.create(preset)

    def between(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[Motion, Motion]:
        """Return the motion of `after` relative to `before`, and of `before` relative to `after`.

        The first lets a plane of `before` be warped to `after`, and the second the reverse.

        Args:
            before: gray levels of a frame, (h, w).
            after: gray levels of the next frame, of the same size.
        """
        back, forth = self._flow(after, before), self._flow(before, after)
        smooth_before, smooth_after = (cv2.blur(frame, (3, 3)).astype(np.float32) for frame in (before, after))
        return (
            Motion(back.astype(np.float16), _trust(back, forth, smooth_after, smooth_before)),
            Motion(forth.astype(np.float16), _trust(forth, back, smooth_before, smooth_after)),
        )

    def _flow(self, here: NDArray[np.uint8], there: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = here.shape
        below, right = max(0, _LEAST_PX - height), max(0, _LEAST_PX - width)
        if below or right:
            here, there = (
                np.asarray(cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REPLICATE), dtype=np.uint8)
                for frame in (here, there)
            )
        flow = self._dis.calc(here, there, np.zeros((*here.shape, 2), dtype=np.float32))
        return np.ascontiguousarray(flow[:height, :width], dtype=np.float32)


def _trust(
    flow: NDArray[np.float32], reverse: NDArray[np.float32], here: NDArray[np.float32], there: NDArray[np.float32]
) -> NDArray[np.uint8]:
    returned = warp(reverse, flow)
    gap = np.square(flow + returned).sum(axis=-1)
    length = np.square(flow).sum(axis=-1) + np.square(returned).sum(axis=-1)
    residual = _without_exposure(here, warp(there, flow))
    similar = 255 * np.exp(-np.square(residual / RESIDUAL))
    return np.where(gap < _ROUND_TRIP_SHARE * length + _ROUND_TRIP_PX2, similar, 0).astype(np.uint8)


def _without_exposure(here: NDArray[np.float32], there: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the difference of two frames beyond a common gain and offset, by which old film flickers and fades."""
    ours, theirs = here - here.mean(), there - there.mean()
    gain = float((ours * theirs).sum()) / max(float(np.square(theirs).sum()), 1.0)
    residual: NDArray[np.float32] = ours - np.float32(np.clip(gain, 1 / _LARGEST_GAIN, _LARGEST_GAIN)) * theirs
    residual -= np.median(residual)
    return residual


def warp(plane: NDArray[np.floating], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values of a plane (h, w) or (h, w, C) at the places to which the flow (h, w, 2) points."""
    across, down = _grid(*flow.shape[:2])
    return np.asarray(
        cv2.remap(plane, across + flow[..., 0], down + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def mean_change(
    before: NDArray[np.floating], now: NDArray[np.floating], motion: Motion, trusted: NDArray[np.bool_]
) -> float:
    """Return the mean distance of chroma from that of the frame before, moved along the motion.

    Args:
        before: a* and b* of the frame before, (h, w, 2).
        now: a* and b* of the frame.
        motion: motion of the frame relative to the frame before.
        trusted: the pixels that count, at least one, (h, w).
    """
    change = now.astype(np.float32) - warp(before.astype(np.float32), motion.flow.astype(np.float32))
    return float(np.hypot(change[..., 0], change[..., 1])[trusted].mean())


@cache
def _grid(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return (
        np.arange(width, dtype=np.float32)[None].repeat(height, axis=0),
        np.arange(height, dtype=np.float32)[:, None].repeat(width, axis=1),
    )
