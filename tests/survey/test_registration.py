"""The frozen design: edits of files, altered registrations, old hashes, and the preregistration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from chromalab.core.errors import ConfigError, UsageError
from chromalab.survey.analysis.analyze import analyze_source, open_survey
from chromalab.survey.analysis.page import write_survey_report
from chromalab.survey.database import Registration, open_database
from chromalab.survey.folder import SurveyFolder, SurveyRecord
from chromalab.survey.registration import exclusions_text, frozen_design
from tests.survey.surveys import Visitor, client_of, make_survey, rows

pytestmark = pytest.mark.slow


def voted(tmp_path: Path, **design: Any) -> tuple[Path, SurveyRecord]:
    """A survey with the votes of three participants."""
    folder, record = make_survey(tmp_path, **{"analysis": {"draws": 100}, "exclusions": {"side_p": 0.5}, **design})
    with client_of(folder) as client:
        for choice in ("left", "right", "left"):
            Visitor(client).begin().finish(choice)
    return folder, record


def edit(folder: Path, change: dict[str, Any], part: str) -> None:
    path = SurveyFolder(folder).survey_json
    data = json.loads(path.read_text())
    data["design"][part] |= change
    path.write_text(json.dumps(data))


def test_an_edited_plan_is_not_followed_and_is_the_first_line_of_the_report(tmp_path: Path) -> None:
    folder, record = voted(tmp_path)
    before, _ = analyze_source(folder)
    assert before.faults == []
    edit(folder, {"fast_ms": 5000, "fast_share": 0.0}, "exclusions")
    after, _ = analyze_source(folder)
    assert after.scores == before.scores
    assert after.raters == before.raters
    assert after.design_sha256 == record.sha256
    assert len(after.faults) == 1
    assert "survey.json was edited after the first vote" in after.faults[0]
    assert "design.exclusions.fast_ms: 250 became 5000" in after.faults[0]
    page = write_survey_report(after, tmp_path / "report").read_text()
    body = page[page.index("<header>") :]
    assert body.index("Not the frozen design") < body.index("<h1>")


def test_an_edit_before_the_first_vote_is_no_fault(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder):
        pass
    edit(folder, {"draws": 500}, "analysis")
    frozen, _ = open_survey(folder, None)
    assert (frozen.faults, frozen.sha256, frozen.record.design.analysis.draws) == ([], None, 500)


def test_an_altered_registration_is_named(tmp_path: Path) -> None:
    folder, record = voted(tmp_path)
    database = open_database(SurveyFolder(folder), None)
    data = record.model_dump(mode="json")
    data["design"]["analysis"]["prior_sd"] = None
    with database.write() as connection:
        connection.execute(text("UPDATE registration SET record = :record"), {"record": json.dumps(data)})
    faults = frozen_design(record, database).faults
    database.close()
    assert len(faults) == 1
    assert "registration 1 in the database was altered" in faults[0]
    assert analyze_source(folder)[0].faults == faults


def test_votes_without_a_registration_are_named(tmp_path: Path) -> None:
    folder, record = voted(tmp_path)
    database = open_database(SurveyFolder(folder), None)
    with database.write() as connection:
        connection.execute(text("DELETE FROM registration"))
    assert frozen_design(record, database).faults == [
        "the database has votes but no registered design, so nothing was frozen"
    ]
    database.close()


def test_serving_registers_an_edit_and_every_later_report_names_it(tmp_path: Path) -> None:
    folder, record = voted(tmp_path)
    edit(folder, {"draws": 300}, "analysis")
    with client_of(folder) as client:
        assert "draws: 100 became 300" in client.app.state.survey.faults[0]  # type: ignore[attr-defined]
    found, _ = analyze_source(folder)
    assert found.faults == []
    assert found.changes == ["after 21 votes, design.analysis.draws: 100 became 300"]
    assert found.design_sha256 == record.sha256
    page = write_survey_report(found, tmp_path / "report").read_text()
    body = page[page.index("<header>") :]
    assert body.index("Changed after the first vote") < body.index("<h1>")


def test_methods_cannot_be_removed_after_the_first_vote(tmp_path: Path) -> None:
    folder, _ = voted(tmp_path)
    path = SurveyFolder(folder).survey_json
    data = json.loads(path.read_text())
    data["methods"] = ["alpha", "beta"]
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match="methods and photos cannot change"):
        client_of(folder)
    assert analyze_source(folder)[0].methods == ["alpha", "beta", "gamma"]


def test_a_replaced_stimulus_is_refused(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path)
    place = SurveyFolder(folder)
    place.check_stimuli(record)
    first, second = list(record.scenes[0].stimuli.values())[:2]
    (place.stimuli / first).write_bytes((place.stimuli / second).read_bytes())
    with pytest.raises(ConfigError, match="was replaced"):
        place.check_stimuli(record)


def test_the_preregistration_names_the_conditions_of_viewing(tmp_path: Path) -> None:
    _, record = make_survey(
        tmp_path, viewing={"card": True, "distance": True, "brightness": True},
        exclusions={"distance_mm": [400, 900], "brightness": True},
    )  # fmt: skip
    text = exclusions_text(record.design)
    assert "distance_mm is not measured within 400 to 900" in text
    assert "gray level 16 is not told from black, or 239 from white" in text


def test_the_preregistration_leaves_out_rules_that_cannot_apply(tmp_path: Path) -> None:
    _, record = make_survey(
        tmp_path, screening=False, display_ms=None, trials=10, repeats=0.1,
        exclusions={"screening": True, "overruns": True, "repeat_share": 0.6},
    )  # fmt: skip
    text = exclusions_text(record.design)
    assert "color vision" not in text
    assert "too long" not in text
    assert "flipped repeats" not in text


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
    with client_of(folder):
        pass
    entries = rows(folder, Registration)
    assert entries[1].changes == ["design.title: 'before any vote' became 'after a vote'"]
    assert entries[1].votes_before == 1
