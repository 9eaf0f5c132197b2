"""Networks as ONNX files: ONNX Runtime gives what PyTorch gives, at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import torch

from chromalab.color.spaces import SPACES
from chromalab.core.errors import UsageError
from chromalab.training.build import build_colorizer
from chromalab.training.export import export_colorizer
from chromalab.training.onnx_graph import colorizer_graph
from chromalab.training.settings import NetworkSettings

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.nets.unet import Colorizer

SIZES = [(64, 96), (33, 47), (160, 144), (1, 1)]
SMALL_VGG = NetworkSettings(encoder="vgg16", pretrained=False, width=0.25)


def colorizer(settings: NetworkSettings, space: str, needs: set[str]) -> Colorizer:
    """Return a network whose colours are as strong as a trained one's: a new one is nearly grey whatever it sees."""
    network, _ = build_colorizer(settings, space, 0, needs)
    with torch.no_grad():
        for head in (network.unet.head, network.unet.bins_head):
            if head is not None:
                head.weight.mul_(5 if head is network.unet.bins_head else 3)
    return network.eval()


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def torch_color(network: Colorizer, lightness: np.ndarray) -> np.ndarray:
    """Return ab in CIELAB units for Lab, else RGB."""
    with torch.no_grad():
        x = torch.from_numpy(lightness)
        color = network(x).color
        return (color * 110 if network.space.name == "lab" else network.space.decode(x, color)).numpy()


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("settings", "space", "needs"),
    [
        (NetworkSettings(), "lab", {"bins"}),
        (NetworkSettings(), "lab", set()),
        (NetworkSettings(), "yuv", set()),
        (NetworkSettings(), "rgb", set()),
        (NetworkSettings(color_from="head"), "lab", {"bins"}),
        (SMALL_VGG, "lab", set()),
    ],
)
def test_parity(
    tmp_path: Path, settings: NetworkSettings, space: str, needs: set[str], size: tuple[int, int], half: bool
) -> None:
    network = colorizer(settings, space, needs)
    path = tmp_path / "m.onnx"
    spec = export_colorizer(network, path, name="m", half=half)
    lightness = np.random.default_rng(0).random((1, 1, *size), dtype=np.float32)
    given = session(path).run([spec.output.name], {"lightness": lightness})[0]
    expected = torch_color(network, lightness)
    assert given.shape == expected.shape
    scale = 1 if space == "lab" else 100
    assert np.abs(given - expected).max() * scale < (0.5 if half else 0.01)
    assert size == (1, 1) or np.abs(expected).max() * scale > 5


def test_logits_come_along(tmp_path: Path) -> None:
    network = colorizer(NetworkSettings(), "lab", {"bins"})
    spec = export_colorizer(network, tmp_path / "m.onnx", name="m", half=False)
    lightness = np.random.default_rng(0).random((1, 1, 50, 70), dtype=np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(lightness)).bin_logits
    assert expected is not None
    logits = session(tmp_path / "m.onnx").run([spec.output.bins], {"lightness": lightness})[0]
    assert np.abs(logits - expected.numpy()).max() < 1e-3


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    network = colorizer(NetworkSettings(), "lab", set())
    whole, half = (len(colorizer_graph(network, half=half).SerializeToString()) for half in (False, True))
    assert half < 0.55 * whole


def test_unknown_encoders_are_refused() -> None:
    network = colorizer(NetworkSettings(), "lab", set())
    network.unet.encoder = torch.nn.Identity()
    with pytest.raises(UsageError, match="no ONNX form of the encoder Identity"):
        colorizer_graph(network, half=True)
    assert SPACES["lab"].name == "lab"
