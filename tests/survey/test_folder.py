"""The folder of a survey: the hash of its record, and what its files refer to stays inside it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from chromalab.core.errors import UsageError
from chromalab.survey.folder import SurveyRecord
from chromalab.survey.server.state import ServerSettings, Survey
from tests.survey.surveys import make_survey


def test_links_to_files_outside_are_not_served(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, scenes=3)
    name = record.scenes[0].stimuli["alpha"]
    (folder / "stimuli" / name).unlink()
    (folder / "stimuli" / name).symlink_to(folder / "secret")
    survey = Survey(ServerSettings(folder=str(folder)))
    with pytest.raises(UsageError, match="outside the survey"):
        survey.stimulus(name)
    survey.close()


NEWER = {
    "design": (
        "access", "viewing", "wording", "before", "after", "break_every", "feedback", "practice_pass", "per_trial",
        "inspect", "flicker_hz",
    ),
    "analysis": ("primary", "margin", "subgroups"),
    "recruitment": (
        "id_pattern", "signed", "stopped_url", "declined_url", "declined_code", "screened_url", "screened_code",
        "failed_url", "failed_code",
    ),
    "exclusions": (
        "hidden", "reduced", "screening", "unfinished", "screen_px_per_mm", "distance_mm", "px_per_degree", "gamma",
        "brightness",
    ),
}  # fmt: skip
"""Settings that the first version did not know, by their part of the design."""


@pytest.mark.parametrize("recruitment", [{}, {"code": "C0DE"}])
def test_surveys_of_the_first_version_keep_their_hash(tmp_path: Path, recruitment: dict[str, str]) -> None:
    """The hash of the first version: SHA-256 of all settings it knew as JSON with sorted keys."""
    _, record = make_survey(tmp_path, recruitment=recruitment)
    data = record.model_dump(mode="json")
    for part, names in NEWER.items():
        for name in names:
            del (data["design"] if part == "design" else data["design"][part])[name]
    old = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert record.sha256 == hashlib.sha256(old.encode()).hexdigest()
    assert SurveyRecord.parse(data, origin="test").sha256 == record.sha256
    for change in (
        {"analysis": {"margin": 0.3}},
        {"access": "lab"},
        {"viewing": {"min_scale": 1}},
        {"before": ["age"]},
    ):
        changed = SurveyRecord.model_validate(data | {"design": data["design"] | change})
        assert changed.sha256 != record.sha256


def test_surveys_with_the_first_conditions_of_viewing_keep_their_hash(tmp_path: Path) -> None:
    """Controls of viewing that were added later enter the hash only where they are used."""
    _, record = make_survey(tmp_path, viewing={"min_scale": 0.5})
    data = record.model_dump(mode="json")
    for part, names in (NEWER | {"viewing": ("card", "distance", "brightness", "surround")}).items():
        for name in names:
            if part != "design":
                del data["design"][part][name]
    for name in set(NEWER["design"]) - {"viewing"}:
        del data["design"][name]
    old = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert record.sha256 == hashlib.sha256(old.encode()).hexdigest()
    for change in ({"card": True}, {"surround": "dark"}):
        changed = data["design"] | {"viewing": data["design"]["viewing"] | change}
        assert SurveyRecord.model_validate(data | {"design": changed}).sha256 != record.sha256
