"""Reading films: their facts, and their frames one after the other with the luma as it is coded."""

from __future__ import annotations

import heapq
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import av.error
import cv2
import numpy as np

from chromalab.colorization.video.sequence import first_number, is_sequence
from chromalab.colorization.video.signal import MATRICES, MatrixName, Signal
from chromalab.core.wording import plural
from chromalab.photo.reading import UnreadablePhotoError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_PLANAR = re.compile(r"yuva?j?(4\d\d)p(\d*)(le|be)?")
_GRAY = re.compile(r"gray(\d*)(le|be)?")
_SAMPLING = {"444": (1, 1), "440": (1, 2), "422": (2, 1), "420": (2, 2), "411": (4, 1), "410": (4, 4)}
_REPACKED = re.compile(
    r"(?P<s420>nv12|nv21|p0(10|12|16)(le|be))|(?P<s422>nv16|nv20(le|be)|yuyv422|uyvy422|yvyu422|p2(10|12|16)(le|be)"
    r"|y2(10|12|16)(le|be))|(?P<s411>uyyvyy411)|(?P<s444>nv24|nv42|p4(10|12|16)(le|be))"
)
"""Pixel formats with the values of a planar format in another order."""

_FULL_RANGE = 2
_MATRIX_OF: dict[int, MatrixName] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}
_TAG_OF: dict[MatrixName, int] = {"bt601": 6, "bt709": 1, "bt2020": 9}
_PROGRESSIVE, _TOP_FIRST, _BOTTOM_FIRST = 1, 2, 3
_SD_ROWS, _HD_ROWS = 576, 720
_ORIENTATIONS = {0: 1, 90: 8, 180: 3, 270: 6}
"""EXIF orientation by the counterclockwise rotation, in degrees, with which a player shows the frames."""

_TOLERATED_SHARE = 0.02
"""Share of the duration that may be missing at the end, because headers round and count what is never shown."""

_NO_ORIGIN = frozenset({"mpegts", "mpeg"})
"""Formats of broadcasts, whose times start anywhere."""

_UNORDERED = "avi"
"""A format that counts the packets in the order of decoding, and has no times for the order in which they are shown."""

_JUMP_S = 0.1
"""Time by which packets go back at least where files were joined; within a file they never do in order of decoding."""

_MAX_RGB = {"uint8": 255, "uint16": 65535}
_ALPHA_8, _ALPHA_16 = "rgba", "rgba64le"
_MAX_ALPHA = {_ALPHA_8: 255, _ALPHA_16: 65535}


@dataclass(frozen=True)
class Layout:
    """The layout of a frame's planes.

    Attributes:
        sampling: J:a:b notation of the chroma sampling, such as `420`.
        bits: bits per value.
        is_gray: there is only the luma plane.
        has_alpha: the format has transparency.
        in_place: the luma is among the values, so it can be passed on bit for bit.
    """

    sampling: str
    bits: int
    is_gray: bool = False
    has_alpha: bool = False
    in_place: bool = True

    @classmethod
    def of(cls, name: str) -> Layout:
        """Return the layout of a pixel format, by FFmpeg's name for it."""
        planar, gray = _PLANAR.fullmatch(name), _GRAY.fullmatch(name)
        if planar is not None:
            return cls(planar[1], int(planar[2] or 8), has_alpha=name.startswith("yuva"))
        if gray is not None:
            return cls("420", int(gray[1] or 8), is_gray=True)
        facts = av.VideoFormat(name, 16, 16)
        bits = max(8, min(16, max((component.bits for component in facts.components), default=8)))
        repacked = _REPACKED.fullmatch(name)
        if repacked is not None and repacked.lastgroup is not None:
            return cls(repacked.lastgroup[1:], bits)
        has_alpha = facts.has_palette or any(component.is_alpha for component in facts.components)
        return cls("444", bits, has_alpha=has_alpha, in_place=False)

    @property
    def steps(self) -> tuple[int, int]:
        """Columns and rows of luma for each column and row of chroma."""
        return _SAMPLING[self.sampling]

    @property
    def name(self) -> str:
        """FFmpeg's name of the pixel format with this layout and with chroma planes."""
        return f"yuv{self.sampling}p{'' if self.bits == 8 else f'{self.bits}le'}"


class Join(NamedTuple):
    """A place where a file was joined to another, so that the times go back.

    Attributes:
        position: first byte of the packets behind it.
        shift_s: time by which they are later than the file says, in seconds, so that the film continues.
    """

    position: int
    shift_s: Fraction


@dataclass(frozen=True)
class Film:
    """The facts of a film.

    Attributes:
        path: the file.
        width: columns of a frame as it is coded.
        height: rows of a frame as it is coded.
        layout: layout of the planes.
        signal: code of the planes.
        matrix_tag: number of the matrix in the file, by ISO/IEC 23091-2; 2 if the file does not tell.
        time_base: unit of the frames' times, in seconds.
        rate: mean frame rate, in frames per second.
        frames: number of frames, as the header has it or as it follows from the duration.
        end_s: time at which the film ends by its header, in seconds; None if the header does not tell.
        aspect: width of a pixel divided by its height; None if the file does not tell, which stands for 1.
        rotation: counterclockwise rotation, in degrees, with which a player shows the frames: 0, 90, 180 or 270.
        field_order: order of the fields as FFmpeg counts it: 1 for progressive frames, 2 for the top field first, 3 for
            the bottom field first, and 4 and 5 for fields that are coded in another order than shown.
        transparent: a part of the first frame is transparent.
        stream: index of the film's stream in the file.
        primaries_tag: number of the color primaries in the file, by ISO/IEC 23091-2.
        transfer_tag: number of the transfer characteristics in the file, by ISO/IEC 23091-2.
        origin_s: time in the file that is the beginning, in seconds; not 0 only in recordings of broadcasts.
        joins: places where the times go back, in order; only in recordings of broadcasts.
    """

    path: Path
    width: int
    height: int
    layout: Layout
    signal: Signal
    matrix_tag: int
    time_base: Fraction
    rate: Fraction
    frames: int
    end_s: float | None
    aspect: Fraction | None
    rotation: int
    field_order: int
    transparent: bool
    stream: int
    primaries_tag: int = 2
    transfer_tag: int = 2
    origin_s: Fraction = Fraction(0)
    joins: tuple[Join, ...] = ()

    @property
    def interlaced(self) -> bool:
        """Whether each frame consists of two fields."""
        return self.field_order > _PROGRESSIVE

    @property
    def orientation(self) -> int:
        """The rotation as an EXIF orientation."""
        return _ORIENTATIONS[self.rotation]

    @property
    def shown_size(self) -> tuple[int, int]:
        """Height and width of a frame as a player shows it, in square pixels of the coded height."""
        height, width = self.height, max(1, round(self.width * (self.aspect or 1)))
        return (width, height) if self.rotation in {90, 270} else (height, width)


class Frame(NamedTuple):
    """A frame of a film.

    Attributes:
        picture: the frame as it was decoded.
        luma: codes of its luma, (H, W), of the film's number of bits.
        pts: time of its beginning, in units of the film's time base.
        duration: time for which it is shown, in the same unit; 0 if unknown.
    """

    picture: av.VideoFrame
    luma: NDArray[Any]
    pts: int
    duration: int


@dataclass
class Damage:
    """What could not be decoded, and what was changed to be decoded.

    Attributes:
        errors: number of packets that could not be decoded.
        resized: number of frames that had another size and were scaled to that of the first.
        retimed: number of frames that were not later than the frame before and were moved.
        frames: number of frames decoded.
        end_s: end of the last of them, in seconds.
        reason: the last error of the decoder.
    """

    errors: int = 0
    resized: int = 0
    retimed: int = 0
    frames: int = 0
    end_s: float = 0.0
    reason: str = ""

    def warnings(self, film: Film) -> list[str]:
        """Return the damage in sentences."""
        found = []
        if self.errors:
            found.append(f"the film is damaged: {plural(self.errors, 'part')} could not be "
                f"decoded ({self.reason}), and {self.frames} frames could")  # fmt: skip
        elif self.is_incomplete(film):
            found.append(
                f"the film ends early, at {self.end_s:.2f} s of {film.end_s:.2f} s, after {self.frames} frames: the "
                "file may be truncated"
            )
        if film.joins:
            found.append(
                f"the film consists of {len(film.joins) + 1} files that were joined, whose times begin anew: each part "
                "continues one frame after the part before, with its sound and subtitles"
            )
        if self.resized:
            found.append(f"{self.resized} frames have another size and are scaled to {film.width}x{film.height}")
        if self.retimed:
            found.append(f"{self.retimed} frames have the time of an earlier frame and are moved behind it")
        return found

    def is_incomplete(self, film: Film) -> bool:
        """Return whether frames are missing."""
        if self.errors or film.end_s is None or self.frames >= film.frames:
            return self.errors > 0
        return film.end_s - self.end_s > max(float(2 / film.rate), _TOLERATED_SHARE * film.end_s)


@contextmanager
def opened(path: Path, rate: Fraction) -> Iterator[av.container.InputContainer]:
    """Open the container of a film.

    Args:
        path: the file, or the pattern of an image sequence.
        rate: frames per second of an image sequence.

    Raises:
        UnreadablePhotoError: the file is missing or is not a film.
    """
    name, format_, options = str(path), None, {}
    if is_sequence(path):
        name = str(path.parent).replace("%", "%%") + f"/{path.name}"
        format_, options = "image2", {"framerate": str(rate), "start_number": str(first_number(path))}
    try:
        container = av.open(name, format=format_, options=options, metadata_errors="replace")
    except (OSError, ValueError) as error:  # the errors of FFmpeg are among them
        raise UnreadablePhotoError(path, _why_closed(path, error)) from error
    with container:
        yield container


def _why_closed(path: Path, error: Exception) -> str:
    try:
        if path.stat().st_size == 0:
            return "the file is empty"
    except OSError as fault:
        return f"it cannot be opened: {fault.strerror.lower() if fault.strerror else fault}"
    if isinstance(error, av.error.InvalidDataError):
        return (
            "it is not a film that FFmpeg can read: it may be truncated, or its index (the moov box of an MP4 file) is "
            "missing"
        )
    return f"FFmpeg cannot open it: {getattr(error, 'strerror', None) or error}"


def probe(path: Path, max_pixels: int = 500_000_000, fps: float = 24.0) -> Film:
    """Return the facts of a film.

    Args:
        path: the file.
        max_pixels: films with larger frames are refused.
        fps: frames per second of an image sequence.

    Raises:
        UnreadablePhotoError: the file is no film, holds no frame, or its frames are too large.
    """
    with opened(path, Fraction(fps).limit_denominator(1001)) as container:
        stream = _film_stream(container, path)
        context = stream.codec_context
        if context.width * context.height > max_pixels:
            raise UnreadablePhotoError(
                path, f"its frames have {context.width}x{context.height} px: raise --max-megapixels to accept them"
            )
        index = stream.index
        base, rate = Fraction(stream.time_base or Fraction(1, 1000)), _rate(stream)
        origin, is_broadcast = _origin(container), container.format.name in _NO_ORIGIN
        end = _end_s(stream)
        count = stream.frames or _about(container, end if end is None else end - float(origin), rate)
        aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio or None
        first = _first_frame(container, stream, path)
        order = _field_order(context, first)
        transparent = stream.metadata.get("alpha_mode") == "1" or _is_transparent(first)
    parts = _parts(path, index, rate) if is_broadcast else []
    joins = _joins(parts, base, rate)
    if joins and parts[-1].last is not None:  # the header tells only of the first and the last time in the file
        end = float(parts[-1].last * base + 1 / rate + joins[-1].shift_s)
        count = round((end - float(origin)) * rate)
    layout = Layout.of(first.format.name)
    return Film(
        path=path,
        width=first.width,
        height=first.height,
        layout=layout,
        signal=_signal(first, layout),
        matrix_tag=int(first.colorspace),
        time_base=base,
        rate=rate,
        frames=count,
        end_s=end,
        aspect=aspect,
        rotation=round(first.rotation / 90) * 90 % 360,
        field_order=order,
        transparent=transparent,
        stream=index,
        primaries_tag=int(first.color_primaries),
        transfer_tag=int(first.color_trc),
        origin_s=origin,
        joins=joins,
    )


def _film_stream(container: av.container.InputContainer, path: Path) -> av.video.stream.VideoStream:
    covers = av.stream.Disposition.attached_pic
    films = [stream for stream in container.streams.video if not stream.disposition & covers]
    films = [stream for stream in films if stream.codec_context is not None]
    if not films:
        kinds = sorted({stream.type for stream in container.streams})
        raise UnreadablePhotoError(path, f"it holds no film, only {' and '.join(kinds) or 'nothing'}")
    return max(films, key=lambda stream: stream.codec_context.width * stream.codec_context.height)


def _rate(stream: av.video.stream.VideoStream) -> Fraction:
    return Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)


def _origin(container: av.container.InputContainer) -> Fraction:
    if container.format.name not in _NO_ORIGIN or container.start_time is None:
        return Fraction(0)
    return Fraction(container.start_time, av.time_base)


@dataclass
class _Part:
    """The packets of a film between two joins: their first byte, and the times of the first and the last frame."""

    position: int
    first: int | None = None
    last: int | None = None


def _joins(parts: Sequence[_Part], base: Fraction, rate: Fraction) -> tuple[Join, ...]:
    """Return the joins between parts, with which each part begins one frame after the last frame of the one before."""
    shift, found = Fraction(0), []
    for before, after in pairwise(parts):
        if before.last is not None and after.first is not None:
            shift += (before.last - after.first) * base + 1 / rate
        found.append(Join(after.position, shift))
    return tuple(found)


def _parts(path: Path, index: int, rate: Fraction) -> list[_Part]:
    """Return the parts of a file between the places where the times of a stream go back, from a pass over its packets.

    The other streams are interleaved with it, so some of their packets may lie before its own first packet of a part.
    """
    parts, latest, position = [_Part(0)], dict[int, float](), 0
    returns: list[int] = []  # where other streams go back
    with opened(path, rate) as container, suppress(av.error.FFmpegError):
        for packet in container.demux():
            if packet.dts is None:
                continue
            time, own = float(packet.dts * packet.time_base), packet.stream_index == index
            goes_back = time < latest.get(packet.stream_index, time) - _JUMP_S
            latest[packet.stream_index] = time
            if goes_back and not own and packet.pos is not None:
                returns.append(packet.pos)
            if not own:
                continue
            here = position + 1 if packet.pos is None else packet.pos
            if goes_back:
                parts.append(_Part(min([here, *(place for place in returns if place > position)])))
                returns.clear()
            position, part = here, parts[-1]
            if packet.pts is not None:
                part.first = packet.pts if part.first is None else min(part.first, packet.pts)
                part.last = packet.pts if part.last is None else max(part.last, packet.pts)
    return parts


def continued(packets: Iterator[av.Packet[Any]], joins: Sequence[Join]) -> Iterator[av.Packet[Any]]:
    """Yield packets, those behind a join with times that continue those before it."""
    shifts: dict[int, Fraction] = {}  # a packet without a position belongs to the one before it in its stream
    for packet in packets:
        if packet.pos is not None:
            behind = [join.shift_s for join in joins if join.position <= packet.pos]
            shifts[packet.stream_index] = behind[-1] if behind else Fraction(0)
        shift = shifts.get(packet.stream_index)
        if shift:
            units = round(shift / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + units
            packet.dts = None if packet.dts is None else packet.dts + units
        yield packet


def _end_s(stream: av.video.stream.VideoStream) -> float | None:
    """Return the time at which a film ends by the header of its stream, in seconds."""
    if stream.duration is not None and stream.time_base is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return _seconds(stream.metadata.get("DURATION", ""))  # Matroska's


def _about(container: av.container.InputContainer, end_s: float | None, rate: Fraction) -> int:
    """Return the number of frames as it follows from the duration; 0 if that is unknown."""
    seconds = end_s if end_s is not None else (container.duration or 0) / av.time_base
    return round(seconds * rate)


def _field_order(context: av.VideoCodecContext, first: av.VideoFrame) -> int:
    if not first.interlaced_frame:
        return _PROGRESSIVE
    if context.name == "dvvideo" and first.height <= _SD_ROWS:  # its decoder does not tell
        return _BOTTOM_FIRST
    return max(_TOP_FIRST, int(context.field_order))


def _is_transparent(picture: av.VideoFrame) -> bool:
    if not Layout.of(picture.format.name).has_alpha:
        return False
    name = _ALPHA_8 if Layout.of(picture.format.name).bits == 8 else _ALPHA_16
    return bool((picture.to_ndarray(format=name)[..., 3] < _MAX_ALPHA[name]).any())


def _seconds(clock: str) -> float | None:
    """Return the seconds of a duration such as 00:01:02.5; None for any other text."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", clock.strip())
    return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def _first_frame(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, path: Path
) -> av.VideoFrame:
    damage = Damage()
    for picture in _pictures(container, stream, damage):
        return picture
    if container.format.name.startswith("webp"):
        raise UnreadablePhotoError(path, "it is a WebP file, which is read only as a photo: convert it to GIF or MP4")
    reason = f": {damage.reason}" if damage.reason else ""
    raise UnreadablePhotoError(path, f"no frame of it can be decoded{reason}")


def _signal(picture: av.VideoFrame, layout: Layout) -> Signal:
    if not layout.in_place:
        return Signal("bt709", full_range=False, bits=layout.bits)
    matrix = _MATRIX_OF.get(int(picture.colorspace), "bt709" if picture.height >= _HD_ROWS else "bt601")
    return Signal(matrix, _is_full(picture, layout), layout.bits)


def _is_full(picture: av.VideoFrame, layout: Layout) -> bool:
    tag = int(picture.color_range)
    if tag == 0:
        return layout.is_gray or "j" in picture.format.name  # FFmpeg takes gray for full range, too
    return tag == _FULL_RANGE


def matrix_tag(film: Film) -> int:
    """Return the number of the matrix that a file with the film's colors must name, by ISO/IEC 23091-2."""
    has_own = film.layout.in_place and film.matrix_tag in _MATRIX_OF
    return film.matrix_tag if has_own else _TAG_OF[film.signal.matrix]


def frames(film: Film, damage: Damage) -> Iterator[Frame]:
    """Decode a film from its beginning.

    Args:
        film: the film.
        damage: gets what could not be decoded.
    """
    with opened(film.path, film.rate) as container:
        stream = container.streams[film.stream]
        assert isinstance(stream, av.video.stream.VideoStream)  # noqa: S101 - `probe` chose it
        last: int | None = None
        step = max(1, round(1 / (film.rate * film.time_base)))
        pictures = _pictures(container, stream, damage, film.joins)
        if container.format.name == _UNORDERED and stream.codec_context.has_b_frames:
            pictures = _retimed(container, stream, damage)
        for decoded in pictures:
            picture, pts = decoded, decoded.pts
            if pts is None:
                pts = 0 if last is None else last + step
            elif last is not None and pts <= last:
                damage.retimed += 1
                pts = last + 1
            last = pts
            damage.frames += 1
            damage.end_s = max(damage.end_s, float((pts + (picture.duration or step)) * film.time_base))
            if (picture.width, picture.height) != (film.width, film.height):
                damage.resized += 1
                picture = _scaled(decoded, film)
            yield Frame(picture, luma_of(picture, film), pts, picture.duration or 0)


def _pictures(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    damage: Damage,
    joins: Sequence[Join] = (),
) -> Iterator[av.VideoFrame]:
    """Yield what can be decoded."""
    yield from _decoded(continued(container.demux(stream), joins), stream, damage)


def _retimed(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, damage: Damage
) -> Iterator[av.VideoFrame]:
    """Yield what can be decoded, with the packets' times in rising order in place of the order of decoding."""
    waiting: list[int] = []
    errors = damage.errors

    def noted() -> Iterator[av.Packet[Any]]:
        for packet in container.demux(stream):
            if packet.pts is not None:
                heapq.heappush(waiting, packet.pts)
            yield packet

    for picture in _decoded(noted(), stream, damage):
        for _ in range(min(damage.errors - errors, len(waiting) - 1)):
            heapq.heappop(waiting)  # no frame has come of a damaged packet
        errors = damage.errors
        picture.pts = heapq.heappop(waiting) if waiting else None
        yield picture


def _decoded(
    packets: Iterator[av.Packet[Any]], stream: av.video.stream.VideoStream, damage: Damage
) -> Iterator[av.VideoFrame]:
    stream.thread_type = "AUTO"
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            _note(damage, error)
            return
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            _note(damage, error)


def _note(damage: Damage, error: av.error.FFmpegError) -> None:
    damage.errors += 1
    damage.reason = (error.strerror or str(error)).lower()


def _scaled(picture: av.VideoFrame, film: Film) -> av.VideoFrame:
    pts, duration = picture.pts, picture.duration
    scaled = picture.reformat(film.width, film.height)
    scaled.pts, scaled.duration = pts, duration
    return scaled


def luma_of(picture: av.VideoFrame, film: Film) -> NDArray[Any]:
    """Return the codes of a frame's luma, (H, W)."""
    layout = Layout.of(picture.format.name)
    if not film.layout.in_place:
        return _luma_of_rgb(picture, film.signal)
    planar = f"gray{'' if layout.bits == 8 else f'{layout.bits}le'}" if layout.is_gray else layout.name
    if layout != film.layout:  # the stream changes its pixel format
        picture = picture.reformat(format=film.layout.name)
    elif picture.format.name.endswith("be") or _REPACKED.fullmatch(picture.format.name):
        picture = picture.reformat(format=planar)
    return plane_values(picture, 0, film.signal.dtype)


def _luma_of_rgb(picture: av.VideoFrame, signal: Signal) -> NDArray[Any]:
    rgb = picture.to_ndarray(format="rgb24" if signal.bits == 8 else "rgb48le")
    red, blue = MATRICES[signal.matrix]
    weights = np.array([red, 1 - red - blue, blue]) * (signal.luma_span / _MAX_RGB[rgb.dtype.name])
    return np.asarray(cv2.transform(rgb, np.array([[*weights, signal.black]])))


def plane_values(picture: av.VideoFrame, index: int, dtype: type[np.uint8 | np.uint16]) -> NDArray[Any]:
    """Return the values of a plane, (H, W), in the frame's own memory."""
    plane = picture.planes[index]
    values: NDArray[Any] = np.frombuffer(memoryview(plane), dtype)
    return values.reshape(plane.height, -1)[:, : plane.width]
