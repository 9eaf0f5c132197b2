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
from chromalab.nets.unet import STRIDE_4_WIDTHS, Colorizer, Level
from chromalab.training.build import build_colorizer
from chromalab.training.settings import NetworkSettings

NARROW_VGG = NetworkSettings(encoder="vgg16", pretrained=False, width=0.125)
LITE0 = NetworkSettings()


@pytest.mark.parametrize("settings", [LITE0, NARROW_VGG], ids=["lite0", "vgg16"])
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (1, 1), pytest.param((96, 130), marks=pytest.mark.slow)])
@pytest.mark.parametrize("space", list(SPACES))
def test_outputs_have_the_size_of_the_input(settings: NetworkSettings, size: tuple[int, int], space: str) -> None:
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
def test_the_input_lightness_is_kept_inside_the_gamut(space: str) -> None:
    network, _ = build_colorizer(LITE0, space, 0)
    rgb = 0.5 + 0.1 * torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before, _ = SPACES[space].encode(rgb)
    with torch.inference_mode():
        raw = SPACES[space].decode(before, network(before).color)
        after, _ = SPACES[space].encode(network.colorize(rgb))
    inside = ((raw >= 0) & (raw <= 1)).all(dim=1, keepdim=True)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(after[inside], before[inside], atol=1e-4, rtol=0)


@pytest.mark.slow
def test_the_baseline_network_meets_its_specification() -> None:
    network, start = build_colorizer(LITE0, "lab", 0)
    assert sum(parameter.numel() for parameter in network.parameters()) <= 6_000_000
    assert "ImageNet" in start
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, 256, 256))
    assert counter.get_total_flops() <= 10e9


def test_initial_weights_depend_only_on_the_seed() -> None:
    first, second, other = (build_colorizer(LITE0, "lab", seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["unet.head.weight"], other["unet.head.weight"])
    in_rgb = build_colorizer(LITE0, "rgb", 3)[0].state_dict()
    differing = {
        name for name in first if first[name].shape != in_rgb[name].shape or not first[name].equal(in_rgb[name])
    }
    assert differing == {"unet.head.weight", "unet.head.bias"}


def test_initial_colors_are_nearly_gray() -> None:
    network, _ = build_colorizer(LITE0, "lab", 0)
    with torch.inference_mode():
        color = network(torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(0))).color
    assert color.abs().mean() < 0.15


def heads(*needs: str, color_from: Literal["auto", "head", "bins"] = "auto") -> Colorizer:
    return build_colorizer(NetworkSettings(color_from=color_from), "lab", 0, needs)[0]


@pytest.mark.slow
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (1, 1), (5, 8)])
def test_the_bins_head_gives_logits_at_a_quarter_and_colors_at_full_size(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        prediction = heads("bins")(torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0)))
    assert prediction.color.shape == (2, 2, *size)
    assert prediction.bin_logits is not None
    assert prediction.bin_logits.shape == (2, 313, *(math.ceil(side / 4) for side in size))
    assert prediction.class_logits is None


def test_the_color_is_the_annealed_mean_of_the_bins() -> None:
    network = heads("bins")
    with torch.inference_mode():
        prediction = network(torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert prediction.bin_logits is not None
    shares = torch.softmax(prediction.bin_logits.double() / 0.38, dim=1)
    ab = torch.einsum("bqhw,qc->bchw", shares, torch.from_numpy(BIN_CENTERS.copy())) / 110
    expected = nn.functional.interpolate(ab, scale_factor=4, mode="bilinear")
    torch.testing.assert_close(prediction.color.double(), expected, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_an_additional_head_does_not_change_other_weights() -> None:
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


@pytest.mark.slow
def test_every_weight_of_a_bins_network_has_a_gradient() -> None:
    network = heads("bins", "classes")
    prediction = network(torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    (prediction.color.sum() + prediction.class_logits.sum()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_bins_require_the_lab_space() -> None:
    with pytest.raises(ConfigError, match="train in the space lab, not in yuv"):
        build_colorizer(LITE0, "yuv", 0, {"bins"})


FLAGSHIP = NetworkSettings(encoder="efficientnet_lite1", color_from="mean", head_stride=4, context=True)
ColorSource = Literal["head", "bins", "mean"]


def stride_4(
    color_from: ColorSource = "head",
    *,
    context: bool = True,
    width: float = 0.5,
    encoder: NetworkSettings = NARROW_VGG,
) -> Colorizer:
    settings = encoder.model_copy(
        update={"color_from": color_from, "head_stride": 4, "context": context, "decoder_width": width}
    )
    return build_colorizer(settings, "lab", 0)[0]


def gray_image(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
@pytest.mark.parametrize("encoder", [LITE0, NARROW_VGG], ids=["lite0", "vgg16"])
@pytest.mark.parametrize(("color_from", "context"), [("head", False), ("bins", True), ("mean", False), ("mean", True)])
def test_the_stride_4_network_accepts_any_size(
    encoder: NetworkSettings, color_from: ColorSource, context: bool
) -> None:
    network = stride_4(color_from, context=context, encoder=encoder)
    for height, width in [(1, 1), (1, 7), (2, 3), (4, 4), (5, 8), (33, 47), (64, 96)]:
        with torch.inference_mode():
            prediction = network(gray_image(height, width))
            color = network.color(gray_image(height, width))
        assert color.shape == prediction.color.shape == (1, 2, height, width)
        assert color.isfinite().all()
        if color_from == "head":
            assert prediction.bin_logits is None
        elif encoder == LITE0:  # VGG16 rounds odd sizes down
            assert prediction.bin_logits.shape == (1, 313, math.ceil(height / 4), math.ceil(width / 4))


def test_the_mean_uses_both_heads_and_training_the_color_head() -> None:
    mean, head, bins = (stride_4(color_from) for color_from in ("mean", "head", "bins"))
    for network in (head, bins):
        network.load_state_dict({name: mean.state_dict()[name] for name in network.state_dict()})
    x = gray_image(32, 48)
    with torch.inference_mode():
        colors = [network.color(x) for network in (mean, head, bins)]
        assert torch.equal(mean(x).color, colors[1])
        assert torch.equal(mean(x).bin_logits, bins(x).bin_logits)
    assert (colors[1] - colors[2]).abs().max() > 0.01
    torch.testing.assert_close(colors[0], (colors[1] + colors[2]) / 2)


def test_colorize_uses_the_mean_of_both_heads() -> None:
    network = stride_4("mean")
    rgb = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    lightness, _ = SPACES["lab"].encode(rgb)
    with torch.inference_mode():
        expected = SPACES["lab"].decode(lightness, network.color(lightness)).clamp(0, 1)
        trained = SPACES["lab"].decode(lightness, network(lightness).color).clamp(0, 1)
        assert torch.equal(network.colorize(rgb), expected)
    assert not torch.equal(trained, expected)


def changed_pixels(network: Colorizer) -> torch.Tensor:
    """Return a mask of the pixels of 512x512 whose color changes with the last 16x16 pixels."""
    before = gray_image(512, 512)
    after = before.clone()
    after[:, :, -16:, -16:] = 1 - after[:, :, -16:, -16:]
    with torch.inference_mode():
        return (network.color(before) != network.color(after)).any(dim=1)[0]


@pytest.mark.slow
def test_only_the_context_transmits_a_change_to_all_pixels() -> None:
    without, with_context = (changed_pixels(stride_4(context=context)) for context in (False, True))
    assert without[-16:, -16:].float().mean() > 0.9
    assert not without[:64, :64].any()
    assert with_context[:64, :64].float().mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("width", "expected"), [(1, [320, 192, 128]), (0.5, [160, 96, 64]), (0.01, [8, 8, 8])])
def test_the_levels_have_the_requested_widths(width: float, expected: list[int]) -> None:
    network = stride_4(width=width, encoder=LITE0)
    levels = [level for level in network.unet.levels if isinstance(level, Level)]
    assert len(levels) == len(network.unet.levels) == 3
    assert [level.merge.out_channels for level in levels] == expected
    assert [level.refine.out_channels for level in levels] == expected
    assert list(STRIDE_4_WIDTHS.values()) == [320, 192, 128]


def test_the_flagship_network_meets_its_specification() -> None:
    network, _ = build_colorizer(FLAGSHIP, "lab", 0, {"bins", "prior"})
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert 2 * parameters <= 16e6, "bytes in half precision"
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, 256, 256))
    assert 1e9 < counter.get_total_flops() <= 10e9


def test_every_weight_of_the_stride_4_network_has_a_gradient() -> None:
    network = stride_4("mean")
    prediction = network(gray_image(32, 32))
    (prediction.color.square().sum() + prediction.bin_logits.square().sum()).backward()
    idle = [name for name, each in network.named_parameters() if each.grad is None or not each.grad.any()]
    assert idle == []


@pytest.mark.parametrize("settings", [NARROW_VGG, NARROW_VGG.model_copy(update={"head_stride": 4})])
def test_a_frozen_encoder_builds_no_graph(settings: NetworkSettings) -> None:
    network, _ = build_colorizer(settings, "lab", 0)
    x = gray_image(32, 32).expand(-1, 3, -1, -1)
    assert all(tap.requires_grad for tap in network.unet.taps(x))
    network.unet.encoder.requires_grad_(requires_grad=False)
    assert not any(tap.requires_grad for tap in network.unet.taps(x))
    network(gray_image(32, 32)).color.sum().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.startswith("unet.encoder."), name
