from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chromalab.colorization.engine import Engine
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import write_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return a network whose chroma follows the gray level, so that flicker of the gray level shows in the chroma."""
    folder: Path = tmp_path_factory.mktemp("model")
    path = write_model(
        folder / "by_level.onnx", [[40.0], [-60.0]], [-10.0, 30.0], {"input": {"scale": [0.01]}, "size": {"px": 64}}
    )
    return Engine(find_colorizer(str(path)))
