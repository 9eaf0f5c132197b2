"""WGAN-GP against critics whose scores and gradients are known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from chromalab.color.spaces import SPACES
from chromalab.losses.adversarial import WGANGP, gradient_norms
from chromalab.losses.base import ColorBatch

SIZE = 6


class Linear(nn.Module):
    """Scores each of N patches with slope / N times the sum of all colours: the sum of scores has that slope."""

    def __init__(self, slope: float, patches: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))
        self.patches = patches

    def forward(self, lightness: Tensor, color: Tensor) -> Tensor:
        score = self.slope * color.sum(dim=(1, 2, 3)) / self.patches**2
        return score[:, None, None].expand(-1, self.patches, self.patches)


class Quadratic(nn.Module):
    """One score, half the squared norm of the colours: its gradient is the colours themselves."""

    def forward(self, lightness: Tensor, color: Tensor) -> Tensor:
        return color.square().sum(dim=(1, 2, 3))[:, None, None] / 2


def batch(preds: float, target: float, critic: nn.Module | None = None) -> ColorBatch:
    lightness = torch.full((4, 1, SIZE, SIZE), 0.5)
    given, true = (torch.full((4, 2, SIZE, SIZE), value) for value in (preds, target))
    return ColorBatch(SPACES["lab"], lightness, given, true, torch.zeros(4, 3, SIZE, SIZE), critic)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("slope", [0.0, 0.5, -2.0])
@pytest.mark.parametrize("penalty", [0.0, 10.0])
def test_the_penalty_of_a_linear_critic_is_known(slope: float, penalty: float) -> None:
    values = 2 * SIZE * SIZE  # colours in a picture: the gradient of their sum has norm sqrt(values)
    loss = WGANGP(penalty).critic_loss(Linear(slope, 3), batch(0.2, -0.1), generator())
    distance = slope * values * (-0.1 - 0.2) / 9  # the mean over 3x3 patches of 1/9 of the slope each
    norm = abs(slope) * math.sqrt(values)
    assert float(loss.facts["distance"]) == pytest.approx(distance, abs=1e-5)
    assert float(loss.facts["gradient_norm"]) == pytest.approx(norm, rel=1e-5)
    assert float(loss.total.detach()) == pytest.approx(penalty * (norm - 1) ** 2 - distance, rel=1e-4, abs=1e-5)


def test_the_penalty_looks_between_target_and_prediction() -> None:
    norms = gradient_norms(Quadratic(), batch(1.0, 0.0), generator()) / math.sqrt(2 * SIZE * SIZE)
    share = torch.rand(4, 1, 1, 1, generator=generator()).flatten()
    torch.testing.assert_close(norms, share)


def test_the_critics_gradient_is_that_of_finite_differences() -> None:
    def total(slope: Tensor) -> Tensor:
        critic = Linear(0.0, 3).double()
        del critic.slope
        critic.slope = slope  # type: ignore[assignment]
        colors = ColorBatch(
            SPACES["lab"],
            torch.zeros(2, 1, 4, 4, dtype=torch.float64),
            torch.full((2, 2, 4, 4), 0.3, dtype=torch.float64),
            torch.full((2, 2, 4, 4), -0.2, dtype=torch.float64),
            torch.zeros(2, 3, 4, 4, dtype=torch.float64),
        )
        return WGANGP(10.0).critic_loss(critic, colors, generator()).total

    assert torch.autograd.gradcheck(total, (torch.tensor(0.3, dtype=torch.float64, requires_grad=True),))


def test_the_colorizer_wants_high_scores() -> None:
    term = WGANGP()
    low, high = (term(batch(value, 0.0, Linear(1.0, 3))) for value in (-0.5, 0.5))
    assert high.shape == (4,)
    assert (high < low).all()


def test_without_a_critic_the_mistake_is_told() -> None:
    with pytest.raises(RuntimeError, match="without a critic"):
        WGANGP()(batch(0.0, 0.0))
