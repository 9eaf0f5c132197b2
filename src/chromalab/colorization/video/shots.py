"""The shots of a film: frames as a network sees them, the motion between them, and the cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from chromalab.colorization.guided import enlarge
from chromalab.colorization.hints import seeds_of, spread_hints
from chromalab.colorization.small import predict_chroma, rotate_upright
from chromalab.colorization.video.flow import FlowEstimator, warp
from chromalab.colorization.video.stabilize import Known, Moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from chromalab.colorization.engine import Engine
    from chromalab.colorization.hints import Hint
    from chromalab.colorization.options import Options
    from chromalab.colorization.video.flow import Motion
    from chromalab.colorization.video.source import Film, Frame

SMALL_PX = 128
"""Shorter side of the copies on which motion is estimated and chroma is averaged."""

CUT_CORRELATION = 0.55
"""Correlation of neighboring frames after motion compensation, mean of both directions, below which there is a cut.

At the cuts of two real films it was at most .39, and between fast-moving frames of one shot at least .75.
"""

OWN_STEP = 12
"""Frames between those whose own colors are looked at."""

_OWN_PX = 32, 24
_FLAT = 3.0
_FLAT_CHANGE = 10.0


class Seen(NamedTuple):
    """A frame at reduced size.

    Attributes:
        moment: its predicted chroma, before the settings of the colors are applied, and its motion.
        levels: its gray levels, upright, (h, w).
        references: indices of the references that are for this frame.
        own: the film's own colors in a few places, sRGB in [0, 1], (n, 3); None for most frames.
    """

    moment: Moment
    levels: NDArray[np.uint8]
    references: tuple[int, ...] = ()
    own: NDArray[np.float32] | None = None

    @property
    def begins_shot(self) -> bool:
        """Whether there is a cut before the frame."""
        return self.moment.back is None


def own_colors(frame: Frame) -> NDArray[np.float32]:
    """Return a frame's own colors in a few places, sRGB in [0, 1], (n, 3)."""
    small = frame.picture.reformat(*_OWN_PX, format="rgb24", interpolation="AREA")
    return np.asarray(small.to_ndarray(), dtype=np.float32).reshape(-1, 3) / np.float32(255)


class Viewer:
    """Predicts the chroma of one frame after the other and compares each with the frame before.

    Args:
        engine: the network.
        film: the film.
        options: settings of the colors.
    """

    def __init__(self, engine: Engine, film: Film, options: Options) -> None:
        self._engine, self._film, self._options = engine, film, options
        self._flow = FlowEstimator()
        self._before: NDArray[np.uint8] | None = None
        self._network_px = max(SMALL_PX, int(np.ceil(engine.spec.size.px * max(options.scales))))

    def skip(self, frame: Frame) -> None:
        """Take a frame as the one before the next."""
        self._before = gray_copy(frame, self._film, SMALL_PX)

    def see(self, frame: Frame, hints: Sequence[Hint] = ()) -> Seen:
        """Return a frame's predicted chroma, its motion, and the known colors that its hints give."""
        levels = upright_levels(frame, self._film, self._network_px)
        chroma = predict_chroma(self._engine, levels, self._options).chroma
        size = small_size(self._film, SMALL_PX)
        if levels.shape != size:
            chroma, levels = enlarge(chroma, *size), upright_levels(frame, self._film, SMALL_PX)
        gray = np.rint(levels).astype(np.uint8)
        motions = None if self._before is None else motions_within_shot(self._flow, self._before, gray)
        self._before = gray
        known = self._known(levels, hints) if hints else None
        back, forth = motions if motions is not None else (None, None)
        return Seen(Moment(chroma.transpose(1, 2, 0).astype(np.float16), back, forth, known), gray)

    def _known(self, levels: NDArray[np.float32], hints: Sequence[Hint]) -> Known:
        chroma, strength = spread_hints(levels, *seeds_of(hints, self._film.shown_size, levels.shape))
        return Known(chroma.transpose(1, 2, 0).astype(np.float32), strength.astype(np.float32))


def small_size(film: Film, shorter_px: int) -> tuple[int, int]:
    """Return the height and width of an upright copy in square pixels, at most as large as a frame."""
    height, width = film.shown_size
    scale = min(1.0, shorter_px / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def coded_levels(frame: Frame, film: Film, shorter_px: int) -> NDArray[np.float32]:
    """Return the gray levels of a copy of the size of `small_size`, in the orientation in which the frame is coded."""
    height, width = small_size(film, shorter_px)
    size = (height, width) if film.rotation in {90, 270} else (width, height)
    return film.signal.levels(cv2.resize(frame.luma, size, interpolation=cv2.INTER_AREA))


def upright_levels(frame: Frame, film: Film, shorter_px: int) -> NDArray[np.float32]:
    """Return the gray levels of an upright copy of the size of `small_size`, 0 to 255."""
    return rotate_upright(coded_levels(frame, film, shorter_px), film.orientation)


def gray_copy(frame: Frame, film: Film, shorter_px: int) -> NDArray[np.uint8]:
    """Return the gray levels of an upright copy as integers."""
    return np.rint(upright_levels(frame, film, shorter_px)).astype(np.uint8)


def spans_of_shots(seen: Sequence[Seen]) -> Iterator[tuple[int, int]]:
    """Yield the first index of every shot, and the index after its last; the first shot may have begun earlier."""
    starts = [index for index, item in enumerate(seen) if index == 0 or item.begins_shot]
    yield from zip(starts, [*starts[1:], len(seen)], strict=True)


def motions_within_shot(
    estimator: FlowEstimator, before: NDArray[np.uint8], gray: NDArray[np.uint8]
) -> tuple[Motion, Motion] | None:
    """Return the motion of a frame relative to the frame before, and the reverse; None if there is a cut between them.

    Args:
        estimator: computes the optical flow.
        before: gray levels of the frame before, (h, w).
        gray: gray levels of the frame, of the same size.
    """
    if _are_flat(before, gray):
        change = abs(float(gray.mean()) - float(before.mean()))
        return None if change > _FLAT_CHANGE else estimator.between(before, gray)
    back, forth = estimator.between(before, gray)
    alike = _correlation(gray, before, back) + _correlation(before, gray, forth)
    return None if alike / 2 < CUT_CORRELATION else (back, forth)


def _are_flat(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return min(float(one.std()), float(other.std())) < _FLAT


def _correlation(here: NDArray[np.uint8], there: NDArray[np.uint8], motion: Motion) -> float:
    """Return the correlation of a frame with its neighbor after motion compensation."""
    moved = warp(there.astype(np.float32), motion.flow.astype(np.float32))
    one, other = here - here.mean(dtype=np.float32), moved - moved.mean()
    norm = float(np.sqrt(np.square(one).mean() * np.square(other).mean()))
    return float((one * other).mean()) / norm if norm > 0 else 0.0
