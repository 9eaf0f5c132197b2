"""The page of the shipped models, from their records and from the records of their quality."""

from __future__ import annotations

from typing import Any

from chromalab.metrics.registry import METRICS
from chromalab.weights.colorizers import DEFAULT_MODEL, ColorizerFile, find_colorizer, shipped_models
from tools import RESULTS, read_record
from tools.pages.markdown import prose, render, table
from tools.pages.verdicts import BETTER, counted, interval_verdict, yes_no

RECORDS = RESULTS / "models"
CHOICE = RECORDS / "choice.json"
SATURATION = RECORDS / "saturation.json"

RIVALS = {"grey": "no color", "tint_delta_e_2000": "tint 1", "tint_lpips_alex": "tint 2"}
"""Labels of the baselines by their names in records."""

GOAL = {
    "grey": ("delta_e_2000", "psnr", "lpips_alex", "perceptual_lite0"),
    "tint_delta_e_2000": ("delta_e_2000", "lpips_alex"),
    "tint_lpips_alex": ("delta_e_2000", "lpips_alex"),
}
"""Metrics under which the default must beat each baseline with an interval that excludes 0."""

LEAST_COLORFULNESS = 0.5
MOST_BLOTCHES = 0.01


def quality(name: str) -> dict[str, Any]:
    """Return the quality of a model, as `tools/benchmarks/model_quality.py` recorded it."""
    record: dict[str, Any] = read_record(f"models/{name}.json")
    return record


def models_page() -> str:
    """Return the page of all shipped models."""
    choice, record = read_record("models/choice.json"), quality(DEFAULT_MODEL)
    tints = read_record("models/tint.json")
    return render(
        "models.md",
        saturations=[f"{point['saturation']:g}" for point in choice["models"][choice["model"]]["points"]],
        n_choice=choice["photos"],
        choice=_choice(choice),
        tints=["({:g}, {:g})".format(*tints[metric]["tint"]) for metric in ("delta_e_2000", "lpips_alex")],
        n_tint=f"{tints['photos']:,}",
        n_tint_lpips=tints["lpips_alex"]["photos"],
        default=DEFAULT_MODEL,
        n_photos=record["photos"],
        scored_on=find_colorizer().spec.scored_on,
        against=_against(record),
        goal=goal(record),
        models="\n\n".join(_model(find_colorizer(name)) for name in shipped_models()),
    )


def _model(file: ColorizerFile) -> str:
    spec, record = file.spec, quality(file.spec.name)
    facts = [
        ("file", f"{file.path.stat().st_size / 1e6:.1f} MB, SHA-256 `{file.sha256}`"),
        ("input", f"shorter side of {spec.size.px} px"),
        (
            "output",
            "chroma" + (", and a distribution over 313 bins for versions and uncertainty" if spec.output.bins else ""),
        ),
        ("trained on", prose(spec.trained_on)),
        ("training", prose("; ".join(f"{key} {value}" for key, value in spec.record.items()))),
        ("known failures", prose(spec.failures)),
        ("license", spec.license),
        ("notice", spec.notice),
        ("source", spec.source),
    ]
    return "\n\n".join(
        [
            f"## `{spec.name}`",
            table(("", ""), [(key, value) for key, value in facts if value]),
            f"On {record['photos']} photographs of {spec.scored_on}:",
            table(("metric", "model", *RIVALS.values(), "truth"), _scores(record)),
        ]
    )


def _choice(record: dict[str, Any]) -> str:
    chosen = (record["model"], record["saturation"])
    saturations = [point["saturation"] for point in record["models"][record["model"]]["points"]]
    rows = [
        (f"`{name}`", *(_point(point, chosen=(name, point["saturation"]) == chosen) for point in curve["points"]))
        for name, curve in record["models"].items()
    ]
    return table(("model", *(f"{saturation:g}" for saturation in saturations)), rows)


def _point(point: dict[str, Any], *, chosen: bool) -> str:
    text = f"{point['metrics']['lpips_alex']['model'][0]:.4f}, {100 * colorfulness_share(point):.0f}%"
    if chosen:
        return f"**{text}**"
    return f"({text})" if misses(point) else text


def colorfulness_share(record: dict[str, Any]) -> float:
    """Return mean colorfulness over the photographs' own."""
    means = record["metrics"]["colorfulness"]
    return float(means["model"][0] / means["truth"][0])


def misses(record: dict[str, Any]) -> list[str]:
    """Return the parts of the goal that a model misses."""
    found = [
        f"{METRICS[metric].label} beside {RIVALS[rival]}"
        for rival, metrics in GOAL.items()
        for metric in metrics
        if verdict(record, rival, metric) != BETTER
    ]
    if colorfulness_share(record) < LEAST_COLORFULNESS:
        found.append("colorfulness")
    if blotches_above(record) > MOST_BLOTCHES:
        found.append("blotches")
    return found


def blotches_above(record: dict[str, Any]) -> float:
    """Return the share of blotches above the photographs' own."""
    means = record["metrics"]["blotches"]
    return float(means["model"][0] - means["truth"][0])


def goal(record: dict[str, Any]) -> dict[str, str]:
    """Return how a model does on each part of the goal, with verdicts."""
    verdicts = [verdict(record, rival, metric) for rival, metrics in GOAL.items() for metric in metrics]
    share, blotches = colorfulness_share(record), blotches_above(record)
    return {
        "beaten": counted(verdicts),
        "beats": yes_no(set(verdicts) == {BETTER}),
        "least_colorfulness": f"{LEAST_COLORFULNESS:.0%}",
        "colorfulness": f"{share:.0%}",
        "colorful": yes_no(share >= LEAST_COLORFULNESS),
        "most_blotches": f"{100 * MOST_BLOTCHES:g}",
        "blotches": f"{100 * blotches:+.2f}",
        "clean": yes_no(blotches <= MOST_BLOTCHES),
    }


def _against(record: dict[str, Any]) -> str:
    rows = [
        (
            RIVALS[rival],
            METRICS[metric].label,
            _shown(record["model_minus"][rival][metric]),
            verdict(record, rival, metric),
        )
        for rival, metrics in GOAL.items()
        for metric in metrics
    ]
    return table(("compared with", "metric", "difference", "verdict"), rows)


def verdict(record: dict[str, Any], rival: str, metric: str) -> str:
    """Return the verdict on a model beside a baseline under a metric."""
    _, low, high = record["model_minus"][rival][metric]
    return interval_verdict(low, high, METRICS[metric].direction)


def _scores(record: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (METRICS[name].label, *(_shown(values[method]) for method in ("model", *RIVALS, "truth")))
        for name, values in record["metrics"].items()
    ]


def _shown(interval: list[Any]) -> str:
    mean, low, high = interval
    if not isinstance(mean, float):
        return "–"
    return f"{mean:.3g}" if low is None or low == high else f"{mean:.4g} [{low:.4g}, {high:.4g}]"
