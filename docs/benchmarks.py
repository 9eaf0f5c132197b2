"""Pages that speak of speed: made from the committed records of the benchmarks."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from docs.markdown import page, table

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = Path(__file__).resolve().parents[1] / "results" / "benchmarks"


class Timed(TypedDict):
    """One loss of one library in the record of benchmarks/losses.py."""

    loss: str
    library: str
    times_ms: list[float]
    memory_mb: float | None


class MetricCosts(TypedDict):
    """The record of benchmarks/metric_cost.py."""

    reference: str
    ms: dict[str, float]
    set_s: dict[str, float]


def metric_costs() -> MetricCosts:
    """Return what every metric costs: milliseconds of a pair, and seconds of 1,000 photographs against 1,000."""
    record: MetricCosts = json.loads((RECORDS / "metric_cost.json").read_text(encoding="utf-8"))
    return record


def metric_cost(name: str, costs: MetricCosts) -> str:
    """Return what a metric costs in words, a dash where nobody has measured it."""
    if name not in costs["ms"]:
        return "–"
    seconds = costs["set_s"].get(name, 0.0)
    return f"{costs['ms'][name]:g} ms" + (f", then {seconds:.1g} s" if seconds >= 0.05 else "")


def loss_speed_page() -> str:
    """Return the page of what every loss costs, beside the same loss of other libraries."""
    record = json.loads((RECORDS / "losses.json").read_text(encoding="utf-8"))
    setting = record["setting"]
    return page(
        "What a loss costs",
        f"Forward and backward on {setting['batch']} pictures of {setting['size_px']} px with {setting['threads']} "
        f"threads of one machine, on which {record['reference']}. *ms* is the median; *MB* is how far memory rises "
        "above pictures and networks; *ratio* is this project's time over that of the fastest other library that has "
        "the same loss, both measured in turns in one run. Milliseconds are that machine's, ratios should hold on "
        "others. Measured by `python -m benchmarks.losses`.",
        table(("loss", "ms", "MB", "beside", "ms", "MB", "ratio"), _rows(record["losses"])),
    )


def _rows(found: list[Timed]) -> Iterator[tuple[str, ...]]:
    for loss in dict.fromkeys(each["loss"] for each in found):
        ours, *rivals = [each for each in found if each["loss"] == loss]
        own = (f"`{loss}`", _time(ours), _memory(ours))
        if not rivals:
            yield (*own, "–", "–", "–", "–")
            continue
        fastest = min(rivals, key=_median_ms)
        ratio = f"{_median_ms(ours) / _median_ms(fastest):.2f}"
        yield (*own, fastest["library"], _time(fastest), _memory(fastest), ratio)


def _median_ms(timed: Timed) -> float:
    return statistics.median(timed["times_ms"])


def _time(timed: Timed) -> str:
    return f"{_median_ms(timed):,.0f}"


def _memory(timed: Timed) -> str:
    return "–" if timed["memory_mb"] is None else f"{timed['memory_mb']:.0f}"


def colorize_speed_page() -> str:
    """Return the page of what colorizing costs."""
    record = json.loads((RECORDS / "colorize.json").read_text(encoding="utf-8"))
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
        "Photos of 12 megapixels, JPEG to JPEG, with as many workers as processors. Beside it what nobody can do "
        "without: decoding the same photos and encoding the same results, with the same library and workers."
    )
    others = (
        f"{small['photos']} photos of 1 megapixel: {small['photos_a_second']} a second. The network's convolutions "
        f"take {network['gflop']} GFLOP for a photo of 3:4 ({network['width']}x{network['height']} px). A TIFF of 200 "
        f"megapixels at 16 bits: {huge['seconds']:.0f} s, with {huge['peak_rss_mb']:.0f} MB of resident memory at most "
        f"({huge['peak_anonymous_mb']:.0f} MB of it anonymous)."
    )
    rows = [tuple(map(str, row)) for row in large]
    return page(
        "What colorizing costs",
        f"Measured by `python -m benchmarks.colorize` on one machine with {record['processors']} processors, on which "
        f"{record['reference']}. Seconds are that machine's, ratios should hold on others.",
        "\n\n".join([twelve, table(("photos", "count", "seconds each", "decode and encode", "ratio"), rows), others]),
    )
