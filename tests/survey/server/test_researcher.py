"""The researcher's dashboard: password, progress, invitations, stopping and exports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from chromalab.survey.analysis.analyze import analyze_source
from chromalab.survey.database import Participant, TrialRow, Vote
from chromalab.survey.design import TRUTH
from chromalab.survey.server.researcher import LiveScores, make_setup_token, reset_password
from tests.survey.surveys import SCREEN, Visitor, client_of, join, make_survey, rows

pytestmark = pytest.mark.slow


def researcher(client: TestClient, folder: Path) -> str:
    """Set a password, sign in, and return the page."""
    survey = client.app.state.survey  # type: ignore[attr-defined]
    with survey.database.write() as connection:
        token = make_setup_token(connection)
    password = "a long password"  # noqa: S105 - of a test
    short = client.post("/researcher/setup", data={"token": token, "password": "short"})
    assert short.status_code == 422
    assert client.post("/researcher/setup", data={"token": "x", "password": password}).status_code == 403
    assert client.post("/researcher/setup", data={"token": token, "password": password}).url.path == "/researcher/login"
    assert client.post("/researcher/setup", data={"token": token, "password": password}).status_code == 403
    assert client.post("/researcher/login", data={"password": "wrong"}).status_code == 403
    page = client.post("/researcher/login", data={"password": password})
    assert page.url.path == "/researcher"
    return page.text


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"protocol": "rank_order"}, "rank order, 3 images a trial"),
        ({"protocol": "rating", "form": "slider"}, "rating, slider"),
    ],
    ids=["rank_order", "slider"],
)
def test_the_dashboard_of_every_protocol(tmp_path: Path, plan: dict[str, Any], words: str) -> None:
    folder, _ = make_survey(tmp_path, trials=4, **plan)
    with client_of(folder) as client:
        for _ in range(2):
            person = Visitor(client).begin()
            person.finish(person.choice)
        page = researcher(client, folder)
    assert words in page
    assert "alpha" in page
    assert "mean opinion" in page if plan["protocol"] == "rating" else "log-ability" in page


def test_the_dashboard_while_all_votes_are_on_true_photos(tmp_path: Path) -> None:
    folder, _ = make_survey(
        tmp_path, protocol="real_or_fake", form="yes_no", trials=6, practice=0, display_ms=None,
        stop={"participants": 50},
    )  # fmt: skip
    with client_of(folder) as client:
        for _ in range(30):
            person = Visitor(client).begin()
            first = next(row for row in rows(folder, TrialRow) if row.token == person.state["trial"])
            if first.left == TRUTH:
                break
            person.post("/api/withdraw", {})
        person.vote("real")
        assert "No scored votes yet" in researcher(client, folder)


def test_the_dashboard_counts_who_declined_and_forgets_who_withdrew(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder) as client:
        live = LiveScores(client.app.state.survey)  # type: ignore[attr-defined]
        for _ in range(2):
            Visitor(client).post("/api/withdraw", {})
        gone = Visitor(client).begin().finish()
        (before,) = live.get().raters  # type: ignore[union-attr]
        Visitor(client).begin().finish()
        gone.post("/api/withdraw", {})
        (after,) = live.get().raters  # type: ignore[union-attr]
        page = researcher(client, folder)
    assert before.observer != after.observer
    assert "<dt>declined</dt><dd>2</dd>" in page
    assert "<dt>withdrawn</dt><dd>1</dd>" in page
    assert analyze_source(folder)[0].withdrawn == 1


def test_the_dashboard(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder, logins_per_minute=100) as client:
        assert client.get("/researcher").url.path == "/researcher/login"
        assert client.get("/researcher/votes.csv").status_code == 401
        for choice in ("left", "right", "left"):
            Visitor(client).begin().finish(choice)
        page = researcher(client, folder)
        assert "3 of 30" in page
        assert "alpha" in page
        csrf = re.search(r'name="csrf" value="([^"]+)"', page).group(1)  # type: ignore[union-attr]
        links = client.post("/researcher/invitations", data={"csrf": csrf, "count": 2, "label": "friends"}).text
        tokens = re.findall(r"invitation=([\w-]+)", links)
        assert len(tokens) == 2
        assert Visitor(client, invitation=tokens[0]).key
        Visitor(client, invitation=tokens[0]).begin()  # nobody had consented with it
        used = join(client, invitation=tokens[0])
        assert used.status_code == 403
        assert client.post("/researcher/stop", data={"csrf": "forged"}).status_code == 403
        assert (
            client.post("/researcher/stop", data={"csrf": csrf}, headers={"Origin": "https://evil.example"}).status_code
            == 403
        )
        assert "Stopped" in client.post("/researcher/stop", data={"csrf": csrf}).text
        assert client.post("/api/join", json={"language": "en", "screen": SCREEN}).json()["state"]["stage"] == "full"
        assert "Stopped" not in client.post("/researcher/resume", data={"csrf": csrf}).text
        assert client.get("/researcher/votes.csv").text.count("\n") == 1 + 3 * 7
        assert client.get("/researcher/survey.json").json()["schema_version"] == 1
        gone = rows(folder, Participant)[0].id
        assert gone in client.get("/researcher").text
        page = client.post("/researcher/delete", data={"csrf": csrf, "participant": gone}).text
        assert gone not in page
        assert gone not in {row.participant_id for row in rows(folder, Vote)}
        assert client.post("/researcher/delete", data={"csrf": "forged", "participant": gone}).status_code == 403
        assert client.post("/researcher/invitations", data={"csrf": csrf, "count": 1, "label": "\0"}).status_code == 400
        client.post("/researcher/forget", data={"csrf": csrf})
        cookie = next(iter(client.cookies.jar))
        assert cookie.has_nonstandard_attr("HttpOnly")
        client.post("/researcher/logout", data={"csrf": csrf})
        assert client.get("/researcher").url.path == "/researcher/login"


def test_a_forgotten_password_is_replaced(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder, logins_per_minute=100) as client:
        researcher(client, folder)
        assert client.get("/researcher").url.path == "/researcher"
        with client.app.state.survey.database.write() as connection:  # type: ignore[attr-defined]
            reset_password(connection)
        assert client.get("/researcher").url.path == "/researcher/login"
        assert client.post("/researcher/login", data={"password": "a long password"}).status_code == 403
        researcher(client, folder)
