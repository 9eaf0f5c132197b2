"""The plan of a batch: which photos become which files."""

from __future__ import annotations

import functools
import glob
import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chromalab.colorization.journal import read_journal
from chromalab.colorization.records import REPORT, Item
from chromalab.colorization.video.codecs import FALLBACK as FILM_FALLBACK
from chromalab.colorization.video.codecs import READABLE as FILMS
from chromalab.colorization.video.codecs import SUFFIXES as FILM_SUFFIXES
from chromalab.colorization.video.codecs import is_film
from chromalab.colorization.video.sequence import is_sequence, sequence_files
from chromalab.core.errors import UsageError
from chromalab.core.files import is_folder, path_exists, printable, with_ending
from chromalab.core.wording import plural
from chromalab.photo.further import SUFFIXES as FURTHER
from chromalab.photo.listing import PHOTO_SUFFIXES, closed_reason, list_contents
from chromalab.photo.writing import SUFFIXES, file_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PHOTOS = PHOTO_SUFFIXES | FURTHER | {".avif", ".gif", ".heic", ".heif", ".jfif", ".jpe"}
"""Suffixes of the files in a folder that are read as photographs."""

READABLE = PHOTOS | FILMS
"""Suffixes of the files in a folder that are colorized."""

_FALLBACK = ".png"
_ANIMATED = frozenset({".gif", ".webp", ".png", ".avif"})
"""Suffixes of photos that may hold an animation."""

_THUMBS = f"{REPORT}/thumbs/"
_REPORT_SUFFIXES = frozenset({".csv", ".html", ".json"})
_FILE_SUFFIX = re.compile(r"\.[A-Za-z]\w{1,4}")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_VERSION = re.compile(r"(?P<stem>.+)\.v[1-9]\d*(?P<suffix>\.[^.]+)", re.DOTALL)
"""Names of the versions that `write_versions` puts beside an output, except shortened ones."""

_MAP = ".uncertainty.png"

_Earlier = Literal["output", "version"]
"""What a file in an input folder is, if an earlier call wrote it."""


@dataclass(frozen=True)
class Plan:
    """The photos to colorize and their outputs.

    Attributes:
        items: photos and outputs, in order.
        folder: the output folder, or None if one photo becomes exactly one named file.
        left_out: files of the inputs whose suffix is not that of a photo.
        versions: files of the inputs that are left out because their names are those of versions or maps of uncertainty
            of earlier outputs.
        closed: folders of the inputs that cannot be listed, each with the reason.
    """

    items: list[Item]
    folder: Path | None
    left_out: list[Path] = field(default_factory=list)
    closed: list[tuple[Path, str]] = field(default_factory=list)
    versions: list[Path] = field(default_factory=list)


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
    folder, may_be_file = Path(out), not out.endswith(("/", os.sep))
    written = folder.suffix.lower() in {*SUFFIXES, *FILM_SUFFIXES}
    named = may_be_file and written and not is_folder(out)
    if suffix is not None:
        _check_suffix(suffix.lower())
    if folder.suffix.lower() in FILMS - FILM_SUFFIXES and may_be_file and not path_exists(out):
        raise UsageError(f"{out} is no file type of colorized films: choose {', '.join(sorted(FILM_SUFFIXES))}")
    found = _Search(folder)
    for text in inputs:
        found.take(text)
    if not found.photos:
        raise UsageError(found.explain_nothing(inputs))
    if may_be_file and not named and list(found.photos) == [Path(inputs[0]).absolute()]:
        _check_folder_name(folder)
    if named:
        if len(found.photos) != 1:
            raise UsageError(
                f"{out} is one file, but there are {len(found.photos)} photos and films: give a folder such as "
                f"{folder.with_suffix('')}/"
            )
        ((source, _),) = found.photos.values()
        _check_kind(source, folder)
        _refuse_itself(source, folder)
        return Plan([Item(source, folder, folder.name)], None, found.left_out, found.closed)
    if os.path.lexists(out) and not is_folder(out):
        raise UsageError(f"{out} is a file, not a folder: choose another output folder")
    items = _told_apart([_item(source, name, folder, suffix) for source, name in found.photos.values()])
    _refuse_collisions(items)
    return Plan(
        items,
        folder,
        left_out=list(dict.fromkeys(found.left_out)),
        closed=list(dict.fromkeys(found.closed)),
        versions=list(dict.fromkeys(found.versions)),
    )


def count_endings(files: Iterable[Path]) -> str:
    """Return how many files were left out, and how many of them have which ending, the most frequent first.

    >>> count_endings([Path("b.gif"), Path("a.GIF"), Path("c.bmp"), Path("notes")])
    '4 files left out: 2 .gif, 1 .bmp, 1 without ending'
    """
    counts = Counter(printable(file.suffix.lower()) or "without ending" for file in files)
    kinds = [f"{count} {ending}" for ending, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair))]
    return f"{plural(counts.total(), 'file')} left out: {', '.join(kinds)}"


def _check_suffix(suffix: str) -> None:
    """Refuse a file type that cannot be written."""
    if suffix in SUFFIXES:
        file_kind(Path("photo" + suffix))
    elif suffix not in FILM_SUFFIXES:
        raise UsageError(f"{suffix[1:]} is no file type of colorized photos: choose {_listed(SUFFIXES)}")


def _check_folder_name(folder: Path) -> None:
    """Refuse to make a folder for one photo if its name looks like that of a file, such as photo.jpgg."""
    if _FILE_SUFFIX.fullmatch(folder.suffix) and not path_exists(folder):
        raise UsageError(
            f"{folder} ends like a file, but {folder.suffix} is no file type of colorized photos: choose "
            f"{_listed(SUFFIXES)}, or {folder}/ for a folder"
        )


def _listed(suffixes: Iterable[str]) -> str:
    return ", ".join(suffix.lstrip(".") for suffix in suffixes)


def _check_kind(source: Path, output: Path) -> None:
    """Refuse a photo that would become a film, or a film that would become a photo."""
    if not is_film(output):
        file_kind(output)
        if source.suffix.lower() in FILMS or is_sequence(source):
            raise UsageError(
                f"{source} is a film, and {output.name} is no file type of films: choose "
                f"{', '.join(sorted(FILM_SUFFIXES))}"
            )
    elif source.suffix.lower() in PHOTOS - _ANIMATED and not is_sequence(source):
        raise UsageError(
            f"{source} is a photo, and {output.name} is a film: choose a file type of photos, such as .png"
        )


class _Search:
    """The photos, other files and closed folders of all inputs.

    Args:
        out: the output folder or file.
    """

    def __init__(self, out: Path) -> None:
        self.photos: dict[Path, tuple[Path, str]] = {}  # by absolute path: the photo, and the name of its output
        self.left_out: list[Path] = []
        self.closed: list[tuple[Path, str]] = []
        self.versions: list[Path] = []
        self._out, self._inside, self._outputs = out, _real(out), 0

    def take(self, text: str) -> None:
        """Add the photos of an input: a file, a folder or a pattern."""
        if _URL.match(text):
            raise UsageError(f"{text} is a URL, and photos are never fetched: download it and give the file")
        path = Path(text)
        if is_folder(text):
            self._take_folder(path)
        elif os.path.lexists(text):
            self._add(path, path.name)
        else:
            self._take_matches(text)

    def _add(self, source: Path, name: str) -> None:
        self.photos.setdefault(source.absolute(), (source, name))

    def _take_folder(self, folder: Path) -> None:
        kind_of = self._output_test(folder)
        contents = list_contents(folder, READABLE)
        self.closed += contents.closed
        for name in contents.names:
            if not self._is_earlier(kind_of(folder / name), folder / name):
                self._add(folder / name, name)
        self.left_out += [folder / name for name in contents.others if kind_of(folder / name) is None]

    def _is_earlier(self, kind: _Earlier | None, path: Path) -> bool:
        """Count an output or a version of an earlier call, and list the version."""
        self._outputs += kind is not None
        if kind == "version":
            self.versions.append(path)
        return kind is not None

    def _take_matches(self, text: str) -> None:
        if is_sequence(Path(text)):
            sequence_files(Path(text))
            self._add(Path(text), Path(text).name)
            return
        if not glob.has_magic(text):
            raise UsageError(_why_missing(text))
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - Path.glob accepts no absolute pattern
        if not matches:
            raise UsageError(f"no file matches {text}")
        kind_of = self._output_test(_fixed_part(Path(text)))
        for path in map(Path, matches):
            if is_folder(path):
                if "**" in text:
                    self.closed += closed_reason(path)
            elif self._is_earlier(kind_of(path), path):
                continue
            elif path.suffix.lower() in READABLE:
                self._add(path, path.name)
            else:
                self.left_out.append(path)

    def _output_test(self, folder: Path) -> Callable[[Path], _Earlier | None]:
        """Return a function that recognizes files of the output folder among those of an input folder.

        An output folder inside the input holds outputs only. In one that is the input itself or lies above it, only
        the files that the journal knows are outputs. It does not know versions, which their names alone distinguish
        from photos.
        """
        real, inside = _real(folder), self._inside
        if inside != real and inside not in real.parents:
            return lambda path: "output" if inside in _real(path).parents else None
        outputs = set(read_journal(self._out).lines)
        records = {printable(with_ending(inside / name, ".json")) for name in outputs}
        named = outputs | {os.path.splitext(name)[0] for name in outputs}  # noqa: PTH122 - for strings, and many of them

        def kind_of(path: Path) -> _Earlier | None:
            place = _real(path)
            if not outputs or inside not in place.parents:
                return None
            name = printable(place.relative_to(inside).as_posix())
            if (
                name in outputs
                or printable(place) in records
                or (name.startswith(f"{REPORT}/") and (name.startswith(_THUMBS) or place.suffix in _REPORT_SUFFIXES))
            ):
                return "output"
            version, of = _VERSION.fullmatch(name), name.removesuffix(_MAP)
            if (version and version["stem"] + version["suffix"] in outputs) or (of != name and of in named):
                return "version"
            return None

        return kind_of

    def explain_nothing(self, inputs: Sequence[str]) -> str:
        """Return why there is nothing to colorize."""
        for folder, reason in self.closed:
            return f"there is nothing to colorize: cannot list the folder {folder}: {reason}"
        where = ", ".join(inputs)
        if self._outputs:
            return f"every photo of {where} is an output in {self._out}: choose another output folder"
        left_out = f"; {count_endings(self.left_out)}" if self.left_out else ""
        return f"{where} holds no photos or films, such as .jpg, .png, .tif, .webp, .heic or .mp4 files{left_out}"


def _why_missing(text: str) -> str:
    try:
        os.lstat(text)
    except PermissionError:
        return f"{text} is in a folder without permission: change its permissions first"
    except OSError:
        pass
    return f"there is no file or folder {text}"


def _fixed_part(pattern: Path) -> Path:
    """Return the folder in which all matches of a pattern lie."""
    parents = [parent for parent in pattern.parents if not glob.has_magic(str(parent))]
    return parents[0] if parents else Path()


def _real(path: Path) -> Path:
    """Resolve the links of a path; one with circular links stays as it is."""
    return Path(os.path.realpath(path))


def _item(source: Path, name: str, folder: Path, suffix: str | None) -> Item:
    place = Path(name)
    wanted = _suffix_of(source, suffix)
    name = with_ending(place.with_name(place.stem), wanted).as_posix() if wanted != place.suffix else name
    output = folder / name
    _refuse_itself(source, output)
    return Item(source, output, name)


def _suffix_of(source: Path, suffix: str | None) -> str:
    """Return the suffix of an output; a requested one applies to photos or to films, whichever it is for."""
    own = source.suffix.lower()
    if own in FILMS or is_sequence(source) or (suffix in FILM_SUFFIXES and own in _ANIMATED - {".png", ".avif"}):
        if suffix in FILM_SUFFIXES:
            return suffix
        return source.suffix if own in FILM_SUFFIXES else FILM_FALLBACK
    if suffix is not None and suffix not in FILM_SUFFIXES:
        return suffix
    return source.suffix if _writable(source) else _FALLBACK


def _told_apart(items: list[Item]) -> list[Item]:
    """Keep the suffix of photos that cannot keep their file type where two outputs would have one name.

    `a.gif` and `a.png` become `a.gif.png` and `a.png`.
    """
    counts = Counter(spelled_alike(item.name) for item in items)

    def apart(item: Item) -> Item:
        if counts[spelled_alike(item.name)] == 1 or _writable(item.source):
            return item
        output = with_ending(item.output.with_name(item.source.name), item.output.suffix)
        return replace(item, output=output, name=Path(item.name).with_name(output.name).as_posix())

    return [apart(item) for item in items]


def spelled_alike(name: str) -> str:
    """Return one text for all names that some disk takes for the same: upper or lower case, composed or decomposed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", printable(name)).casefold())


def _writable(path: Path) -> bool:
    return _is_written(path.suffix.lower())


@functools.cache
def _is_written(suffix: str) -> bool:
    """Return whether chromalab writes a file type; for HEIC this takes a trial."""
    try:
        file_kind(Path("x" + suffix))
    except UsageError:
        return False
    return True


def _refuse_itself(source: Path, output: Path) -> None:
    try:
        same = output.samefile(source)
    except OSError:  # one of them does not exist
        return
    if same:
        raise UsageError(f"{output} is the photo itself, which is never overwritten: choose another output")


def _refuse_collisions(items: list[Item]) -> None:
    seen: dict[str, Item] = {}
    photos = {item.source.absolute() for item in items}
    for item in items:
        if item.output.absolute() in photos:
            raise UsageError(
                f"{item.source} would become {item.output}, which is another of the photos and is never overwritten: "
                "choose another output folder"
            )
        other = seen.setdefault(spelled_alike(item.name), item)
        if other is not item:
            raise UsageError(
                f"{other.source} and {item.source} would both become {item.output}: colorize them into two folders"
            )
