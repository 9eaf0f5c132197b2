"""Photographs ready for training: decoded, scaled, and mapped from disk rather than held in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SkipKind = Literal["unreadable", "too small", "gray only", "nearly colourless", "same content"]
SKIP_KINDS: tuple[SkipKind, ...] = get_args(SkipKind)


@dataclass(frozen=True, slots=True)
class SkippedPhoto:
    """A photograph that was left out.

    Attributes:
        name: its name in records.
        reason: why, in full.
        kind: why, in a word or two, to count by.
    """

    name: str
    reason: str
    kind: SkipKind = "unreadable"


@dataclass(frozen=True, slots=True)
class CachedPhoto:
    """What is known of one photo in a cache file.

    Attributes:
        name: its name in records.
        id: SHA-256 of the source file's bytes, the photo's identity wherever something depends on the photo.
        height_px: height in the cache.
        width_px: width in the cache.
        pixels_sha256: SHA-256 of the cached pixels.
        color: its color figure (`chromalab.data.usable.color_figure`).
        offset: where its pixels begin in the cache file, in bytes.
    """

    name: str
    id: str
    height_px: int
    width_px: int
    pixels_sha256: str
    color: float
    offset: int


class Photographs(Protocol):
    """An ordered set of photographs, wherever their pixels come from: a cache file, or the photo files themselves."""

    def __len__(self) -> int:
        """Return the number of photos."""

    @property
    def size_px(self) -> int:
        """Length of the shorter side of every photo, or the largest length where the photos differ."""

    @property
    def names(self) -> list[str]:
        """Names in records, in order."""

    @property
    def ids(self) -> list[str]:
        """SHA-256 of the source files, in order."""

    @property
    def data_sha256(self) -> str:
        """SHA-256 over what decides the pixels of every photo, in order."""

    def photo(self, index: int) -> NDArray[np.uint8]:
        """Return a photo, encoded sRGB, shape (H, W, 3).

        Raises:
            UnreadablePhotoError: its file can't be read any longer.
        """

    def subset(self, indices: Sequence[int]) -> Photographs:
        """Return the photos at `indices`, in that order."""


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """An ordered set of photographs with a common shorter side.

    The pixels stay in the cache file and are mapped into memory when they are looked at, so a set of any length takes
    no memory of its own, and every process that uses the same cache shares the pages. A set can be pickled: the copy
    maps the same file.

    Attributes:
        photos: what is known of each.
        size_px: length of every photo's shorter side.
        pixels_path: the cache file.
        skipped: the photos that were left out when the folder was read; a subset carries them along.
    """

    photos: tuple[CachedPhoto, ...]
    size_px: int
    pixels_path: Path
    skipped: tuple[SkippedPhoto, ...] = ()
    _mapped: list[NDArray[np.uint8]] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def names(self) -> list[str]:
        """Names in records, in order."""
        return [photo.name for photo in self.photos]

    @property
    def ids(self) -> list[str]:
        """SHA-256 of the source files, in order."""
        return [photo.id for photo in self.photos]

    @property
    def data_sha256(self) -> str:
        """SHA-256 over size, source and pixels of every photo, in order: equal only for the same training data."""
        digest = hashlib.sha256(f"{self.size_px}\n".encode())
        for photo in self.photos:
            digest.update(f"{photo.id} {photo.pixels_sha256}\n".encode())
        return digest.hexdigest()

    def photo(self, index: int) -> NDArray[np.uint8]:
        """Return a photo as a read-only view of the cache file, encoded sRGB, shape (H, W, 3)."""
        entry = self.photos[index]
        size = entry.height_px * entry.width_px * 3
        return self._pixels[entry.offset : entry.offset + size].reshape(entry.height_px, entry.width_px, 3)

    def subset(self, indices: Sequence[int]) -> PhotoSet:
        """Return the photos at `indices`, in that order."""
        chosen = tuple(self.photos[index] for index in indices)
        return PhotoSet(chosen, self.size_px, self.pixels_path, self.skipped, _mapped=self._mapped)

    @property
    def _pixels(self) -> NDArray[np.uint8]:
        if not self._mapped:
            # A plain array over the map: slices of np.memmap carry a costly subclass.
            self._mapped.append(np.asarray(np.memmap(self.pixels_path, dtype=np.uint8, mode="r")))
        return self._mapped[0]

    def __reduce__(self) -> tuple[object, ...]:
        return PhotoSet, (self.photos, self.size_px, self.pixels_path, self.skipped)
