"""Answers of participants: stored once, checked, flagged, and told right or wrong in practice trials."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from chromalab.survey.analysis.raters import label_exclusions, report_raters
from chromalab.survey.database import Image, Participant, TrialRow, Vote
from chromalab.survey.server.pages import texts
from chromalab.survey.server.state import ServerSettings, Survey
from chromalab.survey.votes import by_observer, votes_of_database
from chromalab.survey.votes_csv import read_votes, votes_text
from tests.survey.surveys import METHODS, SCREEN, Visitor, client_of, make_survey, rows

pytestmark = pytest.mark.slow


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
