"""A photo's part depends only on its content."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import sha256_bytes
from chromalab.data.split import RANK_RULE_BELOW, parts_by_content, split_photos
from tests.data.photo_folder import make_photos, open_folder

if TYPE_CHECKING:
    from pathlib import Path


def identities(count: int, first: int = 0) -> list[str]:
    return [sha256_bytes(str(number).encode()) for number in range(first, first + count)]


@given(count=st.integers(200, 300), added=st.integers(1, 300), share=st.sampled_from([0.1, 0.25]))
def test_adding_or_reordering_photos_moves_no_other(count: int, added: int, share: float) -> None:
    ids = identities(count + added)
    before = dict(zip(ids[:count], parts_by_content(ids[:count], share, share), strict=True))
    after = dict(zip(ids[::-1], parts_by_content(ids[::-1], share, share), strict=True))
    assert all(after[identity] == part for identity, part in before.items())


def test_shares_are_kept() -> None:
    counts = Counter(parts_by_content(identities(20_000), 0.1, 0.2))
    for count, share in ((counts["val"], 0.1), (counts["test"], 0.2), (counts["train"], 0.7)):
        assert binomtest(count, 20_000, share).pvalue > 1e-3


@given(
    count=st.integers(3, 80),
    val=st.floats(0, 0.45),
    test=st.just(0.0) | st.floats(0.01, 0.45),
    first=st.integers(0, 10**6),
)
def test_no_requested_part_is_empty(count: int, val: float, test: float, first: int) -> None:
    counts = Counter(parts_by_content(identities(count, first), val, test))
    assert counts.total() == count
    assert counts["train"] >= 1
    assert (counts["test"] >= 1) == (test > 0)
    assert (counts["val"] >= 1) == (val > 0)


@pytest.mark.parametrize(
    ("count", "val", "test", "expected"),
    [(3, 0.1, 0.1, (1, 1, 1)), (3, 0.0, 0.1, (2, 0, 1)), (10, 0.1, 0.2, (7, 1, 2)), (4, 0.45, 0.45, (1, 1, 2))],
)
def test_small_folders_get_their_shares(count: int, val: float, test: float, expected: tuple[int, int, int]) -> None:
    counts = Counter(parts_by_content(identities(count), val, test))
    assert counts.total() == sum(expected)
    assert (counts["train"], counts["test"] + counts["val"]) == (expected[0], expected[1] + expected[2])
    assert count < RANK_RULE_BELOW


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_photos(count: int) -> None:
    with pytest.raises(UsageError, match=f"only {count} usable photo.*at least 3 are needed"):
        parts_by_content(identities(count), 0.1, 0.1)


def test_parts_are_disjoint(tmp_path: Path) -> None:
    photos = open_folder(make_photos(tmp_path / "photos", 12), tmp_path / "caches")
    split = split_photos(photos)
    parts = [split.train, split.val, split.test]
    assert sorted(name for part in parts for name in part.names) == photos.names
    assert [len(part) for part in parts] == [10, 1, 1]


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0.1), (0.1, -0.1), (0.5, 0.5), (float("nan"), 0.1)])
def test_invalid_shares_are_rejected(tmp_path: Path, val: float, test: float) -> None:
    photos = open_folder(make_photos(tmp_path / "photos", 3), tmp_path / "caches")
    with pytest.raises(ConfigError, match="expected both >= 0, sum < 1"):
        split_photos(photos, val_share=val, test_share=test)
