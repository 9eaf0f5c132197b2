"""Losses with an opponent: a critic that learns to tell generated colours from true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.losses.base import AdversarialTerm, ColorBatch, CriticLoss, LossEntry, Parameter

if TYPE_CHECKING:
    from torch import Tensor, nn


class WGANGP(AdversarialTerm):
    """Wasserstein GAN with gradient penalty, conditional on the lightness.

    As in ChromaGAN, the penalty looks at the gradient with respect to the colour alone, at random points between the
    true and the generated colours of a photograph; the lightness is the same in both. And as in its published code the
    gradient is that of the *summed* patch scores, while generator and critic see their *mean*: so a weight means less
    the more patches a picture has.

    Args:
        penalty: weight of the gradient penalty.
        critic_steps: critic updates for each generator update.
    """

    def __init__(self, penalty: float = 10.0, critic_steps: float = 1) -> None:
        super().__init__()
        self.penalty = penalty
        self.critic_steps = int(critic_steps)

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return minus the critic's mean patch score of every image, shape (B,)."""
        return -batch.critic_scores.mean(dim=(1, 2))

    def critic_loss(self, critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> CriticLoss:
        """Return E[D(preds)] - E[D(target)] + penalty E[(|grad D| - 1)^2] (Gulrajani et al. 2017, eq. 3)."""
        true, generated = critic(batch.lightness, batch.target), critic(batch.lightness, batch.preds)
        distance = true.mean() - generated.mean()
        norms = gradient_norms(critic, batch, generator)
        facts = {
            "distance": distance.detach(),
            "accuracy": (true > generated).float().mean(),
            "gradient_norm": norms.detach().mean(),
        }
        return CriticLoss(self.penalty * (norms - 1).square().mean() - distance, facts)


def gradient_norms(critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> Tensor:
    """Return |d sum(D) / d color| of every image at a random point between target and prediction, shape (B,)."""
    share = torch.rand(len(batch.preds), 1, 1, 1, generator=generator).to(batch.preds)
    between = torch.lerp(batch.target, batch.preds, share).requires_grad_()
    scores: Tensor = critic(batch.lightness, between)
    gradient: Tensor = torch.autograd.grad(scores.sum(), between, create_graph=True)[0]
    norms: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return norms


ENTRIES = (
    LossEntry(
        name="wgan_gp",
        family="adversarial",
        formula="-mean D(preds); critic: mean D(preds) - mean D(target) + penalty (|grad D| - 1)^2",
        source="Gulrajani et al. 2017, eq. 3; critic and penalty as in Vitoria et al. 2020 (ChromaGAN)",
        build=WGANGP,
        parameters={
            "penalty": Parameter(10.0, 0.0, 1e6, "weight of the gradient penalty"),
            "critic_steps": Parameter(1, 1, 100, "critic updates for each generator update", integer=True),
        },
        needs=("critic",),
        zero_at_target=False,
    ),
)
