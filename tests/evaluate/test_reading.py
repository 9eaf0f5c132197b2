"""Pairs are read in order, and batched by size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.evaluate import reading
from chromalab.evaluate.pairing import Pair
from chromalab.evaluate.reading import BATCH_PIXELS, PixelPair, batches_of_one_size, read_pair
from chromalab.evaluate.records import SkippedPair
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from pathlib import Path


def flat(height: int, width: int, level: int = 0) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def pair_of(folder: Path, name: str, preds: np.ndarray, target: np.ndarray) -> Pair:
    pair = Pair(name, folder / "preds" / f"{name}.png", folder / "targets" / f"{name}.png")
    for path, pixels in ((pair.preds, preds), (pair.target, target)):
        write_png(path, pixels)
    return pair


@given(st.lists(st.sampled_from([(64, 64), (64, 65), (300, 300), (700, 700)]), max_size=200))
def test_batches_keep_the_order_and_hold_one_size(sizes: list[tuple[int, int]]) -> None:
    pictures = {size: flat(*size) for size in set(sizes)}
    pairs = [PixelPair(str(index), pictures[size], pictures[size]) for index, size in enumerate(sizes)]
    batches = [batch for batch in batches_of_one_size(pairs) if not isinstance(batch, SkippedPair)]
    assert [pair.name for batch in batches for pair in batch] == [pair.name for pair in pairs]
    for batch in batches:
        height, width = batch[0].target.shape[:2]
        assert all(pair.target.shape == batch[0].target.shape for pair in batch)
        assert len(batch) == 1 or len(batch) * height * width <= BATCH_PIXELS


def test_what_was_skipped_passes_and_parts_no_batch() -> None:
    first, second = (PixelPair(name, flat(3, 4), flat(3, 4)) for name in "ac")
    skipped = SkippedPair(name="b", reason="unreadable")
    assert list(batches_of_one_size([first, skipped, second])) == [skipped, [first, second]]


def test_a_pair_is_read_as_it_is(tmp_path: Path) -> None:
    pair = read_pair(pair_of(tmp_path, "a", flat(3, 4, 7), flat(3, 4, 200)))
    assert isinstance(pair, PixelPair)
    assert (pair.preds == flat(3, 4, 7)).all()
    assert (pair.target == flat(3, 4, 200)).all()


def test_two_sizes_are_told_and_not_resized(tmp_path: Path) -> None:
    fault = read_pair(pair_of(tmp_path, "a", flat(3, 4), flat(3, 5)))
    assert isinstance(fault, SkippedPair)
    assert fault.reason.startswith("the prediction has 4x3 px and the target 5x3")


@pytest.mark.parametrize("role", ["prediction", "target"])
def test_a_broken_file_is_told_with_its_role(tmp_path: Path, role: str) -> None:
    pair = pair_of(tmp_path, "a", flat(3, 4), flat(3, 4))
    broken = pair.preds if role == "prediction" else pair.target
    broken.write_text("no photo")
    fault = read_pair(pair)
    assert isinstance(fault, SkippedPair)
    assert fault.reason.startswith(f"the {role} a.png can't be read: ")


def test_a_picture_over_the_limit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PIXELS", 2_000_000)
    fault = read_pair(pair_of(tmp_path, "a", flat(1, 2_000_001), flat(1, 2_000_001)))
    assert isinstance(fault, SkippedPair)
    assert fault.reason == "2000001x1 px are over the limit of 2 million: scale both down first"
