"""A check of photo folders for unusable files, copies, and photos that two folders share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

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
from chromalab.data.index import FolderIndex, open_index, read_facts
from chromalab.data.usable import COLOURLESS_THRESHOLD, SKIP_KINDS, SkipKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_PAIRS_AT_ONCE = 2048
"""Number of candidate pairs whose thumbnails are in memory at once."""


class FolderSummary(Record):
    """The counts of one folder.

    Attributes:
        folder: the folder as given.
        n_found: number of photo files.
        n_usable: number of photos that a study would use; copies count once.
        unusable: number of other files by reason; a copy of an earlier file counts as 'same content'.
    """

    folder: str
    n_found: int
    n_usable: int
    unusable: dict[SkipKind, int]


class UnusablePhoto(Record):
    """A photo that a study would leave out, with the reason."""

    photo: str
    kind: SkipKind
    reason: str


class Copy(Record):
    """Two copies of the same photo.

    Attributes:
        first: the earlier photo, as FOLDER/NAME.
        second: the later photo.
        kind: 'same content' (identical bytes) or 'near copy' (similar appearance).
        shared: whether they are in different folders.
        mirrored: whether one is the mirror image of the other.
        distance: number of differing bits of their difference hashes.
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
    """The findings of `data check`."""

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
    """Find the unusable photos and the copies in folders.

    If one given folder is inside another, its photos belong to the inner folder only.

    Copies are files with the same bytes, or near copies: 64-bit difference hashes that differ in at most 3 bits,
    straight or mirrored, and thumbnails that correlate above 0.9. The color figure is computed from a smaller version
    than the one in the cache of a study, so within about 10% of the threshold the two may disagree. The indexes of the
    folders are kept, so a second check reads only new and changed files.

    Args:
        folders: distinct folders.
        colourless_threshold: photos with a lower color figure are listed as nearly colourless.
        cache_dir: folder of the indexes; None means `index` in `default_cache_dir()`.

    Raises:
        UsageError: a folder is missing, has no photos, or is given twice.
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
    """The photos of all folders in one sequence.

    Attributes:
        indexes: index of each folder.
        folder: folder number of each photo.
        row: row of each photo in the index of its folder.
        first: position of the first photo with the same content.
    """

    indexes: Sequence[FolderIndex]
    folder: NDArray[np.intp]
    row: NDArray[np.intp]
    first: NDArray[np.intp]

    @classmethod
    def of(cls, indexes: Sequence[FolderIndex]) -> _Photos:
        places = [index.folder.resolve() for index in indexes]
        rows = [_own_rows(index, places) for index in indexes]
        ids = np.concatenate([index.facts["id"][own] for index, own in zip(indexes, rows, strict=True)])
        known = np.concatenate([index.has_id[own] for index, own in zip(indexes, rows, strict=True)])
        folder = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
        return cls(indexes, folder, np.concatenate(rows), first_of_content(ids, known))

    def gathered(self, values: Callable[[FolderIndex], NDArray[Any]]) -> NDArray[Any]:
        """Return the values of all photos, given those of an index."""
        return np.concatenate([values(index)[self.row[self.folder == at]] for at, index in enumerate(self.indexes)])

    def kinds(self, threshold: float) -> NDArray[np.int8]:
        """Return why each photo is left out, as an index into `SKIP_KINDS`, or -1 if it is usable."""
        kinds = self.gathered(lambda index: index.kinds(threshold))
        kinds[self.first != np.arange(len(kinds))] = SKIP_KINDS.index("same content")
        return kinds

    def name(self, place: int) -> str:
        index = self.indexes[int(self.folder[place])]
        return f"{index.folder.as_posix()}/{index.names.shown(int(self.row[place]))}"

    def path(self, place: int) -> Path:
        return self.indexes[int(self.folder[place])].path(int(self.row[place]))


def _own_rows(index: FolderIndex, places: Sequence[Path]) -> NDArray[np.intp]:
    """Return the rows of an index without the photos of another given folder inside its folder."""
    here = index.folder.resolve()
    inside = [place.relative_to(here).as_posix() for place in places if here in place.parents]
    prefixes = tuple(inner.encode(errors="surrogateescape") + b"/" for inner in inside)
    return np.array([row for row in range(len(index)) if not index.names.raw(row).startswith(prefixes)], np.intp)


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
    """Yield the near copies; of several files with the same content only the first is compared."""
    seen = photos.gathered(lambda index: index.has_hashes)
    places = np.flatnonzero(seen & (photos.first == np.arange(len(seen))))
    facts = photos.gathered(lambda index: index.facts)[places]
    straight, mirrored = facts["straight"], facts["mirrored"]
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
    """Yield the pairs in portions that never separate the straight and the mirrored match of a pair."""
    new = np.ones(len(candidates.first), np.bool_)
    new[1:] = np.diff(candidates.first).astype(np.bool_) | np.diff(candidates.second).astype(np.bool_)
    edges = [*np.flatnonzero(new)[::_PAIRS_AT_ONCE].tolist(), len(new)]
    for start, end in pairwise(edges):
        yield candidates.portion(start, end)


def _confirmed(photos: _Photos, places: NDArray[np.intp], portion: Candidates) -> Iterator[NearPair]:
    """Read the photos of some pairs again at thumbnail size, and yield the pairs whose thumbnails correlate."""
    needed = np.unique(np.concatenate([portion.first, portion.second])).tolist()
    signatures = map_in_order(lambda number: read_facts(photos.path(places[number])).signature, needed)
    blank = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)  # for a file that has vanished: correlates with nothing
    thumbnails = {
        number: blank if found is None else found.thumbnail for number, found in zip(needed, signatures, strict=True)
    }
    return confirmed_pairs(portion, thumbnails.__getitem__)
