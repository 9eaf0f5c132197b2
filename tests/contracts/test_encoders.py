"""What every entry of the encoder registry must satisfy."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from chromalab.core.errors import ConfigError, MissingWeightsError
from chromalab.nets.encoders import ENCODERS, FeatureNet
from chromalab.training.build import build_colorizer
from chromalab.training.settings import NetworkSettings


def settings_for(name: str) -> NetworkSettings:
    """Return settings with pretrained weights where they are available, else with random weights."""
    try:
        ENCODERS[name].build(1.0, True, torch.Generator())
    except (ConfigError, MissingWeightsError):
        return NetworkSettings(encoder=name, pretrained=False)
    return NetworkSettings(encoder=name)


@pytest.mark.parametrize("name", list(ENCODERS))
def test_feature_maps_have_the_stated_channels_and_strides(name: str) -> None:
    settings = settings_for(name)
    encoder = ENCODERS[name].build(settings.width, settings.pretrained, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        maps = cast("FeatureNet", encoder.network).taps(
            torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
        )
    assert len(encoder.scales) == len(maps)
    assert list(encoder.strides) == sorted(encoder.strides)
    for features, channels, stride in zip(maps, encoder.channels, encoder.strides, strict=True):
        assert features.shape == (2, channels, 64 // stride, 96 // stride)
        assert features.isfinite().all()


@pytest.mark.parametrize("name", list(ENCODERS))
def test_the_finest_maps_depend_on_the_stated_layers_alone(name: str) -> None:
    settings = settings_for(name)
    encoder = ENCODERS[name].build(settings.width, settings.pretrained, torch.Generator().manual_seed(0))
    network = cast("FeatureNet", encoder.network)
    encoder.network.requires_grad_(requires_grad=False)
    assert list(network.finest(0)) == []
    for level in range(1, len(encoder.strides)):
        for layer in network.finest(level):
            layer.requires_grad_()
        maps = network.taps(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
        shallow = maps[level - 1].sum()
        stated = [weight for weight in encoder.network.parameters() if weight.requires_grad]
        assert all(gradient is not None for gradient in torch.autograd.grad(shallow, stated, retain_graph=True))
        encoder.network.requires_grad_()
        rest = [weight for weight in encoder.network.parameters() if all(weight is not one for one in stated)]
        again = network.taps(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
        unused = torch.autograd.grad(again[level - 1].sum(), rest, allow_unused=True)
        assert all(gradient is None for gradient in unused)
        encoder.network.requires_grad_(requires_grad=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ENCODERS))
def test_a_colorizer_over_the_encoder_has_finite_gradients(name: str) -> None:
    colorizer, start = build_colorizer(settings_for(name), "lab", 0)
    assert start
    color = colorizer(torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))).color
    color.square().sum().backward()
    gradients = [weight.grad for weight in colorizer.unet.encoder.parameters() if weight.grad is not None]
    assert any(bool(gradient.any()) for gradient in gradients)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
