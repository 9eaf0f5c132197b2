"""How good a shipped model is on photographs that it was not trained on, beside grey and the truth.

    python -m benchmarks.model_quality FOLDER [--model NAME] [--json results/models/NAME.json]

The photographs are colorized as `chromalab colorize` does it, from file to file, and measured under `chromalab-v1`. The
record is what docs/reference/models.md is made from.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.shell import chromalab
from chromalab.colorization.batch import Batch, run_batch
from chromalab.colorization.colorizer import Job
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Options
from chromalab.colorization.plan import make_plan
from chromalab.core.files import write_text
from chromalab.data.parallel import cpu_count
from chromalab.weights.colorizers import DEFAULT_MODEL, find_colorizer

METRICS = (
    "delta_e_2000", "psnr", "ssim", "lpips_alex", "lpips_squeeze", "perceptual_lite0", "color_perceptual",
    "colorfulness", "blotches", "lightness_error",
)  # fmt: skip


def measure(photos: Path, model: str) -> dict[str, Any]:
    """Return the record: means with 95% intervals over photographs for the model, grey, and the truth."""
    file = find_colorizer(model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = make_plan([str(photos)], f"{folder}/{file.spec.name}/", suffix=".png")
        run_batch(Engine(file), plan, Batch(Job(Options()), workers=cpu_count(), sidecar=False))
        chromalab(
            "evaluate", "--method", f"model={folder / file.spec.name}", "--target", str(photos), "--bounds",
            "--metrics", ",".join(METRICS), "--json", str(folder / "scores.json"),
        )  # fmt: skip
        scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    methods = {entry["name"]: entry for entry in scores["methods"]}
    return {
        "model": file.spec.name,
        "model_sha256": file.sha256,
        "photos": len(plan.items),
        "set": photos.name,
        "protocol": "chromalab-v1",
        "metrics": {
            metric: {name: _interval(methods[name], metric) for name in ("model", "grey", "truth")}
            for metric in METRICS
        },
    }


def _interval(method: dict[str, Any], metric: str) -> list[float | str]:
    found = method["metrics"][metric]
    return [found["mean"], found["ci_low"], found["ci_high"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    record = measure(arguments.photos, arguments.model)
    table = Table("metric", "model", "grey", "truth", title=f"{record['photos']} photos")
    for metric, values in record["metrics"].items():
        table.add_row(metric, *(_shown(values[name]) for name in ("model", "grey", "truth")))
    Console(width=120).print(table)
    if arguments.json is not None:
        write_text(arguments.json, json.dumps(record, indent=2) + "\n")


def _shown(interval: list[float | str]) -> str:
    mean, low, high = interval
    if isinstance(mean, str) or isinstance(low, str) or low is None:
        return str(mean)
    return f"{mean:.4g} [{low:.4g}, {high:.4g}]"


if __name__ == "__main__":
    main()
