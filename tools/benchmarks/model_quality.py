"""Quality of a shipped model on photos that it was not trained on, beside gray, constant tints and the ground truth.

    python -m tools.benchmarks.model_quality FOLDER [--model NAME] [--json results/models/NAME.json]
    python -m tools.benchmarks.model_quality FOLDER --saturations 0.5,1,1.5 [--json results/models/saturation.json]

The photographs are colorized as `chromalab colorize` does it, from file to file, and measured under `chromalab-v1`.
With --saturations every shipped model is measured at each of these: the curves between saturation and error. The
records are what docs/reference/models.md is made from.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from chromalab.colorization.batch import Batch, run_batch
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.core.parallel import cpu_count
from chromalab.evaluation.folders import EvaluationSettings, compare_folders
from chromalab.evaluation.paired_tests import paired_differences
from chromalab.metrics.registry import METRICS as REGISTRY
from chromalab.photo.reading import list_photos, read_photo
from chromalab.photo.writing import write_png
from chromalab.weights.colorizers import DEFAULT_MODEL, ColorizerFile, find_colorizer, shipped_models
from tools import RESULTS, parser_of, write_record
from tools.benchmarks.tint import tinted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.evaluation.records import MetricSummary

METRICS = (
    "delta_e_2000", "psnr", "ssim", "lpips_alex", "lpips_squeeze", "perceptual_lite0", "color_perceptual",
    "colorfulness", "blotches", "lightness_error",
)  # fmt: skip
CURVE_METRICS = ("delta_e_2000", "psnr", "lpips_alex", "colorfulness", "chroma")
TINT = RESULTS / "models" / "tint.json"
REFERENCE = "lpips_alex"
"""Metric that selects the way to which all others are compared."""

TINTS = ("delta_e_2000", "lpips_alex")
"""Metrics for which tints were fitted."""


def measure(photos: Path, model: str) -> dict[str, Any]:
    """Return the record of a shipped model: the results of `against`, and the identity of the file."""
    file = find_colorizer(model)
    found = against(photos, {"model": (file, Options())}, METRICS)["model"]
    return {"model": file.spec.name, "model_sha256": file.sha256, "factors": file.spec.chroma_by_lightness, **found}


def against(
    photos: Path, ways: Mapping[str, tuple[ColorizerFile, Options]], metrics: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return for every way to colorize its means beside gray, tints and ground truth, and the paired differences.

    If there are several ways, each is also compared with the one of the lowest LPIPS-Alex.

    Args:
        photos: folder of photographs in color.
        ways: models with their options, by name.
        metrics: registry names.
    """
    tints = json.loads(TINT.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        methods = {way: colorized(photos, folder / way, *found) for way, found in ways.items()}
        for metric in TINTS:
            methods[f"tint_{metric}"] = tint(photos, folder / f"tint_{metric}", tints[metric]["tint"])
        comparison = compare_folders(methods, target=photos, settings=EvaluationSettings(metrics=metrics))
    summaries = {entry.name: entry.metrics for entry in comparison.record.methods}
    rivals = ["grey", *(f"tint_{metric}" for metric in TINTS)]
    known = {name: REGISTRY[name] for name in metrics}
    lowest = min(ways, key=lambda way: summaries[way][REFERENCE].mean or 0.0)
    return {
        way: {
            "photos": comparison.record.n_photos,
            "set": photos.name,
            "protocol": comparison.record.protocol,
            "metrics": {
                metric: {
                    "model": _interval(summaries[way][metric]),
                    **{name: _interval(summaries[name][metric]) for name in (*rivals, "truth")},
                }
                for metric in metrics
            },
            "model_minus": {
                rival: {
                    row.metric: [row.mean, row.ci_low, row.ci_high]
                    for row in paired_differences([way, rival], comparison.scores, {}, known)
                }
                for rival in (*rivals, *([lowest] if len(ways) > 1 else []))
            },
        }
        for way in ways
    }


def curves(photos: Path, saturations: list[float], before: dict[str, Any]) -> dict[str, Any]:
    """Return the record of all shipped models: means at every saturation, and those of the ground truth.

    Args:
        photos: folder of photographs.
        saturations: factors on chroma.
        before: an earlier record; models whose file and record are still the same are not measured again.
    """
    models: dict[str, Any] = {}
    for model in shipped_models():
        file = find_colorizer(model)
        facts = {"sha256": file.sha256, "factors": file.spec.chroma_by_lightness, "saturations": saturations}
        known = before.get("models", {}).get(model, {})
        if known.items() >= json.loads(json.dumps(facts)).items():
            models[model] = known
            continue
        with tempfile.TemporaryDirectory() as name:
            methods = {
                f"{factor:g}": colorized(photos, Path(name) / f"{factor:g}", file, Options(saturation=factor))
                for factor in saturations
            }
            settings = EvaluationSettings(metrics=CURVE_METRICS)
            record = compare_folders(methods, target=photos, settings=settings).record
        found = {entry.name: {name: entry.metrics[name].mean for name in CURVE_METRICS} for entry in record.methods}
        models[model] = facts | {name: [found[f"{factor:g}"][name] for factor in saturations] for name in CURVE_METRICS}
        before = before | {"photos": record.n_photos, "set": photos.name, "truth": found["truth"]}
    return {name: before[name] for name in ("photos", "set", "truth")} | {"models": models}


def colorized(photos: Path, out: Path, model: ColorizerFile, options: Options | None = None) -> Path:
    """Colorize a folder of photos into `out`, and return `out`."""
    plan = make_plan([str(photos)], f"{out}/", suffix=".png")
    batch = Batch(Job(options or Options()), workers=cpu_count(), sidecar=False)
    run_batch(Engine(model), plan, batch)
    return out


def tint(photos: Path, out: Path, ab: tuple[float, float]) -> Path:
    """Write the photos of a folder in one tint into `out`, and return `out`."""
    for path in list_photos(photos):
        rgb = torch.from_numpy(read_photo(path).rgb).permute(2, 0, 1)[None].float() / 255
        image = tinted(rgb, ab)[0].permute(1, 2, 0).numpy()
        write_png(out / path.relative_to(photos).with_suffix(".png"), np.rint(image * 255).astype(np.uint8))
    return out


def _interval(summary: MetricSummary) -> list[float | None]:
    return [summary.mean, summary.ci_low, summary.ci_high]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--saturations", help="numbers with commas between: measure all models at each")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.saturations:
        before = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else {}
        record = curves(arguments.photos, [float(part) for part in arguments.saturations.split(",")], before)
    else:
        record = measure(arguments.photos, arguments.model)
    print(json.dumps(record, indent=1))
    write_record(arguments.json, record)


if __name__ == "__main__":
    main()
