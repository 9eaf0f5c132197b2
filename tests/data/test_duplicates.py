"""Near copies are found, straight and mirrored, and other photos are not."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chromalab.data.duplicates import Look, area_means, difference_hash, look_of, near_pairs
from chromalab.photo.reading import resize
from tests.photo.odd_files import picture


def test_hash_by_the_definition() -> None:
    grid = np.random.default_rng(0).integers(0, 256, (8, 9)).astype(float)
    bits = "".join("1" if grid[row, column + 1] > grid[row, column] else "0" for row in range(8) for column in range(8))
    assert difference_hash(grid) == int(bits, 2)


@given(rows=st.integers(1, 12), columns=st.integers(1, 12), tall=st.integers(12, 40), wide=st.integers(12, 40))
def test_area_means_are_those_of_a_fine_grid(rows: int, columns: int, tall: int, wide: int) -> None:
    values = np.random.default_rng(1).normal(size=(tall, wide))
    fine = np.repeat(np.repeat(values, rows, axis=0), columns, axis=1)  # whole pixels of it make up every rectangle
    expected = fine.reshape(rows, tall, columns, wide).mean(axis=(1, 3))
    assert np.allclose(area_means(values, rows, columns), expected)


def test_copies_are_found_and_others_are_not() -> None:
    photos = [picture(120, 160, seed=seed) for seed in range(30)]
    copies = {
        3: resize(photos[3], 90, 120),
        7: photos[7][:, ::-1],
        12: np.clip(photos[12].astype(int) + 12, 0, 255).astype(np.uint8),
        20: np.asarray(Image.fromarray(photos[20]).convert("L").convert("RGB")),
    }
    pairs = near_pairs([look_of(rgb) for rgb in [*photos, *copies.values()]])
    assert [(pair.first, pair.second, pair.mirrored) for pair in pairs] == [
        (3, 30, False),
        (7, 31, True),
        (12, 32, False),
        (20, 33, False),
    ]
    assert all(pair.distance <= 3 and pair.correlation > 0.9 for pair in pairs)


def look(hash_bits: int, thumbnail: np.ndarray) -> Look:
    return Look(hash_bits, hash_bits ^ (2**64 - 1), thumbnail)


def test_both_conditions_are_asked() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 32, 32), dtype=np.uint8)
    (pair,) = near_pairs([look(0, one), look(0b111, one)])
    assert pair.distance == 3
    assert pair.correlation == pytest.approx(1)
    assert near_pairs([look(0, one), look(0b1111, one)]) == []
    assert near_pairs([look(0, one), look(0, other)]) == []
    assert near_pairs([look(0, np.zeros((32, 32), np.uint8))] * 2) == []
    assert near_pairs([]) == []


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=12), st.integers(0, 63))
def test_pairs_are_those_of_the_plain_double_loop(hashes: list[int], bit: int) -> None:
    same = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    hashes = [*hashes, hashes[0] ^ (1 << bit)]
    expected = [
        (first, second)
        for first in range(len(hashes))
        for second in range(first + 1, len(hashes))
        if (hashes[first] ^ hashes[second]).bit_count() <= 3
    ]
    assert [(pair.first, pair.second) for pair in near_pairs([look(bits, same) for bits in hashes])] == expected


def test_thousands_of_photos_take_a_moment() -> None:
    """All pairs of 7,000 photos, mirrored too: about 50 million comparisons."""
    rng = np.random.default_rng(0)
    flat = np.zeros((32, 32), np.uint8)
    looks = [Look(int(a), int(b), flat) for a, b in rng.integers(0, 2**64, (7000, 2), dtype=np.uint64)]
    start = time.process_time()
    assert near_pairs(looks) == []
    assert time.process_time() - start < 10
