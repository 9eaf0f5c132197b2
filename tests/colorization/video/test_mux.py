"""Sound, subtitles, chapters, attachments and metadata come along without being encoded again."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chromalab.colorization.batch import Batch, run_batch
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.colorization.video.boxes import read_xmp
from chromalab.core.errors import UsageError
from tests.colorization.video.clips import av, frame_of, gray_clip, lumas, seconds, write_clip

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.colorization.engine import Engine
    from tests.colorization.video.conftest import Colorize

_SUBRIP = "subrip"


def _tone(number: int) -> Any:
    wave = np.sin(np.arange(1024) / (5 + number))[None] * 0.4
    frame = av.AudioFrame.from_ndarray(wave.astype(np.float32), "fltp", "mono")
    frame.sample_rate = 48000
    return frame


def rich_clip(path: Path, audio: str = "aac", subtitles: str | None = None, *, tones: int = 8, **metadata: str) -> Path:
    """Write a film with two audio streams, and for a subtitle codec with subtitles, chapters and metadata."""
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"} if path.suffix == ".mp4" else {}) as file:
        file.metadata.update({"title": "A film", "creation_time": "2001-02-03T04:05:06.000000Z"} | metadata)
        video = file.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sounds = [file.add_stream(audio, rate=48000, layout="mono") for _ in range(2)]
        for sound, language, title in zip(sounds, ("ger", "fre"), ("Ton", "Commentaire"), strict=True):
            sound.metadata.update({"language": language, "title": title})
        sounds[1].disposition = av.stream.Disposition.comment
        texts = file.add_stream(subtitles) if subtitles else None
        if texts is not None:
            texts.codec_context.subtitle_header = b"[Script Info]\n"
            texts.metadata["language"] = "eng"
        if path.suffix == ".mkv":
            file.add_attachment("notes.txt", "text/plain", b"typed notes")
        file.set_chapters(
            [
                {"id": 1, "start": 0, "end": 100, "time_base": Fraction(1, 1000), "metadata": {"title": "First"}},
                {"id": 2, "start": 100, "end": 240, "time_base": Fraction(1, 1000), "metadata": {"title": "Second"}},
            ]
        )
        for number, luma in enumerate(lumas(6)):
            frame = frame_of(luma)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        for offset, sound in enumerate(sounds):
            for number in range(tones):
                frame = _tone(offset)
                frame.pts, frame.time_base = number * 1024, Fraction(1, 48000)
                file.mux(sound.encode(frame))
            file.mux(sound.encode(None))
        if texts is not None:
            text = av.Packet(b"Hello" if subtitles == _SUBRIP else b"\x00\x05Hello")
            text.pts = text.dts = 40
            text.duration, text.time_base, text.stream = 80, Fraction(1, 1000), texts
            file.mux(text)
    return path


def contents(path: Path) -> dict[str, Any]:
    """Return all of a film but its frames."""
    with av.open(str(path)) as file:
        others = [stream for stream in file.streams if stream.type != "video"]
        packets: dict[int, list[Any]] = {stream.index: [] for stream in others if stream.type in {"audio", "subtitle"}}
        for packet in file.demux():
            if packet.stream_index in packets and packet.size:
                time = float(packet.pts * packet.time_base)
                packets[packet.stream_index].append((round(time, 3), bytes(packet)))
        return {
            "packets": list(packets.values()),
            "streams": [
                (stream.type, stream.metadata.get("language"), stream.metadata.get("title"), stream.disposition)
                for stream in others
                if stream.type in {"audio", "subtitle"}
            ],
            "chapters": [
                (float(item["start"] * item["time_base"]), float(item["end"] * item["time_base"]), item["metadata"])
                for item in file.chapters()
            ],
            "attachments": [
                (stream.metadata, bytes(stream.data)) for stream in file.streams if stream.type == "attachment"
            ],
            "metadata": dict(file.metadata),
        }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "audio", "subtitles"),
    [(".mkv", "aac", _SUBRIP), (".mkv", "flac", None), (".mp4", "aac", "mov_text"), (".mov", "aac", None)],
)
def test_all_but_the_frames_comes_along(
    tmp_path: Path, colorize: Colorize, suffix: str, audio: str, subtitles: str | None
) -> None:
    source = rich_clip(tmp_path / f"a{suffix}", audio, subtitles)
    result = colorize(source, tmp_path / f"b{suffix}")
    before, after = contents(source), contents(tmp_path / f"b{suffix}")
    assert result.warnings == []
    assert len(before["streams"]) == 2 + (subtitles is not None)
    for name in ("packets", "streams", "chapters", "attachments"):
        assert after[name] == before[name], name
    assert after["metadata"]["title"] == "A film"
    assert after["metadata"]["creation_time"] == "2001-02-03T04:05:06.000000Z"


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_the_notice_and_unusual_tags_are_kept(tmp_path: Path, colorize: Colorize, suffix: str) -> None:
    source = rich_clip(tmp_path / f"a{suffix}", comment="by hand", my_key="unusual")
    colorize(source, tmp_path / f"b{suffix}")
    found = {key.lower(): text for key, text in contents(tmp_path / f"b{suffix}")["metadata"].items()}
    assert found["comment"] == "by hand"
    assert found["my_key"] == "unusual"
    assert "inferred by a neural network" in found["description"]
    if suffix == ".mp4":
        assert b"compositeWithTrainedAlgorithmicMedia" in read_xmp(tmp_path / f"b{suffix}")


def test_sound_that_the_file_type_cannot_hold_is_refused_before_the_work(tmp_path: Path, colorize: Colorize) -> None:
    source = rich_clip(tmp_path / "a.mkv", "aac")
    with pytest.raises(UsageError, match=r"cannot hold the audio stream 1 \(aac\).*ending in \.mkv or \.mp4 or \.mov"):
        colorize(source, tmp_path / "b.webm")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_a_film_that_does_not_fit_its_file_type_does_not_end_a_batch(tmp_path: Path, red: Engine) -> None:
    (tmp_path / "in").mkdir()
    rich_clip(tmp_path / "in" / "a.mp4", "aac", "mov_text")
    gray_clip(tmp_path / "in" / "b.mkv", 2)
    plan = make_plan([str(tmp_path / "in")], f"{tmp_path}/out/", suffix=".mkv")
    first, second = run_batch(red, plan, Batch(Job(Options()))).photos
    assert (first.status, second.status) == ("failed", "done")
    assert "cannot hold the subtitle stream 3 (mov_text) of a.mp4: write a file ending in .mp4" in str(first.reason)
    assert "mov_text" in (tmp_path / "out" / ".chromalab" / "messages.csv").read_text()


def test_the_remedy_for_subtitles_of_mp4_is_mp4(tmp_path: Path, colorize: Colorize) -> None:
    source = rich_clip(tmp_path / "a.mp4", "aac", "mov_text")
    with pytest.raises(UsageError, match=r"subtitle stream 3 \(mov_text\) of a\.mp4: write a file ending in \.mp4"):
        colorize(source, tmp_path / "b.mkv")


def test_attachments_outside_matroska_are_reported(tmp_path: Path, colorize: Colorize) -> None:
    result = colorize(rich_clip(tmp_path / "a.mkv"), tmp_path / "b.mp4")
    assert result.warnings == ["the attachment notes.txt is left out: only Matroska files hold attachments"]


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
def test_cover_art_stays_cover_art(tmp_path: Path, colorize: Colorize, name: str) -> None:
    cover = frame_of(np.full((32, 32), 99, np.uint8), "yuvj420p")
    with av.open(str(tmp_path / "cover.jpg"), "w", format="image2") as file:
        stream = file.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        file.mux(stream.encode(cover))
        file.mux(stream.encode(None))
    data = (tmp_path / "cover.jpg").read_bytes()
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        file.add_attachment("cover.jpg", "image/jpeg", data)
        for number, luma in enumerate(lumas(3)):
            frame = frame_of(luma)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert colorize(tmp_path / "a.mkv", tmp_path / name).frames == 3
    with av.open(str(tmp_path / name)) as file:
        (found,) = [item for item in file.streams.video if item.disposition & av.stream.Disposition.attached_pic]
        assert next(bytes(packet) for packet in file.demux(found) if packet.size) == data


def test_a_timecode_is_kept_and_its_stream_written_anew(tmp_path: Path, colorize: Colorize) -> None:
    with av.open(str(tmp_path / "a.mov"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["timecode"] = "01:00:00:00"
        for number, luma in enumerate(lumas(3)):
            frame = frame_of(luma)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with av.open(str(tmp_path / "a.mov")) as file:
        assert [item.type for item in file.streams] == ["video", "data"]
    for name in ("b.mov", "b.mkv"):
        assert not colorize(tmp_path / "a.mov", tmp_path / name).warnings
        with av.open(str(tmp_path / name)) as file:
            tags = {key.lower(): text for key, text in file.streams.video[0].metadata.items()}
            assert tags["timecode"] == "01:00:00:00"
            assert len(file.streams) == (2 if name == "b.mov" else 1)


def test_broadcasts_begin_at_zero(tmp_path: Path, colorize: Colorize) -> None:
    clip = [frame_of(luma) for luma in lumas(5)]
    source = write_clip(tmp_path / "a.ts", clip, "mpeg2video", times=[50, 51, 52, 53, 54])
    assert seconds(source)[0] > 1
    colorize(source, tmp_path / "b.mp4")
    assert seconds(tmp_path / "b.mp4") == pytest.approx([0, 0.04, 0.08, 0.12, 0.16], abs=1e-3)


def _joined(path: Path, **settings: Any) -> Path:
    """Write a film, and behind it in the same file the same film again."""
    data = rich_clip(path, **settings).read_bytes()
    path.write_bytes(data + data)
    return path


def test_sound_of_joined_films_that_overlaps_is_left_out_with_a_warning(tmp_path: Path, colorize: Colorize) -> None:
    source = _joined(tmp_path / "a.ts", tones=16)  # 0.34 s of sound to 0.24 s of film
    for name in ("b.mp4", "b.mkv"):
        result = colorize(source, tmp_path / name)
        assert result.frames == 12
        for index in (1, 2):
            assert f"the audio stream {index} (aac) loses " in " ".join(result.warnings)


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
def test_the_sound_of_joined_films_continues_with_the_frames(tmp_path: Path, colorize: Colorize, name: str) -> None:
    source = _joined(tmp_path / "a.ts", tones=11)
    assert len(colorize(source, tmp_path / name).warnings) == 1
    assert np.diff(seconds(tmp_path / name)) == pytest.approx(0.04, abs=2e-3)
    for packets in contents(tmp_path / name)["packets"]:
        half = len(packets) // 2
        assert [data for _, data in packets[:half]] == [data for _, data in packets[half:]]
        assert packets[half][0] - packets[0][0] == pytest.approx(6 * 0.04, abs=2e-3)


def test_a_late_start_is_kept(tmp_path: Path, colorize: Colorize) -> None:
    clip = [frame_of(luma) for luma in lumas(4)]
    source = write_clip(tmp_path / "a.mkv", clip, times=[50, 51, 52, 53])
    colorize(source, tmp_path / "b.mkv")
    assert seconds(tmp_path / "b.mkv") == pytest.approx(seconds(source), abs=1e-3)
    assert seconds(source)[0] == pytest.approx(2)


def test_sound_that_was_trimmed_away_does_not_come_back(tmp_path: Path, colorize: Colorize) -> None:
    whole = rich_clip(tmp_path / "a.mp4", tones=60)
    trimmed = tmp_path / "b.mp4"
    with av.open(str(whole)) as source, av.open(str(trimmed), "w") as target:
        copied = source.streams.video[0], source.streams.audio[0]
        streams = {stream.index: target.add_stream_from_template(stream) for stream in copied}
        for packet in source.demux(*copied):
            if packet.dts is not None:
                if packet.stream.type == "audio":  # half a second lies before the beginning, in an edit list
                    packet.pts, packet.dts = packet.pts - 24_000, packet.dts - 24_000
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    for name in ("c.mkv", "c.mp4"):
        colorize(trimmed, tmp_path / name)
        assert seconds(tmp_path / name)[0] < 0.06
        with av.open(str(tmp_path / name)) as film:
            assert film.duration / av.time_base < 0.9


def test_statistics_of_the_source_are_not_those_of_the_film(tmp_path: Path, colorize: Colorize) -> None:
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata.update({"BPS-eng": "123", "_STATISTICS_TAGS-eng": "BPS", "title": "Reel 1"})
        file.mux(stream.encode(frame_of(lumas(1)[0])))
        file.mux(stream.encode(None))
    colorize(source, tmp_path / "b.mkv")
    with av.open(str(tmp_path / "b.mkv")) as film:
        tags = film.streams.video[0].metadata
    assert tags["title"] == "Reel 1"
    assert not {"BPS-eng", "_STATISTICS_TAGS-eng"} & set(tags)


def test_equal_films_become_equal_files(tmp_path: Path, colorize: Colorize) -> None:
    source = rich_clip(tmp_path / "a.mkv")
    for name in ("b.mkv", "c.mkv"):
        colorize(source, tmp_path / name)
    assert (tmp_path / "b.mkv").read_bytes() == (tmp_path / "c.mkv").read_bytes()
