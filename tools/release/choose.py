"""Choose the default among the shipped models: `python -m tools.release.choose STUDY.yaml --photos FOLDER`.

The photos are those that the study set aside from training; test photos are not used. Every shipped model colorizes
them at several saturations, and the rule of docs/reference/models.md selects one of these points. The record is
results/models/choice.json. The saturation is written into the record of the model.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from chromalab.colorization.options import Options
from chromalab.studies.config import SAMPLES, load_config
from chromalab.studies.photos import open_photos
from chromalab.training.export import save_spec
from chromalab.weights.colorizers import ColorizerSpec, find_colorizer, shipped_models
from tools import parser_of, write_record
from tools.benchmarks.model_quality import against
from tools.pages.models import CHOICE, misses

METRICS = ("delta_e_2000", "psnr", "lpips_alex", "perceptual_lite0", "colorfulness", "blotches")
SATURATIONS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)


def choose(record: dict[str, Any]) -> tuple[str, float]:
    """Return the model and the saturation that the rule of docs/reference/models.md selects."""
    found = [(name, point) for name, curve in record["models"].items() for point in curve["points"]]
    good = [(name, point) for name, point in found if not misses(point)] or found
    model, lowest = min(good, key=lambda entry: float(entry[1]["metrics"]["lpips_alex"]["model"][0]))
    points = [point for name, point in good if name == model]
    near = [point for point in points if not significantly_above(point, lowest)]
    return model, min(point["saturation"] for point in near)


def significantly_above(point: dict[str, Any], lowest: dict[str, Any]) -> bool:
    """Return whether a point's LPIPS-Alex is above the lowest of its model, with an interval that excludes 0."""
    differences = point["model_minus"].get(str(lowest["saturation"]))
    if differences is None:
        raise ValueError(f"the record has no differences to saturation {lowest['saturation']}; measure it again")
    return bool(differences["lpips_alex"][1] > 0)


def validation_photos(study: Path, photos: Path, out: Path) -> Path:
    """Copy the photos that a study sets aside from training, and return the folder."""
    config = load_config(study)
    data = config.data.model_copy(update={"source": str(photos), "test": [SAMPLES]})
    out.mkdir()
    for name in open_photos(data, config.training.crop_px).val.names:
        shutil.copy(photos / name, out / name.replace("/", "_"))
    return out


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
    parser.add_argument("study", type=Path)
    parser.add_argument("--photos", type=Path, required=True, help="the photos that the study trains on and sets aside")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        photos = validation_photos(arguments.study, arguments.photos, Path(name) / "validation")
        record = measured(photos, json.loads(CHOICE.read_text(encoding="utf-8")) if CHOICE.exists() else {})
    model, saturation = choose(record)
    write_record(CHOICE, record | {"model": model, "saturation": saturation})
    keep_saturation(model, saturation)


if __name__ == "__main__":
    main()
