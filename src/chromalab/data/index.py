"""Indexes of photo folders on disk, so that only new and changed files are read.

An index is one file in the cache folder: a line of JSON with its format, its lengths and the SHA-256 of the rest, then
the arrays. An index that is damaged or has another format is rebuilt. While a folder is read for the first time, the
index is saved every 30 seconds, so that a killed process loses little work. A file counts as unchanged while its size
and modification time stay the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chromalab.core.errors import OutputError
from chromalab.core.files import atomic_writer, read_fault, sha256_bytes, sha256_file
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.data.cache import ASPECT_LIMIT, default_cache_dir
from chromalab.data.duplicates import signature_of
from chromalab.data.photoset import NameTable
from chromalab.data.sources import check_regular
from chromalab.data.usable import (
    COLOR_FIGURE_PX,
    MIN_SIDE_PX,
    SKIP_KINDS,
    SkippedPhoto,
    color_figure,
    why_left_out,
)
from chromalab.photo.listing import scan_photos
from chromalab.photo.quick import read_bytes, read_thumbnail
from chromalab.photo.reading import UnreadablePhotoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.data.duplicates import Signature

_FORMAT = 1
"""Incremented when the arrays, or the rules by which they are computed, change."""

_SAVE_EVERY_S = 30.0
_FILES_AT_ONCE = 64
"""Number of files per task of the pool; tasks of single files would take 10% longer."""

_READABLE, _GREY, _UNREADABLE, _NO_BYTES = range(4)
"""States of a photo. Files in state `_NO_BYTES` are read again whenever the index is opened."""

FACTS = np.dtype(
    [
        ("size", "<i8"),
        ("mtime_ns", "<i8"),
        ("id", "u1", 32),
        ("height", "<u4"),
        ("width", "<u4"),
        ("color", "<f4"),
        ("straight", "<u8"),
        ("mirrored", "<u8"),
        ("state", "u1"),
        ("reason", "<u2"),
    ]
)
"""Type of one row of an index; see `FolderIndex` for the fields."""


@dataclass(frozen=True, eq=False)
class FolderIndex:
    """Facts about every photo in a folder and its subfolders, sorted by relative name.

    Attributes:
        folder: the folder.
        names: relative POSIX paths.
        facts: one row of type `FACTS` per photo: size in bytes, modification time in ns, SHA-256 of the bytes, height
            and width of the upright photo, color figure, difference hashes of the photo and its mirror image, state,
            and index into `reasons`.
        reasons: distinct reasons why photos are unreadable.
    """

    folder: Path
    names: NameTable
    facts: NDArray[np.void]
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.facts)

    def path(self, row: int) -> Path:
        """Return the path of a photo."""
        return self.folder / self.names.path(row)

    def id(self, row: int) -> str | None:
        """Return the SHA-256 of a photo's bytes as hex digits, or None if they can't be read."""
        facts = self.facts[row]
        return None if facts["state"] == _NO_BYTES else facts["id"].tobytes().hex()

    @property
    def has_id(self) -> NDArray[np.bool_]:
        """Whether the bytes of each photo could be read."""
        return np.asarray(self.facts["state"] != _NO_BYTES)

    @property
    def has_hashes(self) -> NDArray[np.bool_]:
        """Whether each photo has valid difference hashes: it could be decoded and is not too small."""
        large = np.minimum(self.facts["height"], self.facts["width"]) >= MIN_SIDE_PX
        return np.asarray(large & (self.facts["state"] <= _GREY))

    def kinds(self, colourless_threshold: float) -> NDArray[np.int8]:
        """Return why each photo is left out, as an index into `SKIP_KINDS`, or -1 if it is usable.

        Copies of other photos are not detected here.
        """
        facts = self.facts
        small = np.minimum(facts["height"], facts["width"]) < MIN_SIDE_PX
        return np.select(
            [facts["state"] >= _UNREADABLE, small, facts["state"] == _GREY, facts["color"] < colourless_threshold],
            [np.int8(SKIP_KINDS.index(kind)) for kind in ("unreadable", "too small", "gray only", "nearly colourless")],
            np.int8(-1),
        )

    def skipped(self, row: int, colourless_threshold: float) -> SkippedPhoto | None:
        """Return why a photo is left out, or None if it is usable."""
        facts = self.facts[row]
        name = self.names.shown(row)
        if facts["state"] >= _UNREADABLE:
            return SkippedPhoto(name, f"unreadable: {self.reasons[facts['reason']]}")
        size = (int(facts["height"]), int(facts["width"]))
        grey = facts["state"] == _GREY
        return why_left_out(name, size, float(facts["color"]), colourless_threshold, grey_only=bool(grey))


def open_index(folder: Path, *, cache_dir: Path | None = None) -> FolderIndex:
    """Return the up-to-date index of a folder and its subfolders.

    Args:
        folder: the folder.
        cache_dir: folder of the indexes; None means `index` in `default_cache_dir()`.

    Raises:
        UsageError: the folder is missing, can't be listed, or holds no photo files.
        OutputError: the index can't be written.
    """
    listing = scan_photos(folder)
    names = NameTable.of([os.fsencode(name) for name in listing.names])
    path = index_path(folder, cache_dir)
    known = _load(path, folder)
    facts = np.zeros(len(names), FACTS)
    facts["size"], facts["mtime_ns"] = listing.sizes, listing.mtimes_ns
    reasons = list(known.reasons) if known is not None else []
    done = _carry_over(known, names, facts) if known is not None else np.zeros(len(names), np.bool_)
    index = _Growing(FolderIndex(folder, names, facts, ()), reasons, done, path)
    if not done.all():
        index.read_missing(listing.names)
    elif known is not None and len(known) != len(names):
        index.save()
    return index.whole()


def index_path(folder: Path, cache_dir: Path | None = None) -> Path:
    """Return the path of the index of a folder."""
    resolved = folder.resolve()
    label = re.sub(r"[^A-Za-z0-9_-]+", "_", resolved.name)[:40] or "root"
    place = cache_dir if cache_dir is not None else default_cache_dir() / "index"
    return place / f"{label}-{sha256_bytes(os.fsencode(resolved))[:16]}.index"


class PhotoFacts(NamedTuple):
    """The facts from reading a file once; see `FolderIndex` for the fields."""

    id: bytes | None
    height: int = 0
    width: int = 0
    color: float = 0.0
    signature: Signature | None = None
    grey_only: bool = False
    reason: str | None = None


def read_facts(path: Path) -> PhotoFacts:
    """Read a photo file once and return its facts; if the file is unreadable, `reason` states why."""
    try:
        check_regular(path)
        data = read_bytes(path)
        identity = hashlib.sha256(data).digest() if data is not None else bytes.fromhex(sha256_file(path))
    except OSError as error:
        return PhotoFacts(None, reason=read_fault(error))
    try:
        photo = read_thumbnail(path, data, side_px=COLOR_FIGURE_PX, aspect_limit=ASPECT_LIMIT)
    except UnreadablePhotoError as error:
        return PhotoFacts(identity, reason=error.reason)
    size = (photo.source_height_px, photo.source_width_px)
    return PhotoFacts(identity, *size, color_figure(photo.rgb), signature_of(photo.rgb), photo.grey_only)


@dataclass(frozen=True, eq=False)
class _Growing:
    """An index whose missing rows are being read."""

    index: FolderIndex
    reasons: list[str]
    done: NDArray[np.bool_]
    path: Path

    def whole(self) -> FolderIndex:
        return FolderIndex(self.index.folder, self.index.names, self.index.facts, tuple(self.reasons))

    def read_missing(self, names: Sequence[str]) -> None:
        """Read the files of the missing rows, and save the index every 30 seconds."""
        missing = np.flatnonzero(~self.done)
        chunks = np.split(missing, range(_FILES_AT_ONCE, len(missing), _FILES_AT_ONCE))
        saved = time.monotonic()
        with progress("reading photos", len(names), done=len(names) - len(missing)) as advance:
            try:
                for rows, facts in self._read(chunks, names):
                    for row, fact in zip(rows, facts, strict=True):
                        self._set(int(row), fact)
                    advance(len(rows))
                    if time.monotonic() - saved > _SAVE_EVERY_S:
                        self.save()
                        saved = time.monotonic()
            except KeyboardInterrupt:
                self.save()
                raise
        self.save()

    def _read(
        self, chunks: Sequence[NDArray[np.intp]], names: Sequence[str]
    ) -> Iterator[tuple[NDArray[np.intp], list[PhotoFacts]]]:
        def read(rows: NDArray[np.intp]) -> list[PhotoFacts]:
            return [read_facts(self.index.folder / names[row]) for row in rows]

        return zip(chunks, map_in_order(read, chunks), strict=True)

    def _set(self, row: int, fact: PhotoFacts) -> None:
        facts = self.index.facts
        if fact.id is not None:
            facts["id"][row] = np.frombuffer(fact.id, np.uint8)
        facts["height"][row], facts["width"][row], facts["color"][row] = fact.height, fact.width, fact.color
        if fact.signature is not None:
            facts["straight"][row], facts["mirrored"][row] = fact.signature.straight, fact.signature.mirrored
        facts["state"][row] = _GREY if fact.grey_only else _READABLE
        if fact.reason is not None:
            facts["state"][row] = _NO_BYTES if fact.id is None else _UNREADABLE
            facts["reason"][row] = self._reason(fact.reason)
        self.done[row] = True

    def _reason(self, text: str) -> int:
        if text not in self.reasons:
            if len(self.reasons) > np.iinfo(np.uint16).max // 2:
                text = "it can't be read"
            if text not in self.reasons:
                self.reasons.append(text)
        return self.reasons.index(text)

    def save(self) -> None:
        """Write the completed rows."""
        rows = np.flatnonzero(self.done)
        names = self.index.names if len(rows) == len(self.done) else self.index.names.take(rows)
        facts = self.index.facts if names is self.index.names else self.index.facts[rows]
        parts = [names.block, names.ends.tobytes(), facts.tobytes()]
        head = {"format": _FORMAT, "lengths": [len(part) for part in parts], "reasons": self.reasons}
        head["sha256"] = _sha256(parts)
        try:
            with atomic_writer(self.path) as file:
                file.write(json.dumps(head).encode() + b"\n")
                file.writelines(parts)
        except OutputError as error:
            raise OutputError(f"{error} (set CHROMALAB_CACHE to use another folder for the indexes)") from error


def _sha256(parts: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _load(path: Path, folder: Path) -> FolderIndex | None:
    """Return a saved index, or None if it is missing, damaged or has another format."""
    try:
        with path.open("rb") as file:
            head, body = json.loads(file.readline()), memoryview(file.read())
    except (OSError, ValueError):
        return None
    if not isinstance(head, dict) or head.get("format") != _FORMAT or head.get("sha256") != _sha256([body]):
        return None
    first, second = head["lengths"][0], sum(head["lengths"][:2])
    ends = np.frombuffer(body[first:second], np.int64)
    names = NameTable(bytes(body[:first]), ends)
    return FolderIndex(folder, names, np.frombuffer(body[second:], FACTS), tuple(head["reasons"]))


def _carry_over(known: FolderIndex, names: NameTable, facts: NDArray[np.void]) -> NDArray[np.bool_]:
    """Copy the rows of unchanged files from a saved index, and return a mask of these rows."""
    if known.names.block == names.block and np.array_equal(known.names.ends, names.ends):
        old = new = np.arange(len(names))
    else:
        place = {known.names.raw(row): row for row in range(len(known))}
        places = np.array([place.get(names.raw(row), -1) for row in range(len(names))], np.intp)
        new = np.flatnonzero(places >= 0)
        old = places[new]
    same = (known.facts["size"][old] == facts["size"][new]) & (known.facts["mtime_ns"][old] == facts["mtime_ns"][new])
    same &= known.facts["state"][old] != _NO_BYTES
    done = np.zeros(len(names), np.bool_)
    done[new[same]] = True
    facts[new[same]] = known.facts[old[same]]
    return done
