"""Every fault raises its own measure, and clean images have low values."""

from __future__ import annotations

import numpy as np
import pytest

from chromalab.colorization.audit import FAULTS, Audit, audit, rank
from chromalab.colorization.guided import Coefficients
from chromalab.colorization.report import FAULT_WORDS
from chromalab.colorization.small import SmallColors

RNG = np.random.default_rng(0)
NOTHING = Coefficients(np.zeros((2, 1, 1), np.float32), np.zeros((2, 1, 1), np.float32))


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Return levels and chroma of a simple scene with warm ground, blue sky and an edge between them."""
    levels = np.full((192, 256), 90, dtype=np.float32)
    levels[:96] = 180
    chroma = np.zeros((2, 192, 256), dtype=np.float32)
    chroma[:, :96] = np.array([-5, -25], dtype=np.float32)[:, None, None]
    chroma[:, 96:] = np.array([10, 25], dtype=np.float32)[:, None, None]
    return levels, chroma


def audited(levels: np.ndarray, chroma: np.ndarray, instability: float = 0.0) -> Audit:
    return audit(SmallColors(levels, chroma, None, NOTHING), instability)


def test_each_fault_raises_its_measure() -> None:
    levels, chroma = scene()
    clean = audited(levels, chroma)
    blotched = chroma.copy()
    blotched[:, 120:135, 50:65] = 60
    assert audited(levels, blotched).blotches > clean.blotches + 0.003
    greyed = chroma.copy()
    greyed[:, 96:] = 0
    assert audited(levels, greyed).grey_objects == pytest.approx(0.5, abs=0.05)
    assert clean.grey_objects < 0.05
    bled = chroma.copy()
    bled[:, 96:150] = chroma[:, :54]
    assert audited(levels, bled).bleeding > clean.bleeding + 0.3
    tinted = np.broadcast_to(np.array([5, 25], dtype=np.float32)[:, None, None], chroma.shape).copy()
    assert audited(levels, tinted).cast > 0.9
    assert clean.cast < 0.5
    assert audited(levels, chroma, 3.0).instability == 3.0


def test_most_suspicious_photo_comes_first() -> None:
    quiet = dict.fromkeys(FAULTS, 0.0)
    audits = [(f"p{number}", Audit(**(quiet | {"blotches": number / 1000}))) for number in range(10)]
    audits.append(("cast", Audit(**(quiet | {"cast": 0.9, "blotches": 0.0045}))))
    ranked = rank(audits)
    assert {ranked[0].name, ranked[1].name} == {"p9", "cast"}
    assert ranked[0].suspicion > 0.9
    assert next(entry for entry in ranked if entry.name == "cast").worst == "cast"
    assert ranked[-1].name == "p0"
    assert rank([]) == []


def test_single_photo_has_middle_rank() -> None:
    levels, chroma = scene()
    assert rank([("only", audited(levels, chroma))])[0].suspicion == 0.5


def test_every_fault_has_words() -> None:
    assert set(FAULT_WORDS) == set(FAULTS)


def test_tiny_and_gray_images() -> None:
    for height, width in ((1, 1), (3, 40)):
        empty = np.zeros((2, height, width), dtype=np.float32)
        found = audited(np.zeros((height, width), dtype=np.float32), empty)
        assert (found.bleeding, found.cast, found.grey_objects) == (0, 0, 0)
