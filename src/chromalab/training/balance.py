"""Balancing of loss terms by gradient norm, and statistics of their gradients for the log.

Loss terms have different units, so a weight alone says little about a term's influence. With balancing, a weight is a
share: under `l2 + 0.5*wgan_gp`, L2 has two thirds of the sum of gradient norms. The first term keeps its written
weight, so that the total stays comparable with the unbalanced objective.

This is the simplest method of its family. GradNorm (Chen et al. 2018) learns such weights and adds training rates.
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
"""Steps between two looks at the gradients: each costs a backward pass through the losses, not through the network."""

DECAY = 0.9
"""Of the running mean of norms: a look from 100 steps ago counts about a third."""

LARGEST_FACTOR = 1e4
"""A term that has no gradient now, as a penalty inside its bounds, would be given any weight."""


class Balancer:
    """Keeps the weights of an objective's terms such that their shares of the gradient are those written.

    Args:
        objective: the terms with their written weights.
    """

    def __init__(self, objective: Objective) -> None:
        self._written = objective.weights
        self._norms: dict[str, float] = {}

    def wants_look(self, step: int, names: Collection[str] = ()) -> bool:
        """Return whether gradients are looked at in `step`: now and then, and when a term of `names` begins to act."""
        return step % EVERY_STEPS == 0 or any(name not in self._norms for name in names)

    def look(self, gradients: Mapping[str, Tensor]) -> None:
        """Take note of the norms of the unweighted terms' gradients."""
        for name, gradient in gradients.items():
            norm = float(gradient.norm())
            self._norms[name] = DECAY * self._norms[name] + (1 - DECAY) * norm if name in self._norms else norm

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every term now; that of a term that has not acted yet is the written one."""
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
