"""The critic's side of an adversarial training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from chromalab.core.seeds import derive_seed
from chromalab.losses.base import AdversarialTerm, ColorBatch, CriticLoss
from chromalab.training.build import build_critic

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from chromalab.training.settings import TrainingSettings


class Opponent:
    """The critic with its optimizer: updated before the colorizer in every step."""

    def __init__(
        self, fabric: Fabric, term: AdversarialTerm, color_space: str, seed: int, settings: TrainingSettings
    ) -> None:
        self._term = term
        self._seed = seed
        self.critic = build_critic(settings.critic, color_space, seed)
        rate = settings.critic.learning_rate or settings.optimizer.learning_rate
        optimizer = torch.optim.Adam(self.critic.parameters(), lr=rate, betas=settings.critic.betas)
        self.model, self.optimizer = fabric.setup(self.critic, optimizer)

    def update(self, fabric: Fabric, batch: ColorBatch, step: int) -> CriticLoss:
        """Train the critic on what the colorizer gives now, then hand it to `batch` frozen."""
        self.critic.requires_grad_(requires_grad=True)
        detached = ColorBatch(batch.space, batch.lightness, batch.preds.detach(), batch.target, batch.target_rgb)
        for turn in range(self._term.critic_steps):
            # Every turn sees the crops of this step: so every objective of a seed has seen the same photographs.
            generator = torch.Generator().manual_seed(derive_seed(self._seed, "critic", step, turn))
            loss = self._term.critic_loss(self.model, detached, generator)
            self.optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss.total)
            self.optimizer.step()
            self._term.after_critic_step(self.critic)
        self.critic.requires_grad_(requires_grad=False)
        batch.critic = self.model
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the critic's weights and its optimizer's moments."""
        return {"critic": self.critic.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.critic.load_state_dict(state["critic"])
        self.optimizer.load_state_dict(state["optimizer"])
