"""Which runs of a study are finished, begun, or still to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from chromalab.core.records import Record
from chromalab.studies.records import run_id
from chromalab.studies.study import StudyFolder

if TYPE_CHECKING:
    from pathlib import Path


class RunStatus(Record):
    """The state of one planned run."""

    run_id: str
    formula: str
    state: Literal["finished", "begun", "to do"]
    training_seconds: float | None = None


def study_status(root: Path) -> list[RunStatus]:
    """Return the state of every run of the study in `root`.

    Raises:
        UsageError: there is no study.
    """
    folder = StudyFolder(root)
    study = folder.load()
    return [
        _status(folder, run_id(objective.id, space, seed), objective.formula)
        for seed in study.seeds
        for space in study.color_spaces
        for objective in study.objectives
    ]


def _status(folder: StudyFolder, identity: str, formula: str) -> RunStatus:
    record = folder.finished(identity)
    if record is not None:
        return RunStatus(run_id=identity, formula=formula, state="finished", training_seconds=record.training_seconds)
    return RunStatus(run_id=identity, formula=formula, state="begun" if folder.run(identity).exists() else "to do")
