"""The folder of a survey: what its files refer to stays inside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chromalab.core.errors import ConfigError, UsageError
from chromalab.survey.database import open_database
from chromalab.survey.folder import SurveyFolder
from chromalab.survey.server.state import ServerSettings, Survey
from chromalab.survey.votes import export_json, import_json
from tests.survey.surveys import make_survey


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
    monkeypatch.setattr("chromalab.survey.votes._checksum", lambda _: exported["sha256"])  # as an attacker's file has
    (tmp_path / "s.json").write_text(json.dumps(exported))
    place = SurveyFolder(tmp_path / "new")
    with pytest.raises(ConfigError, match="is not the name of a stimulus"):
        import_json(tmp_path / "s.json", place, lambda: open_database(place, None))
    assert not place.root.exists()


def test_links_to_files_outside_are_not_served(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, scenes=3)
    name = record.scenes[0].stimuli["alpha"]
    (folder / "stimuli" / name).unlink()
    (folder / "stimuli" / name).symlink_to(folder / "secret")
    survey = Survey(ServerSettings(folder=str(folder)))
    with pytest.raises(UsageError, match="outside the survey"):
        survey.stimulus(name)
    survey.close()
