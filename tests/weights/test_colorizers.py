"""Colorizers by name, by file, and by hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chromalab.core.errors import ConfigError, DamagedWeightsError, UsageError
from chromalab.core.files import sha256_file
from chromalab.weights.colorizers import (
    DEFAULT_MODEL,
    SHIPPED,
    ColorizerSpec,
    allowed_name,
    find_colorizer,
    shipped_models,
)
from tests.colorization.models import constant_ab

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_BYTES = 16_000_000


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_models_are_whole_and_described(name: str) -> None:
    path = SHIPPED / f"{name}.onnx"
    spec = ColorizerSpec.load(path.with_suffix(".yaml"))
    assert spec.name == name
    assert spec.sha256 == sha256_file(path)
    assert path.stat().st_size <= LARGEST_BYTES
    assert all((spec.title, spec.license, spec.notice, spec.trained_on, spec.record, spec.scores, spec.scored_on))


def test_the_default_is_shipped_and_first() -> None:
    assert shipped_models()[0] == DEFAULT_MODEL
    assert find_colorizer().spec.name == DEFAULT_MODEL
    assert {path.stem for path in SHIPPED.glob("*.onnx")} == set(shipped_models())


def test_the_default_gives_versions() -> None:
    assert find_colorizer().spec.output.bins is not None


def test_files(tmp_path: Path) -> None:
    path = constant_ab(tmp_path / "mine.onnx", 0, 0)
    found = find_colorizer(str(path))
    assert found.spec.name == "mine"
    assert found.sha256 == sha256_file(path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DamagedWeightsError, match="its record has"):
        find_colorizer(str(path))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("flagshop", "did you mean 'flagship'"),
        ("missing.onnx", "there is no file"),
        ("model.safetensors", "chromalab export"),
        ("/", "chromalab export"),
    ],
)
def test_what_is_no_model(model: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_colorizer(model)


def test_files_without_a_record(tmp_path: Path) -> None:
    path = constant_ab(tmp_path / "m.onnx", 0, 0)
    path.with_suffix(".yaml").unlink()
    with pytest.raises(UsageError, match=r"has no record: .* in m\.yaml"):
        find_colorizer(str(path))
    path.with_suffix(".yaml").write_text("name: m\nsise: {}\n")
    with pytest.raises(ConfigError, match="did you mean 'size'"):
        find_colorizer(str(path))


@pytest.mark.parametrize("text", ["v1.2", "my run", "München", "große Fotos", "_x", ".hidden", "-", "..", "", "写真"])
def test_any_text_gives_an_allowed_name(text: str) -> None:
    name = allowed_name(text)
    assert ColorizerSpec(name=name).name == name
    assert allowed_name(name) == name
