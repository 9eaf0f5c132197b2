"""The visible label of a film: a line of text on a dark band at the lower left of every frame, as on photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from chromalab.colorization.small import rotate_back
from chromalab.photo.writing import from_pixels, is_visible, labeled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.colorization.video.encode import Encoder
    from chromalab.colorization.video.source import Film

_OUTSIDE = 255
"""Gray level that is brighter than any of the label."""


class Label:
    """A label, drawn once for all frames.

    Args:
        text: the line of text; without letters there is no label.
        film: the film.
        encoder: the encoder of its frames.
    """

    def __init__(self, text: str, film: Film, encoder: Encoder) -> None:
        self._signal, self._steps = encoder.signal, encoder.layout.steps
        self._band: NDArray[np.uint8] | None = None
        if not is_visible(text):
            return
        blank = np.full((*film.shown_size, 3), _OUTSIDE, dtype=np.uint8)
        shown = np.asarray(labeled(from_pixels(blank), text).numpy(), dtype=np.float32)[..., 0]
        coded = rotate_back(shown, film.orientation)
        coded = np.asarray(cv2.resize(coded, (film.width, film.height), interpolation=cv2.INTER_NEAREST))
        rows, columns = np.nonzero(coded < _OUTSIDE)
        self._place = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
        self._band = coded[self._place].astype(np.uint8)

    def burned(
        self, luma: NDArray[Any], cb: NDArray[Any], cr: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return the planes of a frame with the label, which is gray."""
        if self._band is None:
            return luma, cb, cr
        luma = luma.copy()
        codes = np.float32(self._signal.black) + self._band * np.float32(self._signal.luma_span / 255)
        luma[self._place] = np.rint(codes).astype(self._signal.dtype)
        beneath = tuple(
            slice(part.start // step, -(-part.stop // step))
            for part, step in zip(self._place, self._steps[::-1], strict=True)
        )
        cb[beneath] = cr[beneath] = self._signal.neutral
        return luma, cb, cr
