"""Adversarial losses against PyTorch's own, and against critics whose scores and gradients are known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from chromalab.color.spaces import SPACES
from chromalab.losses.adversarial import ENTRIES, GAN, LSGAN, WGAN, WGANGP, GANLoss, Hinge, gradient_norms
from chromalab.losses.base import ColorBatch, LossEntry
from chromalab.nets.critics import CRITICS

SIZE = 6
VALUES = 2 * SIZE * SIZE
"""Colors in an image."""

SCORES = torch.tensor([-100.0, -30.0, -2.5, -1.0, -0.1, 0.0, 0.3, 1.0, 4.0, 30.0, 100.0])
GAMES = [GAN, LSGAN, Hinge, WGAN, WGANGP]


class Linear(nn.Module):
    """Scores each of N patches with slope / N times the sum of all colors: the sum of scores has that slope."""

    def __init__(self, slope: float, patches: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))
        self.patches = patches

    def forward(self, lightness: Tensor, color: Tensor) -> Tensor:
        score = self.slope * color.sum(dim=(1, 2, 3)) / self.patches**2
        return score[:, None, None].expand(-1, self.patches, self.patches)


class Quadratic(nn.Module):
    """One score, half the squared norm of the colors: its gradient is the colors themselves."""

    def forward(self, lightness: Tensor, color: Tensor) -> Tensor:
        return color.square().sum(dim=(1, 2, 3))[:, None, None] / 2


class Reader(nn.Module):
    """The scores are the first channel of the colors."""

    def forward(self, lightness: Tensor, color: Tensor) -> Tensor:
        return color[:, 0]


def batch(preds: float | Tensor, target: float | Tensor, critic: nn.Module | None = None) -> ColorBatch:
    """Return images of one color, or those given."""
    given, true = (
        value if isinstance(value, Tensor) else torch.full((4, 2, SIZE, SIZE), value) for value in (preds, target)
    )
    lightness = torch.full_like(given[:, :1], 0.5)
    return ColorBatch(SPACES["lab"], lightness, given, true, torch.zeros(len(given), 3, 1, 1), critic)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def colorizer_costs(gan: GANLoss) -> Tensor:
    """Return what images of a single patch cost whose scores are `SCORES`."""
    preds = SCORES[:, None, None, None].expand(-1, 2, 1, 1)
    costs: Tensor = gan(batch(preds, preds, Reader()))
    return costs


def critic_costs(gan: GANLoss) -> Tensor:
    """Return what the critic pays for each score as that of true colors (rows) and of generated ones (columns)."""
    return torch.tensor(
        [
            [
                float(gan.critic_loss(Reader(), batch(generated, true), generator()).total)
                for generated in SCORES.tolist()
            ]
            for true in SCORES.tolist()
        ]
    )


def cross_entropy(scores: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label), reduction="none")


def squares(scores: Tensor, label: float) -> Tensor:
    return F.mse_loss(scores, torch.full_like(scores, label), reduction="none")


def hinge(scores: Tensor) -> Tensor:
    return F.hinge_embedding_loss(scores, -torch.ones_like(scores), reduction="none")  # max(0, 1 - score)


@pytest.mark.parametrize(
    ("gan", "colorizer", "true", "generated"),
    [
        (GAN(), cross_entropy(SCORES, 1), cross_entropy(SCORES, 1), cross_entropy(SCORES, 0)),
        (GAN("saturating"), -cross_entropy(SCORES, 0), cross_entropy(SCORES, 1), cross_entropy(SCORES, 0)),
        (LSGAN(), squares(SCORES, 1) / 2, squares(SCORES, 1) / 2, squares(SCORES, 0) / 2),
        (Hinge(), -SCORES, hinge(SCORES), hinge(-SCORES)),
        (WGAN(), -SCORES, -SCORES, SCORES),
        (WGANGP(penalty=0), -SCORES, -SCORES, SCORES),
    ],
    ids=["gan", "gan_saturating", "lsgan", "hinge", "wgan", "wgan_gp"],
)
def test_costs_are_those_of_pytorchs_losses(gan: GANLoss, colorizer: Tensor, true: Tensor, generated: Tensor) -> None:
    torch.testing.assert_close(colorizer_costs(gan), colorizer)
    torch.testing.assert_close(critic_costs(gan), true[:, None] + generated[None])


@pytest.mark.parametrize(
    ("true", "generated", "cost"), [(2.0, -2.0, 0.0), (1.0, -1.0, 0.0), (0.0, 0.0, 2.0), (-1.0, 0.5, 3.5)]
)
def test_the_hinge_lies_at_plus_and_minus_one(true: float, generated: float, cost: float) -> None:
    loss = Hinge().critic_loss(Reader(), batch(generated, true), generator())
    assert float(loss.total) == pytest.approx(cost)


def test_the_saturating_form_is_the_log_of_the_complement() -> None:
    scores = torch.linspace(-15, 15, 7, dtype=torch.float64)
    cost = GAN("saturating").colorizer_cost(scores)
    torch.testing.assert_close(cost, torch.log1p(-torch.sigmoid(scores)))


@pytest.mark.parametrize(
    ("form", "slopes"),
    [("nonsaturating", -torch.sigmoid(-SCORES)), ("saturating", -torch.sigmoid(SCORES))],
)
def test_only_the_saturating_form_gives_up_where_the_critic_is_sure(form: str, slopes: Tensor) -> None:
    scores = SCORES.clone().requires_grad_()
    GAN(form).colorizer_cost(scores).sum().backward()
    torch.testing.assert_close(scores.grad, slopes)


@pytest.mark.parametrize("gan", GAMES)
def test_costs_and_gradients_are_finite_for_any_score(gan: type[GANLoss]) -> None:
    for scale in (1e2, 1e4):
        scores = (SCORES / 100 * scale).requires_grad_()
        total = gan().colorizer_cost(scores).sum() + gan().critic_cost(scores, scores.flip(0)).sum()
        (gradient,) = torch.autograd.grad(total, scores)
        assert total.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("gan", GAMES)
def test_both_sides_see_the_mean_over_patches(gan: type[GANLoss]) -> None:
    values = torch.tensor([[0.2, -0.4], [1.5, 0.7]])
    four = values.expand(3, 2, 2, 2)
    single = [value.expand(3, 2, 1, 1) for value in values.flatten()]
    costs = gan()(batch(four, four, Reader()))
    torch.testing.assert_close(costs, torch.stack([gan()(batch(one, one, Reader())) for one in single]).mean(dim=0))
    assert costs.shape == (3,)


@pytest.mark.parametrize("gan", GAMES)
def test_the_colorizer_loss_decreases_with_the_score(gan: type[GANLoss]) -> None:
    low, high = (gan()(batch(value, 0.0, Linear(0.01, 3))) for value in (-0.5, 0.5))
    assert (high < low).all()


@pytest.mark.parametrize("gan", GAMES)
def test_the_critic_loss_decreases_as_true_colors_score_higher(gan: type[GANLoss]) -> None:
    right, wrong = (
        gan(penalty=0).critic_loss(Reader(), batch(-value, value), generator()).total for value in (0.5, -0.5)
    )
    assert right < wrong


def test_facts_hold_distance_and_accuracy_of_the_critic() -> None:
    truth = torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None, None].expand(-1, 2, 2, 2)
    fakes = truth.clone()
    fakes[:3, :, 0, 0] += torch.tensor([-1.0, -4.0, 8.0])[:, None]  # in one patch of four
    fakes[1, :, 1, 1] += 3.0  # one patch of the second image is better, but not the whole
    facts = LSGAN().critic_loss(Reader(), batch(fakes, truth), generator()).facts
    assert set(facts) == {"distance", "accuracy"}
    assert float(facts["distance"]) == pytest.approx((1 + 4 - 3 - 8) / 4 / 4)
    assert float(facts["accuracy"]) == 0.5


@pytest.mark.parametrize("slope", [0.0, 0.5, -2.0])
@pytest.mark.parametrize("penalty", [1.0, 10.0])
def test_the_penalty_of_a_linear_critic_is_known(slope: float, penalty: float) -> None:
    critic = Linear(slope, 3)
    loss = WGANGP(penalty).critic_loss(critic, batch(0.2, -0.1), generator())
    distance = slope * VALUES * (-0.1 - 0.2) / 9  # the mean over 3x3 patches of 1/9 of the slope each
    norm = abs(slope) * math.sqrt(VALUES)
    assert float(loss.facts["distance"]) == pytest.approx(distance, abs=1e-5)
    assert float(loss.facts["gradient_norm"]) == pytest.approx(norm, rel=1e-5)
    assert float(loss.total.detach()) == pytest.approx(penalty * (norm - 1) ** 2 - distance, rel=1e-4, abs=1e-5)
    loss.total.backward()
    steepness = 2 * penalty * (norm - 1) * math.sqrt(VALUES) * math.copysign(1, slope) if slope else 0.0
    assert critic.slope.grad is not None
    assert float(critic.slope.grad) == pytest.approx(steepness - VALUES * (-0.3) / 9, rel=1e-4)


@pytest.mark.parametrize("slope", [0.0, 0.5, -2.0])
@pytest.mark.parametrize("gan", GAMES)
def test_r1_of_a_linear_critic_is_known(slope: float, gan: type[GANLoss]) -> None:
    totals = []
    slopes = []
    for r1 in (0.0, 3.0):
        critic = Linear(slope, 3)
        loss = gan(penalty=0, r1=r1).critic_loss(critic, batch(0.02, -0.01), generator())
        loss.total.backward()
        assert critic.slope.grad is not None
        totals.append(float(loss.total.detach()))
        slopes.append(float(critic.slope.grad))
    assert totals[1] - totals[0] == pytest.approx(3 / 2 * slope**2 * VALUES, rel=1e-4, abs=1e-5)
    assert slopes[1] - slopes[0] == pytest.approx(3 * slope * VALUES, rel=1e-4, abs=1e-4)
    assert float(loss.facts["gradient_norm"]) == pytest.approx(abs(slope) * math.sqrt(VALUES), rel=1e-5)


def test_r1_is_taken_at_the_true_colors() -> None:
    # The quadratic critic's gradient is the color: |grad|^2 at the truth is the sum of its squares.
    target = torch.rand(4, 2, SIZE, SIZE, generator=generator())
    plain, with_r1 = (
        WGANGP(penalty=0, r1=r1).critic_loss(Quadratic(), batch(torch.zeros_like(target), target), generator()).total
        for r1 in (0.0, 10.0)
    )
    assert float(with_r1.detach() - plain) == pytest.approx(5 * float(target.square().sum()) / 4, rel=1e-5)


def test_the_penalty_is_taken_between_target_and_prediction() -> None:
    norms = gradient_norms(Quadratic(), batch(1.0, 0.0), generator()) / math.sqrt(VALUES)
    share = torch.rand(4, 1, 1, 1, generator=generator()).flatten()
    torch.testing.assert_close(norms, share)


def test_both_penalties_add_up_and_the_log_tells_the_one_between() -> None:
    loss = Hinge(penalty=2, r1=3).critic_loss(Linear(0.5, 3), batch(0.0, 0.0), generator())
    norm = 0.5 * math.sqrt(VALUES)
    assert float(loss.total.detach()) == pytest.approx(2 + 2 * (norm - 1) ** 2 + 3 / 2 * norm**2)
    between = Hinge(penalty=2, r1=3).critic_loss(Quadratic(), batch(1.0, 0.0), generator()).facts["gradient_norm"]
    assert 0.1 < float(between) / math.sqrt(VALUES) < 0.9


@pytest.mark.parametrize("gan", GAMES)
def test_the_critics_gradient_is_that_of_finite_differences(gan: type[GANLoss]) -> None:
    colors = batch(
        torch.full((2, 2, 4, 4), 0.3, dtype=torch.float64), torch.full((2, 2, 4, 4), -0.2, dtype=torch.float64)
    )

    def total(slope: Tensor) -> Tensor:
        critic = Linear(0.0, 3).double()
        del critic.slope
        critic.slope = slope  # type: ignore[assignment]
        return gan(penalty=10, r1=2).critic_loss(critic, colors, generator()).total

    assert torch.autograd.gradcheck(total, (torch.tensor(0.3, dtype=torch.float64, requires_grad=True),))


def test_wgan_keeps_every_weight_of_the_critic_small() -> None:
    critic = CRITICS["patchgan70"].build(3, 0.1, generator())
    WGAN(clip=0.015).after_critic_step(critic)
    largest = [float(weight.detach().abs().max()) for weight in critic.parameters()]
    assert max(largest) == pytest.approx(0.015)
    before = [weight.detach().clone() for weight in critic.parameters()]
    for gan in (GAN(), LSGAN(), Hinge(), WGANGP(), WGAN(clip=1.0)):
        gan.after_critic_step(critic)
    assert all(torch.equal(was, now) for was, now in zip(before, critic.parameters(), strict=True))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_builds_what_it_declares(entry: LossEntry) -> None:
    declared = {name: parameter.default for name, parameter in entry.parameters.items()}
    term, written = entry.build(), entry.build(**declared)
    for name, default in declared.items():
        for built in (term, written):
            assert getattr(built, name, default) == default
    assert getattr(term, "saturating", None) == getattr(written, "saturating", None)


def test_defaults_are_the_published_ones() -> None:
    assert [entry.name for entry in ENTRIES] == ["gan", "lsgan", "hinge", "wgan", "wgan_gp"]
    assert not GAN().saturating
    assert (WGAN().clip, WGAN().critic_steps) == (0.01, 5)
    assert (WGANGP().penalty, WGANGP().critic_steps) == (10, 1)
    assert [(gan().penalty, gan().r1) for gan in (GAN, LSGAN, Hinge, WGAN)] == [(0, 0)] * 4


def test_a_missing_critic_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="without a critic"):
        WGANGP()(batch(0.0, 0.0))
