"""Running a study: every planned run that is not finished yet, from training to records."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from chromalab.color.spaces import SPACES
from chromalab.compare.photos import StudyPhotos, open_photos, save_skipped
from chromalab.compare.plan import PlannedRun, plan_runs, resolve_objectives
from chromalab.compare.records import BoundRecord, ObjectiveRecord, RunRecord, StudyRecord
from chromalab.compare.scoring import Scores, score
from chromalab.compare.study import StudyFolder
from chromalab.core.progress import progress
from chromalab.metrics.scorer import PhotoScorer
from chromalab.photo.writing import write_png
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import CHECKPOINT
from chromalab.training.fabric import make_fabric
from chromalab.training.loop import TrainingJob, TrainingOutcome, train
from chromalab.training.settings import RuntimeSettings, settings_sha256

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.compare.config import StudyConfig
    from chromalab.core.progress import Advance

_VERSIONED = ("chromalab", "torch", "kornia", "lightning-fabric", "numpy", "torchmetrics", "pyvips")
SAMPLE_PHOTOS = 4


@dataclass(frozen=True)
class Study:
    """An opened study: its records, its photographs and what is to be run."""

    record: StudyRecord
    photos: StudyPhotos
    runs: list[PlannedRun]
    config: StudyConfig
    folder: StudyFolder


def open_study(config: StudyConfig, out: Path, runtime: RuntimeSettings) -> Study:
    """Resolve every name, open the photographs, and make `out` the folder of this study.

    Raises:
        UsageError: a wrong name, missing weights, no usable photos, a missing device, or `out` holds another study.
        OutputError: `out` can't be written.
    """
    make_fabric(runtime)
    objectives = resolve_objectives(config)
    runs = plan_runs(config, objectives)
    photos = open_photos(config.data, config.training.crop_px)
    record = _study_record(config, objectives, photos)
    folder = StudyFolder(out)
    folder.open(record)
    save_skipped(folder.skipped_csv, photos.skipped)
    return Study(record, photos, runs, config, folder)


def run_study(study: Study, runtime: RuntimeSettings) -> list[RunRecord]:
    """Train and measure every run that has no record yet, and return the records of all.

    Raises:
        NonFiniteError: a training diverged; the message names the term. Finished runs are kept.
        OutputError: the disk is full or read-only. Finished runs are kept.
    """
    scorer = PhotoScorer(device=make_fabric(runtime).device)
    _score_bounds(study, scorer)
    steps = study.config.training.steps
    pictures = steps * study.config.training.batch_size
    records = {run.run_id: study.folder.finished(run.run_id) for run in study.runs}
    done = sum(record is not None for record in records.values())
    with progress("training", pictures * len(study.runs), unit="pictures", done=pictures * done) as advance:
        for run in study.runs:
            if records[run.run_id] is None:
                records[run.run_id] = _execute(study, run, runtime, scorer, advance)
    return [record for record in records.values() if record is not None]


def _execute(
    study: Study, run: PlannedRun, runtime: RuntimeSettings, scorer: PhotoScorer, advance: Advance
) -> RunRecord:
    """Train one run, measure it, and write its record last: a run without a record is not finished."""
    folder = study.folder.run(run.run_id)
    job = TrainingJob(run.formula, run.color_space, run.seed, study.config.training, runtime, folder)

    def tell(items: int = 1, *, note: str = "") -> None:
        advance(items, note=f"{run.run_id} {note}")

    outcome = train(job, study.photos.train, samples=sample_photos(study.photos, job.settings.crop_px), advance=tell)
    started = time.monotonic()
    scores = score(outcome.colorizer.colorize, study.photos.test, scorer, keep=_keeper(study, run.run_id))
    scores.save(folder / "metrics.csv")
    record = _run_record(study, run, job, outcome, scores, time.monotonic() - started, scorer)
    record.save(folder / "record.json")
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return record


def sample_photos(photos: StudyPhotos, size_px: int) -> NDArray[np.uint8] | None:
    """Return central squares of a few validation photos, or of test photos where there are none, to look at."""
    source = photos.val if len(photos.val) else photos.test
    if not len(source):
        return None
    return np.stack([_centre(source.photo(index), size_px) for index in range(min(SAMPLE_PHOTOS, len(source)))])


def _centre(photo: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    top, left = ((side - size_px) // 2 for side in photo.shape[:2])
    return photo[top : top + size_px, left : left + size_px]


def _score_bounds(study: Study, scorer: PhotoScorer) -> None:
    """Measure the photographs without any colour, and the photographs themselves."""
    lab = SPACES["lab"]

    def grey(rgb: Tensor) -> Tensor:
        lightness, _ = lab.encode(rgb)
        return lab.decode(lightness, lab.grey(lightness)).clamp(0, 1)

    bounds: tuple[tuple[Literal["grey", "truth"], Callable[[Tensor], Tensor]], ...] = (
        ("grey", grey),
        ("truth", torch.clone),
    )
    for name, colorize in bounds:
        folder = study.folder.bound(name)
        if (folder / "record.json").exists():
            continue
        scores = score(colorize, study.photos.test, scorer, keep=_keeper(study, name))
        scores.save(folder / "metrics.csv")
        BoundRecord(
            name=name, n_photos=len(scores.photos), set_metrics=scores.sets, unavailable=scores.unavailable
        ).save(folder / "record.json")


def _keeper(study: Study, name: str) -> Callable[[str, NDArray[np.uint8]], None]:
    """Return what saves the pictures of the photos that the report shows."""
    wanted = set(study.record.pictured)
    folder = study.folder.pictures(name)

    def keep(photo: str, picture: NDArray[np.uint8]) -> None:
        if photo in wanted:
            write_png(folder / f"{picture_name(photo)}.png", picture)

    return keep


def picture_name(photo: str) -> str:
    """Return the file name, to which `.png` is added, under which pictures of a photo are kept.

    >>> picture_name("holiday/day 1/beach.jpg")
    'holiday__day 1__beach.jpg'
    """
    return photo.replace("/", "__")


def _study_record(config: StudyConfig, objectives: list[ObjectiveRecord], photos: StudyPhotos) -> StudyRecord:
    network, start = build_colorizer(config.training.network, config.color_spaces[0], config.seeds[0])
    deciding = config.model_dump(mode="json", exclude={"name", "title", "note", "objectives", "perceptual", "data"})
    formulas = {objective.id: objective.formula for objective in objectives}
    split = [photos.train.ids, photos.val.ids, photos.test.ids]
    return StudyRecord(
        name=config.name,
        title=config.title,
        note=config.note,
        config=without_paths(config).model_dump(mode="json"),
        config_sha256=settings_sha256(deciding, formulas, photos.record.data_sha256, split),
        data=photos.record,
        objectives=objectives,
        color_spaces=config.color_spaces,
        seeds=config.seeds,
        encoder=config.training.network.encoder,
        encoder_start=start,
        parameters=count_parameters(network),
        pictured=spread(photos.record.test_photos, config.pictured),
    )


def spread(names: list[str], count: int) -> list[str]:
    """Return up to `count` names from all over a list, for folders within a folder hold photos of one kind.

    >>> spread(["a", "b", "c", "d", "e"], 2), spread(["a"], 3)
    (['a', 'c'], ['a'])
    """
    if len(names) <= count:
        return names
    return [names[index * len(names) // count] for index in range(count)]


def without_paths(config: StudyConfig) -> StudyConfig:
    """Return the configuration with the folder's name alone: where it lies on a machine is nobody's business."""
    data = config.data.model_copy(update={"source": Path(config.data.source).name})
    return config.model_copy(update={"data": data})


def count_parameters(network: torch.nn.Module) -> int:
    """Return the number of weights of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def _run_record(
    study: Study,
    run: PlannedRun,
    job: TrainingJob,
    outcome: TrainingOutcome,
    scores: Scores,
    evaluation_seconds: float,
    scorer: PhotoScorer,
) -> RunRecord:
    objective = next(entry for entry in study.record.objectives if entry.id == run.objective)
    return RunRecord(
        run_id=run.run_id,
        objective=run.objective,
        formula=run.formula,
        perceptual=objective.perceptual,
        color_space=run.color_space,
        seed=run.seed,
        config_sha256=study.record.config_sha256,
        data_sha256=study.record.data.data_sha256,
        initial_sha256=outcome.initial_sha256,
        steps=job.settings.steps,
        pictures=job.settings.steps * job.settings.batch_size,
        parameters=count_parameters(outcome.colorizer),
        training_seconds=round(outcome.seconds, 2),
        evaluation_seconds=round(evaluation_seconds, 2),
        device=outcome.device,
        threads=outcome.threads,
        versions={name: version(name) for name in _VERSIONED} | {"python": platform.python_version()},
        weights=scorer.weights(),
        n_photos=len(scores.photos),
        set_metrics=scores.sets,
        unavailable=scores.unavailable,
    )
