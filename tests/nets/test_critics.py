"""Critics: shapes, published layers, inputs, and gradients for penalties."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor, nn

from chromalab.color.spaces import SPACES
from chromalab.nets.critics import CRITICS, ChromaGANCritic, Critic, ImageCritic, PatchGAN70, Sees, channels_seen

SEES: tuple[Sees, ...] = ("pair", "color", "rgb")


def network(name: str, width: float = 0.125, channels: int = 3, seed: int = 0) -> nn.Module:
    return CRITICS[name].build(channels, width, torch.Generator().manual_seed(seed))


def critic(name: str, space: str = "lab", sees: Sees = "pair", width: float = 0.125) -> Critic:
    return Critic(SPACES[space], network(name, width, channels_seen(SPACES[space], sees)), sees)


def random_colors(space: str = "lab", size: int = 32, count: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Return smooth images with their lightness and color."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    rgb = nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    return (*SPACES[space].encode(rgb), rgb)


def layers(model: nn.Module) -> list[nn.Conv2d]:
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize(
    ("name", "size", "scores"),
    [
        ("chromagan", (224, 224), (28, 28)),
        ("chromagan", (96, 130), (12, 17)),
        ("chromagan", (1, 9), (1, 2)),
        ("patchgan70", (256, 256), (30, 30)),
        ("patchgan70", (96, 131), (10, 14)),
        ("patchgan70", (24, 31), (1, 1)),
        ("image", (256, 256), (1, 1)),
        ("image", (65, 100), (1, 1)),
        ("image", (1, 9), (1, 1)),
    ],
)
def test_scores_have_the_published_size(name: str, size: tuple[int, int], scores: tuple[int, int]) -> None:
    assert network(name)(torch.zeros(2, 3, *size)).shape == (2, *scores)


@pytest.mark.parametrize("name", list(CRITICS))
def test_a_critic_scores_its_smallest_size_but_none_below(name: str) -> None:
    smallest = CRITICS[name].smallest_px
    assert network(name)(torch.rand(1, 3, smallest, smallest)).isfinite().all()
    if smallest > 1:
        with pytest.raises((RuntimeError, ValueError)):  # the error depends on the layer
            network(name)(torch.rand(1, 3, smallest - 1, smallest - 1))


@pytest.mark.parametrize(
    ("name", "channels", "widths"),
    [
        ("chromagan", 3, [64, 128, 256, 512, 1]),
        ("patchgan70", 6, [64, 128, 256, 512, 1]),
        ("image", 3, [64, 128, 256, 512, 512, 512, 1]),
    ],
)
def test_the_full_critic_has_the_published_layers(name: str, channels: int, widths: list[int]) -> None:
    shapes = [tuple(layer.weight.shape) for layer in layers(network(name, 1.0, channels))]
    assert shapes == [(after, before, 4, 4) for before, after in zip([channels, *widths], widths, strict=False)]


@pytest.mark.parametrize(("channels", "weights"), [(1, 2_763_585), (2, 2_765_000)])
def test_patchgan70_has_the_published_number_of_weights(channels: int, weights: int) -> None:
    # With two channels the authors' PyTorch code prints 2.765 M (its issue 1152). With one channel, issue 2 of
    # XiYe20/VPTR reports 2,763,585 for a copy of it.
    count = sum(weight.numel() for weight in network("patchgan70", 1.0, channels).parameters())
    assert count == pytest.approx(weights, abs=0.5 if channels == 1 else 500)


@pytest.mark.parametrize("name", ["chromagan", "patchgan70"])
def test_a_patch_is_70_pixels_wide(name: str) -> None:
    model = network(name, 1 / 16, 1)
    reach = 1
    for layer in reversed(layers(model)):
        reach = (reach - 1) * layer.stride[0] + layer.kernel_size[0]
    assert reach == 70
    for module in list(model.modules()):  # norms depend on the whole image
        for child, inside in module.named_children():
            if isinstance(inside, nn.InstanceNorm2d):
                setattr(module, child, nn.Identity())
    seen = torch.rand(1, 1, 160, 160, requires_grad=True)
    scores = model(seen)
    (gradient,) = torch.autograd.grad(scores[0, scores.shape[1] // 2, scores.shape[2] // 2], seen)
    for side in (gradient.abs().sum(dim=2), gradient.abs().sum(dim=3)):
        touched = side.flatten().nonzero().flatten()
        assert int(touched.max() - touched.min()) + 1 == 70


@pytest.mark.slow
@pytest.mark.parametrize("size", [16, 64, 100, 256])
def test_the_image_critic_depends_on_every_pixel(size: int) -> None:
    seen = torch.rand(1, 1, size, size, requires_grad=True)
    (gradient,) = torch.autograd.grad(network("image", 1 / 16, 1)(seen).sum(), seen)
    assert (gradient != 0).all()


def test_patchgan70_equals_the_published_one_at_batch_size_one() -> None:
    # pix2pix uses batch norm with the statistics of the batch, and its batch size is 1.
    model = PatchGAN70(3, width=0.25, generator=torch.Generator().manual_seed(0))
    published = nn.Sequential(
        nn.Conv2d(3, 16, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, 2, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 1, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2),
        nn.Conv2d(128, 1, 4, 1, 1),
    )
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), published.parameters(), strict=True):
            theirs.copy_(ours)
    seen = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(seen), published(seen)[:, 0], rtol=1e-4, atol=1e-5)


def test_the_image_critic_is_a_dcgan_at_256_pixels() -> None:
    model = ImageCritic(3, width=1 / 32, generator=torch.Generator().manual_seed(0))
    widths = [3, 2, 4, 8, 16, 16, 16]
    dcgan: list[nn.Module] = []
    for before, after in pairwise(widths):
        dcgan += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2)]
    published = nn.Sequential(*dcgan, nn.Conv2d(16, 1, 4, 1, 0))
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), published.parameters(), strict=True):
            theirs.copy_(ours)
    seen = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(seen), published(seen)[:, 0])


def test_chromagans_padding_is_tensorflows_same() -> None:
    # A 4x4 window at stride 1 pads one pixel before and two after; at stride 2 on an even side one and one.
    model = ChromaGANCritic(3, width=1 / 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for layer in layers(model):
            layer.weight.fill_(1.0)
    scores = model(torch.ones(1, 3, 64, 64))[0]
    # so the windows of the two stride-1 layers lose one row at the top, and two at the bottom
    assert scores[0, 0] > scores[-1, -1]
    torch.testing.assert_close(scores, scores.T)


def test_initial_weights_of_patchgan70_are_the_published_ones() -> None:
    model = network("patchgan70", 1.0).requires_grad_(requires_grad=False)
    for layer in layers(model):
        assert float(layer.weight.std()) == pytest.approx(0.02, rel=0.1)
        assert abs(float(layer.weight.mean())) < 0.02 * 4 / layer.weight.numel() ** 0.5
        assert layer.bias is None or not layer.bias.any()
    for norm in (module for module in model.modules() if isinstance(module, nn.InstanceNorm2d)):
        assert float(norm.weight.mean()) == pytest.approx(1, abs=0.01)
        assert float(norm.weight.std()) == pytest.approx(0.02, rel=0.3)
        assert not norm.bias.any()
        assert norm.running_mean is None


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CRITICS))
def test_a_critic_has_a_gradient_at_any_width(name: str) -> None:
    for width in (1 / 8, 1.0):
        lightness, color, _ = random_colors(size=64)
        color.requires_grad_()
        scores = critic(name, width=width)(lightness, color)
        (gradient,) = torch.autograd.grad(scores.sum(), color)
        norms = gradient.flatten(1).norm(dim=1) / scores[0].numel() ** 0.5
        assert ((norms > 0.01) & (norms < 10)).all()


@pytest.mark.parametrize("name", list(CRITICS))
def test_initial_weights_depend_only_on_the_generator(name: str) -> None:
    first = network(name, seed=3).state_dict()
    torch.manual_seed(99)
    again, other = network(name, seed=3).state_dict(), network(name, seed=4).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", list(CRITICS))
def test_each_image_is_scored_independently(name: str) -> None:
    model = critic(name).double()
    lightness, color, _ = (part.double() for part in random_colors(count=4))
    together = model(lightness, color)
    singles = torch.cat([model(lightness[i : i + 1], color[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, singles)
    assert not torch.allclose(together[0], together[1])


@pytest.mark.parametrize("space", list(SPACES))
def test_the_input_of_a_critic(space: str) -> None:
    lightness, color, rgb = random_colors(space)
    seen = {sees: critic("image", space, sees).network_input(lightness, color) for sees in SEES}
    assert torch.equal(seen["pair"], torch.cat([lightness, color], dim=1))
    assert torch.equal(seen["color"], color)
    torch.testing.assert_close(seen["rgb"], 2 * rgb - 1, rtol=0, atol=1e-4)
    assert {sees: part.shape[1] for sees, part in seen.items()} == {
        sees: channels_seen(SPACES[space], sees) for sees in SEES
    }


def test_the_rgb_input_of_a_critic_is_not_clipped() -> None:
    color = torch.full((1, 2, 32, 32), 0.9, requires_grad=True)
    model = critic("chromagan", sees="rgb")
    lightness = torch.full((1, 1, 32, 32), 0.5)
    assert (model.network_input(lightness, color).abs() > 1).any()
    (gradient,) = torch.autograd.grad(model(lightness, color).sum(), color)
    assert (gradient != 0).all()


@pytest.mark.parametrize(("name", "space", "sees"), list(product(CRITICS, ["lab", "rgb"], SEES)))
def test_gradient_penalties_are_finite_on_constant_images(name: str, space: str, sees: Sees) -> None:
    model = critic(name, space, sees)
    for grey in (0.0, 0.5, 1.0):
        lightness, color = SPACES[space].encode(torch.full((1, 3, 24, 24), grey))
        color.requires_grad_()
        (gradient,) = torch.autograd.grad(model(lightness, color).sum(), color, create_graph=True)
        weights = list(model.parameters())
        for gradients in torch.autograd.grad(gradient.square().sum(), weights, allow_unused=True):
            assert gradients is None or gradients.isfinite().all()


@pytest.mark.parametrize(("name", "sees"), list(product(CRITICS, SEES)))
def test_gradients_of_penalties_equal_finite_differences(name: str, sees: Sees) -> None:
    model = critic(name, sees=sees, width=1 / 16).double()
    lightness, color, _ = (part.double() for part in random_colors(size=24))
    color.requires_grad_()

    def penalty() -> Tensor:
        (gradient,) = torch.autograd.grad(model(lightness, color).sum(), color, create_graph=True)
        return gradient.square().sum()

    weights = [weight for weight in model.parameters() if weight.ndim > 1]
    generator = torch.Generator().manual_seed(5)
    directions = [torch.randn(weight.shape, generator=generator, dtype=torch.float64) * 0.01 for weight in weights]

    def move(step: float) -> float:
        with torch.no_grad():
            for weight, direction in zip(weights, directions, strict=True):
                weight.add_(step * direction)
        return float(penalty().detach())

    exact = sum(
        float((gradient * direction).sum())
        for gradient, direction in zip(torch.autograd.grad(penalty(), weights), directions, strict=True)
    )
    # Rectifiers have kinks: the step is small enough that none is crossed.
    after, before = move(1e-6), move(-2e-6)
    assert (after - before) / 2e-6 == pytest.approx(exact, rel=1e-4)
