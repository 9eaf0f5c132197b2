from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import nn

from chromalab.training.build import build_optimizer
from chromalab.training.settings import OptimizerName

RATE, GRADIENT, WEIGHT = 0.1, 3.0, 2.0


def step_of(name: OptimizerName, *, weight_decay: float = 0.0, steps: int = 1, gradient: float = GRADIENT) -> float:
    """Return the change of a weight after steps with a constant gradient."""
    weight = nn.Parameter(torch.tensor(WEIGHT, dtype=torch.float64))
    optimizer = build_optimizer(name, [weight], learning_rate=RATE, betas=(0.5, 0.75), weight_decay=weight_decay)
    for _ in range(steps):
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
    return WEIGHT - float(weight.detach())


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_steps_have_the_size_of_the_rate(name: OptimizerName) -> None:
    # Kingma and Ba 2015, algorithm 1: with a constant gradient both moments are unbiased, and each step is the rate.
    assert step_of(name, steps=3) == pytest.approx(3 * RATE, rel=1e-6)


def test_rmsprop_uses_the_second_beta() -> None:
    # Tieleman and Hinton 2012: v = 0.75 v + 0.25 g^2 from 0, and a step of rate * g / sqrt(v).
    assert step_of("rmsprop") == pytest.approx(RATE / 0.25**0.5, rel=1e-6)
    assert step_of("rmsprop", steps=2) == pytest.approx(RATE / 0.25**0.5 + RATE / (1 - 0.75**2) ** 0.5, rel=1e-6)


def test_sgd_uses_the_first_beta_as_momentum() -> None:
    # the velocity is g, then g + 0.5 g
    assert step_of("sgd") == pytest.approx(RATE * GRADIENT)
    assert step_of("sgd", steps=2) == pytest.approx(RATE * GRADIENT * 2.5)


def test_weight_decay_is_decoupled_in_adamw_only() -> None:
    # Loshchilov and Hutter 2019, algorithm 2: AdamW shrinks the weight by rate * decay, whatever the gradient.
    assert step_of("adamw", weight_decay=0.01) == pytest.approx(RATE + RATE * 0.01 * WEIGHT, rel=1e-6)
    assert step_of("adamw", weight_decay=0.01, gradient=0.0) == pytest.approx(RATE * 0.01 * WEIGHT, rel=1e-6)
    # An L2 penalty is a part of the gradient: Adam forgets its length.
    assert step_of("adam", weight_decay=0.01) == pytest.approx(RATE, rel=1e-6)
    assert step_of("sgd", weight_decay=0.01) == pytest.approx(RATE * (GRADIENT + 0.01 * WEIGHT))
    assert step_of("rmsprop", weight_decay=0.01, gradient=0.0) == pytest.approx(RATE / 0.25**0.5, rel=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
def test_groups_keep_their_own_rates(name: str) -> None:
    slow, fast = (nn.Parameter(torch.zeros(1)) for _ in range(2))
    groups: list[dict[str, Any]] = [{"params": [slow], "lr": 0.01, "base_lr": 0.01}, {"params": [fast]}]
    optimizer = build_optimizer(cast("OptimizerName", name), groups, learning_rate=0.2, betas=(0.9, 0.99))
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.2]
    assert optimizer.param_groups[0]["base_lr"] == 0.01
