"""A web server on this machine that serves one file, well or in the ways that servers and networks fail."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Asked(NamedTuple):
    """What a client asked for."""

    path: str
    range: str | None
    if_range: str | None


@dataclass
class Site:
    """One file, under every path.

    Attributes:
        content: its bytes.
        etag: how the server calls its state.
        answers: what to do with the next requests, one each; after them the file is served as RFC 9110 wants.
        asked: the requests so far.
        connected: hosts that were asked for with CONNECT, as of a proxy.
    """

    content: bytes
    etag: str | None = None
    answers: deque[Callable[[Answer], None]] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    @property
    def ranges(self) -> list[str | None]:
        """The Range of every request so far."""
        return [asked.range for asked in self.asked]


class Answer(BaseHTTPRequestHandler):
    """One request."""

    site: Site

    def do_GET(self) -> None:
        self.site.asked.append(Asked(self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        answer = self.site.answers.popleft() if self.site.answers else serve
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a client may go
            answer(self)

    def do_CONNECT(self) -> None:
        self.site.connected.append(self.path)
        self.send_error(407)

    def send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if self.site.etag:
            self.send_header("ETag", self.site.etag)
        self.end_headers()
        self.wfile.write(body)

    def start(self) -> int:
        """Return where the client wants the answer to start."""
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        return int(wanted[1]) if wanted and condition in {None, self.site.etag} else 0

    def log_message(self, *args: object) -> None:
        """Stay silent."""


def serve(answer: Answer) -> None:
    """Answer as RFC 9110 wants."""
    serve_until(answer, None)


def cut(after: int) -> Callable[[Answer], None]:
    """Return an answer that promises everything and ends after so many bytes of the file."""
    return lambda answer: serve_until(answer, after)


def serve_until(answer: Answer, end: int | None) -> None:
    content, start = answer.site.content, answer.start()
    length = {"Content-Length": str(len(content) - start)}
    if not start:
        answer.send(200, length, content[:end])
    elif start >= len(content):
        answer.send(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
    else:
        place = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        answer.send(206, length | place, content[start:end])


def ignore_range(answer: Answer) -> None:
    answer.send(200, {"Content-Length": str(len(answer.site.content))}, answer.site.content)


def unsized(answer: Answer) -> None:
    answer.send(200, {}, answer.site.content)


def status(code: int, **headers: str) -> Callable[[Answer], None]:
    return lambda answer: answer.send(code, {"Content-Length": "0"} | headers)


def other_part(answer: Answer) -> None:
    """Answer with a part that nobody asked for."""
    content = answer.site.content
    place = {"Content-Range": f"bytes 1-{len(content) - 1}/{len(content)}"}
    answer.send(206, {"Content-Length": str(len(content) - 1)} | place, content[1:])


def unnamed_part(answer: Answer) -> None:
    """Answer with a part and don't say which."""
    content, start = answer.site.content, answer.start()
    answer.send(206, {"Content-Length": str(len(content) - start)}, content[start:])


def silent(after: int) -> Callable[[Answer], None]:
    """Return an answer that falls silent after so many bytes."""

    def answer_and_wait(answer: Answer) -> None:
        answer.send(200, {"Content-Length": str(len(answer.site.content))}, answer.site.content[:after])
        answer.wfile.flush()
        answer.site.release.wait(10)

    return answer_and_wait


def drop(answer: Answer) -> None:
    """Close the connection without a word."""
    answer.close_connection = True


@contextlib.contextmanager
def served(content: bytes) -> Iterator[Site]:
    """Serve a file while the block runs."""
    site = Site(content)
    handler = type("Handler", (Answer,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}"
        yield site
        site.release.set()
        server.shutdown()
        thread.join()
