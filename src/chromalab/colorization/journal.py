"""The journal of a batch, from which a batch resumes after it was killed at any moment.

It has one line of JSON for every photo, forced to disk just before the finished output gets its name. After a crash,
the line of an existing output therefore describes it, and a line without an output means that the photo must be done
again. A truncated last line is ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Literal

from pydantic import ValidationError

from chromalab.colorization.records import KEPT, Colorized
from chromalab.colorization.video.sequence import is_sequence, sequence_identity
from chromalab.core.errors import UsageError
from chromalab.core.files import explain_write_errors, lock, make_folder, printable, read_fault, sha256_file
from chromalab.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chromalab.colorization.records import Item

JOURNAL = "journal.jsonl"
PARTS = "parts"
"""Name of the folder beside the journal with the journals of parts that other machines work on."""

Identity = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds, which distinguish a file from its later versions."""


class Line(Record):
    r"""A line of the journal: a photo that is done if its output exists.

    Attributes:
        name: path of the output relative to the output folder; bytes that are not UTF-8 are written as `\xNN`.
        settings: hash of all settings that determine the output.
        source: identity of the photo when it was read.
        before: identity of the file that the output replaced, or None.
        result: the result of colorizing the photo.
        path: absolute path of the photo as valid text; None in lines of earlier versions, like the following.
        source_sha256: hash of the photo; None also for an image sequence.
        written: identity of the output.
        output_sha256: hash of the output.
    """

    name: str
    settings: str
    source: Identity
    before: Identity | None
    result: Colorized
    path: str | None = None
    source_sha256: str | None = None
    written: Identity | None = None
    output_sha256: str | None = None


State = Literal["new", "done", "foreign", "output changed", "other settings", "source changed"]


class Journal:
    """The journal of an output folder, held by one process at a time; without a file it is read-only."""

    def __init__(self, folder: Path, file: IO[bytes] | None, lines: dict[str, Line]) -> None:
        self.folder = folder
        self.lines = lines
        self._file = file

    def state(self, item: Item, settings: str) -> State:
        """Return the state of an item's output."""
        now = identity(item.output)
        if now is None:
            return "new"
        line = self.lines.get(item.key)
        if line is None or now == line.before:
            return "foreign"
        if line.settings != settings:
            return "other settings"
        if identity(item.source) != line.source or not _is_same_photo(item, line):
            return "source changed"
        return "done" if line.written in {None, now} or _is_copy(item.output, now, line) else "output changed"

    def result(self, item: Item) -> Colorized:
        """Return the result of an item that is done."""
        return self.lines[item.key].result

    def write(self, line: Line) -> None:
        """Append a line and force it to disk."""
        assert self._file is not None  # noqa: S101 - only the journal of `read_journal` has no file
        with explain_write_errors(self.folder / KEPT / JOURNAL):
            self._file.write(line.model_dump_json().encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self.lines[line.name] = line

    def take_parts(self) -> None:
        """Move the lines of the parts' journals into this one; no other process may be writing to them."""
        for path in _parts(self.folder):
            for line in _read_file(path).values():
                self.write(line)
            path.unlink()


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open the journal of an output folder and lock it against other processes.

    Raises:
        UsageError: another process is writing to this folder.
        OutputError: the folder cannot be written.
    """
    with _opened(make_folder(folder / KEPT) / JOURNAL) as file:
        try:
            lock(file, folder / KEPT / JOURNAL)
        except BlockingIOError as error:
            raise UsageError(
                f"another process is colorizing into {folder}: wait until it has ended, or choose another folder"
            ) from error
        journal = Journal(folder, file, _read_and_trim(file))
        journal.take_parts()  # left by a process that was killed
        yield journal


@contextmanager
def open_part(folder: Path, name: str) -> Iterator[Journal]:
    """Open the journal of a part of a batch; only one process at a time works on a part.

    Args:
        folder: the output folder.
        name: unique name of the part, as valid text.

    Raises:
        OutputError: the folder cannot be written.
    """
    part = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.jsonl"
    with _opened(make_folder(folder / KEPT / PARTS) / part) as file:
        yield Journal(folder, file, _read_and_trim(file))


def read_journal(folder: Path) -> Journal:
    """Return the journal of an output folder, with its parts, without locking it.

    Raises:
        UsageError: it exists, or may exist in a closed folder, and cannot be read.
    """
    lines: dict[str, Line] = {}
    try:
        for path in (folder / KEPT / JOURNAL, *_parts(folder)):
            with suppress(FileNotFoundError, NotADirectoryError):
                lines |= _read_file(path)
    except OSError as error:
        raise UsageError(
            f"cannot read the journal in {folder / KEPT}: {read_fault(error)}: choose another output folder"
        ) from error
    return Journal(folder, None, lines)


def _parts(folder: Path) -> list[Path]:
    return sorted((folder / KEPT / PARTS).glob("*.jsonl"))


def _opened(path: Path) -> IO[bytes]:
    with explain_write_errors(path):
        return path.open("a+b")


def _read_file(path: Path) -> dict[str, Line]:
    with path.open("rb") as file:
        return _read(file)[0]


def _read_and_trim(file: IO[bytes]) -> dict[str, Line]:
    """Read the lines of an open journal and cut off a truncated last line, which would spoil the next one."""
    file.seek(0)
    lines, end = _read(file)
    file.truncate(end)
    return lines


def _read(file: IO[bytes]) -> tuple[dict[str, Line], int]:
    """Return the valid lines by name, and the position after the last complete line."""
    lines: dict[str, Line] = {}
    end = 0
    for raw in file:
        if not raw.endswith(b"\n"):
            break
        end += len(raw)
        try:
            line = Line.model_validate(json.loads(raw))
        except (ValueError, ValidationError):
            continue
        lines[line.name] = line
    return lines, end


def _is_copy(output: Path, now: Identity, line: Line) -> bool:
    """Return whether an output has another time but the same content, as after a copy of the output folder."""
    if line.written is None or now[0] != line.written[0]:
        return False
    return sha256_or_none(output) == line.output_sha256


def _is_same_photo(item: Item, line: Line) -> bool:
    """Return whether a photo with the name, size and time of a line is the one of that line.

    Under its earlier path it is. Under another path, it is nearly always the same photo in a folder that was moved or
    renamed, but numbered scans of several folders can be alike in all three. Only the hash tells them apart. A line
    without one counts as that of this photo, because otherwise no earlier batch could resume after a move.
    """
    if line.source_sha256 is None or line.path == printable(item.source.absolute()):
        return True
    return sha256_or_none(item.source) == line.source_sha256


def sha256_or_none(path: Path) -> str | None:
    """Return the hash of a file, or None if it cannot be read or is an image sequence."""
    try:
        return None if is_sequence(path) else sha256_file(path)
    except OSError:
        return None


def identity(path: Path) -> Identity | None:
    """Return the identity of a file or of the images of a sequence, or None if it does not exist."""
    if is_sequence(path):
        return sequence_identity(path)
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns
