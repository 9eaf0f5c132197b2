"""Chroma planes have the predicted colors, stay in the gamut of the luma beneath them, and keep fields apart."""

from __future__ import annotations

import numpy as np
import pytest

from chromalab.color.lab import rgb_to_lab
from chromalab.colorization.guided import Coefficients
from chromalab.colorization.video.signal import MATRICES, ChromaWriter, MatrixName, Signal
from tests.colorization.video.clips import lumas


def constant(a: float, b: float) -> Coefficients:
    """Return coefficients of the guided filter with the same chroma everywhere."""
    offset = np.broadcast_to(np.array([a, b], np.float32)[:, None, None], (2, 6, 8)).copy()
    return Coefficients(np.zeros_like(offset), offset)


def rgb_of(signal: Signal, luma: float, cb: float, cr: float) -> np.ndarray:
    """Return R'G'B' of codes by the definition of Y'CbCr."""
    red, blue = MATRICES[signal.matrix]
    y = (luma - signal.black) / signal.luma_span
    pb, pr = (cb - signal.neutral) / signal.chroma_span, (cr - signal.neutral) / signal.chroma_span
    r, b = y + 2 * (1 - red) * pr, y + 2 * (1 - blue) * pb
    return np.array([r, (y - red * r - blue * b) / (1 - red - blue), b])


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize(("full", "bits"), [(False, 8), (True, 8), (False, 10), (True, 16)])
def test_the_chroma_is_the_predicted_one(matrix: MatrixName, full: bool, bits: int) -> None:
    signal = Signal(matrix, full, bits)
    code = round(signal.black + 0.5 * signal.luma_span)
    luma = np.full((48, 64), code, signal.dtype)
    cb, cr = ChromaWriter(signal, 2, 2).planes(luma, constant(18, -12))
    assert cb.shape == cr.shape == (24, 32)
    lab = rgb_to_lab(rgb_of(signal, code, float(cb[9, 9]), float(cr[9, 9]))[None, None])[0, 0]
    assert lab[1:] == pytest.approx([18, -12], abs=1.5 if bits == 8 else 0.6)


@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 1), (2, 2), (4, 1), (4, 4), (1, 2)])
def test_every_color_is_in_the_gamut_with_the_luma_beneath_it(across: int, down: int) -> None:
    signal = Signal("bt709", full_range=True, bits=8)
    luma = np.random.default_rng(0).integers(0, 256, (49, 65)).astype(np.uint8)
    cb, cr = ChromaWriter(signal, across, down).planes(luma, constant(70, 60))
    assert cb.shape == (-(-49 // down), -(-65 // across))
    rows, columns = np.arange(49) // down, np.arange(65) // across
    rgb = rgb_of(signal, luma, cb[rows][:, columns].astype(float), cr[rows][:, columns].astype(float))  # type: ignore[arg-type]
    rounding = 0.5 / 255
    assert rgb.min() > -rounding
    assert rgb.max() < 1 + rounding


def test_grays_stay_exactly_gray() -> None:
    signal = Signal("bt601", full_range=False, bits=10)
    cb, cr = ChromaWriter(signal, 2, 2).planes(lumas(1, bits=10)[0], constant(0, 0))
    assert set(np.unique(cb)) == set(np.unique(cr)) == {512}


def test_the_fields_of_interlaced_frames_do_not_mix() -> None:
    signal = Signal("bt601", full_range=False, bits=8)
    luma = np.full((48, 64), 16, np.uint8)  # black allows no color
    luma[1::2] = 126  # the other field allows much
    writer = ChromaWriter(signal, 2, 2)
    mixed, _ = writer.planes(luma, constant(40, 40))
    fields, _ = writer.planes(luma, constant(40, 40), interlaced=True)
    assert np.all(mixed == 128)
    assert np.all(fields[::2] == 128)
    assert np.all(fields[1::2] < 120)


def test_levels_run_from_black_to_white() -> None:
    assert Signal("bt601", full_range=False, bits=8).levels(np.array([0, 16, 235, 255])).tolist() == [0, 0, 255, 255]
    assert Signal("bt601", full_range=True, bits=10).levels(np.array([0, 1023])).tolist() == [0, 255]
