"""Parts of HTTP servers, shared with the survey: middleware that limits requests, and the listening socket."""

from __future__ import annotations

import contextlib
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h11
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
ALL_INTERFACES = ("0.0.0.0", "::")  # noqa: S104
"""Addresses to listen on that no browser can open."""

_HOST = re.compile(r"\*|(\*\.)?[^\s*/:@?#\[\]]+|\[[^\s\[\]]+\]")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # under no-referrer, browsers submit forms with the origin "null"
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _TooLargeError(Exception):
    """A request body exceeds its limit."""


class BodyLimit:
    """Refuses bodies above a limit, by their declared length and, if that is wrong, while they are received."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or respond with 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._max_bytes:
            await self._refuse(scope, receive, send)
            return
        taken, too_large = 0, False

        async def limited() -> Message:
            nonlocal taken, too_large
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_bytes:
                too_large = True
                raise _TooLargeError
            return message

        async def unless_too_large(message: Message) -> None:
            if not too_large:  # the app treats the interrupted body as malformed and would respond with 400
                await send(message)

        with contextlib.suppress(_TooLargeError):
            await self._app(scope, limited, unless_too_large)
        if too_large:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"the upload is larger than {self._max_bytes / 1e6:.3g} MB"
        await JSONResponse({"detail": detail}, 413, {"Connection": "close"})(scope, receive, send)


class SameOrigin:
    """Refuses requests from pages of other sites, which cannot read responses but could keep the server busy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or respond with 403."""
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and _host_of(origin) != headers.get("host"):
                await JSONResponse({"detail": "requests from other sites are refused"}, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _host_of(origin: str) -> str:
    """Return the host and port of an address; empty if it is not valid."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


class SecureHeaders:
    """Adds headers that restrict the page to this server."""

    def __init__(self, app: ASGIApp, content_policy: str = CONTENT_POLICY) -> None:
        self._app = app
        self._headers = {"Content-Security-Policy": content_policy, **_HEADERS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its response."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


REQUEST_S = 20.0
"""Seconds in which a whole request must arrive."""


class TimedProtocol(H11Protocol):
    """HTTP/1.1 that closes connections whose request stays incomplete, so that half-open ones do not pile up."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first request."""
        super().connection_made(transport)
        self._expect_rest()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self._expect_rest()
        else:
            self._expect_nothing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect_rest(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _expect_nothing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def local_address(host: str, port: int) -> str:
    """Return the address at which a browser on this machine finds a server that listens on `host`.

    >>> local_address("0.0.0.0", 8000)
    'http://localhost:8000'
    >>> local_address("::1", 8000)
    'http://[::1]:8000'
    """
    shown = "localhost" if host in ALL_INTERFACES else in_brackets(host)
    return f"http://{shown}:{port}"


def in_brackets(host: str) -> str:
    """Return a host as addresses and the header Host write it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def check_hosts(names: Sequence[str]) -> None:
    """Check names of this machine, to which a server answers.

    Raises:
        UsageError: one is not a host name, or has a `*` that is not alone or the first label.
    """
    for name in names:
        if not _HOST.fullmatch(name):
            raise UsageError(
                f"'{name}' is not a host name: write it without scheme, port and path, such as nas.local, or "
                "*.example.com for every name below example.com"
            )


def listening(host: str, port: int) -> socket.socket:
    """Return a listening socket; clients that connect before the application is ready wait and are not refused.

    Raises:
        UsageError: the address is in use or does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's algorithm only if TCP is named; otherwise each response would wait 40 ms for the client.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(f"can't listen on {host} port {port}: {error.strerror}; choose another --port") from error
    return listener
