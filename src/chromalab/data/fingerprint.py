"""What a set of photo files is, by content."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.core.hashing import sha256_file
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.data.photoset import SkippedPhoto

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from chromalab.data.sources import PhotoSource

_MANY_FILES = 20_000
"""From here on hashing takes long enough to show its progress."""


@dataclass(frozen=True)
class HashedSource:
    """A photo file and its content.

    Attributes:
        source: the file and its name.
        sha256: SHA-256 of its bytes; None where they can't be read.
        stamp: size in bytes and time of change in ns when it was hashed.
        skipped: why it is left out already, if it is.
    """

    source: PhotoSource
    sha256: str | None
    stamp: tuple[int, int]
    skipped: SkippedPhoto | None = None


def hash_sources(sources: Sequence[PhotoSource]) -> list[HashedSource]:
    """Read every file once and return its SHA-256; of files with the same content only the first is kept.

    Two copies of a photo under different names could otherwise stand in training and test at once.
    """
    first_name: dict[str, str] = {}
    return [_without_copies(item, first_name) for item in _with_progress(map_in_order(_hash, sources), len(sources))]


def stamp(path: Path) -> tuple[int, int]:
    """Return a file's size in bytes and time of change in ns."""
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def fingerprint(hashed: Sequence[HashedSource], *settings: object) -> str:
    """Return a SHA-256 over settings and over every file's name and content (or why it can't be read), in order."""
    digest = hashlib.sha256(repr(settings).encode())
    for item in hashed:
        content = item.sha256 or (item.skipped.reason if item.skipped else "")
        digest.update(f"{item.source.name!r} {content!r}\n".encode())
    return digest.hexdigest()


def _with_progress(items: Iterator[HashedSource], total: int) -> Iterator[HashedSource]:
    """Show progress where it takes long enough to be asked for."""
    if total < _MANY_FILES:
        yield from items
        return
    with progress("looking for changed photos", total) as advance:
        for item in items:
            yield item
            advance()


def _hash(source: PhotoSource) -> HashedSource:
    try:
        if source.path.exists() and not source.path.is_file():  # opening a pipe would wait for ever
            return _unreadable(source, "it is not a file")
        before = stamp(source.path)
        return HashedSource(source, sha256_file(source.path), before)
    except OSError as error:
        return _unreadable(source, os.strerror(error.errno).lower() if error.errno else str(error))


def _unreadable(source: PhotoSource, reason: str) -> HashedSource:
    return HashedSource(source, None, (0, 0), SkippedPhoto(source.name, f"unreadable: {reason}"))


def _without_copies(item: HashedSource, first_name: dict[str, str]) -> HashedSource:
    if item.sha256 is None:
        return item
    first = first_name.setdefault(item.sha256, item.source.name)
    if first == item.source.name:
        return item
    copy = SkippedPhoto(item.source.name, f"same content as {first}", "same content")
    return HashedSource(item.source, item.sha256, item.stamp, copy)
