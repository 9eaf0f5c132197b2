"""The researcher's dashboard: progress, live scores, invitations, stopping and exports."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import jinja2
from fastapi import Cookie, FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import AfterValidator
from sqlalchemy import delete, func, insert, select, update

from chromalab.core.errors import ChromalabError
from chromalab.survey.analysis.analyze import analyze, labeled_votes
from chromalab.survey.database import (
    PASSWORD,
    SETUP,
    STOPPED,
    Invitation,
    Login,
    Participant,
    Registration,
    Setting,
    Vote,
    Withdrawal,
    add_invitations,
    count_withdrawn,
    put_setting,
    setting,
)
from chromalab.survey.participants import people_of
from chromalab.survey.security import hash_password, is_storable, new_token, password_fits, sha256_text
from chromalab.survey.server.admission import RefusedError, count_request, participant_link
from chromalab.survey.server.sessions import delete_person
from chromalab.survey.server.state import STEPS, screened_for
from chromalab.survey.transfer import export_json
from chromalab.survey.votes import votes_of_database
from chromalab.survey.votes_csv import votes_text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chromalab.survey.analysis.records import SurveyAnalysis
    from chromalab.survey.server.state import Survey

COOKIE = "chromalab_researcher"
SESSION_HOURS = 12
MIN_PASSWORD = 10
MAX_INVITATIONS = 1000
LIVE_DRAWS = 200
LIVE_SECONDS = 20.0
_HEADERS = {"Cache-Control": "no-store"}

Session = Annotated[str | None, Cookie(alias=COOKIE)]
Csrf = Annotated[str, Form(max_length=128)]


@dataclass(frozen=True)
class Opened:
    """A login session of the researcher."""

    token: str
    csrf: str


class LiveScores:
    """Current scores, recomputed at most every 20 s, or after someone has left, with fewer bootstrap draws."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._lock = threading.Lock()
        self._made = -LIVE_SECONDS
        self._withdrawals = -1
        self._scored: object = None
        self._found: SurveyAnalysis | None = None

    def get(self) -> SurveyAnalysis | None:
        """Return the scores, or None without scored votes."""
        with self._lock:
            with self._survey.database.read() as connection:
                withdrawals = connection.scalar(select(func.count()).select_from(Withdrawal)) or 0
            if withdrawals != self._withdrawals or time.monotonic() - self._made >= LIVE_SECONDS:
                self._withdrawals = withdrawals
                votes = votes_of_database(self._survey.database)
                scored = (withdrawals, len(votes), sum(bool(vote.finished) for vote in votes))
                if scored != self._scored:
                    self._found = self._score(votes)
                    self._scored = scored
                self._made = time.monotonic()
            return self._found

    def _score(self, votes: list[Any]) -> SurveyAnalysis | None:
        design = self._survey.record.design
        plan = design.analysis.model_copy(update={"draws": LIVE_DRAWS, "prior_sd": design.analysis.prior_sd or 3.0})
        try:
            return analyze(design.model_copy(update={"analysis": plan}), self._survey.record.methods, votes)
        except ChromalabError:
            return None


def make_setup_token(connection: Connection) -> str | None:
    """Return a token to set the password once, or None if there is a password."""
    if setting(connection, PASSWORD) is not None:
        return None
    token = new_token()
    put_setting(connection, SETUP, sha256_text(token))
    return token


def reset_password(connection: Connection) -> None:
    """Delete the password and end all of the researcher's sessions, so that a new password can be set once."""
    connection.execute(delete(Setting).where(Setting.name == PASSWORD))
    connection.execute(delete(Login))


class Pages:
    """Templates and login sessions shared by the researcher's routes."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.live = LiveScores(survey)
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("chromalab.survey.server"), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters["when"] = _when

    def page(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a filled-in template."""
        text = self._templates.get_template(name).render(title=self.survey.record.design.title, **values)
        return HTMLResponse(text, status, _HEADERS)

    def opened(self, session: str | None) -> Opened:
        """Return the login session, or raise RefusedError."""
        found = _session(self.survey, session)
        if found is None:
            raise RefusedError(401, "please sign in at /researcher/login")
        return found

    def changing(self, session: str | None, csrf: str) -> None:
        """Refuse forms without the CSRF token of this session."""
        if not secrets.compare_digest(self.opened(session).csrf, csrf):
            raise RefusedError(403, "this form has expired; please reload the page")

    def base(self, request: Request) -> str:
        """Return the public address of the server."""
        return self.survey.settings.public_url or str(request.base_url).rstrip("/")


def add_routes(app: FastAPI, survey: Survey) -> None:
    """Add the researcher's pages to the application."""
    pages = Pages(survey)
    _add_setup(app, pages)
    _add_login(app, pages)
    _add_dashboard(app, pages)
    _add_changes(app, pages)
    _add_downloads(app, pages)


def _add_setup(app: FastAPI, pages: Pages) -> None:
    survey = pages.survey

    @app.get("/researcher/setup")
    def setup_form(token: str = "") -> HTMLResponse:
        return pages.page("setup.html", token=token, fault="", least=MIN_PASSWORD)

    @app.post("/researcher/setup")
    def setup(
        request: Request, token: Annotated[str, Form(max_length=64)], password: Annotated[str, Form(max_length=200)]
    ) -> Response:
        _count_attempt(app, request)
        if len(password) < MIN_PASSWORD:
            return pages.page(
                "setup.html",
                422,
                token=token,
                fault=f"The password needs at least {MIN_PASSWORD} characters.",
                least=MIN_PASSWORD,
            )
        with survey.database.write() as connection:
            stored = setting(connection, SETUP)
            if stored is None or not secrets.compare_digest(stored, sha256_text(token)):
                return pages.page(
                    "setup.html",
                    403,
                    token="",
                    fault="This link was already used or replaced by a newer one.",
                    least=MIN_PASSWORD,
                )
            put_setting(connection, PASSWORD, hash_password(password))
            connection.execute(delete(Setting).where(Setting.name == SETUP))
            connection.execute(delete(Login))
        return RedirectResponse("/researcher/login", 303)


def _add_login(app: FastAPI, pages: Pages) -> None:
    survey = pages.survey

    @app.get("/researcher/login")
    def login_form() -> HTMLResponse:
        return pages.page("login.html", fault="")

    @app.post("/researcher/login")
    def login(request: Request, password: Annotated[str, Form(max_length=200)]) -> Response:
        _count_attempt(app, request)
        with survey.database.read() as connection:
            stored = setting(connection, PASSWORD)
        if stored is None or not password_fits(password, stored):
            return pages.page("login.html", 403, fault="The password is incorrect.")
        token = new_token()
        with survey.database.write() as connection:
            connection.execute(delete(Login).where(Login.expires_at < time.time()))
            connection.execute(
                insert(Login).values(
                    token_sha256=sha256_text(token), csrf=new_token(), expires_at=time.time() + SESSION_HOURS * 3600
                )
            )
        answer = RedirectResponse("/researcher", 303)
        answer.set_cookie(
            COOKIE, token, max_age=SESSION_HOURS * 3600, httponly=True, samesite="strict", path="/researcher",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return answer

    @app.post("/researcher/logout")
    def logout(csrf: Csrf, session: Session = None) -> Response:
        pages.changing(session, csrf)
        with survey.database.write() as connection:
            connection.execute(delete(Login).where(Login.token_sha256 == sha256_text(session or "")))
        return RedirectResponse("/researcher/login", 303)


def _add_dashboard(app: FastAPI, pages: Pages) -> None:
    survey = pages.survey

    @app.get("/researcher")
    def dashboard(request: Request, session: Session = None) -> Response:
        found = _session(survey, session)
        if found is None:
            return RedirectResponse("/researcher/login", 303)
        base = pages.base(request)
        return pages.page(
            "dashboard.html", csrf=found.csrf, link=participant_link(survey.record.design, survey.secret, base),
            design=survey.record.design, record=survey.record, people=people_of(survey.database)[::-1],
            scores=pages.live.get(), **_progress(survey),
        )  # fmt: skip

    @app.post("/researcher/invitations")
    def invitations(
        request: Request,
        csrf: Csrf,
        count: Annotated[int, Form(ge=1, le=MAX_INVITATIONS)],
        label: Annotated[str, Form(max_length=200), AfterValidator(_storable)] = "",
        session: Session = None,
    ) -> HTMLResponse:
        pages.changing(session, csrf)
        base = pages.base(request)
        with survey.database.write() as connection:
            tokens = add_invitations(connection, count, label)
        return pages.page("invitations.html", links=[f"{base}/?invitation={token}" for token in tokens], label=label)


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("the text has characters that cannot be stored")
    return text


def _add_changes(app: FastAPI, pages: Pages) -> None:
    survey = pages.survey

    @app.post("/researcher/delete")
    def delete_one(
        csrf: Csrf, participant: Annotated[str, Form(pattern="^[0-9a-f]{16}$")], session: Session = None
    ) -> Response:
        pages.changing(session, csrf)
        with survey.database.write() as connection:
            person = connection.execute(select(Participant.__table__).where(Participant.id == participant)).first()
            if person is not None:
                delete_person(connection, person)
        survey.database.erase_deleted()
        return RedirectResponse("/researcher#participants", 303)

    @app.post("/researcher/stop")
    def stop(csrf: Csrf, session: Session = None) -> Response:
        pages.changing(session, csrf)
        with survey.database.write() as connection:
            put_setting(connection, STOPPED, "by the researcher")
        return RedirectResponse("/researcher", 303)

    @app.post("/researcher/resume")
    def resume(csrf: Csrf, session: Session = None) -> Response:
        pages.changing(session, csrf)
        with survey.database.write() as connection:
            connection.execute(delete(Setting).where(Setting.name == STOPPED))
        return RedirectResponse("/researcher", 303)

    @app.post("/researcher/forget")
    def forget(csrf: Csrf, session: Session = None) -> Response:
        pages.changing(session, csrf)
        with survey.database.write() as connection:
            connection.execute(
                update(Participant).values(
                    platform_salt=None, platform_sha256=None, platform_study=None, platform_session=None
                )
            )
        return RedirectResponse("/researcher", 303)


def _add_downloads(app: FastAPI, pages: Pages) -> None:
    survey = pages.survey

    @app.get("/researcher/votes.csv")
    def csv_file(session: Session = None) -> Response:
        pages.opened(session)
        votes = labeled_votes(survey.record.design, survey.record.methods, votes_of_database(survey.database))
        return _download(votes_text(votes), "text/csv; charset=utf-8", "votes.csv")

    @app.get("/researcher/survey.json")
    def json_file(session: Session = None) -> Response:
        pages.opened(session)
        return _download(export_json(survey.record, survey.database), "application/json", "survey.json")


def _download(text: str, kind: str, name: str) -> Response:
    return Response(
        text, media_type=kind, headers={**_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    )


def _count_attempt(app: FastAPI, request: Request) -> None:
    count_request(app.state.logins, request, "too many attempts; please try again in a minute")


def _session(survey: Survey, token: str | None) -> Opened | None:
    if not token:
        return None
    with survey.database.read() as connection:
        csrf = connection.scalar(
            select(Login.csrf).where(Login.token_sha256 == sha256_text(token), Login.expires_at > time.time())
        )
    return None if csrf is None else Opened(token, csrf)


def _progress(survey: Survey) -> dict[str, Any]:
    now = time.time()
    with survey.database.read() as connection:
        stages = {
            str(stage): int(count)
            for stage, count in connection.execute(
                select(Participant.stage, func.count())
                .where(Participant.stage != "consent")
                .group_by(Participant.stage)
            )
        }
        active = connection.scalar(
            select(func.count())
            .select_from(Participant)
            .where(Participant.stage.in_(STEPS[1:-1]), Participant.lease_until > now)
        )
        out = sum(count for stage, count in stages.items() if screened_for(stage))
        withdrawn, declined = count_withdrawn(connection)
        return {
            "stages": stages,
            "active": active or 0,
            "screened_out": out,
            "abandoned": sum(stages.values()) - stages.get("finished", 0) - (active or 0) - out,
            "votes": connection.scalar(select(func.count()).select_from(Vote)) or 0,
            "last_vote": connection.scalar(select(func.max(Vote.received_at))),
            "withdrawn": withdrawn,
            "declined": declined,
            "invited": connection.scalar(select(func.count()).select_from(Invitation)) or 0,
            "used": connection.scalar(
                select(func.count()).select_from(Invitation).where(Invitation.participant_id.is_not(None))
            ) or 0,
            "stopped": setting(connection, STOPPED),
            "registrations": list(connection.execute(
                select(Registration.at, Registration.sha256, Registration.changes, Registration.votes_before)
                .order_by(Registration.id)
            )),
        }  # fmt: skip


def _when(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    from datetime import datetime  # noqa: PLC0415 - only pages need it

    return datetime.fromtimestamp(seconds, tz=ZoneInfo("UTC")).strftime("%Y-%m-%d %H:%M UTC")
