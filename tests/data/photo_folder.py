"""Folders of synthetic photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.data.cache import open_cache
from chromalab.data.sources import folder_sources
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.data.photoset import PhotoSet


def make_photos(folder: Path, count: int = 6, *, first_seed: int = 0) -> Path:
    """Write `count` different color photos of several sizes and shapes, and return the folder."""
    for number in range(count):
        seed = first_seed + number
        save(folder / f"photo_{seed:03d}.png", picture(40 + 7 * (seed % 5), 40 + 11 * (seed % 4), seed=seed))
    return folder


def open_folder(folder: Path, cache_dir: Path, size_px: int = 32, threshold: float = 10.0) -> PhotoSet:
    """Open the cache of a folder."""
    return open_cache(folder_sources(folder), size_px=size_px, cache_dir=cache_dir, colourless_threshold=threshold)
