from __future__ import annotations

import itertools
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("av", reason="films need the extra [video]")

import chromalab
from chromalab.colorization.hints import parse_hint
from chromalab.colorization.options import Job, Options
from chromalab.colorization.video.codecs import Encoding
from chromalab.colorization.video.film import colorize_film
from chromalab.colorization.video.source import probe
from chromalab.core.errors import ConfigError, UsageError
from tests.colorization.video.clips import frame_of, write_clip
from tests.colorization.video.moving import panning, read_planes, texture, write_pan

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.colorization.engine import Engine

LOSSLESS = Job(Options(saturation=3), encoding=Encoding("ffv1"))


def colored(engine: Engine, source: Path, output: Path, *hints: str) -> list[list[Any]]:
    """Return the planes of a colorized film."""
    options = Options(saturation=3, hints=[parse_hint(hint) for hint in hints])
    colorize_film(engine, source, output, Job(options, encoding=Encoding("ffv1")))
    return read_planes(output)


def test_the_luma_is_the_sources_and_the_chroma_is_new(engine: Engine, tmp_path: Path) -> None:
    lumas = panning(1, 5)
    planes = colored(engine, write_pan(tmp_path / "a.mkv", lumas), tmp_path / "b.mkv")
    assert [np.array_equal(y, luma) for (y, _, _), luma in zip(planes, lumas, strict=True)] == [True] * 5
    assert all(np.abs(cb.astype(int) - 128).mean() + np.abs(cr.astype(int) - 128).mean() > 2 for _, cb, cr in planes)


def test_shots_do_not_mix_at_a_hard_cut(engine: Engine, tmp_path: Path) -> None:
    first, second = panning(1, 6), panning(2, 6)
    together = colored(engine, write_pan(tmp_path / "a.mkv", first + second), tmp_path / "b.mkv")
    alone = colored(engine, write_pan(tmp_path / "c.mkv", second), tmp_path / "d.mkv")
    before = colored(engine, write_pan(tmp_path / "e.mkv", first), tmp_path / "f.mkv")
    for one, other in zip(together, before + alone, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_colors_are_steadier_than_frame_by_frame(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exposure = np.random.default_rng(0)
    still = texture(3)
    lumas = [np.clip(still * exposure.normal(1, 0.05), 16, 235).astype(np.uint8) for _ in range(8)]
    path = write_pan(tmp_path / "a.mkv", lumas)

    def change(planes: list[list[Any]]) -> float:
        blocks = [cb.reshape(6, 8, 10, 8).mean(axis=(1, 3)) for _, cb, _ in planes]
        return float(np.mean([np.abs(one - two) for one, two in itertools.pairwise(blocks)]))

    steady = change(colored(engine, path, tmp_path / "b.mkv"))
    monkeypatch.setattr("chromalab.colorization.video.stabilize.MEMORY", 0.0)
    assert steady < 0.6 * change(colored(engine, path, tmp_path / "c.mkv"))


def test_a_hint_colors_its_whole_shot_and_no_other(engine: Engine, tmp_path: Path) -> None:
    still, other = [texture(4, smooth=12)] * 7, [texture(5, smooth=12)] * 4
    path = write_pan(tmp_path / "a.mkv", still + other)
    plain = colored(engine, path, tmp_path / "b.mkv")
    hinted = colored(engine, path, tmp_path / "c.mkv", "0.12s:60,30,30,30=#d01010")
    gains = [
        float(with_hint[2][20:28, 34:42].mean() - without[2][20:28, 34:42].mean())
        for with_hint, without in zip(hinted, plain, strict=True)
    ]
    assert min(gains[:7]) > 8
    assert max(gains[:7]) < min(gains[:7]) + 2
    assert gains[7:] == [0.0] * 4


def test_a_hint_behind_the_end_or_without_time_is_refused_before_the_work(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chromalab.colorization.video.film.WorkFolder", None)
    path = write_pan(tmp_path / "a.mkv", panning(1, 3))
    with pytest.raises(
        ConfigError, match=r"the hint or reference at 9 s comes after the end of a.mkv, which is at 0.12 s"
    ):
        colored(engine, path, tmp_path / "b.mkv", "0.04s:5,5=#ff0000", "9s:5,5=#ff0000")
    with pytest.raises(ConfigError, match=r"the hint or reference at 0.2 s comes after the end"):
        colored(engine, path, tmp_path / "b.mkv", "0.2s:5,5=#ff0000")
    with pytest.raises(ConfigError, match=r"has no time.*write 12.5s:5,5=#ff0000"):
        colored(engine, path, tmp_path / "b.mkv", "5,5=#ff0000")
    with pytest.raises(ConfigError, match="outside the photo of 160x96 px"):
        colored(engine, path, tmp_path / "b.mkv", "0s:200,5=#ff0000")
    assert not (tmp_path / "b.mkv").exists()


def test_a_hint_at_the_length_of_the_film_is_for_the_last_frame(engine: Engine, tmp_path: Path) -> None:
    path = write_pan(tmp_path / "a.mkv", [texture(4, smooth=12)] * 3)
    last, *_ = colored(engine, path, tmp_path / "b.mkv", "0.12s:60,30,30,30=#d01010")[::-1]
    plain, *_ = colored(engine, path, tmp_path / "c.mkv")[::-1]
    assert float(last[2][20:28, 34:42].mean() - plain[2][20:28, 34:42].mean()) > 8


def test_a_hint_is_accepted_where_the_header_ends_too_early(engine: Engine, tmp_path: Path) -> None:
    frames = [frame_of(texture(1)) for _ in range(5)]
    path = write_clip(
        tmp_path / "a.mp4", frames, "libx264", times=[0, 200, 400, 10000, 10200], time_base=Fraction(1, 1000)
    )
    assert probe(path).end_s == pytest.approx(0.84)
    assert len(colored(engine, path, tmp_path / "b.mkv", "10s:5,5=#ff0000")) == 5


@pytest.mark.parametrize(("height", "width"), [(8, 64), (12, 200), (200, 6)])
def test_small_films_are_colorized(engine: Engine, tmp_path: Path, height: int, width: int) -> None:
    source = write_pan(tmp_path / "a.mkv", [texture(1, height, width)] * 3)
    planes = colored(engine, source, tmp_path / "b.mkv")
    assert [luma.shape for luma, _, _ in planes] == [(height, width)] * 3


def test_a_film_is_colorized_by_the_public_call(tmp_path: Path) -> None:
    source = write_pan(tmp_path / "a.mkv", panning(1, 3))
    with pytest.raises(UsageError, match="is a film: write the result to a file with out="):
        chromalab.colorize(source)
    result = chromalab.colorize(source, out=tmp_path / "b.mkv", encoding=Encoding("ffv1"))
    assert (result.frames, result.height, result.width, result.warnings) == (3, 96, 160, [])
