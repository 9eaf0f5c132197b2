"""VGG16's convolutional part: its published shapes, random starts, and pictures of any size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from chromalab.core.errors import MissingWeightsError
from chromalab.nets.vgg16 import TAP_CHANNELS, TAP_STRIDES, VGG16, load_vgg16
from chromalab.weights.adding import add_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=generator(7))


def test_parameters_are_as_many_as_published() -> None:
    """Table 2 of the paper says 138 M, of which 123.6 M are the classifier's: 138,357,544 - 123,642,856."""
    count = sum(parameter.numel() for parameter in VGG16(generator=generator()).parameters())
    assert count == 138_357_544 - 123_642_856


@pytest.mark.parametrize(("height", "width"), [(64, 96), (49, 75), (1, 1), (1, 33), (2, 5)])
def test_taps_have_the_stated_shapes_at_any_size(height: int, width: int) -> None:
    network = VGG16(width=0.125, generator=generator())
    taps = network.taps(picture(height, width))
    assert network.tap_channels == (8, 16, 32, 64, 64)
    assert [tuple(tap.shape) for tap in taps] == [
        (1, channels, max(height // stride, 1), max(width // stride, 1))
        for channels, stride in zip(network.tap_channels, network.tap_strides, strict=True)
    ]


def test_taps_are_the_last_relu_of_every_stage() -> None:
    """Written again from Table 1, column D: 2, 2, 3, 3, 3 convolutions, with 2x2 pooling between."""
    network = VGG16(width=0.25, generator=generator())
    convolutions = [layer for layer in network.features if isinstance(layer, nn.Conv2d)]
    rgb = picture(40, 50)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (rgb - mean[:, None, None]) / std[:, None, None]
    for tap, count in zip(network.taps(rgb), (2, 2, 3, 3, 3), strict=True):
        for convolution in [convolutions.pop(0) for _ in range(count)]:
            x = convolution(x).clamp(min=0)
        torch.testing.assert_close(tap, x)
        x = functional.max_pool2d(x, 2)
    assert not convolutions


def test_facts_of_full_width() -> None:
    network = VGG16(generator=generator())
    assert network.tap_channels == TAP_CHANNELS == (64, 128, 256, 512, 512)
    assert network.tap_strides == TAP_STRIDES == (1, 2, 4, 8, 16)
    assert [name for name in network.state_dict() if name.endswith("weight")] == [
        f"features.{place}.weight" for place in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    ]


def test_random_weights_are_he_normal_and_belong_to_their_generator() -> None:
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
