"""The folder of a survey.

survey.json     SurveyRecord: design, methods, photos, and the hash of every stimulus
secret          32 random bytes as hex, readable only by the owner: seeds schedules and hashes platform IDs
stimuli/        the stimuli as shown, named by their hashes
votes.sqlite    the votes, unless a PostgreSQL database holds them
analysis/       the output of `survey analyze`
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import sha256_bytes
from chromalab.core.records import Record
from chromalab.survey.design import DAMAGED, MEASUREMENTS, Design, Viewing
from chromalab.survey.plan import CONDITION_RANGES
from chromalab.survey.recruitment import usual_access

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

SCHEMA_VERSION = 1
_STIMULUS = re.compile(r"[0-9A-Za-z][\w-]*\.png", re.ASCII)


class Scene(Record):
    """A photo of the survey.

    Attributes:
        name: path relative to its folder, without suffix.
        width_px: width of the stimuli.
        height_px: height of the stimuli.
        stimuli: file in `stimuli/` by method, and by `truth`, `grey`, `random` and `damaged` if the design uses
            them.
    """

    name: str
    width_px: int
    height_px: int
    stimuli: dict[str, str]

    @model_validator(mode="after")
    def _files_are_in_the_folder(self) -> Self:
        for file in self.stimuli.values():
            if not _STIMULUS.fullmatch(file):
                raise ValueError(
                    f"scene {self.name}: '{file}' is not the name of a stimulus; the survey was changed after its "
                    "creation: restore survey.json"
                )
        return self


class SurveyRecord(Record):
    """A survey before its first vote.

    Attributes:
        design: the design with all defaults filled in.
        methods: compared methods, sorted.
        scenes: photos, sorted by name.
        notes: photos left out and changes made while preparing the stimuli.
        sources: origin of the images.
        version: version of chromalab.
    """

    schema_version: int = SCHEMA_VERSION
    design: Design
    methods: list[str]
    scenes: list[Scene]
    notes: list[str] = []
    sources: dict[str, str] = {}
    version: str

    @property
    def damaged(self) -> frozenset[str]:
        """Photos with a damaged version of the true colors; none in surveys of older versions."""
        return frozenset(
            scene.name for scene in self.scenes if DAMAGED in scene.stimuli and DAMAGED not in self.methods
        )

    @property
    def sha256(self) -> str:
        """Hash of the registered design, analysis plan and stimuli."""
        return survey_hash(self.model_dump(mode="json"))


_ADDED = {
    "analysis": ("primary", "margin", "subgroups"),
    "recruitment": (
        "id_pattern", "signed", "stopped_url", "declined_url", "declined_code", "screened_url", "screened_code",
        "failed_url", "failed_code",
    ),
    "exclusions": ("hidden", "reduced", "screening", "unfinished", *CONDITION_RANGES, "brightness"),
}  # fmt: skip
_ADDED_TO_DESIGN = (
    "wording", "before", "after", "break_every", "feedback", "practice_pass", "per_trial", "inspect", "flicker_hz",
)  # fmt: skip
"""Settings that are newer than the first surveys. Unset, they do not enter the hash, nor does the usual access mode."""

_ADDED_TO_VIEWING = (*MEASUREMENTS, "surround")
"""Conditions of viewing that are newer than the first ones, which enter the hash only where they are used."""


def survey_hash(survey: dict[str, Any]) -> str:
    """Return the SHA-256 that identifies a survey's design, analysis plan and stimuli.

    Args:
        survey: a `SurveyRecord` as JSON data, of this or an older version.
    """
    design = {name: value for name, value in survey["design"].items() if name not in _ADDED_TO_DESIGN or value}
    for part, added in _ADDED.items():
        design[part] = {name: value for name, value in design[part].items() if name not in added or value}
    if design.get("access") == usual_access(design["recruitment"]):
        del design["access"]
    if viewing := _changed_viewing(design.pop("viewing", {})):
        design["viewing"] = viewing
    text = json.dumps({**survey, "design": design}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _changed_viewing(viewing: dict[str, Any]) -> dict[str, Any]:
    """Return the conditions of viewing that enter the hash: none unless one differs from the default."""
    usual = Viewing().model_dump(mode="json")
    if all(value == usual.get(name) for name, value in viewing.items()):
        return {}
    return {name: value for name, value in viewing.items() if name not in _ADDED_TO_VIEWING or value != usual[name]}


class SurveyFolder:
    """Paths of a survey's files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.survey_json = root / "survey.json"
        self.secret_file = root / "secret"
        self.stimuli = root / "stimuli"
        self.database = root / "votes.sqlite"
        self.analysis = root / "analysis"

    def load(self) -> SurveyRecord:
        """Return the survey.

        Raises:
            UsageError: the folder holds no survey.
            ConfigError: the file is damaged.
        """
        if not self.survey_json.is_file():
            raise UsageError(f"{self.root} holds no survey; create one with 'chromalab survey create'")
        return SurveyRecord.load(self.survey_json)

    def secret(self) -> bytes:
        """Return the survey's secret.

        Raises:
            UsageError: the secret is missing or damaged.
        """
        try:
            return bytes.fromhex(self.secret_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            raise UsageError(f"{self.secret_file} is missing or damaged; restore it from a backup") from None

    def check_stimuli(self, record: SurveyRecord) -> None:
        """Compare the stimuli with the hashes in their names, which the registration covers.

        Raises:
            ConfigError: a file was replaced.
        """
        for scene in record.scenes:
            for name in scene.stimuli.values():
                path = self.stimuli / name
                if path.is_file() and not name.startswith(sha256_bytes(path.read_bytes())[:32]):
                    raise ConfigError(f"{path} was replaced after the survey was created; restore the original file")

    def make_secret(self) -> None:
        """Write a new secret that only its owner can read."""
        self.secret_file.touch(mode=0o600)
        self.secret_file.write_text(secrets.token_hex(32), encoding="ascii")
