"""Colorizing a film: two passes over each of its segments, and then the file.

The first pass predicts the chroma of every frame and averages it along the motion within each shot. The second merges
it with the luma of the frames and encodes them. The first pass works ahead in a thread of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import av
import av.error
import cv2
import numpy as np

from chromalab.colorization.disclosure import FILM_STATEMENT, disclose
from chromalab.colorization.guided import Coefficients, enlarge, fit
from chromalab.colorization.journal import identity
from chromalab.colorization.records import Colorized, FilmRecord, ShotRecord
from chromalab.colorization.small import rotate_back
from chromalab.colorization.video.analysis import Part, own_color_warnings, parts
from chromalab.colorization.video.encode import Encoder
from chromalab.colorization.video.label import Label
from chromalab.colorization.video.mux import check_streams, write_film
from chromalab.colorization.video.segments import (
    EncodedPacket,
    SegmentRecord,
    WorkFolder,
    timed,
)
from chromalab.colorization.video.shots import coded_levels
from chromalab.colorization.video.signal import ChromaWriter
from chromalab.colorization.video.source import Damage, Film, Frame, frames, opened, probe
from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import explain_write_errors, partial_file, printable, put_in_place
from chromalab.core.parallel import cpu_count, map_in_order
from chromalab.core.progress import progress
from chromalab.photo.writing import TEMPORARY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.colorization.disclosure import Disclosure
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Job

    _Chroma = tuple[Frame, NDArray[np.float16]]
    _Merged = tuple[Frame, NDArray[Any], NDArray[Any], NDArray[Any]]

GUIDE_PX = 256
"""Shorter side of the copies on which the guided filter works."""

_CELL_SHARE = 1 / 24
"""Radius of the guided filter as a share of the copy's shorter side, as for photos."""

_HEADER_ERROR_S = 1.0
"""Time by which a film without times of its packets may be longer than its header tells; later hints are refused before
the work begins."""

_VERSION = 2
"""Version of the algorithm; a work folder of another version is not resumed."""


def colorize_film(
    engine: Engine,
    source: Path,
    output: Path,
    job: Job,
    *,
    ready: Callable[[Colorized, Disclosure, Path], None] | None = None,
) -> tuple[Colorized, FilmRecord]:
    """Colorize a film: its luma stays, except beneath a label, and its colors are inferred and steady.

    The output has the film's size, times, sound, subtitles, chapters and metadata, and the disclosure. A call that was
    stopped is resumed by the same call, from a work folder beside the output, which is deleted at the end. The file is
    written atomically and replaces an existing file of its name.

    Args:
        engine: the network.
        source: the film.
        output: the file to write; its suffix selects the file type.
        job: settings of colors and files.
        ready: called with the result, the disclosure and the present path of the complete file, just before it gets its
            name.

    Returns:
        The result, and what a report needs of the film.

    Raises:
        UnreadablePhotoError: the file is not a film, or no frame can be decoded.
        UsageError: the file type does not hold the codec or the film's other streams, or the options do not fit.
        ConfigError: a hint has no time, or is outside the frame or the film.
        OutputError: the output cannot be written.
    """
    started = time.monotonic()
    film = probe(source, job.max_pixels, job.encoding.fps)
    encoder = Encoder(film, job.encoding, output, threads=cpu_count())
    _check(film, job, output)
    disclosure = disclose(engine, job.options, job.source_type, job.references)
    disclosure = disclosure.model_copy(update={"statement": FILM_STATEMENT})
    work = WorkFolder(output, _facts(engine, film, job, encoder))
    with progress(f"colorizing {source.name}", film.frames, unit="frames", done=work.done_frames) as advance:
        if not work.is_complete:
            with _explained_stop(film, work):
                _make_segments(engine, film, job, encoder, work, advance)
    with _temporary(output) as path:
        lost = write_film(path, film, encoder, timed(work.records, work.packets()), disclosure)
        result = _result(film, output, time.monotonic() - started, encoder, work)
        own = [] if job.options.keep_tone else own_color_warnings(work.measures)
        result.warnings.extend([*own, *encoder.warnings, *work.damage.warnings(film), *lost])
        if job.keep_times:
            _, changed_ns = identity(source) or (0, time.time_ns())
            os.utime(path, ns=(changed_ns, changed_ns))
        if ready is not None:
            ready(result, disclosure, path)
        with explain_write_errors(output):
            put_in_place(path, output)
    record = _film_record(film, result, work)
    work.delete()
    return result, record


@contextmanager
def _explained_stop(film: Film, work: WorkFolder) -> Iterator[None]:
    """Tell how to resume after a stop from the keyboard."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(
            f"stopped; {work.done_frames} frames of {film.path.name} are kept: run the same command again to resume\n"
        )
        raise


def _check(film: Film, job: Job, output: Path) -> None:
    """Refuse what cannot be done before the work begins."""
    check_streams(film, output)
    if job.options.sample is not None:
        raise UsageError("plausible versions are made of photos only: omit --samples for films")
    for hint in job.options.hints:
        if hint.time_s is None:
            raise ConfigError(
                f"the hint at {hint.x:g},{hint.y:g} has no time, and {film.path.name} is a film: write "
                f"12.5s:{hint.x:g},{hint.y:g}={hint.color} for the frame at 12.5 seconds"
            )
        hint.box(*film.shown_size)
    _check_times(film, job)


def _check_times(film: Film, job: Job) -> None:
    """Refuse hints and references behind the end, where the header tells it."""
    times = [*job.options.times, *(item.time_s for item in job.references if item.time_s is not None)]
    if film.end_s is None or not times:
        return
    start_s = float(next(frames(film, Damage())).pts * film.time_base)
    if max(times) <= film.end_s - start_s:
        return
    packets_s = _end_of_packets_s(film)
    end_s = max(film.end_s, packets_s) - start_s
    is_exact = packets_s > 0 and not film.joins
    if max(times) > end_s + (0 if is_exact else _HEADER_ERROR_S):
        raise ConfigError(
            f"the hint or reference at {max(times):g} s comes after the end of {film.path.name}, which is at "
            f"{end_s:.2f} s: correct the time"
        )


def _end_of_packets_s(film: Film) -> float:
    """Return the time at which the last packet ends, which headers of a variable frame rate may understate."""
    end = 0
    with opened(film.path, film.rate) as container, suppress(av.error.FFmpegError):
        for packet in container.demux(container.streams[film.stream]):
            if packet.pts is not None:
                end = max(end, packet.pts + (packet.duration or 0))
    return float(end * film.time_base)


def _facts(engine: Engine, film: Film, job: Job, encoder: Encoder) -> dict[str, Any]:
    """Return all that determines the segments of a film."""
    references = json.dumps([reference.described() for reference in job.references])
    options = engine.spec.model_dump_json() + job.options.model_dump_json() + references
    return {
        "version": _VERSION,
        "source": list(identity(film.path) or ()),
        "model": engine.file.sha256,
        "options": hashlib.sha256(options.encode()).hexdigest(),
        "encoding": asdict(job.encoding) | {"layout": encoder.layout.name, "threads": cpu_count()},
        "label": job.label,
    }


@contextmanager
def _temporary(output: Path) -> Iterator[Path]:
    """Give a path beside the output with its file type; a file that is left there is deleted."""
    with explain_write_errors(output), partial_file(output.parent, TEMPORARY, output.suffix) as (descriptor, path):
        os.close(descriptor)  # FFmpeg opens files by their names
        yield path


def _make_segments(
    engine: Engine, film: Film, job: Job, encoder: Encoder, work: WorkFolder, advance: Callable[[int], None]
) -> None:
    """Make the segments that are missing."""
    pictures = frames(film, Damage())
    for _ in range(work.done_frames):
        next(pictures)
    merge = _merging(film, job, encoder)
    with closing(_ahead(parts(engine, film, job, work.state()))) as found:
        for part in found:
            record = SegmentRecord(
                first=part.first,
                frames=part.times,
                shots=part.shots,
                measures=part.measures,
                active=list(part.state.active),
                is_last=part.is_last,
                damage=part.damage,
            )
            work.add(record, _encoded(part, pictures, encoder, merge, advance), part.state.carry)


def _ahead(found: Iterator[Part]) -> Generator[Part]:
    """Yield what an iterator yields, computed one item ahead in a thread."""
    room: queue.Queue[Part | BaseException | None] = queue.Queue(maxsize=1)
    ended = threading.Event()

    def put(item: Part | BaseException | None) -> None:
        while not ended.is_set():
            try:
                room.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for part in found:
                put(part)
                if ended.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=work, name="chroma", daemon=True)
    thread.start()
    try:
        while (item := room.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        ended.set()
        thread.join()


def _merging(film: Film, job: Job, encoder: Encoder) -> Callable[[_Chroma], _Merged]:
    """Return a function that merges a frame with its chroma, and returns it with its luma, Cb and Cr."""
    writer, label = ChromaWriter(encoder.signal, *encoder.layout.steps), Label(job.label, film, encoder)

    def merge(item: _Chroma) -> _Merged:
        frame, chroma = item
        luma = encoder.luma(frame.luma)
        planes = writer.planes(luma, coefficients_of(frame, film, chroma), interlaced=frame.picture.interlaced_frame)
        return frame, *label.burned(luma, *planes)

    return merge


def _encoded(
    part: Part,
    pictures: Iterator[Frame],
    encoder: Encoder,
    merge: Callable[[_Chroma], _Merged],
    advance: Callable[[int], None],
) -> Iterator[EncodedPacket]:
    """Merge chroma with the frames of a segment, and yield its packets."""
    context = encoder.context()
    pairs = ((next(pictures), chroma) for chroma in part.chroma)
    for frame, luma, cb, cr in map_in_order(merge, pairs, workers=1):
        yield from _packets(context.encode(encoder.picture(frame, luma, cb, cr)))
        advance(1)
    yield from _packets(context.encode(None))


def _packets(packets: Sequence[Any]) -> Iterator[EncodedPacket]:
    for packet in packets:
        yield EncodedPacket(packet.pts, packet.is_keyframe, bytes(packet))


def coefficients_of(frame: Frame, film: Film, chroma: NDArray[np.float16]) -> Coefficients:
    """Return the guided filter's coefficients for a frame, in the orientation in which it is coded.

    Args:
        frame: the frame.
        film: its film.
        chroma: its steady chroma, upright, (h, w, 2).
    """
    guide = coded_levels(frame, film, GUIDE_PX)
    coded = rotate_back(chroma.transpose(2, 0, 1).astype(np.float32), film.orientation)
    radius = max(2, round(min(guide.shape) * _CELL_SHARE))
    return fit(guide, enlarge(coded, *guide.shape), radius, box=_box)


def _box(plane: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    mean = cv2.blur(plane.astype(np.float32, copy=False), (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mean, dtype=np.float32)


def _film_record(film: Film, result: Colorized, work: WorkFolder) -> FilmRecord:
    times = [pts for record in work.records for pts, _ in record.frames]
    shots: list[ShotRecord] = []
    for shot in (shot for record in work.records for shot in record.shots):
        if shot.begins or not shots:
            shots.append(shot)
        else:
            last = shots.pop()
            shots.append(last.model_copy(update={"frames": last.frames + shot.frames}))
    return FilmRecord(
        result=result,
        times_s=[round(float((pts - times[0]) * film.time_base), 6) for pts in times],
        shots=shots,
        measures=work.measures,
        rotation=film.rotation,
    )


def _result(film: Film, output: Path, seconds: float, encoder: Encoder, work: WorkFolder) -> Colorized:
    return Colorized(
        source=printable(film.path),
        output=printable(output),
        seconds=round(seconds, 4),
        height=film.height,
        width=film.width,
        bits=encoder.layout.bits,
        pages=1,
        frames=work.done_frames,
        is_incomplete=work.damage.is_incomplete(film),
        mean_chroma=round(float(np.mean([measure["chroma"] for measure in work.measures])), 3),
    )
