"""Training of the critic in adversarial objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from chromalab.core.errors import ConfigError
from chromalab.core.seeds import derive_seed
from chromalab.losses.base import AdversarialTerm, ColorBatch, CriticLoss
from chromalab.nets.critics import CRITICS
from chromalab.training.build import build_critic, build_optimizer
from chromalab.training.devices import average_gradients

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor

    from chromalab.training.settings import TrainingSettings


class AutocastCritic(nn.Module):
    """The critic in the run's precision.

    Fabric's wrapper is unsuitable: in mixed precision it allows only gradients by its own `backward`, but penalties and
    diagnostics compute others, and it would round the colors before they are decoded.

    Args:
        fabric: provides the precision.
        critic: maps (lightness, color) to scores.
    """

    def __init__(self, fabric: Fabric, critic: nn.Module) -> None:
        super().__init__()
        self._fabric = fabric
        self.critic = critic

    def forward(self, lightness: Tensor, color: Tensor) -> Tensor:
        """Return the critic's scores in the precision of `color`."""
        with self._fabric.autocast():
            scores: Tensor = self.critic(lightness, color)
        return scores.to(color.dtype)


class CriticTrainer:
    """The critic with its optimizer, which is updated before the colorizer in every step.

    Raises:
        UnknownNameError: the critic does not exist.
        ConfigError: the crops are too small for it.
    """

    def __init__(
        self, fabric: Fabric, term: AdversarialTerm, color_space: str, seed: int, settings: TrainingSettings
    ) -> None:
        check_crops(settings)
        self._term = term
        self._seed = seed
        self.critic = build_critic(settings.critic, color_space, seed)
        optimizer = build_optimizer(
            settings.critic.optimizer,
            self.critic.parameters(),
            learning_rate=settings.critic.learning_rate or settings.optimizer.learning_rate,
            betas=settings.critic.betas,
        )
        _, self.optimizer = fabric.setup(self.critic, optimizer)
        self.scorer = AutocastCritic(fabric, self.critic)

    def update(self, fabric: Fabric, batch: ColorBatch, step: int) -> CriticLoss:
        """Train the critic on the current output of the colorizer, then attach it to `batch` with frozen weights."""
        self.critic.requires_grad_(requires_grad=True)
        detached = ColorBatch(batch.space, batch.lightness, batch.preds.detach(), batch.target, batch.target_rgb)
        for turn in range(self._term.critic_steps):
            # All turns use the crops of this step, so that all objectives of a seed use the same photos.
            rank = (fabric.global_rank,) if fabric.global_rank else ()
            generator = torch.Generator().manual_seed(derive_seed(self._seed, "critic", step, turn, *rank))
            loss = self._term.critic_loss(self.scorer, detached, generator)
            self.optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss.total)
            average_gradients(fabric, self.critic)
            self.optimizer.step()
            self._term.after_critic_step(self.critic)
        self.critic.requires_grad_(requires_grad=False)
        batch.critic = self.scorer
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the critic's weights and its optimizer's moments."""
        return {"critic": self.critic.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.critic.load_state_dict(state["critic"])
        self.optimizer.load_state_dict(state["optimizer"])


def check_crops(settings: TrainingSettings) -> None:
    """Check that the crops are large enough for the critic.

    Raises:
        UnknownNameError: the critic does not exist.
        ConfigError: the crops are too small for it.
    """
    name, crop_px = settings.critic.network, settings.smallest_crop_px
    smallest_px = CRITICS[name].smallest_px
    if crop_px < smallest_px:
        raise ConfigError(
            f"the critic {name} needs images of at least {smallest_px} px, but crops have {crop_px} px: raise crop_px, "
            "or choose another critic (critic.network)"
        )
