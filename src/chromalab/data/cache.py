"""A cache of decoded and scaled photos, in a file that every run maps into memory.

A cache consists of two files: `photos-SIZEpx-KEY.pixels` with the 8-bit RGB pixels of all photos, and
`photos-SIZEpx-KEY.index`. KEY is a hash over everything that determines their content: size, thresholds, versions of
this code and of the decoder, and the name and SHA-256 of every source file. So a changed, added or removed photo
changes the key, and the same photos share a cache wherever they are stored.

Opening a cache hashes all source files and the cached pixels (about a second for ten thousand photos), and rebuilds a
damaged cache. Files are written under temporary names and renamed when complete, the index last. Two processes may
build the same cache at once, because both write the same bytes. Unused caches are not removed, but the folder can be
emptied at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from chromalab.core.errors import ChromalabError, OutputError, UsageError
from chromalab.core.files import atomic_writer, write_bytes
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.data.photoset import CachedPhoto, PhotoSet
from chromalab.data.sources import HashedSource, fingerprint, hash_sources, stamp
from chromalab.data.usable import (
    COLOR_FIGURE_PX,
    COLOURLESS_THRESHOLD,
    MIN_SIDE_PX,
    SkippedPhoto,
    color_figure,
    why_left_out,
)
from chromalab.photo.reading import UnreadablePhotoError, decoder_version, read_photo, resize_shortest_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.data.sources import PhotoSource

FORMAT_VERSION = 2
"""Incremented when the layout or the rules for unusable photos change, so that older caches are rebuilt."""

ASPECT_LIMIT = 4
"""Longer photos are cropped at the center to this aspect ratio, so that long strips don't inflate the cache."""

_ABANDONED_S = 3600.0
"""Age in seconds from which a partial file is assumed to come from a killed process."""


def default_cache_dir() -> Path:
    """Return the folder for caches: `CHROMALAB_CACHE`, or else `chromalab` in the user's cache folder."""
    chosen = os.environ.get("CHROMALAB_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "chromalab" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "chromalab"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "chromalab"  # XDG: ignore relative paths


def open_cache(
    sources: Sequence[PhotoSource],
    *,
    size_px: int,
    cache_dir: Path | None = None,
    colourless_threshold: float = COLOURLESS_THRESHOLD,
) -> PhotoSet:
    """Return the usable photos scaled to a shorter side of `size_px`, from a cache that is built if necessary.

    Args:
        sources: the photos, with distinct names.
        size_px: length of the shorter side; smaller photos are enlarged.
        cache_dir: folder of the caches; None means `photos` in `default_cache_dir()`.
        colourless_threshold: leave out photos with a lower `color_figure`.

    Raises:
        UsageError: no photo is usable; the message states the reasons.
        OutputError: the cache can't be written.
        ChromalabError: a photo changed while it was read.
    """
    folder = cache_dir if cache_dir is not None else default_cache_dir() / "photos"
    _remove_abandoned(folder)
    hashed = hash_sources(sources)
    key = fingerprint(
        hashed,
        *("format", FORMAT_VERSION, "decoder", decoder_version(), "size", size_px, "aspect", ASPECT_LIMIT),
        *("colourless", float(colourless_threshold), "smallest", MIN_SIDE_PX),
    )
    paths = _Paths.of(folder, size_px, key)
    found = _open_whole(paths, key, size_px)
    if found is None:
        try:
            _build(hashed, paths, key, _Preparation(size_px, colourless_threshold))
        except OutputError as error:
            raise OutputError(f"{error} (set CHROMALAB_CACHE to use another folder for the photo cache)") from error
        found = _open_whole(paths, key, size_px)
    if found is None:
        raise ChromalabError(f"the photo cache {paths.pixels} can't be read back as written: check the disk")
    return found


@dataclass(frozen=True)
class CacheIndex:
    """Content of a cache file.

    Attributes:
        key: `fingerprint` of the sources and settings.
        photos: the photos, in the order of their pixels.
        skipped: the photos that were left out.
    """

    key: str
    photos: tuple[CachedPhoto, ...]
    skipped: tuple[SkippedPhoto, ...]

    def save(self, path: Path) -> None:
        """Write the index atomically: a line with the SHA-256 of the rest, then JSON."""
        body = json.dumps(asdict(self)).encode()
        write_bytes(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def load_index(path: Path, key: str) -> CacheIndex | None:
    """Return the index at `path`, or None if it is missing, damaged or has another key."""
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


@dataclass(frozen=True)
class _Paths:
    pixels: Path
    index: Path

    @classmethod
    def of(cls, folder: Path, size_px: int, key: str) -> _Paths:
        name = f"photos-{size_px}px-{key[:16]}"
        return cls(folder / f"{name}.pixels", folder / f"{name}.index")


def _remove_abandoned(folder: Path) -> None:
    """Remove partial files of killed processes; a running process writes to its file all the time."""
    for path in folder.glob(".photos-*.part"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()
        except OSError:  # another process removed it, or the folder is not writable
            continue


def _open_whole(paths: _Paths, key: str, size_px: int) -> PhotoSet | None:
    """Return the cached photos, or None unless the pixels of every photo match the index."""
    index = load_index(paths.index, key)
    if index is None:
        return None
    last = index.photos[-1]
    try:
        if paths.pixels.stat().st_size != last.offset + last.height_px * last.width_px * 3:
            return None
        photos = PhotoSet(index.photos, size_px, paths.pixels, index.skipped)
        whole = all(map_in_order(lambda number: _is_whole(photos, number), range(len(photos))))
    except OSError:
        return None
    return photos if whole else None


def _is_whole(photos: PhotoSet, number: int) -> bool:
    return _pixels_sha256(photos.photo(number)) == photos.photos[number].pixels_sha256


def _pixels_sha256(rgb: NDArray[np.uint8]) -> str:
    return hashlib.sha256(rgb.data).hexdigest()


@dataclass(frozen=True)
class _Prepared:
    """A usable photo, ready to be written to the cache."""

    hashed: HashedSource
    rgb: NDArray[np.uint8]
    pixels_sha256: str
    color: float


@dataclass(frozen=True)
class _Preparation:
    """Decodes one photo and checks whether it is usable; called from many threads."""

    size_px: int
    colourless_threshold: float

    def __call__(self, item: HashedSource) -> _Prepared | SkippedPhoto:
        if item.skipped is not None:
            return item.skipped
        name, path = item.source.name, item.source.path
        try:
            photo = read_photo(path, shortest_side_px=max(self.size_px, COLOR_FIGURE_PX), aspect_limit=ASPECT_LIMIT)
            changed = stamp(path) != item.stamp
        except UnreadablePhotoError as error:
            return SkippedPhoto(name, f"unreadable: {error.reason}")
        except OSError:
            changed = True
        if changed:
            raise ChromalabError(f"{path} was changed while it was being read: run the same command again")
        figure = color_figure(photo.rgb)
        size = (photo.source_height_px, photo.source_width_px)
        skipped = why_left_out(name, size, figure, self.colourless_threshold, grey_only=photo.grey_only)
        if skipped is not None:
            return skipped
        rgb = resize_shortest_side(photo.rgb, self.size_px)
        return _Prepared(item, rgb, _pixels_sha256(rgb), round(figure, 2))


def _build(hashed: Sequence[HashedSource], paths: _Paths, key: str, prepare: _Preparation) -> None:
    """Decode all photos and write the pixels, then the index."""
    skipped: list[SkippedPhoto] = []
    with atomic_writer(paths.pixels) as file:
        photos = list(_write_pixels(file, _prepared(hashed, prepare, skipped)))
        if not photos:
            raise UsageError(_nothing_usable(skipped))
    CacheIndex(key, tuple(photos), tuple(skipped)).save(paths.index)


def _prepared(
    hashed: Sequence[HashedSource], prepare: _Preparation, skipped: list[SkippedPhoto]
) -> Iterator[_Prepared]:
    """Yield the usable photos in order, and append the unusable ones to `skipped`."""
    with progress(f"scaling photos to {prepare.size_px} px", len(hashed)) as advance:
        for result in map_in_order(prepare, hashed):
            if isinstance(result, SkippedPhoto):
                skipped.append(result)
            else:
                yield result
            advance(note=f"{len(skipped)} skipped" if skipped else "")


def _write_pixels(file: IO[bytes], prepared: Iterator[_Prepared]) -> Iterator[CachedPhoto]:
    offset = 0
    for item in prepared:
        file.write(item.rgb.data)
        height, width, _ = item.rgb.shape
        name, content = item.hashed.source.name, item.hashed.sha256 or ""
        yield CachedPhoto(name, content, height, width, item.pixels_sha256, item.color, offset)
        offset += item.rgb.nbytes


def _nothing_usable(skipped: Sequence[SkippedPhoto]) -> str:
    counts = ", ".join(f"{count} {kind}" for kind, count in Counter(item.kind for item in skipped).most_common())
    first = skipped[0] if skipped else None
    example = f"; the first, {first.name}: {first.reason}" if first is not None else ""
    return f"none of the {len(skipped)} photos can be used ({counts}{example}): give a folder of color photos"
