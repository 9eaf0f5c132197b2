"""Training photos from many weighted folders, decoded on access, with a validation set.

A library keeps only names and hashes in memory and decodes a photo when it is drawn, so a library of 250,000 photos
opens in seconds once its folders are indexed.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from chromalab.core.errors import UsageError
from chromalab.core.records import Record
from chromalab.core.seeds import derive_seed
from chromalab.data.duplicates import close_hashes, first_of_content
from chromalab.data.index import FolderIndex, open_index
from chromalab.data.photoset import IndexedPhotos, NameTable, Photographs, WeightedPhotos
from chromalab.data.sources import excluded_names
from chromalab.data.usable import COLOURLESS_THRESHOLD, SKIP_KINDS, SkipKind, SkippedPhoto

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

MAX_VALIDATION_SHARE = 0.1
"""Largest share of a source that is used for validation, so that most of a small source remains for training."""

_SAME_CONTENT = SKIP_KINDS.index("same content")


@dataclass(frozen=True)
class FolderShare:
    """A folder of training photos with a sampling weight.

    Attributes:
        folder: the folder.
        weight: how often each photo is drawn, relative to a photo of a folder with weight 1.
    """

    folder: Path
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise UsageError(f"weight {self.weight:g} of {self.folder}: expected a number above 0")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `FOLDER` or `FOLDER=WEIGHT`; an existing folder whose name contains `=` takes precedence.

        Raises:
            UsageError: the weight is not a number above 0.
        """
        folder, equals, weight = text.rpartition("=")
        if not equals or not folder or Path(text).exists():
            return cls(Path(text))
        try:
            value = float(weight)
        except ValueError:
            raise UsageError(f"weight '{weight}' in '{text}': expected a number above 0, as FOLDER=0.5") from None
        return cls(Path(folder), value)


class FolderRecord(Record):
    """The counts of one folder of a library.

    Attributes:
        name: the folder.
        weight: how often each photo is drawn.
        n_found: number of photo files, without excluded ones and without those of another given folder inside it.
        n_usable: number of usable photos; of several files with the same content only the first counts.
        skipped: number of unusable photos, by reason.
        n_val: number of usable photos for validation.
        n_near_val: number of usable photos left out of training as near copies of a validation photo.
    """

    name: str
    weight: float
    n_found: int
    n_usable: int
    skipped: dict[SkipKind, int]
    n_val: int
    n_near_val: int

    @property
    def n_train(self) -> int:
        """Number of training photos."""
        return self.n_usable - self.n_val - self.n_near_val


class LibraryRecord(Record):
    """The composition of a library.

    Attributes:
        folders: one row per folder, in the given order.
        size_px: the largest shorter side of a photo.
        colourless_threshold: photos with a lower color figure are left out.
        n_excluded: number of excluded photo files.
        n_train: number of training photos.
        n_val: number of validation photos.
        sha256: hash of everything that determines the crops: contents, order, weights and sizes.
    """

    schema_version: int = 1
    folders: list[FolderRecord]
    size_px: int
    colourless_threshold: float
    n_excluded: int
    n_train: int
    n_val: int
    sha256: str


@dataclass(frozen=True)
class Library:
    """Photos for training and validation.

    Attributes:
        train: the training photos, one entry for each folder that has any.
        val: the validation photos.
        skipped: the unusable photos, with reasons.
        record: the composition of the library.
    """

    train: tuple[WeightedPhotos, ...]
    val: Photographs
    skipped: tuple[SkippedPhoto, ...]
    record: LibraryRecord


def open_library(
    folders: Sequence[FolderShare],
    *,
    validation: int = 0,
    size_px: int,
    colourless_threshold: float = COLOURLESS_THRESHOLD,
    exclude: Sequence[str] = (),
    cache_dir: Path | None = None,
) -> Library:
    """Index folders of photos and divide their photos into training and validation.

    If one given folder is inside another, its photos belong to the inner folder only. Of files with the same content
    only the first counts, in the order of the folders.

    Each source contributes the same number of validation photos, but at most a tenth of its photos. A source is a
    direct subfolder of a given folder, or the given folder itself for photos directly in it. Within a source, the
    choice depends on the content of the photos, so adding or renaming photos changes as little as possible. A photo
    whose difference hash differs in at most 3 bits from that of a validation photo, straight or mirrored, is left out
    of training.

    Args:
        folders: the folders with their weights.
        validation: number of validation photos; there are fewer if the sources are too small.
        size_px: length to which longer shorter sides are reduced when photos are read.
        colourless_threshold: photos with a lower color figure are left out.
        exclude: photos to leave out, as in `folder_sources`, relative to the outermost given folders.
        cache_dir: folder of the indexes; None means `index` in `default_cache_dir()`.

    Raises:
        UsageError: no folder is given, a folder is missing, empty or given twice, an exclusion matches nothing, no
            photo is left for training, or the folders are too small for any validation photo.
        OutputError: an index can't be written.
    """
    _check(folders, validation, size_px)
    given = _GivenFolders.of(folders, cache_dir)
    pool = given.pool(exclude, colourless_threshold)
    if not len(pool.kind):
        raise UsageError(f"all {pool.n_excluded} photos are excluded; exclude fewer of them")
    val = _validation(pool, validation)
    near = _near(pool, val)
    training = pool.usable & ~val & ~near
    if not training.any():
        raise UsageError(_nothing_left(pool))
    if validation and not val.any():
        raise UsageError("the folders are too small for a validation set: a source of photos needs at least 10")
    chosen = [np.flatnonzero(training & (pool.share_of == number)) for number in range(len(folders))]
    train = tuple(
        WeightedPhotos(label, given.photos(pool, rows, size_px), share.weight)
        for label, share, rows in zip(given.share_labels, folders, chosen, strict=True)
        if len(rows)
    )
    held_back = given.photos(pool, np.flatnonzero(val), size_px)
    rows = [given.folder_record(number, pool, val, near) for number in range(len(folders))]
    record = LibraryRecord(
        folders=rows,
        size_px=size_px,
        colourless_threshold=colourless_threshold,
        n_excluded=pool.n_excluded,
        n_train=sum(row.n_train for row in rows),
        n_val=len(held_back),
        sha256=_library_sha256(train, held_back),
    )
    return Library(train, held_back, tuple(given.skipped(pool, colourless_threshold)), record)


def _check(folders: Sequence[FolderShare], validation: int, size_px: int) -> None:
    if not folders:
        raise UsageError("no photo folder is given: give at least one")
    if len({share.folder.resolve() for share in folders}) < len(folders):
        raise UsageError("the same folder is given twice: give different folders")
    if validation < 0 or size_px < 1:
        raise UsageError(f"validation {validation}, size {size_px} px: expected at least 0 photos and at least 1 px")


def _labels(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the shortest distinct trailing parts of the folders' paths."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(each[-length:]) for each in parts]
        if len(set(labels)) == len(labels):
            return tuple(labels)
    raise AssertionError("unreachable: the folders are all different")


@dataclass(frozen=True, eq=False)
class _Pool:
    """The photos of all folders, in the order of the shares; each array has one entry per photo.

    Attributes:
        share_of: number of its share.
        root_of: number of its index.
        row: its row in that index.
        kind: why it is left out, as an index into `SKIP_KINDS`, or -1 if it is usable.
        source_of: number of its source.
        facts: its row of `FACTS`.
        has_hashes: whether its difference hashes are valid.
        n_excluded: number of excluded photos.
    """

    share_of: NDArray[np.uint16]
    root_of: NDArray[np.uint16]
    row: NDArray[np.intp]
    kind: NDArray[np.int8]
    source_of: NDArray[np.intp]
    facts: NDArray[np.void]
    has_hashes: NDArray[np.bool_]
    n_excluded: int

    @property
    def usable(self) -> NDArray[np.bool_]:
        return np.asarray(self.kind < 0)


@dataclass(frozen=True, eq=False)
class _GivenFolders:
    """The given folders, and one index for each folder that is not inside another."""

    shares: Sequence[FolderShare]
    share_labels: tuple[str, ...]
    indexes: tuple[FolderIndex, ...]
    root_of_share: tuple[int, ...]
    prefixes: tuple[bytes, ...]

    @classmethod
    def of(cls, shares: Sequence[FolderShare], cache_dir: Path | None) -> Self:
        places = [share.folder.resolve() for share in shares]
        for share in shares:
            if not share.folder.exists():
                raise UsageError(f"there is no folder {share.folder}")
        outermost = [number for number, place in enumerate(places) if not set(place.parents) & set(places)]
        roots: list[int] = []
        prefixes: list[bytes] = []
        for place in places:
            root = next(at for at, number in enumerate(outermost) if place.is_relative_to(places[outermost[at]]))
            inside = place.relative_to(places[outermost[root]]).as_posix()
            roots.append(root)
            prefixes.append(b"" if inside == "." else inside.encode(errors="surrogateescape") + b"/")
        indexes = tuple(open_index(shares[number].folder, cache_dir=cache_dir) for number in outermost)
        labels = _labels([share.folder for share in shares])
        return cls(shares, labels, indexes, tuple(roots), tuple(prefixes))

    @property
    def root_labels(self) -> tuple[str, ...]:
        """Prefix of the photos' names for each index; empty if there is only one index."""
        outer = {root: label for label, root, prefix in self._described() if not prefix}
        return ("",) if len(outer) == 1 else tuple(outer[root] for root in range(len(outer)))

    def _described(self) -> Iterator[tuple[str, int, bytes]]:
        return zip(self.share_labels, self.root_of_share, self.prefixes, strict=True)

    def pool(self, exclude: Sequence[str], threshold: float) -> _Pool:
        """Collect the photos of all folders."""
        kept = self._kept(exclude)
        shares: list[NDArray[np.uint16]] = []
        sources: list[NDArray[np.intp]] = []
        known: dict[tuple[int, bytes], int] = {}
        for root, index in enumerate(self.indexes):
            share, source = self._assign(root, index.names, known)
            shares.append(share)
            sources.append(source)
        counts = [len(index) for index in self.indexes]
        root_of = np.repeat(np.arange(len(counts), dtype=np.uint16), counts)
        row = np.concatenate([np.arange(count) for count in counts])
        share_of = np.concatenate(shares)
        order = np.lexsort((row, share_of))
        order = order[kept[order]]
        facts = np.concatenate([index.facts for index in self.indexes])[order]
        kind = np.concatenate([index.kinds(threshold) for index in self.indexes])[order]
        has_id = np.concatenate([index.has_id for index in self.indexes])[order]
        kind[first_of_content(facts["id"], has_id) != np.arange(len(facts))] = _SAME_CONTENT
        has_hashes = np.concatenate([index.has_hashes for index in self.indexes])[order]
        source_of = np.concatenate(sources)[order]
        n_excluded = int((~kept).sum())
        return _Pool(share_of[order], root_of[order], row[order], kind, source_of, facts, has_hashes, n_excluded)

    def _kept(self, exclude: Sequence[str]) -> NDArray[np.bool_]:
        count = sum(len(index) for index in self.indexes)
        if not exclude:
            return np.ones(count, np.bool_)
        names = [index.names.shown(row) for index in self.indexes for row in range(len(index))]
        excluded = excluded_names(names, exclude)
        return np.array([name not in excluded for name in names], np.bool_)

    def _assign(
        self, root: int, names: NameTable, known: dict[tuple[int, bytes], int]
    ) -> tuple[NDArray[np.uint16], NDArray[np.intp]]:
        """Return the share (the innermost given folder) and the source of every photo of one index."""
        inner = [(prefix, number) for number, (_, at, prefix) in enumerate(self._described()) if at == root]
        inner.sort(key=lambda item: -len(item[0]))
        share, source = np.empty(len(names), np.uint16), np.empty(len(names), np.intp)
        for row in range(len(names)):
            name = names.raw(row)
            prefix, number = next(item for item in inner if name.startswith(item[0]))
            below, slash, _ = name[len(prefix) :].partition(b"/")
            key = (number, below if slash else b"")
            share[row], source[row] = number, known.setdefault(key, len(known))
        return share, source

    def photos(self, pool: _Pool, rows: NDArray[np.intp], size_px: int) -> IndexedPhotos:
        """Return a set of the photos at `rows` of the pool."""
        files = NameTable.of([self.indexes[pool.root_of[row]].names.raw(int(pool.row[row])) for row in rows])
        folders = tuple(index.folder for index in self.indexes)
        return IndexedPhotos(size_px, folders, self.root_labels, pool.root_of[rows], files, pool.facts["id"][rows])

    def folder_record(self, number: int, pool: _Pool, val: NDArray[np.bool_], near: NDArray[np.bool_]) -> FolderRecord:
        """Return the counts of a given folder."""
        here = pool.share_of == number
        kinds = Counter(pool.kind[here].tolist())
        usable = kinds.pop(-1, 0)
        return FolderRecord(
            name=self.share_labels[number],
            weight=self.shares[number].weight,
            n_found=int(here.sum()),
            n_usable=usable,
            skipped={SKIP_KINDS[code]: count for code, count in sorted(kinds.items())},
            n_val=int((val & here).sum()),
            n_near_val=int((near & here).sum()),
        )

    def skipped(self, pool: _Pool, threshold: float) -> Iterator[SkippedPhoto]:
        """Yield the unusable photos, with reasons."""
        labels = self.root_labels
        for at in np.flatnonzero(pool.kind >= 0):
            index, row, label = self.indexes[pool.root_of[at]], int(pool.row[at]), labels[pool.root_of[at]]
            name = f"{label}/{index.names.shown(row)}" if label else index.names.shown(row)
            found = None if pool.kind[at] == _SAME_CONTENT else index.skipped(row, threshold)
            if found is None:
                yield SkippedPhoto(name, "same content as another photo", "same content")
            else:
                yield SkippedPhoto(name, found.reason, found.kind)


def _validation(pool: _Pool, wanted: int) -> NDArray[np.bool_]:
    """Choose validation photos by content, the same number from each source if the source is large enough."""
    chosen = np.zeros(len(pool.kind), np.bool_)
    if not wanted:
        return chosen
    usable = np.flatnonzero(pool.usable)
    digits = pool.facts["id"][usable].tobytes().hex()
    places = np.array(
        [derive_seed("validation", digits[start : start + 64]) for start in range(0, len(digits), 64)], np.int64
    )
    source = pool.source_of[usable]
    counts = np.bincount(source, minlength=int(pool.source_of.max()) + 1)
    quotas = _quotas((counts * MAX_VALIDATION_SHARE).astype(int).tolist(), wanted)
    order = np.lexsort((places, source))
    starts = np.cumsum(counts) - counts
    for number, quota in enumerate(quotas):
        chosen[usable[order[starts[number] : starts[number] + quota]]] = True
    return chosen


def _quotas(limits: Sequence[int], wanted: int) -> list[int]:
    """Divide `wanted` equally up to the limits; larger sources make up for smaller ones.

    >>> _quotas([2, 10, 100], 31)
    [2, 10, 19]
    >>> _quotas([5, 5, 5], 7)
    [3, 2, 2]
    """
    quotas = [0] * len(limits)
    left = wanted
    order = sorted(range(len(limits)), key=lambda number: (limits[number], -number))
    for position, number in enumerate(order):
        quotas[number] = min(limits[number], left // (len(order) - position))
        left -= quotas[number]
    return quotas


def _near(pool: _Pool, val: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask of the usable photos outside the validation set that are near copies of a validation photo."""
    near = np.zeros(len(val), np.bool_)
    seen = np.flatnonzero(pool.usable & ~val & pool.has_hashes)
    chosen = pool.facts[val & pool.has_hashes]
    hashes = pool.facts["straight"][seen]
    for queries in (chosen["straight"], chosen["mirrored"]):
        for _, found in close_hashes(queries, hashes):
            near[seen[found]] = True
    return near


def _nothing_left(pool: _Pool) -> str:
    kinds = Counter(SKIP_KINDS[code] for code in pool.kind.tolist() if code >= 0)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f"none of the {len(pool.kind)} photos is left to train on ({counts or 'no photos'}): give more color photos"


def _library_sha256(train: Iterable[WeightedPhotos], val: IndexedPhotos) -> str:
    digest = hashlib.sha256(f"val {val.data_sha256}\n".encode())
    for part in train:
        digest.update(f"{part.weight!r} {part.photos.data_sha256}\n".encode())
    return digest.hexdigest()
