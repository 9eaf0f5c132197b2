"""Per-photo scores: tables, storage during an evaluation, and CSV files."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
import weakref
from collections import Counter
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from chromalab.core.files import atomic_writer, explain_write_errors, make_folder, write_text
from chromalab.evaluation.records import TARGET, SkippedPair
from chromalab.metrics.features import FeatureRows
from chromalab.metrics.registry import METRICS
from chromalab.metrics.rows import DOUBLE, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.evaluation.protocols import Protocol
    from chromalab.evaluation.records import ComparisonRecord
    from chromalab.evaluation.scoring import ScoredBatch


@dataclass(frozen=True)
class ScoreTable:
    """The per-photo scores of one method.

    Attributes:
        photos: names of the photos.
        width_px: widths of the photos as scored, (N,).
        height_px: heights of the photos as scored, (N,).
        columns: metric -> (N,), NaN for photos that are too small; PSNR may be infinite.
        truth: the same for the ground truth itself, for metrics that are better if closer to it.
        time_s: times of the photos in seconds, (N,), if they are frames of a film.
    """

    photos: tuple[str, ...]
    width_px: NDArray[np.int64]
    height_px: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]
    truth: Mapping[str, NDArray[np.float64]]
    time_s: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Comparison:
    """The result of one or more methods on the same photos.

    Attributes:
        record: the record, with summaries and paired differences.
        scores: the per-photo scores by method and bound, all in the same order of photos.
        files: the files of the photos by method, then by name; also those of `target` and `grey`, if given.
        protocol: the protocol.
    """

    record: ComparisonRecord
    scores: Mapping[str, ScoreTable]
    files: Mapping[str, Mapping[str, Path]]
    protocol: Protocol


KEY_FILE, DONE_FILE = "key.txt", "done.jsonl"


class ScoreStore:
    """The scores and features of all photos so far, in files from which an evaluation can resume.

    Args:
        methods: methods and bounds.
        columns: the per-photo metrics.
        truth_columns: per-photo metrics that are also computed of the ground truth itself.
        kinds: the kinds of features.
        has_target: whether there are true photos.
        folder: folder of the files; None uses temporary files.
        key: hash of everything that determines the result. If the folder holds another key, it is emptied.
    """

    def __init__(
        self,
        methods: Sequence[str],
        columns: Sequence[str],
        truth_columns: Sequence[str],
        kinds: Sequence[str],
        *,
        has_target: bool,
        folder: Path | None = None,
        key: str = "",
    ) -> None:
        self.columns, self.truth_columns = tuple(columns), tuple(truth_columns)
        if folder is not None:
            _begin(folder, key)
        places = {name: None if folder is None else folder / f"{index}" for index, name in enumerate(methods)}
        target = None if folder is None else folder / TARGET
        self._values = {name: _rows(len(columns), place) for name, place in places.items() if columns}
        self._truth = _rows(len(truth_columns), target) if truth_columns else None
        self.features = {name: FeatureRows(kinds, place) for name, place in places.items()}
        self.target_features = FeatureRows(kinds, target) if has_target else None
        self.photos: list[str] = []
        self.skipped: list[SkippedPair] = []
        self.oddities: Counter[tuple[str, str]] = Counter()
        self._sizes: list[tuple[int, int]] = []
        self._log = None if folder is None else _Log(folder / DONE_FILE)
        self._resume()

    def _resume(self) -> None:
        """Count what was finished before, and cut off incomplete rows."""
        for event in self._log.events if self._log else ():
            self._count(event)
        for rows in (*self._values.values(), self._truth, *self.features.values(), self.target_features):
            if rows is not None:
                rows.truncate(len(self.photos))

    @property
    def done(self) -> set[str]:
        """Names of the photos that have been scored or skipped."""
        return {*self.photos, *(pair.name for pair in self.skipped)}

    def add(self, outcome: ScoredBatch | SkippedPair) -> None:
        """Store the scores of a batch, or a skipped photo."""
        if isinstance(outcome, SkippedPair):
            event: dict[str, Any] = {"skipped": outcome.model_dump()}
        else:
            self._write(outcome)
            event = {
                "photos": outcome.photos,
                "size": [outcome.width_px, outcome.height_px],
                "oddities": [list(oddity) for oddity in outcome.oddities],
            }
        if self._log:
            self._log.append(event)
        self._count(event)

    def _write(self, batch: ScoredBatch) -> None:
        n = len(batch.photos)
        for name, rows in self._values.items():
            rows.append(_stacked(batch.values[name], self.columns, n))
        for name, features in self.features.items():
            features.append(batch.features[name])
        if self._truth is not None:
            self._truth.append(_stacked(batch.truth, self.truth_columns, n))
        if self.target_features is not None:
            self.target_features.append(batch.features[TARGET])

    def _count(self, event: Mapping[str, Any]) -> None:
        if "skipped" in event:
            self.skipped.append(SkippedPair(**event["skipped"]))
            return
        self.photos += event["photos"]
        self._sizes += [tuple(event["size"])] * len(event["photos"])
        self.oddities.update((method, what) for method, what in event["oddities"])

    def tables(self) -> dict[str, ScoreTable]:
        """Return the scores of all photos by method and bound, sorted by name."""
        order = self._order()
        width, height = (np.array([self._sizes[index][axis] for index in order], dtype=np.int64) for axis in (0, 1))
        truth = _columns(self._truth, self.truth_columns, order)
        photos = tuple(self.photos[index] for index in order)
        return {
            name: ScoreTable(photos, width, height, _columns(self._values.get(name), self.columns, order), truth)
            for name in self.features
        }

    def sorted_features(self) -> dict[str, FeatureRows]:
        """Return the features of all photos by method, bound and `target`, sorted by name.

        Parts that failed are stored last when an evaluation resumes, but frames and the groups of a jackknife follow
        the order of names.
        """
        target = {} if self.target_features is None else {TARGET: self.target_features}
        found, order = self.features | target, self._order()
        if order == list(range(len(order))):
            return found
        return {name: features.reordered(order) for name, features in found.items()}

    def _order(self) -> list[int]:
        """Return the places of the photos in the order of their names."""
        return sorted(range(len(self.photos)), key=self.photos.__getitem__)


class _Log:
    """A file with one line of JSON per event."""

    def __init__(self, path: Path) -> None:
        self._path = path
        whole, _, _broken = path.read_bytes().rpartition(b"\n") if path.exists() else (b"", b"", b"")
        self.events: list[dict[str, Any]] = [json.loads(line) for line in whole.splitlines()]
        with explain_write_errors(path):
            self._file: IO[bytes] = path.open("ab")
            self._file.truncate(len(whole) + 1 if whole else 0)
        weakref.finalize(self, self._file.close)

    def append(self, event: Mapping[str, Any]) -> None:
        with explain_write_errors(self._path):
            self._file.write(json.dumps(event).encode() + b"\n")
            self._file.flush()


def _begin(folder: Path, key: str) -> None:
    """Empty the folder if it holds the state of another evaluation."""
    make_folder(folder)
    stored = folder / KEY_FILE
    before = stored.read_text(encoding="utf-8") if stored.exists() else None
    if before == key:
        return
    if before is not None:
        sys.stderr.write(f"{folder} holds the state of other photos, metrics or protocols; starting over\n")
    stored.unlink(missing_ok=True)
    (folder / DONE_FILE).unlink(missing_ok=True)
    write_text(stored, key)


def _rows(dimensions: int, place: Path | None) -> Rows:
    return Rows(dimensions, None if place is None else place / "values.f64", item=DOUBLE)


def _stacked(values: Mapping[str, NDArray[np.float64]], columns: Sequence[str], n: int) -> NDArray[np.float64]:
    """Return (n, columns), with NaN for metrics without values for photos of this size."""
    missing = np.full(n, np.nan)
    return np.stack([values.get(name, missing) for name in columns], axis=1)


def _columns(rows: Rows | None, names: Sequence[str], order: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    if rows is None:
        return {}
    table = rows.read()[order]
    return {name: table[:, index] for index, name in enumerate(names)}


def write_photo_scores(path: Path, scores: Mapping[str, ScoreTable], *, name_methods: bool) -> None:
    """Write one row per photo: its name, its time if it is a frame of a film, its size, and one column per metric.

    A cell is empty if a photo is too small for a metric or a frame follows a cut, and `inf` for the PSNR of identical
    images.

    Args:
        path: the CSV file.
        scores: the scores by method.
        name_methods: add a first column with the name of the method.

    Raises:
        OutputError: the file cannot be written.
    """
    names = [name for name in METRICS if any(name in table.columns for table in scores.values())]
    with atomic_writer(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        rows = csv.writer(text, lineterminator="\n")
        timed = ["time_s"] if any(table.time_s is not None for table in scores.values()) else []
        rows.writerow([*(["method"] if name_methods else []), "photo", *timed, "width_px", "height_px", *names])
        for method, table in scores.items():
            for index, photo in enumerate(table.photos):
                values = (float(table.columns[name][index]) for name in names)
                cells = ("" if math.isnan(value) else repr(value) for value in values)
                size = table.width_px[index], table.height_px[index]
                time = [] if table.time_s is None else [f"{table.time_s[index]:.6g}"]
                rows.writerow([*([method] if name_methods else []), photo, *time, *size, *cells])
        text.detach()
