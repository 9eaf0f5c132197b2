"""What a training tells about its terms, and when it must stop."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import torch

from chromalab.core.errors import NonFiniteError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor


def term_gradients(values: Mapping[str, Tensor], outputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the gradient of each unweighted term in what the network gives, all outputs in one vector.

    Args:
        values: the value of every term and image, (B,) each.
        outputs: what the network's heads gave. A term that doesn't look at one of them has a gradient of 0 there, so
            terms that act on different heads are at right angles.
    """
    return {name: _gradient(value.mean(), outputs) for name, value in values.items()}


def _gradient(value: Tensor, outputs: Sequence[Tensor]) -> Tensor:
    if (
        not value.requires_grad
    ):  # a term that is constant here, as a penalty on colors out of gamut where there are none
        return torch.cat([torch.zeros_like(output).flatten() for output in outputs])
    parts = torch.autograd.grad(value, outputs, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])


def gradient_facts(gradients: Mapping[str, Tensor], weights: Mapping[str, float]) -> dict[str, float]:
    """Return what the log says of the terms' gradients: `NAME.share` of each, and `cosine.A.B` of each pair.

    A share is the norm of the weighted gradient over the sum of all norms; a cosine tells whether two terms pull the
    same way (1), apart (-1), or have nothing to do with each other (0, also where one of them has no gradient).
    """
    norms = {name: float(gradient.norm()) for name, gradient in gradients.items()}
    whole = sum(weights[name] * norm for name, norm in norms.items()) or 1.0
    facts = {f"{name}.share": weights[name] * norm / whole for name, norm in norms.items()}
    for first, second in combinations(gradients, 2):
        product = norms[first] * norms[second]
        cosine = float(gradients[first] @ gradients[second]) / product if product > 0 else 0.0
        facts[f"cosine.{first}.{second}"] = max(-1.0, min(1.0, cosine))
    return facts


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
