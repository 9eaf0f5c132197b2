"""The page of the shipped models: made from their records, and from the record of how good each is."""

from __future__ import annotations

import json
from typing import Any

from chromalab.metrics.registry import METRICS
from chromalab.weights.colorizers import DEFAULT_MODEL, ColorizerFile, find_colorizer, shipped_models
from tools import RESULTS
from tools.pages.markdown import page, prose, table

RECORDS = RESULTS / "models"
CHOICE = RECORDS / "choice.json"
SATURATION = RECORDS / "saturation.json"

RULE = (
    "Every shipped model is measured at saturations from 1 to 1.5 on photographs that were set aside from "
    "training. Of the points that reach the goal there (below), the one with the lowest mean LPIPS-Alex names the "
    "model. The default is this model at its least saturated point whose LPIPS-Alex is not certainly higher "
    "(paired, 95%), for color that brings nothing is not to be invented; its chroma is multiplied with that from "
    "then on. Where no point reaches the goal, all of them count. Test photographs have no say (`python -m "
    "tools.release.choose STUDY --photos FOLDER`). The goal is older than the study, the rule is not: it was written "
    "down when test numbers were known, and *least saturated* joined it when the lowest point missed the goal for "
    "Perceptual-Lite0 on the test photographs. `bins_lite0` was trained on most of the photographs that were set "
    "aside, so its numbers are, if anything, too good."
)
RIVALS = {"grey": "no color", "tint_delta_e_2000": "tint 1", "tint_lpips_alex": "tint 2"}
"""What models are laid beside, by their names in records."""

GOAL = {
    "grey": ("delta_e_2000", "psnr", "lpips_alex", "perceptual_lite0"),
    "tint_delta_e_2000": ("delta_e_2000", "lpips_alex"),
    "tint_lpips_alex": ("delta_e_2000", "lpips_alex"),
}
"""What the default has to beat, with an interval that leaves out 0."""

LEAST_COLORFULNESS = 0.5
MOST_BLOTCHES = 0.01
SATURATIONS = (
    "![Colorfulness against error for every model](../images/models_saturation.svg)\n\n"
    "Every shipped model at several `--saturation`s, on the same photographs as below: how colorful its pictures are, "
    "and how wrong. The mark is the model as it is."
)

GRID = (
    "![Sample photographs in the colors of every shipped model](../images/models.jpg)\n\n"
    "Seven of the built-in sample photographs at 256 px (`python -m tools.pages.model_grid`, or with a folder of your "
    "own). Left the gray photograph, right the truth. Credits: `chromalab list samples`."
)


def quality(name: str) -> dict[str, Any]:
    """Return the record of how good a model is, as `tools/benchmarks/model_quality.py` wrote it."""
    record: dict[str, Any] = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def models_page() -> str:
    """Return the page of all shipped models."""
    return page(
        "Shipped models",
        "`chromalab colorize --model NAME`; the first is the default. Scores are means over photographs with 95% "
        "intervals, of pictures that were colorized from file to file, beside the same photographs without color. "
        "They are development numbers: these photographs were not trained on, but they were looked at.",
        "\n\n".join(
            [
                GRID,
                *("## Which is the default", RULE, _choice()),
                *("## Does it beat no color, and one color for everything", _tint_words(), _against()),
                *("## Vivid or right", SATURATIONS),
                *(_model(find_colorizer(name)) for name in shipped_models()),
            ]
        ),
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


def _choice() -> str:
    record = json.loads(CHOICE.read_text(encoding="utf-8"))
    saturations = [point["saturation"] for point in record["models"][record["model"]]["points"]]
    rows = [
        (
            f"`{name}`",
            *(
                _point(point, chosen=(name, point["saturation"]) == (record["model"], record["saturation"]))
                for point in curve["points"]
            ),
        )
        for name, curve in record["models"].items()
    ]
    return (
        f"LPIPS-Alex, and colorfulness as a share of the photographs' own, on {record['photos']} such photographs; the "
        "chosen point is bold, those that miss the goal are in brackets:\n\n"
    ) + table(("model", *(f"{saturation:g}" for saturation in saturations)), rows)


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
    """Return what of the goal a model misses on the photographs of a record, in words."""
    found = [
        f"{METRICS[metric].label} beside {RIVALS[rival]}"
        for rival, metrics in GOAL.items()
        for metric in metrics
        if not beats(record, rival, metric)
    ]
    blotches = record["metrics"]["blotches"]
    if colorfulness_share(record) < LEAST_COLORFULNESS:
        found.append("colorfulness")
    if blotches["model"][0] - blotches["truth"][0] > MOST_BLOTCHES:
        found.append("blotches")
    return found


def _tint_words() -> str:
    tints = json.loads((RECORDS / "tint.json").read_text(encoding="utf-8"))
    first, second = (tints[metric]["tint"] for metric in ("delta_e_2000", "lpips_alex"))
    record = quality(DEFAULT_MODEL)
    return (
        "The two tints are the best single (a\\*, b\\*) for every pixel of every photograph: "
        f"({first[0]:g}, {first[1]:g}) has the least mean CIEDE2000 on {tints['photos']:,} photographs of the training "
        f"set, ({second[0]:g}, {second[1]:g}) the least mean LPIPS-Alex on {tints['lpips_alex']['photos']} of them "
        f"(`python -m tools.benchmarks.tint`). `{DEFAULT_MODEL}` minus each on {record['photos']} photographs of "
        f"{find_colorizer().spec.scored_on}, paired, with 95% intervals:"
    )


def _against() -> str:
    record = quality(DEFAULT_MODEL)
    rows = [
        (
            RIVALS[rival],
            METRICS[metric].label,
            _shown(record["model_minus"][rival][metric]),
            "better" if beats(record, rival, metric) else "**not shown**",
        )
        for rival, metrics in GOAL.items()
        for metric in metrics
    ]
    share, means = colorfulness_share(record), record["metrics"]
    blotches = means["blotches"]["model"][0] - means["blotches"]["truth"][0]
    return table(("beside", "metric", "difference", ""), rows) + (
        f"\n\nColorfulness is {100 * share:.0f}% of the photographs' own (the goal is at least half), blotches "
        f"{100 * blotches:+.2f} percentage points beside theirs (the goal is at most +1)."
    )


def beats(record: dict[str, Any], rival: str, metric: str) -> bool:
    """Return whether a model is better than a rival under a metric with an interval that leaves out 0."""
    _, low, high = record["model_minus"][rival][metric]
    return bool(low > 0 if METRICS[metric].direction == "higher" else high < 0)


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
