"""What a training tells about itself, and when it must stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.core.errors import NonFiniteError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from chromalab.losses.compose import Objective


def gradient_shares(objective: Objective, values: dict[str, Tensor], preds: Tensor) -> dict[str, float]:
    """Return each term's share of the gradient that reaches the network's output: its norm over the sum of norms."""
    if len(objective.specs) == 1:
        return {objective.specs[0].name: 1.0}
    norms = {
        spec.name: float(
            torch.autograd.grad(spec.weight * values[spec.name].mean(), preds, retain_graph=True)[0].norm()
        )
        for spec in objective.specs
    }
    whole = sum(norms.values()) or 1.0
    return {name: norm / whole for name, norm in norms.items()}


def check_finite(values: Mapping[str, Tensor], step: int) -> None:
    """Stop a training whose losses are no numbers any more.

    Raises:
        NonFiniteError: one of the named values is not finite.
    """
    for name, value in values.items():
        if not bool(value.isfinite().all()):
            raise NonFiniteError(
                f"{name} is not finite at step {step + 1}: lower the learning rate, or clip the gradient "
                "(optimizer.clip_norm); the last checkpoint is kept"
            )
