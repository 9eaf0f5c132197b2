"""What is wrong with folders of photos: files that can't be used, copies, and photos that two folders share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chromalab.core.errors import UsageError
from chromalab.core.progress import progress
from chromalab.core.records import Record
from chromalab.data.cache import ASPECT_LIMIT
from chromalab.data.duplicates import MAX_DISTANCE, MIN_CORRELATION, Look, look_of, near_pairs
from chromalab.data.fingerprint import HashedSource, hash_sources
from chromalab.data.parallel import map_in_order
from chromalab.data.photoset import SkipKind, SkippedPhoto
from chromalab.data.sources import PhotoSource, display_name
from chromalab.data.usable import (
    COLOUR_FIGURE_PX,
    COLOURLESS_THRESHOLD,
    colour_figure,
    why_unusable,
)
from chromalab.photo.reading import UnreadablePhotoError, list_photos, read_photo, resize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


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


@dataclass(frozen=True)
class _Seen:
    """One photo file after it was looked at; `look` is None where it couldn't be read."""

    hashed: HashedSource
    folder: str
    skipped: SkippedPhoto | None
    look: Look | None

    @property
    def name(self) -> str:
        return self.hashed.source.name


def check_folders(folders: Sequence[Path], *, colourless_threshold: float = COLOURLESS_THRESHOLD) -> CheckReport:
    """Look at every photo of some folders: what is unusable, and what is there twice.

    Copies are files with the same bytes, and photos that look the same: 64-bit difference hashes at most 3 bits apart,
    straight or mirrored, with thumbnails correlated above 0.9. The colour figure is taken on a smaller copy than the
    cache takes it on: within a tenth of the threshold the two may decide differently.

    Args:
        folders: the folders, all different.
        colourless_threshold: photos with a lower colour figure are listed as nearly colourless.

    Raises:
        UsageError: a folder is missing, holds no photos, or is given twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("the same folder is given twice: give different folders")
    sources, homes = _sources(folders)
    seen = list(_look_at(hash_sources(sources), homes, colourless_threshold))
    return CheckReport(
        colourless_threshold=colourless_threshold,
        folders=[_summary(folder.as_posix(), seen) for folder in folders],
        unusable=[
            UnusablePhoto(photo=item.name, kind=item.skipped.kind, reason=item.skipped.reason)
            for item in seen
            if item.skipped is not None and item.skipped.kind != "same content"
        ],
        copies=_same_content(seen) + _near_copies(seen),
    )


def _sources(folders: Sequence[Path]) -> tuple[list[PhotoSource], list[str]]:
    """Return every photo under the name FOLDER/NAME, and beside it its folder."""
    sources: list[PhotoSource] = []
    homes: list[str] = []
    for folder in folders:
        home = folder.as_posix()
        found = [PhotoSource(path, f"{home}/{display_name(path, folder)}") for path in list_photos(folder)]
        sources += found
        homes += [home] * len(found)
    return sources, homes


def _look_at(hashed: Sequence[HashedSource], homes: Sequence[str], threshold: float) -> Iterator[_Seen]:
    def look(item: tuple[HashedSource, str]) -> _Seen:
        return _see(*item, threshold)

    with progress("looking at photos", len(hashed)) as advance:
        for seen in map_in_order(look, zip(hashed, homes, strict=True)):
            advance()
            yield seen


def _see(hashed: HashedSource, home: str, threshold: float) -> _Seen:
    """Decode one photo at thumbnail size; a copy of an earlier file is not decoded again."""
    if hashed.skipped is not None:
        return _Seen(hashed, home, hashed.skipped, None)
    name = hashed.source.name
    try:
        photo = read_photo(hashed.source.path, shortest_side_px=COLOUR_FIGURE_PX, aspect_limit=ASPECT_LIMIT)
    except UnreadablePhotoError as error:
        return _Seen(hashed, home, SkippedPhoto(name, f"unreadable: {error.reason}"), None)
    thumbnail = resize(photo.rgb, COLOUR_FIGURE_PX, COLOUR_FIGURE_PX)
    skipped = why_unusable(name, photo, colour_figure(thumbnail), threshold)
    too_small = skipped is not None and skipped.kind == "too small"
    return _Seen(hashed, home, skipped, None if too_small else look_of(thumbnail))


def _summary(folder: str, seen: Sequence[_Seen]) -> FolderSummary:
    here = [item for item in seen if item.folder == folder]
    counts = Counter(item.skipped.kind for item in here if item.skipped is not None)
    return FolderSummary(folder=folder, n_found=len(here), n_usable=len(here) - counts.total(), unusable=dict(counts))


def _same_content(seen: Sequence[_Seen]) -> list[Copy]:
    first: dict[str, _Seen] = {}
    copies = []
    for item in seen:
        if item.hashed.sha256 is None:
            continue
        known = first.setdefault(item.hashed.sha256, item)
        if known is not item:
            shared = known.folder != item.folder
            copies.append(Copy(first=known.name, second=item.name, kind="same content", shared=shared))
    return copies


def _near_copies(seen: Sequence[_Seen]) -> list[Copy]:
    visible = [item for item in seen if item.look is not None]
    return [
        Copy(
            first=visible[pair.first].name,
            second=visible[pair.second].name,
            kind="near copy",
            shared=visible[pair.first].folder != visible[pair.second].folder,
            mirrored=pair.mirrored,
            distance=pair.distance,
            correlation=round(pair.correlation, 4),
        )
        for pair in near_pairs([item.look for item in visible if item.look is not None])
    ]
