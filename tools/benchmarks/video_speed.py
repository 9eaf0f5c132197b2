"""Speed and memory of colorizing films, beside a plain transcode of the same film in the same run.

The film is a clip of `tools.benchmarks.video`, scaled to 480, 720 and 1080 rows and gray, in H.264. Measured are:

- the wall time of `chromalab colorize` with its default model and codec settings, and of decoding and encoding the same
  film with the same codec settings, both with a thread for each processor, in turns, the better of two;
- the CPU time of each stage for one frame: decoding, the network, the flow and the averaging, merging, encoding;
- the largest anonymous memory of a process that colorizes a short film, and one that colorizes the same film, repeated.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.video.reformatter import Interpolation

from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Job, Options
from chromalab.colorization.small import predict_chroma
from chromalab.colorization.video.encode import Encoder
from chromalab.colorization.video.film import coefficients_of, colorize_film
from chromalab.colorization.video.shots import Viewer
from chromalab.colorization.video.signal import ChromaWriter
from chromalab.colorization.video.source import Damage, frames, probe
from chromalab.colorization.video.stabilize import average
from chromalab.core.parallel import cpu_count
from chromalab.weights.colorizers import find_colorizer
from tools.benchmarks.memory import watched

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.colorization.video.shots import Seen
    from chromalab.colorization.video.source import Film

CLIP = "cockatoo_yuv420.mp4"
SIZES = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080)}
FRAMES = {"480p": 150, "720p": 100, "1080p": 50}
STAGED_FRAMES = 40
SHORT_FRAMES, REPEATS = 75, 16
"""Frames of the short film of the memory measurement, at 480 rows, and how often the long one repeats them."""


def gray_film(source: Path, target: Path, size: tuple[int, int], count: int, repeats: int = 1) -> Film:
    """Write the first frames of a film in gray as H.264, several times over, and return the facts of the new film."""
    width, height = size
    film = probe(source)
    with av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=film.rate, options={"crf": "18", "preset": "veryfast"})
        assert isinstance(stream, av.video.stream.VideoStream)  # noqa: S101 - the encoder is one of films
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        number = itertools.count()
        for _ in range(repeats):
            for frame in itertools.islice(frames(film, Damage()), count):
                scaled = frame.picture.reformat(width, height, "yuv420p", interpolation=Interpolation.BICUBIC)
                for plane in scaled.planes[1:]:
                    plane.update(bytes([128]) * plane.buffer_size)
                scaled.pts, scaled.time_base = next(number), 1 / film.rate
                out.mux(stream.encode(scaled))
        out.mux(stream.encode(None))
    return probe(target)


def transcode(film: Film, output: Path) -> None:
    """Decode a film and encode it with the codec settings of a colorized one."""
    encoder = Encoder(film, Job(Options()).encoding, output, threads=cpu_count())
    with av.open(str(output), "w") as out:
        stream = encoder.stream_of(out)
        for frame in frames(film, Damage()):
            frame.picture.pict_type = av.video.frame.PictureType.NONE
            out.mux(stream.encode(frame.picture))
        out.mux(stream.encode(None))


def colorize(source: str, output: str) -> None:
    """Colorize a film as `chromalab colorize` does."""
    colorize_film(Engine(find_colorizer(), threads=cpu_count()), Path(source), Path(output), Job(Options()))


def walls(film: Film, folder: Path) -> dict[str, float]:
    """Return the wall times of colorizing and of transcoding, in seconds, the better of two turns each."""
    output, plain = folder / "colorized.mp4", folder / "plain.mp4"
    ours, theirs = [], []
    for _ in range(2):
        ours.append(_seconds(lambda: colorize(str(film.path), str(output)), time.perf_counter))
        theirs.append(_seconds(lambda: transcode(film, plain), time.perf_counter))
    return {
        "seconds": round(min(ours), 2),
        "frames_per_s": round(film.frames / min(ours), 2),
        "transcode_s": round(min(theirs), 2),
        "ratio": round(min(ours) / min(theirs), 2),
    }


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started


def stages(film: Film, folder: Path) -> dict[str, float]:
    """Return the CPU time of each stage of colorizing, in milliseconds per frame, all threads counted."""
    engine = Engine(find_colorizer(), threads=1)
    count = min(STAGED_FRAMES, film.frames)
    spent = {"decode": _cpu_ms(lambda: [None for _ in itertools.islice(frames(film, Damage()), count)], count)}
    pictures = list(itertools.islice(frames(film, Damage()), count))
    viewer = Viewer(engine, film, Options())
    seen: list[Seen] = []
    spent["network, flow"] = _cpu_ms(lambda: seen.extend(viewer.see(frame) for frame in pictures), count)
    levels = [item.levels.astype("float32") for item in seen]
    spent["network"] = _cpu_ms(lambda: [predict_chroma(engine, plane, Options()) for plane in levels], count)
    steady: list[NDArray[np.float16]] = []
    moments = [item.moment for item in seen]
    averaging = _cpu_ms(lambda: steady.extend(average(moments, count)[0]), count)
    spent["flow and averaging"] = spent.pop("network, flow") - spent["network"] + averaging
    encoder = Encoder(film, Job(Options()).encoding, folder / "stages.mp4", threads=1)
    writer = ChromaWriter(encoder.signal, *encoder.layout.steps)
    planes: list[tuple[NDArray[Any], NDArray[Any]]] = []
    spent["merge"] = _cpu_ms(
        lambda: planes.extend(
            writer.planes(frame.luma, coefficients_of(frame, film, chroma))
            for frame, chroma in zip(pictures, steady, strict=True)
        ),
        count,
    )
    colored = [
        encoder.picture(frame, encoder.luma(frame.luma), *pair) for frame, pair in zip(pictures, planes, strict=True)
    ]
    context = encoder.context()
    spent["encode"] = _cpu_ms(lambda: [context.encode(picture) for picture in (*colored, None)], count)
    return {name: round(value, 2) for name, value in spent.items()}


def _cpu_ms(work: Callable[[], object], count: int) -> float:
    return 1000 * _seconds(work, time.process_time) / count


def memory(clip: Path, folder: Path) -> dict[str, Any]:
    """Return the largest anonymous memory of colorizing a short film, and a long one of the same frames."""
    found = {}
    for name, repeats in (("short", 1), ("long", REPEATS)):
        film = gray_film(clip, folder / f"{name}.mp4", SIZES["480p"], SHORT_FRAMES, repeats)
        peak = watched(name, film.frames, colorize, str(film.path), str(folder / f"{name}-colorized.mp4"))
        found[name] = {"frames": film.frames, "peak_mb": peak.peak_mb}
    return found


def measure_speed(clips: Path) -> dict[str, Any]:
    """Return every figure of speed and memory."""
    clip = clips / CLIP
    found: dict[str, Any] = {"clip": CLIP, "sizes": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gray = {size: gray_film(clip, folder / f"{size}.mp4", SIZES[size], FRAMES[size]) for size in SIZES}
        colorize(str(gray["480p"].path), str(folder / "warm.mp4"))  # the first call builds tables
        for size, film in gray.items():
            measures = {"frames": film.frames} | walls(film, folder) | {"cpu_ms": stages(film, folder)}
            print(size, measures, flush=True)
            found["sizes"][size] = measures
        found["memory"] = memory(clip, folder)
    return found
