"""Choose the default among the shipped models: `python -m tools.release.choose RUN --data FOLDER ...`.

RUN is the folder of the flagship's training. The photos are those that it set aside from training and that no other
model was trained on; test photos are not used. Every shipped model colorizes them at several saturations, and the rule
of docs/reference/models.md selects one of these points. The record is results/models/choice.json. The saturation is
written into the record of the model.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from chromalab.colorization.options import Options
from chromalab.studies.recipe import TrainingRecord
from chromalab.training.export import save_spec
from chromalab.weights.colorizers import ColorizerSpec, find_colorizer, shipped_models
from tools import parser_of, write_record
from tools.benchmarks.model_quality import against
from tools.pages.models import CHOICE, misses
from tools.release.milestone import validation_folder

METRICS = ("delta_e_2000", "psnr", "lpips_alex", "perceptual_lite0", "colorfulness", "blotches")
SATURATIONS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)


def choose(record: dict[str, Any]) -> tuple[str, float]:
    """Return the model and the saturation that the rule of docs/reference/models.md selects."""
    found = [(name, point) for name, curve in record["models"].items() for point in curve["points"]]
    good = [(name, point) for name, point in found if not misses(point)] or found
    model, lowest = min(good, key=lambda entry: float(entry[1]["metrics"]["lpips_alex"]["model"][0]))
    points = [point for name, point in good if name == model]
    paler = [point for point in points if point["saturation"] < lowest["saturation"]]
    near = [point for point in paler if not significantly_above(point, lowest)]
    return model, min(point["saturation"] for point in (*near, lowest))


def significantly_above(point: dict[str, Any], lowest: dict[str, Any]) -> bool:
    """Return whether a point's LPIPS-Alex is above the lowest of its model, with an interval that excludes 0."""
    differences = point["model_minus"].get(str(lowest["saturation"]))
    if differences is None:
        raise ValueError(f"the record has no differences to saturation {lowest['saturation']}; measure it again")
    return bool(differences["lpips_alex"][1] > 0)


def measured(photos: Path, before: dict[str, Any]) -> dict[str, Any]:
    """Return the record of every shipped model at every saturation, without its own saturation.

    Args:
        photos: folder of photographs that were set aside.
        before: an earlier record; models whose file is still the same are not measured again.
    """
    models: dict[str, Any] = {}
    for model in shipped_models():
        file = find_colorizer(model)
        known = before.get("models", {}).get(model, {})
        if known.get("sha256") == file.sha256:
            models[model] = known
            continue
        bare = file.model_copy(update={"spec": file.spec.model_copy(update={"chroma_by_lightness": []})})
        points = against(photos, {str(factor): (bare, Options(saturation=factor)) for factor in SATURATIONS}, METRICS)
        models[model] = {
            "sha256": file.sha256,
            "points": [{"saturation": factor, **points[str(factor)]} for factor in SATURATIONS],
        }
    return {"photos": models[shipped_models()[0]]["points"][0]["photos"], "models": models}


def keep_saturation(model: str, saturation: float) -> None:
    """Write a saturation into a model's record, so that its chroma is multiplied by it."""
    path = find_colorizer(model).path.with_suffix(".yaml")
    factors = [] if saturation == 1 else [(0.0, saturation), (100.0, saturation)]
    save_spec(path, ColorizerSpec.load(path).model_copy(update={"chroma_by_lightness": factors}))


def main() -> None:
    """Measure, choose, and write the record."""
    parser = parser_of(__doc__)
    parser.add_argument("run", type=Path, help="folder of the flagship's training")
    parser.add_argument(
        "--data", action="append", required=True, help="folder of the training, as given to it; repeatable"
    )
    parser.add_argument("--count", type=int, default=150, help="photos to measure")
    arguments = parser.parse_args()
    training = TrainingRecord.load(arguments.run / "training.json")
    with tempfile.TemporaryDirectory() as name:
        photos = validation_folder(training, arguments.data, Path(name) / "validation", arguments.count)
        record = measured(photos, json.loads(CHOICE.read_text(encoding="utf-8")) if CHOICE.exists() else {})
    write_record(CHOICE, record)  # measured for minutes, and not lost if the rule fails
    model, saturation = choose(record)
    write_record(CHOICE, record | {"model": model, "saturation": saturation})
    keep_saturation(model, saturation)


if __name__ == "__main__":
    main()
