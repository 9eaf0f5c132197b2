"""VGG16 with batch normalization: published names, and every layer against NumPy and PyTorch's own modules."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from chromalab.core.errors import MissingWeightsError
from chromalab.nets.vgg16 import CONVOLUTIONS, layer_places
from chromalab.nets.vgg16_bn import VGG16BN, load_vgg16_bn
from chromalab.weights.adding import add_weights
from tests.nets.vgg_reference import PLACES, numpy_vgg16, random_statistics


def small() -> VGG16BN:
    network = VGG16BN(width=0.125, generator=torch.Generator().manual_seed(0))
    network.load_state_dict(random_statistics(network.state_dict(), 1))
    return network.double().requires_grad_(False)


def picture(height: int = 33, width: int = 40) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_the_names_and_shapes_are_the_published_ones() -> None:
    """torchvision's `vgg16_bn`: 13 convolutions, each followed by a normalization of as many channels."""
    channels = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    expected: dict[str, tuple[int, ...]] = {}
    for place, before, after in zip(PLACES[True], channels[:-1], channels[1:], strict=True):
        expected[f"features.{place}.weight"] = (after, before, 3, 3)
        expected[f"features.{place}.bias"] = (after,)
        for part in ("weight", "bias", "running_mean", "running_var"):
            expected[f"features.{place + 1}.{part}"] = (after,)
    with torch.device("meta"):
        state = VGG16BN().state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected


def test_layers_stand_where_torchvision_has_them() -> None:
    """BasicSR's `VGGFeatureExtractor` names them in this order: convolution, `bn`, `relu`; `pool` ends a stage."""
    expected = [(kind, place) for place in PLACES[True] for kind in ("conv", "bn", "relu")]
    places = layer_places(VGG16BN(width=0.01).features)
    assert list(places) == [f"{kind}{name}" for name in CONVOLUTIONS for kind in ("conv", "bn", "relu")]
    assert list(places.values()) == [place + ("conv", "bn", "relu").index(kind) for kind, place in expected]


@pytest.mark.parametrize("kind", ["conv", "bn", "relu"])
def test_every_output_of_a_kind_equals_numpy(kind: str) -> None:
    network, rgb = small(), picture()
    places = layer_places(network.features)
    names = [f"{kind}{name}" for name in CONVOLUTIONS]
    outputs = network.outputs(rgb, [places[name] for name in names])
    expected = numpy_vgg16(network.state_dict(), rgb)
    for name, output in zip(names, outputs, strict=True):
        torch.testing.assert_close(output, torch.from_numpy(expected[name]).contiguous(), msg=name, check_stride=False)


def test_outputs_of_all_kinds_at_once_are_kept_apart() -> None:
    network, rgb = small(), picture()
    places = layer_places(network.features)
    outputs = network.outputs(rgb, list(places.values()))
    for output, expected in zip(outputs, numpy_vgg16(network.state_dict(), rgb).values(), strict=True):
        torch.testing.assert_close(output, torch.from_numpy(expected).contiguous(), check_stride=False)


def test_equal_to_pytorchs_own_normalization_in_evaluation_mode() -> None:
    """Its modules take the same state dict, and don't need `num_batches_tracked` in it."""
    network, rgb = small(), picture()
    chain = nn.Sequential(*(theirs(layer) for layer in network.features)).double()
    chain.load_state_dict(network.features.state_dict())
    mean, std = torch.tensor([0.485, 0.456, 0.406]).double(), torch.tensor([0.229, 0.224, 0.225]).double()
    expected = chain.eval()((rgb - mean[:, None, None]) / std[:, None, None])
    torch.testing.assert_close(network.taps(rgb)[-1], expected, check_stride=False, rtol=1e-6, atol=1e-6)


def theirs(layer: nn.Module) -> nn.Module:
    state = layer.state_dict()
    return nn.BatchNorm2d(len(state["weight"])) if "running_var" in state else layer


def test_a_random_start_normalizes_nothing() -> None:
    network = VGG16BN(width=0.125, generator=torch.Generator().manual_seed(3))
    places = layer_places(network.features)
    before, after = network.outputs(picture().float(), [places["conv5_3"], places["bn5_3"]])
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-5)


def test_the_tensors_are_frozen_but_for_the_convolutions_whatever_the_mode() -> None:
    network = small().train()
    rgb = picture()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trained, evaluated = network.taps(rgb)[-1], network.eval().taps(rgb)[-1]
    assert torch.equal(trained, evaluated)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_stored_weights_are_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))
    with pytest.raises(MissingWeightsError, match="vgg16_bn"):
        load_vgg16_bn()
    stored = random_statistics(VGG16BN(generator=torch.Generator().manual_seed(3)).state_dict(), 4)
    save_file({**stored, "features.1.num_batches_tracked": torch.tensor(1)}, tmp_path / "mine.safetensors")
    add_weights(tmp_path / "mine.safetensors")
    loaded = load_vgg16_bn().state_dict()
    assert loaded.keys() == stored.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in stored.items())
