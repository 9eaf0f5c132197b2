"""Reading films: their facts, and their frames one after the other with the luma as it is coded."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import av.error
import numpy as np
from av.video.reformatter import Colorspace

from chromalab.colorization.video.signal import MatrixName, Signal
from chromalab.photo.reading import UnreadablePhotoError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_PLANAR = re.compile(r"yuva?j?(4\d\d)p(\d*)(le|be)?")
_GRAY = re.compile(r"gray(\d*)(le|be)?")
_SAMPLING = {"444": (1, 1), "440": (1, 2), "422": (2, 1), "420": (2, 2), "411": (4, 1), "410": (4, 4)}
_SEMI_PLANAR = {"nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "p010le": "yuv420p10le"}
_FULL_RANGE = 2
_MATRIX_OF: dict[int, MatrixName] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}
_TAG_OF: dict[MatrixName, int] = {"bt601": 6, "bt709": 1, "bt2020": 9}
_UNSPECIFIED = 2
_HD_ROWS = 720
_ORIENTATIONS = {0: 1, 90: 8, 180: 3, 270: 6}
"""EXIF orientation by the counterclockwise rotation, in degrees, with which a player shows the frames."""

_STILL_FORMATS = frozenset({"image2", "png_pipe", "jpeg_pipe", "tiff_pipe", "bmp_pipe", "webp_pipe"})


@dataclass(frozen=True)
class Layout:
    """The layout of a frame's planes.

    Attributes:
        sampling: J:a:b notation of the chroma sampling, such as `420`.
        bits: bits per value.
        is_gray: there is only the luma plane.
        has_alpha: there is a plane of transparency.
        in_place: the luma is a plane of its own, so it can be passed on bit for bit.
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
        if name in _SEMI_PLANAR:
            return cls.of(_SEMI_PLANAR[name])
        depth = max((component.bits for component in av.VideoFormat(name, 16, 16).components), default=8)
        deep = re.search(r"(16|14|12|10)(le|be)$", name)
        return cls("444", int(deep[1]) if deep else min(depth, 16), has_alpha="a" in name, in_place=False)

    @property
    def steps(self) -> tuple[int, int]:
        """Columns and rows of luma for each column and row of chroma."""
        return _SAMPLING[self.sampling]

    @property
    def name(self) -> str:
        """FFmpeg's name of the pixel format with this layout and with chroma planes."""
        return f"yuv{self.sampling}p{'' if self.bits == 8 else f'{self.bits}le'}"


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
        range_tag: 1 for limited range, 2 for full range, 0 if the file does not tell.
        time_base: unit of the frames' times, in seconds.
        rate: mean frame rate, in frames per second.
        frames: number of frames, as the header has it or as it follows from the duration.
        knows_frames: the number is that of this stream, so that missing frames show.
        aspect: width of a pixel divided by its height; None if the file does not tell, which stands for 1.
        rotation: counterclockwise rotation, in degrees, with which a player shows the frames: 0, 90, 180 or 270.
        interlaced: each frame consists of two fields.
        stream: index of the film's stream in the file.
        primaries_tag: number of the color primaries in the file, by ISO/IEC 23091-2.
        transfer_tag: number of the transfer characteristics in the file, by ISO/IEC 23091-2.
    """

    path: Path
    width: int
    height: int
    layout: Layout
    signal: Signal
    matrix_tag: int
    range_tag: int
    time_base: Fraction
    rate: Fraction
    frames: int
    knows_frames: bool
    aspect: Fraction | None
    rotation: int
    interlaced: bool
    stream: int
    primaries_tag: int = 2
    transfer_tag: int = 2

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
        reason: the last error of the decoder.
    """

    errors: int = 0
    resized: int = 0
    retimed: int = 0
    frames: int = 0
    reason: str = ""

    def warnings(self, film: Film) -> list[str]:
        """Return the damage in sentences."""
        found = []
        if self.errors:
            found.append(f"the film is damaged: {self.errors} {'part' if self.errors == 1 else 'parts'} could not be "
                f"decoded ({self.reason}), and {self.frames} frames could")  # fmt: skip
        elif self.is_incomplete(film):
            found.append(
                f"the film ends early: {self.frames} of about {film.frames} frames are there, and the file may be "
                "truncated"
            )
        if self.resized:
            found.append(f"{self.resized} frames have another size and are scaled to {film.width}x{film.height}")
        if self.retimed:
            found.append(f"{self.retimed} frames have the time of an earlier frame and are moved behind it")
        return found

    def is_incomplete(self, film: Film) -> bool:
        """Return whether frames are missing."""
        early = film.knows_frames and self.frames < film.frames - max(2, film.frames // 50)
        return self.errors > 0 or early


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Open the container of a film.

    Raises:
        UnreadablePhotoError: the file is missing or is not a film.
    """
    try:
        container = av.open(str(path), metadata_errors="replace")
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


def probe(path: Path, max_pixels: int = 500_000_000) -> Film:
    """Return the facts of a film.

    Args:
        path: the file.
        max_pixels: films with larger frames are refused.

    Raises:
        UnreadablePhotoError: the file is no film, holds no frame, or its frames are too large.
    """
    with opened(path) as container:
        stream = _film_stream(container, path)
        context = stream.codec_context
        if context.width * context.height > max_pixels:
            raise UnreadablePhotoError(
                path, f"its frames have {context.width}x{context.height} px: raise --max-megapixels to accept them"
            )
        index = stream.index
        base, rate = Fraction(stream.time_base or Fraction(1, 1000)), _rate(stream)
        count, is_own = _count(container, stream, rate)
        aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio or None
        first = _first_frame(container, stream, path)
    layout = Layout.of(first.format.name)
    matrix_tag, range_tag = int(first.colorspace), int(first.color_range)
    return Film(
        path=path,
        width=first.width,
        height=first.height,
        layout=layout,
        signal=_signal(first, layout),
        matrix_tag=matrix_tag,
        range_tag=range_tag,
        time_base=base,
        rate=rate,
        frames=count,
        knows_frames=is_own,
        aspect=aspect,
        rotation=round(first.rotation / 90) * 90 % 360,
        interlaced=first.interlaced_frame,
        stream=index,
        primaries_tag=int(first.color_primaries),
        transfer_tag=int(first.color_trc),
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


def _count(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, rate: Fraction
) -> tuple[int, bool]:
    """Return the number of frames, and whether the header of this stream has it."""
    if stream.frames:
        return stream.frames, True
    if stream.duration is not None and stream.time_base is not None:
        return round(stream.duration * stream.time_base * rate), True
    tag = _seconds(stream.metadata.get("DURATION", ""))  # Matroska's
    if tag is not None:
        return round(tag * rate), True
    return round(container.duration / av.time_base * rate) if container.duration else 0, False


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
    reason = f": {damage.reason}" if damage.reason else ""
    raise UnreadablePhotoError(path, f"no frame of it can be decoded{reason}")


def _signal(picture: av.VideoFrame, layout: Layout) -> Signal:
    if not layout.in_place:
        return Signal("bt709", full_range=False, bits=min(layout.bits, 10))
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
    with opened(film.path) as container:
        stream = container.streams[film.stream]
        assert isinstance(stream, av.video.stream.VideoStream)  # noqa: S101 - `probe` chose it
        last: int | None = None
        step = max(1, round(1 / (film.rate * film.time_base)))
        for decoded in _pictures(container, stream, damage):
            picture, pts = decoded, decoded.pts
            if pts is None:
                pts = 0 if last is None else last + step
            elif last is not None and pts <= last:
                damage.retimed += 1
                pts = last + 1
            last = pts
            damage.frames += 1
            if (picture.width, picture.height) != (film.width, film.height):
                damage.resized += 1
                picture = _scaled(decoded, film)
            yield Frame(picture, luma_of(picture, film), pts, picture.duration or 0)


def _pictures(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, damage: Damage
) -> Iterator[av.VideoFrame]:
    """Yield what can be decoded."""
    stream.thread_type = "AUTO"
    packets = container.demux(stream)
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
    name = picture.format.name
    if Layout.of(name) != film.layout:  # the stream changes its pixel format
        picture = picture.reformat(format=film.layout.name)
    elif name.endswith("be") and film.layout.in_place:
        picture = picture.reformat(format=name.removesuffix("be") + "le")
    if not film.layout.in_place:
        deep = film.signal.bits > 8
        picture = picture.reformat(
            format="yuv444p10le" if deep else "yuv444p", dst_colorspace=Colorspace.ITU709, dst_color_range="MPEG"
        )
    return plane_values(picture, 0, film.signal.dtype)


def plane_values(picture: av.VideoFrame, index: int, dtype: type[np.uint8 | np.uint16]) -> NDArray[Any]:
    """Return the values of a plane, (H, W), in the frame's own memory."""
    plane = picture.planes[index]
    values: NDArray[Any] = np.frombuffer(memoryview(plane), dtype)
    return values.reshape(plane.height, -1)[:, : plane.width]
