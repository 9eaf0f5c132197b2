"""Participation through the server, with failures at every step."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import event, func, select

from chromalab.colorization.web import http
from chromalab.core.errors import UsageError
from chromalab.survey.database import Participant, Vote
from chromalab.survey.server.app import create_app, run_server
from chromalab.survey.server.state import ServerSettings, Survey
from tests.survey.surveys import METHODS, SCREEN, Visitor, client_of, make_survey, rows

pytestmark = pytest.mark.slow
STATIC = [path.name for path in (resources.files("chromalab.survey.server") / "static").iterdir()]


def test_a_whole_participation(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, screening=True, vigilance=0.2, repeats=0.2)
    with client_of(folder) as client:
        person = Visitor(client)
        assert person.state["stage"] == "consent"
        assert "Questions" in person.state["text"]
        person.begin()
        assert person.state["practice"]
        seen = 0
        while person.state["stage"] == "trials":
            assert person.get("/api/state") == person.state  # a reload at any step shows the same
            for url in [*person.state["images"].values(), *person.state["preload"]]:
                picture = client.get(url)
                assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
            person.vote("right")
            seen += 1
        assert seen == 1 + 6 + 3 + 1  # never fewer than three attention checks
        assert person.state["stage"] == "finished"
        assert person.state["code"] is None  # anyone can join an open survey
    assert len(rows(folder, Vote)) == seen
    (participant,) = rows(folder, Participant)
    assert participant.screening["errors"] == 4
    assert participant.consent_version == "1"


@pytest.mark.parametrize(
    "plan",
    [
        {"protocol": "pairwise", "display_ms": 500},
        {"protocol": "pairwise", "display_ms": 500, "true": True},
        {"protocol": "real_or_fake", "display_ms": 500, "true": True},
        {"protocol": "rating", "display_ms": 500},
        {"protocol": "rating", "display_ms": 500, "true": True},
        {"protocol": "rating", "form": "slider"},
        {"protocol": "rank_order", "repeats": 0.25},
        {"protocol": "rank_order", "true": True},
    ],
    ids=str,
)
def test_no_byte_reveals_the_method(tmp_path: Path, plan: dict[str, Any]) -> None:
    """Crawl everything that a browser gets: names, sizes, headers, and the right answer."""
    protocol = plan["protocol"]
    folder, record = make_survey(
        tmp_path, **{"trials": 4, "practice": 1, "vigilance": 0.25, "size_px": 64, "screening": True, **plan}
    )
    names = [
        *METHODS,
        "truth",
        "random",
        "damaged",
        "vigilance",
        "repeat",
        *(f for s in record.scenes for f in s.stimuli.values()),
        "scene",
    ]
    with client_of(folder) as client:
        answers = [client.get(path) for path in ("/", "/api/info", *(f"/static/{name}" for name in STATIC))]
        person = Visitor(client)
        for path, body in (
            ("/api/consent", {"agreed": True, "sha256": person.state["sha256"]}),
            ("/api/screening", {"answers": [""] * 5}),
            ("/api/begin", SCREEN),
        ):
            answers.append(person.post(path, body))
        person.state = answers[-1].json()
        while person.state["stage"] == "trials":
            pictures = [client.get(url) for url in person.state["images"].values()]
            assert len({len(picture.content) for picture in pictures}) == 1
            for picture in pictures:
                assert picture.headers["cache-control"] == "no-store"
                assert not {"etag", "last-modified", "content-disposition"} & set(picture.headers)
            answers += pictures
            answer = person.post("/api/vote", person.body(person.choice))
            answers.append(answer)
            data = answer.json()
            assert ("feedback" in data) == (protocol == "real_or_fake" and person.state["practice"])
            person.state = data["state"]
    tokens = {url for a in answers if "json" in a.headers["content-type"] for url in re.findall(r"/i/[\w-]+", a.text)}
    assert len(tokens) == sum(1 for a in answers if a.headers["content-type"] == "image/png")
    for answer in answers:
        text = (
            answer.text if "image" not in answer.headers["content-type"] else answer.content.decode("latin1")
        ) + str(answer.headers)
        page = "/static/" in str(answer.url) or str(answer.url).endswith("/")
        for name in names:
            if not page:  # the page's own code has words such as "repeat"
                assert name not in text, (name, answer.url)
        assert not any(method in text for method in METHODS)


@pytest.mark.parametrize("text", ["\0", "\ud800", "a\0b"])
def test_texts_that_no_database_stores_are_malformed(tmp_path: Path, text: str) -> None:
    folder, _ = make_survey(tmp_path)
    escaped = "".join(f"%{byte:02x}" for byte in text.encode(errors="surrogatepass"))
    with client_of(folder) as client:
        person = Visitor(client).begin()
        body = json.dumps(person.body() | {"trial": text})
        headers = {**person.headers, "Content-Type": "application/json"}
        assert client.post("/api/vote", content=body, headers=headers).status_code == 400
        body = json.dumps({"language": "en", "screen": SCREEN, "params": {text: text}, "invitation": text})
        assert client.post("/api/join", content=body, headers=headers).status_code == 400
        for path in ("/i/", "/s/", "/api/texts/", "/researcher/setup?token="):
            assert client.get(path + escaped).status_code == 400


def test_half_open_connections_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_S", 0.3)
    folder, _ = make_survey(tmp_path)
    app = create_app(ServerSettings(folder=str(folder)))
    with http.listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", http=http.TimedProtocol))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            for part in (b"", b"GET / HT", b"POST /api/join HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"):
                with socket.create_connection(listener.getsockname(), timeout=20) as connection:
                    connection.sendall(part)
                    with contextlib.suppress(ConnectionResetError):
                        assert connection.recv(10) == b""
            with socket.create_connection(listener.getsockname(), timeout=20) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(15) == b"HTTP/1.1 200 OK"
        finally:
            server.should_exit = True
            thread.join()


def test_an_answer_is_not_acknowledged_if_the_database_is_full(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder) as client:
        person = Visitor(client).begin()
        engine = client.app.state.survey.database.engine  # type: ignore[attr-defined]

        @event.listens_for(engine, "checkout")
        def no_room(connection: Any, *_: object) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages}")

        refused, stored = None, 0
        while person.state["stage"] == "trials":
            answer = person.post("/api/vote", person.body(flags=["zoom"]))
            if answer.status_code == 503:
                refused = answer
                break
            stored += 1
            person.state = answer.json()["state"]
            if person.state["stage"] == "finished":
                person = Visitor(client)
                break
        while refused is None:  # people keep coming until the file may not grow any more
            answer = client.post("/api/join", json={"language": "en", "screen": SCREEN})
            if answer.status_code == 503:
                refused = answer
        assert refused.headers["retry-after"] == "2"
        event.remove(engine, "checkout", no_room)
    assert len(rows(folder, Vote)) == stored


def test_requests_from_one_address_are_limited(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder, joins_per_minute=3) as client:
        statuses = [client.post("/api/join", json={"language": "en", "screen": SCREEN}).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


def test_headers(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder) as client:
        for path in ("/", "/researcher/login", "/api/info"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
        assert client.post("/api/join", content=b"x" * 50_000).status_code == 413


def test_a_survey_without_votes_table(tmp_path: Path) -> None:
    survey_count = select(func.count()).select_from(Vote)
    folder, _ = make_survey(tmp_path)
    survey = Survey(ServerSettings(folder=str(folder)))
    with survey.database.read() as connection:
        assert connection.scalar(survey_count) == 0
    survey.close()


def test_a_wrong_host_name_is_refused_before_the_start(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    settings = ServerSettings(folder=str(folder), hosts=["*nas"])
    with pytest.raises(UsageError, match=r"'\*nas' is not a host name"):
        run_server(settings, "127.0.0.1", 0, workers=1, proxies="127.0.0.1")
