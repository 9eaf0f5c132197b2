"""Asking web servers: which URLs are asked, and in which ways."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    UnknownHandler,
)

from chromalab.core.errors import UsageError


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
