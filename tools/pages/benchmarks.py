"""Pages of speed and memory, from the records of the benchmarks."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, TypedDict

from tools import RESULTS, read_record
from tools.benchmarks.training_variants import VARIANTS
from tools.pages.markdown import page, table
from tools.pages.verdicts import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = RESULTS / "benchmarks"


class MetricCosts(TypedDict):
    """The record of tools/benchmarks/metric_cost.py."""

    reference: str
    ms: dict[str, float]
    set_s: dict[str, float]


def metric_costs() -> MetricCosts:
    """Return the cost of every metric: milliseconds per pair, and seconds for comparing 1,000 photos with 1,000."""
    record: MetricCosts = read_record("benchmarks/metric_cost.json")
    return record


def metric_cost(name: str, costs: MetricCosts) -> str:
    """Return the cost of a metric in words, or a dash if it was not measured."""
    if name not in costs["ms"]:
        return "–"
    seconds = costs["set_s"].get(name, 0.0)
    return f"{costs['ms'][name]:g} ms" + (f", then {float(f'{seconds:.1g}'):g} s" if seconds >= 0.05 else "")


def coverage_page() -> str:
    """Return the page of the coverage of intervals of primary comparisons and of small surveys."""
    record = read_record("benchmarks/contrast_coverage.json")
    cases = {
        "equal": "two objectives, all vary alike",
        "calm": "two others, while one diverges",
        "wild": "the one that diverges with another",
    }
    rows = [
        (
            str(row["seeds"]),
            f"{row['photos']:,}",
            cases[row["case"]],
            f"{row['ratio']:g}",
            f"{row['coverage']:.3f}",
            f"{row['width']:.2f}",
            f"{100 * row['set_apart']:.0f}%",
        )
        for row in record["rows"]
    ]
    columns = ("seeds", "photos", "comparison", "runs / photos", "coverage", "width / ideal", "set apart")
    primary = (
        f"Each row simulates {record['repetitions']:,} studies of {record['objectives']} objectives whose true "
        "difference is 0. *Coverage* is the share of 95% intervals that contain it. *Runs / photos* is the part of the "
        "variance that seeds cause over the part that photos cause. One objective may diverge: its runs then vary "
        f"{record['divergence']:g} times as much. *Width / ideal* compares with intervals under known variances. *Set "
        "apart* is the share of studies in which Bartlett's test keeps an objective out of the pooled variance. "
        "Measured by `python -m tools.benchmarks.contrast_coverage`."
    )
    parts = [
        *("## Primary comparisons", primary, table(columns, rows), _coverage_words(record["rows"])),
        *_survey_coverage(read_record("benchmarks/survey_coverage.json")),
    ]
    return page(
        "Coverage of intervals",
        "How often nominal 95% intervals contain the true value in simulated studies.",
        "\n\n".join(parts),
    )


def _survey_coverage(record: dict[str, Any]) -> tuple[str, ...]:
    """Return the section of surveys with few participants, near-unanimous votes and rates near 0."""
    least = record["minimum"]
    text = (
        f"Each row simulates {record['repetitions']:,} surveys. *Coverage* is that of the report's interval. "
        "*Bootstrap* is that of a bootstrap over participants and photos with Student's t alone. *Alike* is the share "
        "of surveys in which all votes agree, so that the bootstrap's interval has no width. Abilities differ between "
        "participants and photos by normal effects in logits with these standard deviations (SD). Measured by "
        "`python -m tools.benchmarks.survey_coverage`."
    )
    pairs = [row for row in record["rows"] if row["kind"] == "pairwise"]
    rates = [row for row in record["rows"] if row["kind"] == "rate"]
    claims = (
        f"A winner is named from {least['people']} participants, {least['photos']} photos and {least['votes']} votes. "
        "*Named* is the share of surveys that name one, *wrong* the share that name a method which is not better."
    )
    shown = ("participants", "trials", "photos", "SD of participants", "SD of photos")
    numbers = ("coverage", "bootstrap", "median width", "alike")
    return (
        "## Surveys with few or unanimous votes",
        text,
        f"The difference of two methods in logits. {claims}",
        table((*shown, "difference", *numbers, "named", "wrong"), [_survey_row(row) for row in pairs]),
        "The fooling rate of one method.",
        table((*shown, "rate", *numbers), [_survey_row(row) for row in rates]),
        _survey_words(pairs, rates),
    )


def _survey_row(row: dict[str, Any]) -> tuple[str, ...]:
    settings = (
        str(row["people"]),
        str(row["trials"]),
        str(row["photos"]),
        f"{row['rater_sd']:g}",
        f"{row['photo_sd']:g}",
    )
    found = (f"{row['coverage']:.3f}", f"{row['bootstrap']:.3f}", f"{row['width']:.2f}", f"{row['unanimous']:.0%}")
    claims = () if row["claimed"] is None else (f"{row['claimed']:.1%}", f"{row['wrong']:.1%}")
    return (*settings, f"{row['truth']:.3f}", *found, *claims)


def _survey_words(*tables: list[dict[str, Any]]) -> str:
    sentences = []
    for name, rows in zip(("differences", "fooling rates"), tables, strict=True):
        ours, simple = ([row[kind] for row in rows] for kind in ("coverage", "bootstrap"))
        sentences.append(
            f"- Intervals of {name} cover {min(ours):.3f} to {max(ours):.3f}; those of the bootstrap alone "
            f"{min(simple):.3f} to {max(simple):.3f}."
        )
    return "\n".join(sentences)


def _coverage_words(rows: list[dict[str, Any]]) -> str:
    """Return the range of coverage for each size of study, with and without a diverging objective in the comparison."""
    sentences = []
    for size in dict.fromkeys((row["seeds"], row["photos"]) for row in rows):
        own = [row for row in rows if (row["seeds"], row["photos"]) == size]
        ranges = {wild: [row["coverage"] for row in own if (row["case"] == "wild") == wild] for wild in (False, True)}
        usual, diverging = (f"{min(found):.3f} to {max(found):.3f}" for found in ranges.values())
        sentences.append(
            f"- With {size[0]} seeds and {size[1]:,} photos coverage is {usual}. For comparisons of an objective that "
            f"diverges it is {diverging}."
        )
    return "\n".join(sentences)


def loss_speed_page() -> str:
    """Return the page of the cost of every loss, beside the same loss in other libraries."""
    record = read_record("benchmarks/losses.json")
    setting = record["setting"]
    return page(
        "Cost of the losses",
        f"Forward and backward on {setting['batch']} images of {setting['size_px']} px with {setting['threads']} "
        f"threads on one machine, on which {record['reference']}. *ms* is the median. *MB* is the memory used beyond "
        "images and networks. *Ratio* is this project's time over that of the fastest other library with the same "
        "loss, measured in turns in one run. Milliseconds hold for that machine; ratios should carry over to others. "
        "Measured by `python -m tools.benchmarks.losses`.",
        table(("loss", "ms", "MB", "other library", "its ms", "its MB", "ratio"), _rows(record["losses"])),
    )


def loss_speed(found: list[dict[str, Any]]) -> str:
    """Return how many losses are at least as fast as the fastest other library that has them."""
    rows = [row for row in _rows(found) if row[-1] != "–"]
    count = quantity(sum(float(row[-1]) <= 1 for row in rows), len(rows), "losses")
    return f"{count} that other libraries also implement are at least as fast here as in the fastest of them"


def _rows(found: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for loss in dict.fromkeys(each["loss"] for each in found):
        ours, *rivals = [each for each in found if each["loss"] == loss]
        own = (f"`{loss}`", _time(ours), _memory(ours))
        if not rivals:
            yield (*own, "–", "–", "–", "–")
            continue
        fastest = min(rivals, key=_median_ms)
        ratio = f"{_median_ms(ours) / _median_ms(fastest):.2f}"
        yield (*own, fastest["library"], _time(fastest), _memory(fastest), ratio)


def _median_ms(timed: dict[str, Any]) -> float:
    return float(statistics.median(timed["times_ms"]))


def _time(timed: dict[str, Any]) -> str:
    return f"{_median_ms(timed):,.0f}"


def _memory(timed: dict[str, Any]) -> str:
    return "–" if timed["memory_mb"] is None else f"{timed['memory_mb']:.0f}"


def colorize_speed_page() -> str:
    """Return the page of the speed and memory of colorizing."""
    record = read_record("benchmarks/colorize.json")
    large = [
        (
            label,
            record[key]["photos"],
            record[key]["seconds_a_photo"],
            record[key]["decode_and_encode_s"],
            record[key]["ratio"],
        )
        for label, key in (("RGB scans", "12_megapixels_rgb"), ("one channel", "12_megapixels_grey"))
    ]
    network, huge, small = record["network"], record["200_megapixels_16_bits"], record["1_megapixel"]
    twelve = (
        "Photos of 12 megapixels, JPEG to JPEG, with one worker per processor. The baseline is decoding the same "
        "photos and encoding the same results, with the same library and workers."
    )
    others = (
        f"{small['photos']} photos of 1 megapixel: {small['photos_a_second']} a second. The convolutions of "
        f"`{network['model']}` take {network['gflop']} GFLOP for a photo of 3:4 ({network['width']}x"
        f"{network['height']} px). A TIFF of 200 megapixels at 16 bits: {huge['seconds']:.0f} s, "
        f"with at most {huge['peak_rss_mb']:.0f} MB of resident memory "
        f"({huge['peak_anonymous_mb']:.0f} MB of it anonymous)."
    )
    columns = ("photos", "count", "seconds each", "decode and encode", "ratio")
    rows = [tuple(map(str, row)) for row in large]
    return page(
        "Speed and memory of colorizing",
        f"Measured by `python -m tools.benchmarks.colorize` with the model `{record['network']['model']}` on one "
        f"machine with {record['processors']} processors, on which {record['reference']}. "
        "Seconds hold for that machine; ratios should carry over to others.",
        "\n\n".join([twelve, table(columns, rows), others, _app_speed()]),
    )


def _app_speed() -> str:
    """Return the section of the app in the browser."""
    record = read_record("benchmarks/app.json")
    medians, browser = record["medians"], record["chromium"].partition(".")[0]
    return (
        "## The app in the browser\n\n"
        "One photo of 12 megapixels, JPEG to JPEG, with a loaded model, in turns with the Python tool: "
        f"{medians['app_s']:.2f} s in Chromium {browser} and {medians['python_s']:.2f} s in Python, a ratio of "
        f"{record['ratio']}. From opening the page with an empty cache to the first result: "
        f"{medians['cold_s']:.2f} s. Medians of {len(record['app_s'])} rounds, measured by "
        f"`python -m tools.benchmarks.app` on a machine with {record['processors']} processors, on which "
        f"{record['reference']}."
    )


LOADS = {
    "sqlite": "SQLite, one process, think time 4 s",
    "postgresql": "PostgreSQL, two workers, think time 4 s",
    "sqlite saturated": "SQLite, one process, no think time",
}


LOAD_HEAD = (
    "server", "votes", "votes a second", "median ms", "95% ms", "99% ms", "slowest ms", "image, 95% ms", "once"
)  # fmt: skip


def survey_speed_page() -> str:
    """Return the page of the load that the survey's server handles, and of the coverage of its intervals."""
    record = read_record("benchmarks/survey.json")
    people, trials, analysis = record["people"], record["trials"], record["analysis_s_10000_votes"]
    server = (
        f"{people} simulated people at once, {trials} trials each with two images of 256 px and exponential think "
        "times. The time of a vote is the wait for its acknowledgment, which is sent after the commit has reached "
        "the disk. *Once*: every acknowledged vote is in the database exactly once."
    )
    choice = (
        f"Choosing the next pair of 50 methods takes {record['choice_ms_50_methods']:.1f} ms. Analyzing 10,000 votes "
        f"with 1,000 draws of each bootstrap takes {analysis['5']:.1f} s for 5 methods, {analysis['50']:.0f} s for 50."
    )
    coverage = (
        "How often intervals of six methods' scores contain the score in the limit of many people and photographs, "
        f"in {record['repetitions']} simulated surveys with 60 votes per person. Abilities differ between people "
        "(standard deviation 1.0) and photographs (0.5). *People and photos* are the intervals of the report; the "
        "others ignore one or both sources of variation."
    )
    parts = [
        *("## The server", server, table(LOAD_HEAD, _load_rows(record["load"]))),
        *("## Next pair, and analysis", choice),
        *("## What 95% intervals cover", coverage, _coverage_table(record["coverage"])),
    ]
    return page(
        "Load and interval coverage of the survey",
        f"Measured by `python -m tools.benchmarks.survey` on one machine with two processors, on which "
        f"{record['reference']}; server and simulated people share it. Times hold for that machine.",
        "\n\n".join(parts),
    )


def _load_rows(loads: dict[str, dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for name, label in LOADS.items():
        if name in loads:
            yield _load_row(label, loads[name])


def _coverage_table(coverage: dict[str, dict[str, float]]) -> str:
    kinds = list(next(iter(coverage.values())))
    return table(
        ("survey", *kinds),
        [(survey, *(f"{found[kind]:.1%}" for kind in kinds)) for survey, found in coverage.items()],
    )


def _load_row(label: str, found: dict[str, Any]) -> tuple[str, ...]:
    times = (
        found["vote_median_s"], found["vote_p95_s"], found["vote_p99_s"], found["vote_max_s"], found["image_p95_s"]
    )  # fmt: skip
    return (
        label,
        f"{found['votes']:,}",
        f"{found['votes_per_second']:.0f}",
        *(f"{1000 * seconds:.0f}" for seconds in times),
        "yes" if found["exactly_once"] else "no",
    )


def training_speed_page() -> str:
    """Return the page of the speed of the training loop, and of variants of its step."""
    record = read_record("benchmarks/training.json")
    variants = read_record("benchmarks/training_variants.json")
    references = [
        f"Threads: {each['threads']}, {each['float32_gflops']:.0f} GFLOP/s in float32, "
        f"{each['bfloat16_gflops']:.0f} GFLOP/s in bfloat16, {each['jpeg_ms']:.1f} ms for a noisy JPEG of 1024x1024"
        for each in record["references"]
    ]
    speeds = [
        (
            each["recipe"],
            each["precision"],
            str(each["threads"]),
            str(each["crop_px"]),
            f"{statistics.median(each['loop']):.0f}",
            f"{1e6 / statistics.median(each['loop']) / 3600:.1f}",
            f"{each['ratio']:.2f}",
            f"{each['cpu_ratio']:.2f}",
            f"{each['data_share']:.0%}",
        )
        for each in record["speeds"]
    ]
    found = [
        (
            each["name"],
            VARIANTS[each["name"]].about,
            f"{each['ratio']:.2f}" if each.get("ratio") else "–",
            each.get("reason") or "",
        )
        for each in variants["variants"]
    ]
    head = ("recipe", "precision", "threads", "crop, px", "crops/s", "hours per million", "loop / bare", "CPU", "data")
    machine = record["machine"]
    lead = (
        f"Measured by `tools/benchmarks/training.py` on {machine['cores']} cores of {machine['cpu']} with PyTorch "
        f"{machine['torch']}, on the photographs of the folder {record['photos']}. *Loop / bare* is "
        "the speed of the training loop relative to the same work in plain PyTorch, measured in turns. *CPU* is the "
        "same ratio in CPU time. *Data* is the share of time spent on making crops. No GPU has been "
        "measured."
    )
    variants_lead = (
        "One step of the flagship at 96 px on one core, from `tools/benchmarks/training_variants.py`. A ratio below 1 "
        "means that the variant takes less time than the step as it is."
    )
    body = [
        "Reference speeds (matrix products of 1024, and a JPEG). " + "; ".join(references) + ".",
        table(head, speeds),
        "## What makes a step faster or slower",
        variants_lead,
        table(("variant", "what differs", "time / plain time", "note"), found),
    ]
    return page("Speed of training", lead, "\n\n".join(body))
