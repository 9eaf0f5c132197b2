"""Running a study: every planned run that is not finished yet, from training to records."""

from __future__ import annotations

import platform
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.progress import progress
from chromalab.evaluation.scoring import BASELINES, Evaluator, make_evaluator, score
from chromalab.photo.writing import write_png
from chromalab.studies.records import BoundRecord, LookRecord, RunRecord
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
    from chromalab.training.settings import RuntimeSettings

_VERSIONED = ("chromalab", "torch", "kornia", "lightning-fabric", "numpy", "torchmetrics", "pyvips")
SAMPLE_PHOTOS = 4
CHOSEN_BY = ("psnr", "delta_e_2000", "lpips_alex", "colorfulness", "colorfulness_difference", "chroma")
"""What is measured on the validation photos, by which models are chosen; test photos must not be."""


def run_study(study: Study, runtime: RuntimeSettings) -> list[RunRecord]:
    """Train and measure every run that has no record yet, and return the records of all.

    Raises:
        NonFiniteError: a training diverged; the message names the term. Finished runs are kept.
        OutputError: the disk is full or read-only. Finished runs are kept.
    """
    evaluator = _evaluator(runtime)
    score_bounds(study, runtime, evaluator=evaluator)
    steps = study.config.training.steps
    pictures = (
        study.config.training.images if study.config.training.stages else steps * study.config.training.batch_size
    )
    records = {run.run_id: study.folder.finished(run.run_id) for run in study.runs}
    done = sum(record is not None for record in records.values())
    with progress("training", pictures * len(study.runs), unit="pictures", done=pictures * done) as advance:
        for run in study.runs:
            if records[run.run_id] is None:
                records[run.run_id] = _execute(study, run, runtime, evaluator, advance)
    return [record for record in records.values() if record is not None]


def missing_runs(study: Study) -> list[PlannedRun]:
    """Return the runs that are not finished, in the order of the plan."""
    return [run for run in study.runs if study.folder.finished(run.run_id) is None]


def execute_run(study: Study, run_id: str, runtime: RuntimeSettings) -> RunRecord:
    """Train and measure one run, and nothing else of the study.

    Raises:
        NonFiniteError: the training diverged.
        OutputError: the disk is full or read-only.
    """
    run = next(run for run in study.runs if run.run_id == run_id)
    return _execute(study, run, runtime, _evaluator(runtime), None)


def _evaluator(runtime: RuntimeSettings) -> Evaluator:
    return make_evaluator(device=make_fabric(runtime).device)


def _execute(
    study: Study, run: PlannedRun, runtime: RuntimeSettings, evaluator: Evaluator, advance: Advance | None
) -> RunRecord:
    """Train one run, measure it, and write its record last: a run without a record is not finished."""
    folder = study.folder.run(run.run_id)
    job = TrainingJob(run.formula, run.color_space, run.seed, run.training, runtime, folder, study.prior_probabilities)

    def tell(items: int = 1, *, note: str = "") -> None:
        if advance is not None:
            advance(items, note=f"{run.run_id} {note}")

    outcome = train(
        job,
        study.photos.train,
        samples=sample_photos(study.photos, job.settings.largest_crop_px),
        watch=_watch(study, run, evaluator),
        advance=tell,
    )
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
    """Return what measures a network on its way, where the study asks for that."""
    settings = run.training
    shares = {max(1, round(share * settings.steps)): share for share in study.config.looks}

    def look(spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:  # noqa: ARG001
        step, pictures = spent.steps, spent.drawn
        if step not in shares:
            return False
        scores = score(colorizer.colorize, study.photos.test, evaluator)
        folder = study.folder.look(run.run_id, pictures)
        scores.save(folder / "metrics.csv")
        LookRecord(share=shares[step], step=step, pictures=pictures, set_metrics=scores.sets).save(
            folder / "record.json"
        )
        return False

    return look if shares else None


def sample_photos(photos: StudyPhotos, size_px: int) -> NDArray[np.uint8] | None:
    """Return central squares of a few validation photos, or of test photos where there are none, to look at."""
    source = photos.val if len(photos.val) else photos.test
    if not len(source):
        return None
    return np.stack([_center(source.photo(index), size_px) for index in range(min(SAMPLE_PHOTOS, len(source)))])


def _center(photo: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    top, left = ((side - size_px) // 2 for side in photo.shape[:2])
    return photo[top : top + size_px, left : left + size_px]


def score_bounds(study: Study, runtime: RuntimeSettings, *, evaluator: Evaluator | None = None) -> None:
    """Score the gray baseline and the ground truth, unless that is done already."""
    for name, colorize in BASELINES.items():
        folder = study.folder.bound(name)
        if (folder / "record.json").exists():
            continue
        evaluator = evaluator or _evaluator(runtime)
        save_bound(folder, name, score(colorize, study.photos.test, evaluator, keep=_keeper(study, name)))


def save_bound(folder: Path, name: str, scores: Scores) -> None:
    """Write the scores of a baseline, its record last."""
    scores.save(folder / "metrics.csv")
    record = BoundRecord.model_validate(
        {"name": name, "n_photos": len(scores.photos), "set_metrics": scores.sets, "unavailable": scores.unavailable}
    )
    record.save(folder / "record.json")


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
