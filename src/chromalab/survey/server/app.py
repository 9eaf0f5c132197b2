"""The web application of a survey, and the process that serves it."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import unquote_to_bytes

import uvicorn
from fastapi import BackgroundTasks, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import Field, FiniteFloat
from starlette.middleware.trustedhost import TrustedHostMiddleware

from chromalab.colorization.web.http import (
    BodyLimit,
    SameOrigin,
    SecureHeaders,
    TimedProtocol,
    check_hosts,
    listening,
    local_address,
)
from chromalab.core.errors import UsageError
from chromalab.survey.database import StorageError
from chromalab.survey.security import RateLimit, is_storable
from chromalab.survey.server import answers, color_vision, researcher, sessions, steps
from chromalab.survey.server.admission import LAB_PARAM, SIGNATURE_PARAM, RefusedError, count_request
from chromalab.survey.server.answers import Answer  # noqa: TC001 - FastAPI reads it at run time
from chromalab.survey.server.pages import known_languages, texts
from chromalab.survey.server.researcher import make_setup_token, reset_password
from chromalab.survey.server.sessions import Body, Join, Screen
from chromalab.survey.server.state import TRUSTS_TIMES, ServerSettings, Survey, check_stopping_rule
from chromalab.survey.server.viewing import Measurement  # noqa: TC001 - FastAPI reads it at run time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]", "testserver")
ENVIRONMENT = "CHROMALAB_SURVEY_SERVER"
MAX_BODY_BYTES = 20_000
MAX_CONNECTIONS = 2_000
"""Simultaneous connections of a process; further requests get status 503."""

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
CROWDED = "too many participants joined from your address; please try again in a minute"
NO_STORE = {"Cache-Control": "no-store"}

Key = Annotated[str, Header(alias="X-Session", max_length=64)]


class _Consent(Body):
    agreed: bool
    sha256: str = Field(default="", max_length=64)


class _Answers(Body):
    answers: dict[Annotated[str, Field(max_length=40)], str | FiniteFloat | None] = Field(max_length=100)


class _Language(Body):
    language: str = Field(max_length=10)


class _Leave(Body):
    reason: Literal["device", "window"]


class _Screening(Body):
    answers: list[Annotated[str, Field(max_length=10)]] = Field(max_length=20)


def from_environment() -> FastAPI:
    """Create the application from the settings in the environment variable set by the parent process."""
    return create_app(ServerSettings.model_validate_json(os.environ[ENVIRONMENT]))


def create_app(settings: ServerSettings) -> FastAPI:
    """Create the application of a survey.

    Raises:
        UsageError: the folder holds no survey, or a newer version wrote the database.
        StorageError: the database cannot be reached.
    """
    survey = Survey(settings)
    for language in survey.record.design.languages:
        texts(language)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001 - Starlette's signature
        yield
        survey.close()

    app = FastAPI(title="survey", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.survey = survey
    app.state.joins = RateLimit(settings.joins_per_minute)
    app.state.consents = RateLimit(settings.joins_per_minute)
    app.state.logins = RateLimit(settings.logins_per_minute)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(StorableAddress)
    app.add_middleware(SecureHeaders, content_policy=CONTENT_POLICY)
    app.add_middleware(SameOrigin)
    if settings.hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL_HOSTS, *settings.hosts])
    _add_errors(app)
    _add_pages(app, survey)
    _add_steps(app, survey)
    _add_questions(app, survey)
    _add_trials(app, survey)
    researcher.add_routes(app, survey)
    return app


class StorableAddress:
    """Refuses addresses with NUL characters or text that is not UTF-8, which no database stores."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or respond with 400."""
        if scope["type"] == "http":
            address = unquote_to_bytes(scope.get("raw_path", b"") + b"?" + scope.get("query_string", b""))
            try:
                fits = is_storable(address.decode())
            except UnicodeDecodeError:
                fits = False
            if not fits:
                await JSONResponse({"detail": "the request is malformed"}, 400, NO_STORE)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _add_errors(app: FastAPI) -> None:
    def refused(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - FastAPI's signature
        status, word = (error.status, error.word) if isinstance(error, RefusedError) else (500, "")
        return JSONResponse({"detail": str(error), "word": word}, status, NO_STORE)

    def unavailable(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        return JSONResponse(
            {"detail": "the answer cannot be stored at the moment; please try again"},
            503,
            {**NO_STORE, "Retry-After": "2"},
        )

    def malformed(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        return JSONResponse({"detail": "the request is malformed"}, 400, NO_STORE)

    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(StorageError, unavailable)
    app.add_exception_handler(RequestValidationError, malformed)


@cache
def _static(name: str) -> bytes:
    return (resources.files("chromalab.survey.server") / "static" / name).read_bytes()


def _add_pages(app: FastAPI, survey: Survey) -> None:
    names = {path.name for path in (resources.files("chromalab.survey.server") / "static").iterdir()}

    def page() -> HTMLResponse:
        return HTMLResponse(_static("index.html"), headers=NO_STORE)

    app.add_api_route("/", page, methods=["GET"])
    app.add_api_route("/s/{key}", page, methods=["GET"])

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in names:
            raise RefusedError(404, "there is no such file")
        kind = _TYPES.get(os.path.splitext(name)[1], "application/octet-stream")  # noqa: PTH122 - a URL's part
        return Response(_static(name), media_type=kind, headers={"Cache-Control": "no-cache"})

    @app.get("/api/info")
    def info() -> dict[str, Any]:
        design = survey.record.design
        recruited = design.recruitment
        return {
            "title": design.title,
            "languages": {code: texts(code)["language_name"] for code in design.languages},
            "params": [
                recruited.participant_param,
                recruited.study_param,
                recruited.session_param,
                SIGNATURE_PARAM,
                LAB_PARAM,
            ],
            "access": design.access,
        }

    @app.get("/api/texts/{language}")
    def translation(language: str) -> dict[str, str]:
        if language not in known_languages():
            raise RefusedError(404, "there is no such translation")
        return {name: text for name, text in texts(language).items() if name != "consent_text"}

    @app.get("/screening/{seed}/{place}.png")
    def screening_image(seed: int, place: int) -> Response:
        if not (0 <= seed < color_vision.SETS and 0 <= place < len(color_vision.KINDS)):
            raise RefusedError(404, "there is no such screening image")
        return Response(color_vision.screening_png(seed, place), media_type="image/png", headers=NO_STORE)

    @app.get("/i/{token}")
    def image(token: str) -> Response:
        return Response(answers.stimulus(survey, token), media_type="image/png", headers=NO_STORE)


def _add_steps(app: FastAPI, survey: Survey) -> None:
    @app.post("/api/join")
    def join(body: Join, request: Request) -> JSONResponse:
        count_request(app.state.joins, request, CROWDED, "refused_often")
        return JSONResponse(sessions.join(survey, body), headers=NO_STORE)

    @app.get("/api/state")
    def state(key: Key) -> JSONResponse:
        return JSONResponse(steps.state_of(survey, key), headers=NO_STORE)

    @app.post("/api/language")
    def language(body: _Language, key: Key) -> JSONResponse:
        return JSONResponse(steps.set_language(survey, key, body.language), headers=NO_STORE)

    @app.get("/api/data")
    def data(key: Key) -> JSONResponse:
        headers = {**NO_STORE, "Content-Disposition": 'attachment; filename="my-data.json"'}
        return JSONResponse(sessions.own_data(survey, key), headers=headers)

    @app.post("/api/consent")
    def consent(body: _Consent, key: Key, request: Request) -> JSONResponse:
        count_request(app.state.consents, request, CROWDED, "refused_often")
        found = steps.consent(survey, key, agreed=body.agreed, sha256=body.sha256)
        return JSONResponse(found, headers=NO_STORE)


def _add_questions(app: FastAPI, survey: Survey) -> None:
    @app.post("/api/answers")
    def questions(body: _Answers, key: Key, later: BackgroundTasks) -> JSONResponse:
        found = steps.answer_questions(survey, key, body.answers)
        if found["stage"] == "finished":
            later.add_task(check_stopping_rule, survey)
        return JSONResponse(found, headers=NO_STORE, background=later)

    @app.post("/api/screening")
    def screening(body: _Screening, key: Key) -> JSONResponse:
        return JSONResponse(steps.screening(survey, key, body.answers), headers=NO_STORE)

    @app.post("/api/viewing")
    def viewing(body: Measurement, key: Key) -> JSONResponse:
        return JSONResponse(steps.measure(survey, key, body), headers=NO_STORE)

    @app.post("/api/viewing/end")
    def end_viewing(key: Key) -> JSONResponse:
        return JSONResponse(steps.end_viewing(survey, key), headers=NO_STORE)


def _add_trials(app: FastAPI, survey: Survey) -> None:
    @app.post("/api/begin")
    def begin(body: Screen, key: Key) -> JSONResponse:
        return JSONResponse(steps.begin(survey, key, body), headers=NO_STORE)

    @app.post("/api/leave")
    def leave(body: _Leave, key: Key) -> JSONResponse:
        return JSONResponse(steps.leave(survey, key, body.reason), headers=NO_STORE)

    @app.post("/api/vote")
    def vote(body: Answer, key: Key, later: BackgroundTasks) -> JSONResponse:
        found = answers.answer(survey, key, body)
        if found["state"]["stage"] == "finished" and not found["again"]:
            later.add_task(check_stopping_rule, survey)
        return JSONResponse(found, headers=NO_STORE, background=later)

    @app.post("/api/withdraw")
    def withdraw(key: Key) -> JSONResponse:
        sessions.withdraw(survey, key)
        return JSONResponse({"stage": "withdrawn"}, headers=NO_STORE)


def run_server(
    settings: ServerSettings, host: str, port: int, *, workers: int, proxies: str, new_password: bool = False
) -> None:
    """Serve a survey until interrupted.

    Args:
        settings: settings of the server.
        host: address to listen on.
        port: port to listen on; 0 takes any free port.
        workers: number of processes; more than one needs PostgreSQL.
        proxies: addresses of proxies whose X-Forwarded headers are trusted.
        new_password: whether to delete the researcher's password, so that a new one can be set.

    Raises:
        UsageError: the folder holds no survey, the address is in use, a host name is wrong, or several workers share
            SQLite.
        ConfigError: a stimulus was replaced.
        StorageError: the database cannot be reached.
    """
    if workers > 1 and settings.database is None:
        raise UsageError(f"{workers} workers need PostgreSQL; give --database postgresql://...")
    check_hosts(settings.hosts)
    settings = settings.model_copy(update={"trusts_times": os.environ.get(TRUSTS_TIMES) == "1"})
    survey = Survey(settings)
    survey.folder.check_stimuli(survey.record)
    for fault in survey.faults:
        sys.stderr.write(f"warning: {fault}\n")
    with survey.database.write() as connection:
        if new_password:
            reset_password(connection)
        token = make_setup_token(connection)
    survey.close()
    with listening(host, port) as listener:
        address = settings.public_url or local_address(host, listener.getsockname()[1])
        sys.stderr.write(f"the survey is at {address}/ (stop with Ctrl-C)\n")
        sys.stderr.write(
            f"researcher: set a password once at {address}/researcher/setup?token={token}\n"
            if token
            else f"researcher: {address}/researcher\n"
        )
        sys.stderr.flush()
        os.environ[ENVIRONMENT] = settings.model_dump_json()
        config = uvicorn.Config(
            "chromalab.survey.server.app:from_environment" if workers > 1 else create_app(settings),
            factory=workers > 1, workers=workers, access_log=False, log_level="warning", server_header=False,
            date_header=False, proxy_headers=True, forwarded_allow_ips=proxies, timeout_graceful_shutdown=5,
            http=TimedProtocol, limit_concurrency=MAX_CONNECTIONS,
        )  # fmt: skip
        if workers > 1:
            from uvicorn.supervisors import Multiprocess  # noqa: PLC0415 - one process has no supervisor

            Multiprocess(config, sockets=[listener]).run()
        else:
            uvicorn.Server(config).run(sockets=[listener])
