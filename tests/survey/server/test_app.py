"""Participation through the server, with failures at every step."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import uvicorn
import yaml
from fastapi.testclient import TestClient
from sqlalchemy import event, func, select, update

import chromalab.survey
from chromalab.colorization.web import http
from chromalab.survey.adaptive import Tally, choose_pair
from chromalab.survey.analysis.analyze import analyze, analyze_source
from chromalab.survey.analysis.raters import label_exclusions, report_raters
from chromalab.survey.database import Image, Participant, Registration, TrialRow, Vote, Withdrawal, interim_looks
from chromalab.survey.folder import SurveyFolder
from chromalab.survey.links import participant_links
from chromalab.survey.schedule import seeded
from chromalab.survey.server.answers import Answer, answer
from chromalab.survey.server.app import create_app
from chromalab.survey.server.researcher import make_setup_token, reset_password
from chromalab.survey.server.sessions import known_languages, texts
from chromalab.survey.server.state import ServerSettings, Survey, check_stopping_rule, count_votes
from chromalab.survey.server.trials import trial_of
from chromalab.survey.votes import by_observer, votes_of_database
from chromalab.survey.votes_csv import read_votes, votes_text
from tests.survey.surveys import METHODS, SCREEN, Visitor, client_of, make_survey

pytestmark = pytest.mark.slow
LOCALES = Path(chromalab.survey.__file__).parent / "server" / "locales"
PROLIFIC_ID = "5f0a1b2c3d4e5f6a7b8c9d0e"


ONE_LOOK: dict[str, Any] = {
    "stop": {"rule": "precision", "participants": 50, "half_width": 50.0, "looks": [2]},
    "analysis": {"draws": 100},
    "exclusions": {"side_p": 0.0},
}
"""A design that one look at two participants stops."""


def join(client: TestClient, **body: Any) -> Any:
    return client.post("/api/join", json={"language": "en", "screen": SCREEN, **body})


def rows(folder: Path, table: Any) -> list[Any]:
    survey = Survey(ServerSettings(folder=str(folder)))
    with survey.database.read() as connection:
        found = list(connection.execute(select(table.__table__)))
    survey.close()
    return found


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


def test_a_resent_answer_and_a_conflicting_answer(tmp_path: Path) -> None:
    """A dropped response is sent again: the first answer counts once. A second tab gets a conflict."""
    folder, _ = make_survey(tmp_path)
    with client_of(folder) as client:
        person = Visitor(client).begin()
        body, state = person.body("left"), dict(person.state)
        first = person.post("/api/vote", body)
        again = person.post("/api/vote", body)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json()["again"]
        assert again.json()["state"] == first.json()["state"]
        other = person.post("/api/vote", {**body, "uuid": str(uuid.uuid4()), "choice": "right"})
        assert other.status_code == 409
        assert "second tab" in other.json()["detail"]
        reused = {**body, "trial": first.json()["state"]["trial"]}
        assert person.post("/api/vote", reused).status_code == 409
        assert client.get(state["images"]["left"]).status_code == 410  # its trial is over
    (vote,) = rows(folder, Vote)
    assert vote.choice == "left"


def test_forged_swapped_and_early_tokens_are_refused(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder) as client:
        one, two = Visitor(client).begin(), Visitor(client).begin()
        assert two.post("/api/vote", one.body()).status_code == 403
        assert one.post("/api/vote", one.body() | {"trial": "A" * 22}).status_code == 403
        assert client.get("/i/" + "A" * 22).status_code == 404
        assert client.get("/api/state", headers={"X-Session": "forged"}).status_code == 401
        assert client.get("/api/state").status_code == 400
        later = [row for row in rows(folder, TrialRow) if row.participant_id != ""][3]
        owner = one if any(row.token == later.token for row in rows(folder, TrialRow)[:7]) else two
        assert owner.post("/api/vote", owner.body() | {"trial": later.token}).status_code == 409
        assert one.post("/api/vote", one.body("tie")).status_code == 422
        assert one.post("/api/vote", one.body() | {"method": "alpha"}).status_code == 400
        assert one.post("/api/begin", SCREEN).status_code == 409
    assert rows(folder, Vote) == []


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
        answers = [
            client.get(path)
            for path in ("/", "/static/survey.js", "/static/viewing.js", "/static/survey.css", "/api/info")
        ]
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


@pytest.mark.parametrize(
    ("plan", "wrong", "right"),
    [
        ({"protocol": "rank_order"}, ["12", "1233", "124", "1234", "left", "ab", "1,2,3", "\uff11\uff12\uff13"], "312"),
        ({"protocol": "rating", "form": "slider"}, ["50", "101/100", "-1/100", "007/100", "5/10", "5.5/100"], "0/100"),
    ],
    ids=["rank_order", "slider"],
)
def test_answers_are_checked(tmp_path: Path, plan: dict[str, Any], wrong: list[str], right: str) -> None:
    folder, _ = make_survey(tmp_path, **plan)
    with client_of(folder) as client:
        person = Visitor(client).begin()
        for choice in wrong:
            answer = person.post("/api/vote", person.body(choice))
            assert answer.status_code == 400, choice
        body = person.body(right)
        assert person.post("/api/vote", body).status_code == 200
        assert person.post("/api/vote", body).json()["again"]
        other = person.post("/api/vote", body | {"uuid": str(uuid.uuid4()), "choice": right[::-1]})
        assert other.status_code == 409
    (vote,) = rows(folder, Vote)
    assert vote.choice == right


def test_what_people_used_to_inspect_images_is_exported(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, trials=2, practice=0, inspect=["flicker", "zoom"])
    view = {"width": 40, "height": 32, "ratio": 1, "window_width": 900, "window_height": 700, "visible": True}
    with client_of(folder) as client:
        person = Visitor(client).begin()
        assert person.state["inspect"] == ["flicker", "zoom"]
        assert person.post("/api/vote", person.body(view={**view, "switches": -1})).status_code == 400
        person.vote(view={**view, "switches": 7, "zoom": 2})
        person.vote(view=view)
        survey = Survey(ServerSettings(folder=str(folder)))
        votes = votes_of_database(survey.database)
        survey.close()
    assert [(vote.switches, vote.zoom) for vote in votes] == [(7, 2), (None, None)]
    (tmp_path / "v.csv").write_text(votes_text(votes))
    assert read_votes(tmp_path / "v.csv") == votes


def test_a_ranking_is_stored_by_the_names_behind_its_places(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, protocol="rank_order", trials=6, practice=0, repeats=0.5, vigilance=0.5)
    names = {file: name for scene in record.scenes for name, file in scene.stimuli.items()}
    expected = []
    with client_of(folder) as client:
        person = Visitor(client).begin()
        while person.state["stage"] == "trials":
            files = {row.token: row.file for row in rows(folder, Image)}
            shown = [names[files[person.state["images"][place].removeprefix("/i/")]] for place in "123"]
            expected.append((tuple(shown), (shown[1], shown[2], shown[0])))
            person.vote("231")
    survey = Survey(ServerSettings(folder=str(folder)))
    votes = votes_of_database(survey.database)
    survey.close()
    assert [(vote.shown, vote.ranking) for vote in votes] == expected
    assert Counter(vote.kind for vote in votes) == {"test": 6, "repeat": 3, "vigilance": 3}


def test_real_or_fake_gives_feedback_on_practice_trials_only(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, protocol="real_or_fake", trials=4, practice=2, vigilance=0.25)
    with client_of(folder) as client:
        person = Visitor(client).begin()
        first = rows(folder, TrialRow)[0]
        assert person.vote("left")["feedback"] is (first.left == "truth")
        person.finish()
    assert {row.left for row in rows(folder, TrialRow)} <= {"truth", "random", rows(folder, Participant)[0].method}


@pytest.mark.parametrize(
    ("plan", "reasons"),
    [
        ({"protocol": "pairwise"}, {"pair"}),
        ({"protocol": "rating"}, {"true", "damaged"}),
        ({"protocol": "rating", "form": "slider"}, {"true_slider", "damaged_slider"}),
    ],
    ids=["pairwise", "rating", "slider"],
)
def test_practice_on_true_and_damaged_colors_says_why(tmp_path: Path, plan: dict[str, Any], reasons: set[str]) -> None:
    folder, _ = make_survey(tmp_path, practice=2, feedback=True, true=True, trials=4, tie=False, **plan)
    with client_of(folder) as client:
        person = Visitor(client).begin()
        told = [person.answer_known(right=False), person.answer_known()]
        assert [each["feedback"] for each in told] == [False, True]
        assert {each["why"] for each in told} == reasons
        assert all(f"why_{reason}" in texts("en") for reason in reasons)
        assert not {"feedback", "why"} & set(person.vote(person.choice))


@pytest.mark.parametrize("pairs", ["uniform", "adaptive"])
def test_a_practice_is_repeated_once_and_then_decides(tmp_path: Path, pairs: str) -> None:
    folder, record = make_survey(
        tmp_path, pairs=pairs, practice=2, practice_pass=2, feedback=True, true=True, trials=8, repeats=0.25,
        recruitment={"screen_out_url": "https://example.org/out"}, stop={"participants": 3},
    )  # fmt: skip
    with client_of(folder) as client:
        able, slow, unable = (Visitor(client).begin() for _ in range(3))
        able.answer_known(), able.answer_known()
        assert (able.state["number"], able.state["total"], able.state["practice"]) == (3, 12, False)
        for person in (slow, unable):
            person.answer_known(), person.answer_known(right=False)
            assert (person.state["number"], person.state["total"]) == (3, 14)
            assert person.state["practice"]
            assert person.state["again"]
        slow.answer_known(), slow.answer_known()
        assert not slow.state["practice"]
        unable.answer_known(right=False), unable.answer_known()
        assert unable.state["stage"] == "screened"
        assert (unable.state["reason"], unable.state["redirect"]) == ("practice", "https://example.org/out")
        assert unable.get("/api/state") == unable.state
        assert Visitor(client).key is not None  # its place is free
        able.finish(), slow.finish()
        votes = by_observer(votes_of_database(client.app.state.survey.database))  # type: ignore[attr-defined]
        planned = {row.participant_id for row in rows(folder, TrialRow)}
    assert len(votes) == len(planned) == 3
    for mine in votes.values():
        assert [vote.position for vote in mine] == list(range(len(mine)))
        for vote in mine:
            if vote.repeat_of is not None:
                first = mine[vote.repeat_of]
                assert (first.left, first.right, first.scene) == (vote.right, vote.left, vote.scene)
    assert record.design.practice_pass == 2


def test_methods_are_balanced_over_participants(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, protocol="real_or_fake", trials=4, practice=0)
    with client_of(folder) as client:
        for _ in range(6):
            Visitor(client).begin()
    assert sorted(row.method for row in rows(folder, Participant)) == sorted(METHODS * 2)


def test_withdrawal_deletes_all_data(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder) as client:
        gone, stays = Visitor(client, params={"PROLIFIC_PID": PROLIFIC_ID}).begin(), Visitor(client).begin()
        secret = gone.state["trial"]
        gone.vote(), stays.vote()
        picture = gone.state["images"]["left"]
        assert gone.post("/api/withdraw", {}).status_code == 200
        assert client.get("/api/state", headers=gone.headers).status_code == 401
        assert client.get(picture).status_code == 404
        raw = b"".join(path.read_bytes() for path in folder.glob("votes.sqlite*"))
        assert secret.encode() not in raw  # while the server runs, in the write-ahead log neither
        assert PROLIFIC_ID.encode() not in raw
    assert len(rows(folder, Participant)) == len(rows(folder, Vote)) == len(rows(folder, Withdrawal)) == 1
    assert {row.participant_id for row in rows(folder, TrialRow)} == {rows(folder, Participant)[0].id}
    assert len(rows(folder, Image)) == 14


OUT = "https://example.org/out"


@pytest.mark.parametrize(
    ("recruitment", "redirect", "code"),
    [
        ({}, None, None),
        ({"screen_out_url": OUT}, OUT, None),
        ({"screen_out_url": OUT, "declined_url": f"{OUT}/no"}, f"{OUT}/no", None),
        ({"screen_out_url": OUT, "declined_code": "N0THX"}, None, "N0THX"),
    ],
)
def test_declining_consent_stores_nothing(
    tmp_path: Path, recruitment: dict[str, str], redirect: str | None, code: str | None
) -> None:
    folder, _ = make_survey(tmp_path, access="lab", recruitment=recruitment)
    with client_of(folder) as client:
        (link,) = participant_links(folder, "http://x")
        person = Visitor(client, params=dict(parse_qsl(urlsplit(link).query)))
        answer = person.post("/api/consent", {"agreed": False}).json()
        assert answer == {"stage": "declined", "redirect": redirect, "code": code}
    assert rows(folder, Participant) == []


@pytest.mark.parametrize(
    ("recruitment", "stage", "redirect"),
    [({"screened_url": OUT}, "screened", OUT), ({"screen_out_url": OUT}, "instructions", None)],
)
def test_a_failed_screening_that_excludes_ends_the_session_if_there_is_a_way_back(
    tmp_path: Path, recruitment: dict[str, str], stage: str, redirect: str | None
) -> None:
    folder, _ = make_survey(tmp_path, screening=True, exclusions={"screening": True}, recruitment=recruitment)
    with client_of(folder) as client:
        person = Visitor(client)
        person.post("/api/consent", {"agreed": True, "sha256": person.state["sha256"]})
        found = person.post("/api/screening", {"answers": ["1"] * 5}).json()
        assert (found["stage"], found.get("redirect")) == (stage, redirect)
        assert found.get("reason") == ("vision" if redirect else None)
        assert person.post("/api/begin", SCREEN).status_code == (409 if redirect else 200)
        assert person.post("/api/leave", {"reason": "device"}).status_code == 409


def test_failed_attention_checks_without_a_way_of_their_own_end_like_others(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, true=True, vigilance=0.5, access="lab")
    (link,) = participant_links(folder, "http://x")
    with client_of(folder) as client:
        person = Visitor(client, params=dict(parse_qsl(urlsplit(link).query))).begin()
        while person.state["stage"] == "trials":
            person.answer_known(right=False)
        assert person.state["failed"] is False
        assert re.fullmatch(r"[A-Z2-9]{8}", person.state["code"])


def test_recruitment_platforms(tmp_path: Path) -> None:
    folder, _ = make_survey(
        tmp_path, stop={"participants": 1},
        recruitment={
            "completion_url": "https://example.org/done", "full_url": "https://example.org/full", "code": "C0DE",
        },
    )  # fmt: skip
    with client_of(folder) as client:
        params = {"PROLIFIC_PID": PROLIFIC_ID, "STUDY_ID": "s", "SESSION_ID": "t"}
        person = Visitor(client, params=params).begin()
        late = join(client, params={"PROLIFIC_PID": "0" * 24}).json()
        assert late == {"session": None, "state": {"stage": "full", "redirect": "https://example.org/full"}}
        person.vote()
        again = Visitor(client, params=params, session=person.key)  # the link of the platform once more
        assert (again.key, again.state["number"]) == (person.key, 2)
        again.finish()
        assert again.state["redirect"] == "https://example.org/done"
        assert again.state["code"] == "C0DE"
    assert PROLIFIC_ID not in json.dumps([str(row) for row in rows(folder, Participant)])


def test_an_id_without_the_session_takes_nothing_over(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, access="platform")
    params = {"PROLIFIC_PID": PROLIFIC_ID}
    with client_of(folder) as client:
        victim = Visitor(client, params=params).begin()
        victim.vote()
        for session in (None, "", Visitor(client, params={"PROLIFIC_PID": "0" * 24}).key):
            refused = join(client, params=params, session=session)
            assert refused.status_code == 403
            assert "already started" in refused.json()["detail"]
        victim.finish()
    assert len({row.participant_id for row in rows(folder, Vote)}) == 1


def test_an_id_before_consent_blocks_nobody(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, access="platform")
    with client_of(folder) as client:
        join(client, params={"PROLIFIC_PID": PROLIFIC_ID})
        Visitor(client, params={"PROLIFIC_PID": PROLIFIC_ID}).begin().vote()
    assert len(rows(folder, Participant)) == 1


@pytest.mark.parametrize(
    ("param", "value", "saying"),
    [
        ("PROLIFIC_PID", "{{%PROLIFIC_PID%}}", "pass the ID as the URL parameter PROLIFIC_PID"),
        ("workerId", "${e://Field/workerId}", "did not replace ${e://Field/workerId}"),
        ("PROLIFIC_PID", "p1", "not a participant ID of Prolific"),
        ("workerId", "b0", "not a participant ID of Amazon Mechanical Turk"),
        ("PROLIFIC_PID", None, "no ID of the recruitment platform"),
        ("PROLIFIC_PID", "p\0", "malformed"),
    ],
)
def test_ids_that_no_platform_gives_are_refused(tmp_path: Path, param: str, value: str | None, saying: str) -> None:
    folder, _ = make_survey(tmp_path, access="platform", recruitment={"participant_param": param})
    with client_of(folder) as client:
        refused = join(client, params={} if value is None else {param: value})
        assert refused.status_code == (403 if value is None else 400)
        assert saying in refused.json()["detail"]
        assert refused.json().get("word", "refused_id") == "refused_id"
    assert rows(folder, Participant) == []


def test_signed_links_continue_on_another_device(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, access="platform", recruitment={"signed": True})
    (tmp_path / "ids.txt").write_text(f"{PROLIFIC_ID}\n{'1' * 24}\n")
    first, second = participant_links(folder, "http://x", ids=tmp_path / "ids.txt")
    params, other = (dict(parse_qsl(urlsplit(link).query)) for link in (first, second))
    with client_of(folder) as client:
        person = Visitor(client, params=params).begin()
        person.vote()
        assert Visitor(client, params=params).state["number"] == 2
        assert join(client, params={"PROLIFIC_PID": PROLIFIC_ID}).status_code == 403
        assert join(client, params={**params, "signature": other["signature"]}).status_code == 403


@pytest.mark.parametrize("access", ["invited", "lab"])
def test_only_those_with_a_link_take_part(tmp_path: Path, access: str) -> None:
    folder, _ = make_survey(tmp_path, access=access)
    with client_of(folder) as client:
        for params, invitation in (({}, None), ({"lab": "x"}, "x")):
            assert join(client, params=params, invitation=invitation).status_code == 403
        (link,) = participant_links(folder, "http://x")
        query = dict(parse_qsl(urlsplit(link).query))
        person = Visitor(client, params=query, invitation=query.pop("invitation", None)).begin().finish()
        assert re.fullmatch(r"[A-Z2-9]{8}", person.state["code"])
    assert len(rows(folder, Participant)) == 1


def test_only_consent_takes_a_place(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, stop={"participants": 2})
    with client_of(folder) as client:
        idle = [Visitor(client) for _ in range(6)]
        Visitor(client).begin()
        Visitor(client).begin()
        late = idle[0].post("/api/consent", {"agreed": True, "sha256": idle[0].state["sha256"]}).json()
        assert late["stage"] == "full"
        assert join(client).json()["state"]["stage"] == "full"
    assert {row.stage for row in rows(folder, Participant)} == {"consent", "trials"}


def test_visitors_without_consent_are_forgotten(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, lease_minutes=0.0001)
    with client_of(folder) as client:
        for _ in range(3):
            Visitor(client)
            time.sleep(0.05)
    assert len(rows(folder, Participant)) == 1
    assert rows(folder, Withdrawal) == []


def test_answers_faster_than_their_times_are_flagged(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, trials=16, practice=0, scenes=8)
    with client_of(folder) as client:
        Visitor(client).begin().finish()  # says 900 ms for each, and answers at once
        slow = Visitor(client).begin()
        database = client.app.state.survey.database  # type: ignore[attr-defined]
        while slow.state["stage"] == "trials":
            with database.write() as connection:
                connection.execute(update(TrialRow).values(sent_at=time.time() - 60))
            slow.vote()
        votes = votes_of_database(database)
    hasty, patient = list(by_observer(votes).values())
    assert all(set(vote.flags) == {"fast"} for vote in hasty)
    assert not any(vote.flags for vote in patient)
    raters = {rater.observer: rater for rater in report_raters(votes, METHODS, record.design.exclusions, "pairwise")}
    assert raters[hasty[0].observer].fast_share == 1
    assert raters[patient[0].observer].fast_share == 0


def test_response_times_longer_than_possible_are_flagged(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder) as client:
        Visitor(client).begin().vote(response_ms=5000.0)
    (vote,) = rows(folder, Vote)
    assert "clock" in vote.flags
    assert vote.elapsed_ms < 5000


def test_viewing_is_stored_and_can_exclude(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, exclusions={"hidden": True, "fast_share": 1, "side_p": 0})
    view = {"width": 40.0, "height": 32.0, "ratio": 2.0, "window_width": 800, "window_height": 600}
    with client_of(folder) as client:
        person = Visitor(client).begin()
        while person.state["stage"] == "trials":
            person.vote(view={**view, "visible": person.state["number"] != 3})
        votes = votes_of_database(client.app.state.survey.database)  # type: ignore[attr-defined]
    assert votes[0].view == (40.0, 32.0, 2.0, 800.0, 600.0, 1.0)
    rules = record.design.exclusions
    labeled = label_exclusions(votes, report_raters(votes, METHODS, rules, "pairwise"), rules)
    assert [vote.exclusion for vote in labeled] == ["", "", "hidden", "", "", "", ""]


def test_screening_and_completeness_can_exclude(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, screening=True, exclusions={"fast_share": 1, "side_p": 0})
    with client_of(folder) as client:
        first = Visitor(client).begin()
        while first.state["stage"] == "trials":
            first.vote()
        second = Visitor(client).begin()
        for _ in range(4):  # of which the first are practice
            second.vote()
        votes = votes_of_database(client.app.state.survey.database)  # type: ignore[attr-defined]
    votes = [vote for vote in votes if vote.kind == "test"]
    votes[0] = replace(votes[0], flags=("reduced",))
    votes = [replace(vote, screening_passed=vote.observer != votes[0].observer) for vote in votes]

    def excluded(**rules: bool) -> set[str]:
        changed = record.design.exclusions.model_copy(update=rules)
        labeled = label_exclusions(votes, report_raters(votes, METHODS, changed, "pairwise"), changed)
        return {f"{vote.observer == votes[0].observer} {vote.exclusion}" for vote in labeled if vote.exclusion}

    assert excluded() == set()
    assert excluded(screening=True) == {"True screening"}
    assert excluded(unfinished=True) == {"False unfinished"}
    assert excluded(reduced=True) == {"True reduced"}


def test_phones_are_refused_by_designs_for_desktops(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, viewing={"devices": "desktop"})
    with client_of(folder) as client:
        person = Visitor(client)
        assert person.post("/api/consent", {"agreed": True, "sha256": person.state["sha256"]}).status_code == 200
        assert person.post("/api/begin", {**SCREEN, "touch": True}).status_code == 403
        assert person.post("/api/begin", SCREEN).status_code == 200


def test_people_get_their_own_data(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder) as client:
        person = Visitor(client).begin()
        person.vote("right")
        found = client.get("/api/data", headers=person.headers)
        assert "attachment" in found.headers["content-disposition"]
        assert [answer["choice"] for answer in found.json()["answers"]] == ["right"]
        assert found.json()["participant"]["screen"] == SCREEN
        assert not any(name in found.text for name in (*METHODS, "scene", person.key))


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


def test_abandoned_places_become_free(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, stop={"participants": 1}, lease_minutes=0.0001)
    with client_of(folder) as client:
        Visitor(client).begin()
        time.sleep(0.05)
        assert Visitor(client).key is not None


def test_languages(tmp_path: Path) -> None:
    """Every translation has the sentences and placeholders of the English one."""
    folder, record = make_survey(tmp_path)
    assert record.design.languages == ["en", "fr", "ja"]  # further languages are for designs that name them
    with client_of(folder) as client:
        english = client.get("/api/texts/en").json() | {"consent_text": texts("en")["consent_text"]}
        assert set(known_languages()) == {"de", "en", "es", "fr", "ja"}
        for language in known_languages():
            found = yaml.safe_load((LOCALES / f"{language}.yaml").read_text(encoding="utf-8"))
            assert set(found) == set(texts("en"))
            for name, text in english.items():
                assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", found[name])), name
        person = Visitor(client)
        state = person.post("/api/language", {"language": "ja"}).json()
        assert "参加" in state["text"]
        assert person.post("/api/language", {"language": "de"}).status_code == 422
        assert person.post("/api/consent", {"agreed": True, "sha256": "of another language"}).status_code == 409
        assert client.get("/api/texts/xx").status_code == 404


def test_adaptive_choices_are_logged_and_can_be_replayed(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, pairs="adaptive", trials=8, vigilance=0.125, repeats=0.125)
    with client_of(folder) as client:
        people = [Visitor(client).begin() for _ in range(3)]
        while any(person.state["stage"] == "trials" for person in people):
            for person in people:
                if person.state["stage"] == "trials":
                    person.vote("left")
    survey = Survey(ServerSettings(folder=str(folder)))
    replayed = 0
    with survey.database.read() as connection:
        for row in rows(folder, TrialRow):
            if row.kind != "test":
                continue
            tally = Tally(record.methods)
            count_votes(connection, tally, up_to=row.last_vote)
            own = [
                trial_of(r)
                for r in rows(folder, TrialRow)
                if r.participant_id == row.participant_id and r.position < row.position
            ]
            generator = seeded(survey.secret, row.participant_id, f"trial {row.position}")
            choice = choose_pair(record.design, tally, survey.scene_names, own, generator)
            assert (choice.trial.scene, choice.trial.left, choice.trial.right) == (row.scene, row.left, row.right)
            assert choice.probability == pytest.approx(row.probability)
            assert tally.sha256() == row.tally_sha256
            replayed += 1
    survey.close()
    assert replayed == 24


def test_design_changes_are_recorded_only_after_the_first_vote(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path)

    def change(title: str) -> None:
        changed = record.model_copy(update={"design": record.design.model_copy(update={"title": title})})
        changed.save(SurveyFolder(folder).survey_json)

    with client_of(folder):
        pass
    change("before any vote")
    with client_of(folder) as client:
        Visitor(client).begin().vote()
    assert [row.changes for row in rows(folder, Registration)] == [[]]
    change("after a vote")
    entries = rows(folder, Registration)
    assert entries[1].changes == ["design.title: 'before any vote' became 'after a vote'"]
    assert entries[1].votes_before == 1


def test_stopping_by_precision_at_declared_looks(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, **ONE_LOOK)
    with client_of(folder) as client:
        Visitor(client).begin().finish("left")
        assert Visitor(client).state["stage"] == "consent"
        Visitor(client).begin().finish("right")
        assert Visitor(client).state["stage"] == "full"


def finish_unchecked(client: TestClient, choice: str) -> None:
    """Finish like a participant whose last answer and the next participant's arrive before the rule is checked."""
    person = Visitor(client).begin()
    survey = client.app.state.survey  # type: ignore[attr-defined]
    while person.state["stage"] == "trials":
        person.state = answer(survey, person.key, Answer(**person.body(choice)))["state"]


def test_every_declared_look_takes_the_votes_as_of_its_count(tmp_path: Path) -> None:
    """Three participants finish before the rule is checked once: looks at 1 and 2 are run on their own votes."""
    folder, record = make_survey(
        tmp_path, stop={"rule": "precision", "participants": 50, "half_width": 0.001, "looks": [1, 2, 5]},
        analysis={"draws": 100}, exclusions={"side_p": 0.0},
    )  # fmt: skip
    with client_of(folder) as client:
        started = Visitor(client).begin()
        started.vote()
        for choice in ("left", "right", "left"):
            finish_unchecked(client, choice)
        started.vote()
        survey = client.app.state.survey  # type: ignore[attr-defined]
        check_stopping_rule(survey)
        with survey.database.read() as connection:
            looks = interim_looks(connection)
        votes = votes_of_database(survey.database)
    assert list(looks) == ["1", "2"]
    ends = [k for k, row in enumerate(votes) if row.finished and row.position == record.design.trials]
    for look, end in zip(looks, ends, strict=False):
        seen = analyze(record.design, record.methods, votes[: end + 1])
        widest = max((row.high - row.low) / 2 for row in seen.scores.values())
        assert looks[look] == pytest.approx(widest, abs=1e-4)
    found, _ = analyze_source(folder)
    assert found.interim == looks


def test_a_look_that_is_overtaken_still_stops_the_survey(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, **ONE_LOOK)
    with client_of(folder) as client:
        for choice in ("left", "right", "left"):
            finish_unchecked(client, choice)
        check_stopping_rule(client.app.state.survey)  # type: ignore[attr-defined]
        assert Visitor(client).state["stage"] == "full"


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
            answer = person.post("/api/vote", person.body(flags=["window"]))
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
