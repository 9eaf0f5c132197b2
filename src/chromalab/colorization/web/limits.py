"""What every request goes through before anything else looks at it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send forms with the origin "null"
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _TooLargeError(Exception):
    """A body grew beyond its limit."""


class BodyLimit:
    """Refuses bodies above a limit: by their declared length, and while they come in where that is a lie."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 413."""
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
            if not too_large:  # who reads the body takes the error for a broken one, and would answer 400
                await send(message)

        with contextlib.suppress(_TooLargeError):
            await self._app(scope, limited, unless_too_large)
        if too_large:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"the upload is larger than {self._max_bytes / 1e6:.3g} MB"
        await JSONResponse({"detail": detail}, 413, {"Connection": "close"})(scope, receive, send)


class SameOrigin:
    """Refuses requests of other sites' pages: they could not read answers, but they could keep the server busy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc != headers.get("host"):
                await JSONResponse({"detail": "requests of other sites are refused"}, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class SecureHeaders:
    """Adds headers that tell a browser what this page may do: nothing beyond this server."""

    def __init__(self, app: ASGIApp, content_policy: str = CONTENT_POLICY) -> None:
        self._app = app
        self._headers = {"Content-Security-Policy": content_policy, **_HEADERS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add the headers to its answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
