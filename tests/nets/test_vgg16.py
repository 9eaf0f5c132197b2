"""VGG16 with and without batch normalization equals torchvision and independent implementations."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from chromalab.core.errors import MissingWeightsError
from chromalab.nets.vgg16 import (
    CONVOLUTIONS,
    TAP_CHANNELS,
    TAP_STRIDES,
    VGG16,
    VGG16BN,
    layer_places,
    load_vgg16,
    load_vgg16_bn,
)
from chromalab.weights.adding import add_weights
from tests.nets.vgg_reference import PLACES, numpy_vgg16, random_statistics

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=generator(7))


def test_the_number_of_parameters_is_the_published_one() -> None:
    """Table 2 of the paper gives 138 M, of which 123.6 M belong to the classifier: 138,357,544 - 123,642,856."""
    count = sum(parameter.numel() for parameter in VGG16(generator=generator()).parameters())
    assert count == 138_357_544 - 123_642_856


@pytest.mark.parametrize(("height", "width"), [(64, 96), (49, 75), (1, 1), (1, 33), (2, 5)])
def test_taps_have_the_stated_shapes_at_any_size(height: int, width: int) -> None:
    network = VGG16(width=0.125, generator=generator())
    taps = network.taps(image(height, width))
    assert network.tap_channels == (8, 16, 32, 64, 64)
    assert [tuple(tap.shape) for tap in taps] == [
        (1, channels, max(height // stride, 1), max(width // stride, 1))
        for channels, stride in zip(network.tap_channels, network.tap_strides, strict=True)
    ]


def test_taps_are_the_last_relu_of_every_stage() -> None:
    """Independent implementation of Table 1, column D: 2, 2, 3, 3, 3 convolutions with 2x2 pooling between."""
    network = VGG16(width=0.25, generator=generator())
    convolutions = [layer for layer in network.features if isinstance(layer, nn.Conv2d)]
    rgb = image(40, 50)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (rgb - mean[:, None, None]) / std[:, None, None]
    for tap, count in zip(network.taps(rgb), (2, 2, 3, 3, 3), strict=True):
        for convolution in [convolutions.pop(0) for _ in range(count)]:
            x = convolution(x).clamp(min=0)
        torch.testing.assert_close(tap, x)
        x = functional.max_pool2d(x, 2)
    assert not convolutions


def test_taps_and_names_at_full_width() -> None:
    network = VGG16(generator=generator())
    assert network.tap_channels == TAP_CHANNELS == (64, 128, 256, 512, 512)
    assert network.tap_strides == TAP_STRIDES == (1, 2, 4, 8, 16)
    assert [name for name in network.state_dict() if name.endswith("weight")] == [
        f"features.{place}.weight" for place in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    ]


def test_random_weights_are_he_normal_and_depend_only_on_their_generator() -> None:
    before = torch.get_rng_state()
    first, again, other = (VGG16(width=0.5, generator=generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    kernel = first.state_dict()["features.28.weight"]
    assert torch.equal(kernel, again.state_dict()["features.28.weight"])
    assert not torch.equal(kernel, other.state_dict()["features.28.weight"])
    assert kernel.std().item() == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.01)
    assert not first.state_dict()["features.28.bias"].any()


@pytest.mark.parametrize("width", [0.001, 0.3])
def test_width_rounds_channels_to_at_least_one(width: float) -> None:
    expected = tuple(max(1, round(count * width)) for count in (64, 128, 256, 512, 512))
    assert VGG16(width=width, generator=generator()).tap_channels == expected


@pytest.mark.slow
def test_stored_weights_are_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))
    with pytest.raises(MissingWeightsError, match="vgg16"):
        load_vgg16()
    stored = VGG16(generator=generator(3))
    save_file(stored.state_dict(), tmp_path / "mine.safetensors")
    add_weights(tmp_path / "mine.safetensors")
    loaded = load_vgg16()
    for name, tensor in stored.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_names_and_shapes_are_the_published_ones(shared: Path) -> None:
    """Table 1, column D; the file contains the first four layers as published by torchvision."""
    channels = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    expected: dict[str, tuple[int, ...]] = {}
    for place, before, after in zip(PLACES[False], channels[:-1], channels[1:], strict=True):
        expected |= {f"features.{place}.weight": (after, before, 3, 3), f"features.{place}.bias": (after,)}
    with torch.device("meta"):
        state = VGG16().state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected
    published = load_file(shared / "data" / "weights" / "vgg16_features_to_relu2_2.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in published.items()}.items() <= expected.items()


def test_the_first_two_taps_with_the_published_weights_equal_numpy(shared: Path) -> None:
    published = load_file(shared / "data" / "weights" / "vgg16_features_to_relu2_2.safetensors")
    assert published["features.0.weight"][0, 0, 0].tolist() == pytest.approx([-0.5537, 0.1427, 0.5290], abs=0.6e-4)
    network = VGG16(generator=generator()).requires_grad_(False)
    network.load_state_dict(published, strict=False)
    rgb = image(24, 20)
    expected = numpy_vgg16(network.state_dict(), rgb)
    taps = network.taps(rgb)
    for tap, name in zip(taps[:2], ("relu1_2", "relu2_2"), strict=True):
        torch.testing.assert_close(tap.double(), torch.from_numpy(expected[name]).contiguous(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kinds", [("conv",), ("relu",), ("conv", "relu")])
def test_every_output_equals_numpy_and_is_not_overwritten(kinds: tuple[str, ...]) -> None:
    network = VGG16(width=0.125, generator=generator())
    network.load_state_dict(random_statistics(network.state_dict(), 1))
    network.double().requires_grad_(False)
    rgb, places = image(33, 40).double(), layer_places(network.features)
    names = [name for name in places if name.startswith(kinds)]
    expected = numpy_vgg16(network.state_dict(), rgb)
    outputs = network.outputs(rgb, [places[name] for name in names])
    assert len(names) == len(kinds) * len(CONVOLUTIONS)
    for name, output in zip(names, outputs, strict=True):
        torch.testing.assert_close(output, torch.from_numpy(expected[name]).contiguous(), msg=name)


def test_layer_indices_equal_torchvision() -> None:
    places = layer_places(VGG16(width=0.01).features)
    assert [places[f"conv{name}"] for name in CONVOLUTIONS] == list(PLACES[False])
    assert [places[f"relu{name}"] for name in CONVOLUTIONS] == [place + 1 for place in PLACES[False]]


def test_layers_after_the_last_requested_output_are_not_run() -> None:
    network = VGG16(width=0.125, generator=generator())
    ran = []
    for place, layer in enumerate(network.features):
        layer.register_forward_hook(lambda *_, place=place: ran.append(place))
    network.outputs(image(16, 16), [2, 8])
    assert ran == [0, 1, 2, 4, 5, 6, 7, 8]  # the rectifier at 3 must not work in place, so a function replaces it


def small() -> VGG16BN:
    network = VGG16BN(width=0.125, generator=generator(0))
    network.load_state_dict(random_statistics(network.state_dict(), 1))
    return network.double().requires_grad_(False)


def images() -> Tensor:
    return torch.rand(2, 3, 33, 40, generator=generator(2), dtype=torch.float64)


def test_names_and_shapes_with_batch_norm_are_the_published_ones() -> None:
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


def test_layer_indices_with_batch_norm_equal_torchvision() -> None:
    """BasicSR's `VGGFeatureExtractor` names them in this order: convolution, `bn`, `relu`; `pool` ends a stage."""
    expected = [(kind, place) for place in PLACES[True] for kind in ("conv", "bn", "relu")]
    places = layer_places(VGG16BN(width=0.01).features)
    assert list(places) == [f"{kind}{name}" for name in CONVOLUTIONS for kind in ("conv", "bn", "relu")]
    assert list(places.values()) == [place + ("conv", "bn", "relu").index(kind) for kind, place in expected]


@pytest.mark.parametrize("kind", ["conv", "bn", "relu"])
def test_every_output_with_batch_norm_equals_numpy(kind: str) -> None:
    network, rgb = small(), images()
    places = layer_places(network.features)
    names = [f"{kind}{name}" for name in CONVOLUTIONS]
    outputs = network.outputs(rgb, [places[name] for name in names])
    expected = numpy_vgg16(network.state_dict(), rgb)
    for name, output in zip(names, outputs, strict=True):
        torch.testing.assert_close(output, torch.from_numpy(expected[name]).contiguous(), msg=name, check_stride=False)


def test_all_outputs_with_batch_norm_at_once_equal_numpy() -> None:
    network, rgb = small(), images()
    places = layer_places(network.features)
    outputs = network.outputs(rgb, list(places.values()))
    for output, expected in zip(outputs, numpy_vgg16(network.state_dict(), rgb).values(), strict=True):
        torch.testing.assert_close(output, torch.from_numpy(expected).contiguous(), check_stride=False)


def test_batch_norm_equals_pytorch_in_evaluation_mode() -> None:
    """PyTorch's modules accept the same state dict, and don't require `num_batches_tracked`."""
    network, rgb = small(), images()
    chain = nn.Sequential(*(theirs(layer) for layer in network.features)).double()
    chain.load_state_dict(network.features.state_dict())
    mean, std = torch.tensor([0.485, 0.456, 0.406]).double(), torch.tensor([0.229, 0.224, 0.225]).double()
    expected = chain.eval()((rgb - mean[:, None, None]) / std[:, None, None])
    torch.testing.assert_close(network.taps(rgb)[-1], expected, check_stride=False, rtol=1e-6, atol=1e-6)


def theirs(layer: nn.Module) -> nn.Module:
    state = layer.state_dict()
    return nn.BatchNorm2d(len(state["weight"])) if "running_var" in state else layer


def test_initial_batch_norm_is_the_identity() -> None:
    network = VGG16BN(width=0.125, generator=generator(3))
    places = layer_places(network.features)
    before, after = network.outputs(images().float(), [places["conv5_3"], places["bn5_3"]])
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-5)


def test_batch_norm_is_frozen_in_every_mode() -> None:
    network = small().train()
    rgb = images()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trained, evaluated = network.taps(rgb)[-1], network.eval().taps(rgb)[-1]
    assert torch.equal(trained, evaluated)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.slow
def test_stored_weights_with_batch_norm_are_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))
    with pytest.raises(MissingWeightsError, match="vgg16_bn"):
        load_vgg16_bn()
    stored = random_statistics(VGG16BN(generator=generator(3)).state_dict(), 4)
    save_file({**stored, "features.1.num_batches_tracked": torch.tensor(1)}, tmp_path / "mine.safetensors")
    add_weights(tmp_path / "mine.safetensors")
    loaded = load_vgg16_bn().state_dict()
    assert loaded.keys() == stored.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in stored.items())
