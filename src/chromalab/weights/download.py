"""Download of weight files over HTTP: resumed after a break, and checked by SHA-256 before use.

A partial file lies in the weights folder under the hash that the whole file must have. Every download of these bytes
continues it, from whichever server.
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
"""How long a server may stay silent."""

TRIES = 5
"""How often in a row a connection may be lost without a megabyte won."""

PAUSE_S = 1.0
"""How long to wait before the second try; twice as long before each further one."""

_MEGABYTE = 1_000_000
_PARTIAL_CONTENT = 206
_TOO_MANY_REQUESTS = 429
_RANGE_NOT_SATISFIABLE = 416
_SERVER_ERROR = 500


def is_url(source: str) -> bool:
    """Return whether `source` is a URL, of whatever scheme, and not a path.

    >>> is_url("https://example.org/vgg16.pth"), is_url("weights/vgg16.pth")
    (True, False)
    """
    return "://" in source


def url_file_name(url: str) -> str:
    """Return the last part of a URL's path.

    >>> url_file_name("https://example.org/a/vgg16.pth?download=true")
    'vgg16.pth'

    Raises:
        UsageError: it is not an http or https URL.
    """
    return unquote(urlsplit(require_web_url(url)).path).rpartition("/")[2]


def require_web_url(url: str) -> str:
    """Return `url` if it is one of http or https.

    Raises:
        UsageError: it is of another scheme, or no URL at all.
    """
    try:
        known = urlsplit(url).scheme in {"http", "https"} and url.isascii()
    except ValueError:  # brackets that hold no IPv6 address
        known = False
    if not known:
        raise UsageError(f"{url}: only http and https URLs can be fetched, written in ASCII")
    return url


def web_opener() -> OpenerDirector:
    """Return urllib's opener with proxies, without its ways to files and FTP: a redirection could lead there.

    Proxies are taken from the usual environment variables: http_proxy, https_proxy, all_proxy, no_proxy.
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


class _LostError(Exception):
    """The connection was lost on the way; another try goes on from there."""


def download(url: str, part: PartialFile) -> None:
    """Fetch what is missing of a file from `url`, showing progress; afterwards all of it is there.

    Args:
        url: http or https; proxies are taken from the usual environment variables.
        part: what is there so far. After an error it holds what came, to go on from; after a wrong hash nothing.

    Raises:
        UsageError: the URL is of another scheme.
        DownloadError: the server can't be reached, refuses, or is lost again and again.
        DamagedWeightsError: the bytes have another hash.
        OutputError: the part can't be written.
    """
    require_web_url(url)
    found = part.digest()
    if found == part.sha256:
        return
    for _ in range(2 if part.size else 1):  # old bytes may be what is wrong: without them once more
        _receive_all(url, part)
        found = part.digest()
        if found == part.sha256:
            return
        part.discard()
    raise DamagedWeightsError(f"{url} has SHA-256 {found}, and {part.sha256} was expected: nothing of it was kept")


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
            sys.stderr.write(f"{url_file_name(url)}: {error}; going on, try {tries + 1} of {TRIES}\n")
            time.sleep(PAUSE_S * 2 ** (tries - 1))
        else:
            return


def _given_up(url: str, part: PartialFile, reason: str) -> str:
    kept = f"; {part.size:,} bytes of it are kept, the same command goes on from there" if part.size else ""
    return f"{url} can't be fetched: {reason}, {TRIES} times in a row{kept}"


def _receive(url: str, part: PartialFile, *, first: bool) -> None:
    """Ask once for what is missing, and append what comes.

    Raises:
        DownloadError: another try would end alike.
        _LostError: another try may go on from here.
    """
    try:
        with web_opener().open(_request(url, part), timeout=TIMEOUT_S) as response:
            _append(response, part, url)
    except HTTPError as error:
        error.close()
        if error.code != _RANGE_NOT_SATISFIABLE or not part.size:  # else nothing is missing, as the server sees it
            raise _refusal(url, error) from error
    except (URLError, http.client.InvalidURL) as error:
        reason = getattr(error, "reason", error)
        if first:  # without a network, or at a wrong address, nobody should have to wait
            raise DownloadError(f"{url} can't be fetched: {reason}") from error
        raise _LostError(str(reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _LostError(str(error) or type(error).__name__) from error


def _refusal(url: str, error: HTTPError) -> Exception:
    answer = f"the server answers {error.code} {error.reason}"
    passing = error.code >= _SERVER_ERROR or error.code == _TOO_MANY_REQUESTS
    return _LostError(answer) if passing else DownloadError(f"{url}: {answer}")


def _request(url: str, part: PartialFile) -> Request:
    """RFC 9110, 14.2 and 13.1.5: the bytes from here on, but all of them if the file has changed meanwhile."""
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
            raise _LostError("the server answers with another part of the file than was asked for")
    part.remember_origin(url, response.headers.get("ETag"))
    total = None if response.length is None else start + response.length
    with _megabytes(url_file_name(url), total, done=part.size) as show:
        # read1, not read: it gives what there is, so that nothing is lost when the connection breaks.
        while piece := response.read1(_MEGABYTE):
            part.append(piece)
            show(part.size)
    if total is not None and part.size != total:
        raise _LostError(f"the connection ended after {part.size:,} of {total:,} bytes")


def _start(response: http.client.HTTPResponse) -> int | None:
    """Return the place of the body's first byte in the file; None where a part of it comes that isn't named."""
    if response.status != _PARTIAL_CONTENT:
        return 0
    named = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(named[1]) if named else None


@contextlib.contextmanager
def _megabytes(title: str, total: int | None, *, done: int) -> Iterator[Callable[[int], None]]:
    """Show how many megabytes are there, if the server says how many there will be; the block calls with bytes."""
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
