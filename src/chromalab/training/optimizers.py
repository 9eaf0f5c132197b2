"""Optimizers by name, as settings ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from chromalab.training.settings import OptimizerName


def build_optimizer(
    name: OptimizerName,
    weights: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
    *,
    learning_rate: float,
    betas: tuple[float, float],
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return the optimizer called `name`; what is not said here is PyTorch's default.

    Args:
        name: `adam`, `adamw`, `rmsprop` or `sgd`.
        weights: what to train, or groups of it; a group's own `lr` wins over `learning_rate`.
        learning_rate: the step size.
        betas: decay of the first and second moments. RMSProp takes the second as its smoothing constant (PyTorch's
            own, with which WGAN was published, is 0.99), SGD the first as its momentum.
        weight_decay: of AdamW decoupled from the gradient, of the others an L2 penalty.
    """
    if name == "adam":
        return torch.optim.Adam(weights, lr=learning_rate, betas=betas, weight_decay=weight_decay)
    if name == "adamw":
        # One kernel for each weight instead of one for each operation: a thirtieth of a step on a CPU core.
        return torch.optim.AdamW(weights, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)
    if name == "rmsprop":
        return torch.optim.RMSprop(weights, lr=learning_rate, alpha=betas[1], weight_decay=weight_decay)
    return torch.optim.SGD(weights, lr=learning_rate, momentum=betas[0], weight_decay=weight_decay)
