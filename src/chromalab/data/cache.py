"""Photos decoded and scaled once, into a file that every run maps into memory.

A cache is two files: `photos-SIZEpx-KEY.pixels`, the 8-bit RGB pixels of one photo after the other, and
`photos-SIZEpx-KEY.index`. KEY is a hash over everything that decides their content: size, thresholds, versions of this
code and of the decoder, and the name and SHA-256 of every source file. So a changed, added or removed photo gives
another key, and the same photos give the same cache wherever they lie. On opening, all source files are hashed and so
are the cached pixels (roughly a second for ten thousand photos); a damaged cache is made again. Both files are written
beside their final names and renamed when whole, the index last. Two processes may make the same cache at once: both
write the same bytes. Caches that nothing uses any longer are not removed: the folder can be emptied at any time.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from chromalab.core.errors import ChromalabError, OutputError, UsageError
from chromalab.core.files import atomic_writer
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.data.cache_index import FORMAT_VERSION, CacheIndex, load_index
from chromalab.data.fingerprint import HashedSource, fingerprint, hash_sources, stamp
from chromalab.data.photoset import CachedPhoto, PhotoSet, SkippedPhoto
from chromalab.data.usable import (
    COLOR_FIGURE_PX,
    COLOURLESS_THRESHOLD,
    MIN_SIDE_PX,
    color_figure,
    why_unusable,
)
from chromalab.photo.reading import UnreadablePhotoError, decoder_version, read_photo, resize_shortest_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.data.sources import PhotoSource

ASPECT_LIMIT = 4
"""The longer side is cut, in the middle, to this many times the shorter one: a strip 20,000 px wide can't blow up."""

_ABANDONED_S = 3600.0
"""A half-written file untouched for this long was left by a process that was killed."""


def default_cache_dir() -> Path:
    """Return the folder for caches: `CHROMALAB_CACHE`, else `chromalab` in the platform's cache folder of the user."""
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
    """Return the usable photos scaled to a shorter side of `size_px`, from the cache, which is made where needed.

    Args:
        sources: the photos, with distinct names.
        size_px: length of the shorter side; smaller photos are enlarged.
        cache_dir: folder of the caches; None: `photos` in `default_cache_dir()`.
        colourless_threshold: leave out photos with a lower `color_figure`.

    Raises:
        UsageError: not one photo is usable; the message says why.
        OutputError: the cache can't be written.
        ChromalabError: a photo was changed while it was read.
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
            raise OutputError(f"{error} (CHROMALAB_CACHE names the folder of the photo cache)") from error
        found = _open_whole(paths, key, size_px)
    if found is None:
        raise ChromalabError(f"the photo cache {paths.pixels} can't be read back as written: check the disk")
    return found


@dataclass(frozen=True)
class _Paths:
    pixels: Path
    index: Path

    @classmethod
    def of(cls, folder: Path, size_px: int, key: str) -> _Paths:
        name = f"photos-{size_px}px-{key[:16]}"
        return cls(folder / f"{name}.pixels", folder / f"{name}.index")


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left half-written; a living one changes its file all the time."""
    for path in folder.glob(".photos-*.part"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()
        except OSError:  # another process was faster, or the folder is not ours to clean
            continue


def _open_whole(paths: _Paths, key: str, size_px: int) -> PhotoSet | None:
    """Return the cached photos, or None unless every photo's pixels are there and are what the index says."""
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
    """A usable photo, ready to be written."""

    hashed: HashedSource
    rgb: NDArray[np.uint8]
    pixels_sha256: str
    color: float


@dataclass(frozen=True)
class _Preparation:
    """Decodes one photo and decides whether it is of use; called by many threads."""

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
        skipped = why_unusable(name, photo, figure, self.colourless_threshold)
        if skipped is not None:
            return skipped
        rgb = resize_shortest_side(photo.rgb, self.size_px)
        return _Prepared(item, rgb, _pixels_sha256(rgb), round(figure, 2))


def _build(hashed: Sequence[HashedSource], paths: _Paths, key: str, prepare: _Preparation) -> None:
    """Decode every photo and write the pixels, then the index."""
    skipped: list[SkippedPhoto] = []
    with atomic_writer(paths.pixels) as file:
        photos = list(_write_pixels(file, _prepared(hashed, prepare, skipped)))
        if not photos:
            raise UsageError(_nothing_usable(skipped))
    CacheIndex(key, tuple(photos), tuple(skipped)).save(paths.index)


def _prepared(
    hashed: Sequence[HashedSource], prepare: _Preparation, skipped: list[SkippedPhoto]
) -> Iterator[_Prepared]:
    """Yield the usable photos in order, and append the others to `skipped`."""
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
