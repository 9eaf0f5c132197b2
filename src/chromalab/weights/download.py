"""Fetching a weight file over HTTP: gone on with after a break, never believed before its SHA-256 was checked."""

from __future__ import annotations

import contextlib
import http.client
import math
import re
import sys
import time
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.request import Request

from chromalab.core.progress import progress
from chromalab.version import __version__
from chromalab.weights.errors import DamagedWeightsError, DownloadError
from chromalab.weights.web import require_web_url, url_file_name, web_opener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chromalab.weights.partial import PartialFile

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
