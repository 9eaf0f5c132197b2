"""Pairs are read in order, and batched by size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.io import imsave

from chromalab.evaluation import reading
from chromalab.evaluation.pairing import PhotoFiles
from chromalab.evaluation.protocols import PROTOCOLS, Protocol
from chromalab.evaluation.reading import BATCH_PIXELS, PhotoPixels, batches_of_one_size, read_files
from chromalab.evaluation.records import SkippedPair
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from pathlib import Path


def flat(height: int, width: int, level: int = 0) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def pixels(name: str, picture: np.ndarray) -> PhotoPixels:
    return PhotoPixels(name, {"m": picture}, picture, None)


def photo_of(folder: Path, name: str, preds: np.ndarray, target: np.ndarray) -> PhotoFiles:
    paths = folder / "preds" / f"{name}.png", folder / "targets" / f"{name}.png"
    for path, picture in zip(paths, (preds, target), strict=True):
        write_png(path, picture)
    return PhotoFiles(name, {"m": paths[0]}, paths[1])


def read(photo: PhotoFiles, protocol: Protocol = PROTOCOLS["chromalab-v1"]) -> PhotoPixels | SkippedPair:
    return read_files(photo, protocol)


@given(st.lists(st.sampled_from([(64, 64), (64, 65), (300, 300), (700, 700)]), max_size=200))
def test_batches_keep_the_order_and_hold_one_size(sizes: list[tuple[int, int]]) -> None:
    pictures = {size: flat(*size) for size in set(sizes)}
    photos = [pixels(str(index), pictures[size]) for index, size in enumerate(sizes)]
    batches = [batch for batch in batches_of_one_size(photos) if not isinstance(batch, SkippedPair)]
    assert [photo.name for batch in batches for photo in batch] == [photo.name for photo in photos]
    for batch in batches:
        height, width = batch[0].size
        assert all(photo.size == batch[0].size for photo in batch)
        assert len(batch) == 1 or len(batch) * height * width <= BATCH_PIXELS


def test_what_was_skipped_passes_and_parts_no_batch() -> None:
    first, second = (pixels(name, flat(3, 4)) for name in "ac")
    skipped = SkippedPair(name="b", reason="unreadable")
    assert list(batches_of_one_size([first, skipped, second])) == [skipped, [first, second]]


def test_a_pair_is_read_as_it_is(tmp_path: Path) -> None:
    found = read(photo_of(tmp_path, "a", flat(3, 4, 7), flat(3, 4, 200)))
    assert isinstance(found, PhotoPixels)
    assert (found.preds["m"] == flat(3, 4, 7)).all()
    assert found.target is not None
    assert (found.target == flat(3, 4, 200)).all()
    assert found.oddities == ()


def test_two_sizes_are_told_and_not_resized(tmp_path: Path) -> None:
    fault = read(photo_of(tmp_path, "a", flat(3, 4), flat(3, 5)))
    assert isinstance(fault, SkippedPair)
    assert fault.reason.startswith("the prediction has 4x3 px and the target 5x3")


@pytest.mark.parametrize("role", ["prediction", "target"])
def test_a_broken_file_is_told_with_its_role(tmp_path: Path, role: str) -> None:
    photo = photo_of(tmp_path, "a", flat(3, 4), flat(3, 4))
    broken = photo.preds["m"] if role == "prediction" else photo.target
    assert broken is not None
    broken.write_text("no photo")
    fault = read(photo)
    assert isinstance(fault, SkippedPair)
    assert fault.reason.startswith(f"the {role} a.png can't be read: ")


def test_a_picture_over_the_limit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PIXELS", 2_000_000)
    fault = read(photo_of(tmp_path, "a", flat(1, 2_000_001), flat(1, 2_000_001)))
    assert isinstance(fault, SkippedPair)
    assert fault.reason == "2000001x1 px are over the limit of 2 million: scale both down first"


def test_what_is_odd_of_a_file_is_told(tmp_path: Path) -> None:
    photo = photo_of(tmp_path, "a", flat(8, 8), flat(8, 8))
    imsave(photo.preds["m"], np.full((8, 8), 40_000, dtype=np.uint16), check_contrast=False)
    found = read(photo)
    assert isinstance(found, PhotoPixels)
    assert found.oddities == (("m", "grey"), ("m", "16-bit"))
    assert found.preds["m"][0, 0].tolist() == [156] * 3  # 40000 / 257 = 155.6
    clear = np.zeros((8, 8, 4), dtype=np.uint8)
    imsave(photo.preds["m"], clear, check_contrast=False)
    transparent = read(photo)
    assert isinstance(transparent, PhotoPixels)
    assert transparent.oddities == (("m", "transparent"),)
    assert (transparent.preds["m"] == 255).all()


def test_a_protocol_resizes_and_tells_so(tmp_path: Path) -> None:
    photo = photo_of(tmp_path, "a", flat(30, 60), flat(300, 600))
    found = read(photo, PROTOCOLS["chapter"])
    assert isinstance(found, PhotoPixels)
    assert found.size == (256, 256)
    assert found.oddities == (("m", "resized"),)
