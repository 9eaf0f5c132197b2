"""Writing the file of a colorized film: its new frames, and all other streams, chapters and metadata of the source."""

from __future__ import annotations

import heapq
import os
import re
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import av.error

from chromalab.colorization.disclosure import with_disclosure
from chromalab.colorization.video.boxes import append_xmp, read_xmp
from chromalab.colorization.video.codecs import UnfitFilmError
from chromalab.colorization.video.encode import usual_priority
from chromalab.colorization.video.source import continued, opened
from chromalab.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from chromalab.colorization.disclosure import Disclosure
    from chromalab.colorization.video.encode import Encoder
    from chromalab.colorization.video.source import Film

_FORMATS = {".mkv": "matroska", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".webm": "webm"}
_COVERS = {"mjpeg": (".jpg", "image/jpeg"), "png": (".png", "image/png"), "bmp": (".bmp", "image/bmp")}
_REMEDIES = (".mkv", ".mp4", ".mov")
_MP4_KINDS = frozenset({".mp4", ".m4v", ".mov"})
_WITHOUT_CHANCE = {"fflags": "+bitexact"}
"""Options with which equal films become equal files: Matroska files otherwise get random identifiers."""

_NOTICE_KEYS = ("comment", "description", "synopsis")
_OWN_KEYS = frozenset({"encoder", "major_brand", "minor_version", "compatible_brands", "duration"})
"""Tags that describe the source's file, not the film; the writer makes its own."""

_STATISTICS = re.compile(r"(BPS|DURATION|NUMBER_OF_FRAMES|NUMBER_OF_BYTES|_STATISTICS_\w+)(-\w+)?$")
"""Tags of Matroska streams that describe the packets, which are others in the output."""

_ITUNES_KEYS = frozenset(
    {"title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping"}
    | {"lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "creation_time", "track"}
)
"""Tags that an MP4 file has without further ado; all others need QuickTime's table of keys."""


def check_streams(film: Film, output: Path) -> None:
    """Refuse an output whose file type cannot hold the sound and subtitles of a film.

    Raises:
        UnfitFilmError: with the streams and the remedy.
    """
    found = _misfits(film, output.suffix.lower())
    if found:
        fitting = [suffix for suffix in _REMEDIES if not _misfits(film, suffix)]
        remedy = f"write a file ending in {' or '.join(fitting)}" if fitting else "convert or remove them first"
        raise UnfitFilmError(f"{output.name} cannot hold the {', '.join(found)} of {film.path.name}: {remedy}")


def _misfits(film: Film, suffix: str) -> list[str]:
    """Return the streams of sound and subtitles that a file type cannot hold."""
    with opened(film.path, film.rate) as source:
        return [
            f"{stream.type} stream {stream.index} ({_codec_name(stream)})"
            for stream in source.streams
            if stream.type in {"audio", "subtitle"} and not _can_hold(_FORMATS[suffix], stream)
        ]


def _codec_name(stream: Any) -> str:
    context = getattr(stream, "codec_context", None)
    return context.name if context is not None else "unknown codec"


def _can_hold(file_type: str, stream: Any) -> bool:
    """Return whether a file type holds a stream, by writing the header of a file with it."""
    if getattr(stream, "codec_context", None) is None:
        return False
    try:
        with av.open(os.devnull, "w", format=file_type) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError, TypeError):
        return False
    return True


def write_film(
    path: Path, film: Film, encoder: Encoder, packets: Iterable[av.Packet[Any]], disclosure: Disclosure
) -> list[str]:
    """Write the file of a colorized film.

    Args:
        path: the file to write; its suffix decides the file type.
        film: the source.
        encoder: the encoder of the frames.
        packets: the encoded frames, in the order of decoding.
        disclosure: the disclosure that the colors are inferred.

    Returns:
        What of the source could not be kept, a sentence each.
    """
    lost: list[str] = []
    with opened(film.path, film.rate) as source:
        metadata = _with_notice(dict(source.metadata), disclosure)
        options = _options(path, metadata)
        with av.open(str(path), "w", format=_FORMATS[path.suffix.lower()], container_options=options) as target:
            target.metadata.update(metadata)
            streams = _streams(source, target, film, encoder, lost)
            target.set_chapters(source.chapters())
            with usual_priority():
                target.start_encoding()
            _interleave(source, target, film, streams, packets, lost)
    if path.suffix.lower() in _MP4_KINDS:
        append_xmp(path, with_disclosure(read_xmp(film.path), disclosure))
    return lost


def _with_notice(metadata: dict[str, str], disclosure: Disclosure) -> dict[str, str]:
    """Return the container's tags with the disclosure in the first free one of a few that players show."""
    notice = (
        f"{disclosure.statement} chromalab {disclosure.chromalab_version}, model {disclosure.model}, "
        f"{disclosure.digital_source_type}"
    )
    kept = {key: value for key, value in metadata.items() if key.lower() not in _OWN_KEYS}
    taken = {key.lower(): key for key in kept}
    for key in _NOTICE_KEYS:
        if key not in taken or kept[taken[key]].startswith(disclosure.statement):
            return kept | {taken.get(key, key): notice}
    key = taken[_NOTICE_KEYS[0]]
    return kept | {key: f"{kept[key]}\n{notice}"}


def _options(path: Path, metadata: dict[str, str]) -> dict[str, str]:
    if path.suffix.lower() not in _MP4_KINDS:
        return _WITHOUT_CHANCE
    unusual = any(key.lower().split("-")[0] not in _ITUNES_KEYS for key in metadata)
    return _WITHOUT_CHANCE | {"movflags": "+faststart+use_metadata_tags" if unusual else "+faststart"}


def _streams(
    source: av.container.InputContainer,
    target: av.container.OutputContainer,
    film: Film,
    encoder: Encoder,
    lost: list[str],
) -> dict[int, Any]:
    """Add a stream to the target for every stream of the source; return them by the source's index."""
    streams: dict[int, Any] = {}
    for stream in source.streams:
        if stream.index == film.stream:
            added: Any = encoder.stream_of(target)
            if film.rotation:
                added.set_display_rotation(film.rotation)
        elif stream.type == "attachment" or _is_cover_for_attaching(stream, target):
            _attach(stream, target, film, lost)
            continue
        elif _can_hold(target.format.name, stream):
            added = target.add_stream_from_template(stream)
        else:
            if not _is_written_anew(stream, source):
                lost.append(f"the {stream.type} stream {stream.index} ({_codec_name(stream)}) is left out")
            continue
        tags = {key: text for key, text in stream.metadata.items() if key.lower() not in _OWN_KEYS}
        if stream.index == film.stream:
            tags = {key: text for key, text in tags.items() if not _STATISTICS.match(key)}
        added.metadata.update(tags)
        added.disposition = stream.disposition
        streams[stream.index] = added
    return streams


def _is_written_anew(stream: Any, source: av.container.InputContainer) -> bool:
    """Return whether a stream of data only repeats a timecode or chapters, which are kept by other means."""
    if stream.type != "data":
        return False
    return "timecode" in stream.metadata or (stream.name == "bin_data" and bool(source.chapters()))


def _is_cover_for_attaching(stream: Any, target: av.container.OutputContainer) -> bool:
    """Return whether a stream is cover art, which Matroska has as an attachment and MP4 as a stream."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic) and target.format.name == "matroska"


def _attach(stream: Any, target: av.container.OutputContainer, film: Film, lost: list[str]) -> None:
    if stream.type == "attachment":
        name, kind, data = stream.metadata.get("filename"), stream.metadata.get("mimetype"), stream.data
        name, kind = name or f"attachment{stream.index}", kind or "application/octet-stream"
    else:
        ending, kind = _COVERS.get(_codec_name(stream), (".bin", "application/octet-stream"))
        name, kind = stream.metadata.get("filename", f"cover{ending}"), stream.metadata.get("mimetype", kind)
        data = _cover(film, stream.index)
    if target.format.name == "matroska":
        target.add_attachment(name, kind, data)
    else:
        lost.append(f"the attachment {name} is left out: only Matroska files hold attachments")


def _cover(film: Film, index: int) -> bytes:
    with opened(film.path, film.rate) as source:
        return next((bytes(packet) for packet in source.demux(source.streams[index]) if packet.size), b"")


def _interleave(
    source: av.container.InputContainer,
    target: av.container.OutputContainer,
    film: Film,
    streams: dict[int, Any],
    packets: Iterable[av.Packet[Any]],
    lost: list[str],
) -> None:
    """Write all packets in the order of their times."""
    own = streams[film.stream]
    refused: Counter[int] = Counter()
    merged = heapq.merge(
        _at(((packet, own, film.time_base) for packet in packets), 0, film.origin_s),
        _at(_copied(source, target, film, streams, lost), 1, film.origin_s),
        key=lambda item: item[:3],
    )
    for _, _, _, packet, stream in merged:
        packet.stream = stream
        try:
            target.mux(packet)
        except av.error.ArgumentError:  # most often its time is not later than the packet's before
            if stream is own:
                raise
            refused[stream.index] += 1
    for index, stream in streams.items():
        if count := refused[stream.index]:
            lost.append(
                f"the {stream.type} stream {index} ({_codec_name(stream)}) loses {plural(count, 'packet')}, whose "
                "times do not come after those of the packets before"
            )


def _at(
    items: Iterable[tuple[av.Packet[Any], Any, Fraction]], rank: int, origin_s: Fraction
) -> Iterator[tuple[Fraction, int, int, av.Packet[Any], Any]]:
    """Yield packets with times from the origin on, and with the time by which they are sorted, which never falls."""
    latest = Fraction(-(10**9))
    for number, (packet, stream, base) in enumerate(items):
        packet.time_base = base
        earlier = round(origin_s / base)
        packet.pts = None if packet.pts is None else packet.pts - earlier
        packet.dts = None if packet.dts is None else packet.dts - earlier
        if packet.dts is not None:
            latest = max(latest, packet.dts * base)
        yield latest, rank, number, packet, stream


def _is_cut_away(packet: av.Packet[Any]) -> bool:
    """Return whether a packet is sound that an MP4 file was trimmed by, but holds.

    The last packet before the beginning is not: decoders need it for the first sound.
    """
    if packet.stream.type != "audio" or not packet.is_discard or packet.pts is None:
        return False
    return packet.pts + 2 * (packet.duration or 0) <= 0


def _copied(
    source: av.container.InputContainer,
    target: av.container.OutputContainer,
    film: Film,
    streams: dict[int, Any],
    lost: list[str],
) -> Iterator[tuple[av.Packet[Any], Any, Fraction]]:
    """Yield the packets of all other streams."""
    has_edit_lists = target.format.name in {"mp4", "mov"}
    others = [stream for stream in source.streams if stream.index != film.stream and stream.index in streams]
    if not others:
        return
    try:
        for packet in continued(source.demux(*others), film.joins):
            if packet.stream.disposition & av.stream.Disposition.attached_pic and packet.pts is None:
                packet.pts = packet.dts = 0
            if packet.dts is None and packet.pts is None:
                continue  # the mark of the end
            if not has_edit_lists and _is_cut_away(packet):
                continue
            yield packet, streams[packet.stream_index], Fraction(packet.time_base)
    except av.error.FFmpegError as error:
        lost.append(f"the sound and the subtitles end early: {(error.strerror or str(error)).lower()}")
