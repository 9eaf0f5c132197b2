"""Weighing the terms of an objective by the norms of their gradients.

Terms come in units of their own: a weight of 1 says little before one knows the length of each term's gradient.
Balanced, a weight is a share: with `l2 + 0.5*wgan_gp` two thirds of the sum of gradient norms are L2's whatever their
units. The first term keeps its written weight, so that the whole stays comparable with the unbalanced objective.

This is the simplest of a family (GradNorm, Chen et al. 2018, learns such weights and adds training rates to them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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
