"""Studies whose truth is known: values of the crossed model of seeds and photographs, with planted effects."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from chromalab.studies.load import LoadedBound, LoadedRun, LoadedStudy
from chromalab.studies.records import (
    BoundRecord,
    DataRecord,
    MetricFacts,
    ObjectiveRecord,
    RunRecord,
    SetValue,
    StudyRecord,
    planned_runs,
    run_id,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

OBJECTIVES = ("l1", "l2", "perceptual", "wgan_l2", "wgan_perceptual")
FACTS = [
    MetricFacts(name="mae", label="MAE", direction="lower", per_photo=True, role="fidelity"),
    MetricFacts(name="psnr", label="PSNR", unit="dB", direction="higher", per_photo=True, role="fidelity"),
    MetricFacts(name="ssim", label="SSIM", direction="higher", per_photo=True, role="fidelity"),
    MetricFacts(
        name="lpips_squeeze",
        label="LPIPS-Squeeze",
        direction="lower",
        per_photo=True,
        role="perceptual",
        network="squeezenet",
    ),
    MetricFacts(
        name="lpips_alex", label="LPIPS-Alex", direction="lower", per_photo=True, role="perceptual", network="alexnet"
    ),
    MetricFacts(name="colorfulness", label="Colorfulness", direction="closer", per_photo=True, role="color"),
    MetricFacts(name="chroma", label="Mean chroma", direction="closer", per_photo=True, role="color"),
    MetricFacts(
        name="frechet_lite0", label="Fréchet distance", direction="lower", per_photo=False, role="distribution"
    ),
]
PER_PHOTO = [facts.name for facts in FACTS if facts.per_photo]
# Centers of the objectives and of the bounds; a span of 10 everywhere keeps planted effects easy to read.
CENTER = {"lower": 10.0, "higher": 30.0, "closer": 30.0}
GREY = {"lower": 20.0, "higher": 20.0, "closer": 0.0}
TRUTH = {"lower": 0.0, "higher": np.inf, "closer": 40.0}


@dataclass(frozen=True)
class Plan:
    """What is planted in a synthetic study.

    Attributes:
        effects: added to the mean of an objective, or of an (objective, color space), under each metric.
        seed_sd: spread of a run's own mean, drawn for each run and metric.
        noise_sd: spread of one photograph in one run.
        photo_sd: spread between photographs, shared by all runs.
    """

    effects: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    objectives: Sequence[str] = OBJECTIVES
    color_spaces: Sequence[str] = ("lab",)
    n_seeds: int = 5
    n_photos: int = 40
    seed_sd: float = 0.1
    noise_sd: float = 0.5
    photo_sd: float = 5.0
    facts: Sequence[MetricFacts] = tuple(FACTS)

    def shift(self, objective: str, space: str, metric: str) -> float:
        """Return the planted effect of an objective, of a color space, and of both together."""
        return sum(self.effects.get(key, {}).get(metric, 0.0) for key in (objective, space, f"{objective}/{space}"))


def make_study(plan: Plan, rng_seed: int = 0) -> LoadedStudy:
    """Draw a finished study."""
    rng = np.random.default_rng(rng_seed)
    record = study_record(plan)
    scenes = {facts.name: plan.photo_sd * rng.standard_normal(plan.n_photos) for facts in plan.facts}
    scenes = {name: values - values.mean() for name, values in scenes.items()}
    runs = {
        run_id(objective, space, seed): _run(plan, rng, scenes, objective, space, seed)
        for objective in plan.objectives
        for space in plan.color_spaces
        for seed in range(plan.n_seeds)
    }
    runs = {name: runs[name] for name in planned_runs(record)}
    return LoadedStudy(record, runs, {"grey": _bound(plan, scenes, GREY, "grey"), "truth": _truth(plan, scenes)})


def without_runs(study: LoadedStudy, *names: str) -> LoadedStudy:
    """Return the study before some of its runs are finished."""
    runs = {name: run for name, run in study.runs.items() if name not in names}
    return LoadedStudy(study.record, runs, study.bounds, missing=list(names))


def study_record(plan: Plan) -> StudyRecord:
    """Return the record of the study."""
    photos = [f"photo{index:03}.jpg" for index in range(plan.n_photos)]
    return StudyRecord(
        name="synthetic",
        title="A synthetic study",
        config={},
        config_sha256="c",
        data=DataRecord(
            source="synthetic",
            data_sha256="d",
            size_px=64,
            n_found=plan.n_photos,
            n_skipped=0,
            colourless_threshold=2.0,
            n_train=0,
            n_val=0,
            n_test=plan.n_photos,
            test_photos=photos,
        ),
        objectives=[
            ObjectiveRecord(
                id=name,
                formula=name,
                perceptual="lpips_squeeze" if name == "perceptual" else None,
                judges_trained_on=["lpips_squeeze"] if name == "perceptual" else [],
            )
            for name in plan.objectives
        ],
        color_spaces=list(plan.color_spaces),
        seeds=list(range(plan.n_seeds)),
        encoder="efficientnet_lite0",
        encoder_start="imagenet",
        parameters=1,
    )


def run_record(objective: str, space: str, seed: int, n_photos: int, **more: object) -> RunRecord:
    """Return the record of a run."""
    return RunRecord.model_validate(
        {
            "run_id": run_id(objective, space, seed), "objective": objective, "formula": objective,
            "color_space": space, "seed": seed, "config_sha256": "c", "data_sha256": "d", "initial_sha256": "i",
            "steps": 1, "pictures": 1, "parameters": 1, "training_seconds": 1.0, "evaluation_seconds": 1.0,
            "device": "cpu", "threads": 1, "versions": {}, "n_photos": n_photos, **more,
        }
    )  # fmt: skip


def write_study(study: LoadedStudy, folder: Path) -> Path:
    """Write a study as the laboratory does, and return its folder."""
    study.record.save(folder / "study.json")
    for name, run in study.runs.items():
        run.record.save(folder / "runs" / name / "record.json")
        write_metrics(folder / "runs" / name / "metrics.csv", study.record.data.test_photos, run.photos)
    for name, bound in study.bounds.items():
        bound.record.save(folder / "bounds" / name / "record.json")
        write_metrics(folder / "bounds" / name / "metrics.csv", study.record.data.test_photos, bound.photos)
    return folder


def write_metrics(path: Path, photos: Sequence[str], metrics: Mapping[str, NDArray[np.float64]]) -> None:
    """Write a `metrics.csv`; NaN becomes an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", *metrics])
        for index, photo in enumerate(photos):
            cells = [float(values[index]) for values in metrics.values()]
            writer.writerow([photo, *("" if np.isnan(cell) else repr(cell) for cell in cells)])


def _run(
    plan: Plan,
    rng: np.random.Generator,
    scenes: Mapping[str, NDArray[np.float64]],
    objective: str,
    space: str,
    seed: int,
) -> LoadedRun:
    values = {
        facts.name: CENTER[facts.direction]
        + plan.shift(objective, space, facts.name)
        + scenes[facts.name]
        + plan.seed_sd * rng.standard_normal()
        + plan.noise_sd * rng.standard_normal(plan.n_photos)
        for facts in plan.facts
    }
    photos = {name: array for name, array in values.items() if name in PER_PHOTO}
    sets = {name: set_value(array) for name, array in values.items() if name not in PER_PHOTO}
    return LoadedRun(run_record(objective, space, seed, plan.n_photos, set_metrics=sets), photos)


def set_value(values: NDArray[np.float64], groups: int = 20) -> SetValue:
    """Return a mean as if it were a metric of the whole set, with its replicates where there are groups enough."""
    groups = min(groups, values.size)
    group = np.arange(values.size) % groups
    replicates = [float(values[group != left].mean()) for left in range(groups)] if groups > 1 else []
    return SetValue(value=float(values.mean()), replicates=replicates, n=values.size)


def _bound(plan: Plan, scenes: Mapping[str, NDArray[np.float64]], level: Mapping[str, float], name: str) -> LoadedBound:
    values = {facts.name: level[facts.direction] + scenes[facts.name] for facts in plan.facts}
    return LoadedBound(
        BoundRecord.model_validate({"name": name, "n_photos": plan.n_photos, "set_metrics": _sets(plan, values)}),
        {key: array for key, array in values.items() if key in PER_PHOTO},
    )


def _truth(plan: Plan, scenes: Mapping[str, NDArray[np.float64]]) -> LoadedBound:
    """Return the truth: it is infinitely like itself, and has its own colors."""
    values = {
        facts.name: np.full(plan.n_photos, TRUTH[facts.direction])
        + (scenes[facts.name] if facts.direction == "closer" else 0.0)
        for facts in plan.facts
    }
    return LoadedBound(
        BoundRecord.model_validate({"name": "truth", "n_photos": plan.n_photos, "set_metrics": _sets(plan, values)}),
        {key: array for key, array in values.items() if key in PER_PHOTO},
    )


def _sets(plan: Plan, values: Mapping[str, NDArray[np.float64]]) -> dict[str, SetValue]:
    return {facts.name: set_value(values[facts.name]) for facts in plan.facts if not facts.per_photo}
