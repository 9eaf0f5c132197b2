"""What is wrong with folders of photos: files that can't be used, copies, and photos that two folders share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from chromalab.core.errors import UsageError
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.core.records import Record
from chromalab.data.duplicates import (
    MAX_DISTANCE,
    MIN_CORRELATION,
    THUMBNAIL_PX,
    Candidates,
    NearPair,
    candidate_pairs,
    confirmed_pairs,
    first_of_content,
)
from chromalab.data.index import FolderIndex, look_at, open_index
from chromalab.data.photoset import SKIP_KINDS, SkipKind
from chromalab.data.usable import COLOURLESS_THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_PAIRS_AT_ONCE = 2048
"""Pairs of near copies whose thumbnails are in memory together."""


class FolderSummary(Record):
    """One folder in numbers.

    Attributes:
        folder: the folder as it was given.
        n_found: photo files in it.
        n_usable: of these, photos that a study would use; copies count once.
        unusable: the others by reason; a copy of an earlier file is 'same content'.
    """

    folder: str
    n_found: int
    n_usable: int
    unusable: dict[SkipKind, int]


class UnusablePhoto(Record):
    """A photo that a study would leave out, and why."""

    photo: str
    kind: SkipKind
    reason: str


class Copy(Record):
    """Two photos that are the same.

    Attributes:
        first: the earlier one, as FOLDER/NAME.
        second: the later one.
        kind: 'same content' (byte for byte) or 'near copy' (by look).
        shared: they are in different folders.
        mirrored: one is the mirror image of the other.
        distance: differing bits of their difference hashes.
        correlation: correlation of their thumbnails.
    """

    first: str
    second: str
    kind: Literal["same content", "near copy"]
    shared: bool
    mirrored: bool = False
    distance: int = 0
    correlation: float = 1.0


class CheckReport(Record):
    """Everything that `data check` found."""

    schema_version: int = 1
    colourless_threshold: float
    max_distance: int = MAX_DISTANCE
    min_correlation: float = MIN_CORRELATION
    folders: list[FolderSummary]
    unusable: list[UnusablePhoto]
    copies: list[Copy]


def check_folders(
    folders: Sequence[Path], *, colourless_threshold: float = COLOURLESS_THRESHOLD, cache_dir: Path | None = None
) -> CheckReport:
    """Look at every photo of some folders: what is unusable, and what is there twice.

    Copies are files with the same bytes, and photos that look the same: 64-bit difference hashes at most 3 bits apart,
    straight or mirrored, with thumbnails correlated above 0.9. The color figure is computed from a smaller copy than
    the one in the cache of a study, so the two may decide differently within a tenth of the threshold. The folders'
    indexes keep what was read, so a second check reads only new and changed files.

    Args:
        folders: the folders, all different.
        colourless_threshold: photos with a lower color figure are listed as nearly colourless.
        cache_dir: folder of the indexes; None: `index` in `default_cache_dir()`.

    Raises:
        UsageError: a folder is missing, holds no photos, or is given twice.
        OutputError: an index can't be written.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("the same folder is given twice: give different folders")
    photos = _Photos.of([open_index(folder, cache_dir=cache_dir) for folder in folders])
    kinds = photos.kinds(colourless_threshold)
    return CheckReport(
        colourless_threshold=colourless_threshold,
        folders=[_summary(folder.as_posix(), kinds[photos.folder == at]) for at, folder in enumerate(folders)],
        unusable=list(_unusable(photos, kinds, colourless_threshold)),
        copies=[*_same_content(photos), *_near_copies(photos)],
    )


@dataclass(frozen=True, eq=False)
class _Photos:
    """The photos of all folders, one after the other.

    Attributes:
        indexes: one for each folder.
        folder: the folder of each photo.
        row: its row in the index.
        first: the place of the first photo with the same content.
    """

    indexes: Sequence[FolderIndex]
    folder: NDArray[np.intp]
    row: NDArray[np.intp]
    first: NDArray[np.intp]

    @classmethod
    def of(cls, indexes: Sequence[FolderIndex]) -> _Photos:
        counts = [len(index) for index in indexes]
        ids = np.concatenate([index.facts["id"] for index in indexes])
        known = np.concatenate([index.has_id for index in indexes])
        row = np.concatenate([np.arange(count) for count in counts])
        return cls(indexes, np.repeat(np.arange(len(counts)), counts), row, first_of_content(ids, known))

    def kinds(self, threshold: float) -> NDArray[np.int8]:
        """Return why each photo is left out, as its place in `SKIP_KINDS`; -1 where it is usable."""
        kinds = np.concatenate([index.kinds(threshold) for index in self.indexes])
        kinds[self.first != np.arange(len(kinds))] = SKIP_KINDS.index("same content")
        return kinds

    def name(self, place: int) -> str:
        index = self.indexes[int(self.folder[place])]
        return f"{index.folder.as_posix()}/{index.names.shown(int(self.row[place]))}"

    def path(self, place: int) -> Path:
        return self.indexes[int(self.folder[place])].path(int(self.row[place]))


def _summary(folder: str, kinds: NDArray[np.int8]) -> FolderSummary:
    counts = Counter(SKIP_KINDS[kind] for kind in kinds[kinds >= 0].tolist())
    return FolderSummary(folder=folder, n_found=len(kinds), n_usable=len(kinds) - counts.total(), unusable=dict(counts))


def _unusable(photos: _Photos, kinds: NDArray[np.int8], threshold: float) -> Iterator[UnusablePhoto]:
    for place in np.flatnonzero((kinds >= 0) & (kinds != SKIP_KINDS.index("same content"))).tolist():
        found = photos.indexes[int(photos.folder[place])].skipped(int(photos.row[place]), threshold)
        if found is not None:
            yield UnusablePhoto(photo=photos.name(place), kind=found.kind, reason=found.reason)


def _same_content(photos: _Photos) -> Iterator[Copy]:
    for second in np.flatnonzero(photos.first != np.arange(len(photos.first))).tolist():
        first = int(photos.first[second])
        shared = bool(photos.folder[first] != photos.folder[second])
        yield Copy(first=photos.name(first), second=photos.name(second), kind="same content", shared=shared)


def _near_copies(photos: _Photos) -> Iterator[Copy]:
    """Yield the pairs that look the same; of several files with the same content only the first is compared."""
    seen = np.concatenate([index.has_hashes for index in photos.indexes])
    places = np.flatnonzero(seen & (photos.first == np.arange(len(seen))))
    straight, mirrored = (
        np.concatenate([index.facts[field] for index in photos.indexes])[places] for field in ("straight", "mirrored")
    )
    candidates = candidate_pairs(straight, mirrored)
    if not len(candidates.first):
        return
    with progress("comparing near copies", len(candidates.first), unit="pairs") as advance:
        for portion in _portions(candidates):
            for pair in _confirmed(photos, places, portion):
                first, second = int(places[pair.first]), int(places[pair.second])
                yield Copy(
                    first=photos.name(first),
                    second=photos.name(second),
                    kind="near copy",
                    shared=bool(photos.folder[first] != photos.folder[second]),
                    mirrored=pair.mirrored,
                    distance=pair.distance,
                    correlation=round(pair.correlation, 4),
                )
            advance(len(portion.first))


def _portions(candidates: Candidates) -> Iterator[Candidates]:
    """Yield the pairs in portions; what is known of one pair, straight and mirrored, stays together."""
    new = np.ones(len(candidates.first), np.bool_)
    new[1:] = np.diff(candidates.first).astype(np.bool_) | np.diff(candidates.second).astype(np.bool_)
    edges = [*np.flatnonzero(new)[::_PAIRS_AT_ONCE].tolist(), len(new)]
    for start, end in pairwise(edges):
        yield candidates.portion(start, end)


def _confirmed(photos: _Photos, places: NDArray[np.intp], portion: Candidates) -> Iterator[NearPair]:
    """Read the photos of some pairs again, at thumbnail size, and yield the pairs whose thumbnails correlate."""
    needed = np.unique(np.concatenate([portion.first, portion.second])).tolist()
    looks = map_in_order(lambda number: look_at(photos.path(places[number])), needed)
    blank = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)  # of a file that has vanished: correlates with nothing
    thumbnails = {number: blank if look is None else look.thumbnail for number, look in zip(needed, looks, strict=True)}
    return confirmed_pairs(portion, thumbnails.__getitem__)
