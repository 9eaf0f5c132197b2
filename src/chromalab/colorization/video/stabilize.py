"""Steady colors within a shot: the predictions for all frames that show the same point are averaged.

Each pixel's chroma is averaged along its motion, first from the beginning of the shot to its end and then back, so both
earlier and later frames contribute. Where the correspondence cannot be trusted, the average starts anew. Known colors
of one frame, from hints or from a reference, travel along the same motion through the whole shot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chromalab.colorization.video.flow import Motion, warp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MEMORY = 0.95
"""Factor per frame with which the weight of earlier predictions falls: half of it is left after 13 frames."""

ANCHOR_MEMORY = 0.998
"""Factor per frame with which the effect of a known color falls where the motion can be trusted."""


_TRUSTED = np.float32(0.4)
"""Trust from which on a known color travels on undiminished."""


class Known(NamedTuple):
    """Known colors of a frame.

    Attributes:
        chroma: a* and b*, (h, w, 2).
        strength: how far they replace the prediction, 0 to 1, (h, w).
    """

    chroma: NDArray[np.floating]
    strength: NDArray[np.floating]


@dataclass(frozen=True)
class Moment:
    """What is known of a frame before the chroma of its shot is averaged.

    Attributes:
        chroma: the network's a* and b*, (h, w, 2).
        back: its motion relative to the frame before; None for the first frame of a shot.
        forth: the motion of the frame before relative to it; None for the first frame of a shot.
        known: known colors of this frame.
    """

    chroma: NDArray[np.float16]
    back: Motion | None
    forth: Motion | None
    known: Known | None = None


class Average(NamedTuple):
    """A running average of chroma, with the known colors that travel along.

    Attributes:
        chroma: a* and b*, (h, w, 2).
        weight: sum of the weights of the predictions in it, at least 1, (h, w).
        known: the known colors that reach the frame, or None.
    """

    chroma: NDArray[np.floating]
    weight: NDArray[np.floating]
    known: Known | None


def average(
    moments: Sequence[Moment], count: int, before: Average | None = None
) -> tuple[list[NDArray[np.float16]], Average]:
    """Return the steady chroma of the frames of one shot.

    Args:
        moments: the frames of a shot or of a part of it; those after the first `count` only lend their future.
        count: number of frames to return.
        before: the average of the frame before, if the shot has begun earlier.

    Returns:
        The chroma of each of the first `count` frames, (h, w, 2); and the average of the last of them, to continue.
    """
    forward: list[Average] = []
    state = before
    for moment in moments[:count]:
        state = _step(moment, moment.back, state)
        forward.append(_in_precision(state, np.float16))  # half the memory; far finer than a code of 8 bits
    result: list[NDArray[np.float16]] = []
    later: Average | None = None
    for index in range(len(moments) - 1, -1, -1):
        moment, motion = moments[index], moments[index + 1].forth if index + 1 < len(moments) else None
        later = _step(moment, motion, later)
        if index < count:
            result.append(_both(forward[index], later, moment))
    assert state is not None  # noqa: S101 - there is at least one frame
    return result[::-1], state


def _in_precision(state: Average, dtype: type[np.float16 | np.float32]) -> Average:
    """Return an average in half or single precision."""
    known = state.known
    if known is not None:
        known = Known(known.chroma.astype(dtype), known.strength.astype(dtype))
    return Average(state.chroma.astype(dtype), state.weight.astype(dtype), known)


def _step(moment: Moment, motion: Motion | None, before: Average | None) -> Average:
    """Return the average after one more frame."""
    own = moment.chroma.astype(np.float32)
    if before is None or motion is None:
        return Average(own, np.ones(own.shape[:2], dtype=np.float32), moment.known)
    flow = motion.flow.astype(np.float32)
    trust = motion.trust.astype(np.float32) / np.float32(255)
    carried = np.float32(MEMORY) * trust * warp(before.weight, flow)
    weight = 1 + carried
    chroma = (own + carried[..., None] * warp(before.chroma, flow)) / weight[..., None]
    return Average(chroma, weight, _together(moment.known, _moved(before.known, flow, trust)))


def _moved(known: Known | None, flow: NDArray[np.float32], trust: NDArray[np.float32]) -> Known | None:
    if known is None:
        return None
    strength: NDArray[np.float32] = warp(known.strength, flow) * np.minimum(1, trust / _TRUSTED)
    return Known(warp(known.chroma, flow), strength * np.float32(ANCHOR_MEMORY))


def _together(one: Known | None, other: Known | None) -> Known | None:
    """Return the known colors of two origins; where both are strong, the stronger dominates."""
    if one is None or other is None:
        return one or other
    first: NDArray[np.float32] = one.strength**8 + np.float32(1e-12)
    second: NDArray[np.float32] = other.strength**8 + np.float32(1e-12)
    share: NDArray[np.float32] = (first / (first + second))[..., None]
    return Known(share * one.chroma + (1 - share) * other.chroma, np.maximum(one.strength, other.strength))


def _both(earlier: Average, later: Average, moment: Moment) -> NDArray[np.float16]:
    """Return the average over both directions, in which the frame itself counts once."""
    earlier = _in_precision(earlier, np.float32)
    total = earlier.weight + later.weight - 1
    mixed = earlier.weight[..., None] * earlier.chroma + later.weight[..., None] * later.chroma
    chroma: NDArray[np.float32] = (mixed - moment.chroma.astype(np.float32)) / total[..., None]
    known = _together(earlier.known, later.known)
    if known is not None:
        chroma += known.strength[..., None] * (known.chroma - chroma)
    return chroma.astype(np.float16)
