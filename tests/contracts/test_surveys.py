"""What every shipped survey design must satisfy."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromalab.core.records import preset_paths
from chromalab.survey.design import load_design
from chromalab.survey.schedule import make_schedule, seeded

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
