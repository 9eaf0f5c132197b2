from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Job, Options
from chromalab.colorization.records import Colorized
from chromalab.colorization.video.codecs import Encoding
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import constant_ab, write_model

pytest.importorskip("av", reason="films need the extra [video]")
pytest.importorskip("cv2", reason="films need the extra [video]")

from chromalab.colorization.video.film import colorize_film

Colorize = Callable[..., Colorized]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return a network whose chroma follows the gray level, so that flicker of the gray level shows in the chroma."""
    folder = tmp_path_factory.mktemp("model")
    path = write_model(
        folder / "by_level.onnx", [[40.0], [-60.0]], [-10.0, 30.0], {"input": {"scale": [0.01]}, "size": {"px": 64}}
    )
    return Engine(find_colorizer(str(path)))


@pytest.fixture(scope="session")
def red(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return a network that predicts a red for every pixel."""
    path = constant_ab(tmp_path_factory.mktemp("model") / "red.onnx", 30.0, 20.0, size={"px": 64})
    return Engine(find_colorizer(str(path)))


@pytest.fixture(scope="session")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return a network that predicts no color."""
    path = constant_ab(tmp_path_factory.mktemp("model") / "gray.onnx", 0.0, 0.0, size={"px": 64})
    return Engine(find_colorizer(str(path)))


@pytest.fixture
def colorize(red: Engine) -> Colorize:
    """Return a function that colorizes a film; keywords are fields of `Encoding` and `Job`."""

    def call(source: Path, output: Path, engine: Engine = red, **settings: Any) -> Colorized:
        encoding = {name: settings.pop(name) for name in ("codec", "crf", "preset", "fps") if name in settings}
        job = Job(settings.pop("options", Options()), encoding=Encoding(**encoding), **settings)
        return colorize_film(engine, source, output, job)[0]

    return call
