"""The web server: its settings, the HTTP API and the page."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import uvicorn
from fastapi import FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from chromalab.colorization.engine import Engine
from chromalab.colorization.hints import MOST_HINTS, Hint
from chromalab.colorization.options import Options
from chromalab.colorization.web.http import (
    ALL_INTERFACES,
    CONTENT_POLICY,
    BodyLimit,
    SameOrigin,
    SecureHeaders,
    check_hosts,
    listening,
    local_address,
)
from chromalab.colorization.web.queue import CancelledError, OutOfTimeError, QueueFullError, WorkQueue
from chromalab.colorization.web.uploads import Result, colorize_upload, gray_upload, known_suffix, preview_upload
from chromalab.core.errors import ChromalabError, UsageError
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.version import __version__
from chromalab.weights.colorizers import find_colorizer, shipped_models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Scope

    from chromalab.colorization.web.queue import Ticket
    from chromalab.colorization.web.settings import ServerSettings

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]", "testserver")
PREVIEW_PX = 2048
_CLIENT_CLOSED_REQUEST = 499
_CHUNK_BYTES = 1 << 20

BROWSER_APP = Path(__file__).parent / "app"
"""The app that colorizes in the visitor's browser; wheels contain it."""

STATIC = Path(__file__).parent / "static"
"""The page: `index.html` and the modules, messages and styles that it shares with the app."""

_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".json": "text/javascript", ".svg": "image/svg+xml"}
_APP_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
    + "; worker-src 'self'; manifest-src 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}

_REFUSALS: dict[int | str, dict[str, Any]] = {
    413: {"description": "The upload is too large."},
    422: {"description": "The file is not a readable photo, or a field is invalid: `detail` says which and why."},
    503: {"description": "Too many photos are waiting."},
    504: {"description": "The photo was not finished in time."},
}

Kind = Literal["jpeg", "png", "tiff", "webp", "avif"]


def run_server(settings: ServerSettings, host: str, port: int) -> None:
    """Serve until interrupted.

    Raises:
        UsageError: the address is in use or does not belong to this machine, a model cannot be loaded, or a host name
            is wrong.
    """
    app = create_app(settings)
    with listening(host, port) as listener:
        sys.stderr.write(f"chromalab is at {local_address(host, listener.getsockname()[1])}/ (stop with Ctrl-C)\n")
        if host in ALL_INTERFACES and not settings.hosts:
            sys.stderr.write("other machines are refused: name this machine as they know it with --allow-host\n")
        sys.stderr.flush()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", server_header=False))
        server.run(sockets=[listener])


def create_app(settings: ServerSettings) -> FastAPI:
    """Return the server's application.

    Raises:
        UsageError: a model is missing or cannot be loaded, or a host name is wrong.
    """
    check_hosts(settings.hosts)
    engines = load_engines(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix="chromalab-") as folder:
            app.state.folder = Path(folder)
            app.state.queue = WorkQueue(settings.workers, settings.queue, settings.timeout_s)
            # The form parser stores uploads in Python's default folder for temporary files.
            before, tempfile.tempdir = tempfile.tempdir, folder
            try:
                yield
            finally:
                tempfile.tempdir = before
                app.state.queue.close()

    app = FastAPI(
        title="chromalab",
        version=__version__,
        summary="Colorizes photographs: the lightness stays, the colors are inferred.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.engines, app.state.settings = engines, settings
    app.add_middleware(BodyLimit, max_bytes=settings.max_bytes + 100_000)
    app.add_middleware(SecureHeaders)
    app.add_middleware(SameOrigin)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL_HOSTS, *settings.hosts])
    _add_errors(app)
    _add_pages(app)
    _add_api(app)
    return app


def load_engines(settings: ServerSettings) -> dict[str, Engine]:
    """Return the models that clients can choose, by name, the default first."""
    engines: dict[str, Engine] = {}
    for model in settings.models:
        engine = Engine(find_colorizer(model), threads=1)
        if engine.spec.name in engines:
            raise UsageError(f"two models are named {engine.spec.name}: change `name` in the record of one of them")
        engines[engine.spec.name] = engine
    return engines


def _add_errors(app: FastAPI) -> None:
    def responder(status: int, headers: dict[str, str] | None) -> Callable[[Request, Exception], JSONResponse]:
        def handle(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - FastAPI's signature
            detail = (
                f"the photo can't be read: {error.reason}" if isinstance(error, UnreadablePhotoError) else str(error)
            )
            return JSONResponse({"detail": detail}, status, headers)

        return handle

    statuses: list[tuple[type[Exception], int, dict[str, str] | None]] = [
        (QueueFullError, 503, {"Retry-After": "5"}),
        (OutOfTimeError, 504, None),
        (CancelledError, _CLIENT_CLOSED_REQUEST, None),
        (UnreadablePhotoError, 422, None),
        (UsageError, 422, None),
        (ChromalabError, 500, None),
    ]
    for kind, status, headers in statuses:
        app.add_exception_handler(kind, responder(status, headers))
    app.add_exception_handler(RequestValidationError, _refuse_fields)


def _refuse_fields(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - FastAPI's signature
    """Name the wrong fields in one line, as every other refusal does."""
    faults = error.errors() if isinstance(error, RequestValidationError) else ()
    lines = [f"{fault['loc'][-1]}: {fault['msg'][0].lower()}{fault['msg'][1:]}" for fault in faults]
    return JSONResponse({"detail": "; ".join(lines)}, 422)


class BrowserApp(StaticFiles):
    """The files of the app, and the package's models and icon in place of copies of them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with the headers that let the app use several threads."""
        original = _original_of(Path(path))
        found = await super().get_response(path, scope) if original is None else FileResponse(original)
        found.headers.update(_APP_HEADERS)
        return found


def _original_of(path: Path) -> Path | None:
    """Return the file of the package that a file of the app is a copy of, or None."""
    if path.match("icon-*.svg"):
        return STATIC / "icon.svg"
    model = next((name for name in shipped_models() if path.match(f"{name}-*.onnx")), None)
    return None if model is None else find_colorizer(model).path


def _add_pages(app: FastAPI) -> None:
    files = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.suffix in _MEDIA_TYPES}
    if BROWSER_APP.is_dir():
        app.mount("/app", BrowserApp(directory=BROWSER_APP, html=True))

    @app.get("/", include_in_schema=False)
    def page() -> HTMLResponse:
        text = (STATIC / "index.html").read_text(encoding="utf-8")
        if BROWSER_APP.is_dir():
            text = text.replace('class="app-link" hidden', 'class="app-link"')
        return HTMLResponse(text)

    @app.get("/static/{name:path}", include_in_schema=False)
    def asset(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        path = files[name]
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":  # as a module, because not all browsers import JSON
            text = f"export default {text}"
        return Response(text, media_type=f"{_MEDIA_TYPES[path.suffix]}; charset=utf-8")

    @app.get("/v1/health", summary="State and load of the server.")
    def health(request: Request) -> dict[str, Any]:
        queue: WorkQueue = request.app.state.queue
        return {"status": "ok", "version": __version__, "inside": queue.inside, "workers": queue.workers}

    @app.get("/v1/metrics", response_class=PlainTextResponse, summary="Counters in Prometheus' text format.")
    def metrics(request: Request) -> str:
        queue: WorkQueue = request.app.state.queue
        counts = queue.counts
        results = ("done", "failed", "cancelled", "out_of_time", "refused")
        lines = ["# TYPE chromalab_photos_total counter"]
        lines += [f'chromalab_photos_total{{result="{name}"}} {getattr(counts, name)}' for name in results]
        lines += ["# TYPE chromalab_work_seconds_total counter", f"chromalab_work_seconds_total {counts.seconds:.3f}"]
        lines += ["# TYPE chromalab_photos_inside gauge", f"chromalab_photos_inside {queue.inside}"]
        return "\n".join(lines) + "\n"

    @app.get("/v1/models", summary="Available models, the default first.")
    def models(request: Request) -> list[dict[str, Any]]:
        engines: dict[str, Engine] = request.app.state.engines
        return [
            {
                "name": name,
                "title": engine.spec.title,
                "sha256": engine.file.sha256,
                "license": engine.spec.license,
                "notice": engine.spec.notice,
                "versions": engine.gives_bins,
            }
            for name, engine in engines.items()
        ]


def _add_api(app: FastAPI) -> None:
    @app.post(
        "/v1/colorize",
        response_class=Response,
        responses={
            200: {"content": {"image/*": {}}, "description": "The colorized photo; facts in the header X-Chromalab."},
            **_REFUSALS,
        },
        summary="Colorize a photo.",
    )
    async def colorize(
        request: Request,
        file: Annotated[UploadFile, File(description="The photo.")],
        model: Annotated[str | None, Form(description="Name of a model from /v1/models.")] = None,
        saturation: Annotated[float, Form(ge=0, le=4)] = 1.0,
        warmth: Annotated[float, Form(ge=-50, le=50)] = 0.0,
        keep_tone: Annotated[bool, Form()] = False,  # noqa: FBT002 - fields of a form
        hints: Annotated[
            str, Form(description='JSON: [{"x": 50, "y": 20, "unit": "percent", "color": "#8a2b2b"}]')
        ] = "[]",
        sample: Annotated[int | None, Form(ge=0, description="Index of a plausible version.")] = None,
        format: Annotated[Kind | None, Form(description="File type of the result; default: the photo's.")] = None,  # noqa: A002
        quality: Annotated[int, Form(ge=1, le=100)] = 92,
        preview: Annotated[bool, Form(description="Return a reduced copy as JPEG, for display.")] = False,  # noqa: FBT002
    ) -> Response:
        engine = _chosen(request, model, versions=sample is not None)
        settings: ServerSettings = request.app.state.settings
        options = Options(
            saturation=saturation, warmth=warmth, keep_tone=keep_tone, hints=read_hints(hints), sample=sample
        )

        def work(upload: Path, ticket: Ticket) -> Result:
            if preview:
                return preview_upload(
                    engine, upload, options, ticket, side_px=PREVIEW_PX, max_pixels=settings.max_pixels
                )
            return colorize_upload(
                engine, upload, options, ticket, kind=format, quality=quality, max_pixels=settings.max_pixels
            )

        result = await _queued(request, file, work)
        headers = {
            "X-Chromalab": json.dumps(result.facts),
            "Content-Disposition": f'inline; filename="colorized{result.suffix}"',
            "Cache-Control": "no-store",
        }
        return Response(result.data, media_type=result.media_type, headers=headers)

    @app.post(
        "/v1/grey",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}, "description": "The gray copy."}, **_REFUSALS},
        summary="Return a reduced gray copy of a photo as JPEG.",
    )
    async def grey(request: Request, file: Annotated[UploadFile, File(description="The photo.")]) -> Response:
        settings: ServerSettings = request.app.state.settings

        def work(upload: Path, ticket: Ticket) -> Result:
            return gray_upload(upload, ticket, side_px=PREVIEW_PX, max_pixels=settings.max_pixels)

        result = await _queued(request, file, work)
        return Response(result.data, media_type=result.media_type, headers={"Cache-Control": "no-store"})


async def _queued(request: Request, file: UploadFile, work: Callable[[Path, Ticket], Result]) -> Result:
    """Store an upload in the server's folder, process it in the queue, and delete it."""
    queue: WorkQueue = request.app.state.queue
    settings: ServerSettings = request.app.state.settings
    # Work that runs on after its client has left still needs its photo.
    folder = tempfile.TemporaryDirectory(dir=request.app.state.folder, ignore_cleanup_errors=True)
    upload = Path(folder.name) / f"upload{known_suffix(file.filename or '')}"
    try:
        await run_in_threadpool(_store, file, upload, settings.max_bytes)
    except BaseException:
        folder.cleanup()
        raise
    return await queue.run(lambda ticket: work(upload, ticket), request.is_disconnected, folder.cleanup)


def _store(file: UploadFile, path: Path, max_bytes: int) -> None:
    size = 0
    with path.open("wb") as target:
        while chunk := file.file.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise HTTPException(413, f"the photo is larger than {max_bytes / 1e6:g} MB")
            target.write(chunk)


def _chosen(request: Request, model: str | None, *, versions: bool) -> Engine:
    """Return the named engine; without a name the first, or for versions the first with a distribution."""
    engines: dict[str, Engine] = request.app.state.engines
    if model is None:
        first = next(iter(engines.values()))
        return next((engine for engine in engines.values() if versions and engine.gives_bins), first)
    if model not in engines:
        raise HTTPException(422, f"unknown model '{model}': choose one of {', '.join(engines)}")
    return engines[model]


def read_hints(text: str) -> list[Hint]:
    """Return the hints of a request.

    Raises:
        HTTPException: the text is not a JSON list, or has too many hints.
        ConfigError: an entry is not a hint.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):  # the latter for thousands of brackets
        raise HTTPException(422, "the field hints is not JSON") from None
    if not isinstance(entries, list) or len(entries) > MOST_HINTS:
        raise HTTPException(422, f"the field hints must be a list of at most {MOST_HINTS} hints")
    return [Hint.parse(entry, origin=f"hint {number}") for number, entry in enumerate(entries, start=1)]
