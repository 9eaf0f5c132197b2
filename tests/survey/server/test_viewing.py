"""Conditions of viewing that participants measure: computations, storage, refusals, and exclusions."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from chromalab.survey.analysis.analyze import analyze, labeled_votes
from chromalab.survey.analysis.page import write_survey_report
from chromalab.survey.design import CONDITIONS
from chromalab.survey.participants import participants_text
from chromalab.survey.server.researcher import make_setup_token
from chromalab.survey.server.viewing import (
    DARK_STEPS,
    GAMMAS,
    Brightness,
    Card,
    Distance,
    matching_gray,
    next_measurement,
    with_measurement,
)
from chromalab.survey.votes import votes_of_database
from chromalab.survey.votes_csv import votes_text
from tests.survey.surveys import METHODS, SCREEN, Visitor, client_of, make_survey

ALL: dict[str, Any] = {"card": True, "distance": True, "brightness": True}
CARD: dict[str, Any] = {"step": "card", "long_side_px": 342.4, "ratio": 2.0}
STEPS_SEEN: dict[str, Any] = {"step": "brightness", "dark_seen": 5, "light_seen": 6, "match": 4}


def offsets(*distances_mm: float, ratio: float = 2.0) -> dict[str, Any]:
    """Return a measurement in which the dot vanishes 13.5 degrees from the square; 8 screen pixels per millimeter."""
    angle = math.radians(13.5)
    return {"step": "distance", "offsets_px": [8 / ratio * mm * math.tan(angle) for mm in distances_mm], "ratio": ratio}


def test_pixels_per_millimeter_are_those_of_the_long_side_of_a_card() -> None:
    found = with_measurement(SCREEN, Card(**CARD))
    assert found == {**SCREEN, "css_px_per_mm": 4.0, "screen_px_per_mm": 8.0}


def test_the_distance_is_the_median_offset_by_the_tangent_of_the_angle_to_the_blind_spot() -> None:
    screen = {"css_px_per_mm": 4.0, "screen_px_per_mm": 8.0}
    found = with_measurement(screen, Distance(**offsets(573, 520, 700, 600, 560)))
    assert with_measurement(screen, Distance(**offsets(573, 520, 700, 600, 560, ratio=3.0))) == found  # zoomed since
    assert (found["distance_mm"], found["distance_spread_mm"]) == pytest.approx((573, 180))
    # At 573 mm a degree spans 10 mm, a rule of thumb of vision science.
    assert found["px_per_degree"] == pytest.approx(80, abs=0.02)


@pytest.mark.parametrize(
    ("seen", "steps"), [((6, 6), (4, 251)), ((3, 1), (16, 223)), ((0, 0), (None, None)), ((None, None), (None, None))]
)
def test_the_outermost_step_seen_is_stored(seen: tuple[int | None, ...], steps: tuple[int | None, ...]) -> None:
    found = with_measurement({}, Brightness(step="brightness", dark_seen=seen[0], light_seen=seen[1], match=0))
    assert (found["darkest_step"], found["brightest_step"], found["gamma"]) == (*steps, 1.4)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_matching_gray_has_half_the_luminance_of_white(gamma: float) -> None:
    assert (matching_gray(gamma) / 255) ** gamma == pytest.approx(0.5, abs=0.006)


def test_a_new_card_makes_the_distance_due_again_and_no_card_skips_it() -> None:
    steps = ("card", "distance", "brightness")
    screen = with_measurement(with_measurement(SCREEN, Card(**CARD)), Distance(**offsets(*[600.0] * 5)))
    assert next_measurement(steps, screen) == "brightness"
    assert next_measurement(steps, with_measurement(screen, Card(**CARD))) == "distance"
    skipped = with_measurement(screen, Card(step="card", long_side_px=None, ratio=1))
    assert (next_measurement(steps, skipped), skipped["distance_mm"]) == ("brightness", None)


def to_viewing(client: TestClient) -> Visitor:
    person = Visitor(client)
    person.state = person.post("/api/consent", {"agreed": True, "sha256": person.state["sha256"]}).json()
    return person


def measured(client: TestClient, *steps: dict[str, Any]) -> Visitor:
    """Take part with these measurements, and answer all trials."""
    person = to_viewing(client)
    for step in steps:
        answer = person.post("/api/viewing", step)
        assert answer.status_code == 200, answer.text
        person.state = answer.json()
    assert person.state["step"] == "summary"
    assert person.post("/api/viewing/end", {}).json()["stage"] == "instructions"
    person.state = person.post("/api/begin", SCREEN).json()
    return person.finish()


@pytest.mark.slow
def test_steps_come_in_order_and_can_be_repeated(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, viewing={**ALL, "surround": "dark"})
    with client_of(folder) as client:
        person = to_viewing(client)
        assert "your distance to the screen" in Visitor(client).state["text"]
        assert (person.state["step"], person.state["surround"]) == ("card", "dark")
        assert person.post("/api/viewing/end", {}).status_code == 409
        for step, following in ((CARD, "distance"), (offsets(*[600.0] * 5), "brightness"), (STEPS_SEEN, "summary")):
            assert person.post("/api/viewing", step).json()["step"] == following
        again = person.post("/api/viewing", offsets(*[700.0] * 5)).json()
        assert (again["step"], again["distance_mm"]) == ("summary", 700.0)
        person.post("/api/viewing/end", {})
        assert person.post("/api/viewing", CARD).status_code == 409
        person.state = person.post("/api/begin", {**SCREEN, "width": 999}).json()
        person.finish()
        found = person.get("/api/data")["participant"]["screen"]
        database = client.app.state.survey.database  # type: ignore[attr-defined]
        (row,) = csv.DictReader(io.StringIO(participants_text(database, record.design, {})))
    assert found == {**SCREEN, "width": 999, "css_px_per_mm": 4.0, "screen_px_per_mm": 8.0, "distance_mm": 700.0,
                     "distance_spread_mm": 0.0, "px_per_degree": 97.74, "darkest_step": 8, "brightest_step": 251,
                     "gamma": 2.2}  # fmt: skip
    assert [float(row[name]) for name in CONDITIONS] == [found[name] for name in CONDITIONS]


@pytest.mark.slow
def test_implausible_measurements_are_refused(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, viewing={"card": True, "distance": True})
    with client_of(folder) as client:
        person = to_viewing(client)
        early = person.post("/api/viewing", offsets(*[600.0] * 5))
        assert (early.status_code, early.json()["word"]) == (400, "viewing_implausible")
        for long_side_px in (20.0, 5000.0):
            answer = person.post("/api/viewing", {**CARD, "long_side_px": long_side_px})
            assert (answer.status_code, answer.json()["word"]) == (400, "viewing_implausible")
        assert person.post("/api/viewing", CARD).status_code == 200
        for distance in (100.0, 4000.0):
            answer = person.post("/api/viewing", offsets(*[distance] * 5))
            assert (answer.status_code, "implausible" in answer.json()["detail"]) == (400, True)
        for malformed in (
            offsets(600),
            {"step": "distance", "offsets_px": [-9.0] * 5, "ratio": 1},
            {**STEPS_SEEN, "match": 8},
        ):
            assert person.post("/api/viewing", malformed).status_code == 400
        assert person.post("/api/viewing", STEPS_SEEN).status_code == 422  # this design does not ask for it
        assert person.get("/api/state")["step"] == "distance"


@pytest.mark.slow
def test_one_rule_excludes_by_conditions_everywhere(tmp_path: Path) -> None:
    """Report, exported CSV, table of participants and dashboard exclude the same people for the same reasons."""
    rules = {"distance_mm": [400, 900], "px_per_degree": [30, 100], "gamma": [1.8, 2.6], "brightness": True,
             "screen_px_per_mm": [2, 10], "fast_share": 1, "side_p": 0}  # fmt: skip
    folder, record = make_survey(tmp_path, viewing=ALL, exclusions=rules, analysis={"draws": 100})
    near, far = offsets(*[300.0] * 5), offsets(*[600.0] * 5)
    with client_of(folder) as client:
        people = [
            measured(client, CARD, far, STEPS_SEEN),
            measured(client, CARD, near, {**STEPS_SEEN, "dark_seen": 2}),
            measured(client, CARD, far, {**STEPS_SEEN, "match": 7}),
            measured(client, {**CARD, "long_side_px": None}, STEPS_SEEN),
            measured(client, CARD, far, {**STEPS_SEEN, "dark_seen": None, "light_seen": None, "match": None}),
        ]
        keys = [person.get("/api/data")["participant"]["id"] for person in people]
        database = client.app.state.survey.database  # type: ignore[attr-defined]
        votes = votes_of_database(database)
        with database.write() as connection:
            token = make_setup_token(connection)
        client.post("/researcher/setup", data={"token": token, "password": "correct horse"})
        client.post("/researcher/login", data={"password": "correct horse"})
        dashboard = client.get("/researcher").text
        exported = client.get("/researcher/votes.csv").text
    expected = ["", "distance_mm brightness", "gamma", "screen_px_per_mm distance_mm px_per_degree", "gamma brightness"]
    found = analyze(record.design, METHODS, votes)
    assert {rater.observer: " ".join(rater.excluded) for rater in found.raters} == dict(
        zip(keys, expected, strict=True)
    )
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert {(row["observer"], row["exclusion"]) for row in rows} == set(zip(keys, expected, strict=True))
    assert {row["distance_mm"] for row in rows if row["observer"] == keys[1]} == {"300.0"}
    assert {row["observer"] for row in rows if row["scored"] == "1"} == {keys[0]}
    assert votes_text(labeled_votes(record.design, METHODS, votes)) == exported
    assert all(
        f"<code>{key}</code>: {text.replace(' ', ', ')}" in dashboard
        for key, text in zip(keys, expected, strict=True)
        if text
    )
    page = write_survey_report(found, tmp_path / "report").read_text()
    assert '<th scope="col">px per degree</th>' in page
    with (tmp_path / "report" / "raters.csv").open() as file:
        raters = {row["observer"]: row for row in csv.DictReader(file)}
    assert (raters[keys[1]]["distance_mm"], raters[keys[3]]["distance_mm"]) == ("300.0", "")
    assert DARK_STEPS[-2] == float(raters[keys[1]]["darkest_step"])
