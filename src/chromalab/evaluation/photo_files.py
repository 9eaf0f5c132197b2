"""The files of an evaluation: matching by name, reading under a protocol, batches of one size, and class labels."""

from __future__ import annotations

import csv
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from chromalab.colorization.records import KEPT, REPORT
from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import printable
from chromalab.evaluation.protocols import fit
from chromalab.evaluation.records import GREY, TARGET, SkippedPair
from chromalab.photo.listing import list_photos
from chromalab.photo.reading import Photo, UnreadablePhotoError, read_photo

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.evaluation.protocols import Protocol


_SHOWN = 3


@dataclass(frozen=True)
class PhotoFiles:
    """The files of one photo.

    Attributes:
        name: relative path without suffix, with forward slashes and composed letters, as valid text (`printable`).
        preds: file of the prediction of every method.
        target: file of the true photo, if any.
        grey: file of the gray photo that was colorized, if any.
    """

    name: str
    preds: Mapping[str, Path]
    target: Path | None = None
    grey: Path | None = None

    def role(self, method: str) -> str:
        """Return the name of a method's file in messages."""
        return "prediction" if len(self.preds) == 1 else f"prediction of {method}"


@dataclass(frozen=True)
class Matching:
    """Folders matched by name.

    Attributes:
        photos: the matched photos, sorted by name.
        left_out: names that some folder lacks or that several files of one folder share, with the reason.
        unmatched: by method, the files without a counterpart, relative to its folder.
        unmatched_targets: targets (without targets, gray photos) that no method has.
    """

    photos: tuple[PhotoFiles, ...]
    left_out: tuple[SkippedPair, ...]
    unmatched: Mapping[str, tuple[str, ...]]
    unmatched_targets: tuple[str, ...]


def composed(name: str) -> str:
    """Return a name with composed letters, as Linux and Windows write them; old macOS disks decompose them."""
    return unicodedata.normalize("NFC", name)


class _Folder:
    """A folder's photos by name, with composed letters."""

    def __init__(self, path: Path, files_are: str) -> None:
        self.path, self.files_are = path, files_are
        self.files: dict[str, list[Path]] = defaultdict(list)
        colorized = (path / KEPT).is_dir()  # an output folder of `chromalab colorize`, whose report holds thumbnails
        for file in list_photos(path):
            if colorized and file.relative_to(path).parts[0] == REPORT:
                continue
            self.files[composed(printable(file.relative_to(path).with_suffix("").as_posix()))].append(file)

    def crowd(self, name: str) -> str:
        """Return a message on files that share a name, or an empty string."""
        names = [printable(file.name) for file in self.files.get(name, ())]
        return f"{' and '.join(names)} are both {self.files_are}" if len(names) > 1 else ""

    def without(self, names: set[str]) -> tuple[str, ...]:
        """Return the files of other names, relative to the folder."""
        unmatched = (file for name, files in self.files.items() if name not in names for file in files)
        return tuple(sorted(printable(file.relative_to(self.path).as_posix()) for file in unmatched))

    @property
    def examples(self) -> str:
        """The first names."""
        names = sorted(self.files)
        return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def match_folders(methods: Mapping[str, Path], *, target: Path | None = None, grey: Path | None = None) -> Matching:
    """Match the photos of folders and their subfolders by relative path without suffix.

    Names match whether their letters are composed or decomposed (NFC or NFD of Unicode).

    Args:
        methods: the folder of every method.
        target: folder of the true photos.
        grey: folder of the gray photos that were colorized. One of `target` and `grey` is needed.

    Raises:
        UsageError: a folder is missing or holds no photos, or the folders share no name.
    """
    many = len(methods) > 1
    preds = {
        name: _Folder(folder, f"predictions of {name}" if many else "predictions") for name, folder in methods.items()
    }
    others = {TARGET: (target, "targets"), GREY: (grey, "gray photographs")}
    beside = {role: _Folder(folder, what) for role, (folder, what) in others.items() if folder is not None}
    if not beside:
        raise UsageError("there is nothing to compare with; give the folder of true photos or that of gray photos")
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
    """Return the names that all folders share."""
    folders = [*preds.values(), *beside.values()]
    shared = set(folders[0].files).intersection(*(folder.files for folder in folders[1:]))
    if not shared:
        found = ", ".join(f"{folder.path} holds {folder.examples}" for folder in folders)
        raise UsageError(f"the folders share no name; photos are matched by relative path without suffix, but {found}")
    return shared


def _reason(name: str, preds: Mapping[str, _Folder], beside: Mapping[str, _Folder]) -> str:
    """Return why a photo cannot be compared, or an empty string."""
    folders = [*preds.values(), *beside.values()]
    crowds = [crowd for folder in folders if (crowd := folder.crowd(name))]
    if crowds:
        return "ambiguous: " + ", ".join(crowds)
    lacking = [printable(folder.path.name or folder.path) for folder in folders if name not in folder.files]
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


MAX_CLASSES = 2**31
"""Largest number of classes of a custom classifier, whose own number is known only when it is called."""


def read_labels(path: Path, photos: Collection[str], classes: int = MAX_CLASSES) -> dict[str, int]:
    """Read the class of every photo.

    Args:
        path: a CSV file with the columns `photo` (relative path, with or without suffix) and `label` (index of the
            class, as in ImageNet's list from 0 to 999).
        photos: names without suffix of the photos that need a label.
        classes: number of classes.

    Raises:
        ConfigError: the file cannot be read, lacks a column or a photo, or has a label that is no index of a class or
            two for one photo.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the labels {path} cannot be read: {error}") from None
    if not rows or any(column not in rows[0] for column in COLUMNS):
        raise ConfigError(f"{path}: expected a CSV file with rows under the columns photo,label")
    labels: dict[str, int] = {}
    contradictions: dict[str, str] = {}
    for line, row in enumerate(rows, start=2):
        photo, label = _photo_and_label(row, classes, origin=f"{path}, line {line}")
        for name in {photo, PurePosixPath(photo).with_suffix("").as_posix()}:
            before = labels.setdefault(name, label)
            if before != label:
                contradictions[name] = f"line {line}: the label of '{photo}' is {label}, and was {before} before"
    for name in photos:
        if name in contradictions:
            raise ConfigError(f"{path}, {contradictions[name]}")
    missing = [name for name in photos if name not in labels]
    if missing:
        raise ConfigError(f"{path}: {len(missing)} photos have no label; the first is '{missing[0]}'")
    return labels


def _photo_and_label(row: Mapping[str, str], classes: int, *, origin: str) -> tuple[str, int]:
    try:
        label = int(row["label"])
    except (TypeError, ValueError):
        raise ConfigError(f"{origin}: a label must be a whole number, not '{row['label']}'") from None
    if not 0 <= label < classes:
        raise ConfigError(f"{origin}: a label must be from 0 to {classes - 1}, not {label}")
    photo = composed(row["photo"] or "")
    if not PurePosixPath(photo).name:
        raise ConfigError(f"{origin}: the name of the photo is missing")
    return photo, label


BATCH_PIXELS = 2**18
"""Largest number of pixels that are scored together; larger batches are not faster on a CPU."""

PART = 64
"""Number of photos in a part, the unit of work that executors distribute."""

MAX_PIXELS = 12_000_000
"""Largest photo that is scored: above this, the feature maps of one pair would take more than about 10 GB of memory."""

GREY_FILE, ALPHA, DEEP, RESIZED = "grey", "transparent", "16-bit", "resized"
"""Properties of files that are noted: one channel only, transparency that was put on white, 16 bits that were rounded
to 8, and another size than the truth before the protocol resized both."""


@dataclass(frozen=True)
class PhotoPixels:
    """The images of one photo as 8-bit sRGB of one size, (H, W, 3) each.

    Attributes:
        name: name of the photo.
        preds: the prediction of every method.
        target: the true photo, if any.
        grey: the gray photo that was colorized, if any.
        oddities: properties of files to be noted, as (method, property).
    """

    name: str
    preds: Mapping[str, NDArray[np.uint8]]
    target: NDArray[np.uint8] | None
    grey: NDArray[np.uint8] | None
    oddities: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = next(iter(self.preds.values())).shape[:2]
        return height, width


def read_files(photo: PhotoFiles, protocol: Protocol) -> PhotoPixels | SkippedPair:
    """Read the files of a photo and resize them as the protocol defines, or return why the photo cannot be scored."""
    try:
        preds = {method: _read(path, photo.role(method)) for method, path in photo.preds.items()}
        target = _read(photo.target, "target") if photo.target else None
        grey = _read(photo.grey, "gray photograph") if photo.grey else None
    except _UnreadableError as error:
        return SkippedPair(name=photo.name, reason=printable(str(error)))
    images = {photo.role(method): image for method, image in preds.items()}
    others = {"target": target, "gray photograph": grey}
    beside = {role: image for role, image in others.items() if image is not None}
    if reason := _size_fault(images | beside, next(iter(beside)), protocol):
        return SkippedPair(name=photo.name, reason=reason)
    reference = next(iter(beside.values()))
    return PhotoPixels(
        photo.name,
        {method: fit(image.rgb, protocol) for method, image in preds.items()},
        None if target is None else fit(target.rgb, protocol),
        None if grey is None else fit(grey.rgb, protocol),
        tuple((method, what) for method, image in preds.items() for what in _oddities(image, reference)),
    )


class _UnreadableError(Exception):
    pass


def _read(path: Path, role: str) -> Photo:
    try:
        return read_photo(path)
    except UnreadablePhotoError as error:
        raise _UnreadableError(f"the {role} {path.name} cannot be read: {error.reason}") from error


def _oddities(image: Photo, reference: Photo) -> Iterator[str]:
    if image.grey_only:
        yield GREY_FILE
    if image.has_alpha:
        yield ALPHA
    if image.bits > 8:
        yield DEEP
    if image.rgb.shape != reference.rgb.shape:
        yield RESIZED


def _size_fault(images: Mapping[str, Photo], reference: str, protocol: Protocol) -> str:
    """Return what is wrong with the sizes, or an empty string."""
    if protocol.resize != "none":
        return ""
    height, width = images[reference].rgb.shape[:2]
    for role, image in images.items():
        own_height, own_width = image.rgb.shape[:2]
        if (own_height, own_width) != (height, width):
            return (
                f"the {role} has {own_width}x{own_height} px and the {reference} {width}x{height}; "
                "this protocol does not resize, so bring both to one size first"
            )
    if height * width > MAX_PIXELS:
        return f"{width}x{height} px exceed the limit of {MAX_PIXELS // 10**6} million; scale both down first"
    return ""


def batches_of_one_size(photos: Iterable[PhotoPixels | SkippedPair]) -> Iterator[list[PhotoPixels] | SkippedPair]:
    """Yield batches of consecutive photos of one size with up to `BATCH_PIXELS` pixels; skipped photos pass through.

    A batch also ends after every `PART` photos, so that a part gives the same batches on every node.
    """
    batch: list[PhotoPixels] = []
    for place, photo in enumerate(photos):
        if batch and place % PART == 0:
            yield batch
            batch = []
        if isinstance(photo, SkippedPair):
            yield photo
            continue
        height, width = photo.size
        if batch and (batch[0].size != photo.size or (len(batch) + 1) * height * width > BATCH_PIXELS):
            yield batch
            batch = []
        batch.append(photo)
    if batch:
        yield batch
