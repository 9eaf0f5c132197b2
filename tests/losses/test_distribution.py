"""Losses of distributions against PyTorch's own, against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.nn import functional

from chromalab.color.bins import BIN_CENTERS, BIN_COUNT, rebalancing_weights, smooth_prior
from chromalab.color.bins_torch import at_resolution, soft_encode
from chromalab.color.spaces import SPACES
from chromalab.losses import distribution
from chromalab.losses.base import ColorBatch
from chromalab.losses.distribution import ClassKL, CrossEntropy, GaussianMixture, SlicedWasserstein, soft_cross_entropy
from chromalab.nets.efficientnet_lite import load_efficientnet_lite0

LAB = SPACES["lab"]


def photos(count: int = 2, height: int = 16, width: int = 24, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 3, 3, generator=generator, dtype=torch.float64)
    return functional.interpolate(coarse, size=(height, width), mode="bilinear")


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2


def batch(rgb: Tensor, *, bins: Tensor | None = None, classes: Tensor | None = None, space: str = "lab") -> ColorBatch:
    lightness, target = SPACES[space].encode(rgb)
    return ColorBatch(
        SPACES[space], lightness, torch.zeros_like(target), target, rgb, bin_logits=bins, class_logits=classes
    )


def prior(seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return smooth_prior(np.random.default_rng(seed).dirichlet(np.full(BIN_COUNT, 0.1)))


def dense_target(rgb: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the true distributions in full, (B, 313, h, w), and their likeliest bins, (B, h, w)."""
    index, shares = soft_encode(at_resolution(LAB.encode(rgb)[1] * 110, size))
    dense = torch.zeros(len(rgb), BIN_COUNT, *size, dtype=rgb.dtype).scatter_(1, index, shares)
    return dense, dense.argmax(dim=1)


@pytest.mark.parametrize(("height", "width"), [(16, 24), (13, 6), (1, 1)])
def test_cross_entropy_is_that_of_pytorch(height: int, width: int) -> None:
    rgb, size = photos(height=height, width=width), (-(-height // 4), -(-width // 4))
    logits = draw(2, BIN_COUNT, *size).requires_grad_()
    term = CrossEntropy().double()
    term.use_prior(prior())
    target, likeliest = dense_target(rgb, size)
    weights = torch.from_numpy(rebalancing_weights(prior(), 0.5))[likeliest]
    expected = (weights * functional.cross_entropy(logits, target, reduction="none")).mean(dim=(1, 2))
    found = term(batch(rgb, bins=logits))
    torch.testing.assert_close(found, expected)
    gradients = [
        torch.autograd.grad((value * torch.tensor([1.0, 3.0])).sum(), logits)[0] for value in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


def test_before_a_prior_and_at_one_all_colors_weigh_alike() -> None:
    rgb, logits = photos(), draw(2, BIN_COUNT, 4, 6)
    expected = functional.cross_entropy(logits, dense_target(rgb, (4, 6))[0], reduction="none").mean(dim=(1, 2))
    plain, unbalanced = CrossEntropy().double(), CrossEntropy(rebalance=1).double()
    unbalanced.use_prior(prior())
    torch.testing.assert_close(plain(batch(rgb, bins=logits)), expected)
    torch.testing.assert_close(unbalanced(batch(rgb, bins=logits)), expected)


def test_cross_entropy_of_a_grey_photo_by_hand() -> None:
    # Gray is spread over (0,0) and its four neighbors in the shares 1 : e^-2; equal logits cost log 313 whatever the
    # target, and a logit of 5 more at (0, 0) saves 5 times its share.
    logits = torch.zeros(1, BIN_COUNT, 2, 2, dtype=torch.float64)
    grey = torch.full((1, 3, 8, 8), 0.5, dtype=torch.float64)
    term = CrossEntropy().double()
    assert float(term(batch(grey, bins=logits))) == pytest.approx(np.log(313), rel=1e-12)
    logits[:, int(np.flatnonzero((BIN_CENTERS == 0).all(axis=1))[0])] = 5
    expected = np.log(312 + np.exp(5)) - 5 / (1 + 4 * np.exp(-2))
    assert float(term(batch(grey, bins=logits))) == pytest.approx(expected, rel=1e-4)  # grey's a* and b* are 1e-3


def test_rare_colors_weigh_more_by_the_factor_of_their_weights() -> None:
    rgb, logits = photos(1), draw(1, BIN_COUNT, 4, 6)
    plain, rebalanced = CrossEntropy().double(), CrossEntropy().double()
    common = np.zeros(BIN_COUNT)
    common[0] = 1  # a color that no photo here has: all others weigh (1/2 + 1/2 u) / (1/2 u) = 314
    rebalanced.use_prior(common)
    ratio = rebalanced(batch(rgb, bins=logits)) / plain(batch(rgb, bins=logits))
    assert float(ratio) == pytest.approx(314, rel=1e-6)


def test_cross_entropy_is_least_at_the_true_distribution_and_not_zero() -> None:
    rgb = photos(1)
    term = CrossEntropy().double()
    logits = (dense_target(rgb, (4, 6))[0] + 1e-30).log().requires_grad_()
    value = term(batch(rgb, bins=logits))
    value.sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-12
    assert float(value.detach()) > 0.1


def test_the_gradient_of_the_cross_entropy() -> None:
    index = torch.stack([torch.randperm(9)[:5] for _ in range(8)]).reshape(2, 2, 2, 5).permute(0, 3, 1, 2)
    shares = torch.softmax(draw(2, 5, 2, 2, seed=3), dim=1)
    weights = draw(2, 2, 2, seed=4).exp()
    for memory_format in (torch.contiguous_format, torch.channels_last):
        logits = draw(2, 9, 2, 2).contiguous(memory_format=memory_format).requires_grad_()
        assert gradcheck(soft_cross_entropy, (logits, index, shares, weights))


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_huge_logits_cost_a_finite_amount(size: float) -> None:
    logits = (draw(2, BIN_COUNT, 4, 6) * size).float().requires_grad_()
    value = CrossEntropy()(batch(photos().float(), bins=logits))
    value.sum().backward()
    assert value.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_half_precision_logits_are_taken_as_single() -> None:
    logits = draw(2, BIN_COUNT, 4, 6).bfloat16()
    value = CrossEntropy()(batch(photos().float(), bins=logits))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, CrossEntropy()(batch(photos().float(), bins=logits.float())))


def test_every_image_is_alone() -> None:
    rgb, logits = photos(3), draw(3, BIN_COUNT, 4, 6)
    term = CrossEntropy().double()
    together = term(batch(rgb, bins=logits))
    alone = [term(batch(rgb[i : i + 1], bins=logits[i : i + 1])) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_the_prior_is_no_part_of_a_checkpoint() -> None:
    term = CrossEntropy()
    term.use_prior(prior())
    assert not term.state_dict()
    np.testing.assert_allclose(term.class_weights.numpy(), rebalancing_weights(prior(), 0.5), rtol=1e-6)


def test_without_their_heads_the_terms_cannot_be_taken() -> None:
    with pytest.raises(RuntimeError, match="cross_entropy was evaluated on a network without a bins head"):
        CrossEntropy()(batch(photos()))
    with pytest.raises(RuntimeError, match="gaussian_mixture was evaluated on a network without a bins head"):
        GaussianMixture()(batch(photos()))
    with pytest.raises(RuntimeError, match="without a class head"):
        class_kl()(batch(photos()))


@pytest.mark.parametrize("sigma", [2.0, 5.0, 20.0])
def test_gaussian_mixture_is_that_of_pytorchs_distributions(sigma: float) -> None:
    rgb, logits = photos(), draw(2, BIN_COUNT, 4, 6)
    centers = torch.tensor(BIN_CENTERS)
    components = Independent(Normal(centers, torch.full_like(centers, sigma)), 1)
    ab = at_resolution(LAB.encode(rgb)[1] * 110, (4, 6)).permute(0, 2, 3, 1)
    expected = [
        -torch.stack(
            [
                MixtureSameFamily(Categorical(logits=logits[i, :, y, x]), components).log_prob(ab[i, y, x])
                for y in range(4)
                for x in range(6)
            ]
        ).mean()
        for i in range(2)
    ]
    torch.testing.assert_close(GaussianMixture(sigma)(batch(rgb, bins=logits)), torch.stack(expected))


def test_gaussian_mixture_of_a_certain_network_by_hand() -> None:
    """All probability in the bin at (0, 0), and gray: the density is 1 / (2 pi sigma^2)."""
    logits = torch.zeros(1, BIN_COUNT, 2, 2, dtype=torch.float64)
    logits[:, int(np.flatnonzero((BIN_CENTERS == 0).all(axis=1))[0])] = 1e3
    gray = torch.full((1, 3, 8, 8), 0.5, dtype=torch.float64)
    found = GaussianMixture(5.0)(batch(gray, bins=logits))
    assert float(found) == pytest.approx(np.log(2 * np.pi * 25), abs=1e-6)


def test_the_gradient_of_the_gaussian_mixture() -> None:
    rgb, logits = photos(2, 8, 4), draw(2, BIN_COUNT, 2, 1).requires_grad_()
    assert gradcheck(lambda x: GaussianMixture()(batch(rgb, bins=x)), logits, fast_mode=True)
    huge = (1e30 * draw(2, BIN_COUNT, 2, 1)).float().requires_grad_()
    GaussianMixture()(batch(rgb.float(), bins=huge)).sum().backward()
    assert huge.grad is not None
    assert huge.grad.isfinite().all()


def test_sliced_wasserstein_ignores_where_the_colors_are() -> None:
    given = batch(photos(2))
    mixed = torch.randperm(16 * 24, generator=torch.Generator().manual_seed(0))
    given.preds = given.target.flatten(2)[:, :, mixed].reshape(given.target.shape)
    torch.testing.assert_close(SlicedWasserstein()(given), torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("space", ["lab", "rgb"])
def test_sliced_wasserstein_of_a_tint_is_that_of_the_tint_alone(space: str) -> None:
    """A constant error d costs mean (theta . d)^2, whatever the photo, and at most its squared length."""
    given = batch(photos(2), space=space)
    tint = torch.linspace(0.1, 0.3, given.target.shape[1], dtype=torch.float64)[:, None, None]
    given.preds = given.target + tint
    first, second = SlicedWasserstein(directions=64)(given).tolist()
    assert first == pytest.approx(second)
    assert first == pytest.approx(float(tint.square().mean()), rel=0.25)  # over 64 of all directions


class Teacher(nn.Module):
    """Gives logits that depend on the image, and remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        self.dropout = nn.Dropout()
        self.seen = torch.empty(0)

    def forward(self, rgb: Tensor) -> Tensor:
        self.seen = rgb
        ramp = torch.linspace(-8, 8, 1000, dtype=rgb.dtype)
        dropped: Tensor = self.dropout(rgb.mean(dim=(1, 2, 3))[:, None] * ramp * self.scale)
        return dropped


@pytest.fixture(autouse=True)
def teacher(monkeypatch: pytest.MonkeyPatch) -> Teacher:
    network = Teacher()
    monkeypatch.setattr(distribution, "load_teacher", lambda name: ("vgg16", network))
    return network


def class_kl() -> ClassKL:
    return ClassKL().double()


def test_class_kl_is_that_of_scipy_and_pytorch(teacher: Teacher) -> None:
    rgb, logits = photos(3), draw(3, 1000)
    found = class_kl()(batch(rgb, classes=logits))
    p = scipy.special.softmax(teacher(teacher.seen).detach().numpy(), axis=1)
    q = scipy.special.softmax(logits.numpy(), axis=1)
    np.testing.assert_allclose(found.numpy(), scipy.special.rel_entr(p, q).sum(axis=1), rtol=1e-9)
    expected = functional.kl_div(torch.log_softmax(logits, 1), torch.from_numpy(p), reduction="none").sum(dim=1)
    torch.testing.assert_close(found, expected)


def test_class_kl_is_zero_where_the_head_agrees_with_its_teacher(teacher: Teacher) -> None:
    rgb = photos()
    class_kl()(batch(rgb, classes=draw(2, 1000)))
    logits = (teacher(teacher.seen) + 5).detach().requires_grad_()
    value = class_kl()(batch(rgb, classes=logits))
    value.sum().backward()
    assert value.abs().max() < 1e-12
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-12


@pytest.mark.parametrize("space", ["lab", "yuv", "rgb"])
def test_the_teacher_sees_the_grey_image(teacher: Teacher, space: str) -> None:
    given = batch(photos(), classes=draw(2, 1000), space=space)
    class_kl()(given)
    seen = teacher.seen
    assert seen.shape == (2, 3, 16, 24)
    assert (seen - seen.mean(dim=1, keepdim=True)).abs().max() < 1e-3
    torch.testing.assert_close(SPACES[space].encode(seen)[0], given.lightness, atol=1e-4, rtol=0)


def test_the_teacher_is_frozen_and_drops_nothing_out(teacher: Teacher) -> None:
    term = class_kl().train()
    assert term.network == "vgg16"
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in term.parameters())
    rgb = photos().requires_grad_()
    logits = draw(2, 1000).requires_grad_()
    term(batch(rgb, classes=logits)).sum().backward()
    assert rgb.grad is None
    assert logits.grad is not None


def test_the_gradient_of_the_class_kl() -> None:
    term, given = class_kl(), batch(photos())

    def value(logits: Tensor) -> Tensor:
        given.class_logits = logits
        found: Tensor = term(given)
        return found

    assert gradcheck(value, (draw(2, 1000).requires_grad_(),), fast_mode=True)


@pytest.mark.slow
def test_lite0_recognizes_a_grey_photo_better_than_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    lite0 = ("efficientnet_lite0", load_efficientnet_lite0(classifier=True))
    monkeypatch.setattr(distribution, "load_teacher", lambda name: lite0)
    logits = torch.zeros(2, 1000)
    value = ClassKL("efficientnet_lite0")(batch(photos(2, 96, 96).float(), classes=logits))
    # against equal logits the divergence is log 1000 less the entropy of what the teacher says
    assert ((value > 0.5) & (value < np.log(1000))).all()
