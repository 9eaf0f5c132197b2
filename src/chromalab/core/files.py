"""Atomic writing of files, and SHA-256 hashes of their content."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from chromalab.core.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again, finished work is kept",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EROFS: "it is on a read-only disk: choose another output folder",
    errno.EACCES: "no permission: choose another output folder",
    errno.EPERM: "no permission: choose another output folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another output folder",
    errno.EEXIST: "a file of that name is in the way: choose another output folder",
}


@contextlib.contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError from writing `path` into an `OutputError` that suggests a remedy."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
        raise OutputError(f"cannot write {path}: {reason}") from error


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
    temporary: Path | None = None
    try:
        with explain_write_errors(path):
            with tempfile.NamedTemporaryFile(
                dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
            ) as file:
                temporary = Path(file.name)
                yield file.file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            temporary = None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


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
