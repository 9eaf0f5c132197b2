"""The state that requests share: the stopping rule at its declared looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from chromalab.survey.analysis.analyze import analyze, analyze_source
from chromalab.survey.database import TrialRow, interim_looks
from chromalab.survey.server.answers import Answer, answer
from chromalab.survey.server.state import check_stopping_rule
from chromalab.survey.votes import votes_of_database
from tests.survey.surveys import Visitor, client_of, make_survey, rows

pytestmark = pytest.mark.slow
ONE_LOOK: dict[str, Any] = {
    "stop": {"rule": "precision", "participants": 50, "half_width": 50.0, "looks": [2]},
    "analysis": {"draws": 100},
    "exclusions": {"side_p": 0.0},
}
"""A design that one look at two participants stops."""


def finish_unchecked(client: TestClient, choice: str) -> None:
    """Finish like a participant whose last answer and the next participant's arrive before the rule is checked."""
    person = Visitor(client).begin()
    survey = client.app.state.survey  # type: ignore[attr-defined]
    while person.state["stage"] == "trials":
        person.state = answer(survey, person.key, Answer(**person.body(choice)))["state"]


def test_stopping_by_precision_at_declared_looks(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, **ONE_LOOK)
    with client_of(folder) as client:
        Visitor(client).begin().finish("left")
        assert Visitor(client).state["stage"] == "consent"
        Visitor(client).begin().finish("right")
        assert Visitor(client).state["stage"] == "full"


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


def test_a_look_without_finite_intervals_stops_neither_the_survey_nor_later_looks(tmp_path: Path) -> None:
    folder, _ = make_survey(
        tmp_path, stop={"rule": "precision", "participants": 50, "half_width": 50.0, "looks": [1, 3]},
        analysis={"draws": 100, "prior_sd": None}, exclusions={"side_p": 0.0, "fast_share": 1.0},
    )  # fmt: skip
    with client_of(folder) as client:
        survey = client.app.state.survey  # type: ignore[attr-defined]
        person = Visitor(client).begin()
        while person.state["stage"] == "trials":  # alpha wins every time
            trial = next(row for row in rows(folder, TrialRow) if row.token == person.state["trial"])
            person.vote("left" if trial.left == "alpha" else "right")
        for choice in ("left", "right"):
            finish_unchecked(client, choice)
        check_stopping_rule(survey)
        with survey.database.read() as connection:
            looks = interim_looks(connection)
    assert looks["1"] is None
    assert looks["3"] is not None
    assert analyze_source(folder)[0].interim == looks


def test_a_look_that_is_overtaken_still_stops_the_survey(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, **ONE_LOOK)
    with client_of(folder) as client:
        for choice in ("left", "right", "left"):
            finish_unchecked(client, choice)
        check_stopping_rule(client.app.state.survey)  # type: ignore[attr-defined]
        assert Visitor(client).state["stage"] == "full"
