"""What a batch remembers, so that it can be killed at any moment and go on.

One line of JSON for every photo, written and forced to the disk just before the finished output gets its name. After a
crash a line therefore says what the output is, if the output is there; and a line without its output means that the
photo is to be done again. A last line that was cut off is ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Literal

from pydantic import ValidationError

from chromalab.colorization.colorizer import Colorized
from chromalab.colorization.plan import KEPT
from chromalab.core.errors import UsageError
from chromalab.core.files import explain_write_errors, make_folder
from chromalab.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chromalab.colorization.plan import Item

JOURNAL = "journal.jsonl"
PARTS = "parts"
"""The folder beside it with the journals of other machines' parts of the batch."""

Identity = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds: what tells a file from its later versions."""


class Line(Record):
    """A photo that is done, once its output has its name.

    Attributes:
        name: the output's path relative to the output folder.
        settings: hash of everything that decides the output.
        source: identity of the photo when it was read.
        before: identity of the file that the output took the place of, or None.
        result: what came of it.
    """

    name: str
    settings: str
    source: Identity
    before: Identity | None
    result: Colorized


State = Literal["new", "done", "foreign", "other settings", "source changed"]


class Journal:
    """The lines of an output folder, by output; one process at a time holds it."""

    def __init__(self, folder: Path, file: IO[bytes], lines: dict[str, Line]) -> None:
        self.folder = folder
        self._file, self._lines = file, lines

    def state(self, item: Item, settings: str) -> State:
        """Return what is there of an item."""
        now = identity(item.output)
        if now is None:
            return "new"
        line = self._lines.get(item.name)
        if line is None or now == line.before:
            return "foreign"
        if line.settings != settings:
            return "other settings"
        return "done" if identity(item.source) == line.source else "source changed"

    def result(self, item: Item) -> Colorized:
        """Return what came of an item that is done."""
        return self._lines[item.name].result

    def write(self, line: Line) -> None:
        """Add a line, and force it to the disk."""
        with explain_write_errors(self.folder / KEPT / JOURNAL):
            self._file.write(line.model_dump_json().encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self._lines[line.name] = line

    def take_parts(self) -> None:
        """Take over what the journals of parts say; nobody may be writing into them any more."""
        for path in _parts(self.folder):
            with path.open("rb") as file:
                for line in _read(file)[0].values():
                    self.write(line)
            path.unlink()


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open the journal of an output folder, and keep other processes from it.

    Raises:
        UsageError: another process writes into this folder.
        OutputError: the folder can't be written.
    """
    kept = make_folder(folder / KEPT)
    path = kept / JOURNAL
    with explain_write_errors(path):
        file = path.open("a+b")
    with file:
        _lock(file, folder)
        file.seek(0)
        lines, end = _read(file)
        file.truncate(end)  # a line that was cut off must not run into the next one
        journal = Journal(folder, file, lines)
        journal.take_parts()  # of a sender that was killed
        yield journal


@contextmanager
def open_part(folder: Path, name: str) -> Iterator[Journal]:
    """Open the journal of a part of a batch; only one process at a time has this part.

    Args:
        folder: the output folder.
        name: what no other part is called.

    Raises:
        OutputError: the folder can't be written.
    """
    path = make_folder(folder / KEPT / PARTS) / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.jsonl"
    with explain_write_errors(path):
        file = path.open("a+b")
    with file:
        file.seek(0)
        lines, end = _read(file)
        file.truncate(end)
        yield Journal(folder, file, lines)


def _parts(folder: Path) -> list[Path]:
    return sorted((folder / KEPT / PARTS).glob("*.jsonl"))


def _lines_of_parts(folder: Path) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for path in _parts(folder):
        with path.open("rb") as file:
            lines |= _read(file)[0]
    return lines


def _read(file: IO[bytes]) -> tuple[dict[str, Line], int]:
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


def read_lines(folder: Path) -> dict[str, Line]:
    """Return the lines of an output folder without holding it, for a look ahead."""
    path = folder / KEPT / JOURNAL
    lines: dict[str, Line] = {}
    if path.is_file():
        with path.open("rb") as file:
            lines = _read(file)[0]
    return lines | _lines_of_parts(folder)


def _lock(file: IO[bytes], folder: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not on Windows, where two batches in one folder are the user's own affair
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UsageError(
            f"another process is colorizing into {folder}: wait for it, or choose another folder"
        ) from error


def identity(path: Path) -> Identity | None:
    """Return the identity of a file, or None where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns
