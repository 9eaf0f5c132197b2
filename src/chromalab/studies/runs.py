"""Execution of a study: training and scoring of every planned run that is not finished yet."""

from __future__ import annotations

import platform
import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.errors import NonFiniteError
from chromalab.core.progress import progress
from chromalab.evaluation.scoring import BASELINES, Evaluator, make_evaluator, score
from chromalab.photo.writing import write_png
from chromalab.studies.records import FAILED_FILE, BoundRecord, CheckpointRecord, FailedRun, RunRecord
from chromalab.training.build import count_parameters
from chromalab.training.checkpoints import CHECKPOINT
from chromalab.training.devices import make_fabric
from chromalab.training.job import Spent, TrainingJob, TrainingOutcome, Watch
from chromalab.training.loop import train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.core.progress import Advance
    from chromalab.evaluation.scoring import Scores
    from chromalab.nets.unet import Colorizer
    from chromalab.studies.opening import PlannedRun, Study
    from chromalab.studies.photos import StudyPhotos
    from chromalab.training.settings import RuntimeSettings, TrainingSettings

_VERSIONED = ("chromalab", "torch", "kornia", "lightning-fabric", "numpy", "torchmetrics", "pyvips")
SAMPLE_PHOTOS = 4
CHOSEN_BY = ("psnr", "delta_e_2000", "lpips_alex", "colorfulness", "colorfulness_difference", "chroma")
"""Metrics of the validation photos, by which models are chosen. Choosing by test photos would bias the results."""


def run_study(study: Study, runtime: RuntimeSettings) -> list[RunRecord]:
    """Train and score every run that has no record yet, and return the records of all runs.

    A training that diverges does not stop the others. Its folder keeps the reason in `failed.json`.

    Raises:
        NonFiniteError: trainings diverged; the message names the first one and its term.
        OutputError: the disk is full or read-only. Finished runs are kept.
    """
    evaluator = _evaluator(study, runtime)
    score_bounds(study, runtime, evaluator=evaluator)
    crops = crops_of(study.config.training)
    records = {run.run_id: study.folder.finished(run.run_id) for run in study.runs}
    done = sum(record is not None for record in records.values())
    failures = []
    if not done and study.config.training.network.start is not None:
        sys.stderr.write(f"initial weights: {study.record.encoder_start}\n")
    with progress("training", crops * len(study.runs), unit="crops", done=crops * done) as advance:
        for run in study.runs:
            if records[run.run_id] is None:
                try:
                    records[run.run_id] = _execute(study, run, runtime, evaluator, advance)
                except NonFiniteError as error:
                    failures.append(f"{run.run_id}: {error}")
    if failures:
        raise NonFiniteError(f"{failures[0]} ({len(failures)} of {len(study.runs)} trainings diverged)")
    return [record for record in records.values() if record is not None]


def crops_of(training: TrainingSettings) -> int:
    """Return the number of crops that a training draws."""
    return training.images if training.stages else training.steps * training.batch_size


def missing_runs(study: Study) -> list[PlannedRun]:
    """Return the planned runs that are not finished, in their order."""
    return [run for run in study.runs if study.folder.finished(run.run_id) is None]


def execute_run(study: Study, run_id: str, runtime: RuntimeSettings) -> RunRecord:
    """Train and score a single run of the study.

    Raises:
        NonFiniteError: the training diverged.
        OutputError: the disk is full or read-only.
    """
    run = next(run for run in study.runs if run.run_id == run_id)
    return _execute(study, run, runtime, _evaluator(study, runtime), None)


def _evaluator(study: Study, runtime: RuntimeSettings) -> Evaluator:
    """Return the study's metrics.

    Raises:
        UsageError: a metric of the plan has no value for the photos. After the first run the plan could not change.
    """
    found = make_evaluator(metrics=study.config.metrics or None, device=make_fabric(runtime).device)
    if study.plan is not None:
        found.scorer.require(study.plan.margins, study.photos.test.size_px, study.photos.test.size_px)
    return found


def _execute(
    study: Study, run: PlannedRun, runtime: RuntimeSettings, evaluator: Evaluator, advance: Advance | None
) -> RunRecord:
    """Train and score one run. Its record is written last, so a run without a record is not finished."""
    folder = study.folder.run(run.run_id)
    job = TrainingJob(run.formula, run.color_space, run.seed, run.training, runtime, folder, study.prior_probabilities)

    drawn = 0

    def advance_run(items: int = 1, *, note: str = "", resumed: bool = False) -> None:
        nonlocal drawn
        drawn += items
        if advance is not None:
            advance(items, note=f"{run.run_id} {note}", resumed=resumed)

    failed = folder / FAILED_FILE
    failed.unlink(missing_ok=True)
    try:
        outcome = train(
            job,
            study.photos.train,
            samples=sample_photos(study.photos, job.settings.largest_crop_px),
            watch=_watch(study, run, evaluator),
            advance=advance_run,
        )
    except NonFiniteError as error:
        FailedRun(run_id=run.run_id, reason=str(error)).save(failed)
        advance_run(crops_of(run.training) - drawn, note="diverged", resumed=True)
        raise
    started = time.monotonic()
    scores = score(outcome.colorizer.colorize, study.photos.test, evaluator, keep=_keeper(study, run.run_id))
    scores.save(folder / "metrics.csv")
    if len(study.photos.val):
        chooser = make_evaluator(metrics=CHOSEN_BY, device=evaluator.scorer.device)
        score(outcome.colorizer.colorize, study.photos.val, chooser).save(folder / "validation.csv")
    record = _run_record(study, run, job, outcome, scores, time.monotonic() - started, evaluator)
    record.save(folder / "record.json")
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return record


def _watch(study: Study, run: PlannedRun, evaluator: Evaluator) -> Watch | None:
    """Return a callback that scores intermediate checkpoints, or None if the study asks for none."""
    shares = {max(1, round(share * run.training.steps)): share for share in study.config.looks}

    def watch(spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:  # noqa: ARG001
        step, crops = spent.steps, spent.drawn
        if step in shares:
            scores = score(colorizer.colorize, study.photos.test, evaluator)
            folder = study.folder.checkpoint(run.run_id, crops)
            scores.save(folder / "metrics.csv")
            record = CheckpointRecord(
                share=shares[step],
                step=step,
                pictures=crops,
                set_metrics=scores.sets,
                plan_sha256=study.plan.sha256 if study.plan else None,
            )
            record.save(folder / "record.json")
        return False

    return watch if shares else None


def sample_photos(photos: StudyPhotos, size_px: int) -> NDArray[np.uint8] | None:
    """Return central squares of a few validation photos, (K, size_px, size_px, 3), or of test photos if there are none.

    Their colorizations in `samples/` show the progress of the training. Returns None without any photo.
    """
    source = photos.val if len(photos.val) else photos.test
    if not len(source):
        return None
    return np.stack([_center(source.photo(index), size_px) for index in range(min(SAMPLE_PHOTOS, len(source)))])


def _center(photo: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    top, left = ((side - size_px) // 2 for side in photo.shape[:2])
    return photo[top : top + size_px, left : left + size_px]


def score_bounds(study: Study, runtime: RuntimeSettings, *, evaluator: Evaluator | None = None) -> None:
    """Score the gray baseline and the ground truth unless they have been scored already."""
    for name, colorize in BASELINES.items():
        folder = study.folder.bound(name)
        if (folder / "record.json").exists():
            continue
        evaluator = evaluator or _evaluator(study, runtime)
        save_bound(folder, name, score(colorize, study.photos.test, evaluator, keep=_keeper(study, name)))


def save_bound(folder: Path, name: str, scores: Scores) -> None:
    """Write the scores of a baseline, its record last."""
    scores.save(folder / "metrics.csv")
    record = BoundRecord.model_validate(
        {"name": name, "n_photos": len(scores.photos), "set_metrics": scores.sets, "unavailable": scores.unavailable}
    )
    record.save(folder / "record.json")


def _keeper(study: Study, name: str) -> Callable[[str, NDArray[np.uint8]], None]:
    """Return a callback that saves the colorized images of the photos that the report shows."""
    wanted = set(study.record.pictured)
    folder = study.folder.images(name)

    def keep(photo: str, image: NDArray[np.uint8]) -> None:
        if photo in wanted:
            write_png(folder / f"{image_name(photo)}.png", image)

    return keep


def image_name(photo: str) -> str:
    """Return the file name of a photo's images, without the suffix `.png`.

    >>> image_name("holiday/day 1/beach.jpg")
    'holiday__day 1__beach.jpg'
    """
    return photo.replace("/", "__")


def _run_record(
    study: Study,
    run: PlannedRun,
    job: TrainingJob,
    outcome: TrainingOutcome,
    scores: Scores,
    evaluation_seconds: float,
    evaluator: Evaluator,
) -> RunRecord:
    objective = next(entry for entry in study.record.objectives if entry.id == run.objective)
    return RunRecord(
        run_id=run.run_id,
        objective=run.objective,
        formula=run.formula,
        perceptual=objective.perceptual,
        preset=objective.preset,
        stand_ins=objective.stand_ins,
        color_space=run.color_space,
        seed=run.seed,
        config_sha256=study.record.config_sha256,
        data_sha256=study.record.data.data_sha256,
        initial_sha256=outcome.initial_sha256,
        steps=outcome.spent.steps,
        pictures=outcome.spent.drawn,
        parameters=count_parameters(outcome.colorizer),
        training_seconds=round(outcome.seconds, 2),
        evaluation_seconds=round(evaluation_seconds, 2),
        device=outcome.device,
        devices=job.runtime.devices,
        threads=outcome.threads,
        versions={name: version(name) for name in _VERSIONED} | {"python": platform.python_version()},
        weights=evaluator.scorer.weights(),
        n_photos=len(scores.photos),
        set_metrics=scores.sets,
        unavailable=scores.unavailable,
        plan_sha256=study.plan.sha256 if study.plan else None,
    )
