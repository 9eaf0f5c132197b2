from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("av", reason="films need the extra [video]")

from chromalab.colorization.hints import parse_hint
from chromalab.colorization.options import Options
from chromalab.colorization.video.shots import SMALL_PX, Viewer, small_size
from chromalab.colorization.video.source import Damage, frames, probe
from tests.colorization.video.moving import panning, texture, write_pan

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.colorization.engine import Engine


def cuts(engine: Engine, path: Path) -> list[int]:
    """Return the indices of the frames that begin a shot."""
    film = probe(path)
    viewer = Viewer(engine, film, Options())
    return [index for index, frame in enumerate(frames(film, Damage())) if viewer.see(frame).begins_shot]


def test_a_hard_cut_begins_a_shot(engine: Engine, tmp_path: Path) -> None:
    path = write_pan(tmp_path / "a.mkv", panning(1, 5) + panning(2, 5) + panning(3, 4))
    assert cuts(engine, path) == [0, 5, 10]


def test_motion_fades_and_changes_of_exposure_are_no_cuts(engine: Engine, tmp_path: Path) -> None:
    pan = panning(4, 6, step=6)
    fade = [
        (16 + (pan[-1].astype(float) - 16) * share).astype(np.uint8) for share in (0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0)
    ]
    flash = [np.clip(pan[0].astype(int) + 60, 0, 255).astype(np.uint8)]
    assert cuts(engine, write_pan(tmp_path / "a.mkv", pan + fade)) == [0]
    assert cuts(engine, write_pan(tmp_path / "b.mkv", [pan[0], *flash, pan[0], pan[1]])) == [0]


def test_a_cut_from_black_begins_a_shot(engine: Engine, tmp_path: Path) -> None:
    black = [np.full((96, 160), 16, np.uint8)] * 3
    assert cuts(engine, write_pan(tmp_path / "a.mkv", black + panning(5, 3))) == [0, 3]


def test_hints_give_known_colors_near_their_place(engine: Engine, tmp_path: Path) -> None:
    film = probe(write_pan(tmp_path / "a.mkv", [texture(6, smooth=12)]))
    (frame,) = frames(film, Damage())
    seen = Viewer(engine, film, Options()).see(frame, [parse_hint("0s:20,20,10,10=#c02020")])
    known = seen.moment.known
    assert known is not None
    assert known.strength[25, 25] == pytest.approx(1)
    assert known.strength[90, 150] < 0.05
    assert known.chroma[25, 25, 0] > 40


@pytest.mark.parametrize("size", [(96, 160), (1080, 1920), (60, 20)])
def test_copies_have_the_shown_proportions(tmp_path: Path, size: tuple[int, int]) -> None:
    picture: NDArray[np.uint8] = np.full(size, 100, np.uint8)
    film = probe(write_pan(tmp_path / "a.mkv", [picture]))
    height, width = small_size(film, SMALL_PX)
    assert min(height, width) == min(SMALL_PX, *size)
    assert width / height == pytest.approx(size[1] / size[0], rel=0.02)
