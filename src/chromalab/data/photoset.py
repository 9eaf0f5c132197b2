"""Ordered sets of photos for training: mapped from a cache file, or decoded from photo files on access."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from chromalab.photo.quick import read_at_most
from chromalab.photo.reading import decoder_version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.data.usable import SkippedPhoto


@dataclass(frozen=True, eq=False)
class NameTable:
    """File names in one block of bytes: 250,000 names take 15 MB, half as much as strings.

    Attributes:
        block: the concatenated names, in the encoding of the file system.
        ends: position in the block where each name ends, shape (n,).
    """

    block: bytes
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[bytes]) -> Self:
        """Return the table of names in the encoding of the file system."""
        return cls(b"".join(names), np.cumsum([len(name) for name in names], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def raw(self, row: int) -> bytes:
        """Return a name in the encoding of the file system."""
        return self.block[int(self.ends[row - 1]) if row else 0 : int(self.ends[row])]

    def shown(self, row: int) -> str:
        r"""Return a name for records, with bytes that are not valid UTF-8 written as `\xNN`."""
        return self.raw(row).decode("utf-8", errors="backslashreplace")

    def path(self, row: int) -> str:
        """Return a name as a path for Python."""
        return os.fsdecode(self.raw(row))

    def take(self, rows: NDArray[np.integer]) -> NameTable:
        """Return the table of the names at `rows`."""
        return NameTable.of([self.raw(int(row)) for row in rows])


@dataclass(frozen=True, slots=True)
class CachedPhoto:
    """The index entry of a photo in a cache file.

    Attributes:
        name: its name in records.
        id: SHA-256 of the source file's bytes, which identifies the photo everywhere.
        height_px: height in the cache.
        width_px: width in the cache.
        pixels_sha256: SHA-256 of the cached pixels.
        color: its color figure (`chromalab.data.usable.color_figure`).
        offset: position of its first pixel in the cache file, in bytes.
    """

    name: str
    id: str
    height_px: int
    width_px: int
    pixels_sha256: str
    color: float
    offset: int


class Photographs(Protocol):
    """An ordered set of photos, either from a cache file (`PhotoSet`) or from photo files (`IndexedPhotos`)."""

    def __len__(self) -> int:
        """Return the number of photos."""

    @property
    def size_px(self) -> int:
        """Length of the shorter side of the photos, or the largest such length if the photos differ."""

    @property
    def names(self) -> list[str]:
        """Names in records, in order."""

    @property
    def ids(self) -> list[str]:
        """SHA-256 of the source files, in order."""

    @property
    def data_sha256(self) -> str:
        """SHA-256 over everything that determines the pixels of the photos, in order."""

    def photo(self, index: int) -> NDArray[np.uint8]:
        """Return a photo, encoded sRGB, shape (H, W, 3).

        Raises:
            UnreadablePhotoError: its file has become unreadable.
        """

    def subset(self, indices: Sequence[int]) -> Photographs:
        """Return the photos at `indices`, in that order."""


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """An ordered set of photos with a common shorter side, stored in a cache file.

    The cache file is mapped into memory, so a set of any length takes no memory of its own, and all processes that use
    the same cache share its pages. A pickled set maps the same file when it is loaded.

    Attributes:
        photos: index entry of each photo.
        size_px: length of every photo's shorter side.
        pixels_path: the cache file.
        skipped: the photos that were left out when the folder was read, also in a subset.
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
        """SHA-256 over size, source and pixels of every photo, in order; it identifies the training data."""
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
            # A plain array over the map, because slicing the subclass np.memmap is slow.
            self._mapped.append(np.asarray(np.memmap(self.pixels_path, dtype=np.uint8, mode="r")))
        return self._mapped[0]

    def __reduce__(self) -> tuple[object, ...]:
        return PhotoSet, (self.photos, self.size_px, self.pixels_path, self.skipped)


@dataclass(frozen=True, eq=False)
class IndexedPhotos:
    """An ordered set of photos that are decoded from their files on access.

    Attributes:
        size_px: length to which longer shorter sides are reduced; no photo is enlarged.
        folders: the folders of the photos.
        labels: prefix of the names in records for each folder; empty for no prefix.
        folder_of: index into `folders` for each photo, shape (n,).
        files: file names relative to the folders.
        digests: SHA-256 of each photo's bytes, shape (n, 32).
    """

    size_px: int
    folders: tuple[Path, ...]
    labels: tuple[str, ...]
    folder_of: NDArray[np.uint16]
    files: NameTable
    digests: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.files)

    @property
    def names(self) -> list[str]:
        """Names in records, in order: label and path relative to the folder."""
        return [self.name(index) for index in range(len(self))]

    def name(self, index: int) -> str:
        """Return the name of a photo in records."""
        label = self.labels[int(self.folder_of[index])]
        return f"{label}/{self.files.shown(index)}" if label else self.files.shown(index)

    @property
    def ids(self) -> list[str]:
        """SHA-256 of the source files, in order."""
        digits = self.digests.tobytes().hex()
        return [digits[start : start + 64] for start in range(0, len(digits), 64)]

    @property
    def data_sha256(self) -> str:
        """SHA-256 over size, decoder version and content of every file, in order."""
        digest = hashlib.sha256(f"{self.size_px} {decoder_version()}\n".encode())
        digest.update(self.digests.tobytes())
        return digest.hexdigest()

    def path(self, index: int) -> Path:
        """Return the path of a photo."""
        return self.folders[int(self.folder_of[index])] / self.files.path(index)

    def photo(self, index: int) -> NDArray[np.uint8]:
        """Decode a photo: upright encoded sRGB, shape (H, W, 3), the shorter side at most `size_px`.

        Raises:
            UnreadablePhotoError: the file is missing or damaged.
        """
        return read_at_most(self.path(index), self.size_px)

    def subset(self, indices: Sequence[int] | NDArray[np.integer]) -> IndexedPhotos:
        """Return the photos at `indices`, in that order."""
        rows = np.asarray(indices, np.intp)
        files, digests = self.files.take(rows), self.digests[rows]
        return IndexedPhotos(self.size_px, self.folders, self.labels, self.folder_of[rows], files, digests)


@dataclass(frozen=True)
class WeightedPhotos:
    """Photos, each of which is drawn `weight` times as often as a photo of weight 1.

    Attributes:
        name: name of the set in records.
        photos: the photos.
        weight: above 0.
    """

    name: str
    photos: Photographs
    weight: float = 1.0
