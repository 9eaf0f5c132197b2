"""The trained networks of a study: export, colorization of other photos, and scores under another protocol.

Scores under another protocol lie beside those of the study, in `STUDY/protocols/NAME/`. This is itself the folder of a
study, which `load_study`, `analyze` and `chromalab compare report` read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name of this module

from chromalab.color.spaces import SPACES, lab_to_rgb, rgb_to_lab
from chromalab.core.errors import UsageError
from chromalab.core.progress import progress
from chromalab.data.usable import SkippedPhoto
from chromalab.evaluation.scoring import BASELINES, gray, make_evaluator, score
from chromalab.functional.tensors import image_tensor
from chromalab.metrics.registry import METRICS
from chromalab.photo.reading import UnreadablePhotoError, list_photos, read_photo
from chromalab.photo.resizing import resize_shortest_side
from chromalab.photo.writing import write_png
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.config import SAMPLES, StudyConfig
from chromalab.studies.equal_chroma import FACTORS_FILE, ChromaFactors, fit_factors, saturated
from chromalab.studies.load import load_study
from chromalab.studies.photos import kept_prior, open_photos
from chromalab.studies.plan import check_plan, save_plan
from chromalab.studies.records import EQUAL_CHROMA, RunRecord, planned_runs
from chromalab.studies.runs import image_name, save_bound
from chromalab.studies.single import export_training
from chromalab.studies.study import StudyFolder
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import MODEL, load_model
from chromalab.training.devices import make_fabric
from chromalab.training.export import export_colorizer, trained_bin_weights
from chromalab.training.settings import RuntimeSettings
from chromalab.weights.colorizers import SizeSpec, allowed_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.data.photoset import PhotoSet
    from chromalab.evaluation.scoring import Evaluator
    from chromalab.nets.unet import Colorizer
    from chromalab.studies.photos import StudyPhotos
    from chromalab.studies.records import Analysis, StudyRecord
    from chromalab.weights.colorizers import ColorizerSpec


def export_run(
    run: Path, out: Path, *, name: str | None = None, size_px: int | None = None, half: bool = True
) -> ColorizerSpec:
    """Export a training, or a finished run of a study, as an ONNX file.

    Args:
        run: the folder of a training, of a run, or of a study with a single run. An unfinished training is exported at
            its best validation so far.
        out: the ONNX file.
        name: name of the model; None takes that of the file, without characters that a name cannot have.
        size_px: shorter side of the network's input; None takes that of its training crops.
        half: store weights at half precision.

    Raises:
        UsageError: there is no finished run, or `out` does not end in .onnx.
        OutputError: a file cannot be written.
    """
    if out.suffix != ".onnx":
        raise UsageError(f"{out}: the name of an exported model must end in .onnx")
    if (run / "training.json").is_file():
        return export_training(run, out, name=name or allowed_name(out.stem), size_px=size_px, half=half)
    run = _the_run(run)
    folder = StudyFolder(run.parent.parent)
    study, record = folder.load(), RunRecord.load(run / "record.json")
    prior = StudyConfig.parse(study.config, origin=str(folder.root)).data.prior
    size = SizeSpec(px=size_px or max(32, study.data.size_px), multiple_of=16)
    return export_colorizer(
        load_network(run, study, record),
        out,
        name=name or allowed_name(out.stem),
        half=half,
        size=size,
        bin_weights=trained_bin_weights(run, record.formula, partial(kept_prior, folder.root, prior)),
        title=f"{record.formula}, trained in {record.color_space}",
        trained_on=f"{study.data.source}: {study.data.n_train} photographs",
        record={
            "formula": record.formula,
            "color_space": record.color_space,
            "seed": record.seed,
            "pictures": record.pictures,
            "parameters": record.parameters,
            "data_sha256": record.data_sha256,
            "config_sha256": record.config_sha256,
        },
    )


def trained_runs(folder: StudyFolder) -> list[str]:
    """Return the finished runs of a study whose weights exist.

    Raises:
        UsageError: no study, or no such run.
    """
    planned = planned_runs(folder.load())
    names = [name for name in planned if folder.finished(name) and (folder.run(name) / MODEL).exists()]
    if not names:
        raise UsageError(f"{folder.root} holds no trained network yet; run 'chromalab compare run' first")
    return names


def load_network(run: Path, study: StudyRecord, record: RunRecord | None = None) -> Colorizer:
    """Return the trained network of a finished run."""
    record = record or RunRecord.load(run / "record.json")
    objective = next(entry for entry in study.objectives if entry.id == record.objective)
    training = objective.training or StudyConfig.parse(study.config, origin=str(run)).training
    settings = training.network.model_copy(update={"start": None})  # all trained weights are loaded below
    colorizer, _ = build_colorizer(settings, record.color_space, record.seed, objective.needs)
    load_model(run, colorizer)
    return colorizer.eval()


def _the_run(folder: Path) -> Path:
    """Return the folder of a finished run, given this folder or that of a study with a single run."""
    if (folder / "record.json").is_file() and (folder.parent.parent / "study.json").is_file():
        return folder
    if not (folder / "study.json").is_file():
        raise UsageError(
            f"{folder} holds no finished run; give OUT of `chromalab train`, or OUT/runs/RUN of `chromalab compare run`"
        )
    study = StudyFolder(folder)
    names = planned_runs(study.load())
    finished = [name for name in names if study.finished(name) is not None]
    if len(finished) != 1:
        raise UsageError(
            f"{folder} has {len(finished)} finished runs; give one of them, such as {folder / 'runs' / names[0]}"
        )
    return study.run(finished[0])


def score_study(
    root: Path,
    protocol: str,
    *,
    data: Path | None = None,
    test: Sequence[str] = (),
    exclude: Sequence[str] | None = None,
    equal_chroma: bool = False,
    runtime: RuntimeSettings | None = None,
) -> Analysis:
    """Score every finished run of a study under a named protocol, and return the analysis of these scores.

    The scores are written to `root/protocols/PROTOCOL/`, with equal chroma to `root/protocols/PROTOCOL-equal-chroma/`.
    Runs that have been scored there are not scored again. The records of the study itself are not changed.

    Args:
        root: the folder of the study, with its trained networks.
        protocol: name of the protocol.
        data: the folder of the study's photos; not needed for the built-in samples.
        test: the folders of its test photos, if it has separate ones.
        exclude: patterns of photos that the study left out; None takes those in its record.
        equal_chroma: multiply the chroma of every network by a factor, so that all have the same mean chroma on the
            validation photos.
        runtime: device and threads.

    Raises:
        UnknownNameError: unknown protocol.
        UsageError: there is no study or no trained network, the photos are not those of the study, or its plan was
            changed.
    """
    runtime = runtime or RuntimeSettings()
    own = StudyFolder(root)
    study = own.load()
    metrics = StudyConfig.parse(study.config, origin=str(root / "study.json")).metrics
    evaluator = make_evaluator(protocol, metrics or None, device=make_fabric(runtime).device)
    trained = trained_runs(own)
    photos = _study_photos(root, study, data, test, exclude)
    what = f"protocol {protocol}, equal chroma" if equal_chroma else f"protocol {protocol}"
    there = StudyFolder(root / "protocols" / (f"{protocol}{EQUAL_CHROMA}" if equal_chroma else protocol))
    there.open(study.model_copy(update={"protocol": protocol, "title": f"{study.title} ({what})"}))
    if (plan := check_plan(own.root, own.plan_hashes(study))) is not None:
        save_plan(plan, there.root)
    _score_baselines(there, photos.test, evaluator)
    factors = _chroma_factors(own, there, trained, photos.val) if equal_chroma else {}
    with progress(f"scoring under {what}", len(trained), unit="runs") as advance:
        for name in trained:
            if there.finished(name) is None:
                _score_run(name, own, there, photos.test, evaluator, factors.get(name, 1.0))
            advance()
    variants = {metric.name: metric for metric in evaluator.protocol.variants}
    analysis = analyze(load_study(there.root), [variants.get(name, metric).facts for name, metric in METRICS.items()])
    analysis.save(there.root / "analysis.json")
    return analysis


def _chroma_factors(own: StudyFolder, there: StudyFolder, names: Sequence[str], val: PhotoSet) -> dict[str, float]:
    """Return the factors that give the runs the same mean chroma, and keep them for the next call with the same runs.

    Raises:
        UsageError: there are no validation photos, or other runs have been scored with other factors.
    """
    path = there.root / FACTORS_FILE
    if path.exists():
        known = ChromaFactors.load(path).factors
        if set(known) != set(names):
            raise UsageError(
                f"{there.root} was scored with {len(known)} runs, and the study now has {len(names)}; delete the folder"
            )
        return known
    if not len(val):
        raise UsageError(f"{own.root}: the study has no validation photos to choose factors on chroma by")
    study = own.load()
    found = fit_factors({name: load_network(own.run(name), study).colorize for name in names}, val)
    found.save(path)
    return found.factors


def _study_photos(
    root: Path, study: StudyRecord, data: Path | None, test: Sequence[str], exclude: Sequence[str] | None
) -> StudyPhotos:
    """Open the photos of a study, whose record holds the names of folders but not their paths."""
    settings = StudyConfig.parse(study.config, origin=str(root / "study.json")).data
    if data is None and settings.source != SAMPLES:
        raise UsageError(f"{root}: the study has photos of the folder '{settings.source}'; give its path with --data")
    changes: dict[str, object] = {"source": settings.source if data is None else str(data)}
    changes |= {"test": list(test)} if test else {}
    changes |= {} if exclude is None else {"exclude": list(exclude)}
    photos = open_photos(settings.model_copy(update=changes), study.data.size_px)
    record = photos.record
    if (record.data_sha256, record.test_photos) != (study.data.data_sha256, study.data.test_photos):
        raise UsageError(
            f"{root}: '{changes['source']}' does not hold the photos of the study (expected {study.data.n_test} test "
            f"photos, found {record.n_test}); give its folders with --data, --test and --exclude"
        )
    return photos


def _score_baselines(there: StudyFolder, photos: PhotoSet, evaluator: Evaluator) -> None:
    for name, colorize in BASELINES.items():
        if not (there.bound(name) / "record.json").exists():
            save_bound(there.bound(name), name, score(colorize, photos, evaluator))


def _score_run(
    name: str, own: StudyFolder, there: StudyFolder, photos: PhotoSet, evaluator: Evaluator, factor: float
) -> None:
    """Score a finished run with a factor on its chroma, and write its record last."""
    record = RunRecord.load(own.run(name) / "record.json")
    network = load_network(own.run(name), own.load(), record).to(evaluator.scorer.device)
    started = time.monotonic()
    colorize = network.colorize if factor == 1 else saturated(network.colorize, factor)
    scores = score(colorize, photos, evaluator)
    scores.save(there.run(name) / "metrics.csv")
    changes = {
        "set_metrics": scores.sets,
        "unavailable": scores.unavailable,
        "weights": evaluator.scorer.weights(),
        "evaluation_seconds": round(time.monotonic() - started, 2),
    }
    record.model_copy(update=changes).save(there.run(name) / "record.json")


@dataclass(frozen=True)
class ColorizeOutcome:
    """The study, the numbers of photos and networks, and the photos that could not be read."""

    study: StudyRecord
    n_photos: int
    n_networks: int
    skipped: list[SkippedPhoto]


def colorize_photos(root: Path, photos: Path, *, largest_side_px: int) -> ColorizeOutcome:
    """Write colorized/PHOTO/{grey,RUN_ID}.png for every photo and every trained network of a study.

    Each network gets a photo at the size of its training crops. Its chroma is resized to the size of the photo and
    merged with the photo's own lightness, in the same way for every training space.

    Args:
        root: the folder of the study.
        photos: folder of photos; their colors, if any, are ignored.
        largest_side_px: largest shortest side of the results; larger photos are reduced.

    Raises:
        UsageError: there is no study, no trained network or no readable photo.
    """
    folder = StudyFolder(root)
    study = folder.load()
    networks = {name: load_network(folder.run(name), study) for name in trained_runs(folder)}
    paths = list_photos(photos)
    skipped: list[SkippedPhoto] = []
    size_px = study.data.size_px
    with progress("colorizing", len(paths)) as advance:
        for path in paths:
            name = path.relative_to(photos).as_posix()
            try:
                rgb = read_photo(path).rgb
            except UnreadablePhotoError as error:
                skipped.append(SkippedPhoto(name, error.reason))
            else:
                target = root / "colorized" / image_name(name)
                for version, image in _versions(rgb, networks, size_px, largest_side_px):
                    write_png(target / f"{version}.png", image)
            advance()
    if len(skipped) == len(paths):
        raise UsageError(
            f"{photos}: none of its {len(paths)} photos can be read; the first is {skipped[0].name}: "
            f"{skipped[0].reason}"
        )
    return ColorizeOutcome(study, len(paths) - len(skipped), len(networks), skipped)


def _versions(
    rgb: NDArray[np.uint8], networks: dict[str, Colorizer], size_px: int, largest_side_px: int
) -> list[tuple[str, NDArray[np.uint8]]]:
    if min(rgb.shape[:2]) > largest_side_px:
        rgb = resize_shortest_side(rgb, largest_side_px)
    lightness, _ = SPACES["lab"].encode(image_tensor(rgb))
    grey = gray(lightness)
    small = image_tensor(resize_shortest_side(_image(grey), size_px))
    versions = [("grey", _image(grey))]
    with torch.inference_mode():
        for identity, network in networks.items():
            chroma = rgb_to_lab(network.colorize(small))[:, 1:]
            chroma = F.interpolate(chroma, size=lightness.shape[-2:], mode="bicubic", align_corners=False)
            versions.append((identity, _image(lab_to_rgb(torch.cat([lightness * 100, chroma], dim=1)).clamp(0, 1))))
    return versions


def _image(rgb: Tensor) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = (rgb[0] * 255).round().byte().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(image)
