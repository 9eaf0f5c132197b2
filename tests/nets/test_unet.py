from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from chromalab.color.bins import BIN_CENTERS
from chromalab.color.spaces import SPACES
from chromalab.core.errors import ConfigError
from chromalab.nets.unet import Colorizer
from chromalab.training.build import build_colorizer
from chromalab.training.settings import NetworkSettings

NARROW_VGG = NetworkSettings(encoder="vgg16", pretrained=False, width=0.125)
LITE0 = NetworkSettings()


@pytest.mark.parametrize("settings", [LITE0, NARROW_VGG], ids=["lite0", "vgg16"])
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (1, 1), (96, 130)])
@pytest.mark.parametrize("space", list(SPACES))
def test_any_size_comes_out_at_its_size(settings: NetworkSettings, size: tuple[int, int], space: str) -> None:
    network, _ = build_colorizer(settings, space, 0)
    with torch.inference_mode():
        color = network(torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))).color
        rgb = network.colorize(torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)))
    assert color.shape == (2, SPACES[space].channels, *size)
    assert color.isfinite().all()
    assert rgb.shape == (2, 3, *size)
    assert rgb.min() >= 0
    assert rgb.max() <= 1


@pytest.mark.parametrize("space", ["lab", "yuv"])
def test_the_input_lightness_is_kept_where_colours_stay_in_gamut(space: str) -> None:
    network, _ = build_colorizer(LITE0, space, 0)
    rgb = 0.5 + 0.1 * torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before, _ = SPACES[space].encode(rgb)
    with torch.inference_mode():
        raw = SPACES[space].decode(before, network(before).color)
        after, _ = SPACES[space].encode(network.colorize(rgb))
    inside = ((raw >= 0) & (raw <= 1)).all(dim=1, keepdim=True)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(after[inside], before[inside], atol=1e-4, rtol=0)


def test_the_light_network_keeps_its_promises() -> None:
    network, start = build_colorizer(LITE0, "lab", 0)
    assert sum(parameter.numel() for parameter in network.parameters()) <= 6_000_000
    assert "ImageNet" in start
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, 256, 256))
    assert counter.get_total_flops() <= 10e9


def test_initial_weights_depend_on_the_seed_alone() -> None:
    first, second, other = (build_colorizer(LITE0, "lab", seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["unet.head.weight"], other["unet.head.weight"])
    in_rgb = build_colorizer(LITE0, "rgb", 3)[0].state_dict()
    differing = {
        name for name in first if first[name].shape != in_rgb[name].shape or not first[name].equal(in_rgb[name])
    }
    assert differing == {"unet.head.weight", "unet.head.bias"}


def test_training_starts_near_grey() -> None:
    network, _ = build_colorizer(LITE0, "lab", 0)
    with torch.inference_mode():
        color = network(torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(0))).color
    assert color.abs().mean() < 0.15


def heads(*needs: str, color_from: Literal["auto", "head", "bins"] = "auto") -> Colorizer:
    return build_colorizer(NetworkSettings(color_from=color_from), "lab", 0, needs)[0]


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (1, 1), (5, 8)])
def test_the_bins_head_gives_logits_at_a_quarter_and_colours_at_full_size(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        prediction = heads("bins")(torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0)))
    assert prediction.color.shape == (2, 2, *size)
    assert prediction.bin_logits is not None
    assert prediction.bin_logits.shape == (2, 313, *(math.ceil(side / 4) for side in size))
    assert prediction.class_logits is None


def test_the_colour_is_the_annealed_mean_of_the_bins() -> None:
    network = heads("bins")
    with torch.inference_mode():
        prediction = network(torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert prediction.bin_logits is not None
    shares = torch.softmax(prediction.bin_logits.double() / 0.38, dim=1)
    ab = torch.einsum("bqhw,qc->bchw", shares, torch.from_numpy(BIN_CENTERS.copy())) / 110
    expected = nn.functional.interpolate(ab, scale_factor=4, mode="bilinear")
    torch.testing.assert_close(prediction.color.double(), expected, atol=1e-5, rtol=0)


def test_a_head_that_one_objective_needs_changes_nothing_for_the_others() -> None:
    plain, auxiliary, bins = heads(), heads("bins", "classes", color_from="head"), heads("bins", "prior")
    first, second, third = (network.state_dict() for network in (plain, auxiliary, bins))
    assert all(torch.equal(first[name], second[name]) for name in first)
    shared = first.keys() & third.keys()
    assert any("levels" in name for name in shared)
    assert all(torch.equal(first[name], third[name]) for name in shared)
    lightness = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(plain(lightness).color, auxiliary(lightness).color)
        assert auxiliary(lightness).class_logits.shape == (1, 1000)
    assert torch.equal(second["unet.bins_head.weight"], third["unet.bins_head.weight"])


def test_a_network_of_bins_has_no_weight_without_a_gradient() -> None:
    network = heads("bins", "classes")
    prediction = network(torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    (prediction.color.sum() + prediction.class_logits.sum()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_bins_are_bins_of_lab() -> None:
    with pytest.raises(ConfigError, match="train in the space lab, not in yuv"):
        build_colorizer(LITE0, "yuv", 0, {"bins"})
