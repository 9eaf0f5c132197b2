"""Measure a training beside the first default model, colorizing from file to file at full size.

    python -m tools.release.milestone RUN --data FOLDER ... --eval FOLDER [--json results/flagship/milestone.json]

The network of the best validation so far is exported at several input sizes. The size and the
saturation are chosen on validation photographs that the default model was not trained on: the size with the lowest
LPIPS-Alex, then the lowest saturation at which the mean chroma is at least the default's. The photographs of --eval are
measured once with that choice.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chromalab.colorization.options import Options
from chromalab.evaluation.folders import EvaluationSettings, compare_folders
from chromalab.evaluation.paired_tests import paired_differences
from chromalab.metrics.registry import METRICS
from chromalab.photo.writing import write_png
from chromalab.studies.recipe import TrainingRecord, with_settings
from chromalab.studies.single import export_training, open_photographs, spread
from chromalab.weights.colorizers import find_colorizer
from tools import parser_of, write_record
from tools.benchmarks.model_quality import colorized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.data.photoset import Photographs
    from chromalab.weights.colorizers import ColorizerFile

MEASURED = ("delta_e_2000", "psnr", "lpips_alex", "colorfulness", "chroma")
SIZES_PX = (128, 160, 192)
SATURATIONS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
FIRST_DEFAULT = "perceptual"
"""The default model before the flagship."""

TRAINED_ON_BY_DEFAULT = "photos"
"""The first default was trained on validation photos of this folder."""


def validation_photos(record: TrainingRecord, data: Sequence[str]) -> Photographs:
    """Return the validation photographs of a training with the folders `data`."""
    recipe = with_settings(record.recipe, {"data": list(data), "exclude": []}, origin="tools.release.milestone")
    return open_photographs(recipe, record.recipe.training.largest_crop_px).val


def validation_folder(record: TrainingRecord, data: Sequence[str], out: Path, count: int) -> Path:
    """Write `count` validation photographs that the first default has not seen, and return their folder."""
    val = validation_photos(record, data)
    unseen = [index for index, name in enumerate(val.names) if not name.startswith(f"{TRAINED_ON_BY_DEFAULT}/")]
    photos = spread(val.subset(unseen), count)
    for index in range(len(photos)):
        write_png(out / f"{index:04d}.png", np.ascontiguousarray(photos.photo(index)))
    return out


def compared(photos: Path, ways: dict[str, tuple[ColorizerFile, Options]], reference: str | None) -> dict[str, Any]:
    """Return the means of each way and, with a reference, the paired differences of all others to it."""
    with tempfile.TemporaryDirectory() as name:
        folders = {way: colorized(photos, Path(name) / way, *found) for way, found in ways.items()}
        comparison = compare_folders(folders, target=photos, settings=EvaluationSettings(metrics=MEASURED))
    found: dict[str, Any] = {"set": photos.name, "photos": comparison.record.n_photos, "means": {}, "differences": {}}
    for method in comparison.record.methods:
        found["means"][method.name] = {metric: method.metrics[metric].mean for metric in MEASURED}
    known = {name: METRICS[name] for name in MEASURED}
    for way in ways:
        if reference is not None and way != reference:
            rows = paired_differences([way, reference], comparison.scores, {}, known)
            found["differences"][way] = {row.metric: [row.mean, row.ci_low, row.ci_high] for row in rows}
    return found


def measure(run: Path, data: list[str], evaluation: Path, count: int, images_before: int) -> dict[str, Any]:
    """Return the record of a training beside the default model."""
    record = TrainingRecord.load(run / "training.json")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {size: exported(run, folder / f"{size}.onnx", size) for size in SIZES_PX}
        photos = validation_folder(record, data, folder / "validation", count)
        default = find_colorizer(FIRST_DEFAULT)
        sizes = {f"{size}px": (file, Options()) for size, file in files.items()}
        by_size = compared(photos, {"default": (default, Options()), **sizes}, "default")
        size = min(SIZES_PX, key=lambda px: float(by_size["means"][f"{px}px"]["lpips_alex"]))
        goal = by_size["means"]["default"]["chroma"]
        ways = {f"{factor}": (files[size], Options(saturation=factor)) for factor in SATURATIONS}
        by_saturation = compared(photos, {"default": (default, Options()), **ways}, "default")
        saturation = chosen_saturation(by_saturation["means"], goal)
        ours = {"flagship": (files[size], Options(saturation=saturation)), "default": (default, Options())}
        evaluated = compared(evaluation, ours, "default")
    best = record.best
    return {
        "images": (best.images if best else record.images) + images_before,
        "minutes": best.minutes if best else record.minutes,
        "formula": record.formula,
        "default": FIRST_DEFAULT,
        "size_px": size,
        "saturation": saturation,
        "validation_by_size": by_size,
        "validation_by_saturation": by_saturation,
        "evaluation": evaluated,
    }


def chosen_saturation(means: dict[str, dict[str, float]], goal: float) -> float:
    """Return the lowest saturation whose mean chroma is at least `goal`, else the highest."""
    return next((factor for factor in SATURATIONS if means[f"{factor}"]["chroma"] >= goal), SATURATIONS[-1])


def exported(run: Path, path: Path, size_px: int) -> ColorizerFile:
    """Export a training and return the file."""
    export_training(run, path, size_px=size_px)
    return find_colorizer(str(path))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = parser_of(__doc__)
    parser.add_argument("run", type=Path, help="folder of the training")
    parser.add_argument(
        "--data", action="append", required=True, help="folder of the training, as given to it; repeatable"
    )
    parser.add_argument("--eval", type=Path, required=True, help="photographs that nothing is chosen on")
    parser.add_argument("--count", type=int, default=200, help="validation photographs to measure")
    parser.add_argument("--images-before", type=int, default=0, help="crops that the starting weights were trained on")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found = measure(options.run, options.data, options.eval, options.count, options.images_before)
    print(found["evaluation"])
    write_record(options.json, found)


if __name__ == "__main__":
    main()
