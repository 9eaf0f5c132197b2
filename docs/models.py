"""The page of the shipped models: made from their records, and from the record of how good each is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chromalab.metrics.registry import METRICS
from chromalab.weights.colorizers import ColorizerFile, find_colorizer, shipped_models
from docs.markdown import page, prose, table

RECORDS = Path(__file__).resolve().parents[1] / "results" / "models"


GRID = (
    "![Sample photographs in the colours of every shipped model](../images/models.jpg)\n\n"
    "Seven of the built-in sample photographs at 256 px (`python -m docs.model_grid`, or with a folder of your own). "
    "Left the grey photograph, right the truth. Credits: `chromalab list samples`."
)


def quality(name: str) -> dict[str, Any]:
    """Return the record of how good a model is, as `benchmarks/model_quality.py` wrote it."""
    record: dict[str, Any] = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def models_page() -> str:
    """Return the page of all shipped models."""
    return page(
        "Shipped models",
        "`chromalab colorize --model NAME`; the first is the default. Scores are means over photographs with 95% "
        "intervals, of pictures that were colorized from file to file, beside the same photographs without colour. "
        "They are development numbers: these photographs were not trained on, but they were looked at.",
        "\n\n".join([GRID, *(_model(find_colorizer(name)) for name in shipped_models())]),
    )


def _model(file: ColorizerFile) -> str:
    spec, record = file.spec, quality(file.spec.name)
    facts = [
        ("what", prose(spec.title)),
        ("file", f"{file.path.stat().st_size / 1e6:.1f} MB, SHA-256 `{file.sha256}`"),
        ("sees", f"shorter side of {spec.size.px} px"),
        ("gives", "chroma" + (", and a distribution over 313 bins: versions, uncertainty" if spec.output.bins else "")),
        ("trained on", prose(spec.trained_on)),
        ("training", prose("; ".join(f"{key} {value}" for key, value in spec.record.items()))),
        ("gets wrong", prose(spec.failures)),
        ("licence", spec.licence),
        ("notice", spec.notice),
        ("source", spec.source),
    ]
    return "\n\n".join(
        [
            f"## `{spec.name}`",
            table(("", ""), [(key, value) for key, value in facts if value]),
            f"On {record['photos']} photographs of {spec.scored_on}:",
            table(("metric", "model", "grey", "truth"), _scores(record)),
        ]
    )


def _scores(record: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (METRICS[name].label, *(_shown(values[method]) for method in ("model", "grey", "truth")))
        for name, values in record["metrics"].items()
    ]


def _shown(interval: list[Any]) -> str:
    mean, low, high = interval
    if not isinstance(mean, float):
        return "–"
    return f"{mean:.3g}" if low is None or low == high else f"{mean:.4g} [{low:.4g}, {high:.4g}]"
