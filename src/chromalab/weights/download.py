"""Download of weight files over HTTP, resumable and checked by SHA-256.

A partial file is stored in the weights folder under the expected hash of the whole file. Every download with this hash
continues it, from any server.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import re
import sys
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from chromalab.core.errors import DamagedWeightsError, DownloadError, UsageError
from chromalab.core.files import explain_write_errors, make_folder, sha256_file, write_text
from chromalab.core.progress import progress
from chromalab.version import __version__
from chromalab.weights.store import weights_folder

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


TIMEOUT_S = 30.0
"""Seconds that a server may take to respond."""

TRIES = 5
"""Number of consecutive connections that may be lost without receiving a megabyte."""

PAUSE_S = 1.0
"""Seconds to wait before the second attempt; the wait doubles with each further one."""

_MEGABYTE = 1_000_000
_PARTIAL_CONTENT = 206
_TOO_MANY_REQUESTS = 429
_RANGE_NOT_SATISFIABLE = 416
_SERVER_ERROR = 500


def is_url(source: str) -> bool:
    """Return whether `source` is a URL of any scheme and not a path.

    >>> is_url("https://example.org/vgg16.pth"), is_url("weights/vgg16.pth")
    (True, False)
    """
    return "://" in source


def url_file_name(url: str) -> str:
    """Return the last part of a URL's path.

    >>> url_file_name("https://example.org/a/vgg16.pth?download=true")
    'vgg16.pth'

    Raises:
        UsageError: the URL's scheme is not http or https.
    """
    return unquote(urlsplit(require_web_url(url)).path).rpartition("/")[2]


def require_web_url(url: str) -> str:
    """Return `url` if its scheme is http or https.

    Raises:
        UsageError: it has another scheme, or is not a URL.
    """
    try:
        known = urlsplit(url).scheme in {"http", "https"} and url.isascii()
    except ValueError:  # brackets without an IPv6 address
        known = False
    if not known:
        raise UsageError(f"{url}: only http and https URLs can be fetched, written in ASCII")
    return url


def web_opener() -> OpenerDirector:
    """Return urllib's opener with proxies, but without files and FTP, to which a redirect could lead.

    Proxies come from the usual environment variables: http_proxy, https_proxy, all_proxy, no_proxy.
    """
    opener = OpenerDirector()
    for handler in (
        ProxyHandler,
        HTTPHandler,
        HTTPSHandler,
        HTTPRedirectHandler,
        HTTPDefaultErrorHandler,
        HTTPErrorProcessor,
        UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


@dataclass(frozen=True)
class PartialFile:
    """The received part of a file.

    Attributes:
        folder: folder of partial files.
        sha256: expected hash of the whole file.
    """

    folder: Path
    sha256: str

    @property
    def path(self) -> Path:
        """Path of the received bytes."""
        return self.folder / f"{self.sha256}.part"

    @property
    def _origin_path(self) -> Path:
        return self.folder / f"{self.sha256}.part.json"

    @property
    def size(self) -> int:
        """Number of received bytes."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def digest(self) -> str | None:
        """Return the SHA-256 of the received bytes, or None if there are none."""
        return sha256_file(self.path) if self.size else None

    def append(self, piece: bytes) -> None:
        """Append bytes.

        Raises:
            OutputError: the bytes cannot be written.
        """
        with explain_write_errors(self.path), self.path.open("ab") as file:
            file.write(piece)

    def remember_origin(self, url: str, etag: str | None) -> None:
        """Save the URL and the ETag, if the latter is a strong one, which identifies the exact bytes."""
        if etag and not etag.startswith("W/"):
            write_text(self._origin_path, json.dumps({"url": url, "etag": etag}))

    def etag(self, url: str) -> str | None:
        """Return the ETag that the server of `url` sent with the received bytes, or None."""
        try:
            origin = json.loads(self._origin_path.read_text(encoding="utf-8"))
            return str(origin["etag"]) if origin["url"] == url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def discard(self) -> None:
        """Delete the received bytes."""
        with explain_write_errors(self.path):
            self.path.unlink(missing_ok=True)
            self._origin_path.unlink(missing_ok=True)


@contextlib.contextmanager
def partial_file(sha256: str) -> Iterator[PartialFile]:
    """Open the partial file of this hash for this process alone, waiting for other processes that use it.

    Raises:
        OutputError: the weights folder cannot be written.
    """
    folder = make_folder(weights_folder())
    with _locked(folder / f"{sha256}.lock"):
        part = PartialFile(folder, sha256)
        try:
            yield part
        finally:
            if not part.size:
                part.discard()


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold the lock of a file, which the system releases when the process ends, however it ends."""
    with contextlib.ExitStack() as stack:
        with explain_write_errors(lock):
            file = stack.enter_context(lock.open("ab"))
            _wait_for(file)
            while not _is_at(file, lock):  # the previous process has deleted the file that this one waited for
                file = stack.enter_context(lock.open("ab"))
                _wait_for(file)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()


def _wait_for(file: IO[bytes]) -> None:
    # Windows has no such locks. Two concurrent processes would damage the partial file there, which its hash reveals.
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("another process is downloading this file: waiting for it\n")
            fcntl.flock(file, fcntl.LOCK_EX)


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


class _LostError(Exception):
    """The connection was lost; another attempt can resume the download."""


def download(url: str, part: PartialFile) -> None:
    """Download the missing bytes of a file from `url`, and show the progress.

    Args:
        url: http or https URL; proxies come from the usual environment variables.
        part: the received part, which is completed. It is kept after an error, and deleted if the hash is wrong.

    Raises:
        UsageError: the URL has another scheme.
        DownloadError: the server cannot be reached, refuses the request, or repeatedly loses the connection.
        DamagedWeightsError: the file's hash differs from the expected one.
        OutputError: the part cannot be written.
    """
    require_web_url(url)
    found = part.digest()
    if found == part.sha256:
        return
    for _ in range(2 if part.size else 1):  # old bytes may be wrong, so try once more without them
        _receive_all(url, part)
        found = part.digest()
        if found == part.sha256:
            return
        part.discard()
    raise DamagedWeightsError(f"{url} has SHA-256 {found}, expected {part.sha256}: the download was deleted")


def _receive_all(url: str, part: PartialFile) -> None:
    tries, longest = 0, part.size
    while True:
        try:
            _receive(url, part, first=tries == 0)
        except _LostError as error:
            tries = 1 if part.size - longest >= _MEGABYTE else tries + 1
            longest = max(longest, part.size)
            if tries >= TRIES:
                raise DownloadError(_given_up(url, part, str(error))) from error
            sys.stderr.write(f"{url_file_name(url)}: {error}; resuming, attempt {tries + 1} of {TRIES}\n")
            time.sleep(PAUSE_S * 2 ** (tries - 1))
        else:
            return


def _given_up(url: str, part: PartialFile, reason: str) -> str:
    kept = f"; {part.size:,} bytes are kept, and the same command resumes the download" if part.size else ""
    return f"{url} can't be fetched: {reason}, {TRIES} times in a row{kept}"


def _receive(url: str, part: PartialFile, *, first: bool) -> None:
    """Request the missing bytes once, and append the received ones.

    Raises:
        DownloadError: another attempt would also fail.
        _LostError: another attempt can resume the download.
    """
    try:
        with web_opener().open(_request(url, part), timeout=TIMEOUT_S) as response:
            _append(response, part, url)
    except HTTPError as error:
        error.close()
        if error.code != _RANGE_NOT_SATISFIABLE or not part.size:  # otherwise the file is complete for the server
            raise _refusal(url, error) from error
    except (URLError, http.client.InvalidURL) as error:
        reason = getattr(error, "reason", error)
        if first:  # fail at once without a network or at a wrong address
            raise DownloadError(f"{url} can't be fetched: {reason}") from error
        raise _LostError(str(reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _LostError(str(error) or type(error).__name__) from error


def _refusal(url: str, error: HTTPError) -> Exception:
    answer = f"the server answers {error.code} {error.reason}"
    passing = error.code >= _SERVER_ERROR or error.code == _TOO_MANY_REQUESTS
    return _LostError(answer) if passing else DownloadError(f"{url}: {answer}")


def _request(url: str, part: PartialFile) -> Request:
    """Request the missing bytes, or all if the file has changed since (RFC 9110, sections 14.2 and 13.1.5)."""
    headers = {"User-Agent": f"chromalab/{__version__}"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if etag := part.etag(url):
            headers["If-Range"] = etag
    return Request(url, headers=headers)  # noqa: S310 (download checked the scheme)


def _append(response: http.client.HTTPResponse, part: PartialFile, url: str) -> None:
    if (start := _start(response)) != part.size:
        part.discard()
        if start != 0:
            raise _LostError("the server sent another part of the file than requested")
    part.remember_origin(url, response.headers.get("ETag"))
    total = None if response.length is None else start + response.length
    with _megabytes(url_file_name(url), total, done=part.size) as show:
        # read1 returns what has arrived, so that nothing is lost when the connection breaks.
        while piece := response.read1(_MEGABYTE):
            part.append(piece)
            show(part.size)
    if total is not None and part.size != total:
        raise _LostError(f"the connection ended after {part.size:,} of {total:,} bytes")


def _start(response: http.client.HTTPResponse) -> int | None:
    """Return the position of the body's first byte in the file; None for a partial response without a position."""
    if response.status != _PARTIAL_CONTENT:
        return 0
    named = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(named[1]) if named else None


@contextlib.contextmanager
def _megabytes(title: str, total: int | None, *, done: int) -> Iterator[Callable[[int], None]]:
    """Show the progress in megabytes if the total is known, and yield a function that takes the received bytes."""
    if total is None:
        yield _show_nothing
        return
    shown = done // _MEGABYTE
    with progress(title, math.ceil(total / _MEGABYTE), unit="MB", done=shown) as advance:

        def show(size: int) -> None:
            nonlocal shown
            reached = math.ceil(size / _MEGABYTE) if size == total else size // _MEGABYTE
            if reached > shown:
                advance(reached - shown)
                shown = reached

        yield show


def _show_nothing(size: int) -> None:
    pass
