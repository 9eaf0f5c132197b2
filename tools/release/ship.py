"""Put trained networks into the package.

    python -m tools.release.ship STUDY ... --photos FOLDER
    python -m tools.release.ship --training RUN --size PX [--images-before N] [--average SHARE] --photos FOLDER

STUDY is a study folder with its networks, as `chromalab compare run` leaves it. The best training of every objective is
shipped: the one with the lowest mean LPIPS-Alex on the validation photos, which no network was trained or tested on.
RUN is the folder of the flagship's training. With --average, its weights are averaged with those of the default model,
from which it started (Wortsman et al. 2022, "Model soups", in weight space). Quality is measured afterwards, from file
to file, on the photos of FOLDER, and written to results/models.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.files import make_folder
from chromalab.studies.networks import export_run
from chromalab.studies.recipe import TrainingRecord
from chromalab.studies.single import export_training, load_network
from chromalab.studies.study import StudyFolder
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import save_model
from chromalab.training.export import save_spec
from chromalab.weights.colorizers import DEFAULT_MODEL, SHIPPED, ColorizerSpec
from tools import parser_of, read_csv, write_record
from tools.benchmarks.model_quality import measure
from tools.pages.models import RECORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.studies.records import StudyRecord

CHOSEN_BY = "lpips_alex"
LICENSE = "Apache-2.0 as far as its authors can grant it; see the notice"
NOTICE = (
    "The weights were fitted to photographs of ImageNet, PASCAL VOC, SUN, Caltech-101, PACS and other public "
    "collections, most of which state no license, and started from {} (Apache-2.0), trained on "
    "ImageNet. The photographs' owners keep their rights; whether they bear on the weights is not settled everywhere."
)
TITLES = {
    DEFAULT_MODEL: "cross-entropy over 313 ab bins, L1 and LPIPS-Squeeze, in Lab",
    "l1": "L1 in Lab",
    "l2": "L2 in Lab",
    "perceptual": "LPIPS-Squeeze",
    "wgan_l2": "L2 and a Wasserstein critic",
    "wgan_perceptual": "LPIPS-Squeeze and a Wasserstein critic",
}

FAILURES = {
    DEFAULT_MODEL: "Pale: about 60% of the true colorfulness. Clothes, birds, fruit and painted objects in red, "
    "yellow, blue or purple turn gray or brown; dry grass turns green; evening light and colored light are lost.",
    "l1": "Pale colors: clothes, cups and saucers stay nearly gray; unfamiliar objects turn a warm brown.",
    "l2": "Pale browns on unfamiliar objects; a greenish tint in fur.",
    "perceptual": "Red, orange and yellow objects, such as tigers, tulips and clothes, turn grayish brown; green "
    "fields turn tan; a violet tint in shadows, hair and along dark edges; skin and cloth get nearly the same color.",
    "wgan_l2": "Brown and violet casts on gray objects, such as saucers; flags and backgrounds turn partly blue.",
    "wgan_perceptual": "Night skies stay brown; fur and flowers turn greenish gray; color fringes along edges.",
}
"""Known failures, observed on the sample photos."""


def validation(folder: StudyFolder, study: StudyRecord, objective: str, metric: str) -> dict[str, float]:
    """Return the mean of a metric over the validation photos for every finished run of an objective."""
    found = {}
    for seed in study.seeds:
        path = folder.run(f"{objective}-{study.color_spaces[0]}-s{seed}") / "validation.csv"
        if rows := read_csv(path):
            found[path.parent.name] = float(np.mean([float(row[metric]) for row in rows]))
    return found


def ship(roots: Sequence[Path], objective: str) -> Path:
    """Export the best training of an objective in any of these studies into the package, and return its record."""
    scores = {
        (root, run): score
        for root in roots
        for run, score in validation(StudyFolder(root), StudyFolder(root).load(), objective, CHOSEN_BY).items()
    }
    root, run = best = min(scores, key=scores.__getitem__)
    study = StudyFolder(root).load()
    out = SHIPPED / f"{objective}.onnx"
    spec = export_run(StudyFolder(root).run(run), out, name=objective)
    spec = spec.model_copy(
        update={
            "title": TITLES[objective],
            "source": "this project: chromalab compare run, then chromalab export",
            "trained_on": f"{study.data.n_train:,} photographs of public collections at {study.data.size_px} px; none "
            "of BSDS500",
            "record": spec.record | {"study": study.name, "run": run, "validation_lpips_alex": round(scores[best], 4)},
        }
    )
    describe(out, spec, "EfficientNet-Lite0")
    return out.with_suffix(".yaml")


def ship_training(run: Path, size_px: int, images_before: int) -> None:
    """Export the flagship into the package.

    Args:
        run: folder of its training.
        size_px: shorter side of its input.
        images_before: crops that the weights it started from were trained on.
    """
    out = SHIPPED / f"{DEFAULT_MODEL}.onnx"
    spec = export_training(run, out, name=DEFAULT_MODEL, size_px=size_px)
    trained = {"images": int(spec.record["images"]) + images_before}
    spec = spec.model_copy(
        update={
            "title": TITLES[DEFAULT_MODEL],
            "source": "this project: three trainings by chromalab train, averaged (docs/training.md), then chromalab "
            "export",
            "trained_on": f"{spec.trained_on} of public collections, most of them at 128 to 192 px; none of BSDS500",
            "record": spec.record | trained,
        }
    )
    describe(out, spec, "EfficientNet-Lite1")


def averaged(run: Path, share: float) -> Path:
    """Average a training's weights with those of the default model, and return a folder with the result.

    Args:
        run: folder of the training.
        share: share of the training's weights.
    """
    trained = load_network(run)
    recipe = TrainingRecord.load(run / "training.json").recipe
    network = recipe.training.network.model_copy(update={"start": DEFAULT_MODEL})
    needs = {"bins"} if trained.unet.bins_head is not None else set()
    start, _ = build_colorizer(network, recipe.color_space, recipe.seed, needs)
    out = make_folder(run / "averaged")
    for name in ("training.json", "prior.json"):
        shutil.copy(run / name, out)
    first = start.state_dict()
    trained.load_state_dict({name: first[name].lerp(each, share) for name, each in trained.state_dict().items()})
    save_model(out, trained)
    return out


def describe(out: Path, spec: ColorizerSpec, encoder: str) -> None:
    """Write the record of a shipped model, with its known failures, license and notice."""
    facts = {
        "title": f"{spec.title}; {encoder} encoder",
        "failures": FAILURES[spec.name],
        "license": LICENSE,
        "notice": NOTICE.format(encoder),
    }
    save_spec(out.with_suffix(".yaml"), spec.model_copy(update=facts))


def score(objective: str, photos: Path, scored_on: str) -> None:
    """Measure a shipped model from file to file, and write its scores into its record."""
    record = measure(photos, objective)
    write_record(RECORDS / f"{objective}.json", record)
    path = SHIPPED / f"{objective}.yaml"
    scores = {name: round(float(values["model"][0]), 4) for name, values in record["metrics"].items()}
    spec = ColorizerSpec.load(path).model_copy(update={"scores": scores, "scored_on": scored_on})
    save_spec(path, spec)


def main() -> None:
    """Ship every objective of the studies or one of them, or the flagship."""
    parser = parser_of(__doc__)
    parser.add_argument("studies", type=Path, nargs="*")
    parser.add_argument("--training", type=Path, help="folder of the flagship's training")
    parser.add_argument("--size", type=int, default=192, help="shorter side of the flagship's input in pixels")
    parser.add_argument("--images-before", type=int, default=0, help="crops that its first weights were trained on")
    parser.add_argument("--average", type=float, help="share of its weights in an average with the default model's")
    parser.add_argument("--photos", type=Path, required=True, help="photos used for neither training nor selection")
    parser.add_argument("--objective", action="append", help="objective to ship instead of all; repeatable")
    parser.add_argument(
        "--scored-on", default="BSDS500 that are not scenes of HECD", help="description of these photos"
    )
    arguments = parser.parse_args()
    if arguments.training is not None:
        run = arguments.training if arguments.average is None else averaged(arguments.training, arguments.average)
        ship_training(run, arguments.size, arguments.images_before)
        score(DEFAULT_MODEL, arguments.photos, arguments.scored_on)
        return
    if not arguments.studies:
        parser.error("give the folders of studies, or --training with that of the flagship's training")
    objectives = [entry.id for entry in StudyFolder(arguments.studies[0]).load().objectives]
    for objective in arguments.objective or objectives:
        ship(arguments.studies, objective)
        score(objective, arguments.photos, arguments.scored_on)


if __name__ == "__main__":
    main()
