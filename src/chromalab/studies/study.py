"""The folder of a study, and the status of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chromalab.core.errors import UsageError
from chromalab.core.files import make_folder
from chromalab.core.records import Record
from chromalab.studies.load import PackedRecords
from chromalab.studies.records import RECORDS, CheckpointRecord, RunRecord, StudyRecord, planned_runs, run_id

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class StudyFolder:
    """The paths of a study; `chromalab.studies.records` describes its layout."""

    root: Path

    @property
    def study_json(self) -> Path:
        """The StudyRecord."""
        return self.root / "study.json"

    @property
    def skipped_csv(self) -> Path:
        """The photos that were left out, each with the reason."""
        return self.root / "skipped.csv"

    @property
    def prior_json(self) -> Path:
        """The distribution of the training photos' colors, if an objective needs it."""
        return self.root / "prior.json"

    def run(self, run_id: str) -> Path:
        """The folder of a run."""
        return self.root / "runs" / run_id

    def checkpoint(self, run_id: str, crops: int) -> Path:
        """The folder with the scores of an intermediate checkpoint, by the number of crops seen."""
        return self.run(run_id) / "looks" / f"{crops:06d}"

    def bound(self, name: str) -> Path:
        """The folder of a bound, `grey` or `truth`."""
        return self.root / "bounds" / name

    def images(self, name: str) -> Path:
        """The folder with the images of a run or bound."""
        return self.root / "pictures" / name

    def open(self, study: StudyRecord) -> None:
        """Write the record of `study`, or check that the folder already holds this study.

        Raises:
            UsageError: the folder holds another study.
            OutputError: the folder cannot be written.
        """
        make_folder(self.root)
        if self.study_json.exists():
            there = StudyRecord.load(self.study_json)
            if there.config_sha256 != study.config_sha256:
                raise UsageError(
                    f"{self.root} holds the study '{there.name}' with other settings or photos; choose another --out "
                    "or delete the folder"
                )
            earlier = {objective.id: objective for objective in there.objectives}
            for now in study.objectives:
                before = earlier[now.id]
                if before.trunks != now.trunks:
                    raise UsageError(
                        f"{self.root}: the losses of {now.id} used other networks ({before.listed_trunks}) than they "
                        f"would now ({now.listed_trunks}), because other weights are installed; choose another --out"
                    )
            return
        study.save(self.study_json)

    def load(self) -> StudyRecord:
        """Return the study of this folder.

        Raises:
            UsageError: the folder holds no study.
        """
        if not self.study_json.exists():
            raise UsageError(
                f"{self.root} holds no study; run one with 'chromalab compare run CONFIG --out {self.root}'"
            )
        return StudyRecord.load(self.study_json)

    def finished(self, run_id: str) -> RunRecord | None:
        """Return the record of a finished run, or None."""
        path = self.run(run_id) / "record.json"
        return RunRecord.load(path) if path.exists() else None

    def plan_hashes(self, study: StudyRecord) -> list[str | None]:
        """Return the hash of the plan for each scored run and intermediate checkpoint, None for none."""
        names = planned_runs(study)
        runs = [record for name in names if (record := self.finished(name)) is not None]
        looks = [path for name in names for path in sorted(self.run(name).glob("looks/*/record.json"))]
        return [
            *(record.plan_sha256 for record in runs),
            *(CheckpointRecord.load(path).plan_sha256 for path in looks),
        ]


class RunStatus(Record):
    """The status of one planned run."""

    run_id: str
    formula: str
    state: Literal["finished", "begun", "to do"]
    training_seconds: float | None = None


def study_status(root: Path) -> list[RunStatus]:
    """Return the status of every planned run of the study in `root`, seed by seed.

    Raises:
        UsageError: `root` holds no study.
    """
    folder = StudyFolder(root)
    study = folder.load()
    planned = [
        (run_id(objective.id, space, seed), objective.formula)
        for seed in study.seeds
        for space in study.color_spaces
        for objective in study.objectives
    ]
    if not (root / RECORDS).exists():
        return [
            _status(name, formula, folder.finished(name), begun=folder.run(name).exists()) for name, formula in planned
        ]
    packed = PackedRecords.load(root / RECORDS)
    records = {record.run_id: record for record in packed.runs}
    return [_status(name, formula, records.get(name), begun=name in packed.failed) for name, formula in planned]


def _status(name: str, formula: str, record: RunRecord | None, *, begun: bool) -> RunStatus:
    if record is not None:
        return RunStatus(run_id=name, formula=formula, state="finished", training_seconds=record.training_seconds)
    return RunStatus(run_id=name, formula=formula, state="begun" if begun else "to do")
