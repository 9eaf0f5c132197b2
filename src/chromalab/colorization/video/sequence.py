"""Image sequences: films whose frames are files with numbered names, such as `frame_%05d.tif`."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.core.files import path_exists, printable

if TYPE_CHECKING:
    from pathlib import Path

_NUMBER = re.compile(r"%0?(\d*)d")


def is_sequence(path: Path) -> bool:
    """Return whether a path is the pattern of an image sequence, and not a file whose name looks like one.

    >>> from pathlib import Path
    >>> is_sequence(Path("frame_%05d.tif")), is_sequence(Path("100%.tif"))
    (True, False)
    """
    # Path.exists raises an error in a closed folder.
    return _NUMBER.search(path.name) is not None and not path_exists(path)


def sequence_files(pattern: Path) -> list[Path]:
    """Return the images of a sequence in the order of their numbers.

    Raises:
        UsageError: there is no image, or one between the first and the last is missing.
    """
    numbers = _numbers(pattern)
    if not numbers:
        raise UsageError(f"no file matches the pattern {printable(pattern)} of an image sequence")
    missing = next((before + 1 for before, after in pairwise(numbers) if after > before + 1), None)
    if missing is not None:
        raise UsageError(
            f"{printable(_file(pattern, missing))} is missing between the first and the last image of the sequence: "
            "rename the images, or colorize the parts one by one"
        )
    return [_file(pattern, number) for number in numbers]


def first_number(pattern: Path) -> int:
    """Return the number of a sequence's first image; 0 without an image."""
    return min(_numbers(pattern), default=0)


def sequence_identity(pattern: Path) -> tuple[int, int] | None:
    """Return the size of all images in bytes and the time of the last change in ns; None without an image."""
    try:
        facts = [_file(pattern, number).stat() for number in _numbers(pattern)]
    except OSError:
        return None
    return (sum(fact.st_size for fact in facts), max(fact.st_mtime_ns for fact in facts)) if facts else None


def _numbers(pattern: Path) -> list[int]:
    found = _NUMBER.search(pattern.name)
    if found is None:
        return []
    before, after = pattern.name[: found.start()], pattern.name[found.end() :]
    numbered = re.compile(rf"{re.escape(before)}(\d+){re.escape(after)}")
    try:
        names = [path.name for path in pattern.parent.iterdir()]
    except OSError:
        return []
    matches = [match for match in map(numbered.fullmatch, names) if match is not None]
    return sorted(int(match[1]) for match in matches if _file(pattern, int(match[1])).name == match[0])


def _file(pattern: Path, number: int) -> Path:
    return pattern.with_name(_NUMBER.sub(lambda place: f"{number:0{place[1] or 1}d}", pattern.name, count=1))
