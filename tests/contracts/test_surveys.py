"""What every shipped survey design and every protocol must satisfy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from chromalab.core.records import preset_paths
from chromalab.survey.analysis.page import AXES, IMAGE_VALUES, REACH, REFERENCES
from chromalab.survey.analysis.verdicts import NAMES
from chromalab.survey.design import Protocol, load_design, parse_design
from chromalab.survey.folder import Scene, SurveyRecord
from chromalab.survey.power import power_words, simulate_power
from chromalab.survey.registration import Frozen, preregistration, preregistration_text
from chromalab.survey.schedule import largest_number_of_trials, make_schedule, seeded

METHODS = ("alpha", "beta", "gamma")
SCENES = tuple(f"photo{number:02}" for number in range(60))


@pytest.mark.parametrize("name", [path.stem for path in preset_paths("surveys")])
def test_participants_get_schedules_of_the_stated_length(name: str) -> None:
    design = load_design(Path(name))
    assert design.title
    method = METHODS[0] if design.protocol == "real_or_fake" else ""
    schedules = [
        make_schedule(design, METHODS, SCENES, {}, seeded(b"secret", person, "schedule"), method=method)
        for person in ("first", "second")
    ]
    for schedule in schedules:
        assert sum(trial.kind == "test" for trial in schedule) == design.trials
        assert sum(trial.kind == "practice" for trial in schedule) == design.practice
    assert schedules[0] != schedules[1]


@pytest.mark.parametrize("protocol", get_args(Protocol))
def test_every_protocol_has_its_texts_and_its_power(protocol: str) -> None:
    design = parse_design({"protocol": protocol, "power": {"simulations": 20}}, origin="test")
    assert design.trials <= largest_number_of_trials(design, len(METHODS), 40)
    assert all(protocol in table for table in (NAMES, AXES, IMAGE_VALUES, REACH, REFERENCES))
    scenes = [Scene(name=name, width_px=8, height_px=8, stimuli={}) for name in SCENES]
    record = SurveyRecord(design=design, methods=list(METHODS), scenes=scenes, version="0")
    text = preregistration_text(record, preregistration(Frozen(record, [], None, None)))
    assert "Participants" in text
    assert "{" not in text
    table = simulate_power(design, METHODS, SCENES)
    assert table.rows[0].power <= table.rows[-1].power
    assert len(power_words(table)) == 2


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"protocol": "rank_order"}, ["order them from best to worst", "Plackett-Luce", "shown first against"]),
        ({"protocol": "rating", "form": "slider"}, ["from 0 to 100"]),
    ],
)
def test_preregistrations_name_the_task_and_the_model(plan: dict[str, Any], words: list[str]) -> None:
    record = SurveyRecord(design=parse_design(plan, origin="test"), methods=list(METHODS), scenes=[], version="0")
    text = preregistration_text(record, preregistration(Frozen(record, [], None, None)))
    assert all(word in text for word in words)


def test_power_of_a_slider_is_that_of_categories_in_its_own_unit() -> None:
    plan = {"protocol": "rating", "trials": 20, "power": {"simulations": 20}}
    first = simulate_power(parse_design(plan, origin=""), METHODS, SCENES)
    second = simulate_power(parse_design(plan | {"form": "slider"}, origin=""), METHODS, SCENES)
    assert second.rows == first.rows
    assert (first.difference, second.difference, second.margin) == (0.4, 10, 10)
