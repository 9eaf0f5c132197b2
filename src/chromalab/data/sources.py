"""Where the photographs of a study come from: a folder, or the built-in samples."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.data.samples import SAMPLES, sample_path
from chromalab.photo.reading import list_photos

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class PhotoSource:
    """A photo file and the name it has in records.

    Attributes:
        path: where the file is now.
        name: its POSIX path relative to the folder that was given, or the sample's name; always valid Unicode.
    """

    path: Path
    name: str


def folder_sources(folder: Path, exclude: Sequence[str] = ()) -> list[PhotoSource]:
    """Return the photos of a folder and its subfolders, sorted by relative path.

    Args:
        folder: the folder.
        exclude: photos to leave out. Each entry is a path or pattern relative to the folder (`*` and `?` also match
            `/`; as `imagenet/imagenet_0003*`), or `@FILE`, a text file with one such path or pattern a line.

    Raises:
        UsageError: the folder has no photos, all are excluded, or an entry of `exclude` matches none.
    """
    sources = [PhotoSource(path, display_name(path, folder)) for path in list_photos(folder)]
    excluded = excluded_names([source.name for source in sources], exclude)
    kept = [source for source in sources if source.name not in excluded]
    if not kept:
        raise UsageError(f"no photo of {folder} is left: all {len(sources)} are excluded")
    return kept


def sample_sources() -> list[PhotoSource]:
    """Return the built-in sample photos.

    Raises:
        UsageError: a package that brings one is not installed.
    """
    return [PhotoSource(sample_path(name), name) for name in SAMPLES]


def display_name(path: Path, folder: Path) -> str:
    r"""Return a file's path relative to a folder, with bytes that are no UTF-8 written as `\xNN`."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", errors="backslashreplace")


def excluded_names(names: list[str], exclude: Iterable[str]) -> set[str]:
    """Return the names that any entry matches; an entry that matches nothing is a slip that must be heard of."""
    excluded: set[str] = set()
    for entry in exclude:
        patterns = _read_patterns(Path(entry[1:])) if entry.startswith("@") else [entry]
        matched = _matching(names, patterns)
        if not matched:
            raise UsageError(f"nothing matches the exclusion '{entry}': give paths relative to the photo folder")
        excluded |= matched
    return excluded


def _matching(names: list[str], patterns: list[str]) -> set[str]:
    exact = set(names) & set(patterns)
    globs = [pattern for pattern in patterns if pattern not in exact and any(mark in pattern for mark in "*?[")]
    return exact | {name for name in names if any(fnmatchcase(name, pattern) for pattern in globs)}


def _read_patterns(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read the list of exclusions {path}: {reason}") from error
    return [line.strip() for line in lines if line.strip()]
