"""The page of color flicker, speed and memory of colorizing films, from the record of `tools.benchmarks.video`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools import read_record
from tools.benchmarks.video import BEGINNING, FRAMEWISE, LARGEST_LOSS, LEAST_REDUCTION, MIDDLE, STEADY, TRUTH
from tools.pages.markdown import page, table
from tools.pages.verdicts import quantity, yes_no

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORD = "benchmarks/video.json"
CLIP_HEAD = (
    *("clip", "frames", "warp error of the true colors", "frame by frame", "steadied", "reduction"),
    *("CDC, frame by frame", "CDC, steadied", "CIEDE2000, frame by frame", "CIEDE2000, steadied", "target met"),
)
MODEL_HEAD = (
    *("model", "warp error, frame by frame", "steadied", "reduction", "per chroma, frame by frame"),
    *("per chroma, steadied", "CDC, frame by frame", "CDC, steadied", "mean chroma", "CIEDE2000, steadied"),
)
PARTS = {MIDDLE: "", BEGINNING: ", fade from black"}


def video_page() -> str:
    """Return the page."""
    record = read_record(RECORD)
    parts = [*_flicker(record["quality"]), *_objectives(record["quality"])]
    if "speed" in record:
        parts += [*_speed(record["speed"]), *_memory(record["speed"]["memory"])]
    return page(
        "Flicker and speed of colorizing films",
        "Measured by `python -m tools.benchmarks.video`.",
        "\n\n".join(parts),
    )


def _flicker(quality: dict[str, Any]) -> Iterator[str]:
    clips, model = quality["clips"], quality["model"]
    met = sum(clip["verdict"]["met"] for clip in clips)
    yield "## Color flicker"
    yield (
        f"Clips with true colors lose their chroma and are colorized by `{model}`, frame by frame and steadied along "
        f"the motion. The frames are consecutive and have {quality['rows']} rows, or fewer in smaller clips. *Warp "
        "error* is the mean change of (a\\*, b\\*) between neighboring frames along the motion, in CIELAB units. *CDC* "
        "is the distance from the CDC of the true colors. Both are above 0 for the true colors, too, because light "
        f"changes and codecs add noise. The target is at least {LEAST_REDUCTION:.0%} less warp error with a CIEDE2000 "
        f"at most {LARGEST_LOSS:g} higher. It is met on {quantity(met, len(clips), 'clips')}."
    )
    yield table(CLIP_HEAD, [_clip_row(clip, model) for clip in clips])
    sources = [
        f"{clip['clip']} ({clip['source']}, SHA-256 {clip['sha256'][:12]})" for clip in clips if clip["part"] == MIDDLE
    ]
    yield f"The clips are not part of this repository: {', '.join(sources)}."


def _clip_row(clip: dict[str, Any], model: str) -> tuple[str, ...]:
    before, after = (clip["models"][model][kind] for kind in (FRAMEWISE, STEADY))
    return (
        f"{clip['clip']}{PARTS[clip['part']]}",
        str(clip["frames"]),
        f"{clip[TRUTH]['warp_error']:.2f}",
        f"{before['warp_error']:.2f}",
        f"{after['warp_error']:.2f}",
        f"{clip['verdict']['reduction']:.0%}",
        *(f"{abs(each['cdc'] - clip[TRUTH]['cdc']):.4f}" for each in (before, after)),
        *(f"{each['delta_e_2000']:.2f}" for each in (before, after)),
        yes_no(clip["verdict"]["met"]),
    )


def _objectives(quality: dict[str, Any]) -> Iterator[str]:
    found = quality["objectives"]
    if len(found) < 2:
        return
    ranked = sorted(found, key=lambda model: found[model]["framewise_warp_error"][0])
    lowest, highest = ranked[0], ranked[-1]
    count = sum(clip["part"] == MIDDLE for clip in quality["clips"])
    yield "## Do objectives differ in flicker?"
    yield (
        f"Exploratory: {len(found)} models of this project on the middles of {count} clips, one training each. "
        "Means over clips with 95% bootstrap intervals over clips. Frame by frame, the warp error runs from "
        f"{_interval(found[lowest]['framewise_warp_error'])} (`{lowest}`) to "
        f"{_interval(found[highest]['framewise_warp_error'])} (`{highest}`). *Per chroma* divides it by the mean "
        "chroma of the same clip, because a paler film flickers less. The intervals cover the variation between clips, "
        "and not that between trainings."
    )
    yield table(MODEL_HEAD, [_model_row(model, found[model]) for model in ranked])


def _model_row(model: str, found: dict[str, Sequence[float]]) -> tuple[str, ...]:
    return (
        f"`{model}`",
        _interval(found["framewise_warp_error"]),
        _interval(found["steady_warp_error"]),
        f"{found['reduction'][0]:.0%}",
        _interval(found["framewise_relative"], 3),
        _interval(found["steady_relative"], 3),
        *(f"{found[f'{kind}_cdc_distance'][0]:.4f}" for kind in (FRAMEWISE, STEADY)),
        _interval(found["steady_chroma"], 1),
        _interval(found["steady_delta_e_2000"], 1),
    )


def _interval(triple: Sequence[float], digits: int = 2) -> str:
    mean, low, high = (f"{value:.{digits}f}" for value in triple)
    return f"{mean} [{low}, {high}]"


def _speed(speed: dict[str, Any]) -> Iterator[str]:
    stages = list(next(iter(speed["sizes"].values()))["cpu_ms"])
    yield "## Speed"
    yield (
        f"A gray film in H.264, made of {speed['clip']}, colorized by `{speed['model']}` on a machine with "
        f"{speed['processors']} processors, on which {speed['reference']}. *Transcode* decodes and encodes the same "
        "gray film with the same codec settings and threads. *Ratio* is the wall time of colorizing over that of the "
        "transcode. Seconds hold for that machine; ratios should carry over to others."
    )
    yield table(
        ("size", "frames", "seconds", "frames/s", "transcode, seconds", "ratio"),
        [
            (size, *(str(found[key]) for key in ("frames", "seconds", "frames_per_s", "transcode_s", "ratio")))
            for size, found in speed["sizes"].items()
        ],
    )
    yield "CPU time of each stage, in milliseconds per frame, each stage measured alone:"
    yield table(
        ("size", *stages, "sum"),
        [
            (size, *(f"{found['cpu_ms'][stage]:.1f}" for stage in stages), f"{sum(found['cpu_ms'].values()):.1f}")
            for size, found in speed["sizes"].items()
        ],
    )


def _memory(memory: dict[str, Any]) -> Iterator[str]:
    short, long = memory["short"], memory["long"]
    yield "## Memory"
    yield (
        f"The largest anonymous memory of a process is {short['peak_mb']:.0f} MB for {short['frames']:,} frames of 480 "
        f"rows, and {long['peak_mb']:.0f} MB for {long['frames']:,} frames, the same ones repeated."
    )
