"""Surveys as JSON: what an export leaves out, what an import brings back, and files that it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chromalab.core.errors import ConfigError, UsageError
from chromalab.survey.analysis.analyze import analyze_source
from chromalab.survey.database import open_database
from chromalab.survey.folder import SurveyFolder
from chromalab.survey.server.state import ServerSettings, Survey
from chromalab.survey.transfer import export_json, import_json
from chromalab.survey.votes import votes_of_database
from chromalab.survey.votes_csv import read_votes, votes_text
from tests.survey.surveys import Visitor, client_of, make_survey


@pytest.fixture
def exported(tmp_path: Path) -> dict[str, Any]:
    folder, record = make_survey(tmp_path, scenes=3)
    database = open_database(SurveyFolder(folder), None)
    found: dict[str, Any] = json.loads(export_json(record, database))
    database.close()
    return found


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "..", "a/b.png", "stimuli", "", ".png", "a.png\0"])
def test_stimuli_outside_the_folder_are_not_imported(
    exported: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    exported["survey"]["scenes"][0]["stimuli"]["alpha"] = name
    # an attacker's file has the right checksum
    monkeypatch.setattr("chromalab.survey.transfer._checksum", lambda _: exported["sha256"])
    (tmp_path / "s.json").write_text(json.dumps(exported))
    place = SurveyFolder(tmp_path / "new")
    with pytest.raises(ConfigError, match="is not the name of a stimulus"):
        import_json(tmp_path / "s.json", place, lambda: open_database(place, None))
    assert not place.root.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plan", "choices"),
    [
        (
            {"repeats": 0.2, "stop": {"rule": "precision", "half_width": 0.01, "looks": [2, 4], "participants": 8}},
            ("left", "right"),
        ),
        ({"protocol": "rank_order", "repeats": 0.2}, ("213", "132")),
        ({"protocol": "rating", "form": "slider"}, ("0/100", "64/100")),
    ],
    ids=["pairwise", "rank_order", "slider"],
)
def test_an_imported_export_gives_the_same_analysis(
    tmp_path: Path, plan: dict[str, Any], choices: tuple[str, str]
) -> None:
    folder, record = make_survey(tmp_path, vigilance=0.2, analysis={"draws": 100}, **plan)
    with client_of(folder) as client:
        for k in range(5):
            Visitor(client).begin().finish(choices[k % 2])
        gone = Visitor(client).begin()
        gone.vote(choices[0])
        gone.post("/api/withdraw", {})
    survey = Survey(ServerSettings(folder=str(folder)))
    text = export_json(record, survey.database)
    votes = votes_of_database(survey.database)
    survey.close()
    for secret in ("key_sha256", "token", SurveyFolder(folder).secret().hex()):
        assert secret not in text
    (tmp_path / "s.json").write_text(text)
    place = SurveyFolder(tmp_path / "back")
    place.root.mkdir()
    again = import_json(tmp_path / "s.json", place, lambda: open_database(place, None))
    assert again == record
    back = open_database(place, None)
    assert votes_of_database(back) == votes
    assert json.loads(export_json(again, back)) == json.loads(text)
    first, second = (analyze_source(root, draws=100)[0] for root in (folder, place.root))
    assert first == second
    assert first.withdrawn == 1
    assert list(first.interim) == [str(look) for look in record.design.stop.looks]
    (tmp_path / "v.csv").write_text(votes_text(votes))
    assert read_votes(tmp_path / "v.csv") == votes
    with pytest.raises(UsageError, match="already holds a survey"):
        import_json(tmp_path / "s.json", place, lambda: back)
    (tmp_path / "s.json").write_text(text.replace(f'"choice": "{choices[0]}"', f'"choice": "{choices[1]}"', 1))
    with pytest.raises(ConfigError, match="checksum"):
        import_json(tmp_path / "s.json", SurveyFolder(tmp_path / "x"), lambda: back)
    back.close()
