"""Colorized films keep the luma, the size, the times and the properties of their frames."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chromalab.colorization.video.codecs import Encoding
from chromalab.colorization.video.encode import Encoder
from chromalab.colorization.video.source import Damage, frames, probe
from chromalab.core.errors import UsageError
from tests.colorization.video.clips import BITS, av, decoded, frame_of, gray_clip, lumas, plane, seconds, write_clip

if TYPE_CHECKING:
    from tests.colorization.video.conftest import Colorize

TASKS = Path("/proc/self/task")


@pytest.mark.parametrize(
    "layout",
    ["yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "gray", "yuv420p10le", "yuv422p10le", "gray10le",
     "gray16le"],
)  # fmt: skip
def test_ffv1_keeps_the_luma_and_adds_chroma(tmp_path: Path, colorize: Colorize, layout: str) -> None:
    planes = lumas(3, bits=BITS.get(layout, 8))
    source = write_clip(tmp_path / "a.mkv", [frame_of(luma, layout) for luma in planes])
    result = colorize(source, tmp_path / "b.mkv", codec="ffv1")
    found = decoded(tmp_path / "b.mkv")
    assert (result.frames, result.warnings, result.is_incomplete) == (3, [], False)
    assert all(np.array_equal(plane(frame), luma) for frame, luma in zip(found, planes, strict=True))
    neutral = 1 << (BITS.get(layout, 8) - 1)
    assert plane(found[1], 2).mean() > 1.05 * neutral
    assert found[0].format.name == layout.replace("gray", "yuv420p")


def test_packed_formats_keep_the_luma(tmp_path: Path, colorize: Colorize) -> None:
    planes = lumas(2)
    source = write_clip(tmp_path / "a.nut", [frame_of(luma, "yuv422p", "uyvy422") for luma in planes], "rawvideo")
    colorize(source, tmp_path / "b.mkv", codec="ffv1")
    found = decoded(tmp_path / "b.mkv")
    assert found[0].format.name == "yuv422p"
    assert np.array_equal(plane(found[1]), planes[1])


@pytest.mark.parametrize(("codec", "suffix"), [("ffv1", ".mkv"), ("av1", ".mp4"), ("h264", ".mp4"), ("hevc", ".mp4")])
def test_odd_sizes_are_kept(tmp_path: Path, colorize: Colorize, codec: str, suffix: str) -> None:
    planes = lumas(2, 65, 49)
    source = write_clip(tmp_path / "a.mkv", [frame_of(luma) for luma in planes])
    result = colorize(source, tmp_path / f"b{suffix}", codec=codec)
    found = decoded(tmp_path / f"b{suffix}")
    assert (found[0].width, found[0].height) == (65, 49)
    assert np.abs(plane(found[1]).astype(int) - planes[1]).mean() < 4
    assert [warning for warning in result.warnings if "4:4:4" in warning] == (
        result.warnings if codec in {"h264", "hevc"} else []
    )
    assert len(result.warnings) == (codec in {"h264", "hevc"})
    if TASKS.is_dir():  # an encoder that root runs must not leave threads with real-time priority
        assert {os.sched_getscheduler(int(task.name)) for task in TASKS.iterdir()} == {os.SCHED_OTHER}


@pytest.mark.parametrize(
    ("codec", "suffix", "layout", "kept"),
    [
        ("h264", ".mp4", "yuv420p10le", "yuv420p10le"),
        ("hevc", ".mov", "yuv422p10le", "yuv422p10le"),
        ("av1", ".webm", "yuv420p10le", "yuv420p10le"),
        ("prores", ".mov", "yuv420p", "yuv422p10le"),
        ("prores", ".mkv", "yuv444p", "yuv444p12le"),
        ("h264", ".mkv", "yuv411p", "yuv422p"),
    ],
)
def test_codecs_take_the_nearest_layout(
    tmp_path: Path, colorize: Colorize, codec: str, suffix: str, layout: str, kept: str
) -> None:
    planes = lumas(2, bits=BITS.get(layout, 8))
    source = write_clip(tmp_path / "a.mkv", [frame_of(luma, layout) for luma in planes])
    colorize(source, tmp_path / f"b{suffix}", codec=codec)
    frame = decoded(tmp_path / f"b{suffix}")[1]
    assert frame.format.name == kept
    shift = frame.format.components[0].bits - BITS.get(layout, 8)
    assert np.abs(plane(frame) / 2.0**shift - planes[1]).mean() < 3 * 2 ** (BITS.get(layout, 8) - 8)


def test_fewer_bits_are_reported(tmp_path: Path, colorize: Colorize) -> None:
    source = write_clip(tmp_path / "a.mkv", [frame_of(lumas(1, bits=12)[0], "yuv420p12le")])
    assert "its luma is rounded" in colorize(source, tmp_path / "b.mp4").warnings[0]


@pytest.mark.slow
@pytest.mark.parametrize(("primaries", "transfer", "matrix", "range_"), [(9, 16, 9, 1), (1, 1, 1, 2), (6, 6, 5, 1)])
def test_colorimetry_is_kept(
    tmp_path: Path, colorize: Colorize, primaries: int, transfer: int, matrix: int, range_: int
) -> None:
    tags = {"color_primaries": primaries, "color_trc": transfer, "colorspace": matrix, "color_range": range_}
    source = gray_clip(tmp_path / "a.mkv", 1, "ffv1", **tags)
    for name, codec in (("b.mkv", "ffv1"), ("b.mp4", "h264"), ("b.mov", "prores")):
        colorize(source, tmp_path / name, codec=codec)
        frame: Any = decoded(tmp_path / name)[0]
        kept = tags if codec != "prores" else tags | {"color_range": 1}  # ProRes has limited range only
        assert {key: int(getattr(frame, key)) for key in tags} == kept


def test_assumed_colorimetry_is_named(tmp_path: Path, colorize: Colorize) -> None:
    colorize(gray_clip(tmp_path / "a.mkv", 1), tmp_path / "b.mkv", codec="ffv1")
    frame = decoded(tmp_path / "b.mkv")[0]
    assert (int(frame.colorspace), int(frame.color_range)) == (6, 1)


@pytest.mark.parametrize("name", ["b.mkv", "b.mp4"])
def test_pixel_aspect_ratio_is_kept(tmp_path: Path, colorize: Colorize, name: str) -> None:
    aspect = Fraction(16, 15)
    source = gray_clip(tmp_path / "a.mp4", codec="libx264", sample_aspect_ratio=aspect)
    colorize(source, tmp_path / name)
    with av.open(str(tmp_path / name)) as file:
        assert file.streams.video[0].sample_aspect_ratio == aspect


@pytest.mark.parametrize(("order", "option"), [(2, "tff"), (3, "bff")])
@pytest.mark.parametrize(("name", "codec"), [("b.mkv", "ffv1"), ("b.mp4", "h264"), ("b.mov", "prores")])
def test_the_order_of_fields_is_kept(
    tmp_path: Path, colorize: Colorize, order: int, option: str, name: str, codec: str
) -> None:
    clip = [frame_of(luma) for luma in lumas(3)]
    flags = av.codec.context.Flags.interlaced_dct
    options = {"x264-params": f"{option}=1"}
    source = write_clip(tmp_path / "a.mp4", clip, "libx264", options=options, flags=flags, field_order=order)
    with av.open(str(source)) as file:
        assert next(file.decode(video=0)).interlaced_frame
    assert not colorize(source, tmp_path / name, codec=codec).warnings
    with av.open(str(tmp_path / name)) as file:
        frame = next(file.decode(video=0))
        assert frame.interlaced_frame
        assert int(file.streams.video[0].codec_context.field_order) == order


def test_codecs_without_fields_say_so(tmp_path: Path, colorize: Colorize) -> None:
    clip = [frame_of(luma) for luma in lumas(2)]
    flags = av.codec.context.Flags.interlaced_dct
    source = write_clip(tmp_path / "a.mp4", clip, "libx264", options={"x264-params": "tff=1"}, flags=flags)
    assert "does not mark the fields" in colorize(source, tmp_path / "b.mp4", codec="hevc").warnings[0]


def test_times_and_durations_of_variable_frame_rate_are_kept(tmp_path: Path, colorize: Colorize) -> None:
    times = [number**2 * 3 for number in range(10)]
    clip = [frame_of(luma) for luma in lumas(10)]
    source = write_clip(tmp_path / "a.mp4", clip, "libx264", times=times, time_base=Fraction(1, 600))
    for name in ("b.mp4", "b.mkv"):
        colorize(source, tmp_path / name)
        assert seconds(tmp_path / name) == pytest.approx([time / 600 for time in times], abs=6e-4)
    with av.open(str(tmp_path / "b.mkv")) as file:
        packets = sorted((item.pts, item.duration) for item in file.demux(video=0) if item.size)
        found = [float(duration * file.streams.video[0].time_base) for _, duration in packets]
    assert found[:-1] == pytest.approx(list(np.diff(times) / 600), abs=2e-3)


def test_an_aspect_ratio_that_the_file_cannot_name_is_reported(tmp_path: Path, colorize: Colorize) -> None:
    source = gray_clip(tmp_path / "a.mp4", 1, "libx264", sample_aspect_ratio=Fraction(16, 15))
    assert "16:15" in colorize(source, tmp_path / "b.mkv", codec="ffv1").warnings[0]


def test_films_of_one_frame_are_films(tmp_path: Path, colorize: Colorize) -> None:
    source = gray_clip(tmp_path / "a.mkv", 1)
    for name in ("b.mp4", "b.mkv"):
        assert colorize(source, tmp_path / name).frames == 1
        assert len(decoded(tmp_path / name)) == 1


def test_a_label_is_the_only_change_of_the_luma(tmp_path: Path, colorize: Colorize) -> None:
    planes = lumas(2, 160, 120)
    source = write_clip(tmp_path / "a.mkv", [frame_of(luma) for luma in planes])
    colorize(source, tmp_path / "b.mkv", codec="ffv1", label="Colors inferred")
    frame = decoded(tmp_path / "b.mkv")[1]
    changed = plane(frame) != planes[1]
    rows, columns = np.nonzero(changed)
    assert rows.min() > 90
    assert columns.max() < 150
    assert changed[rows.min() :, : columns.max() + 1].mean() > 0.9
    assert plane(frame).max() <= 235
    assert plane(frame, 1)[-4:, :4].tolist() == [[128] * 4] * 4


def test_a_blank_label_is_none(tmp_path: Path, colorize: Colorize) -> None:
    planes = lumas(1, 160, 120)
    source = write_clip(tmp_path / "a.mkv", [frame_of(luma) for luma in planes])
    colorize(source, tmp_path / "b.mkv", codec="ffv1", label=" ")
    assert np.array_equal(plane(decoded(tmp_path / "b.mkv")[0]), planes[0])


def test_films_that_the_encoder_refuses_are_refused_before_the_work(tmp_path: Path, colorize: Colorize) -> None:
    source = gray_clip(tmp_path / "a.mkv", 1)
    with pytest.raises(UsageError, match="--crf 60"):
        colorize(source, tmp_path / "b.mp4", crf=60)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_the_packets_of_the_same_frames_are_the_same(tmp_path: Path, threads: int) -> None:
    film = probe(write_clip(tmp_path / "a.mkv", [frame_of(luma) for luma in lumas(70, 300, 200)]))
    encoder = Encoder(film, Encoding("h264"), tmp_path / "b.mkv", threads)

    def packets() -> list[bytes]:
        context = encoder.context()
        pictures = (encoder.picture(item, item.luma, *gray) for item in frames(film, Damage()))
        return [bytes(packet) for picture in [*pictures, None] for packet in context.encode(picture)]

    gray = [np.full((100, 150), 128, np.uint8)] * 2
    first = packets()
    assert all(packets() == first for _ in range(5))
