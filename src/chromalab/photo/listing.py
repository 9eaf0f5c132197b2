"""The photo files of a folder."""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from numpy.typing import NDArray

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})
"""Lower-case suffixes of the files that are read as photographs."""


def list_photos(folder: Path, suffixes: Collection[str] = PHOTO_SUFFIXES) -> list[Path]:
    """Return every photo file in a folder and its subfolders, sorted by relative POSIX path.

    Hidden files and folders (with a leading dot) are omitted. Links are followed, but no folder is entered twice, so a
    link to a parent folder is harmless. Files are not opened: unreadable ones are reported when they are read.

    Args:
        folder: the folder to search.
        suffixes: lower-case suffixes of the files that are read as photographs.

    Raises:
        UsageError: the folder is missing, is not a folder, cannot be listed, or has no photo files.
    """
    return [folder / name for name in scan_photos(folder, suffixes).names]


@dataclass(frozen=True, eq=False)
class Listing:
    """The photo files of a folder with the facts that identify a changed file, without an object per file.

    Attributes:
        names: relative POSIX paths, sorted.
        sizes: file sizes in bytes, shape (n,); -1 if the system cannot return the file's status.
        mtimes_ns: times of the last change in ns, shape (n,).
    """

    names: list[str]
    sizes: NDArray[np.int64]
    mtimes_ns: NDArray[np.int64]


def scan_photos(folder: Path, suffixes: Collection[str] = PHOTO_SUFFIXES) -> Listing:
    """List the same files as `list_photos`, in the same order, with sizes and times: 250,000 files in two seconds.

    Raises:
        UsageError: in the same cases as `list_photos`.
    """
    if not folder.exists():
        raise UsageError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give the folder that holds the photos")
    names: list[str] = []
    facts = array("q")
    _scan(folder, "", tuple(suffixes), names, facts, set())
    if not names:
        raise UsageError(f"{folder} holds no photos: expected files ending in {', '.join(sorted(suffixes))}")
    order = sorted(range(len(names)), key=names.__getitem__)
    numbers = np.frombuffer(facts, np.int64).reshape(-1, 2)[order]
    return Listing([names[index] for index in order], numbers[:, 0].copy(), numbers[:, 1].copy())


def _scan(
    place: Path, prefix: str, suffixes: tuple[str, ...], names: list[str], facts: array[int], seen: set[tuple[int, int]]
) -> None:
    """Append the photos of one folder and its subfolders; no folder is entered twice."""
    identity = place.stat()
    if (identity.st_dev, identity.st_ino) in seen:
        return
    seen.add((identity.st_dev, identity.st_ino))
    folders = []
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    folders.append(entry.name)
                elif entry.name.lower().endswith(suffixes):
                    names.append(prefix + entry.name)
                    facts.extend(_size_and_time(entry))
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise UsageError(f"cannot list the folder {error.filename}: {reason}") from error
    for name in sorted(folders):
        _scan(place / name, f"{prefix}{name}/", suffixes, names, facts, seen)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _size_and_time(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        facts = entry.stat()
    except OSError:  # for example a broken link, which is reported when the file is read
        return -1, 0
    return facts.st_size, facts.st_mtime_ns
