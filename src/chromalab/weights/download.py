"""Fetching a weight file over HTTP: never believed before its SHA-256 was checked."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import math
from typing import TYPE_CHECKING
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

from chromalab import __version__
from chromalab.core.errors import UsageError
from chromalab.core.files import explain_write_errors
from chromalab.core.progress import progress
from chromalab.weights.errors import DamagedWeightsError, DownloadError

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.core.progress import Advance

TIMEOUT_S = 30.0
"""How long a server may stay silent."""

_CHUNK_BYTES = 1_000_000


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
    """
    return unquote(urlsplit(url).path).rpartition("/")[2]


def download(url: str, path: Path, *, sha256: str) -> None:
    """Fetch `url` into the file `path`, showing progress; proxies are taken from the usual environment variables.

    Args:
        url: http or https.
        path: the file to write; after an error it may hold a part, so let it be a temporary one.
        sha256: what the bytes must hash to.

    Raises:
        UsageError: the URL is of another scheme.
        DownloadError: the server can't be reached, refuses, or ends too early.
        DamagedWeightsError: the bytes have another hash.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise UsageError(f"{url}: only http and https URLs can be fetched")
    request = Request(url, headers={"User-Agent": f"chromalab/{__version__}"})  # noqa: S310 (checked above)
    try:
        with _web_opener().open(request, timeout=TIMEOUT_S) as response:
            found = _copy(response, path, url)
    except HTTPError as error:
        raise DownloadError(f"{url}: the server answers {error.code} {error.reason}") from error
    except (URLError, OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url} can't be fetched: {getattr(error, 'reason', None) or error}") from error
    if found != sha256:
        raise DamagedWeightsError(f"{url} has SHA-256 {found}, and {sha256} was expected: nothing of it was kept")


def _web_opener() -> OpenerDirector:
    """Return urllib's opener with proxies, without its ways to files and FTP: a redirection could lead there."""
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


def _copy(response: http.client.HTTPResponse, path: Path, url: str) -> str:
    """Copy the body to `path` in pieces of a megabyte and return its SHA-256."""
    length = response.length
    digest, received = hashlib.sha256(), 0
    with _megabytes(url_file_name(url), length) as advance:
        while chunk := response.read(_CHUNK_BYTES):
            # Only writing is explained as such: a failing read is the server's fault.
            with explain_write_errors(path), path.open("ab") as file:
                file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            advance()
    if length is not None and received != length:
        raise DownloadError(f"{url}: the connection ended after {received:,} of {length:,} bytes; try again")
    return digest.hexdigest()


def _megabytes(title: str, length: int | None) -> contextlib.AbstractContextManager[Advance]:
    """Show progress in megabytes where the server says how many there will be."""
    if length is None:
        return contextlib.nullcontext(_advance_nothing)
    return progress(title, math.ceil(length / _CHUNK_BYTES), unit="MB")


def _advance_nothing(items: int = 1, *, note: str = "") -> None:
    pass
