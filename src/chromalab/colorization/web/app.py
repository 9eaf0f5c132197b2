"""The HTTP API and the page."""

from __future__ import annotations

import json
import tempfile
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware

from chromalab.colorization.engine import Engine
from chromalab.colorization.hints import Hint
from chromalab.colorization.options import Options
from chromalab.colorization.web.limits import BodyLimit, SameOrigin, SecureHeaders
from chromalab.colorization.web.queue import CancelledError, OutOfTimeError, QueueFullError, WorkQueue
from chromalab.colorization.web.work import Answer, before_of, colorize_upload, known_suffix, preview_upload
from chromalab.core.errors import ChromalabError, UsageError
from chromalab.photo._vips import VipsError
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.version import __version__
from chromalab.weights.colorizers import find_colorizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from chromalab.colorization.web.queue import Ticket
    from chromalab.colorization.web.settings import ServerSettings

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]", "testserver")
PREVIEW_PX = 1200
_GONE = 499
_CHUNK = 1 << 20

Kind = Literal["jpeg", "png", "tiff", "webp", "avif"]


def create_app(settings: ServerSettings) -> FastAPI:
    """Return the server's application.

    Raises:
        UsageError: a model is not there or can't be loaded.
    """
    engines = load_engines(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix="chromalab-") as folder:
            app.state.folder = Path(folder)
            app.state.queue = WorkQueue(settings.workers, settings.queue, settings.timeout_s)
            # Uploads are spooled by the form's parser, which asks Python where temporary files belong.
            before, tempfile.tempdir = tempfile.tempdir, folder
            try:
                yield
            finally:
                tempfile.tempdir = before
                app.state.queue.close()

    app = FastAPI(
        title="chromalab",
        version=__version__,
        summary="Photographs in color: lightness kept, colors inferred.",
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
    """Return the models that clients may choose from, by name, the default first."""
    engines: dict[str, Engine] = {}
    for model in settings.models:
        engine = Engine(find_colorizer(model), threads=1)
        if engine.spec.name in engines:
            raise UsageError(f"two models are called {engine.spec.name}: change `name` in the record of one")
        engines[engine.spec.name] = engine
    return engines


def _add_errors(app: FastAPI) -> None:
    def answer(status: int, headers: dict[str, str] | None = None) -> Callable[[Request, Exception], JSONResponse]:
        def handle(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - FastAPI's signature
            detail = (
                f"the photo can't be read: {error.reason}" if isinstance(error, UnreadablePhotoError) else str(error)
            )
            return JSONResponse({"detail": detail}, status, headers)

        return handle

    statuses: list[tuple[type[Exception], int, dict[str, str] | None]] = [
        (QueueFullError, 503, {"Retry-After": "5"}),
        (OutOfTimeError, 504, None),
        (CancelledError, _GONE, None),
        (UnreadablePhotoError, 422, None),
        (UsageError, 422, None),
        (ChromalabError, 500, None),
    ]
    for kind, status, headers in statuses:
        app.add_exception_handler(kind, answer(status, headers))

    def damaged(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        return JSONResponse({"detail": "the photo can't be read: it is cut off or damaged"}, 422)

    app.add_exception_handler(VipsError, damaged)


def _add_pages(app: FastAPI) -> None:
    static = resources.files("chromalab.colorization.web") / "static"

    @app.get("/", include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse((static / "index.html").read_text(encoding="utf-8"))

    @app.get("/static/{name}", include_in_schema=False)
    def asset(name: Literal["page.css", "page.js"]) -> Response:
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response((static / name).read_text(encoding="utf-8"), media_type=f"{kind}; charset=utf-8")

    @app.get("/v1/health", summary="Whether the server works, and how busy it is.")
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

    @app.get("/v1/models", summary="The models to choose from, the default first.")
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
            200: {"content": {"image/*": {}}, "description": "The photo in color; facts in the header X-Chromalab."},
            413: {"description": "The upload is too large."},
            422: {"description": "No photo, or options that don't fit."},
            503: {"description": "Too many photos wait."},
            504: {"description": "Not done in time."},
        },
        summary="Colorize a photo.",
    )
    async def colorize(
        request: Request,
        file: Annotated[UploadFile, File(description="The photo.")],
        model: Annotated[str | None, Form(description="A name of /v1/models.")] = None,
        saturation: Annotated[float, Form(ge=0, le=4)] = 1.0,
        warmth: Annotated[float, Form(ge=-50, le=50)] = 0.0,
        keep_tone: Annotated[bool, Form()] = False,  # noqa: FBT002 - fields of a form
        hints: Annotated[
            str, Form(description='JSON: [{"x": 50, "y": 20, "unit": "percent", "color": "#8a2b2b"}]')
        ] = "[]",
        sample: Annotated[int | None, Form(ge=0, description="One of the plausible versions.")] = None,
        format: Annotated[Kind | None, Form(description="Of the result; as a rule the photo's own.")] = None,  # noqa: A002
        quality: Annotated[int, Form(ge=1, le=100)] = 92,
        preview: Annotated[bool, Form(description="A reduced copy as JPEG, to look at.")] = False,  # noqa: FBT002
    ) -> Response:
        engine = _chosen(request, model, versions=sample is not None)
        settings: ServerSettings = request.app.state.settings
        options = Options(
            saturation=saturation, warmth=warmth, keep_tone=keep_tone, hints=read_hints(hints), sample=sample
        )

        def work(upload: Path, ticket: Ticket) -> Answer:
            if preview:
                return preview_upload(
                    engine, upload, options, ticket, side_px=PREVIEW_PX, max_pixels=settings.max_pixels
                )
            return colorize_upload(
                engine, upload, options, ticket, kind=format, quality=quality, max_pixels=settings.max_pixels
            )

        answer = await _queued(request, file, work)
        headers = {
            "X-Chromalab": json.dumps(answer.facts),
            "Content-Disposition": f'inline; filename="colorized{answer.suffix}"',
            "Cache-Control": "no-store",
        }
        return Response(answer.data, media_type=answer.media_type, headers=headers)

    @app.post("/v1/grey", response_class=Response, summary="The photo without color, reduced, as JPEG: for browsers.")
    async def grey(request: Request, file: Annotated[UploadFile, File(description="The photo.")]) -> Response:
        settings: ServerSettings = request.app.state.settings

        def work(upload: Path, ticket: Ticket) -> Answer:
            ticket.check()
            data = before_of(upload, side_px=PREVIEW_PX, max_pixels=settings.max_pixels)
            return Answer(data, "image/jpeg", ".jpg", {})

        answer = await _queued(request, file, work)
        return Response(answer.data, media_type=answer.media_type, headers={"Cache-Control": "no-store"})


async def _queued(request: Request, file: UploadFile, work: Callable[[Path, Ticket], Answer]) -> Answer:
    """Put an upload into the server's folder, wait for its turn, and take it away again."""
    queue: WorkQueue = request.app.state.queue
    settings: ServerSettings = request.app.state.settings
    with tempfile.TemporaryDirectory(dir=request.app.state.folder, ignore_cleanup_errors=True) as folder:
        upload = Path(folder) / f"upload{known_suffix(file.filename or '')}"
        await run_in_threadpool(_store, file, upload, settings.max_bytes)

        def in_turn(ticket: Ticket) -> Answer:
            return work(upload, ticket)

        return await queue.run(in_turn, request.is_disconnected)


def _store(file: UploadFile, path: Path, max_bytes: int) -> None:
    size = 0
    with path.open("wb") as target:
        while chunk := file.file.read(_CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise HTTPException(413, f"the photo is larger than {max_bytes / 1e6:g} MB")
            target.write(chunk)


def _chosen(request: Request, model: str | None, *, versions: bool) -> Engine:
    """Return the engine of a name; without one the first, or for versions the first that gives them."""
    engines: dict[str, Engine] = request.app.state.engines
    if model is None:
        first = next(iter(engines.values()))
        return next((engine for engine in engines.values() if versions and engine.gives_bins), first)
    if model not in engines:
        raise HTTPException(422, f"there is no model '{model}' here; there are {', '.join(engines)}")
    return engines[model]


def read_hints(text: str) -> list[Hint]:
    """Return the hints of a request.

    Raises:
        ConfigError: the text is no list of hints.
    """
    try:
        entries = json.loads(text)
    except ValueError:
        raise HTTPException(422, "hints: not JSON") from None
    if not isinstance(entries, list) or len(entries) > 500:
        raise HTTPException(422, "hints: expected a list of at most 500")
    return [Hint.parse(entry, origin=f"hint {number}") for number, entry in enumerate(entries, start=1)]
