from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("av", reason="films need the extra [video]")

from chromalab.color.lab import encode_srgb, lab_to_linear, rgb_to_lab
from chromalab.colorization.hints import parse_hint
from chromalab.colorization.options import Job, Options
from chromalab.colorization.reference import Reference, reference_of
from chromalab.colorization.video.analysis import Part, State, own_color_warnings, parts
from chromalab.colorization.video.source import probe
from chromalab.core.errors import ConfigError
from tests.colorization.video.clips import frame_of, plane, write_clip
from tests.colorization.video.moving import panning, texture, write_pan

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.colorization.engine import Engine

GREEN = (-40.0, 35.0)


def tinted(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a frame in limited range as an sRGB image in which everything is green, (H, W, 3)."""
    gray = np.clip((luma.astype(np.float32) - 16) / 219, 0, 1)
    lab = rgb_to_lab(np.repeat(gray[..., None], 3, axis=2))
    lab[..., 1:] = GREEN
    return np.asarray(np.clip(encode_srgb(lab_to_linear(lab)), 0, 1), dtype=np.float32)


def analyzed(engine: Engine, path: Path, *references: Reference, state: State | None = None) -> list[Part]:
    job = Job(Options(), references=references)
    return list(parts(engine, probe(path), job, state or State()))


def greenness(found: list[Part]) -> list[float]:
    """Return the mean distance of every frame's chroma from the reference's green."""
    return [
        float(np.hypot(*(c.astype(float) - GREEN).transpose(2, 0, 1)).mean()) for part in found for c in part.chroma
    ]


@pytest.mark.slow
def test_a_reference_decides_its_shot_and_shots_of_the_same_scene(engine: Engine, tmp_path: Path) -> None:
    scene, other = panning(1, 9, step=1), panning(2, 5, step=1)
    path = write_pan(tmp_path / "a.mkv", scene[:6] + other + scene[6:])
    reference = replace(reference_of(engine, tinted(scene[3])), time_s=0.12)
    gap = greenness(analyzed(engine, path, reference))
    assert max(gap[:6]) < 8
    assert max(gap[11:]) < 12
    assert min(gap[6:11]) > 25


@pytest.mark.slow
def test_the_colors_of_a_reference_are_carried_into_the_next_segment(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SHORTEST", 3), ("LONGEST", 5), ("AHEAD", 2)):
        monkeypatch.setattr(f"chromalab.colorization.video.analysis.{name}", value)
    scene = panning(1, 14, step=1)
    path = write_pan(tmp_path / "a.mkv", scene)
    reference = replace(reference_of(engine, tinted(scene[1])), time_s=0.04)
    found = analyzed(engine, path, reference)
    assert [len(part.times) for part in found] == [5, 5, 4]
    assert max(greenness(found)) < 8
    again = analyzed(engine, path, reference, state=found[0].state)
    for one, two in zip(found[1:], again, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.chroma, two.chroma, strict=True))


def test_a_reference_behind_the_end_is_refused(engine: Engine, tmp_path: Path) -> None:
    path = write_pan(tmp_path / "a.mkv", panning(1, 3))
    reference = replace(reference_of(engine, tinted(texture(1))), time_s=3.0)
    with pytest.raises(ConfigError, match=r"at 3 s comes after the last frame of a.mkv, which is at 0.08 s"):
        analyzed(engine, path, reference)


@pytest.mark.parametrize(
    ("time_s", "shot"),
    [
        (0.0, [0, 1, 2]),
        (0.9, [0, 1, 2]),
        (5.0, [0, 1, 2]),
        (9.9, [0, 1, 2]),
        (9.99, [3, 4]),
        (10.0, [3, 4]),
        (15.0, [3, 4]),
    ],
)
def test_a_hint_is_for_the_frame_that_is_shown_at_its_time(
    gray: Engine, tmp_path: Path, time_s: float, shot: list[int]
) -> None:
    clip = [frame_of(texture(seed)) for seed in (1, 1, 1, 2, 2)]
    path = write_clip(tmp_path / "a.mkv", clip, times=[0, 200, 400, 10000, 10200], time_base=Fraction(1, 1000))
    film = replace(probe(path), end_s=20.0, frames=5)
    job = Job(Options(hints=[parse_hint(f"{time_s}s:80,48=#ff0000")]))
    chroma = [chroma for part in parts(gray, film, job, State()) for chroma in part.chroma]
    assert [index for index, planes in enumerate(chroma) if np.abs(planes).max() > 5] == shot


def test_segments_end_with_shots_and_cover_the_film(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SHORTEST", 4), ("LONGEST", 8), ("AHEAD", 3)):
        monkeypatch.setattr(f"chromalab.colorization.video.analysis.{name}", value)
    path = write_pan(tmp_path / "a.mkv", panning(1, 3) + panning(2, 3) + panning(3, 20))
    found = analyzed(engine, path)
    assert [(part.first, len(part.times), part.is_last) for part in found] == [
        (0, 6, False),
        (6, 8, False),
        (14, 8, False),
        (22, 4, True),
    ]
    shots = [(shot.first, shot.frames, shot.begins) for part in found for shot in part.shots]
    assert shots == [(0, 3, True), (3, 3, True), (6, 8, True), (14, 8, False), (22, 4, False)]


def test_measures_tell_flicker_before_and_after(engine: Engine, tmp_path: Path) -> None:
    exposure: Any = np.random.default_rng(0)
    still = texture(3)
    lumas = [np.clip(still * exposure.normal(1, 0.05), 16, 235).astype(np.uint8) for _ in range(8)]
    (part,) = analyzed(engine, write_pan(tmp_path / "a.mkv", lumas))
    assert "before" not in part.measures[0]
    before, after = (np.mean([item[which] for item in part.measures[1:]]) for which in ("before", "after"))
    assert after < 0.5 * before


def write_tinted(path: Path, cb: int, cr: int, colored: bool) -> Path:
    """Write five frames with the given chroma, which differs between the halves of a frame if it is colored."""
    frames = [frame_of(luma) for luma in panning(7, 5)]
    for frame in frames:
        for index, value in ((1, cb), (2, cr)):
            plane(frame, index)[...] = value
            if colored:
                plane(frame, index)[:, 40:] = 256 - value
    return write_clip(path, frames)


@pytest.mark.parametrize(
    ("cb", "cr", "colored", "words"),
    [(128, 128, False, None), (112, 140, False, "seems toned or tinted"), (100, 150, True, "has colors of its own")],
)
def test_the_films_own_colors_are_recognized(
    engine: Engine, tmp_path: Path, cb: int, cr: int, colored: bool, words: str | None
) -> None:  # fmt: skip
    found = analyzed(engine, write_tinted(tmp_path / "a.mkv", cb, cr, colored))
    warnings = own_color_warnings([item for part in found for item in part.measures])
    assert [words in warning for warning in warnings] == [True] if words else warnings == []


def test_a_films_tone_can_be_kept_beneath_the_colors(engine: Engine, tmp_path: Path) -> None:
    path = write_tinted(tmp_path / "a.mkv", 112, 140, colored=False)
    plain, kept = (
        next(parts(engine, probe(path), Job(Options(keep_tone=keep)), State())).chroma[2].astype(float)
        for keep in (False, True)
    )
    change = (kept - plain).mean(axis=(0, 1))
    assert change[0] > 3
    assert change[1] > 5
