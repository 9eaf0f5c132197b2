"""The plan of a batch: which photos become which files."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.photo.listing import PHOTO_SUFFIXES, list_photos
from chromalab.photo.writing import SUFFIXES, file_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEPT = ".chromalab"
"""Name of the folder inside the output folder with the state of the batch."""

REPORT = "report"
"""Name of the folder inside the output folder with the contact sheet and its thumbnails."""

READABLE = PHOTO_SUFFIXES | {".avif", ".heic", ".heif"}
"""Suffixes of the files in a folder that are read as photographs."""

_FALLBACK = ".png"
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class Item:
    """A photo and its output.

    Attributes:
        source: the photo.
        output: the file to write.
        name: path of the output relative to the output folder, with forward slashes.
    """

    source: Path
    output: Path
    name: str


@dataclass(frozen=True)
class Plan:
    """The photos to colorize and their outputs.

    Attributes:
        items: photos and outputs, in order.
        folder: the output folder, or None if one photo becomes exactly one named file.
    """

    items: list[Item]
    folder: Path | None


def make_plan(inputs: Sequence[str], out: str, *, suffix: str | None = None) -> Plan:
    """Return which photos become which files.

    If there is one photo and `out` has the suffix of an image, the output is exactly that file. Otherwise `out` is a
    folder. Photos given by name keep their names, and photos found in a folder keep their paths relative to it.

    Args:
        inputs: files, folders (searched recursively) and patterns.
        out: a file or a folder; a path that ends with a slash is always a folder.
        suffix: suffix of all outputs, such as `.png`; None keeps each photo's own if it can be written.

    Raises:
        UsageError: an input is a URL or missing, there are no photos, or two photos would become one file.
    """
    folder = Path(out)
    named = not out.endswith(("/", os.sep)) and folder.suffix.lower() in SUFFIXES and not folder.is_dir()
    if suffix is not None:
        file_kind(Path("x" + suffix))
    pairs = list(_found(inputs, folder))
    if named:
        if len(pairs) != 1:
            raise UsageError(
                f"{out} is one file, but there are {len(pairs)} photos: give a folder such as {folder.with_suffix('')}/"
            )
        file_kind(folder)
        _refuse_itself(pairs[0][0], folder)
        return Plan([Item(pairs[0][0], folder, folder.name)], None)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{out} is a file, not a folder: choose another output folder")
    items = [_item(source, name, folder, suffix) for source, name in pairs]
    _refuse_collisions(items)
    return Plan(items, folder)


def _found(inputs: Sequence[str], out: Path) -> Iterator[tuple[Path, str]]:
    """Yield every photo once, with the name of its output relative to the output folder."""
    seen: set[Path] = set()
    for text in inputs:
        for source, name in _of_input(text, out):
            key = source.absolute()
            if key not in seen:
                seen.add(key)
                yield source, name


def _of_input(text: str, out: Path) -> Iterator[tuple[Path, str]]:
    if _URL.match(text):
        raise UsageError(f"{text} is a URL, and photos are never fetched: download it and give the file")
    path = Path(text)
    if path.is_dir():
        inside = _real(out)
        for source in list_photos(path, READABLE):
            if inside not in _real(source).parents or inside == _real(path):
                yield source, source.relative_to(path).as_posix()
    elif os.path.lexists(path):
        yield path, path.name
    else:
        yield from _matching(text, out)


def _matching(text: str, out: Path) -> Iterator[tuple[Path, str]]:
    if not glob.has_magic(text):
        raise UsageError(f"there is no file or folder {text}")
    matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - Path.glob accepts no absolute pattern
    if not matches:
        raise UsageError(f"no file matches {text}")
    for match in matches:
        path = Path(match)
        if path.is_dir():
            continue
        if path.suffix.lower() in READABLE and _real(out) not in _real(path).parents:
            yield path, path.name


def _real(path: Path) -> Path:
    """Resolve the links of a path; one with circular links stays as it is."""
    return Path(os.path.realpath(path))


def _item(source: Path, name: str, folder: Path, suffix: str | None) -> Item:
    place = Path(name)
    wanted = suffix or (place.suffix if _writable(place) else _FALLBACK)
    name = place.with_suffix(wanted).as_posix() if wanted != place.suffix else name
    output = folder / name
    _refuse_itself(source, output)
    return Item(source, output, name)


def _writable(path: Path) -> bool:
    try:
        file_kind(path)
    except UsageError:
        return False
    return True


def _refuse_itself(source: Path, output: Path) -> None:
    if output.exists() and source.exists() and output.samefile(source):
        raise UsageError(f"{output} is the photo itself, which is never overwritten: choose another output")


def _refuse_collisions(items: list[Item]) -> None:
    seen: dict[str, Item] = {}
    for item in items:
        other = seen.setdefault(item.name.casefold(), item)
        if other is not item:
            raise UsageError(
                f"{other.source} and {item.source} would both become {item.output}: colorize them into two folders"
            )
