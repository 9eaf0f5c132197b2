"""Near copies are found, straight and mirrored, and other photos are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chromalab.data import duplicates
from chromalab.data.duplicates import (
    NearPair,
    Signature,
    area_means,
    candidate_pairs,
    close_hashes,
    confirmed_pairs,
    difference_hash,
    first_of_content,
    signature_of,
)
from chromalab.photo.reading import resize
from tests.photo.odd_files import picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


def near_pairs(signatures: Sequence[Signature]) -> list[NearPair]:
    """Return the near copies among photos with these signatures."""
    straight = np.array([each.straight for each in signatures], np.uint64)
    mirrored = np.array([each.mirrored for each in signatures], np.uint64)
    thumbnails = [each.thumbnail for each in signatures]
    return list(confirmed_pairs(candidate_pairs(straight, mirrored), thumbnails.__getitem__))


def test_the_hash_equals_its_definition() -> None:
    grid = np.random.default_rng(0).integers(0, 256, (8, 9)).astype(float)
    bits = "".join("1" if grid[row, column + 1] > grid[row, column] else "0" for row in range(8) for column in range(8))
    assert difference_hash(grid) == int(bits, 2)


@pytest.mark.slow
@given(rows=st.integers(1, 12), columns=st.integers(1, 12), tall=st.integers(12, 40), wide=st.integers(12, 40))
def test_area_means_equal_those_of_a_fine_grid(rows: int, columns: int, tall: int, wide: int) -> None:
    values = np.random.default_rng(1).normal(size=(tall, wide))
    fine = np.repeat(np.repeat(values, rows, axis=0), columns, axis=1)  # every rectangle consists of whole pixels
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
    pairs = near_pairs([signature_of(rgb) for rgb in [*photos, *copies.values()]])
    assert [(pair.first, pair.second, pair.mirrored) for pair in pairs] == [
        (3, 30, False),
        (7, 31, True),
        (12, 32, False),
        (20, 33, False),
    ]
    assert all(pair.distance <= 3 and pair.correlation > 0.9 for pair in pairs)


def signature(hash_bits: int, thumbnail: np.ndarray) -> Signature:
    return Signature(hash_bits, hash_bits ^ (2**64 - 1), thumbnail)


def test_near_copies_meet_both_conditions() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 32, 32), dtype=np.uint8)
    (pair,) = near_pairs([signature(0, one), signature(0b111, one)])
    assert pair.distance == 3
    assert pair.correlation == pytest.approx(1)
    assert near_pairs([signature(0, one), signature(0b1111, one)]) == []
    assert near_pairs([signature(0, one), signature(0, other)]) == []
    assert near_pairs([signature(0, np.zeros((32, 32), np.uint8))] * 2) == []
    assert near_pairs([]) == []


@pytest.mark.slow
@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=12), st.integers(0, 63))
def test_pairs_equal_those_of_a_double_loop(hashes: list[int], bit: int) -> None:
    same = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    hashes = [*hashes, hashes[0] ^ (1 << bit)]
    expected = [
        (first, second)
        for first in range(len(hashes))
        for second in range(first + 1, len(hashes))
        if (hashes[first] ^ hashes[second]).bit_count() <= 3
    ]
    assert [(pair.first, pair.second) for pair in near_pairs([signature(bits, same) for bits in hashes])] == expected


def crowded_hashes(count: int, seed: int) -> np.ndarray:
    """Return hashes most of which agree in most bits, like those of photos with the same sky."""
    rng = np.random.default_rng(seed)
    hashes = np.full(count, 0x00FF_00FF_0F0F_FFFF, np.uint64)
    for _ in range(3):
        hashes ^= np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64)
    hashes[::3] = rng.integers(0, 2**64, len(hashes[::3]), dtype=np.uint64)
    return hashes


@pytest.mark.parametrize("max_distance", [0, 1, 3, 5])
def test_close_hashes_equal_brute_force(max_distance: int) -> None:
    queries, hashes = crowded_hashes(90, 1), crowded_hashes(400, 2)
    found = {
        (int(query), int(other))
        for some in close_hashes(queries, hashes, max_distance)
        for query, other in zip(*some, strict=True)
    }
    distances = np.bitwise_count(queries[:, None] ^ hashes[None, :])
    assert found == {(int(row), int(column)) for row, column in np.argwhere(distances <= max_distance)}
    assert max_distance < 3 or len(found) > 50


def test_candidates_equal_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_PAIRS_AT_ONCE", 50)  # many portions
    straight, mirrored = crowded_hashes(300, 3), crowded_hashes(300, 4)
    found = candidate_pairs(straight, mirrored)
    expected = []
    for first in range(300):
        for second in range(first + 1, 300):
            for turned, hashes in ((False, straight), (True, mirrored)):
                distance = (int(straight[first]) ^ int(hashes[second])).bit_count()
                if distance <= 3:
                    expected.append((first, second, turned, distance))
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected
    assert len(expected) > 100


def test_first_of_content() -> None:
    rng = np.random.default_rng(0)
    contents = rng.integers(0, 256, (3, 32), dtype=np.uint8)
    ids = contents[[0, 1, 0, 2, 1, 0, 2]]
    known = np.array([True, True, True, True, True, False, False])
    assert first_of_content(ids, known).tolist() == [0, 1, 0, 3, 1, 5, 6]
    assert first_of_content(ids[:0], known[:0]).tolist() == []


def test_only_a_few_pairs_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    portions = duplicates._portions

    def count(counts: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        nonlocal compared
        compared += int(counts.sum())
        yield from portions(counts)

    monkeypatch.setattr(duplicates, "_portions", count)
    straight, mirrored = np.random.default_rng(0).integers(0, 2**64, (2, 20_000), dtype=np.uint64)
    assert len(candidate_pairs(straight, mirrored).first) == 0
    assert compared < 2 * 20_000**2 / 100
