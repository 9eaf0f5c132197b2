"""Color flicker of films: how much the chroma of the same point changes from one frame to the next.

The measure follows the warping error of Lai et al., *Learning Blind Video Temporal Consistency* (2018): a frame is
compared with the frame before, moved along the optical flow, where the correspondence is trusted. Deviations: the
difference is the Euclidean distance of a* and b* in CIELAB units, because the luma of a colorized film is given, and
not the squared distance of RGB. The flow is OpenCV's DIS, and a correspondence is trusted where the way there and back
returns to the start and the gray levels agree. The frame after a cut has no value.

The flow is estimated at twice the size and with a slower preset than the flow along which `stabilize` averages, so the
colorizer does not measure itself by its own estimate of the motion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from chromalab.colorization.video.flow import TRUSTED, FlowEstimator, mean_change
from chromalab.colorization.video.shots import gray_copy, motions_within_shot, small_size
from chromalab.colorization.video.source import Damage, frames, probe
from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.colorization.video.signal import MatrixName
    from chromalab.colorization.video.source import Film, Frame

FLICKER_PX = 256
"""Shorter side of the copies on which flicker is measured."""

SMALLEST_SHARE = 0.1
"""Share of trusted pixels below which a frame has no value."""

_COLORSPACES: dict[MatrixName, Colorspace] = {
    "bt601": Colorspace.ITU601,
    "bt709": Colorspace.ITU709,
    "bt2020": Colorspace.BT2020,
}


class FlickerMeter:
    """Measures the color flicker of one or more films that show the same motion, frame by frame."""

    def __init__(self) -> None:
        self._flow = FlowEstimator(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._gray: NDArray[np.uint8] | None = None
        self._chroma: dict[str, NDArray[np.float32]] = {}

    def update(self, gray: NDArray[np.uint8], chroma: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
        """Return the flicker of the next frame by film, in CIELAB units; empty after a cut and for the first frame.

        Args:
            gray: gray levels of the frame, from which the motion is estimated, (h, w).
            chroma: a* and b* of the frame in every film, (h, w, 2) each.
        """
        found: dict[str, float] = {}
        motions = None if self._gray is None else motions_within_shot(self._flow, self._gray, gray)
        if motions is not None:
            trusted = motions[0].trust >= TRUSTED
            if trusted.mean() >= SMALLEST_SHARE:
                for name, now in chroma.items():
                    found[name] = mean_change(self._chroma[name], now, motions[0], trusted)
        self._gray, self._chroma = gray, dict(chroma)
        return found


class ComparedFrame(NamedTuple):
    """The same frame of several films.

    Attributes:
        time_s: time since the first frame, in seconds, in the film that gives the motion.
        images: the frame in every film, upright, as 8-bit sRGB, (H, W, 3) each.
        flicker: the color flicker of every film, in CIELAB units; empty for a frame without a value.
    """

    time_s: float
    images: dict[str, NDArray[np.uint8]]
    flicker: dict[str, float]


class ComparedFilms:
    """Films that are decoded together, frame by frame.

    Args:
        paths: the files by name.
        motion: name of the film whose luma gives the motion and the cuts.

    Attributes:
        films: the facts of the films.

    Raises:
        UnreadablePhotoError: a file is not a film.
        UsageError: the films differ in the size of their frames.
    """

    def __init__(self, paths: Mapping[str, Path], motion: str) -> None:
        self.films = {name: probe(path) for name, path in paths.items()}
        self._damages = {name: Damage() for name in paths}
        self._motion = motion
        for film in self.films.values():
            self._check_size(film, self.films[motion])

    @staticmethod
    def _check_size(film: Film, other: Film) -> None:
        (height, width), (other_height, other_width) = (_upright_size(each) for each in (film, other))
        if (height, width) != (other_height, other_width):
            raise UsageError(
                f"the frames of {film.path.name} have {width}x{height} px and those of {other.path.name} "
                f"{other_width}x{other_height}: scale one of the films to the size of the other first"
            )

    @property
    def frames(self) -> int:
        """Number of frames as the header of the film that gives the motion has it."""
        return self.films[self._motion].frames

    @property
    def warnings(self) -> list[str]:
        """What could not be decoded, a sentence for each fault."""
        return [
            f"{film.path.name}: {warning}"
            for name, film in self.films.items()
            for warning in self._damages[name].warnings(film)
        ]

    def __iter__(self) -> Iterator[ComparedFrame]:
        """Yield the frames.

        Raises:
            UsageError: the films differ in their number of frames.
        """
        meter, film = FlickerMeter(), self.films[self._motion]
        start: int | None = None
        for together in self._together():
            frame = together[self._motion]
            start = frame.pts if start is None else start
            images = {name: rgb_of(each, self.films[name]) for name, each in together.items()}
            small = {name: chroma_copy(rgb, small_size(film, FLICKER_PX)) for name, rgb in images.items()}
            flicker = meter.update(gray_copy(frame, film, FLICKER_PX), small)
            yield ComparedFrame(float((frame.pts - start) * film.time_base), images, flicker)

    def _together(self) -> Iterator[dict[str, Frame]]:
        readers = {name: frames(film, self._damages[name]) for name, film in self.films.items()}
        while True:
            found = {name: next(reader, None) for name, reader in readers.items()}
            together = {name: frame for name, frame in found.items() if frame is not None}
            if not together:
                return
            if len(together) < len(found):
                raise self._unequal(readers)
            yield together

    def _unequal(self, readers: Mapping[str, Iterator[Frame]]) -> UsageError:
        for reader in readers.values():
            for _ in reader:
                pass
        counts = ", ".join(f"{film.path.name} {self._damages[name].frames}" for name, film in self.films.items())
        return UsageError(
            f"the films differ in their number of frames ({counts}), but frame is compared with frame: cut them to the "
            "same frames first"
        )


def chroma_copy(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a* and b* of 8-bit sRGB, reduced to a height and width, (h, w, 2)."""
    small = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[..., 1:])


def rgb_of(frame: Frame, film: Film) -> NDArray[np.uint8]:
    """Return an upright frame as 8-bit sRGB, (H, W, 3)."""
    picture = frame.picture
    if film.layout.in_place:
        picture = picture.reformat(
            format="rgb24",
            src_colorspace=_COLORSPACES[film.signal.matrix],
            src_color_range=ColorRange.JPEG if film.signal.full_range else ColorRange.MPEG,
        )
    return _upright(np.asarray(picture.to_ndarray(format="rgb24")), film)


def _upright(plane: NDArray[np.uint8], film: Film) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.rot90(plane, film.rotation // 90))


def _upright_size(film: Film) -> tuple[int, int]:
    """Return the height and width of an upright frame in its own pixels."""
    return (film.width, film.height) if film.rotation in {90, 270} else (film.height, film.width)
