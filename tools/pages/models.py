"""The pages of the shipped models and of the default's quality, from their records and the records of their quality."""

from __future__ import annotations

from typing import Any

from chromalab.metrics.registry import METRICS
from chromalab.weights.colorizers import DEFAULT_MODEL, ColorizerFile, ColorizerSpec, find_colorizer, shipped_models
from tools import RESULTS, read_record
from tools.benchmarks.model_kinds import FOUND_DEGREES
from tools.pages.markdown import prose, render, table
from tools.pages.verdicts import BETTER, WORSE, counted, interval_verdict, yes_no

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

BUDGET = ("images", "pictures")
"""Names of the number of crops in records; the second is older."""

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


def good_page() -> str:
    """Return the page that says in plain words how good the default is."""
    record, kinds = quality(DEFAULT_MODEL), read_record("models/kinds.json")
    errors = {name: value[0] for name, value in record["metrics"]["delta_e_2000"].items()}
    every, colors = kinds["all"], kinds["colors"]
    worse = every["degraded_minus_model"]
    return render(
        "good.md",
        model=DEFAULT_MODEL,
        n_test=record["photos"],
        scored_on=find_colorizer().spec.scored_on,
        overall=_overall(record),
        removed=f"{1 - errors['model'] / errors['grey']:.0%}",
        n_photos=kinds["photos"],
        kinds=_kinds({**kinds["kinds"], "all of them": every}),
        degrees=f"{FOUND_DEGREES:g}",
        colors=table(
            ("true color", "photographs", "found", "ratio of chroma"),
            [
                (name, str(row["photos"]), _share(row["found"]), f"{row['chroma'][0]:.2f}")
                for name, row in colors.items()
            ],
        ),
        worst_color=min(colors, key=lambda name: colors[name]["found"][0]).capitalize(),
        degraded=f"{every['degraded'][0]:.1f}",
        degraded_verdict=f"{worse[0]:.1f} more than without the degradations"
        if interval_verdict(worse[1], worse[2], "lower") == WORSE
        else "not measurably more than without the degradations",
        gray=f"{every['grey'][0]:.1f}",
    )


def _overall(record: dict[str, Any]) -> str:
    names = ("delta_e_2000", "psnr", "lpips_alex", "colorfulness")
    ways = {
        "grey": "no color",
        "tint_lpips_alex": "one tint for all",
        "model": f"`{DEFAULT_MODEL}`",
        "truth": "the truth",
    }
    rows = [(label, *(_rounded(record["metrics"][name][way][0]) for name in names)) for way, label in ways.items()]
    return table(("", *(METRICS[name].label for name in names)), rows)


def _rounded(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if 0 < value < 1 else f"{value:.1f}"


def _share(interval: list[float]) -> str:
    mean, low, high = (round(100 * value) for value in interval)
    return f"{mean}% [{max(low, 0)}, {min(high, 100)}]"


def _kinds(kinds: dict[str, Any]) -> str:
    rows = []
    for kind, row in kinds.items():
        difference, low, high = row["model_minus_grey"]
        rows.append(
            (
                kind,
                str(row["photos"]),
                f"{row['grey'][0]:.1f}",
                f"{row['model'][0]:.1f}",
                f"{difference:.1f} [{low:.1f}, {high:.1f}]",
                interval_verdict(low, high, "lower"),
                f"{row['colorfulness']:.0%}",
            )
        )
    head = (
        "kind",
        "photographs",
        "CIEDE2000 of gray",
        f"of `{DEFAULT_MODEL}`",
        "difference",
        "verdict",
        "colorfulness",
    )
    return table(head, rows)


def _model(file: ColorizerFile) -> str:
    spec, record = file.spec, quality(file.spec.name)
    facts = [
        ("file", f"{file.path.stat().st_size / 1e6:.1f} MB, SHA-256 `{file.sha256}`"),
        ("input", f"shorter side of {spec.size.px} px"),
        ("output", _output(spec)),
        ("trained on", prose(spec.trained_on)),
        ("training", prose("; ".join(_fact(key, value) for key, value in spec.record.items()))),
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


def _output(spec: ColorizerSpec) -> str:
    factors = {factor for _, factor in spec.chroma_by_lightness}
    chroma = f"chroma, multiplied by {factors.pop():g}" if len(factors) == 1 else "chroma"
    return chroma + (", and a distribution over 313 bins for versions and uncertainty" if spec.output.bins else "")


def _fact(key: str, value: object) -> str:
    return f"{value:,} crops" if key in BUDGET and isinstance(value, int) else f"{key} {value}"


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
