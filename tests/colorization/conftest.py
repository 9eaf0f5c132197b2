from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chromalab.colorization.engine import Engine
from chromalab.weights.colorizers import find_colorizer
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(find_colorizer())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(3):
        save(tmp_path / "in" / f"sub {number}" / "a'b <i>.png", picture(100 + number, 150, seed=number))
    (tmp_path / "in" / "bad.jpg").write_text("no photo")
    return tmp_path / "in"
