"""Exported networks give the same output in ONNX Runtime as in PyTorch, at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import torch

from chromalab.color.bins import BIN_COUNT
from chromalab.color.spaces import SPACES
from chromalab.core.errors import UsageError
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import MODEL, save_model
from chromalab.training.export import colorizer_graph, export_colorizer
from chromalab.training.settings import NetworkSettings, TrainingSettings, settings_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.nets.unet import Colorizer

SIZES = [(33, 47), *(pytest.param(size, marks=pytest.mark.slow) for size in ((64, 96), (160, 144), (1, 1)))]
STRIDE_4 = NetworkSettings(
    encoder="efficientnet_lite1", color_from="mean", head_stride=4, context=True, decoder_width=0.5
)
SMALL_VGG = NetworkSettings(encoder="vgg16", pretrained=False, width=0.25)


def colorizer(settings: NetworkSettings, space: str, needs: set[str]) -> Colorizer:
    """Return a network with strong colors, because the output of a new network is nearly gray."""
    network, _ = build_colorizer(settings, space, 0, needs)
    strength = 3 if settings.head_stride == 1 else 1  # the wider decoder's colors are strong enough
    with torch.no_grad():
        for head in (network.unet.head, network.unet.bins_head):
            if head is not None:
                head.weight.mul_(5 * strength / 3 if head is network.unet.bins_head else strength)
    return network.eval()


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def torch_color(network: Colorizer, lightness: np.ndarray) -> np.ndarray:
    """Return ab in CIELAB units for Lab, and RGB for other spaces."""
    with torch.no_grad():
        x = torch.from_numpy(lightness)
        color = network.color(x)
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
        (STRIDE_4, "lab", {"bins"}),
        (STRIDE_4.model_copy(update={"color_from": "bins"}), "lab", {"bins"}),
        (STRIDE_4.model_copy(update={"color_from": "head", "context": False}), "yuv", set()),
    ],
)
def test_onnx_runtime_equals_pytorch(
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


@pytest.mark.slow
def test_logits_are_exported(tmp_path: Path) -> None:
    network = colorizer(NetworkSettings(), "lab", {"bins"})
    spec = export_colorizer(network, tmp_path / "m.onnx", name="m", half=False)
    lightness = np.random.default_rng(0).random((1, 1, 50, 70), dtype=np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(lightness)).bin_logits
    assert expected is not None
    outputs = [spec.output.bins, spec.output.name]
    logits, color = session(tmp_path / "m.onnx").run(outputs, {"lightness": lightness})
    assert np.abs(logits - expected.numpy()).max() < 1e-3
    # The distribution is without the weights of the training, w p / sum(w p) / w, and the color is not.
    weights = np.random.default_rng(1).uniform(0.3, 2.2, BIN_COUNT)
    export_colorizer(network, tmp_path / "w.onnx", name="w", half=False, bin_weights=weights)
    undone, same = session(tmp_path / "w.onnx").run(outputs, {"lightness": lightness})
    weighted = torch.softmax(expected, dim=1).numpy() / weights.reshape(1, -1, 1, 1)
    share = torch.softmax(torch.from_numpy(undone), dim=1).numpy()
    assert share == pytest.approx(weighted / weighted.sum(axis=1, keepdims=True), rel=1e-3)
    assert np.array_equal(same, color)


@pytest.mark.slow
def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    network = colorizer(NetworkSettings(), "lab", set())
    whole, half = (len(colorizer_graph(network, half=half).SerializeToString()) for half in (False, True))
    assert half < 0.55 * whole


def test_unknown_encoders_are_rejected() -> None:
    network = colorizer(NetworkSettings(), "lab", set())
    network.unet.encoder = torch.nn.Identity()
    with pytest.raises(UsageError, match="no ONNX form of the encoder Identity"):
        colorizer_graph(network, half=True)
    assert SPACES["lab"].name == "lab"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_a_training_can_start_from_an_exported_model(tmp_path: Path, kind: str) -> None:
    trained = colorizer(NetworkSettings(), "lab", {"bins"})
    if kind == "onnx":
        path = tmp_path / "m.onnx"
        export_colorizer(trained, path, name="m", half=False)
    else:
        save_model(tmp_path, trained)
        path = tmp_path / MODEL
    again, start = build_colorizer(NetworkSettings(start=str(path)), "lab", 7, {"bins"})
    for (name, mine), (_, theirs) in zip(again.state_dict().items(), trained.state_dict().items(), strict=True):
        assert torch.equal(mine, theirs), name
    assert path.name in start
    other, start = build_colorizer(NetworkSettings(start=str(path)), "rgb", 7, set())
    assert torch.equal(other.unet.levels[0].weight, trained.unet.levels[0].weight)  # type: ignore[arg-type]
    assert "of" in start


def test_starting_from_the_shipped_model() -> None:
    network, start = build_colorizer(NetworkSettings(start="perceptual"), "lab", 0)
    assert "perceptual.onnx" in start
    count = len(network.state_dict())
    assert f"{count} of {count} tensors" in start


def test_weights_of_another_network_are_refused_with_its_settings() -> None:
    # The layers of Lite0 and Lite1 have the same names, and some of them the same shapes.
    with pytest.raises(UsageError, match=r"flagship.onnx: only \d+ of the \d+ tensors of the encoder") as refused:
        build_colorizer(NetworkSettings(start="flagship"), "lab", 0, {"bins"})
    assert "--encoder efficientnet_lite1 --head-stride 4 --context" in str(refused.value)
    assert "network: {encoder: efficientnet_lite1, head_stride: 4, context: true}" in str(refused.value)


@pytest.mark.slow
def test_the_stated_settings_take_the_weights(tmp_path: Path) -> None:
    taken = {"encoder": "efficientnet_lite1", "head_stride": 4, "context": True, "start": "flagship"}
    _, start = build_colorizer(NetworkSettings.model_validate(taken), "lab", 0, {"bins"})
    assert start.startswith("flagship.onnx")
    narrow = {"encoder": "vgg16", "pretrained": False, "width": 0.25, "head_stride": 4, "decoder_width": 0.5}
    save_model(tmp_path, colorizer(NetworkSettings.model_validate(narrow), "lab", set()))
    with pytest.raises(UsageError, match=r"--encoder vgg16 --encoder-width 0\.25 --head-stride 4 --decoder-width 0\.5"):
        build_colorizer(NetworkSettings(start=str(tmp_path / MODEL)), "lab", 0)
    _, start = build_colorizer(NetworkSettings(**narrow, start=str(tmp_path / MODEL)), "lab", 0)
    count = len(colorizer(NetworkSettings.model_validate(narrow), "lab", set()).state_dict())
    assert f"{count} of {count} tensors" in start


@pytest.mark.slow
def test_unsuitable_initial_weights_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        build_colorizer(NetworkSettings(start=str(tmp_path / "none.safetensors")), "lab", 0)
    for name in ("bad.safetensors", "bad.onnx"):
        (tmp_path / name).write_bytes(b"nothing of use")
        with pytest.raises(UsageError, match="can't be read"):
            build_colorizer(NetworkSettings(start=str(tmp_path / name)), "lab", 0)
    other = colorizer(SMALL_VGG, "lab", set())
    save_model(tmp_path, other.unet.encoder)
    with pytest.raises(UsageError, match="none of its"):
        build_colorizer(NetworkSettings(start=str(tmp_path / MODEL)), "lab", 0)


@pytest.mark.slow
def test_the_hash_does_not_depend_on_the_path_of_the_start(tmp_path: Path) -> None:
    trained = colorizer(NetworkSettings(), "lab", {"bins"})
    hashes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_model(tmp_path / name, trained)
        settings = TrainingSettings(network=NetworkSettings(start=str(tmp_path / name / MODEL)))
        hashes.add(settings_sha256(settings.deciding()))
    assert len(hashes) == 1
    assert settings_sha256(TrainingSettings().deciding()) not in hashes
    assert "start" not in str(TrainingSettings().deciding())
