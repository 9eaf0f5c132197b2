"""Training logs: read `train.csv` of each run and average it over seeds."""

from __future__ import annotations

import csv
import dataclasses
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

MAX_POINTS = 120
"""Number of points in a drawn curve; longer logs are averaged in this many bins."""

_RUN_ID = re.compile(r"(?P<objective>.+)-(?P<color_space>[^-]+)-s(?P<seed>\d+)")
_TOTALS = frozenset({"step", "pictures", "loss"})
SHARE = ".share"
WEIGHT = ".weight"
COSINE = "cosine."
CRITIC = "critic."

WASSERSTEIN_TERMS = frozenset({"wgan", "wgan_gp"})
"""Terms whose critic estimates the Wasserstein distance; that of other terms yields only a difference of scores."""


@dataclasses.dataclass(frozen=True, order=True)
class RunName:
    """The parts of a run's folder name, `OBJECTIVE-SPACE-sSEED`."""

    color_space: str
    objective: str
    seed: int

    @classmethod
    def parse(cls, run_id: str) -> RunName | None:
        """Return the parts of `run_id`, or None if it has another form.

        >>> RunName.parse("wgan_l2-lab-s3")
        RunName(color_space='lab', objective='wgan_l2', seed=3)
        """
        match = _RUN_ID.fullmatch(run_id)
        return cls(match["color_space"], match["objective"], int(match["seed"])) if match else None


@dataclasses.dataclass(frozen=True)
class RunCurves:
    """The log of one training.

    Attributes:
        name: the run.
        columns: all columns of the thinned log, `step` among them; NaN marks missing cells.
    """

    name: RunName
    columns: Mapping[str, NDArray[np.float64]]

    @property
    def steps(self) -> NDArray[np.float64]:
        """Steps of the points."""
        return self.columns["step"]

    @property
    def terms(self) -> list[str]:
        """Terms of the objective, in the order of the log."""
        return [name for name in self.columns if name not in _TOTALS and not _belongs_to_terms(name)]

    @property
    def pairs(self) -> dict[str, tuple[str, str]]:
        """The two terms of each cosine column, in the order of the log."""
        split = {name: name.removeprefix(COSINE).split(".") for name in self.columns if name.startswith(COSINE)}
        return {name: (parts[0], parts[1]) for name, parts in split.items() if len(parts) == 2}

    @property
    def wasserstein(self) -> bool:
        """Whether the critic estimates the Wasserstein distance."""
        return not WASSERSTEIN_TERMS.isdisjoint(self.terms)


def _belongs_to_terms(column: str) -> bool:
    return column.startswith((CRITIC, COSINE)) or column.endswith((SHARE, WEIGHT))


def read_curves(folder: Path) -> list[RunCurves]:
    """Return the curves of all started runs of a study, sorted by space, objective and seed.

    Runs without a readable log are left out; the page lists missing runs elsewhere.
    """
    found = []
    for path in (folder / "runs").glob("*/train.csv"):
        name = RunName.parse(path.parent.name)
        columns = read_log(path)
        if name is not None and columns is not None:
            found.append(RunCurves(name, thin(columns)))
    return sorted(found, key=lambda run: run.name)


def read_log(path: Path) -> dict[str, NDArray[np.float64]] | None:
    """Return the columns of a `train.csv`, or None if it has no complete row.

    Lines with too few cells are skipped, because an interrupted training may leave its last line incomplete. Cells that
    are not numbers become NaN.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            head, *lines = list(csv.reader(file)) or [[]]
    except (OSError, csv.Error):
        return None
    rows = [[_number(cell) for cell in line] for line in lines if len(line) == len(head)]
    if "step" not in head or not rows:
        return None
    values = np.array(rows, dtype=np.float64)
    values = values[np.isfinite(values[:, head.index("step")])]
    return {name: values[:, index] for index, name in enumerate(head)} if len(values) else None


def thin(columns: Mapping[str, NDArray[np.float64]], max_points: int = MAX_POINTS) -> dict[str, NDArray[np.float64]]:
    """Average consecutive rows in at most `max_points` bins, ignoring NaN."""
    length = len(next(iter(columns.values())))
    if length <= max_points:
        return dict(columns)
    edges = np.linspace(0, length, max_points + 1).round().astype(int)[:-1]
    return {name: _bin_means(values, edges) for name, values in columns.items()}


def _bin_means(values: NDArray[np.float64], starts: NDArray[np.int_]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    sums = np.add.reduceat(np.where(known, values, 0.0), starts)
    counts = np.add.reduceat(known.astype(np.float64), starts)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def seed_mean(runs: Iterable[RunCurves], column: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return (steps, mean over runs) of a column, or None unless at least two runs logged it at the same steps."""
    logged = [run for run in runs if column in run.columns]
    if len(logged) < 2 or any(not np.array_equal(run.steps, logged[0].steps) for run in logged):
        return None
    return logged[0].steps, np.mean([run.columns[column] for run in logged], axis=0)
