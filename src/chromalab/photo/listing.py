"""The photo files of a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})
"""Lower-case endings of the files that are taken for photographs."""


def list_photos(folder: Path, suffixes: Collection[str] = PHOTO_SUFFIXES) -> list[Path]:
    """Return every photo file in a folder and its subfolders, sorted by relative POSIX path.

    Hidden files and folders (a leading dot) are left out. Links are followed, but no folder is entered twice, so a
    link that leads back up is harmless. Whether a file can be read is not looked at: the reader says so.

    Args:
        folder: where to look.
        suffixes: lower-case endings of the files that are taken for photographs.

    Raises:
        UsageError: the folder is missing, is no folder, can't be listed, or holds no photo files.
    """
    if not folder.exists():
        raise UsageError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give the folder that holds the photos")
    photos = sorted(_walk(folder, suffixes), key=lambda path: path.relative_to(folder).as_posix())
    if not photos:
        kinds = ", ".join(sorted(suffixes))
        raise UsageError(f"{folder} holds no photos: expected files ending in {kinds}")
    return photos


def _walk(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        identity = Path(place).stat()
        if (identity.st_dev, identity.st_ino) in seen:
            folders.clear()
            continue
        seen.add((identity.st_dev, identity.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Path(place) / name


def _refuse(error: OSError) -> None:
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    raise UsageError(f"cannot list the folder {error.filename}: {reason}")
