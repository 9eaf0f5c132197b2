"""Encoding the frames of a colorized film with the properties of its source."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.codec.context import Flags

from chromalab.colorization.video.codecs import CODEC_FACTS, UnfitFilmError
from chromalab.colorization.video.source import Layout, matrix_tag, plane_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from chromalab.colorization.video.codecs import CodecName, Encoding
    from chromalab.colorization.video.signal import Signal
    from chromalab.colorization.video.source import Film, Frame

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 otherwise writes its settings to standard error

_WITH_FIELDS = frozenset({"h264", "prores", "ffv1"})
_SQUARE_TYPES = frozenset({".mkv", ".webm"})
"""File types in which PyAV cannot name the pixel aspect ratio; H.264 and HEVC have it in the stream."""

_BOTTOM_FIRST = frozenset({3, 4})
"""Orders of fields, as FFmpeg counts them, in which the bottom field is shown first."""

_WHOLE_BLOCKS = frozenset({"h264", "hevc"})
"""Codecs whose frames consist of whole values of chroma."""

_TASKS = Path("/proc/self/task")
"""The threads of this process, on Linux."""

_HIGH_QUALITY, _FOUR_FOUR_FOUR = "3", "4"


@contextlib.contextmanager
def usual_priority() -> Iterator[None]:
    """Keep the threads of this process from real-time priority while an encoder is opened, or refuses to be.

    SVT-AV1 gives it to its own threads and to the one that opens it if root runs it. Programs that this process starts
    would inherit it, and all others could wait forever.
    """
    is_usual = _TASKS.is_dir() and os.sched_getscheduler(0) == os.SCHED_OTHER
    try:
        yield
    finally:
        for thread in _TASKS.iterdir() if is_usual else ():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.sched_getscheduler(int(thread.name)) != os.SCHED_OTHER:
                    os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))


class Encoder:
    """Encodes the frames of a film.

    Args:
        film: the film, whose properties the encoded one has.
        encoding: codec and quality.
        output: the file that is to be written; its type decides the default codec.
        threads: number of the encoder's threads.

    Attributes:
        layout: layout of the encoded planes.
        warnings: what the codec cannot keep, a sentence each.

    Raises:
        UnfitFilmError: the codec does not fit the file type, or does not take the film.
        UsageError: the codec does not take the settings.
    """

    def __init__(self, film: Film, encoding: Encoding, output: Path, threads: int) -> None:
        self._film, self._threads = film, threads
        self._name = encoding.chosen(output)
        self._facts = CODEC_FACTS[self._name]
        self._codec = av.Codec(self._facts.encoder, "w")
        self.layout = _best_layout(film, [item.name for item in self._codec.video_formats or ()], self._name)
        self.warnings = _losses(film, self.layout, self._name)
        if (
            film.aspect is not None
            and film.aspect != 1
            and output.suffix.lower() in _SQUARE_TYPES
            and self._name not in _WHOLE_BLOCKS
        ):
            self.warnings.append(
                f"the shape of its pixels, {film.aspect.numerator}:{film.aspect.denominator}, is not named in "
                f"{output.suffix} files with {self._name}, and players show square pixels: set it there, or choose "
                "--codec h264 or hevc"
            )
        self._options = dict(self._facts.options)
        crf = encoding.crf if encoding.crf is not None else self._facts.crf
        preset = encoding.preset or self._facts.preset
        if crf is not None:
            self._options["crf"] = str(crf)
        if preset is not None:
            self._options["preset"] = preset
        if self._name == "prores":
            self._options["profile"] = _FOUR_FOUR_FOUR if self.layout.sampling == "444" else _HIGH_QUALITY
        if film.interlaced and self._name == "h264":
            self._options["x264-params"] += ":bff=1" if film.field_order in _BOTTOM_FIRST else ":tff=1"
        self._try()

    def _try(self) -> None:
        """Open an encoder once, to report a film that it does not take before the work begins."""
        try:
            self.context()
        except (av.error.FFmpegError, ValueError) as error:
            raise UnfitFilmError(
                f"the encoder of {self._name} does not take {self._film.path.name} with {self._film.width}x"
                f"{self._film.height} px: choose another --codec, such as ffv1 in a file ending in .mkv"
            ) from error

    @property
    def signal(self) -> Signal:
        """The code of the encoded planes."""
        return replace(self._film.signal, bits=self.layout.bits)

    def context(self) -> av.VideoCodecContext:
        """Return a new, open encoder."""
        context = av.VideoCodecContext.create(self._facts.encoder, "w")
        assert isinstance(context, av.VideoCodecContext)  # noqa: S101 - the encoder is one of films
        self._set_up(context)
        context.flags |= Flags.global_header
        with usual_priority():
            context.open()
        return context

    def stream_of(self, container: av.container.OutputContainer) -> av.video.stream.VideoStream:
        """Add a stream of the encoded film to a container."""
        stream = container.add_stream(self._facts.encoder, rate=self._film.rate, options=self._options)
        assert isinstance(stream, av.video.stream.VideoStream)  # noqa: S101 - the encoder is one of films
        self._set_up(stream.codec_context)
        stream.time_base = self._film.time_base
        if self._name == "hevc" and container.format.name in {"mp4", "mov"}:
            stream.codec_context.codec_tag = "hvc1"  # what Apple's players expect
        return stream

    def _set_up(self, context: av.VideoCodecContext) -> None:
        film = self._film
        context.width, context.height, context.pix_fmt = film.width, film.height, self.layout.name
        context.time_base, context.framerate = film.time_base, film.rate
        if film.aspect is not None:
            context.sample_aspect_ratio = film.aspect
        context.colorspace, context.color_range = matrix_tag(film), 2 if film.signal.full_range else 1
        context.color_primaries, context.color_trc = film.primaries_tag, film.transfer_tag
        context.thread_count = self._threads
        context.options = self._options
        context.field_order = film.field_order
        if film.interlaced and self._name in _WITH_FIELDS:
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me

    def picture(self, frame: Frame, luma: NDArray[Any], cb: NDArray[Any], cr: NDArray[Any]) -> av.VideoFrame:
        """Return a frame to be encoded.

        Args:
            frame: the source's frame, whose fields, times and further data it keeps.
            luma: codes of the luma, from `luma`.
            cb: codes of Cb.
            cr: codes of Cr.
        """
        picture, film = frame.picture, self._film
        if picture.format.name != self.layout.name:
            picture = picture.reformat(format=self.layout.name)  # in place of a new frame, to keep the order of fields
            _fill(picture, 0, luma)
        else:
            picture.make_writable()
            if luma is not frame.luma:  # it carries a label
                _fill(picture, 0, luma)
        _fill(picture, 1, cb)
        _fill(picture, 2, cr)
        picture.pts, picture.time_base, picture.duration = frame.pts, film.time_base, frame.duration
        picture.colorspace, picture.color_range = matrix_tag(film), 2 if film.signal.full_range else 1
        picture.color_primaries, picture.color_trc = film.primaries_tag, film.transfer_tag
        picture.pict_type = av.video.frame.PictureType.NONE
        return picture

    def luma(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Return the codes of a luma plane in the encoded number of bits."""
        have, want = self._film.signal.bits, self.layout.bits
        if have == want:
            return codes
        dtype = self.signal.dtype
        factor = (2.0**want - 1) / (2.0**have - 1) if self._film.signal.full_range else 2.0 ** (want - have)
        return np.rint(codes * np.float32(factor)).astype(dtype)


def _fill(picture: av.VideoFrame, index: int, values: NDArray[Any]) -> None:
    plane_values(picture, index, np.uint8 if values.dtype == np.uint8 else np.uint16)[...] = values


def _best_layout(film: Film, formats: list[str], codec: CodecName) -> Layout:
    """Return the layout among an encoder's pixel formats that loses least of a film's."""
    source = film.layout
    planar = [Layout.of(name) for name in formats if name.startswith("yuv") and not name.startswith(("yuva", "yuvj"))]
    if codec in _WHOLE_BLOCKS:
        planar = [item for item in planar if film.width % item.steps[0] == film.height % item.steps[1] == 0]
    wanted = "420" if source.is_gray else source.sampling
    if not source.in_place and planar and not any(layout.bits == 16 for layout in planar):
        wanted = "420"  # films from animations and image sequences are for players, which rarely show 4:4:4

    def loss(layout: Layout) -> tuple[bool, int, int, int]:
        fewer = max(0, source.bits - layout.bits)
        across, down = layout.steps
        wanted_across, wanted_down = Layout(wanted, 8).steps
        coarser = max(0, across - wanted_across) + max(0, down - wanted_down)
        finer = max(0, wanted_across - across) + max(0, wanted_down - down)
        return (coarser > 0, fewer, finer + coarser, layout.bits)

    return min(planar, key=loss)


def _losses(film: Film, layout: Layout, codec: CodecName) -> list[str]:
    found = []
    if layout.bits < film.signal.bits:
        found.append(
            f"{codec} has {layout.bits} bits here, and the film has {film.signal.bits}: its luma is rounded; --codec "
            "ffv1 keeps it"
        )
    if codec in _WHOLE_BLOCKS and layout.sampling == "444" and film.layout.sampling != "444" and film.layout.in_place:
        found.append(
            f"{codec} holds {film.width}x{film.height} px only in 4:4:4, which browsers and some players do not show; "
            "--codec ffv1 or av1 keeps the film's own"
        )
    if film.interlaced and codec not in _WITH_FIELDS:
        found.append(f"{codec} does not mark the fields of interlaced frames; --codec h264, prores or ffv1 does")
    if film.transparent:
        found.append("the film's transparency is left out")
    return found
