"""Films are read with their facts, and their frames with the luma as it is coded."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from chromalab.colorization.hints import parse_hint
from chromalab.colorization.options import Options
from chromalab.colorization.video.sequence import sequence_files
from chromalab.colorization.video.source import Damage, Layout, frames, luma_of, probe
from chromalab.core.errors import UsageError
from chromalab.photo.reading import UnreadablePhotoError
from tests.colorization.video.clips import BITS, av, decoded, frame_of, gray_clip, lumas, seconds, write_clip

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.colorization.engine import Engine
    from tests.colorization.video.conftest import Colorize


@pytest.mark.parametrize(
    ("planar", "layout"),
    [
        ("yuv420p", "yuv420p"), ("yuv422p", "yuv422p"), ("yuv444p", "yuv444p"), ("yuv440p", "yuv440p"),
        ("yuv411p", "yuv411p"), ("yuv410p", "yuv410p"), ("gray", "gray"), ("yuv420p10le", "yuv420p10le"),
        ("yuv422p10le", "yuv422p10le"), ("gray10le", "gray10le"), ("gray16le", "gray16le"), ("yuv420p", "nv12"),
        ("yuv422p", "yuyv422"), ("yuv422p", "uyvy422"), ("yuv420p10le", "yuv420p10be"),
        ("yuv422p10le", "yuv422p10be"), ("gray10le", "gray10be"), ("yuv420p12le", "yuv420p12le"),
    ],
)  # fmt: skip
def test_the_luma_of_every_layout_is_read_bit_for_bit(tmp_path: Path, planar: str, layout: str) -> None:
    planes = lumas(2, bits=BITS.get(planar, 8))
    path = write_clip(tmp_path / "a.nut", [frame_of(luma, planar, layout) for luma in planes], "rawvideo")
    film = probe(path)
    assert film.signal.bits == BITS.get(planar, 8)
    found = [frame.luma for frame in frames(film, Damage())]
    assert all(np.array_equal(one, other) for one, other in zip(found, planes, strict=True))


@pytest.mark.parametrize(
    ("layout", "given", "bits"), [("rgb24", "rgb24", 8), ("bgra", "rgb24", 8), ("rgb48le", "rgb48le", 16)]
)
def test_the_luma_of_rgb_follows_bt_709(tmp_path: Path, layout: str, given: str, bits: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 2**bits, (48, 64, 3)).astype(np.uint8 if bits == 8 else np.uint16)
    frame = av.VideoFrame.from_ndarray(rgb, given).reformat(format=layout)
    film = probe(write_clip(tmp_path / "a.nut", [frame], "rawvideo"))
    (found,) = [item.luma for item in frames(film, Damage())]
    share = rgb / (2**bits - 1) @ [0.2126, 0.7152, 0.0722]
    assert film.signal.bits == bits
    assert np.abs(found - (16 + 219 * share) * 2 ** (bits - 8)).max() < 0.51


def test_semi_planar_formats_of_10_bits_are_repacked(tmp_path: Path) -> None:
    (luma,) = lumas(1, bits=10)
    film = probe(write_clip(tmp_path / "a.mkv", [frame_of(luma, "yuv420p10le")]))
    assert np.array_equal(luma_of(frame_of(luma, "yuv420p10le", "p010le"), film), luma)


def test_the_layouts_of_alpha_and_palette() -> None:
    assert Layout.of("yuva420p") == Layout("420", 8, has_alpha=True)
    assert Layout.of("pal8").has_alpha
    assert not Layout.of("bgr0").has_alpha
    assert Layout.of("p016le") == Layout("420", 16)


@pytest.mark.parametrize(("tag", "full"), [(0, False), (1, False), (2, True)])
def test_the_range_follows_its_tag(tmp_path: Path, tag: int, full: bool) -> None:
    assert probe(gray_clip(tmp_path / "a.mkv", 1, color_range=tag)).signal.full_range is full


def test_gray_films_without_a_tag_have_full_range(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.nut", [frame_of(lumas(1)[0], "gray")], "rawvideo")
    assert probe(path).signal.full_range


def test_motion_jpeg_has_full_range(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", [frame_of(lumas(1)[0], "yuvj420p")], "mjpeg")
    assert probe(path).signal.full_range


@pytest.mark.parametrize(
    ("tag", "height", "name"),
    [(2, 48, "bt601"), (2, 720, "bt709"), (1, 48, "bt709"), (5, 720, "bt601"), (9, 48, "bt2020")],
)
def test_the_matrix_follows_its_tag_or_the_size(tmp_path: Path, tag: int, height: int, name: str) -> None:
    frame = frame_of(lumas(1, 64, height)[0])
    assert probe(write_clip(tmp_path / "a.mkv", [frame], colorspace=tag)).signal.matrix == name


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "the file is empty"), (b"hello\n" * 50, "not a film that FFmpeg can read"), (None, "cannot be opened")],
)
def test_files_that_are_no_films_are_refused_with_the_reason(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadablePhotoError, match=words):
        probe(path)


def test_films_whose_index_is_missing_are_refused(tmp_path: Path) -> None:
    path = gray_clip(tmp_path / "a.mp4", 20, "libx264")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadablePhotoError, match="moov"):
        probe(path)


def test_sound_without_frames_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.wav"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        file.mux(stream.encode(sound))
    with pytest.raises(UnreadablePhotoError, match="no film, only audio"):
        probe(tmp_path / "a.wav")


def test_too_large_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePhotoError, match="--max-megapixels"):
        probe(gray_clip(tmp_path / "a.mkv"), max_pixels=1000)


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".mkv", "libx264"), (".avi", "mjpeg")])
def test_a_truncated_film_is_incomplete(tmp_path: Path, suffix: str, codec: str) -> None:
    layout = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    noise = np.random.default_rng(1).integers(20, 230, (40, 48, 64)).astype(np.uint8)
    options = {"movflags": "+faststart"} if suffix == ".mp4" else {}
    clip = [frame_of(luma, layout) for luma in noise]
    path = write_clip(tmp_path / f"a{suffix}", clip, codec, container=options)
    film, whole = probe(path), Damage()
    assert len(list(frames(film, whole))) == 40
    assert not whole.warnings(film)
    assert not whole.is_incomplete(film)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    film, cut = probe(path), Damage()
    count = len(list(frames(film, cut)))
    assert 10 < count < 35
    assert cut.is_incomplete(film)
    assert str(count) in cut.warnings(film)[0]


def test_variable_frame_rates_are_no_damage(tmp_path: Path) -> None:
    times = [number**2 * 20 for number in range(12)]
    clip = [frame_of(luma) for luma in lumas(12)]
    film = probe(write_clip(tmp_path / "a.mkv", clip, times=times, time_base=Fraction(1, 1000)))
    damage = Damage()
    assert [frame.pts for frame in frames(film, damage)] == times
    assert not damage.is_incomplete(film)


def test_frames_of_another_size_are_scaled_and_counted(tmp_path: Path) -> None:
    for name, width in (("a.ts", 64), ("b.ts", 96)):
        clip = [frame_of(luma) for luma in lumas(5, width, 48)]
        times = [number + (5 if name == "b.ts" else 0) for number in range(5)]
        write_clip(tmp_path / name, clip, "mpeg2video", times=times)
    both = tmp_path / "both.ts"
    both.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    film, damage = probe(both), Damage()
    found = list(frames(film, damage))
    assert {frame.luma.shape for frame in found} == {(film.height, film.width)}
    assert damage.resized == 5
    assert "scaled" in " ".join(damage.warnings(film))


@pytest.mark.parametrize(("suffix", "codec"), [(".ts", "libx264"), (".ts", "mpeg2video"), (".vob", "mpeg2video")])
def test_joined_films_continue_one_frame_after_each_part(tmp_path: Path, suffix: str, codec: str) -> None:
    path = gray_clip(tmp_path / f"a{suffix}", 10, codec, time_base=Fraction(1, 25))
    once = [frame.pts for frame in frames(probe(path), Damage())]
    path.write_bytes(path.read_bytes() * 3)
    film, damage = probe(path), Damage()
    times = [frame.pts for frame in frames(film, damage)]
    assert times[:10] == once
    assert set(np.diff(times)) == {3600}
    assert len(times) == film.frames == 30
    (warning,) = damage.warnings(film)
    assert "3 files that were joined" in warning
    assert not damage.is_incomplete(film)


def test_frames_of_avi_files_with_b_frames_are_shown_at_the_nominal_rate(tmp_path: Path) -> None:
    path = gray_clip(tmp_path / "a.avi", 30, "libx264", options={"x264-params": "bframes=3:b-adapt=0"})
    film, damage = probe(path), Damage()
    found = list(frames(film, damage))
    assert set(np.diff([frame.pts for frame in found])) == {1}
    assert len(found) == 30
    assert damage.warnings(film) == []
    with av.open(str(path)) as file:
        broken = next(bytes(packet) for number, packet in enumerate(file.demux(video=0)) if number == 14)
    path.write_bytes(path.read_bytes().replace(broken, b"\xff" * len(broken)))
    rest = list(frames(film, damage))
    assert len(rest) == 29
    assert rest[-1].pts == found[-1].pts  # what follows the damage keeps its time


@pytest.mark.parametrize(("alpha", "transparent"), [(255, False), (100, True)])
def test_only_real_transparency_counts(tmp_path: Path, alpha: int, transparent: bool) -> None:
    pixels = np.full((48, 64, 4), 90, np.uint8)
    pixels[..., 3] = alpha
    frame = av.VideoFrame.from_ndarray(pixels, "bgra")
    assert probe(write_clip(tmp_path / "a.nut", [frame], "rawvideo")).transparent is transparent


def test_opaque_gifs_are_not_transparent(tmp_path: Path) -> None:
    stills = [Image.fromarray(luma) for luma in lumas(4)]
    stills[0].save(tmp_path / "a.gif", save_all=True, append_images=stills[1:], duration=40)
    film = probe(tmp_path / "a.gif")
    assert not film.transparent
    assert len(list(frames(film, Damage()))) == 4


def test_animated_webp_is_refused_with_a_remedy(tmp_path: Path) -> None:
    stills = [Image.fromarray(luma) for luma in lumas(3)]
    stills[0].save(tmp_path / "a.webp", save_all=True, append_images=stills[1:], duration=40)
    with pytest.raises(UnreadablePhotoError, match="convert it to GIF or MP4"):
        probe(tmp_path / "a.webp")


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_hints_have_the_coordinates_of_the_rotated_frame(
    tmp_path: Path, gray: Engine, colorize: Colorize, degrees: int
) -> None:
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(degrees)
        for number in range(4):
            frame = frame_of(np.full((64, 96), 120, np.uint8))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    film = probe(path)
    assert film.rotation == degrees
    assert film.shown_size == ((64, 96) if degrees == 180 else (96, 64))
    options = Options(hints=[parse_hint("0s:2,2,6,6=#c03030")])  # at the upper left as shown
    colorize(path, tmp_path / "b.mkv", gray, codec="ffv1", options=options)
    red: Any = decoded(tmp_path / "b.mkv")[0].to_ndarray(format="yuv444p")[2]
    corner = {90: red[:8, -8:], 180: red[-8:, -8:], 270: red[-8:, :8]}[degrees]
    assert corner.mean() > 140
    assert corner.mean() > red.mean() + 5


def _sequence(folder: Path, first: int = 7, count: int = 3, bits: int = 8) -> Path:
    for number, luma in enumerate(lumas(count, bits=bits)):
        Image.fromarray(luma).save(folder / f"f_{first + number:04d}.{'png' if bits == 8 else 'tif'}")
    return folder / f"f_%04d.{'png' if bits == 8 else 'tif'}"


def test_image_sequences_start_at_any_number_and_have_the_given_rate(tmp_path: Path) -> None:
    film = probe(_sequence(tmp_path, 1001), fps=12)
    found = list(frames(film, Damage()))
    assert len(found) == 3
    assert film.time_base == 1 / film.rate == Fraction(1, 12)
    assert np.array_equal(found[2].luma, lumas(3)[2])


def test_sequences_of_16_bits_keep_them(tmp_path: Path, colorize: Colorize) -> None:
    colorize(_sequence(tmp_path, bits=16), tmp_path / "a.mkv", codec="ffv1", fps=12)
    found = decoded(tmp_path / "a.mkv")
    assert found[0].format.name == "yuv420p16le"
    assert np.array_equal(
        np.frombuffer(memoryview(found[1].planes[0]), "<u2").reshape(48, -1)[:, :64], lumas(2, bits=16)[1]
    )
    assert seconds(tmp_path / "a.mkv") == pytest.approx([0, 1 / 12, 2 / 12], abs=1e-3)


def test_the_bottom_field_of_dv_comes_first(tmp_path: Path) -> None:
    frames = [av.VideoFrame(720, 576, "yuv420p") for _ in range(2)]
    flags = av.codec.context.Flags.interlaced_dct
    assert probe(write_clip(tmp_path / "a.avi", frames, "dvvideo", flags=flags)).field_order == 3


def test_gaps_in_sequences_are_named(tmp_path: Path) -> None:
    pattern = _sequence(tmp_path)
    assert [path.name for path in sequence_files(pattern)] == ["f_0007.png", "f_0008.png", "f_0009.png"]
    (tmp_path / "f_0008.png").unlink()
    with pytest.raises(UsageError, match=r"f_0008\.png is missing"):
        sequence_files(pattern)
    (tmp_path / "f_20241102120000.png").write_bytes(b"")  # as if the numbers were dates
    with pytest.raises(UsageError, match=r"f_0008\.png is missing"):
        sequence_files(pattern)
    with pytest.raises(UsageError, match="no file matches the pattern"):
        sequence_files(tmp_path / "g_%d.png")
