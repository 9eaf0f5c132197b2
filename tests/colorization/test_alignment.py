"""Photos of one scene are aligned whatever their frame and exposure, and photos of different scenes are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import affine_transform

from chromalab.colorization.alignment import align, warp
from chromalab.data import sample_path
from chromalab.photo.scan import open_scan


def levels_of(name: str) -> np.ndarray:
    return open_scan(sample_path(name)).small_levels(240)


CHELSEA = levels_of("chelsea")


def turned(levels: np.ndarray, degrees: float, size: float, shift: tuple[float, float]) -> np.ndarray:
    """Return levels turned about the center, enlarged, and moved by shares of the sides."""
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / size
    center = np.array(levels.shape) / 2
    offset = center - matrix @ center + np.array(shift) * levels.shape
    return np.asarray(affine_transform(levels, matrix, offset, order=1, mode="nearest"), dtype=np.float32)


@pytest.mark.parametrize(
    "second",
    [
        CHELSEA,
        255 * (CHELSEA / 255) ** 0.6,
        200 - 0.5 * 255 + CHELSEA * 0.5,
        CHELSEA[:, ::-1],
        CHELSEA[30:210, 40:300],
        CHELSEA[::2, ::2],
        turned(CHELSEA, 4, 1.0, (0.0, 0.0)),
        turned(CHELSEA, -6, 1.1, (0.05, -0.05)),
    ],
    ids=["same", "brighter", "faded", "mirrored", "cropped", "half the size", "turned", "turned and moved"],
)
def test_photos_of_one_scene_are_aligned(second: np.ndarray) -> None:
    second = np.ascontiguousarray(second, dtype=np.float32)
    found = align(CHELSEA, second)
    assert found is not None
    (warped,), inside = warp(second[None], found.matrix, CHELSEA.shape)
    assert inside.mean() > 0.5
    assert np.corrcoef(warped[inside], CHELSEA[inside])[0, 1] > 0.97
    assert np.median(found.agreement[found.agreement > 0]) > 0.9


def test_places_are_exact_to_a_pixel() -> None:
    height, width = CHELSEA.shape
    found = align(CHELSEA, np.ascontiguousarray(CHELSEA[24:, 36:]))
    assert found is not None
    places = np.indices((height, width)).astype(np.float32)
    short = min(height - 24, width - 36)
    (rows, columns), inside = warp(places[:, 24:, 36:], found.matrix, (height, width))
    assert short == height - 24
    assert np.abs(rows - places[0])[inside].max() < 1
    assert np.abs(columns - places[1])[inside].max() < 1


@pytest.mark.parametrize("other", ["coffee", "astronaut", "china", "flower"])
def test_photos_of_different_scenes_are_not_aligned(other: str) -> None:
    assert align(CHELSEA, levels_of(other)) is None


def test_changed_places_disagree() -> None:
    """Where one photo has something that the other lacks, the local correlation is low."""
    second = CHELSEA.copy()
    second[80:160, 100:200] = levels_of("coffee")[80:160, 100:200]
    found = align(CHELSEA, second)
    assert found is not None
    scale = found.agreement.shape[0] / CHELSEA.shape[0]
    inner = found.agreement[int(100 * scale) : int(140 * scale), int(130 * scale) : int(170 * scale)]
    assert inner.mean() < 0.5
    assert found.agreement[:, : int(60 * scale)].mean() > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (20, 300), (60, 900)])
def test_tiny_and_long_photos_are_not_aligned(shape: tuple[int, int]) -> None:
    levels = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    assert align(levels, levels) is None


def test_photos_without_texture_are_not_aligned() -> None:
    flat = np.full((100, 150), 90, dtype=np.float32)
    assert align(flat, flat) is None
    assert align(flat, CHELSEA) is None
    assert align(CHELSEA, flat) is None
