"""A synthetic study folder, as `compare run` writes it, from seeded random numbers and tinted copies of a photo.

Nothing was trained: the numbers only look like those of a study. Every value comes from `numpy.random.default_rng`.
"""

from __future__ import annotations

import csv
import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image
from skimage import data as images

from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.load import load_study
from chromalab.studies.records import (
    BoundRecord,
    DataRecord,
    MetricFacts,
    ObjectiveRecord,
    RunRecord,
    SetValue,
    StudyRecord,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.studies.records import Analysis

FIVE = {
    "l1": ("l1",),
    "l2": ("l2",),
    "perceptual": ("lpips_squeeze",),
    "wgan_l2": ("l2", "wgan_gp"),
    "wgan_perceptual": ("lpips_squeeze", "wgan_gp"),
}
TEN = FIVE | {
    "rebalanced_class": ("class_ce",),
    "pix2pix": ("l1", "gan"),
    "bigcolor": ("l2", "perceptual_vgg16", "hinge_gan"),
    "ddcolor": ("l1", "perceptual_vgg16", "gan", "colorfulness"),
    "chromagan_photos": ("l2", "class_kl", "wgan_gp"),
}
"""The largest number of objectives, and the longest names, that a page must handle."""

OPPONENTS = frozenset({"wgan_gp", "gan", "hinge_gan"})


@dataclass(frozen=True)
class FakeMetric:
    """A metric with the values to draw: gray, truth, one mean for each objective, and the spreads."""

    facts: MetricFacts
    grey: float
    truth: float
    means: tuple[float, ...]
    photo_sd: float
    seed_sd: float


def _metric(
    name: str, label: str, role: Any, direction: Any, grey: float, truth: float, means: tuple[float, ...],
    photo_sd: float, seed_sd: float, unit: str = "", network: str | None = None,
) -> FakeMetric:  # fmt: skip
    facts = MetricFacts(
        name=name, label=label, unit=unit, direction=direction, role=role, network=network,
        per_photo=name != "frechet_lite0",
    )  # fmt: skip
    return FakeMetric(facts, grey, truth, means, photo_sd, seed_sd)


METRICS = (
    _metric("mae", "MAE", "fidelity", "lower", 0.064, 0.0, (0.0512, 0.0515, 0.0531, 0.0528, 0.0546), 0.012, 0.0004),
    _metric("mse", "MSE", "fidelity", "lower", 0.0098, 0.0, (0.0072, 0.0070, 0.0077, 0.0073, 0.0080), 0.003, 0.0001),
    _metric("psnr", "PSNR", "fidelity", "higher", 21.1, math.inf, (22.9, 23.0, 22.5, 22.8, 22.3), 2.4, 0.05, "dB"),
    _metric("ssim", "SSIM", "fidelity", "higher", 0.902, 1.0, (0.923, 0.924, 0.925, 0.922, 0.921), 0.03, 0.0006),
    _metric("delta_e_2000", "CIEDE2000", "fidelity", "lower", 12.4, 0.0, (9.8, 9.9, 10.1, 10.2, 10.5), 2.2, 0.08),
    _metric("perceptual_lite0", "Perceptual-Lite0", "perceptual", "lower", 0.91, 0.0, (0.74, 0.75, 0.66, 0.71, 0.65),
            0.12, 0.008, network="efficientnet_lite0"),
    _metric("lpips_alex", "LPIPS-Alex", "perceptual", "lower", 0.212, 0.0, (0.171, 0.174, 0.154, 0.163, 0.151),
            0.04, 0.002, network="alexnet"),
    _metric("lpips_squeeze", "LPIPS-Squeeze", "perceptual", "lower", 0.187, 0.0, (0.152, 0.155, 0.129, 0.146, 0.128),
            0.04, 0.002, network="squeezenet1_1"),
    _metric("frechet_lite0", "Fréchet-Lite0", "distribution", "lower", 31.0, 0.0, (19.5, 20.1, 15.2, 16.8, 14.9),
            0.0, 0.5, network="efficientnet_lite0"),
    _metric("colorfulness", "Colorfulness", "color", "closer", 0.0, 41.3, (21.0, 19.4, 27.5, 30.8, 34.9), 9.0, 0.9),
    _metric("colorfulness_difference", "|Colorfulness difference|", "color", "lower", 41.3, 0.0,
            (20.8, 22.1, 15.9, 13.7, 12.2), 7.0, 0.6),
    _metric("chroma", "Mean chroma", "color", "closer", 0.0, 18.2, (9.6, 8.8, 12.4, 13.9, 15.7), 4.0, 0.4),
)  # fmt: skip


@dataclass(frozen=True)
class SyntheticStudy:
    """What to make, and what was made.

    Attributes:
        color_spaces: training spaces.
        seeds: seeds of every objective.
        n_photos: test photos.
        n_pictured: photos with pictures.
        absent: identities of runs that have not begun.
        logged: whether the runs left training logs.
        angles: whether the logs have what newer ones have: cosines, accuracy, and the weights of `wgan_perceptual`.
        formulas: the terms of every objective.
    """

    color_spaces: tuple[str, ...] = ("lab",)
    seeds: tuple[int, ...] = (0, 1, 2)
    n_photos: int = 12
    n_pictured: int = 4
    absent: tuple[str, ...] = ()
    logged: bool = True
    angles: bool = True
    formulas: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: FIVE)

    @property
    def objectives(self) -> list[str]:
        """The objectives, in their order."""
        return list(self.formulas)

    def mean(self, metric: FakeMetric, objective: str) -> float:
        """Return the value around which an objective is drawn; from the sixth on, further from gray than an earlier."""
        round_, index = divmod(self.objectives.index(objective), len(metric.means))
        return metric.means[index] + 0.3 * round_ * (metric.means[index] - metric.means[0])

    @property
    def photos(self) -> list[str]:
        """Names of the test photos."""
        return [f"holiday/photo_{index:02d}.jpg" for index in range(self.n_photos)]

    def values(self, metric: FakeMetric, objective: str, space: str) -> NDArray[np.float64]:
        """Return made-up values of shape (seeds, photos): photo effects are shared, seed effects are not."""
        index = METRICS.index(metric)
        photo = self.photo_effects(metric)
        own = np.random.default_rng((11, index, self.objectives.index(objective), len(space) + ord(space[0])))
        seed = own.normal(0, metric.seed_sd, (len(self.seeds), 1))
        noise = own.normal(0, 0.1 * metric.photo_sd, (len(self.seeds), self.n_photos))
        return np.abs(self.mean(metric, objective) + photo + seed + noise)

    def photo_effects(self, metric: FakeMetric) -> NDArray[np.float64]:
        """Return what makes a photo hard under a metric, for every objective alike: shape (photos,)."""
        rng = np.random.default_rng((7, METRICS.index(metric)))
        return np.asarray(rng.normal(0, metric.photo_sd, self.n_photos))

    def run_ids(self) -> list[str]:
        """Identities of all planned runs."""
        return [
            f"{objective}-{space}-s{seed}"
            for objective, space, seed in itertools.product(self.objectives, self.color_spaces, self.seeds)
        ]


def study_record(study: SyntheticStudy) -> StudyRecord:
    """Return the record of the made-up study."""
    return StudyRecord(
        name="synthetic",
        title=f"{len(study.formulas)} objectives on holiday photos",
        note="Made-up numbers, to look at the report.",
        config={"name": "synthetic", "training": {"learning_rate": 0.001, "steps": 300}, "seeds": list(study.seeds)},
        config_sha256="c0ffee" * 10 + "0123",
        data=DataRecord(
            source="holiday", data_sha256="d00d" * 16, size_px=96, n_found=2110, n_skipped=37,
            skipped_by_reason={"nearly colourless": 29, "gray only": 6, "unreadable": 2}, colourless_threshold=10.0,
            n_train=1850, n_val=211, n_test=study.n_photos, test_photos=study.photos,
        ),
        objectives=[
            ObjectiveRecord(
                id=name,
                formula=" + 0.1*".join(terms),
                **_publication(name),
                perceptual="lpips_squeeze" if "perceptual" in name else None,
                trunks=["squeezenet1_1"] if "perceptual" in name else [],
                judges_trained_on=["lpips_squeeze"] if "perceptual" in name else [],
            )
            for name, terms in study.formulas.items()
        ],
        color_spaces=list(study.color_spaces),
        seeds=list(study.seeds),
        encoder="efficientnet_lite0",
        encoder_start="ImageNet, trained at 0.1 of the learning rate",
        parameters=5_412_338,
        pictured=study.photos[: study.n_pictured],
    )  # fmt: skip


def _publication(name: str) -> dict[str, Any]:
    """Return what the record of a published mixture has more."""
    if name != "bigcolor":
        return {}
    return {
        "preset": "bigcolor", "source": "Kim et al. 2022, eq. 5",
        "stand_ins": {"0.2*perceptual_vgg16": "0.2*lpips_squeeze"},
        "choices": ["the weight of the stand-in", "a critic of half the width"],
        "critic": "patch at width 0.5, sees color with lightness; adam at 0.0002, betas (0.5, 0.999)",
        "optimizer": "adam at 0.0001, betas (0, 0.999)",
    }  # fmt: skip


def write_study(folder: Path, study: SyntheticStudy) -> StudyRecord:
    """Write the study folder, all but its report."""
    record = study_record(study)
    record.save(folder / "study.json")
    names: tuple[Literal["grey"], Literal["truth"]] = ("grey", "truth")
    for name in names:
        _write_bound(folder / "bounds" / name, name, study)
    for run_id in study.run_ids():
        if run_id not in study.absent:
            _write_run(folder, run_id, record, study)
    _write_pictures(folder, study)
    return record


def _write_bound(folder: Path, name: Literal["grey", "truth"], study: SyntheticStudy) -> None:
    means = {metric: metric.grey if name == "grey" else metric.truth for metric in METRICS}
    sets = {
        metric.facts.name: SetValue(value=value, n=study.n_photos)
        for metric, value in means.items()
        if not metric.facts.per_photo
    }
    BoundRecord(name=name, n_photos=study.n_photos, set_metrics=sets).save(folder / "record.json")
    columns = {
        metric.facts.name: np.full(study.n_photos, value) + (study.photo_effects(metric) if value % 1 else 0)
        for metric, value in means.items()
        if metric.facts.per_photo
    }
    _write_metrics(folder / "metrics.csv", study.photos, columns)


def _write_metrics(path: Path, photos: Sequence[str], columns: Mapping[str, NDArray[np.float64]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["photo", *columns])
        writer.writerows([photo, *map(float, values)] for photo, *values in zip(photos, *columns.values(), strict=True))


def _write_run(folder: Path, run_id: str, study: StudyRecord, made: SyntheticStudy) -> None:
    objective, space, seed = run_id.rsplit("-", 2)
    row = made.seeds.index(int(seed[1:]))
    tables = {metric: made.values(metric, objective, space)[row] for metric in METRICS}
    sets = {
        metric.facts.name: SetValue(
            value=float(values[0]), n=made.n_photos, reason="compare only at equal n", jackknife_se=0.3,
            replicates=[float(values[0] + 0.1 * group) for group in range(-2, 3)],
        )
        for metric, values in tables.items()
        if not metric.facts.per_photo
    }  # fmt: skip
    RunRecord(
        run_id=run_id, objective=objective, formula=" + ".join(made.formulas[objective]), color_space=space,
        seed=int(seed[1:]), config_sha256=study.config_sha256, data_sha256=study.data.data_sha256,
        initial_sha256=f"{seed}{space}", steps=300, pictures=4800, parameters=study.parameters,
        training_seconds=31.7 + 14 * len(objective), evaluation_seconds=4.2, device="cpu", threads=2,
        versions={"chromalab": "0.1.0", "torch": "2.9.0", "python": "3.12.1"},
        weights={"efficientnet_lite0": "57934424" + "ab" * 28}, n_photos=study.data.n_test, set_metrics=sets,
        unavailable={"lpips_vgg": "its trunk is not here: run 'chromalab weights add vgg16-397923af.pth'"},
    ).save(folder / "runs" / run_id / "record.json")  # fmt: skip
    columns = {metric.facts.name: values for metric, values in tables.items() if metric.facts.per_photo}
    _write_metrics(folder / "runs" / run_id / "metrics.csv", made.photos, columns)
    if made.logged:
        _write_log(folder / "runs" / run_id / "train.csv", training_log(made, objective, int(seed[1:])))


def _write_log(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def training_log(made: SyntheticStudy, objective: str, seed: int, steps: int = 300) -> list[dict[str, float]]:
    """Return a made-up log of one run: terms that fall, and a critic where the objective has one."""
    rng = np.random.default_rng((3, made.objectives.index(objective), seed))
    terms = made.formulas[objective]
    rows = []
    for step in range(1, steps + 1):
        fall = 0.4 + math.exp(-step / 60)
        values = {term: (0.08 + 0.05 * index) * fall * rng.lognormal(0, 0.12) for index, term in enumerate(terms)}
        opponent = OPPONENTS.intersection(terms)
        values |= {term: float(rng.normal(0.3 * math.exp(-step / 90) - 0.6, 0.08)) for term in opponent}
        row = {"step": step, "pictures": 16 * step, "loss": values[terms[0]] + 0.1 * sum(values[t] for t in opponent)}
        row |= values | _made_up_shares(terms, step / steps, rng)
        if opponent:
            row |= _made_up_critic("wgan_gp" in opponent, step, rng)
        if made.angles:
            row |= _made_up_angles(made, objective, step / steps, rng)
        rows.append(row)
    return rows


def _made_up_shares(terms: Sequence[str], done: float, rng: np.random.Generator) -> dict[str, float]:
    first = 1.0 if len(terms) == 1 else 0.85 - 0.25 * done + rng.normal(0, 0.02)
    rest = np.array([0.5**index for index in range(len(terms) - 1)])
    return dict(zip([f"{term}.share" for term in terms], [first, *((1 - first) * rest / rest.sum())], strict=True))


def _made_up_critic(wasserstein: bool, step: int, rng: np.random.Generator) -> dict[str, float]:
    row = {
        "critic.loss": float(rng.normal(-2 * math.exp(-step / 120), 0.1)),
        "critic.distance": float(rng.normal(2.4 * math.exp(-step / 120) + 0.3, 0.1)),
    }
    return row | {"critic.gradient_norm": float(rng.normal(1, 0.05))} if wasserstein else row


def _made_up_angles(made: SyntheticStudy, objective: str, done: float, rng: np.random.Generator) -> dict[str, float]:
    """Return what newer logs have: the first pair of terms drifts apart, a classes' term has a head of its own."""
    terms = made.formulas[objective]
    row: dict[str, float] = {}
    for index, (first, second) in enumerate(itertools.combinations(terms, 2)):
        drawn = float(np.clip(rng.normal(0.15 - 0.6 * done + 0.2 * index, 0.08), -1, 1))
        row[f"cosine.{first}.{second}"] = 0.0 if "class_kl" in {first, second} else drawn
    if OPPONENTS.intersection(terms):
        row["critic.accuracy"] = float(np.clip(rng.normal(0.98 if "pix2pix" in objective else 0.6, 0.05), 0, 1))
    if objective == "wgan_perceptual":
        row |= {f"{term}.weight": 1.0 if not index else 5 * math.exp(3 * done) for index, term in enumerate(terms)}
    return row


def _write_pictures(folder: Path, study: SyntheticStudy) -> None:
    """Write crops of one photograph, tinted differently by every run."""
    photo = images.astronaut()
    for index, name in enumerate(study.photos[: study.n_pictured]):
        window = (slice(40 * index, 40 * index + 144), slice(60 * index, 60 * index + (192 if index % 3 else 128)))
        truth = photo[window]
        versions = {"truth": truth, "grey": _saturated(truth, 0.0)}
        for run_id in study.run_ids():
            objective, space, seed = run_id.rsplit("-", 2)
            if run_id not in study.absent:
                strength = (
                    0.35
                    + 0.14 * (study.objectives.index(objective) % 5)
                    + 0.05 * int(seed[1:])
                    - 0.1 * (space == "yuv")
                )
                versions[run_id] = _saturated(truth, strength)
        for method, picture in versions.items():
            path = folder / "pictures" / method / f"{name.rsplit('.', 1)[0].replace('/', '__')}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)


def _saturated(rgb: NDArray[np.uint8], strength: float) -> NDArray[np.uint8]:
    grey = rgb.mean(axis=2, keepdims=True)
    return np.asarray(np.clip(grey + strength * (rgb - grey), 0, 255), dtype=np.uint8)


def write_colorized(folder: Path, study: SyntheticStudy) -> None:
    """Write `colorized/PHOTO/METHOD.png` for two photos without truth."""
    photo = images.astronaut()[:200, 100:420]
    for name in ("archive/street.jpg", "portrait"):
        home = folder / "colorized" / name
        home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_saturated(photo, 0.0)).save(home / "grey.png")
        for index, run_id in enumerate(study.run_ids()):
            Image.fromarray(_saturated(photo, 0.3 + 0.05 * index)).save(home / f"{run_id}.png")


def make_analysis(folder: Path, record: StudyRecord, *, n_metrics: int | None = None) -> Analysis:
    """Return the analysis of the made-up study in `folder`, under the first so many metrics or all of them."""
    loaded = load_study(folder)
    assert loaded.record == record
    return analyze(loaded, [metric.facts for metric in METRICS[:n_metrics]])
