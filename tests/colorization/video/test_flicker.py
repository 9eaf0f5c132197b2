"""Color flicker: known motion with known changes of chroma, cuts, and films that cannot be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

from chromalab.color.lab import rgb_to_lab
from chromalab.colorization.video.flicker import ComparedFilms, FlickerMeter, chroma_copy, rgb_of
from chromalab.colorization.video.source import Damage, frames, probe
from chromalab.core.errors import UsageError
from chromalab.photo.reading import UnreadablePhotoError
from tests.colorization.video.rgb_films import write_rgb_film

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HEIGHT, WIDTH, SIDE, STEP = 96, 128, 40, 3
SQUARE, BACKGROUND = (40.0, -20.0), (-10.0, 30.0)


def texture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    levels: NDArray[np.uint8] = np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    return levels


def moving_square(index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the gray levels and the chroma of a textured square that moves to the right over a still background."""
    gray, chroma = texture(0), np.empty((HEIGHT, WIDTH, 2), dtype=np.float32)
    chroma[:] = BACKGROUND
    place = slice(20, 20 + SIDE), slice(10 + STEP * index, 10 + STEP * index + SIDE)
    gray[place], chroma[place] = texture(1, SIDE, SIDE), SQUARE
    return gray, chroma


def test_colors_that_move_with_their_object_do_not_flicker() -> None:
    meter = FlickerMeter()
    contrast = float(np.hypot(*np.subtract(SQUARE, BACKGROUND)))
    for index in range(4):
        gray, chroma = moving_square(index)
        found = meter.update(gray, {"moving": chroma, "left behind": moving_square(0)[1]})
        if index:
            assert found["moving"] < 0.01 * contrast
            assert found["left behind"] > 4 * found["moving"]


@pytest.mark.parametrize("amplitude", [1.0, 5.0])
def test_alternating_chroma_flickers_by_twice_its_amplitude(amplitude: float) -> None:
    meter = FlickerMeter()
    for index in range(4):
        gray, chroma = moving_square(index)
        chroma[:] = BACKGROUND
        chroma[..., 0] += amplitude * (-1) ** index
        found = meter.update(gray, {"alternating": chroma})
        if index:
            assert found["alternating"] == pytest.approx(2 * amplitude, abs=0.01)


def test_a_cut_contributes_nothing() -> None:
    meter, values = FlickerMeter(), []
    for index in range(6):
        chroma = np.full((HEIGHT, WIDTH, 2), 60.0 if index >= 3 else -60.0, dtype=np.float32)
        values.append(meter.update(texture(index // 3), {"film": chroma}))
    assert [list(value) for value in values] == [[], ["film"], ["film"], [], ["film"], ["film"]]
    assert max(value.get("film", 0.0) for value in values) < 1e-3


def test_chroma_is_that_of_cielab() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    expected = rgb_to_lab(rgb.astype(np.float64) / 255)[..., 1:]
    np.testing.assert_allclose(chroma_copy(rgb, (20, 30)), expected, atol=0.5)


@pytest.mark.parametrize(("matrix", "red"), [(5, (81, 90, 240)), (1, (63, 102, 240))])
def test_frames_are_converted_with_the_matrix_of_their_film(tmp_path: Path, matrix: int, red: tuple[int, ...]) -> None:
    path = tmp_path / "red.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=10)
        assert isinstance(stream, av.video.stream.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 1
        frame = av.VideoFrame(32, 16, "yuv444p")
        for plane, code in zip(frame.planes, red, strict=True):
            plane.update(bytes([code]) * plane.buffer_size)
        frame.pts = 0
        out.mux([*stream.encode(frame), *stream.encode(None)])
    film = probe(path)
    (only,) = frames(film, Damage())
    np.testing.assert_allclose(rgb_of(only, film)[8, 16], (255, 0, 0), atol=3)


def colored(count: int, height: int = 32, width: int = 48) -> list[NDArray[np.uint8]]:
    return [np.stack([texture(seed, height, width) for seed in (0, 1, 2)], axis=-1)] * count


def test_films_are_compared_frame_by_frame(tmp_path: Path) -> None:
    paths = {name: write_rgb_film(tmp_path / f"{name}.mkv", colored(3)) for name in ("preds", "target")}
    compared = ComparedFilms(paths, motion="target")
    found = list(compared)
    assert [frame.time_s for frame in found] == pytest.approx([0, 0.1, 0.2], abs=1e-3)
    for frame in found:
        np.testing.assert_array_equal(frame.images["preds"], colored(1)[0])
    assert [sorted(frame.flicker) for frame in found] == [[], ["preds", "target"], ["preds", "target"]]
    assert compared.warnings == []


def test_films_of_different_lengths_are_refused_with_their_lengths(tmp_path: Path) -> None:
    paths = {
        "preds": write_rgb_film(tmp_path / "short.mkv", colored(3)),
        "target": write_rgb_film(tmp_path / "long.mkv", colored(5)),
    }
    with pytest.raises(UsageError, match=r"short\.mkv 3, long\.mkv 5"):
        list(ComparedFilms(paths, motion="target"))


def test_films_of_different_sizes_are_refused(tmp_path: Path) -> None:
    paths = {
        "preds": write_rgb_film(tmp_path / "small.mkv", colored(2)),
        "target": write_rgb_film(tmp_path / "large.mkv", colored(2, height=64)),
    }
    with pytest.raises(UsageError, match=r"small\.mkv have 48x32 px and those of large\.mkv 48x64"):
        ComparedFilms(paths, motion="target")


def test_a_file_that_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(UnreadablePhotoError, match=r"text\.mp4"):
        ComparedFilms({"preds": tmp_path / "text.mp4"}, motion="preds")
