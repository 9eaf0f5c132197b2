"""Photo files of a study: those of a folder, or sample photos of installed packages; with hashes of their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chromalab.core.errors import UsageError
from chromalab.core.files import printable, read_fault, sha256_file
from chromalab.core.parallel import map_in_order
from chromalab.core.progress import progress
from chromalab.core.registry import Registry
from chromalab.data.usable import SkippedPhoto
from chromalab.photo.reading import list_photos

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MANY_FILES = 20_000
"""From this number of files on, hashing takes long enough to show its progress."""


@dataclass(frozen=True)
class PhotoSource:
    """A photo file and its name in records.

    Attributes:
        path: current path of the file.
        name: POSIX path relative to the given folder, or the name of the sample; always valid Unicode.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class Sample:
    """A built-in sample photo.

    Attributes:
        name: registry name.
        split: the part of a study that always contains it.
        package: importable package that contains the file.
        distribution: name of that package for pip.
        resource: POSIX path of the file inside the package.
        credit: author and license, as stated by the package.
    """

    name: str
    split: Literal["train", "test"]
    package: str
    distribution: str
    resource: str
    credit: str


_DISTRIBUTIONS = {"skimage": "scikit-image", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}

SAMPLES: Registry[Sample] = Registry("sample photo")
"""The sample photos by name, training photos first. No test photo is a second view of a training photo."""

_TRAIN: tuple[tuple[str, str, str, str], ...] = (
    (
        "astronaut",
        "skimage",
        "data/astronaut.png",
        "Eileen Collins, from the NASA Great Images database; no known copyright restrictions, public domain",
    ),
    ("chelsea", "skimage", "data/chelsea.png", "Stefan van der Walt; CC0"),
    ("coffee", "skimage", "data/coffee.png", "Rachel Michetti, courtesy of Pikolo Espresso Bar; CC0"),
    (
        "motorcycle_left",
        "skimage",
        "data/motorcycle_left.png",
        "D. Scharstein et al., Middlebury 2014 stereo benchmark (GCPR 2014); no license stated",
    ),
    ("china", "sklearn", "datasets/images/china.jpg", "danielbuechele on Flickr, 6061409035; CC BY 2.0"),
)
_TEST: tuple[tuple[str, str, str, str], ...] = (
    ("rocket", "skimage", "data/rocket.jpg", "SpaceX, launch of DSCOVR; released into the public domain"),
    ("flower", "sklearn", "datasets/images/flower.jpg", "vultilion on Flickr, 6056698931; CC BY 2.0"),
    (
        "grace_hopper",
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "Grace Hopper, official portrait, U.S. Navy; a work of the U.S. government; the package states no license",
    ),
)


def _register(split: Literal["train", "test"], rows: Iterable[tuple[str, str, str, str]]) -> None:
    for name, package, resource, credit in rows:
        SAMPLES.add(name, Sample(name, split, package, _DISTRIBUTIONS[package], resource, credit))


_register("train", _TRAIN)
_register("test", _TEST)


def sample_path(name: str) -> Path:
    """Return the path of a sample photo; its package is located but not imported, which would take a second.

    Raises:
        UnknownNameError: no sample has that name.
        UsageError: the package of the sample is not installed, or does not contain the file.
    """
    sample = SAMPLES[name]
    spec = find_spec(sample.package)
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    for folder in folders:
        path = Path(folder) / sample.resource
        if path.is_file():
            return path
    problem = f"does not contain {sample.resource}" if folders else "is not installed"
    raise UsageError(
        f"the sample photo '{name}' is part of {sample.distribution}, which {problem}: pip install "
        f"{sample.distribution}"
    )


def sample_sources() -> list[PhotoSource]:
    """Return the built-in sample photos.

    Raises:
        UsageError: the package of a sample is not installed.
    """
    return [PhotoSource(sample_path(name), name) for name in SAMPLES]


def folder_sources(folder: Path, exclude: Sequence[str] = ()) -> list[PhotoSource]:
    """Return the photos of a folder and its subfolders, sorted by relative path.

    Args:
        folder: the folder.
        exclude: photos to leave out. Each entry is a path or pattern relative to the folder, such as
            `imagenet/imagenet_0003*` (`*` and `?` also match `/`), or `@FILE`, a text file with one such path or
            pattern per line.

    Raises:
        UsageError: the folder has no photos, all are excluded, or an entry of `exclude` matches none.
    """
    sources = [PhotoSource(path, display_name(path, folder)) for path in list_photos(folder)]
    excluded = excluded_names([source.name for source in sources], exclude)
    kept = [source for source in sources if source.name not in excluded]
    if not kept:
        raise UsageError(f"all {len(sources)} photos of {folder} are excluded: exclude fewer")
    return kept


def display_name(path: Path, folder: Path) -> str:
    r"""Return a file's path relative to a folder, with bytes that are not valid UTF-8 written as `\xNN`."""
    return printable(path.relative_to(folder).as_posix())


def excluded_names(names: list[str], exclude: Iterable[str]) -> set[str]:
    """Return the names that match any entry of `exclude`, as `folder_sources` describes it.

    Raises:
        UsageError: an entry matches no name, which is probably a typing error.
    """
    excluded: set[str] = set()
    for entry in exclude:
        patterns = _read_patterns(Path(entry[1:])) if entry.startswith("@") else [entry]
        matched = _matching(names, patterns)
        if not matched:
            raise UsageError(f"nothing matches the exclusion '{entry}': give paths relative to the photo folder")
        excluded |= matched
    return excluded


def _matching(names: list[str], patterns: list[str]) -> set[str]:
    exact = set(names) & set(patterns)
    globs = [pattern for pattern in patterns if pattern not in exact and any(mark in pattern for mark in "*?[")]
    return exact | {name for name in names if any(fnmatchcase(name, pattern) for pattern in globs)}


def _read_patterns(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read the list of exclusions {path}: {reason}") from error
    return [line.strip() for line in lines if line.strip()]


@dataclass(frozen=True)
class HashedSource:
    """A photo file and the hash of its content.

    Attributes:
        source: the file and its name.
        sha256: SHA-256 of its bytes; None if it can't be read.
        stamp: size in bytes and modification time in ns when it was hashed.
        skipped: why the photo is already known to be unusable; None otherwise.
    """

    source: PhotoSource
    sha256: str | None
    stamp: tuple[int, int]
    skipped: SkippedPhoto | None = None


def hash_sources(sources: Sequence[PhotoSource]) -> list[HashedSource]:
    """Read every file once and return its SHA-256; of files with the same content only the first is kept.

    Otherwise two copies of a photo under different names could be in training and test at once.
    """
    first_name: dict[str, str] = {}
    return [_without_copies(item, first_name) for item in _with_progress(map_in_order(_hash, sources), len(sources))]


def stamp(path: Path) -> tuple[int, int]:
    """Return a file's size in bytes and modification time in ns."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def fingerprint(hashed: Sequence[HashedSource], *settings: object) -> str:
    """Return a SHA-256 over settings, and over the name and content (or read error) of every file, in order."""
    digest = hashlib.sha256(repr(settings).encode())
    for item in hashed:
        content = item.sha256 or (item.skipped.reason if item.skipped else "")
        digest.update(f"{item.source.name!r} {content!r}\n".encode())
    return digest.hexdigest()


def check_regular(path: Path) -> None:
    """Raise an OSError if `path` exists but is not a regular file: opening a pipe would block forever."""
    if path.exists() and not path.is_file():
        raise OSError("it is not a file")


def _with_progress(items: Iterator[HashedSource], total: int) -> Iterator[HashedSource]:
    if total < _MANY_FILES:
        yield from items
        return
    with progress("looking for changed photos", total) as advance:
        for item in items:
            yield item
            advance()


def _hash(source: PhotoSource) -> HashedSource:
    try:
        check_regular(source.path)
        before = stamp(source.path)
        return HashedSource(source, sha256_file(source.path), before)
    except OSError as error:
        return HashedSource(source, None, (0, 0), SkippedPhoto(source.name, f"unreadable: {read_fault(error)}"))


def _without_copies(item: HashedSource, first_name: dict[str, str]) -> HashedSource:
    if item.sha256 is None:
        return item
    first = first_name.setdefault(item.sha256, item.source.name)
    if first == item.source.name:
        return item
    copy = SkippedPhoto(item.source.name, f"same content as {first}", "same content")
    return HashedSource(item.source, item.sha256, item.stamp, copy)
