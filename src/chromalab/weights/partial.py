"""Files that are being fetched: they lie in the weights folder under the hash that they will have, until they have it.

Whoever asks for the same bytes, from whichever server, goes on with the same part; nothing else ever looks at one.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from chromalab.core.files import explain_write_errors, make_folder, write_text
from chromalab.core.hashing import sha256_file
from chromalab.weights.places import weights_folder

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class PartialFile:
    """What is here of a file.

    Attributes:
        folder: where the parts lie.
        sha256: what the whole file hashes to.
    """

    folder: Path
    sha256: str

    @property
    def path(self) -> Path:
        """Where the bytes are, or would be."""
        return self.folder / f"{self.sha256}.part"

    @property
    def _origin_path(self) -> Path:
        return self.folder / f"{self.sha256}.part.json"

    @property
    def size(self) -> int:
        """How many bytes are here."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def digest(self) -> str | None:
        """Return the SHA-256 of the bytes that are here, or None where there are none."""
        return sha256_file(self.path) if self.size else None

    def append(self, piece: bytes) -> None:
        """Add the next bytes.

        Raises:
            OutputError: they can't be written.
        """
        with explain_write_errors(self.path), self.path.open("ab") as file:
            file.write(piece)

    def remember_origin(self, url: str, etag: str | None) -> None:
        """Keep what the server calls this state of the file, if it has a name that stands for its exact bytes."""
        if etag and not etag.startswith("W/"):
            write_text(self._origin_path, json.dumps({"url": url, "etag": etag}))

    def etag(self, url: str) -> str | None:
        """Return how the server behind `url` called the state of the file that these bytes are of."""
        try:
            origin = json.loads(self._origin_path.read_text(encoding="utf-8"))
            return str(origin["etag"]) if origin["url"] == url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def discard(self) -> None:
        """Forget the bytes."""
        with explain_write_errors(self.path):
            self.path.unlink(missing_ok=True)
            self._origin_path.unlink(missing_ok=True)


@contextlib.contextmanager
def partial_file(sha256: str) -> Iterator[PartialFile]:
    """Give the partial file of this hash to this process alone; another that has it is waited for.

    Raises:
        OutputError: the weights folder can't be written.
    """
    folder = make_folder(weights_folder())
    with _alone(folder / f"{sha256}.lock"):
        part = PartialFile(folder, sha256)
        try:
            yield part
        finally:
            if not part.size:
                part.discard()


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock file. The system frees it when its process ends, however that ends; the file itself means nothing."""
    with contextlib.ExitStack() as stack:
        with explain_write_errors(lock):
            file = stack.enter_context(lock.open("ab"))
            _wait_for(file)
            while not _is_at(file, lock):  # the one before has removed it: what was waited for is no longer there
                file = stack.enter_context(lock.open("ab"))
                _wait_for(file)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()


def _wait_for(file: IO[bytes]) -> None:
    # Windows has no such locks: there, two processes at once spoil each other's part, which its hash then tells.
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("another process is fetching this file: waiting for it\n")
            fcntl.flock(file, fcntl.LOCK_EX)


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
