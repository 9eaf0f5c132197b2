"""Inputs and outputs of colorizers in all formats that a record can describe."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from skimage.color import rgb2lab

from chromalab.colorization.engine import Engine
from chromalab.core.errors import ConfigError, UsageError
from chromalab.weights.colorizers import SizeSpec, find_colorizer, shipped_models
from tests.colorization.models import constant_ab, write_model

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = np.tile(np.linspace(0, 255, 96, dtype=np.float32), (64, 1))


def lightness(levels: np.ndarray) -> np.ndarray:
    grey = np.repeat(levels[..., None] / 255, 3, axis=-1)
    return np.asarray(rgb2lab(grey)[..., 0])


def engine(path: Path) -> Engine:
    return Engine(find_colorizer(str(path)))


def test_scaled_lightness(tmp_path: Path) -> None:
    """A network that returns ten times its input as a*."""
    path = write_model(tmp_path / "m.onnx", [[10.0], [0.0]], [0, 0], {"input": {"scale": 0.01}, "size": {"px": 64}})
    predicted = engine(path).predict(LEVELS)
    assert predicted.ab.shape == (2, 64, 96)
    assert predicted.ab[0] == pytest.approx(lightness(LEVELS) / 10, abs=0.02)
    assert predicted.logits is None


def test_siggraph17_and_eccv16(tmp_path: Path) -> None:
    """The network normalizes internally: it maps L* and two hint inputs of zeros to ab in CIELAB units."""
    spec = {"input": {"name": "x", "zeros": {"hint_ab": 2, "hint_mask": 1}}, "size": {"rule": "square", "px": 64}}
    path = write_model(tmp_path / "s.onnx", [[0.5], [-1.0]], [0, 0], spec, hint_ab=2, hint_mask=1)
    ab = engine(path).predict(LEVELS).ab
    assert ab.shape == (2, 64, 64)
    assert ab[0, 0, -1] == pytest.approx(50, abs=0.5)
    assert ab[1] == pytest.approx(-2 * ab[0])


def test_network_with_external_normalization(tmp_path: Path) -> None:
    """The input is (L* - 50) / 100 and the output ab / 110, as in an export without these layers."""
    spec = {"input": {"scale": 0.01, "offset": -0.5}, "size": {"px": 64}, "output": {"scale": 110.0}}
    ab = engine(write_model(tmp_path / "s.onnx", [[1.0], [-1.0]], [0, 0], spec)).predict(LEVELS).ab
    assert ab[0, 0, 0] == pytest.approx(-55, abs=0.5)
    assert ab[1] == pytest.approx(-ab[0])


def test_ddcolor(tmp_path: Path) -> None:
    """The input is the gray image as square RGB in [0, 1], the output is ab in CIELAB units."""
    spec = {"input": {"content": "grey", "channels": 3}, "size": {"rule": "square", "px": 64}}
    path = write_model(tmp_path / "d.onnx", [[1.0, 0, 0], [0, 0, 1.0]], [5, -5], spec)
    ab = engine(path).predict(np.full((50, 60), 51, np.float32)).ab
    assert ab[0] == pytest.approx(5.2, abs=1e-3)
    assert ab[1] == pytest.approx(-4.8, abs=1e-3)


def test_deoldify(tmp_path: Path) -> None:
    """Input and output have ImageNet's normalization, and only the chroma of the RGB output is used."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    spec = {
        "input": {"content": "luma", "channels": 3, "scale": (1 / std).tolist(), "offset": (-mean / std).tolist()},
        "size": {"rule": "square", "px": 64, "multiple_of": 16},
        "output": {"content": "rgb", "scale": std.tolist(), "offset": mean.tolist()},
    }
    wanted = np.array([0.6, 0.4, 0.3])
    path = write_model(tmp_path / "o.onnx", np.zeros((3, 3)), (wanted - mean) / std, spec)
    ab = engine(path).predict(LEVELS).ab
    assert ab[:, 10, 10] == pytest.approx(rgb2lab(wanted[None, None])[0, 0, 1:], abs=0.02)
    same = write_model(tmp_path / "i.onnx", np.eye(3), np.zeros(3), spec)
    assert np.abs(engine(same).predict(LEVELS).ab).max() < 0.1  # gray comes out grey: in and out undo each other


def test_chroma_by_lightness(tmp_path: Path) -> None:
    path = constant_ab(tmp_path / "m.onnx", 20, 10, size={"px": 64}, chroma_by_lightness=[(0, 0), (50, 1), (100, 1)])
    ab = engine(path).predict(LEVELS).ab
    expected = np.interp(lightness(LEVELS), (0, 50, 100), (0, 1, 1))
    assert ab[0] == pytest.approx(20 * expected, abs=0.1)
    with pytest.raises(ConfigError, match="rise"):
        find_colorizer(str(constant_ab(tmp_path / "n.onnx", 0, 0, chroma_by_lightness=[(50, 1), (0, 0)])))


def test_sizes() -> None:
    spec = SizeSpec(px=144, multiple_of=16)
    assert spec.size(3000, 4000) == (144, 192)
    assert spec.size(400, 300, 2) == (384, 288)
    assert spec.size(100, 10000) == (144, 432)


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_models_are_deterministic(name: str) -> None:
    shipped = Engine(find_colorizer(name))
    predicted = shipped.predict(LEVELS)
    assert shipped.gives_bins == (predicted.logits is not None)
    if predicted.logits is not None:
        assert predicted.logits.shape[0] == 313
    assert np.abs(predicted.ab).max() < 110
    again = shipped.predict(LEVELS)
    assert np.array_equal(predicted.ab, again.ab)


def test_models_that_do_not_match_their_record(tmp_path: Path) -> None:
    path = constant_ab(tmp_path / "m.onnx", 0, 0)
    for spec, words in (
        ({"input": {"name": "grey"}}, "has the inputs x, but its record requires grey"),
        ({"input": {"zeros": {"mask": 1}}}, "requires mask"),
        ({"output": {"name": "color"}}, "has the outputs y, but its record requires color"),
        ({"output": {"bins": "logits"}}, "requires y, logits"),
    ):
        constant_ab(path, 0, 0, **spec)
        with pytest.raises(UsageError, match=words):
            engine(path)
    constant_ab(path, 0, 0, output={"content": "rgb"})
    with pytest.raises(UsageError, match="states 3 channels"):
        engine(path).predict(LEVELS)
    constant_ab(path, 0, 0, input={"channels": 3})
    with pytest.raises(UsageError, match="does not run as its record states"):
        engine(path).predict(LEVELS)
    constant_ab(path, float("nan"), 0)
    with pytest.raises(UsageError, match="not finite"):
        engine(path).predict(LEVELS)


def test_invalid_model_files_and_devices(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"nothing")
    path.with_suffix(".yaml").write_text("name: m\n")
    with pytest.raises(UsageError, match="can't be loaded as an ONNX model"):
        engine(path)
    with pytest.raises(UsageError, match="unknown device"):
        Engine(find_colorizer(), device="tpu")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(UsageError, match="onnxruntime-gpu"):
            Engine(find_colorizer(), device="cuda")


@pytest.mark.slow
def test_onnx_runtime_reports_nothing_to_its_publisher(tmp_path: Path) -> None:
    """With telemetry, it stores the events and an ID of the device in the home folder until it can send them."""
    code = (
        "from chromalab.colorization.engine import Engine; "
        "from chromalab.weights.colorizers import find_colorizer; Engine(find_colorizer())"
    )
    silenced = {"CI", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME"}  # these would hide it
    environment = {name: value for name, value in os.environ.items() if name not in silenced and "ORT_" not in name}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment | {"HOME": str(tmp_path)})
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "onnxruntime" in str(path)] == []
