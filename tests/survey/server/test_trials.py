"""Trials of participants: adaptive choices, and a practice that must be passed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from chromalab.survey.adaptive import Tally, choose_pair
from chromalab.survey.database import TrialRow
from chromalab.survey.schedule import seeded
from chromalab.survey.server.state import ServerSettings, Survey, count_votes
from chromalab.survey.server.trials import trial_of
from chromalab.survey.votes import by_observer, votes_of_database
from tests.survey.surveys import Visitor, client_of, make_survey, rows

pytestmark = pytest.mark.slow


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


def test_a_vote_whose_commit_fails_is_not_counted(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, pairs="adaptive", trials=8, practice=0)
    with client_of(folder) as client:
        survey: Survey = client.app.state.survey  # type: ignore[attr-defined]
        unlucky, other = Visitor(client).begin(), Visitor(client).begin()
        unlucky.vote("left"), other.vote("left")

        def fill_the_disk(connection: object) -> None:
            raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

        event.listen(survey.database.engine, "commit", fill_the_disk)
        assert unlucky.post("/api/vote", unlucky.body("left")).status_code == 503
        event.remove(survey.database.engine, "commit", fill_the_disk)
        with survey.database.read() as connection:
            assert survey.tally(connection).shown.total() == 2
        for _ in range(3):
            other.vote("right")
        with survey.database.read() as connection:
            stored = Tally(record.methods)
            count_votes(connection, stored)
            found = survey.tally(connection)
            assert (found.sha256(), found.shown, found.last) == (stored.sha256(), stored.shown, stored.last)
            for row in rows(folder, TrialRow):
                if row.tally_sha256 is not None:
                    tally = Tally(record.methods)
                    count_votes(connection, tally, up_to=row.last_vote)
                    assert tally.sha256() == row.tally_sha256


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
