"""How a film codes color: luma and chroma, their matrix and range, and chroma planes that leave the luma untouched.

The luma of a gray film stays as it is, bit for bit. A color is therefore chosen among those with the frame's luma Y',
not among those with its lightness L*: a table holds, for every level of luma and every a* and b*, the Cb and Cr of the
color with that luma and chroma.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from chromalab.color.lab import LEVELS, encode_srgb, grey_lightness, lab_to_linear
from chromalab.colorization.render import A_COUNT, A_FIRST, B_COUNT, B_FIRST, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.colorization.guided import Coefficients

MatrixName = Literal["bt601", "bt709", "bt2020"]
MATRICES: dict[MatrixName, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
"""Weights of encoded R and B in the luma (ITU-R BT.601-7, BT.709-6, BT.2020-2); that of G is the rest."""

_UNIT = 65534.0  # of the table's Cb and Cr, which lie in [-0.5, 0.5]
_CURVE_LOW, _CURVE_HIGH, _CURVE_STEPS = -0.5, 2.0, 1 << 17
_ROUNDS = 3
_TINY = np.float32(1e-6)


@dataclass(frozen=True)
class Signal:
    """The code of a film's planes.

    Attributes:
        matrix: matrix between R'G'B' and Y'CbCr.
        full_range: luma takes all codes; otherwise 16 to 235, and chroma 16 to 240, in units of 8 bits.
        bits: bits per value.
    """

    matrix: MatrixName
    full_range: bool
    bits: int

    @property
    def black(self) -> float:
        """Code of black in the luma plane."""
        return 0.0 if self.full_range else 16.0 * 2 ** (self.bits - 8)

    @property
    def luma_span(self) -> float:
        """Difference of the codes of white and black."""
        return 2.0**self.bits - 1 if self.full_range else 219.0 * 2 ** (self.bits - 8)

    @property
    def chroma_span(self) -> float:
        """Difference of the codes of the largest and the smallest Cb."""
        return 2.0**self.bits - 1 if self.full_range else 224.0 * 2 ** (self.bits - 8)

    @property
    def neutral(self) -> int:
        """Code of Cb and Cr of every gray."""
        return 1 << (self.bits - 1)

    @property
    def dtype(self) -> type[np.uint8 | np.uint16]:
        """Type of the values of a plane."""
        return np.uint8 if self.bits == 8 else np.uint16

    def levels(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Return the gray levels, 0 to 255, of codes of luma."""
        factor = np.float32(255 / self.luma_span)
        levels: NDArray[np.float32] = (codes.astype(np.float32) - np.float32(self.black)) * factor
        return np.clip(levels, 0, 255, out=levels)


class ChromaWriter:
    """Computes the chroma planes of a film's frames.

    Args:
        signal: the code of the planes.
        across: columns of luma for each column of chroma: 1, 2 or 4.
        down: rows of luma for each row of chroma: 1, 2 or 4.
    """

    def __init__(self, signal: Signal, across: int, down: int) -> None:
        self._signal, self._across, self._down = signal, across, down
        self._table = chroma_table(signal.matrix)
        red, blue = MATRICES[signal.matrix]
        # R' = Y' + 2 (1 - red) Cr and B' = Y' + 2 (1 - blue) Cb; G' follows from the definition of Y'.
        self._red, self._blue = np.float32(2 * (1 - red)), np.float32(2 * (1 - blue))
        green = 1 - red - blue
        self._green = np.float32(-blue / green) * self._blue, np.float32(-red / green) * self._red

    def planes(
        self, luma: NDArray[Any], coefficients: Coefficients, *, interlaced: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the planes Cb and Cr of a frame; every color is in the gamut together with the luma beneath it.

        Args:
            luma: codes of the luma, (H, W).
            coefficients: coefficients of the guided filter, at any size.
            interlaced: the frame consists of two fields, which do not mix.

        Returns:
            Codes of Cb and Cr, (ceil(H / down), ceil(W / across)) each.
        """
        if not interlaced or self._down == 1:
            return self._of_field(luma, coefficients)
        rows, columns = -(-luma.shape[0] // self._down), -(-luma.shape[1] // self._across)
        both = np.empty((2, rows, columns), dtype=self._signal.dtype)
        for field in (0, 1):
            both[:, field::2] = [
                plane[: len(both[0, field::2])] for plane in self._of_field(luma[field::2], coefficients)
            ]
        return both[0], both[1]

    def _of_field(self, luma: NDArray[Any], coefficients: Coefficients) -> tuple[NDArray[Any], NDArray[Any]]:
        low, mean, high = self._blocks(luma)
        level = self._signal.levels(mean)
        height, width = level.shape
        slope, offset = (
            [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in pair]
            for pair in coefficients
        )
        a, b = (slope[i] * level + offset[i] for i in (0, 1))
        place = places(np.rint(level), a, b).astype(np.int32)
        pair = np.take(self._table, place, mode="clip").view(np.int16).reshape(height, width, 2)
        cb, cr = (pair[..., i].astype(np.float32) * np.float32(1 / _UNIT) for i in (0, 1))
        factor = self._gamut_factor(cb, cr, *(self._signal.levels(plane) / np.float32(255) for plane in (low, high)))
        return self._codes(cb * factor), self._codes(cr * factor)

    def _blocks(self, luma: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return the smallest, mean and largest luma beneath every value of chroma."""
        if self._across == self._down == 1:
            return luma, luma, luma
        missing = -luma.shape[0] % self._down, -luma.shape[1] % self._across
        if any(missing):
            luma = np.pad(luma, ((0, missing[0]), (0, missing[1])), mode="edge")
        size = luma.shape[1] // self._across, luma.shape[0] // self._down
        mean = cv2.resize(luma.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        low = high = luma
        for first in range(1, self._down):
            low, high = np.minimum(low, np.roll(luma, -first, axis=0)), np.maximum(high, np.roll(luma, -first, axis=0))
        low, high = low[:: self._down], high[:: self._down]
        columns_low = [low[:, first :: self._across] for first in range(self._across)]
        columns_high = [high[:, first :: self._across] for first in range(self._across)]
        return np.minimum.reduce(columns_low), mean, np.maximum.reduce(columns_high)

    def _gamut_factor(
        self,
        cb: NDArray[np.float32],
        cr: NDArray[np.float32],
        low: NDArray[np.float32],
        high: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return the largest factor, at most 1, with which R', G' and B' stay in [0, 1] for luma from low to high."""
        red, blue = self._red * cr, self._blue * cb
        green = self._green[0] * cb
        green += self._green[1] * cr
        up = np.maximum(np.maximum(red, blue), green)
        down = np.minimum(np.minimum(red, blue, out=red), green, out=red)
        up /= np.maximum(1 - high, _TINY)
        down /= -np.maximum(low, _TINY)
        factor: NDArray[np.float32] = np.reciprocal(np.maximum(np.maximum(up, down), 1))
        return factor

    def _codes(self, chroma: NDArray[np.float32]) -> NDArray[Any]:
        """Return codes of Cb or Cr, rounded toward gray so that they stay in the gamut; overwrites `chroma`."""
        chroma *= np.float32(self._signal.chroma_span)
        np.trunc(chroma, out=chroma)
        chroma += self._signal.neutral
        return chroma.astype(self._signal.dtype)


@cache
def chroma_table(matrix: MatrixName) -> NDArray[np.int32]:
    """Return Cb and Cr, as two 16-bit integers in each entry, by luma level, a* and b*, as `places` counts them."""
    table = np.empty((LEVELS, A_COUNT, B_COUNT, 2), dtype=np.int16)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda level: _fill(table[level], level, matrix), range(LEVELS)))
    return table.reshape(-1, 2).view(np.int32)[:, 0]


def _fill(plane: NDArray[np.int16], level: int, matrix: MatrixName) -> None:
    """Fill in the colors of one level of luma, whether they are in the gamut or not.

    They are computed at every second a* and b*, and are linear between them to a small fraction of a code.
    """
    red, blue = MATRICES[matrix]
    weights = np.array([red, 1 - red - blue, blue], dtype=np.float32)
    a, b = np.meshgrid(
        np.arange(0, A_COUNT + 1, 2, dtype=np.float32) + A_FIRST,
        np.arange(0, B_COUNT + 1, 2, dtype=np.float32) + B_FIRST,
        indexing="ij",
    )
    luma = np.float32(level / (LEVELS - 1))
    wanted = np.full(a.shape, luma)
    for _ in range(_ROUNDS):  # find the lightness with which the color has this luma
        lightness = np.interp(wanted, np.linspace(0, 1, LEVELS), grey_lightness()).astype(np.float32)
        rgb = _encoded(lab_to_linear(np.stack([lightness, a, b], axis=-1)))
        wanted = np.clip(wanted + luma - rgb @ weights, 0, 1)
    own = rgb @ weights
    for target, channel, weight in ((0, 2, blue), (1, 0, red)):
        coarse = np.clip((rgb[..., channel] - own) / (2 * (1 - weight)), -0.5, 0.5) * _UNIT
        full = np.empty((2 * coarse.shape[0] - 1, 2 * coarse.shape[1] - 1), dtype=np.float32)
        full[::2, ::2] = coarse
        full[::2, 1::2] = (coarse[:, :-1] + coarse[:, 1:]) / 2
        full[1::2] = (full[:-1:2] + full[2::2]) / 2
        plane[..., target] = np.rint(full[:A_COUNT, :B_COUNT])
    plane[-A_FIRST, -B_FIRST] = 0


@cache
def _curve() -> NDArray[np.float32]:
    return encode_srgb(np.linspace(_CURVE_LOW, _CURVE_HIGH, _CURVE_STEPS)).astype(np.float32)


def _encoded(linear: NDArray[np.floating]) -> NDArray[np.float32]:
    step = (_CURVE_STEPS - 1) / (_CURVE_HIGH - _CURVE_LOW)
    return np.take(_curve(), ((linear - _CURVE_LOW) * step).astype(np.int32), mode="clip")
