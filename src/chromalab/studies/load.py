"""Reading a study folder into arrays, while some of its runs may still be missing."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.errors import ConfigError, UsageError
from chromalab.studies.records import BoundRecord, LookRecord, RunRecord, StudyRecord, run_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BOUNDS = ("grey", "truth")


@dataclass(frozen=True)
class LoadedBound:
    """A bound with its per-photo metrics: for each name an array over the test photographs, shape (N,)."""

    record: BoundRecord
    photos: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadedRun:
    """A finished run with its per-photo metrics.

    Attributes:
        record: what was trained, and its metrics of the whole set.
        photos: for each per-photo metric an array over the test photographs in the study's order, shape (N,); NaN where
            there is no value, infinite where the metric is (PSNR of a perfect copy).
    """

    record: RunRecord
    photos: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class LoadedStudy:
    """Everything that a study has measured so far.

    Attributes:
        record: the study as it was planned.
        runs: the finished runs by identity, in the planned order.
        bounds: `grey` and `truth`, as far as they are there.
        missing: identities of planned runs that are not finished.
    """

    record: StudyRecord
    runs: Mapping[str, LoadedRun]
    bounds: Mapping[str, LoadedBound]
    missing: Sequence[str] = ()


def planned_runs(study: StudyRecord) -> list[str]:
    """Return the identities of all runs of a study: objectives, then color spaces, then seeds."""
    return [
        run_id(objective.id, space, seed)
        for objective in study.objectives
        for space in study.color_spaces
        for seed in study.seeds
    ]


def load_study(folder: Path, *, look: float | None = None) -> LoadedStudy:
    """Read a study folder as `chromalab.studies.records` describes it.

    A run counts as finished when its record is there, since that file is written last. Folders of runs that the study
    does not plan are left alone.

    Args:
        folder: the study's folder.
        look: read what the networks were like after this share of their training, as far as that was measured; None
            reads them as they were at the end.

    Raises:
        UsageError: the folder holds no study, or no run of it was looked at there.
        ConfigError: a file of it is damaged, or belongs to other photographs; the message names the file.
    """
    if not (folder / "study.json").is_file():
        raise UsageError(
            f"{folder} holds no study (there is no study.json in it): "
            f"give the folder that 'chromalab compare run CONFIG --out {folder}' wrote"
        )
    record = StudyRecord.load(folder / "study.json")
    planned = planned_runs(record)
    finished = [name for name in planned if (folder / "runs" / name / "record.json").is_file()]
    runs = {name: _load_run(folder / "runs" / name, record) for name in finished}
    if look is not None:
        found = {name: _at_look(folder / "runs" / name, run, record, look) for name, run in runs.items()}
        runs = {name: run for name, run in found.items() if run is not None}
        if not runs:
            raise UsageError(f"{folder}: no finished run was looked at after {look:g} of its training (study: looks)")
    return LoadedStudy(
        record=record,
        runs=runs,
        bounds={name: _load_bound(folder / "bounds" / name, record) for name in _bounds_in(folder)},
        missing=[name for name in planned if name not in runs],
    )


def read_metrics(path: Path, photos: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Read a `metrics.csv` into one array for each metric, in the order of `photos`.

    Args:
        path: the table, with a column `photo` and one column for each metric.
        photos: names of the photographs; one that the table lacks gets NaN.

    Returns:
        Arrays of shape (len(photos),); an empty cell is NaN, `inf` is infinite.

    Raises:
        ConfigError: the file is missing or damaged, or holds a photograph that is not in `photos` or holds it twice.
    """
    header, rows = _read_table(path)
    position = {name: index for index, name in enumerate(photos)}
    values = np.full((len(header) - 1, len(photos)), np.nan)
    seen: set[str] = set()
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ConfigError(f"{path}, line {line}: expected {len(header)} cells, {len(row)} came; evaluate it again")
        if row[0] not in position or row[0] in seen:
            why = "is there twice" if row[0] in seen else "is not a test photo of this study"
            raise ConfigError(f"{path}, line {line}: the photo '{row[0]}' {why}; evaluate the run again")
        seen.add(row[0])
        values[:, position[row[0]]] = [_number(cell, path, line) for cell in row[1:]]
    return dict(zip(header[1:], values, strict=True))


def _bounds_in(folder: Path) -> list[str]:
    return [name for name in BOUNDS if (folder / "bounds" / name / "record.json").is_file()]


def _load_run(folder: Path, study: StudyRecord) -> LoadedRun:
    record = RunRecord.load(folder / "record.json")
    if run_id(record.objective, record.color_space, record.seed) != folder.name:
        raise ConfigError(
            f"{folder / 'record.json'}: it is the record of {record.run_id}, not of {folder.name}; "
            f"delete the folder and run the comparison again"
        )
    if record.data_sha256 != study.data.data_sha256:
        raise ConfigError(
            f"{folder / 'record.json'}: the run saw other photographs than the study has; "
            f"delete the folder and run the comparison again"
        )
    return LoadedRun(record, read_metrics(folder / "metrics.csv", study.data.test_photos))


def _at_look(folder: Path, run: LoadedRun, study: StudyRecord, share: float) -> LoadedRun | None:
    """Return a run as it was on its way, None where nobody looked."""
    for path in sorted(folder.glob("looks/*/record.json")):
        look = LookRecord.load(path)
        if look.share == share:
            facts = {"steps": look.step, "pictures": look.pictures, "set_metrics": look.set_metrics}
            photos = read_metrics(path.parent / "metrics.csv", study.data.test_photos)
            return LoadedRun(run.record.model_copy(update=facts), photos)
    return None


def _load_bound(folder: Path, study: StudyRecord) -> LoadedBound:
    record = BoundRecord.load(folder / "record.json")
    return LoadedBound(record, read_metrics(folder / "metrics.csv", study.data.test_photos))


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; delete its folder and run the comparison again") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: it can't be read as a table: {error}") from error
    if not rows or rows[0][0] != "photo" or len(set(rows[0])) != len(rows[0]):
        raise ConfigError(f"{path}: expected a first line 'photo,METRIC,...' that names each metric once")
    return rows[0], rows[1:]


def _number(cell: str, path: Path, line: int) -> float:
    if not cell:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        raise ConfigError(f"{path}, line {line}: '{cell}' is not a number; evaluate the run again") from None
