"""Balancing of loss terms by gradient norm, and statistics of their gradients for the log.

Loss terms have different units, so a weight alone does not determine a term's influence. With balancing, weights define
shares: with `l2 + 0.5*wgan_gp`, the gradient of L2 has two thirds of the sum of gradient norms. The first term keeps
its written weight, so that the total stays comparable with the unbalanced objective.

This is the simplest method of its kind. GradNorm (Chen et al. 2018) learns such weights and considers training rates.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import torch

from chromalab.core.errors import NonFiniteError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor

    from chromalab.losses.compose import Objective


EVERY_STEPS = 10
"""Steps between two measurements of the gradients; each costs a backward pass through the losses, not the network."""

DECAY = 0.9
"""Decay of the running mean of norms, which reduces a measurement to about a third in 100 steps."""

LARGEST_FACTOR = 1e4
"""Largest correction of a weight, because a term may have no gradient, such as a penalty inside its bounds."""


class Balancer:
    """Adjusts the weights of an objective's terms so that their shares of the gradient equal the written weights.

    Args:
        objective: the terms with their written weights.
    """

    def __init__(self, objective: Objective) -> None:
        self._written = objective.weights
        self._norms: dict[str, float] = {}

    def is_due(self, step: int, names: Collection[str] = ()) -> bool:
        """Return whether to measure gradients in `step`: regularly, and when a term of `names` starts to act."""
        return step % EVERY_STEPS == 0 or any(name not in self._norms for name in names)

    def update(self, gradients: Mapping[str, Tensor]) -> None:
        """Update the running means of the norms from the unweighted terms' gradients."""
        for name, gradient in gradients.items():
            norm = float(gradient.norm())
            self._norms[name] = DECAY * self._norms[name] + (1 - DECAY) * norm if name in self._norms else norm

    @property
    def weights(self) -> dict[str, float]:
        """The current weight of every term, which is the written one until the term acts."""
        if not self._norms:
            return self._written
        anchor = next(name for name in self._written if name in self._norms)
        return {name: weight * self._factor(anchor, name) for name, weight in self._written.items()}

    def _factor(self, anchor: str, name: str) -> float:
        if name == anchor or name not in self._norms:
            return 1.0
        smallest = self._norms[anchor] / LARGEST_FACTOR
        factor = self._norms[anchor] / max(self._norms[name], smallest) if smallest > 0 else 1.0
        return max(1 / LARGEST_FACTOR, factor)

    def state_dict(self) -> dict[str, float]:
        """Return the running means of the norms."""
        return dict(self._norms)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Restore what `state_dict` returned."""
        self._norms = dict(state)


def term_gradients(values: Mapping[str, Tensor], outputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the gradient of each unweighted term with respect to all outputs of the network, as one vector.

    Args:
        values: the value of every term and image, (B,) each.
        outputs: outputs of the network's heads. A term has a gradient of 0 for an output that it doesn't use, so terms
            on different heads are orthogonal.
    """
    return {name: _gradient(value.mean(), outputs) for name, value in values.items()}


def _gradient(value: Tensor, outputs: Sequence[Tensor]) -> Tensor:
    if not value.requires_grad:  # a constant term, such as a penalty on out-of-gamut colors if there are none
        return torch.cat([torch.zeros_like(output).flatten() for output in outputs])
    parts = torch.autograd.grad(value, outputs, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])


def gradient_facts(gradients: Mapping[str, Tensor], weights: Mapping[str, float]) -> dict[str, float]:
    """Return the statistics of the terms' gradients for the log: `NAME.share` per term, and `cosine.A.B` per pair.

    A share is the norm of the weighted gradient divided by the sum of all norms. A cosine is 1 for parallel gradients,
    -1 for opposite gradients, and 0 for orthogonal gradients or if one of them is zero.
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
    """Stop the training if a value is not finite.

    Raises:
        NonFiniteError: one of the named values is not finite.
    """
    for name, value in values.items():
        if not bool(value.isfinite().all()):
            raise NonFiniteError(
                f"{name} is not finite at step {step + 1}: lower the learning rate, or clip the gradient "
                "(optimizer.clip_norm); the last checkpoint is kept"
            )
