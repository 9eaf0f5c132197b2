"""Evaluation of films: their frames as photos under a named protocol, CDC, and color flicker."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chromalab.colorization.video.codecs import READABLE
from chromalab.core.errors import UsageError
from chromalab.core.files import printable
from chromalab.core.progress import progress
from chromalab.evaluation.folders import EvaluationSettings, compare_folders
from chromalab.evaluation.records import GREY, GREY_BOUND, TARGET, TRUTH_BOUND
from chromalab.metrics.facts import SetValue
from chromalab.metrics.video import WARP_ERROR
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from chromalab.colorization.video.flicker import ComparedFilms
    from chromalab.evaluation.records import ComparisonRecord
    from chromalab.evaluation.scores import Comparison, ScoreTable


def are_films(paths: Sequence[Path]) -> bool:
    """Return whether paths are films and not folders, by the suffixes of their names.

    Raises:
        UsageError: some of them are films, and others are not.
    """
    films = [path for path in paths if path.suffix.lower() in READABLE and not path.is_dir()]
    if films and len(films) < len(paths):
        other = next(path for path in paths if path not in films)
        raise UsageError(f"{films[0]} is a film and {other} is not: give films only, or folders only")
    return bool(films)


@contextmanager
def compared_films(
    methods: Mapping[str, Path],
    *,
    target: Path | None = None,
    grey: Path | None = None,
    settings: EvaluationSettings | None = None,
    every: int = 1,
) -> Iterator[Comparison]:
    """Score the frames of one or more films, and measure how steady their colors are.

    Frames are stored without loss in a temporary folder, to which the files of the comparison point, and which is
    deleted at the end of the context. They are named by their index in the film. An evaluation of films cannot
    be resumed.

    Args:
        methods: the film of every method, by name.
        target: the film with the true colors, with as many frames of the same size.
        grey: the gray film that was colorized. One of `target` and `grey` is needed.
        settings: protocol, metrics and device; None takes the defaults.
        every: per-frame metrics and CDC use every such frame; color flicker always uses all.

    Raises:
        UsageError: a file is not a film, the films differ in size or number of frames, the package for films is
            missing, or as for `compare_folders`.
    """
    others = {name: path for name, path in ((TARGET, target), (GREY, grey)) if path is not None}
    if not others:
        raise UsageError("there is nothing to compare with; give the film with the true colors or the gray film")
    methods = {printable(name): film for name, film in methods.items()}
    settings = replace(settings or EvaluationSettings(), video=True, state=None)
    bounds = settings.bounds and target is not None
    keys = {method: f"method{index}" for index, method in enumerate(methods)}  # safe as names of folders
    films = _opened({keys[method]: path for method, path in methods.items()} | others, motion=next(iter(others)))
    with tempfile.TemporaryDirectory(prefix="chromalab-") as name:
        folder = Path(name)
        found = _extract(films, folder, every)
        frames = compare_folders(
            {method: folder / key for method, key in keys.items()},
            target=folder / TARGET if target is not None else None,
            grey=folder / GREY if grey is not None else None,
            settings=replace(settings, flicker=found.flicker_by_method(keys, bounds=bounds)),
        )
        shown = keys | ({TRUTH_BOUND: TARGET} if bounds else {})
        tables = {method: found.add_to(table, shown.get(method)) for method, table in frames.scores.items()}
        record = _record(frames.record, methods, target, grey, [*films.warnings, *_caveat(every)])
        yield replace(frames, record=record, scores=tables)


def _opened(paths: Mapping[str, Path], motion: str) -> ComparedFilms:
    try:
        from chromalab.colorization.video.flicker import ComparedFilms  # noqa: PLC0415 - it needs the extra [video]
    except ImportError as error:
        raise UsageError(f"films need the package {error.name}: run pip install 'chromalab[video]'") from error
    try:
        return ComparedFilms(paths, motion)
    except UnreadablePhotoError as error:
        raise UsageError(str(error)) from error


@dataclass
class _Frames:
    """What is measured of films beside the metrics of photos.

    Attributes:
        times: time of every frame, in seconds.
        flicker: color flicker of every frame by film, NaN for frames without a value.
    """

    times: list[float] = field(default_factory=list)
    flicker: dict[str, list[float]] = field(default_factory=dict)

    def flicker_by_method(self, keys: Mapping[str, str], *, bounds: bool) -> dict[str, SetValue]:
        """Return the mean flicker of every method and bound, beside that of the true colors.

        Args:
            keys: the film of every method.
            bounds: whether the gray baseline and the ground truth are scored, too.
        """
        truth = _mean(self.flicker[TARGET]) if TARGET in self.flicker else None
        found = {method: self._value(self.flicker[key], truth) for method, key in keys.items()}
        if bounds:
            found[GREY_BOUND] = SetValue(value=0.0, truth=truth, n=len(self.times))
            found[TRUTH_BOUND] = self._value(self.flicker[TARGET], truth)
        return found

    @staticmethod
    def _value(values: Sequence[float], truth: float | None) -> SetValue:
        mean, n = _mean(values), int(np.isfinite(values).sum())
        reason = "no two neighboring frames show the same motion" if mean is None else None
        return SetValue(value=mean, truth=truth, n=n, reason=reason)

    def add_to(self, table: ScoreTable, key: str | None) -> ScoreTable:
        """Return a table with the time and the flicker of its frames; without a film there is no flicker."""
        places = [int(photo) for photo in table.photos]
        flicker = np.array(self.flicker[key])[places] if key is not None else np.full(len(places), np.nan)
        return replace(table, columns={**table.columns, WARP_ERROR.name: flicker}, time_s=np.array(self.times)[places])


def _mean(values: Sequence[float]) -> float | None:
    known: NDArray[np.float64] = np.array(values)[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _extract(films: ComparedFilms, folder: Path, every: int) -> _Frames:
    """Write every such frame of all films as PNG files, and measure the flicker of all frames."""
    found = _Frames(flicker={name: [] for name in films.films})
    with progress("decode", films.frames, unit="frames") as advance:
        for index, frame in enumerate(films):
            found.times.append(frame.time_s)
            for name, image in frame.images.items():
                found.flicker[name].append(frame.flicker.get(name, np.nan))
                if index % every == 0:
                    write_png(folder / name / f"{index:06d}.png", image)
            advance()
    return found


def _caveat(every: int) -> list[str]:
    if every == 1:
        return []
    return [f"metrics of frames and CDC use one frame in {every} (--every {every}), and the warp error uses all"]


def _record(
    record: ComparisonRecord, methods: Mapping[str, Path], target: Path | None, grey: Path | None, notes: list[str]
) -> ComparisonRecord:
    """Return a record with the films in place of the folders of their frames."""
    rows = [
        method if method.is_bound else method.model_copy(update={"folder": printable(methods[method.name])})
        for method in record.methods
    ]
    paths = {"target": target, "grey": grey}
    named = {role: printable(path) for role, path in paths.items() if path is not None}
    return record.model_copy(update={"methods": rows, "notes": [*record.notes, *notes], **named})
