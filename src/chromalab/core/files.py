"""Atomic writing of files, locks, names that every disk takes, and SHA-256 hashes of content."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from chromalab.core.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again, finished work is kept",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EROFS: "it is on a read-only disk: choose another output folder",
    errno.EIO: "the disk reports an error: check the disk, or choose another output folder",
    errno.EFBIG: "the file is too large for this disk: choose another output folder, or a file type with smaller files",
    errno.EACCES: "no permission: choose another output folder",
    errno.EPERM: "no permission: choose another output folder",
    errno.ENOENT: "its folder does not exist, or something deleted the unfinished file: run the same command again",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another output folder",
    errno.EEXIST: "a file of that name is in the way: choose another output folder",
    errno.EISDIR: "a folder of that name is in the way: rename it, or choose another output folder",
    errno.ENAMETOOLONG: "the name or the path is too long: shorten it",
    errno.EINVAL: "this disk does not take the name: rename it",
    errno.EILSEQ: "this disk does not take the name: rename it",
}
_ONE_PATH = frozenset(_REASONS) - {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}

_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})
"""Errors of a disk without locks, such as some network disks."""

_ABANDONED_S = 24 * 3600
"""Age in seconds from which a partial file is taken for that of a killed process, on a disk without locks."""

LONGEST_NAME = 255
"""Bytes in the longest name of a file, on nearly all file systems."""

_HASH_DIGITS = 8
_LONGEST_PREFIX = 200


@contextlib.contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError from writing `path` into an `OutputError` that suggests a remedy."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
        raise OutputError(f"cannot write {path}: {reason}", one_path=error.errno in _ONE_PATH) from error


def read_fault(error: OSError) -> str:
    """Return the reason of a read error in lower case, for records."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def printable(path: str | Path) -> str:
    r"""Return a path or a message with paths as valid text: bytes of names that are not UTF-8 are written as `\xNN`.

    >>> printable("M\udcfcnchen.jpg")
    'M\\xfcnchen.jpg'
    """
    return str(path).encode(errors="surrogateescape").decode(errors="backslashreplace")


def path_exists(path: str | Path) -> bool:
    """Return whether a path exists; False in a closed folder, where Path.exists fails before Python 3.14."""
    return os.path.exists(path)  # noqa: PTH110


def is_folder(path: str | Path) -> bool:
    """Return whether a path is a folder; False in a closed folder, where Path.is_dir fails before Python 3.14."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: str | Path) -> bool:
    """Return whether a path is a file; False in a closed folder, where Path.is_file fails before Python 3.14."""
    return os.path.isfile(path)  # noqa: PTH113


def with_ending(path: Path, ending: str) -> Path:
    """Return a path with an ending appended to its name, which is shortened if it would become too long.

    A shortened name has a hash of the whole name in place of what is missing, so different names stay different.

    >>> with_ending(Path("in/a.jpg"), ".json").as_posix()
    'in/a.jpg.json'
    """
    name, room = os.fsencode(path.name), LONGEST_NAME - len(os.fsencode(ending))
    if len(name) <= room:
        return path.with_name(path.name + ending)
    tail = f"~{hashlib.sha256(name).hexdigest()[:_HASH_DIGITS]}"
    start = name[: room - len(tail)].decode(errors="ignore")  # a letter is never cut in two
    return path.with_name(start + tail + ending)


def make_folder(path: Path) -> Path:
    """Create a folder, with its parents, unless it exists, and return it.

    Raises:
        OutputError: the folder can't be created.
    """
    with explain_write_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file for writing, which replaces `path` when the block ends without an error.

    The bytes are flushed to disk before the file is renamed, so a crash leaves either the old file or the complete
    new one.

    Raises:
        OutputError: the file can't be written.
    """
    make_folder(path.parent)
    with (
        explain_write_errors(path),
        partial_file(path.parent, f".{_end_of(path.name)}.", ".part") as (descriptor, temporary),
    ):
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put_in_place(temporary, path)


@contextlib.contextmanager
def partial_file(folder: Path, prefix: str, suffix: str) -> Iterator[tuple[int, Path]]:
    """Create a file that is still to be written, and give its descriptor, which the block must close, and its path.

    The file is deleted after the block, unless it has got another name. Until then, `delete_abandoned` of another
    process leaves it alone.

    Raises:
        OSError: the file can't be created.
    """
    descriptor, path = _created(folder, prefix, suffix)
    # A second descriptor keeps the lock while the file is closed and renamed.
    guard = None if sys.platform == "win32" else os.dup(descriptor)
    try:
        yield descriptor, path
    finally:
        try:
            path.unlink(missing_ok=True)
        finally:
            if guard is not None:
                os.close(guard)


def _created(folder: Path, prefix: str, suffix: str) -> tuple[int, Path]:
    """Create and lock a file; another one if `delete_abandoned` was faster than the lock."""
    while True:
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=suffix)
        if _locks(descriptor) is not False and os.path.lexists(name):
            return descriptor, Path(name)
        os.close(descriptor)


def _locks(descriptor: int) -> bool | None:
    """Lock an open file, and return whether this process holds the lock; None on systems and disks without locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def put_in_place(partial: Path, path: Path) -> None:
    """Rename a finished file, which replaces `path`, and give it the permissions of a new file.

    Raises:
        OSError: the file can't be renamed.
    """
    partial.chmod(0o666 & ~_umask())
    partial.replace(path)


def delete_abandoned(path: Path) -> None:
    """Delete a partial file of a killed process; keep one that a process is still writing.

    Windows does not delete open files. On disks without locks, only the age of a file tells.

    Raises:
        OSError: the file can't be opened or deleted.
    """
    with path.open("r+b") as file:  # network disks lock only files that are open for writing
        is_mine = _locks(file.fileno())
        old = time.time() - os.fstat(file.fileno()).st_mtime > _ABANDONED_S
        if sys.platform != "win32" and (is_mine or (is_mine is None and old)):
            path.unlink()
    if sys.platform == "win32":
        path.unlink()


def _end_of(name: str) -> str:
    """Return a name, or the end of one that is too long for a prefix and a suffix beside it."""
    return name if len(os.fsencode(name)) <= _LONGEST_PREFIX else name[-_LONGEST_PREFIX // 4 :]


def lock(file: IO[Any], path: Path) -> None:
    """Lock the open file of `path` against other processes until it is closed.

    Windows and some disks have no such locks. There nothing prevents two processes in one folder.

    Raises:
        BlockingIOError: another process holds the lock.
        OutputError: the file cannot be locked.
    """
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise OutputError(f"cannot lock {path}: {read_fault(error)}") from error
        _log.warning("this disk cannot lock %s: run only one process at a time in this folder", printable(path))


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_writer(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    write_bytes(path, text.encode())


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits; the file is read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
