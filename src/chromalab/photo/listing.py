"""The photo files of a folder."""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.errors import UsageError
from chromalab.core.files import path_exists, read_fault

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
        UsageError: the folder is missing, is not a folder, or has no photo files; or it or a subfolder cannot be
            listed, because a study must not miss photos unnoticed.
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
    facts = array("q")
    found = _walk(folder, suffixes, facts)
    for path, reason in found.closed:
        raise UsageError(f"cannot list the folder {path}: {reason}")
    if not found.names:
        raise UsageError(f"{folder} holds no photos: expected files ending in {', '.join(sorted(suffixes))}")
    order = sorted(range(len(found.names)), key=found.names.__getitem__)
    numbers = np.frombuffer(facts, np.int64).reshape(-1, 2)[order]
    return Listing([found.names[index] for index in order], numbers[:, 0].copy(), numbers[:, 1].copy())


@dataclass(frozen=True)
class Contents:
    """The content of a folder and its subfolders, apart from hidden files.

    Attributes:
        names: photo files, as relative POSIX paths, sorted.
        others: files with other suffixes, as relative POSIX paths, sorted.
        closed: folders that cannot be listed, each with the reason.
    """

    names: list[str]
    others: list[str]
    closed: list[tuple[Path, str]]


def list_contents(folder: Path, suffixes: Collection[str]) -> Contents:
    """List a folder as `list_photos` does, with the other files and the folders that cannot be listed.

    Raises:
        UsageError: the folder is missing or is not a folder.
    """
    found = _walk(folder, suffixes, None)
    return Contents(sorted(found.names), sorted(found.others), found.closed)


def _walk(folder: Path, suffixes: Collection[str], facts: array[int] | None) -> Contents:
    """Find the files of a folder, unsorted.

    Args:
        folder: the folder to search.
        suffixes: lower-case suffixes of the photo files.
        facts: gets the size and the time of every photo file; None lists the other files in their place.
    """
    if not path_exists(folder):
        raise UsageError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give the folder that holds the photos")
    found, endings = Contents([], [], []), tuple(suffixes)
    waiting, seen = [(folder, "")], set[tuple[int, int]]()
    while waiting:
        place, prefix = waiting.pop()
        folders: list[str] = []
        try:
            identity = place.stat()
            if (identity.st_dev, identity.st_ino) in seen:
                continue
            seen.add((identity.st_dev, identity.st_ino))
            _scan(place, prefix, endings, found, folders, facts)
        except OSError as error:
            found.closed.append((place, read_fault(error)))
        waiting += [(place / name, f"{prefix}{name}/") for name in sorted(folders, reverse=True)]
    return found


def _scan(
    place: Path, prefix: str, endings: tuple[str, ...], found: Contents, folders: list[str], facts: array[int] | None
) -> None:
    """Append the files and the subfolders of one folder."""
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append(entry.name)
            elif entry.name.lower().endswith(endings):
                found.names.append(prefix + entry.name)
                if facts is not None:
                    facts.extend(size_and_time(entry))
            elif facts is None:
                found.others.append(prefix + entry.name)


def closed_reason(folder: Path) -> list[tuple[Path, str]]:
    """Return a folder with the reason why it cannot be listed; an empty list if it can."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        return [(folder, read_fault(error))]
    return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def size_and_time(file: os.DirEntry[str] | Path) -> tuple[int, int]:
    """Return the size of a file in bytes and the time of its last change in ns; (-1, 0) if it has no status."""
    try:
        facts = file.stat()
    except OSError:  # for example a broken link, which is reported when the file is read
        return -1, 0
    return facts.st_size, facts.st_mtime_ns
