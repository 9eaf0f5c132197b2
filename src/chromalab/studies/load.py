"""Loading of studies into arrays, from a study folder or from packed records; some runs may still be missing.

`chromalab.studies.records` describes the study folder. Packed records hold the same in few files, for studies whose
results are kept under version control:

    study.json         StudyRecord
    records.json       PackedRecords: the records of all bounds, runs and intermediate checkpoints
    scores.csv.gz      one row per run, checkpoint and photo: `run` (or the bound's name), `share` (of the training; 1
                       at its end), `split` (test or validation), `photo`, then one column per metric. An empty cell
                       means that the run lacks the metric, `nan` that the photo has no value.
"""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from chromalab.color.bins import PriorRecord
from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.records import Record
from chromalab.evaluation.records import BOUNDS
from chromalab.studies.plan import PlanRecord, read_plan
from chromalab.studies.records import (
    FAILED_FILE,
    RECORDS,
    BoundRecord,
    CheckpointRecord,
    FailedRun,
    RunRecord,
    StudyRecord,
    planned_runs,
    run_id,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SCORES = "scores.csv.gz"
SCORE_KEYS = ("run", "share", "split", "photo")


class PackedRecords(Record):
    """The records of everything that a study measured.

    Attributes:
        bounds: the gray baseline and the ground truth.
        runs: the finished runs.
        looks: scores of intermediate checkpoints, by run.
        prior: distribution of the training photos' colors, if an objective needs it.
        skipped: photos that were left out, each with the reason.
        failed: runs whose training diverged, each with the reason.
    """

    bounds: list[BoundRecord]
    runs: list[RunRecord]
    looks: dict[str, list[CheckpointRecord]] = {}
    prior: PriorRecord | None = None
    skipped: list[tuple[str, str]] = []
    failed: dict[str, str] = {}

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read records that `save` wrote; parsing them as JSON is faster than as YAML.

        Raises:
            ConfigError: the file is not valid JSON or does not match this schema.
        """
        try:
            return cls.parse(json.loads(path.read_text(encoding="utf-8")), origin=str(path))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error


@dataclass(frozen=True)
class LoadedBound:
    """A bound with its per-photo metrics: one array over the test photos per metric, shape (N,)."""

    record: BoundRecord
    photos: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadedRun:
    """A finished run with its per-photo metrics.

    Attributes:
        record: the record of the run, with its set metrics.
        photos: one array per metric over the test photos in the study's order, shape (N,). NaN marks a missing value,
            and the PSNR of a perfect copy is infinite.
    """

    record: RunRecord
    photos: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class LoadedStudy:
    """Everything that a study has measured so far.

    Attributes:
        record: the study as it was planned.
        runs: the finished runs by name, in the planned order.
        bounds: `grey` and `truth`, if they have been scored.
        missing: names of planned runs that are not finished.
        plan: the frozen plan, if the study has one.
        failed: reasons of the missing runs whose training diverged, by name.
    """

    record: StudyRecord
    runs: Mapping[str, LoadedRun]
    bounds: Mapping[str, LoadedBound]
    missing: Sequence[str] = ()
    plan: PlanRecord | None = None
    failed: Mapping[str, str] = field(default_factory=dict)


def load_study(folder: Path, *, share: float | None = None) -> LoadedStudy:
    """Read a study from its folder or from packed records.

    A run counts as finished when its record exists, because that file is written last. Runs that the study does not
    plan are ignored.

    Args:
        folder: the study's folder.
        share: read the intermediate checkpoints after this share of the training, between 0 and 1; None reads the
            final networks.

    Raises:
        UsageError: the folder holds no study, or no run has a checkpoint at that share.
        ConfigError: a file is damaged or belongs to other photos; the message names the file.
    """
    if not (folder / "study.json").is_file():
        raise UsageError(
            f"{folder} holds no study (it has no study.json); "
            f"give the folder that 'chromalab compare run CONFIG --out {folder}' wrote"
        )
    record = StudyRecord.load(folder / "study.json")
    read = _read_packed if (folder / RECORDS).is_file() else _read_folder
    runs, bounds, failed = read(folder, record, share)
    if share is not None and not runs:
        raise UsageError(
            f"{folder}: no finished run has a checkpoint after {share:g} of its training; "
            "list this share under 'looks' in the configuration of the study"
        )
    planned = planned_runs(record)
    return LoadedStudy(
        record=record,
        runs={name: runs[name] for name in planned if name in runs},
        bounds={name: bounds[name] for name in BOUNDS if name in bounds},
        missing=[name for name in planned if name not in runs],
        plan=read_plan(folder),
        failed={name: failed[name] for name in planned if name not in runs and name in failed},
    )


def failed_runs(folder: Path, study: StudyRecord) -> dict[str, str]:
    """Return why the trainings of a study's folder diverged, by run."""
    paths = {name: folder / "runs" / name / FAILED_FILE for name in planned_runs(study)}
    return {name: FailedRun.load(path).reason for name, path in paths.items() if path.is_file()}


def read_metrics(path: Path, photos: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Read a `metrics.csv` into one array per metric, in the order of `photos`.

    Args:
        path: the table, with a column `photo` and one column per metric.
        photos: names of the photos; a photo that is not in the table gets NaN.

    Returns:
        Arrays of shape (len(photos),). An empty cell becomes NaN, and `inf` becomes infinity.

    Raises:
        ConfigError: the file is missing or damaged, holds a photo that is not in `photos`, or holds a photo twice.
    """
    header, rows = _read_table(path)
    return _columns(header[1:], list(enumerate(rows, start=2)), photos, path)


_Read = tuple[dict[str, LoadedRun], dict[str, LoadedBound], dict[str, str]]


def _read_folder(folder: Path, study: StudyRecord, share: float | None) -> _Read:
    names = [name for name in planned_runs(study) if (folder / "runs" / name / "record.json").is_file()]
    runs = {name: _load_run(folder / "runs" / name, study) for name in names}
    if share is not None:
        found = {name: _at_share(folder / "runs" / name, run, study, share) for name, run in runs.items()}
        runs = {name: run for name, run in found.items() if run is not None}
    bounds = [name for name in BOUNDS if (folder / "bounds" / name / "record.json").is_file()]
    loaded = {name: _load_bound(folder / "bounds" / name, study) for name in bounds}
    return runs, loaded, failed_runs(folder, study)


def _read_packed(folder: Path, study: StudyRecord, share: float | None) -> _Read:
    packed = PackedRecords.load(folder / RECORDS)
    scores = _read_scores(folder / SCORES, study.data.test_photos)
    runs = {}
    for record in packed.runs:
        _check(record, record.run_id, study, folder / RECORDS)
        checkpoint = next((each for each in packed.looks.get(record.run_id, []) if each.share == share), None)
        if share is None:
            runs[record.run_id] = LoadedRun(record, _scores_of(scores, record.run_id, 1.0, folder))
        elif checkpoint is not None:
            runs[record.run_id] = LoadedRun(
                _before(record, checkpoint), _scores_of(scores, record.run_id, share, folder)
            )
    bounds: dict[str, LoadedBound] = {}
    for bound in packed.bounds:
        bounds[bound.name] = LoadedBound(bound, _scores_of(scores, bound.name, 1.0, folder))
    return runs, bounds, packed.failed


_Scores = dict[tuple[str, float], dict[str, "NDArray[np.float64]"]]


def _scores_of(scores: _Scores, name: str, share: float, folder: Path) -> dict[str, NDArray[np.float64]]:
    """Return the scores that packed records name.

    Raises:
        ConfigError: they are missing.
    """
    if (name, share) not in scores:
        where = f" after {share:g} of its training" if share < 1 else ""
        raise ConfigError(
            f"{folder / SCORES} has no scores of {name}{where}, which {RECORDS} names; both files must come from the "
            "same packing, so restore them together"
        )
    return scores[name, share]


def _read_scores(path: Path, photos: Sequence[str]) -> _Scores:
    """Return the metrics of the test photos by run and share of the training."""
    header, rows = _read_table(path)
    groups: dict[tuple[str, float], list[tuple[int, list[str]]]] = {}
    for line, (run, share, split, *rest) in enumerate(rows, start=2):
        if split == "test":
            groups.setdefault((run, _number(share, path, line)), []).append((line, rest))
    names = header[len(SCORE_KEYS) :]
    found = {}
    for key, lines in groups.items():
        columns = _columns(names, lines, photos, path)
        found[key] = {name: columns[name] for place, name in enumerate(names, 1) if any(row[place] for _, row in lines)}
    return found


def _columns(
    names: Sequence[str], lines: Sequence[tuple[int, list[str]]], photos: Sequence[str], path: Path
) -> dict[str, NDArray[np.float64]]:
    """Return one array per metric from numbered rows, each with a photo and its values."""
    position = {name: index for index, name in enumerate(photos)}
    values = np.full((len(names), len(photos)), np.nan)
    seen: set[str] = set()
    for line, row in lines:
        if len(row) != len(names) + 1:
            raise ConfigError(f"{path}, line {line}: expected {len(names) + 1} cells, got {len(row)}; evaluate again")
        if row[0] not in position or row[0] in seen:
            why = "occurs twice" if row[0] in seen else "is not a test photo of this study"
            raise ConfigError(f"{path}, line {line}: the photo '{row[0]}' {why}; evaluate the run again")
        seen.add(row[0])
        values[:, position[row[0]]] = [_number(cell, path, line) for cell in row[1:]]
    return dict(zip(names, values, strict=True))


def _load_run(folder: Path, study: StudyRecord) -> LoadedRun:
    record = RunRecord.load(folder / "record.json")
    _check(record, folder.name, study, folder / "record.json")
    return LoadedRun(record, read_metrics(folder / "metrics.csv", study.data.test_photos))


def _check(record: RunRecord, name: str, study: StudyRecord, path: Path) -> None:
    packed = path.name == RECORDS
    remedy = "restore the packed files" if packed else "delete its folder and run the comparison again"
    if run_id(record.objective, record.color_space, record.seed) != name:
        raise ConfigError(f"{path} is the record of {record.run_id}, not of {name}; {remedy}")
    if record.data_sha256 != study.data.data_sha256:
        raise ConfigError(f"{path}: {name} used other photos than the study; {remedy}")


def _at_share(folder: Path, run: LoadedRun, study: StudyRecord, share: float) -> LoadedRun | None:
    """Return the scores of a run at an intermediate checkpoint, or None if it has none at this share."""
    for path in sorted(folder.glob("looks/*/record.json")):
        checkpoint = CheckpointRecord.load(path)
        if checkpoint.share == share:
            photos = read_metrics(path.parent / "metrics.csv", study.data.test_photos)
            return LoadedRun(_before(run.record, checkpoint), photos)
    return None


def _before(record: RunRecord, checkpoint: CheckpointRecord) -> RunRecord:
    """Return the record of a run with the numbers of an intermediate checkpoint."""
    facts = {"steps": checkpoint.step, "pictures": checkpoint.pictures, "set_metrics": checkpoint.set_metrics}
    return record.model_copy(update=facts)


def _load_bound(folder: Path, study: StudyRecord) -> LoadedBound:
    record = BoundRecord.load(folder / "record.json")
    return LoadedBound(record, read_metrics(folder / "metrics.csv", study.data.test_photos))


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a `metrics.csv` or of packed scores."""
    packed = path.suffix == ".gz"
    first, shape = (SCORE_KEYS, "run,share,split,photo,METRIC,...") if packed else (("photo",), "photo,METRIC,...")
    try:
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except FileNotFoundError:
        remedy = f"restore it beside {RECORDS}" if packed else "delete its folder and run the comparison again"
        raise ConfigError(f"{path} does not exist; {remedy}") from None
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read as a table: {error}") from error
    if not rows or tuple(rows[0][: len(first)]) != first or len(set(rows[0])) != len(rows[0]):
        raise ConfigError(f"{path}: expected a first line '{shape}' that names each metric once")
    return rows[0], rows[1:]


def _number(cell: str, path: Path, line: int) -> float:
    if not cell:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        raise ConfigError(f"{path}, line {line}: '{cell}' is not a number; evaluate the run again") from None
