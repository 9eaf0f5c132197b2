"""The index of a cache file: what it holds, and how to know that it is whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from chromalab.core.files import write_bytes
from chromalab.data.photoset import CachedPhoto, SkippedPhoto

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 2
"""Changes when the layout of the cache or the rules of what is left out change; older caches are then rebuilt."""


@dataclass(frozen=True)
class CacheIndex:
    """What a cache file holds.

    Attributes:
        key: what it was made of (`chromalab.data.cache.cache_key`).
        photos: the photos, in the order of their pixels.
        skipped: the photos that were left out.
    """

    key: str
    photos: tuple[CachedPhoto, ...]
    skipped: tuple[SkippedPhoto, ...]

    def save(self, path: Path) -> None:
        """Write the index atomically: one line with the SHA-256 of the rest, then JSON."""
        body = json.dumps(asdict(self)).encode()
        write_bytes(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def load_index(path: Path, key: str) -> CacheIndex | None:
    """Return the index at `path`, or None where it is missing, damaged or made of something else."""
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if digest != hashlib.sha256(body).hexdigest().encode():
        return None
    data: dict[str, Any] = json.loads(body)
    if data["key"] != key:
        return None
    photos = tuple(CachedPhoto(**entry) for entry in data["photos"])
    return CacheIndex(key, photos, tuple(SkippedPhoto(**entry) for entry in data["skipped"]))
