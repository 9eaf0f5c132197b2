"""Matching of files by name, and the classes of photos from a CSV file."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from chromalab.colorization.plan import KEPT, REPORT
from chromalab.core.errors import ConfigError, UsageError
from chromalab.evaluation.records import SkippedPair
from chromalab.photo.listing import list_photos

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_SHOWN = 3
TARGET, GREY = "target", "grey"


@dataclass(frozen=True)
class PhotoFiles:
    """The files of one photo.

    Attributes:
        name: relative path without suffix, with forward slashes.
        preds: the prediction of every method.
        target: the true photograph, where there is one.
        grey: the gray photograph that was colorized, where there is one.
    """

    name: str
    preds: Mapping[str, Path]
    target: Path | None = None
    grey: Path | None = None

    def role(self, method: str) -> str:
        """Return what a method's file is called in messages."""
        return "prediction" if len(self.preds) == 1 else f"prediction of {method}"


@dataclass(frozen=True)
class Matching:
    """Folders matched by name.

    Attributes:
        photos: what belongs together, sorted by name.
        left_out: names that some folder lacks, or that several files of one folder share, with the reason.
        unmatched: for every method its files that have no counterpart, relative to its folder.
        unmatched_targets: targets (or gray photographs, where there are no targets) that no method has.
    """

    photos: tuple[PhotoFiles, ...]
    left_out: tuple[SkippedPair, ...]
    unmatched: Mapping[str, tuple[str, ...]]
    unmatched_targets: tuple[str, ...]


class _Folder:
    """A folder's photos by name."""

    def __init__(self, path: Path, files_are: str) -> None:
        self.path, self.files_are = path, files_are
        self.files: dict[str, list[Path]] = defaultdict(list)
        colorized = (path / KEPT).is_dir()  # an output folder of `chromalab colorize`: its report holds thumbnails
        for file in list_photos(path):
            if colorized and file.relative_to(path).parts[0] == REPORT:
                continue
            self.files[file.relative_to(path).with_suffix("").as_posix()].append(file)

    def crowd(self, name: str) -> str:
        """Say which files share a name, or return an empty string."""
        files = self.files.get(name, ())
        return f"{' and '.join(file.name for file in files)} are both {self.files_are}" if len(files) > 1 else ""

    def without(self, names: set[str]) -> tuple[str, ...]:
        """Return the files of other names, relative to the folder."""
        lonely = (file for name, files in self.files.items() if name not in names for file in files)
        return tuple(sorted(file.relative_to(self.path).as_posix() for file in lonely))

    @property
    def examples(self) -> str:
        """The first names."""
        names = sorted(self.files)
        return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def match_folders(methods: Mapping[str, Path], *, target: Path | None = None, grey: Path | None = None) -> Matching:
    """Match the photos of folders and their subfolders by relative path without suffix.

    Args:
        methods: the folder of every method.
        target: folder of the true photographs.
        grey: folder of the gray photographs that were colorized; one of the two is needed.

    Raises:
        UsageError: a folder is missing or holds no photos, or no name is in all of them.
    """
    many = len(methods) > 1
    preds = {
        name: _Folder(folder, f"predictions of {name}" if many else "predictions") for name, folder in methods.items()
    }
    others = {TARGET: (target, "targets"), GREY: (grey, "gray photographs")}
    beside = {role: _Folder(folder, what) for role, (folder, what) in others.items() if folder is not None}
    if not beside:
        raise UsageError("nothing to compare with: name the folder of true photographs, or that of gray ones")
    shared = _shared(preds, beside)
    seen = {name for folder in preds.values() for name in folder.files}
    reference = next(iter(beside.values()))
    wanted = sorted(name for name in seen if name in reference.files)
    reasons = {name: _reason(name, preds, beside) for name in wanted}
    return Matching(
        photos=tuple(_files(name, preds, beside) for name in sorted(shared) if not reasons[name]),
        left_out=tuple(SkippedPair(name=name, reason=reason) for name, reason in reasons.items() if reason),
        unmatched={name: folder.without(set(reference.files)) for name, folder in preds.items()},
        unmatched_targets=reference.without(seen),
    )


def _shared(preds: Mapping[str, _Folder], beside: Mapping[str, _Folder]) -> set[str]:
    """Return the names that every folder has."""
    folders = [*preds.values(), *beside.values()]
    shared = set(folders[0].files).intersection(*(folder.files for folder in folders[1:]))
    if not shared:
        told = " against ".join(f"{folder.examples} in {folder.path}" for folder in folders)
        raise UsageError(
            f"no name is in all folders: photos are matched by relative path without suffix, and there is {told}"
        )
    return shared


def _reason(name: str, preds: Mapping[str, _Folder], beside: Mapping[str, _Folder]) -> str:
    """Say why a photo can't be compared, or return an empty string."""
    folders = [*preds.values(), *beside.values()]
    crowds = [crowd for folder in folders if (crowd := folder.crowd(name))]
    if crowds:
        return "ambiguous: " + ", ".join(crowds)
    lacking = [folder.path.name or str(folder.path) for folder in folders if name not in folder.files]
    return f"{' and '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} no file of that name" if lacking else ""


def _files(name: str, preds: Mapping[str, _Folder], beside: Mapping[str, _Folder]) -> PhotoFiles:
    found = {role: folder.files[name][0] for role, folder in beside.items()}
    return PhotoFiles(
        name,
        {method: folder.files[name][0] for method, folder in preds.items()},
        found.get(TARGET),
        found.get(GREY),
    )


def all_files(photos: tuple[PhotoFiles, ...]) -> Iterator[Path]:
    """Yield every file of every photo."""
    for photo in photos:
        yield from photo.preds.values()
        yield from (file for file in (photo.target, photo.grey) if file is not None)


COLUMNS = ("photo", "label")


def read_labels(path: Path, photos: Iterable[str]) -> dict[str, int]:
    """Return the class of every photo.

    Args:
        path: a CSV file with the columns `photo` (relative path, with or without suffix) and `label` (the class's
            index, as in ImageNet's list 0 to 999).
        photos: names without suffix of all that need one.

    Raises:
        ConfigError: the file can't be read, lacks a column, has a label that is no whole number, or lacks a photo.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the labels can't be read: {error}") from None
    if not rows or any(column not in rows[0] for column in COLUMNS):
        raise ConfigError(f"{path}: expected a CSV file with rows under the columns photo,label")
    labels: dict[str, int] = {}
    for line, row in enumerate(rows, start=2):
        try:
            label = int(row["label"])
        except (TypeError, ValueError):
            raise ConfigError(f"{path}, line {line}: a label is a whole number, not '{row['label']}'") from None
        labels[row["photo"]] = labels[PurePosixPath(row["photo"]).with_suffix("").as_posix()] = label
    missing = [name for name in photos if name not in labels]
    if missing:
        raise ConfigError(f"{path}: {len(missing)} photos have no label, the first is '{missing[0]}'")
    return labels
